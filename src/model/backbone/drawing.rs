//! The network drawn as an ONNX graph: the same layers, padding and pooling as [`super::network`].

use super::file::{BackboneFile, Row};
use super::network::padding;
use super::{BackboneChoice, Opened};
use crate::model::ModelError;
use crate::model::onnx::{Drawn, Graph, int, ints};

/// Draws a backbone from the input named `pixels`, `[N, 3, px, px]`, to its embedding, `[N, dim]`.
///
/// # Errors
/// As [`super::load_backbone`].
pub(in crate::model) fn draw(
    choice: &BackboneChoice,
    graph: &mut Graph,
    pixels: &str,
) -> Result<Drawn, ModelError> {
    let opened = Opened::open(choice)?;
    let file = BackboneFile::read(&opened.bytes)?;
    let card = file.card();
    let profile = opened.profile;
    let px = profile.px.unwrap_or(card.px);
    let mut layers = Layers { file: &file, graph, side: px };
    let mut x =
        layers.conv(pixels, "stem", &Conv { out: card.stem, input: 3, kernel: 3, stride: 2, groups: 1 })?;
    x = layers.graph.relu6(&x);

    let mut parts = Vec::new();
    let mut dim = 0;
    let mut width = card.stem;
    let rows = card.rows.iter().flat_map(|row| (0..row.repeat).map(move |repeat| (row, repeat)));
    for (index, (row, repeat)) in rows.enumerate() {
        if profile.last_block.is_some_and(|last| index > last) {
            break;
        }
        let stride = if repeat == 0 { row.stride } else { 1 };
        x = layers.block(&x, index, row, width, stride)?;
        width = row.out;
        if card.pooled.contains(&index) {
            let (mean, spread) = layers.graph.mean_and_std(&x);
            parts.extend([mean, spread]);
            dim += 2 * width;
        }
    }
    if profile.last_block.is_none() {
        let head = Conv { out: card.head, input: width, kernel: 1, stride: 1, groups: 1 };
        x = layers.conv(&x, "head", &head)?;
        x = layers.graph.relu6(&x);
        parts.insert(0, layers.graph.unit_mean(&x));
        dim += card.head;
    }
    Ok(Drawn { embedding: layers.graph.joined(&parts), dim, px })
}

/// Draws layers one after the other and follows the side of the image, in pixels.
struct Layers<'a> {
    file: &'a BackboneFile<'a>,
    graph: &'a mut Graph,
    side: usize,
}

/// Shape of a convolution and how it moves.
struct Conv {
    out: usize,
    input: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
}

impl Layers<'_> {
    fn block(
        &mut self,
        x: &str,
        index: usize,
        row: &Row,
        input: usize,
        stride: usize,
    ) -> Result<String, ModelError> {
        let wide = input * row.expand;
        let mut y = x.to_owned();
        if row.expand != 1 {
            let expand = Conv { out: wide, input, kernel: 1, stride: 1, groups: 1 };
            y = self.conv(&y, &format!("blocks.{index}.expand"), &expand)?;
            y = self.graph.relu6(&y);
        }
        let depthwise = Conv { out: wide, input: wide, kernel: row.kernel, stride, groups: wide };
        y = self.conv(&y, &format!("blocks.{index}.depthwise"), &depthwise)?;
        y = self.graph.relu6(&y);
        let project = Conv { out: row.out, input: wide, kernel: 1, stride: 1, groups: 1 };
        y = self.conv(&y, &format!("blocks.{index}.project"), &project)?;
        let residual = stride == 1 && input == row.out;
        Ok(if residual { self.graph.node("Add", &[&y, x], vec![]) } else { y })
    }

    /// A convolution with TensorFlow's SAME padding, which is written out: on an even side with stride 2 it is
    /// uneven, less on top and left.
    fn conv(&mut self, x: &str, name: &str, conv: &Conv) -> Result<String, ModelError> {
        let dims = [conv.out, conv.input / conv.groups, conv.kernel, conv.kernel];
        let weight = format!("{name}.weight");
        let bias = format!("{name}.bias");
        let weight = self.graph.weight(&weight, &dims, &self.file.tensor(&weight, &dims)?);
        let bias = self.graph.weight(&bias, &dims[..1], &self.file.tensor(&bias, &dims[..1])?);
        let (before, after) = padding(self.side, conv.kernel, conv.stride);
        self.side = self.side.div_ceil(conv.stride);
        let attributes = vec![
            ints("kernel_shape", &[conv.kernel; 2]),
            ints("strides", &[conv.stride; 2]),
            ints("pads", &[before, before, after, after]),
            int("group", conv.groups as i64),
        ];
        Ok(self.graph.node("Conv", &[x, &weight, &bias], attributes))
    }
}
