use super::*;

fn point(x: f64, y: f64, band: Option<(f64, f64)>) -> Point {
    Point { x, y, band }
}

fn chart(points: &[Point], reference: &[Point]) -> String {
    let chart = LineChart {
        name: "Learning curve",
        says: "from 60 % to 90 %",
        across: "labels",
        up: "accuracy",
        percent: true,
        line: points,
        reference,
    };
    // A tag a line, so that a change shows where it is.
    line(&chart).into_string().replace("><", ">\n<")
}

#[test]
fn a_line_has_a_band_and_a_reference() {
    let points = [
        point(10.0, 0.6, Some((0.4, 0.8))),
        point(20.0, 0.8, Some((0.7, 0.9))),
        point(40.0, 0.9, Some((0.85, 0.95))),
    ];
    let reference = [point(10.0, 0.5, Some((0.45, 0.55))), point(30.0, 0.7, None)];
    insta::assert_snapshot!(chart(&points, &reference));
}

#[test]
fn one_point_is_a_dot_with_its_interval() {
    insta::assert_snapshot!(chart(&[point(7.0, 1.0, Some((0.65, 1.0)))], &[]));
}

#[test]
fn what_is_not_finite_is_left_out_and_nothing_is_said_to_be_nothing() {
    for points in [vec![], vec![point(f64::NAN, 0.5, None), point(1.0, f64::INFINITY, None)]] {
        assert_eq!(chart(&points, &[]), "<p class=\"note\">Nothing to draw yet.</p>");
    }
    let odd = chart(
        &[point(1.0, 0.5, Some((f64::NAN, 1.0))), point(2.0, 0.5, None), point(3.0, f64::NAN, None)],
        &[],
    );
    assert!(!odd.contains("NaN") && !odd.contains("inf") && odd.matches("<circle").count() == 2, "{odd}");
    assert!(
        calibration(&[Bin { n: 0, certainty: f64::NAN, right: f64::NAN }]).into_string().contains("Nothing")
    );
    assert!(matrix(&[], &[]).into_string().contains("Nothing"));
    assert!(matrix(&["a".into()], &[vec![1, 2]]).into_string().contains("Nothing"));
    assert!(bars("x", &[]).into_string().contains("Nothing"));
}

#[test]
fn a_matrix_is_shaded_by_rows() {
    let classes = ["cloudy".to_owned(), "a very long name of a class".to_owned()];
    let drawn = matrix(&classes, &[vec![9, 1], vec![0, 0]]).into_string().replace("><", ">\n<");
    insta::assert_snapshot!(drawn);
}

#[test]
fn bars_and_calibration_are_drawn() {
    let rows = [
        Bar { name: "cloudy".into(), share: Some(0.5), figure: "50 %".into() },
        Bar { name: "rain".into(), share: None, figure: "no label".into() },
        Bar { name: "odd".into(), share: Some(f64::NAN), figure: "–".into() },
        Bar { name: "much".into(), share: Some(7.0), figure: "700 %".into() },
    ];
    insta::assert_snapshot!("bars", bars("Recall", &rows).into_string().replace("><", ">\n<"));
    let bins = [Bin { n: 4, certainty: 0.55, right: 0.5 }, Bin { n: 16, certainty: 0.95, right: 1.0 }];
    insta::assert_snapshot!("calibration", calibration(&bins).into_string().replace("><", ">\n<"));
}

#[test]
fn names_that_look_like_markup_are_text() {
    let name = "<script>alert(1)</script>".to_owned();
    let drawn = matrix(std::slice::from_ref(&name), &[vec![3]]).into_string()
        + &bars(&name, &[Bar { name: name.clone(), share: Some(1.0), figure: name.clone() }]).into_string();
    assert!(!drawn.contains("<script"), "{drawn}");
}

#[test]
fn ticks_are_round_numbers_within_the_axis() {
    let axis = |low, high| Axis { low, high, falling: false };
    assert_eq!(
        axis(0.0, 1.0).ticks(5).iter().map(|value| tick(*value)).collect::<Vec<_>>(),
        ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    );
    assert_eq!(axis(3.0, 97.0).ticks(4), [50.0]);
    assert_eq!(axis(f64::NAN, 1.0).ticks(5), Vec::<f64>::new());
}
