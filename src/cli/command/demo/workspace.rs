//! The demo's folder, and what it remembers from run to run.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The remembered state.
const STATE: &str = "demo.json";

/// Variables for a shell that wants to go on with the demo's servers.
const ENVIRONMENT: &str = "environment";

/// Nobody is sent anything at this address.
const EMAIL: &str = "weathervane@example.com";

/// Where the images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The simulated webcam
    Webcam,
    /// A folder with images
    Folder(PathBuf),
}

impl Source {
    /// Title of its project in Label Studio.
    pub fn title(&self) -> String {
        match self {
            Self::Webcam => "Weather demo".to_owned(),
            Self::Folder(folder) => {
                let name = folder
                    .file_name()
                    .map_or_else(|| folder.to_string_lossy(), |name| name.to_string_lossy());
                format!("Demo of {name}")
            }
        }
    }
}

/// State that the next run finds again.
#[derive(Serialize, Deserialize)]
pub struct WorkspaceState {
    pub source: Source,
    pub email: String,
    /// Random, for this folder's Label Studio alone.
    pub password: String,
    pub token: String,
    pub label_studio_port: u16,
    pub server_port: u16,
    pub webcam_port: u16,
    /// Port under which Label Studio knows the server.
    #[serde(default)]
    pub connected_port: Option<u16>,
}

/// A folder that belongs to one running demo.
pub struct Workspace {
    folder: PathBuf,
    pub state: WorkspaceState,
    _lock: File,
}

impl Workspace {
    /// Opens or makes the folder. Ports that are taken meanwhile are replaced by free ones.
    ///
    /// # Errors
    /// The folder can't be used, another demo runs in it, or it was made with other images.
    pub fn open(folder: &Path, source: Source) -> anyhow::Result<Self> {
        let shown = folder.display();
        // Label Studio's database and its password are in it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("folder `{shown}` can't be made; choose another --dir"))?;
        let folder = folder.canonicalize()?;
        let lock =
            File::create(folder.join("lock")).with_context(|| format!("`{shown}` can't be written"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("a demo runs in `{shown}`; stop it, or choose another --dir")
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("`{shown}`")),
        }
        let state = match fs::read(folder.join(STATE)) {
            Ok(bytes) => {
                known(&bytes, source).with_context(|| format!("`{}`", folder.join(STATE).display()))?
            }
            Err(_) => new(source)?,
        };
        let place = Self { folder, state, _lock: lock };
        fs::create_dir_all(place.logs())?;
        fs::create_dir_all(place.images())?;
        place.save()?;
        Ok(place)
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or read-only.
    pub fn save(&self) -> anyhow::Result<()> {
        self.write(STATE, &serde_json::to_string_pretty(&self.state)?)?;
        let lines: String = self
            .environment()
            .iter()
            .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
            .collect();
        self.write(ENVIRONMENT, &lines)
    }

    /// Environment variables of the server and of the commands beside it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LABEL_STUDIO_URL", self.label_studio_url()),
            ("LABEL_STUDIO_API_KEY", self.state.token.clone()),
            ("LOCAL_FILES_DOCUMENT_ROOT", self.images().display().to_string()),
            ("MODEL_DIR", self.data().display().to_string()),
            ("PORT", self.state.server_port.to_string()),
        ]
    }

    pub fn label_studio_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.state.label_studio_port)
    }

    pub fn server_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.state.server_port)
    }

    pub fn webcam_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.state.webcam_port)
    }

    /// The root of Label Studio's local files, which it serves only from folders below.
    pub fn images(&self) -> PathBuf {
        self.folder.join("images")
    }

    pub fn frames(&self) -> PathBuf {
        self.images().join("frames")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn label_studio(&self) -> PathBuf {
        self.folder.join("label-studio")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub fn label_config(&self) -> PathBuf {
        self.folder.join("label_config.xml")
    }

    pub fn environment_file(&self) -> PathBuf {
        self.folder.join(ENVIRONMENT)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        let unfinished = self.folder.join(format!("{name}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&unfinished)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("`{}` can't be written", path.display()))
    }
}

fn new(source: Source) -> anyhow::Result<WorkspaceState> {
    Ok(WorkspaceState {
        source,
        email: EMAIL.to_owned(),
        password: random(8)?,
        token: random(20)?,
        label_studio_port: free_port(0)?,
        server_port: free_port(0)?,
        webcam_port: free_port(0)?,
        connected_port: None,
    })
}

fn known(bytes: &[u8], source: Source) -> anyhow::Result<WorkspaceState> {
    let mut state: WorkspaceState =
        serde_json::from_slice(bytes).context("not a demo's state; choose another --dir")?;
    if source != state.source {
        let named = |source: &Source| match source {
            Source::Webcam => "the simulated webcam".to_owned(),
            Source::Folder(folder) => format!("`{}`", folder.display()),
        };
        bail!("made with {}, not with {}; choose another --dir", named(&state.source), named(&source));
    }
    for port in [&mut state.label_studio_port, &mut state.server_port, &mut state.webcam_port] {
        *port = free_port(*port)?;
    }
    Ok(state)
}

/// The port if it is free, else another one.
fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    Ok(free(wanted).or_else(|_| free(0)).context("no free port on 127.0.0.1")?.port())
}

/// So many random bytes, hexadecimal.
fn random(bytes: usize) -> anyhow::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_second_run_finds_everything_again_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("it's mine");
        let first = Workspace::open(&dir, Source::Webcam).unwrap();
        let token = first.state.token.clone();
        let url = first.label_studio_url();
        assert_eq!((token.len(), first.state.password.len()), (40, 16));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(dir.join(STATE)), mode(dir.join(ENVIRONMENT)), mode(dir.clone())),
            (0o600, 0o600, 0o700)
        );
        let sourced = std::process::Command::new("sh")
            .args(["-c", ". \"$1\"; printf %s \"$MODEL_DIR\"", "sh"])
            .arg(dir.join(ENVIRONMENT))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(sourced.stdout).unwrap(), first.data().display().to_string());
        drop(first);
        let second = Workspace::open(&dir, Source::Webcam).unwrap();
        assert_eq!((second.state.token.clone(), second.label_studio_url()), (token, url));
    }

    #[test]
    fn a_folder_has_one_demo_at_a_time_one_source_and_ports_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let photos = || Source::Folder("photos".into());
        let said = |source| format!("{:#}", Workspace::open(folder.path(), source).err().unwrap());
        let running = Workspace::open(folder.path(), photos()).unwrap();
        assert!(said(photos()).contains("a demo runs in"));
        let port = running.state.server_port;
        drop(running);
        assert!(said(Source::Webcam).contains("made with `photos`, not with the simulated webcam"));
        // Where somebody else has taken it meanwhile, it is taken all the same.
        let _other = TcpListener::bind(("127.0.0.1", port));
        assert_ne!(Workspace::open(folder.path(), photos()).unwrap().state.server_port, port);
        fs::write(folder.path().join(STATE), "{").unwrap();
        assert!(said(photos()).contains("choose another --dir"));
    }
}
