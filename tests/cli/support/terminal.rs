//! A terminal with a person at it, and the program on the other side.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Long enough for a busy machine; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command on a pseudo terminal of its own.
pub struct Terminal {
    program: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown so far.
    shown: String,
}

impl Terminal {
    /// Starts a command line in a folder.
    pub fn open(folder: &Path, arguments: &[&str]) -> Self {
        let mut own = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&own).unwrap();
        unlockpt(&own).unwrap();
        let name = ptsname(&own, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let open = || File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("weathervane"));
        command.current_dir(folder).args(arguments).env("TERM", "dumb");
        command.stdin(open()).stdout(open()).stderr(open());
        // SAFETY: three system calls between fork and exec, all async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // Whoever runs the tests in the background of a shell ignores it, and the program would inherit that.
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                setsid()?;
                Ok(ioctl_tiocsctty(std::io::stdin().as_fd())?)
            });
        }
        let program = command.spawn().unwrap();
        // The command holds this side of the terminal: it is to end with the program.
        drop(command);
        let keyboard = own.try_clone().unwrap();
        let (send, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = own.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { program, keyboard, screen, shown: String::new() }
    }

    /// Waits until a text is on the screen, behind what was waited for before.
    pub fn shows(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` is not shown: {}", self.shown)
                }
            }
        }
    }

    /// Types; a line ends with `\n`, Ctrl-C is `\x03`, Ctrl-D `\x04`.
    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the program's end and gives its exit code, or the signal that ended it as a negative number.
    pub fn ends(&mut self) -> i32 {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.program.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| -status.signal().unwrap());
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end: {}", self.shown);
    }

    /// What is left on the screen after the end.
    pub fn rest(mut self) -> String {
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_secs(5)) {
            self.shown += &String::from_utf8_lossy(&bytes);
        }
        std::mem::take(&mut self.shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only where a test failed.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
