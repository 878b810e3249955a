//! `weathervane doctor`.

mod label_studio;
mod machine;

use serde_json::json;

use crate::cli::args::address::AddressArgs;
use crate::cli::args::{ADDRESS, LABEL_STUDIO, MODEL, STORAGE, SettingsOf};
use crate::cli::output::checklist::Checklist;
use crate::cli::output::format::OutputFormat;
use crate::domain::ids::ProjectId;

/// Look for what keeps Label Studio and this server from working together, and say what to do
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane doctor --project 3
  weathervane doctor --label-studio http://127.0.0.1:8080 --token ... --backend-url http://weathervane.internal:9090

It looks at the data directory and the backbone here, at Label Studio and its token, and from both
ends at the connection of each project: the one named, else the first 20 that the server knows.
Each line of stdout is a check: `ok`, `skipped` where it could not be looked at, or `problem` with
what to do. Nothing is changed, but a database of an older version is brought up to date as the
server would do, and Label Studio is made to send one webhook a project that says nothing new.

Exit codes: 0 all is well, 1 there is a problem, 2 wrong usage.")]
pub struct Doctor {
    /// Label Studio's id of the project to look at
    #[arg(long, value_name = "ID")]
    project: Option<i64>,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    address: AddressArgs,

    #[command(flatten)]
    server: SettingsOf<{ ADDRESS | STORAGE | LABEL_STUDIO | MODEL }>,
}

impl Doctor {
    pub async fn run(self) -> anyhow::Result<()> {
        let settings = &self.server.settings;
        settings.validate()?;
        let address = self.address.address(&settings.server.address)?;
        let mut checklist = Checklist::new(self.format, address.hidden());
        let stored = machine::check(settings, &mut checklist).await;
        let patient = label_studio::Patient { settings, address: &address, stored: &stored };
        patient.check(self.project.map(ProjectId), &mut checklist).await?;
        checklist.finish(json!({"backend": address.shown()}))
    }
}
