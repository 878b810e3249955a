//! The other commands of the program, as a person types them beside a running backend.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Backend, LabelStudio};

/// What a command left behind.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Stdout of a command that was to print an object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The outcome of every line of this step.
    pub fn outcomes(&self, step: &str) -> Vec<String> {
        let steps = self.json()["steps"].clone();
        let of_step = steps.as_array().into_iter().flatten().filter(|line| line["step"] == step);
        of_step.map(|line| line["outcome"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Detail and advice of the only problem.
    pub fn problem(&self) -> String {
        let steps = self.json()["steps"].clone();
        let problems: Vec<&Value> =
            steps.as_array().into_iter().flatten().filter(|line| line["outcome"] == "problem").collect();
        assert!(problems.len() == 1 && self.code == 1, "{self:#?}");
        let text = |key: &str| problems[0][key].as_str().unwrap_or_default().to_owned();
        format!("{}: {} -> {}", text("step"), text("detail"), text("advice"))
    }
}

/// Runs a command against Label Studio and a backend, and has it print an object.
pub fn weathervane(label_studio: &LabelStudio, backend: &Backend, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_weathervane"))
        .env_clear()
        .env("LABEL_STUDIO_URL", &label_studio.url)
        .env("LABEL_STUDIO_API_KEY", &label_studio.token)
        .env("LOG_LEVEL", "warn")
        .env("PORT", backend.port().to_string())
        .env("MODEL_DIR", backend.data_dir())
        .args(arguments)
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
