//! `weathervane serve`.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Application;
use crate::config::Settings;

/// Serve Label Studio as its ML backend until Ctrl-C or SIGTERM
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  LABEL_STUDIO_URL=http://127.0.0.1:8080 LABEL_STUDIO_API_KEY=... weathervane serve --port 9090"
)]
pub struct Serve {
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<()> {
        let port_file = self.settings.server.port_file.clone();
        let application = Application::build(self.settings).await?;
        if let Some(path) = port_file {
            std::fs::write(&path, application.port().to_string())
                .with_context(|| format!("port file `{}` can't be written", path.display()))?;
        }
        let mut terminate = signal(SignalKind::terminate())?;
        application
            .run_until(async move {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            })
            .await
    }
}
