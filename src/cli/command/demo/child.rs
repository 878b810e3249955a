//! Programs that run beside the demo and end with it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use tokio::process::{Child, ChildStdin, Command};

/// Runs a program until it ends or standard input closes, which happens however the demo ends, `SIGKILL` included. What
/// does not end within 10 s is killed.
const GUARD: &str = r#"exec 3<&0
"$@" 3<&- </dev/null &
child=$!
{ cat <&3 >/dev/null; kill "$child" 2>/dev/null; sleep 10; kill -9 "$child" 2>/dev/null; } &
wait "$child""#;

/// Time to end after being asked to, beyond the guard's.
const FAREWELL: Duration = Duration::from_secs(12);

/// Interval between two readiness checks of a program that starts.
const GLANCE: Duration = Duration::from_millis(100);

/// Lines of a log that a message repeats.
const LAST_LINES: usize = 8;

/// Variables of the person's own environment that programs get.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "TERM", "TMPDIR"];

/// Those that are set. Settings of another weathervane or Label Studio, or a proxy, would lead the demo astray.
pub fn kept() -> impl Iterator<Item = (&'static str, OsString)> {
    KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

/// A running program.
pub struct Companion {
    name: &'static str,
    guard: Child,
    /// Closing it ends the program.
    input: ChildStdin,
    log: PathBuf,
}

impl Companion {
    /// Starts a program with these variables and those that are [`kept`]; its output goes to a log.
    ///
    /// # Errors
    /// There is no shell, or the log can't be written.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{}.log", name.to_lowercase().replace(' ', "-")));
        let output = File::create(&log).with_context(|| format!("`{}` can't be written", log.display()))?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(kept())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C at the terminal reaches the demo alone, which then ends its companions in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        let input = guard.stdin.take().with_context(|| format!("{name} has no standard input"))?;
        Ok(Self { name, guard, input, log })
    }

    /// Waits until the program is ready.
    ///
    /// # Errors
    /// It ended, or is not ready in time; the message repeats the end of its log.
    pub async fn until_ready(
        &mut self,
        patience: Duration,
        doing: &str,
        is_ready: impl AsyncFn() -> bool,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let spinner = ProgressBar::new_spinner().with_message(doing.to_owned());
        while !is_ready().await {
            self.check()?;
            if started.elapsed() > patience {
                bail!("{} is not ready after {} s{}", self.name, patience.as_secs(), self.last_words());
            }
            spinner.tick();
            tokio::time::sleep(GLANCE).await;
        }
        spinner.finish_and_clear();
        Ok(())
    }

    /// # Errors
    /// The program has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.guard.try_wait()? {
            Some(status) => bail!("{} ended ({status}){}", self.name, self.last_words()),
            None => Ok(()),
        }
    }

    /// Has the program end and waits for it.
    pub async fn stop(self) {
        let Self { name, mut guard, input, .. } = self;
        drop(input);
        if tokio::time::timeout(FAREWELL, guard.wait()).await.is_err() {
            eprintln!("{name} did not end by itself");
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        format!("; the end of `{}`:\n  {last}", self.log.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(folder: &Path, script: &str) -> Companion {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let environment = [("GREETING", "hello".to_owned())];
        Companion::start("A Program", Path::new("/bin/sh"), &arguments, &environment, folder).unwrap()
    }

    #[tokio::test]
    async fn a_companion_is_waited_for_and_ends_when_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("echo $$ > {0}.part; mv {0}.part {0}; exec sleep 60", pid.display());
        let mut companion = start(folder.path(), &script);
        companion.until_ready(Duration::from_secs(20), "", async || pid.exists()).await.unwrap();
        let process = PathBuf::from("/proc").join(std::fs::read_to_string(&pid).unwrap().trim());
        companion.check().unwrap();
        companion.stop().await;
        assert!(!process.exists());
    }

    #[tokio::test]
    async fn a_companion_that_ends_says_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut companion = start(folder.path(), "echo $GREETING; echo broken >&2; exit 3");
        let ended =
            companion.until_ready(Duration::from_secs(20), "", async || false).await.unwrap_err().to_string();
        for part in ["A Program ended", "exit status: 3", "a-program.log", "hello", "broken"] {
            assert!(ended.contains(part), "{ended}");
        }
    }
}
