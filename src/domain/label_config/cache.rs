//! Parsed label configs: every request brings its project's, and parsing costs more than all else that a known image takes.

use std::sync::Arc;

use moka::sync::Cache;

use super::{LabelConfig, LabelConfigError};

/// Memory for label configs that are kept parsed, bytes; a server has few of some kilobytes, an attacker many.
const PARSED_BYTES: u64 = 32 << 20;

/// Label configs above this size are parsed off the async threads: a megabyte takes some milliseconds.
const PARSE_INLINE_BYTES: usize = 32 * 1024;

/// A cache by the text's digest; clone it freely.
#[derive(Clone)]
pub struct LabelConfigs(Cache<[u8; 32], Arc<LabelConfig>>);

impl Default for LabelConfigs {
    fn default() -> Self {
        let weigh =
            |_: &[u8; 32], config: &Arc<LabelConfig>| u32::try_from(config.bytes()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(PARSED_BYTES).weigher(weigh).build())
    }
}

impl LabelConfigs {
    /// Parses a label config, or gives it from before.
    ///
    /// # Errors
    /// The config holds nothing this program classifies; the text has the reason.
    pub fn parse(&self, xml: &str) -> Result<Arc<LabelConfig>, LabelConfigError> {
        let key = *blake3::hash(xml.as_bytes()).as_bytes();
        if let Some(config) = self.0.get(&key) {
            return Ok(config);
        }
        let config = Arc::new(LabelConfig::parse(xml)?);
        self.0.insert(key, Arc::clone(&config));
        Ok(config)
    }

    /// As [`LabelConfigs::parse`], for requests: a large text that is not known yet is parsed off the async threads.
    ///
    /// # Errors
    /// As [`LabelConfigs::parse`].
    pub async fn parse_in_request(&self, xml: &str) -> Result<Arc<LabelConfig>, LabelConfigError> {
        if xml.len() <= PARSE_INLINE_BYTES {
            return self.parse(xml);
        }
        let configs = self.clone();
        let xml = xml.to_owned();
        let parsed = tokio::task::spawn_blocking(move || configs.parse(&xml)).await;
        parsed.unwrap_or_else(|_| Err(LabelConfigError::Xml("reading it was interrupted".to_owned())))
    }
}
