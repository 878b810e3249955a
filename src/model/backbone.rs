//! The frozen network that turns an image into numbers, pooled at several depths.
//!
//! EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946, without squeeze-excite, ReLU6): the spatial mean of the
//! last layer, and the spatial mean and standard deviation of some blocks' outputs. Weather is in the early
//! blocks, objects are in the last layer; each training weighs the groups by the evidence of its labels.

mod drawing;
mod file;
mod network;
mod tiny;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;

use super::ModelError;
use super::features::Group;
use crate::vision::Input;
pub(super) use drawing::draw;
use file::BackboneFile;
use network::Network;

/// Made by `assets/convert_lite0.py` from the Apache-2.0 weights named in NOTICE.
const LITE0: &[u8] = include_bytes!("../../assets/lite0.safetensors");

/// Raised when the same weights would give other numbers, so that stored embeddings are not mixed with new ones.
const FEATURES_VERSION: &str = "features-1";

/// Side of the default profile's input, in pixels: as accurate as 224 on four sets of images, at half the time.
const LITE0_PX: usize = 160;

/// Side of the fast profile's input, in pixels.
const FAST_PX: usize = 128;

/// Last block of the fast profile; the blocks after it cost as much as all before.
const FAST_LAST_BLOCK: usize = 10;

/// Choice of the backbone to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackboneChoice {
    /// 160 px, the last layer and five blocks: 2,176 numbers an image
    Lite0,
    /// 128 px, four blocks: 512 numbers an image
    Lite0Fast,
    /// A small network with fixed random weights, for tests
    Tiny,
    /// A safetensors file as `assets/convert_lite0.py` writes it
    File(PathBuf),
}

impl From<&str> for BackboneChoice {
    /// The name of a built-in one, else the path of a file.
    fn from(name: &str) -> Self {
        match name {
            "lite0" => Self::Lite0,
            "lite0-fast" => Self::Lite0Fast,
            "tiny" => Self::Tiny,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

/// Choice of the CPU device of Burn that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    Flex,
    /// Deprecated upstream, kept as an independent numeric check
    NdArray,
}

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// The program was built without it.
    pub fn open(self) -> Result<Device, ModelError> {
        match self {
            Self::Flex => Ok(Device::flex()),
            // Deprecated, and wanted for just that: a second implementation to check the first against.
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)]
            Self::NdArray => Ok(Device::ndarray()),
            #[cfg(not(feature = "ndarray"))]
            Self::NdArray => Err(ModelError::NoDevice("ndarray")),
        }
    }
}

/// Input and output of a backbone.
#[derive(Clone, Debug, PartialEq)]
pub struct BackboneSpec {
    pub name: String,
    /// Digest of weights, architecture, preprocessing and feature definition.
    pub fingerprint: String,
    pub input: Input,
    /// Runs of columns of an embedding, in order.
    pub groups: Vec<Group>,
}

impl BackboneSpec {
    /// Length of an embedding.
    pub fn dim(&self) -> usize {
        self.groups.iter().map(|group| group.width).sum()
    }
}

/// A network that embeds images.
pub trait Backbone: Send + Sync {
    /// Its input and output.
    fn spec(&self) -> &BackboneSpec;

    /// Embeds one image: `pixels` is `[3, px, px]`, channel first, normalised with the mean and scale of the
    /// spec's input; the answer is as long as the spec's [`BackboneSpec::dim`].
    ///
    /// # Errors
    /// The number of pixels is not the spec's, or the answer is not finite.
    fn embed(&self, pixels: &[f32]) -> Result<Vec<f32>, ModelError>;
}

/// Loads a backbone.
///
/// # Errors
/// The file is missing, damaged, or of another architecture; the message names the tensor.
pub fn load_backbone(choice: &BackboneChoice, device: DeviceChoice) -> Result<Arc<dyn Backbone>, ModelError> {
    let device = device.open()?;
    Ok(Arc::new(MbConvBackbone::load(&Opened::open(choice)?, &device)?))
}

/// A backbone's file with its name, and the part of it that is used.
struct Opened {
    name: String,
    bytes: Cow<'static, [u8]>,
    profile: Profile,
}

impl Opened {
    fn open(choice: &BackboneChoice) -> Result<Self, ModelError> {
        let whole = Profile { px: None, last_block: None };
        let (name, bytes, profile) = match choice {
            BackboneChoice::Lite0 => {
                ("lite0".into(), LITE0.into(), Profile { px: Some(LITE0_PX), last_block: None })
            }
            BackboneChoice::Lite0Fast => {
                let profile = Profile { px: Some(FAST_PX), last_block: Some(FAST_LAST_BLOCK) };
                ("lite0-fast".into(), LITE0.into(), profile)
            }
            BackboneChoice::Tiny => ("tiny".into(), tiny::file()?.into(), whole),
            BackboneChoice::File(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|source| ModelError::Unreadable { path: path.clone(), source })?;
                let name = path
                    .file_stem()
                    .map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned());
                (name, bytes.into(), whole)
            }
        };
        Ok(Self { name, bytes, profile })
    }
}

/// Part of a file's network that is used, and the size of its input.
#[derive(Clone, Copy)]
struct Profile {
    /// Side of the input; `None` takes the file's.
    px: Option<usize>,
    /// Last block that runs; `None` runs all and the head convolution.
    last_block: Option<usize>,
}

/// A network of inverted residual blocks, pooled at several depths.
struct MbConvBackbone {
    spec: BackboneSpec,
    network: Network,
    /// Blocks whose outputs are pooled, ascending.
    pooled: Vec<usize>,
    device: Device,
}

impl MbConvBackbone {
    fn load(opened: &Opened, device: &Device) -> Result<Self, ModelError> {
        let Opened { name, bytes, profile } = opened;
        let file = BackboneFile::read(bytes)?;
        let card = file.card();
        let last_block = profile.last_block.unwrap_or(usize::MAX);
        let pooled: Vec<usize> = card.pooled.iter().copied().filter(|block| *block <= last_block).collect();
        let network = Network::load(&file, profile.last_block, device)?;
        let mut groups = Vec::with_capacity(pooled.len() + 1);
        if profile.last_block.is_none() {
            groups.push(Group { name: "last".to_owned(), width: card.head });
        }
        for block in &pooled {
            groups.push(Group { name: format!("block{block}"), width: 2 * network.width(*block)? });
        }
        let px = profile.px.unwrap_or(card.px);
        let input = Input { px, mean: card.mean, scale: card.scale };
        let mut digest = blake3::Hasher::new();
        digest.update(FEATURES_VERSION.as_bytes()).update(bytes);
        digest.update(format!("{px} {:?} {pooled:?}", profile.last_block).as_bytes());
        let fingerprint = digest.finalize().to_hex()[..16].to_owned();
        let spec = BackboneSpec { name: name.clone(), fingerprint, input, groups };
        Ok(Self { spec, network, pooled, device: device.clone() })
    }
}

impl Backbone for MbConvBackbone {
    fn spec(&self) -> &BackboneSpec {
        &self.spec
    }

    fn embed(&self, pixels: &[f32]) -> Result<Vec<f32>, ModelError> {
        let px = self.spec.input.px;
        if pixels.len() != 3 * px * px {
            return Err(ModelError::Length { expected: 3 * px * px, found: pixels.len() });
        }
        let embedding = self.network.features(pixels, px, &self.pooled, &self.device)?;
        if embedding.len() != self.spec.dim() {
            return Err(ModelError::Length { expected: self.spec.dim(), found: embedding.len() });
        }
        if embedding.iter().any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Ok(embedding)
    }
}

#[cfg(test)]
mod tests;
