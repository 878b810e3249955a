//! Label Studio as the demo runs it: SQLite, loopback only, no telemetry, one account.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::child::Companion;
use super::workspace::Workspace;

/// The program, below a virtual environment or on `PATH`.
const PROGRAM: &str = "label-studio";

/// Its database, in its folder.
const DATABASE: &str = "label_studio.sqlite3";

/// The program: the one that was named, or `.venv/bin/label-studio`, or the one on `PATH`.
///
/// # Errors
/// There is none.
pub fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        if !named.is_file() {
            bail!("--label-studio-program: there is no file `{}`", named.display());
        }
        return Ok(named.canonicalize()?);
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let own = PathBuf::from(".venv/bin");
    let found =
        std::iter::once(own).chain(std::env::split_paths(&on_path)).map(|folder| folder.join(PROGRAM));
    match found.filter_map(|path| path.canonicalize().ok()).find(|path| path.is_file()) {
        Some(program) => Ok(program),
        None => bail!(
            "Label Studio is not installed; `make demo` in a checkout installs it, or: python3 -m venv .venv && \
             .venv/bin/pip install label-studio==1.23.2"
        ),
    }
}

/// Starts it with its files in the demo's folder, the first time over a copy of `database` if there is one.
///
/// # Errors
/// The database can't be copied; as [`Companion::start`].
pub fn start(program: &Path, database: Option<&Path>, place: &Workspace) -> anyhow::Result<Companion> {
    std::fs::create_dir_all(place.label_studio())?;
    if let Some(database) = database {
        let own = place.label_studio().join(DATABASE);
        if !own.exists() {
            // Under another name first: half a database is none.
            let part = own.with_extension("part");
            std::fs::copy(database, &part)
                .with_context(|| format!("--label-studio-database: `{}`", database.display()))?;
            std::fs::rename(&part, &own)?;
        }
    }
    let port = place.state.label_studio_port.to_string();
    let arguments = [
        "start",
        "--no-browser",
        // `--host` would be the public URL; the address to bind is the internal one.
        "--internal-host",
        "127.0.0.1",
        "--port",
        &port,
        "--log-level",
        "INFO",
        "--enable-legacy-api-token",
        "--agree-fix-sqlite",
    ];
    let arguments: Vec<String> = arguments.map(str::to_owned).into();
    Companion::start("Label Studio", program, &arguments, &environment(place), &place.logs())
}

fn environment(place: &Workspace) -> Vec<(&'static str, String)> {
    let state = &place.state;
    let mut environment = vec![
        ("LABEL_STUDIO_BASE_DATA_DIR", place.label_studio().display().to_string()),
        ("LABEL_STUDIO_HOST", place.label_studio_url()),
        ("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", place.images().display().to_string()),
        // The account is made on the first start only.
        ("LABEL_STUDIO_USERNAME", state.email.clone()),
        ("LABEL_STUDIO_PASSWORD", state.password.clone()),
        ("LABEL_STUDIO_USER_TOKEN", state.token.clone()),
    ];
    let fixed = [
        ("DJANGO_DB", "sqlite"),
        ("PYTHONUNBUFFERED", "1"),
        ("DEBUG", "false"),
        ("LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED", "true"),
        ("LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN", "true"),
        ("LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK", "true"),
        // With the first on, as is the default, an ML backend on loopback is refused; with the second its webhook.
        ("ML_BLOCK_LOCAL_IP", "false"),
        ("SSRF_PROTECTION_ENABLED", "false"),
        // Nothing is sent to anybody.
        ("COLLECT_ANALYTICS", "false"),
        ("collect_analytics", "false"),
        ("LATEST_VERSION_CHECK", "false"),
        ("SENTRY_DSN", ""),
        ("FRONTEND_SENTRY_DSN", ""),
        ("FEATURE_FLAGS_OFFLINE", "true"),
        // A proxy would be asked for the backend on loopback.
        ("NO_PROXY", "127.0.0.1,localhost"),
        ("no_proxy", "127.0.0.1,localhost"),
    ];
    environment.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    environment
}
