//! The words of the pages with few labels and with many.

use super::*;
use crate::eval::wilson;

/// A head of three classes, labelled in turn, that answered `right` of `n` labels out of fold.
fn head(n: usize, right: usize) -> HeadCard {
    let labels: Vec<usize> = (0..n).map(|row| row % 3).collect();
    let rows: Vec<Vec<f32>> = labels
        .iter()
        .enumerate()
        .map(|(row, label)| {
            let answer = if row < right { *label } else { (label + 1) % 3 };
            (0..3).map(|class| if class == answer { 0.9 } else { 0.05 }).collect()
        })
        .collect();
    HeadCard {
        from_name: "weather".to_owned(),
        to_name: "image".to_owned(),
        control: Default::default(),
        scope: Default::default(),
        kind: ChoiceKind::Single,
        classes: ["cloudy", "rain", "shine"].map(str::to_owned).to_vec(),
        paths: Vec::new(),
        source: HeadSource::Own,
        groups: Vec::new(),
        refined: false,
        evaluation: Some(Evaluation::single(&rows, &labels, 3)),
        confusion: Vec::new(),
        calibration: crate::eval::calibration::single(&rows, &labels),
        losses: Vec::new(),
        starter_accuracy: None,
        suspects: Vec::new(),
        near_copies: Vec::new(),
    }
}

fn starter(n: usize, right: usize, accuracy: f64) -> HeadCard {
    HeadCard { source: HeadSource::Starter, starter_accuracy: Some(accuracy), ..head(n, right) }
}

fn suspect(given: &str, likely: &str) -> SuspectCard {
    let task = crate::domain::ids::TaskId(1);
    SuspectCard { task, given: given.to_owned(), likely: likely.to_owned(), p_given: 0.1, p_likely: 0.8 }
}

#[test]
fn the_thresholds_are_where_their_reasons_say() {
    let width = |share: f64, n: usize| {
        let (low, high) = wilson(share, n);
        (100.0 * (high - low)).round() as i64
    };
    assert_eq!((width(0.9, 10), width(0.9, SHARE), width(0.9, COMPARED)), (39, 27, 15));
}

#[test]
fn accuracy_is_told_of_twenty_labels_with_its_interval_and_its_images() {
    for (n, right, says) in [
        (1, 0, "Told from 20 labels on; so far 1 label."),
        (5, 2, "Told from 20 labels on; so far 5 labels."),
        (
            21,
            20,
            "95.2 % (77.3 to 99.2) of the 21 labelled images, each answered by a model that had not seen it",
        ),
        (
            60,
            57,
            "95.0 % (86.3 to 98.3) of the 60 labelled images, each answered by a model that had not seen it",
        ),
        (
            300,
            290,
            "96.7 % (94.0 to 98.2) of the 300 labelled images, each answered by a model that had not seen it",
        ),
    ] {
        assert_eq!(accuracy(&head(n, right)), says);
    }
    assert_eq!(accuracy(&HeadCard { evaluation: None, ..head(60, 57) }), NOT_MEASURED);
    let multiple = accuracy(&HeadCard { kind: ChoiceKind::Multiple, ..head(60, 57) });
    assert!(multiple.contains("of the decisions on the 60 labelled images"), "{multiple}");
}

#[test]
fn while_the_starter_serves_its_accuracy_is_told_and_not_that_of_the_head_behind_it() {
    for (n, right, says) in [
        (5, 2, "Told from 20 labels on; so far 5 labels."),
        (21, 20, "98.5 % of the 21 labelled images, by the starter model, which serves"),
        (60, 57, "98.5 % of the 60 labelled images, by the starter model, which serves"),
        (300, 290, "98.5 % of the 300 labelled images, by the starter model, which serves"),
    ] {
        let card = starter(n, right, 0.985);
        assert_eq!(accuracy(&card), says);
        assert!(serves(&card).starts_with("The starter model serves. All below is of the head learnt"));
    }
    assert!(serves(&head(21, 20)).starts_with("Learnt from this project's labels, and serves."));
}

#[test]
fn a_learning_curve_goes_through_versions_whose_accuracy_is_told() {
    let through = |versions: &[usize]| curve(versions.to_vec(), |n| *n);
    assert_eq!(
        through(&[2, 3, 5]).unwrap_err(),
        "Drawn through versions of at least 20 labels, from the second on; so far 0 versions have them."
    );
    assert_eq!(
        through(&[2, 5, 21]).unwrap_err(),
        "Drawn through versions of at least 20 labels, from the second on; so far 1 version has them."
    );
    assert_eq!(through(&[2, 5, 21, 60]).unwrap(), [21, 60], "the first versions' shares are left out");
    assert_eq!(through(&[2, 5, 21, 60, 300]).unwrap(), [21, 60, 300]);
}

#[test]
fn a_calibration_curve_has_no_dot_of_few_answers() {
    let bin = |n, certainty, right| CalibrationBin { n, certainty, right };
    let few = calibration(&[bin(2, 0.5, 0.0), bin(3, 0.9, 1.0)]).unwrap_err();
    assert_eq!(
        few,
        "Drawn once there are 2 groups of 20 answers of about the same certainty; so far 5 answers in all."
    );
    // A saw-tooth of 21: 50 %, 0 %, 100 %, 94 % right.
    let saw = [bin(2, 0.45, 0.5), bin(1, 0.55, 0.0), bin(2, 0.75, 1.0), bin(16, 0.95, 0.9375)];
    assert!(calibration(&saw).unwrap_err().ends_with("so far 21 answers in all."));

    let sixty = [bin(4, 0.45, 0.5), bin(6, 0.65, 0.5), bin(10, 0.75, 0.8), bin(40, 0.95, 0.975)];
    let dots = calibration(&sixty).unwrap();
    assert_eq!(dots.iter().map(|dot| dot.n).collect::<Vec<_>>(), [20, 40]);
    assert!((dots[0].certainty - 0.66).abs() < 1e-9 && (dots[0].right - 0.65).abs() < 1e-9, "{dots:?}");

    // What is left over at the top joins the dot before it; no answer is lost.
    let three_hundred = [bin(30, 0.55, 0.5), bin(90, 0.75, 0.8), bin(170, 0.85, 0.9), bin(10, 0.95, 1.0)];
    let dots = calibration(&three_hundred).unwrap();
    assert_eq!(dots.iter().map(|dot| dot.n).collect::<Vec<_>>(), [30, 90, 180]);
    assert!((dots[2].certainty - (170.0 * 0.85 + 10.0 * 0.95) / 180.0).abs() < 1e-9, "{dots:?}");
    assert_eq!(
        calibration(&[bin(50, 0.85, 0.9), bin(50, 0.95, 1.0)]).unwrap().len(),
        2,
        "nothing is left over"
    );
    assert_eq!(calibration(&[]).unwrap_err(), NOT_MEASURED);
}

#[test]
fn a_label_is_doubted_only_between_classes_of_twenty_labels() {
    let suspects = [suspect("rain", "cloudy"), suspect("shine", "rain")];
    for n in [5, 21] {
        let card = head(n, n - 1);
        let shown = doubted(&card, &suspects).len();
        let says = "Told of classes with 20 labels or more, from the second such class on.";
        assert_eq!((shown, doubts(&card, shown).as_str()), (0, says));
    }
    for (n, right, percent) in [(60, 57, "95.0 %"), (300, 290, "96.7 %")] {
        let card = head(n, right);
        let shown = doubted(&card, &suspects).len();
        assert_eq!(shown, 2);
        assert_eq!(
            doubts(&card, shown),
            format!(
                "2 labels are doubted by models that had not seen the label and that are right on {percent} of the labelled \
                 images: the label is wrong, or the picture is a hard one."
            )
        );
        assert_eq!(doubts(&card, 0), "None: models that had not seen a label agree with it.");
    }
    // 59 labels: 20, 20 and 19.
    let card = head(59, 57);
    assert_eq!(doubted(&card, &suspects), [&suspects[0]]);
    assert!(doubts(&card, 1).ends_with("hard one. Told of classes with 20 labels or more: shine has 19."));
}

#[test]
fn whether_labelling_may_stop_is_told_from_sixty_labels_on() {
    for (n, says) in [
        (5, Err("Told from 60 labels on; so far 5 labels.".to_owned())),
        (21, Err("Told from 60 labels on; so far 21 labels.".to_owned())),
        (60, Ok(())),
        (300, Ok(())),
    ] {
        assert_eq!(stop(&head(n, n - 1)), says);
    }
}
