//! Regions cut out of pictures.

use serde_json::json;

use super::*;

fn place(x: f64, y: f64, width: f64, height: f64) -> Place {
    Place::of(&json!({"value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0}})).unwrap()
}

fn bytes(prepared: &Prepared) -> Vec<u8> {
    prepared.pixels.iter().map(|value| *value as u8).collect()
}

#[test]
fn a_region_is_seen_as_a_picture_of_its_own() {
    let whole = pattern(100, 60);
    let places =
        [place(10.0, 20.0, 30.0, 50.0), place(0.0, 0.0, 100.0, 100.0), place(-50.0, -50.0, 60.0, 60.0)];
    let regions = prepare_regions(&png(whole.clone()), &places, &plain(16), &LIMITS).unwrap();
    for (region, (x, y, width, height)) in
        regions.iter().zip([(10, 12, 30, 30), (0, 0, 100, 60), (0, 0, 10, 6)])
    {
        let own = image::imageops::crop_imm(&whole, x, y, width, height).to_image();
        let own = prepare(&png(own), &plain(16), &LIMITS).unwrap();
        assert_eq!(region.as_ref().unwrap(), &own, "{x} {y} {width} {height}");
    }
}

#[test]
fn a_region_is_cut_out_of_the_upright_picture() {
    let upright = pattern(96, 64);
    let places = [place(0.0, 0.0, 50.0, 25.0)];
    let expected =
        prepare_regions(&jpeg_with_orientation(&upright, 1), &places, &plain(16), &LIMITS).unwrap();
    let stored = image::imageops::rotate270(&upright);
    let turned = prepare_regions(&jpeg_with_orientation(&stored, 6), &places, &plain(16), &LIMITS).unwrap();
    let expected = expected[0].as_ref().unwrap();
    let turned = turned[0].as_ref().unwrap();
    let difference = mean_difference(&bytes(expected), &bytes(turned));
    assert!(difference <= 2.0, "{difference:.2}");
}

#[test]
fn a_region_outside_harms_no_other() {
    let turned = json!({"value": {"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 180}});
    let places = [Place::of(&turned).unwrap(), place(0.0, 0.0, 50.0, 50.0)];
    let regions = prepare_regions(&png(pattern(20, 10)), &places, &plain(8), &LIMITS).unwrap();
    assert_eq!(regions[0], Err(VisionError::Outside { width: 20, height: 10 }));
    assert!(regions[1].is_ok());
    assert!(prepare_regions(b"no picture", &places, &plain(8), &LIMITS).is_err());
}
