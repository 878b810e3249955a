//! `weathervane labels`.

mod rename;

/// Change the labels that people gave, in Label Studio
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane labels rename --project 3 ten \"ten new\" --dry-run
  weathervane labels rename --project 3 ten \"ten new\"
  weathervane labels rename --project 3 --from-name weather fog haze --yes

LabelsCommand are Label Studio's: they are changed there, by its API, with the account of LABEL_STUDIO_API_KEY.")]
pub struct LabelsCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Give the labels of a class that was renamed their new name
    Rename(Box<rename::RenameCommand>),
}

impl LabelsCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Rename(command) => command.run().await,
        }
    }
}
