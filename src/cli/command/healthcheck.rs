//! `weathervane healthcheck`.

use std::time::Duration;

use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Ask a running server whether it is up and can store what it is sent; exit code 0 if so
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane healthcheck --port 9090 && echo up
  HEALTHCHECK CMD [\"weathervane\", \"healthcheck\"]      # in a Dockerfile")]
pub struct Healthcheck {
    /// Port the server listens on
    #[arg(long, env = "PORT", default_value_t = 9090)]
    port: u16,

    /// User name, where the server asks for one
    #[arg(long, env = "BASIC_AUTH_USER", hide_env_values = true)]
    basic_auth_user: Option<SecretString>,

    /// Password, where the server asks for one
    #[arg(long, env = "BASIC_AUTH_PASS", hide_env_values = true)]
    basic_auth_pass: Option<SecretString>,

    /// Secret path, where the server asks for one
    #[arg(long, env = "SECRET_PATH", hide_env_values = true)]
    secret_path: Option<SecretString>,
}

/// As long as Label Studio itself waits for `/health`.
const TIMEOUT: Duration = Duration::from_secs(3);

impl Healthcheck {
    pub async fn run(self) -> anyhow::Result<()> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask()).await;
        let Ok(answer) = answer else { bail!("no answer from port {} within {TIMEOUT:?}", self.port) };
        let answer = answer?;
        let status = answer.lines().next().unwrap_or_default();
        if !status.contains(" 200 ") {
            bail!("port {} answered `{status}`", self.port);
        }
        crate::cli::output::format::print("up")
    }

    /// One plain request on loopback: a whole HTTP client would be more than it takes.
    async fn ask(&self) -> anyhow::Result<String> {
        let secret = self.secret_path.as_ref().map(|secret| format!("/{}", secret.expose_secret()));
        let authorization =
            self.basic_auth_user.as_ref().zip(self.basic_auth_pass.as_ref()).map(|(user, pass)| {
                let pair = STANDARD.encode(format!("{}:{}", user.expose_secret(), pass.expose_secret()));
                format!("Authorization: Basic {pair}\r\n")
            });
        let request = format!(
            "GET {}/health?ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n",
            secret.unwrap_or_default(),
            authorization.unwrap_or_default()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
