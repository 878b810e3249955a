//! A model written out for use elsewhere, with a card beside it that says what it is.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::files::{beside, write_whole};
use crate::model::onnx::{INPUT, onnx};
use crate::model::{BackboneChoice, BackboneSpec, Head};
use crate::models::Published;

/// Licence notice of the weights, for those who pass them on.
const LICENCE: &str = "The backbone is EfficientNet-Lite0, Copyright (c) 2020 ML Illustrated, Apache License 2.0, with \
    batch normalisation folded into the convolutions and rounded to 16 bits; keep this notice and the licence with the \
    file. A head that says `starter` was trained on the Multi-class Weather Dataset, Gbeminiyi Ajayi (2018), \
    doi:10.17632/4drtyfjtfy.1, CC BY 4.0. Other heads are those of whose labels they were trained on.";

/// Formats of a model.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFormat {
    /// The heads, as the server keeps them; weathervane reads it
    Safetensors,
    /// Backbone and heads as one network; onnxruntime and others run it
    Onnx,
}

/// Writes a model and `OUT.json`, its card. `bytes` are its file's as they are: its version is their digest.
///
/// # Errors
/// A file can't be written, or a head has a name that ONNX can't give an output.
pub fn write(
    out: &Path,
    format: ModelFormat,
    published: &Published,
    bytes: &[u8],
    spec: &BackboneSpec,
    choice: &BackboneChoice,
) -> anyhow::Result<()> {
    let card = card(published, spec, format);
    match format {
        ModelFormat::Safetensors => write_whole(out, bytes)?,
        ModelFormat::Onnx => {
            let cards = published.file.card.heads.iter();
            let heads: Vec<(&str, &Head)> =
                cards.map(|card| card.from_name.as_str()).zip(&published.file.heads).collect();
            write_whole(out, &onnx(choice, &heads, &[("weathervane", card.to_string())])?)?;
        }
    }
    write_whole(&beside(out, ".json"), (serde_json::to_string_pretty(&card)? + "\n").as_bytes())
}

/// Card of a model: everything that another program must know to use it.
fn card(published: &Published, spec: &BackboneSpec, format: ModelFormat) -> Value {
    let card = &published.file.card;
    let px = spec.input.px;
    let heads: Vec<Value> = card
        .heads
        .iter()
        .zip(&published.file.heads)
        .map(|(head, weights)| {
            json!({
                "name": head.from_name,
                "labels": head.to_name,
                "control": head.control,
                "scope": head.scope,
                "kind": head.kind,
                "classes": head.classes,
                "source": head.source,
                "activation": weights.activation().name(),
                "evaluation": head.evaluation,
            })
        })
        .collect();
    let mut value = json!({
        "version": published.name,
        "made_by": concat!("weathervane ", env!("CARGO_PKG_VERSION")),
        "backbone": spec.name,
        "fingerprint": card.fingerprint,
        "labelled_images": card.labels,
        "heads": heads,
        "input": {
            "size": [px, px],
            "channels": "RGB",
            "resize": "squash to the square (no crop, aspect ratio not kept), bilinear with antialias, as Pillow's \
                resize(.., BILINEAR); then turn upright by EXIF",
            "mean": spec.input.mean,
            "scale": spec.input.scale,
            "normalisation": "(pixel - mean) * scale, pixels 0..255",
        },
        "licence": LICENCE,
    });
    if format == ModelFormat::Onnx {
        value["onnx"] = json!({
            "input": {"name": INPUT, "type": "float32", "shape": ["N", 3, px, px]},
            "outputs": "one for each head, by its name: calibrated probabilities, float32 [N, classes]",
        });
    }
    value
}
