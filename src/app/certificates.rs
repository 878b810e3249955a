//! Trusted certificates: the file that is named here, or by the variable that Python's programs read.

use std::path::Path;

use anyhow::Context;

use crate::config::LabelStudioSettings;
use crate::labelstudio::trust;

/// Names a file of certificates to Python's `requests`, and so to Label Studio's SDK.
const PYTHONS: &str = "REQUESTS_CA_BUNDLE";

/// Has every client that is built from now on trust them too.
///
/// # Errors
/// The file of `--ca-file` can't be used. One that the environment names may be there for other programs: then it is a warning.
pub(super) fn trust_named(settings: &LabelStudioSettings) -> anyhow::Result<()> {
    if let Some(path) = &settings.ca_file {
        return trust_file(path).with_context(|| format!("--ca-file `{}` can't be used", path.display()));
    }
    let named = std::env::var_os(PYTHONS).filter(|path| !path.is_empty());
    if let Some(path) = named.as_deref().map(Path::new)
        && let Err(error) = trust_file(path)
    {
        tracing::warn!(
            "{PYTHONS} names `{}`, which is left out: {error:#}; name a file with --ca-file",
            path.display()
        );
    }
    Ok(())
}

fn trust_file(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        anyhow::bail!(
            "it is a folder; put its certificates into one file, as by `cat FOLDER/*.pem >all.pem`"
        );
    }
    let unread = trust(&std::fs::read(path)?).map_err(anyhow::Error::msg)?;
    if unread > 0 {
        tracing::warn!("certificates in `{}` that can't be read are left out: {unread}", path.display());
    }
    Ok(())
}
