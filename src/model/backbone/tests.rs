//! The embedding against PyTorch's, whose numbers `tests/reference/backbone.py` made, on both devices.

use super::*;

const REFERENCE: &[u8] = include_bytes!("../../../tests/reference/backbone.safetensors");

/// A tolerance: how far the cosine may be below one, and the largest difference as a share of a group's largest number.
type Tolerance = (f64, f64);

/// f32 against f64 over fifty convolutions: measured 2e-12 and 2e-6.
const SAME_WEIGHTS: Tolerance = (1e-10, 1e-5);

/// An f16 weight is off by up to 2^-11, five in 10,000: measured 2e-5 and 4.4e-3, worst in the last layer.
const ROUNDED_WEIGHTS: Tolerance = (4e-5, 1e-2);

/// Two orders of summation in f32: measured 2e-12 and 2e-6.
const DEVICES: Tolerance = (1e-11, 5e-6);

const IMAGES: [&str; 3] = ["ramps", "rings", "noise"];

/// The images of the script: the same formulas on integers, normalised exactly.
fn pixels(image: &str) -> Vec<f32> {
    let value = |channel: u32, x: u32, y: u32| match (image, channel) {
        ("ramps", 0) => x * 255 / 159,
        ("ramps", 1) => y * 255 / 159,
        ("ramps", _) => 255 * ((x / 8 + y / 8) % 2),
        ("rings", _) => (x.abs_diff(70).pow(2) + y.abs_diff(90).pow(2)) * (channel + 1) / 16 % 256,
        _ => {
            let mut state = (channel * 160 + y) * 160 + x + 1;
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
            }
            state >> 24
        }
    };
    let at = |index: u32| (value(index / 25_600, index % 160, index / 160 % 160) as f32 - 127.0) / 128.0;
    (0..3 * 160 * 160).map(at).collect()
}

fn reference(name: &str) -> Vec<f32> {
    let file = safetensors::SafeTensors::deserialize(REFERENCE).unwrap();
    let bytes = file.tensor(name).unwrap().data().chunks_exact(4);
    bytes.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn embedded(device: DeviceChoice) -> [Vec<f32>; 3] {
    let backbone = load_backbone(&BackboneChoice::Lite0, device).unwrap();
    IMAGES.map(|image| backbone.embed(&pixels(image)).unwrap())
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// Cosine, and the largest difference as a share of the largest number.
fn agreement(found: &[f32], expected: &[f32]) -> (f64, f64) {
    let dot: f64 = found.iter().zip(expected).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let largest =
        |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0, |a, b| f32::max(a, b.abs())));
    let apart = largest(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (dot / (norm(found) * norm(expected)), apart / largest(&mut expected.iter().copied()))
}

/// Asserts that every group of every image agrees; `what` names the comparison.
fn assert_agree(what: &str, found: &[Vec<f32>; 3], expected: &[Vec<f32>; 3], tolerance: Tolerance) {
    let (cosine, apart) = tolerance;
    let groups = load_backbone(&BackboneChoice::Lite0, DeviceChoice::Flex).unwrap().spec().groups.clone();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["last", "block2", "block4", "block7", "block10", "block14"]);
    for ((image, found), expected) in IMAGES.iter().zip(found).zip(expected) {
        assert_eq!((found.len(), expected.len()), (2_176, 2_176), "{what}, {image}");
        let mut start = 0;
        for group in &groups {
            let columns = start..start + group.width;
            start = columns.end;
            let (c, a) = agreement(&found[columns.clone()], &expected[columns]);
            assert!(
                c >= 1.0 - cosine && a <= apart,
                "{what}, {image}, {}: cosine 1 - {:.1e}, largest difference {a:.1e} of the largest number",
                group.name,
                1.0 - c,
            );
        }
    }
}

#[test]
fn the_network_computes_what_pytorch_does_with_the_same_weights() {
    let expected = IMAGES.map(|image| reference(&format!("shipped.{image}")));
    assert_agree("flex, same weights", &embedded(DeviceChoice::Flex), &expected, SAME_WEIGHTS);
}

#[test]
fn weights_as_f16_cost_no_more_than_their_rounding() {
    let expected = IMAGES.map(|image| reference(&format!("original.{image}")));
    assert_agree("flex, original weights", &embedded(DeviceChoice::Flex), &expected, ROUNDED_WEIGHTS);
}

#[cfg(feature = "ndarray")]
#[test]
fn both_devices_agree_with_pytorch_and_more_closely_with_each_other() {
    let flex = embedded(DeviceChoice::Flex);
    let ndarray = embedded(DeviceChoice::NdArray);
    let expected = |weights: &str| IMAGES.map(|image| reference(&format!("{weights}.{image}")));
    assert_agree("ndarray, same weights", &ndarray, &expected("shipped"), SAME_WEIGHTS);
    assert_agree("ndarray, original weights", &ndarray, &expected("original"), ROUNDED_WEIGHTS);
    assert_agree("flex and ndarray", &flex, &ndarray, DEVICES);
}

#[test]
fn the_fast_profile_gives_the_blocks_it_names() {
    let backbone = load_backbone(&BackboneChoice::Lite0Fast, DeviceChoice::Flex).unwrap();
    let groups: Vec<(&str, usize)> =
        backbone.spec().groups.iter().map(|group| (group.name.as_str(), group.width)).collect();
    assert_eq!(groups, [("block2", 48), ("block4", 80), ("block7", 160), ("block10", 224)]);
    let embedding = backbone.embed(&vec![0.5; 3 * 128 * 128]).unwrap();
    assert_eq!(embedding.len(), 512);
    assert!(matches!(
        backbone.embed(&vec![0.5; 3 * 160 * 160]),
        Err(ModelError::Length { expected: 49_152, found: 76_800 })
    ));
}

#[test]
fn the_shipped_file_and_every_profile_keep_their_fingerprints() {
    let digest = blake3::hash(LITE0).to_hex();
    assert_eq!(&digest[..16], "8525f7e2fe299bd0", "assets/lite0.safetensors is another file");
    let of = |choice: BackboneChoice| {
        load_backbone(&choice, DeviceChoice::Flex).unwrap().spec().fingerprint.clone()
    };
    // Stored embeddings and trained heads belong to these: a change makes every user embed and train again.
    assert_eq!(of(BackboneChoice::Lite0), "64b762e33bcf5b09");
    assert_eq!(of(BackboneChoice::Lite0Fast), "436e663a6a758182");
    assert_eq!(of(BackboneChoice::Tiny), "d488dabcec994472");
}

fn load(bytes: &[u8]) -> Result<MbConvBackbone, ModelError> {
    let profile = Profile { px: None, last_block: None };
    let opened = Opened { name: "test".to_owned(), bytes: bytes.to_vec().into(), profile };
    MbConvBackbone::load(&opened, &Device::flex())
}

/// Offset of the tensors: after eight bytes of the header's length and the header.
fn tensors_start(bytes: &[u8]) -> usize {
    8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap()
}

#[test]
fn one_other_bit_in_a_weight_is_another_backbone() {
    let bytes = tiny::file().unwrap();
    let plain = load(&bytes).unwrap();
    assert_eq!(load(&bytes).unwrap().spec, plain.spec);
    for at in [tensors_start(&bytes), bytes.len() - 4] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_ne!(load(&changed).unwrap().spec.fingerprint, plain.spec.fingerprint, "byte {at}");
    }
}

#[test]
fn damaged_backbone_files_are_refused_with_what_is_wrong() {
    let bytes = tiny::file().unwrap();
    let start = tensors_start(&bytes);
    let refused = |what: &str, bytes: &[u8], named: &str| {
        let error = load(bytes).map(|backbone| backbone.spec).expect_err(what).to_string();
        assert!(error.contains(named), "{what}: {error}");
    };
    for cut in [0, 7, start / 2, start, bytes.len() - 1] {
        refused("cut short", &bytes[..cut], "not a safetensors file");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    refused("a byte too many", &longer, "not a safetensors file");
    let mut weight = bytes.clone();
    weight[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    refused("a weight that is no number", &weight, "not finite");

    let header = String::from_utf8_lossy(&bytes[8..start]).into_owned();
    let renamed = |from: &str, to: &str| {
        assert!(header.contains(from), "{from}: {header}");
        let header = header.replace(from, to);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[start..]].concat()
    };
    refused(
        "a missing tensor",
        &renamed("blocks.1.expand.weight", "blocks.1.expanded.weight"),
        "`blocks.1.expand",
    );
    refused(
        "another shape",
        &renamed("[32,16,1,1]", "[16,32,1,1]"),
        "`head.weight` has shape [16, 32, 1, 1]",
    );
    refused("another architecture", &renamed("mbconv-lite", "mbconv-lots"), "`mbconv-lots` is not known");
    refused("a pooled block beyond the last", &renamed("[0,2]", "[0,9]"), "don't ascend within 3 blocks");
    refused("no card", &renamed("weathervane-backbone", "another-backbone"), "no `weathervane-backbone`");
}
