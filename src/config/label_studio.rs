//! Settings of the connection to Label Studio.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::{SettingsError, wrong};

/// Connection to Label Studio.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Label Studio")]
pub struct LabelStudioSettings {
    /// Address of Label Studio as seen from this program, with its sub-path if it has one
    #[arg(long, visible_alias = "label-studio", env = "LABEL_STUDIO_URL", value_name = "URL")]
    pub label_studio_url: Option<String>,

    /// API token: a personal access token or a legacy token, told apart by themselves
    #[arg(long, visible_alias = "token", env = "LABEL_STUDIO_API_KEY", hide_env_values = true)]
    pub label_studio_api_key: Option<SecretString>,

    /// Also trust the certificates in this file, of authorities or of servers themselves, for a Label Studio or image hosts
    /// with certificates of your own (PEM); by default the file that REQUESTS_CA_BUNDLE names
    #[arg(long, env = "CA_FILE", value_name = "FILE.pem")]
    pub ca_file: Option<PathBuf>,

    /// `false` takes any certificate for Label Studio's, so that whoever is on the way can read the token: better name it with
    /// --ca-file. Image hosts elsewhere are checked all the same
    #[arg(
        long,
        env = "VERIFY_SSL",
        value_name = "BOOL",
        default_value = "true",
        value_parser = parse_switch,
        action = clap::ArgAction::Set
    )]
    pub verify_ssl: bool,

    /// Directory that Label Studio serves as local files, if it is mounted here: images are then read directly
    #[arg(long, env = "LOCAL_FILES_DOCUMENT_ROOT", value_name = "DIR")]
    pub local_files_root: Option<PathBuf>,
}

impl LabelStudioSettings {
    /// The configured address, checked.
    ///
    /// # Errors
    /// The address is no http(s) URL, or carries credentials, a query or a fragment.
    pub fn base_url(&self) -> Result<Option<url::Url>, SettingsError> {
        address("--label-studio-url", self.label_studio_url.as_deref())
    }
}

/// Reads an address; none where there is none.
pub(super) fn address(flag: &'static str, text: Option<&str>) -> Result<Option<url::Url>, SettingsError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let url = url::Url::parse(text)
        .map_err(|error| wrong(flag, format!("not a URL ({error}); write it like http://127.0.0.1:8080")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(flag, "must start with http:// or https:// and name a host"));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(wrong(
            flag,
            "must not carry credentials, a query or a fragment; the token has its own flag",
        ));
    }
    Ok(Some(url))
}

/// A switch as Label Studio's SDK reads them; nothing is as good as absent.
fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "" | "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("say true or false".to_owned()),
    }
}
