//! Inverted residual blocks in Burn, batch norm folded into the convolutions.

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor, TensorData};

use super::file::{BackboneFile, Row};
use crate::model::ModelError;

/// A network of the MobileNetV2 family (Sandler 2018) as EfficientNet-Lite uses it.
#[derive(Module, Debug)]
pub(super) struct Network {
    stem: Conv2d,
    blocks: Vec<Block>,
    head: Option<Conv2d>,
}

#[derive(Module, Debug)]
struct Block {
    expand: Option<Conv2d>,
    depthwise: Conv2d,
    project: Conv2d,
    #[module(skip)]
    residual: bool,
}

/// Shape of one convolution without bias, `[out, in / groups, kernel, kernel]`, and how it moves.
struct Shape {
    out: usize,
    input: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
}

impl Network {
    /// Builds the network of a file up to `last_block`, or whole with its head convolution.
    pub(super) fn load(
        file: &BackboneFile<'_>,
        last_block: Option<usize>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let card = file.card();
        let stem = Shape { out: card.stem, input: 3, kernel: 3, stride: 2, groups: 1 };
        let stem = conv(file, "stem", &stem, device)?;
        let mut blocks = Vec::new();
        let mut width = card.stem;
        for row in &card.rows {
            for repeat in 0..row.repeat {
                if last_block.is_some_and(|last| blocks.len() > last) {
                    break;
                }
                let stride = if repeat == 0 { row.stride } else { 1 };
                blocks.push(Block::load(file, blocks.len(), row, width, stride, device)?);
                width = row.out;
            }
        }
        let head = match last_block {
            Some(_) => None,
            None => {
                let shape = Shape { out: card.head, input: width, kernel: 1, stride: 1, groups: 1 };
                Some(conv(file, "head", &shape, device)?)
            }
        };
        Ok(Self { stem, blocks, head })
    }

    /// Channels of a block's output.
    pub(super) fn width(&self, block: usize) -> Result<usize, ModelError> {
        let found = self.blocks.get(block).map(|block| block.project.weight.dims()[0]);
        found.ok_or_else(|| ModelError::BackboneFile(format!("block {block} is pooled but there is none")))
    }

    /// Features of one image `[3, px, px]`: the L2-normalised mean of the head's output (if there is a head), then
    /// mean and population standard deviation of each pooled block's output.
    pub(super) fn features(
        &self,
        pixels: &[f32],
        px: usize,
        pooled: &[usize],
        device: &Device,
    ) -> Result<Vec<f32>, ModelError> {
        let image = Tensor::<4>::from_data(TensorData::new(pixels.to_vec(), [1, 3, px, px]), device);
        let mut x = relu6(same(&self.stem, image));
        let mut depths = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(x);
            if pooled.contains(&index) {
                mean_and_std(&x, &mut depths)?;
            }
        }
        let Some(head) = &self.head else { return Ok(depths) };
        let mut features = unit_mean(&relu6(head.forward(x)))?;
        features.append(&mut depths);
        Ok(features)
    }
}

impl Block {
    fn load(
        file: &BackboneFile<'_>,
        index: usize,
        row: &Row,
        input: usize,
        stride: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let wide = input * row.expand;
        let expand = if row.expand == 1 {
            None
        } else {
            let shape = Shape { out: wide, input, kernel: 1, stride: 1, groups: 1 };
            Some(conv(file, &format!("blocks.{index}.expand"), &shape, device)?)
        };
        let depthwise = Shape { out: wide, input: wide, kernel: row.kernel, stride, groups: wide };
        let project = Shape { out: row.out, input: wide, kernel: 1, stride: 1, groups: 1 };
        Ok(Self {
            expand,
            depthwise: conv(file, &format!("blocks.{index}.depthwise"), &depthwise, device)?,
            project: conv(file, &format!("blocks.{index}.project"), &project, device)?,
            residual: stride == 1 && input == row.out,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let wide = match &self.expand {
            Some(expand) => relu6(expand.forward(x.clone())),
            None => x.clone(),
        };
        let out = self.project.forward(relu6(same(&self.depthwise, wide)));
        if self.residual { out + x } else { out }
    }
}

fn conv(file: &BackboneFile<'_>, name: &str, shape: &Shape, device: &Device) -> Result<Conv2d, ModelError> {
    let dims = [shape.out, shape.input / shape.groups, shape.kernel, shape.kernel];
    let weight = file.tensor(&format!("{name}.weight"), &dims)?;
    let bias = file.tensor(&format!("{name}.bias"), &[shape.out])?;
    Ok(Conv2d {
        weight: Param::from_data(TensorData::new(weight, dims), device),
        bias: Some(Param::from_data(TensorData::new(bias, [shape.out]), device)),
        stride: [shape.stride; 2],
        kernel_size: [shape.kernel; 2],
        dilation: [1, 1],
        groups: shape.groups,
        // TensorFlow's SAME depends on the input's size: `same` pads before the call where it is uneven.
        padding: PaddingConfig2d::Valid,
    })
}

/// Convolution with TensorFlow's SAME padding: where it is uneven, the smaller half is on top and left.
fn same(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let (top, bottom) = padding(height, conv.kernel_size[0], conv.stride[0]);
    let (left, right) = padding(width, conv.kernel_size[1], conv.stride[1]);
    // Cloning a layer clones handles, not weights.
    let mut padded = conv.clone();
    padded.padding = PaddingConfig2d::Explicit(top, left, bottom, right);
    padded.forward(x)
}

/// Pixels added before and after a side of `size` pixels.
pub(super) fn padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let steps = size.div_ceil(stride);
    let total = ((steps - 1) * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}

fn relu6(x: Tensor<4>) -> Tensor<4> {
    x.clamp(0.0, 6.0)
}

/// Values of a `[1, C, H, W]` tensor, channel by channel, and the size of a channel.
fn channels(x: &Tensor<4>) -> Result<(Vec<f32>, usize), ModelError> {
    let [_, _, height, width] = x.dims();
    let values = x.to_data().try_to_vec::<f32>().map_err(|error| ModelError::Tensor(format!("{error:?}")))?;
    Ok((values, (height * width).max(1)))
}

/// Mean of each channel, then population standard deviation of each; plain loops beat four tensor passes.
fn mean_and_std(x: &Tensor<4>, features: &mut Vec<f32>) -> Result<(), ModelError> {
    let (values, area) = channels(x)?;
    let start = features.len();
    features.extend(values.chunks_exact(area).map(|channel| channel.iter().sum::<f32>() / area as f32));
    for (index, channel) in values.chunks_exact(area).enumerate() {
        let mean = features[start + index];
        let squares: f32 = channel.iter().map(|value| (value - mean) * (value - mean)).sum();
        features.push((squares / area as f32).sqrt());
    }
    Ok(())
}

/// Mean of each channel, scaled to length one.
fn unit_mean(x: &Tensor<4>) -> Result<Vec<f32>, ModelError> {
    let (values, area) = channels(x)?;
    let mut means: Vec<f32> =
        values.chunks_exact(area).map(|channel| channel.iter().sum::<f32>() / area as f32).collect();
    let length = means.iter().map(|mean| mean * mean).sum::<f32>().sqrt();
    if length > 0.0 {
        means.iter_mut().for_each(|mean| *mean /= length);
    }
    Ok(means)
}

#[cfg(test)]
mod tests {
    use super::padding;

    #[test]
    fn same_padding_is_tensorflows() {
        // Even input, stride 2: nothing on top, one below (kernel 3); one on top, two below (kernel 5).
        assert_eq!(padding(160, 3, 2), (0, 1));
        assert_eq!(padding(80, 5, 2), (1, 2));
        assert_eq!(padding(5, 3, 2), (1, 1));
        assert_eq!(padding(40, 3, 1), (1, 1));
        assert_eq!(padding(1, 1, 1), (0, 0));
    }
}
