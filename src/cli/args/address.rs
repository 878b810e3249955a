//! The address of the server as Label Studio knows it, with what opens its door.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::AddressSettings;
use crate::labelstudio::{Credentials, Probe};

/// Where the server is.
#[derive(clap::Args)]
#[command(next_help_heading = "This server")]
pub struct AddressArgs {
    /// Address of this server as Label Studio's server reaches it [default: http://127.0.0.1:PORT]
    #[arg(long, env = "BACKEND_URL", value_name = "URL", hide_env_values = true)]
    backend_url: Option<String>,

    /// Address of the same server as it is reached from here, where that is another one
    #[arg(long, value_name = "URL", hide_env_values = true)]
    backend_from_here: Option<String>,
}

/// The server's address with its secret path, and its user and password.
pub struct Address {
    url: Url,
    here: Url,
    /// Of Basic authentication, unless they stand in the URL, or its secret path opens what Label Studio needs: then no
    /// member of a project gets to read them there.
    pub credentials: Option<Credentials>,
    hidden: Vec<(String, String)>,
}

impl AddressArgs {
    /// The address that these arguments and the server's settings make.
    ///
    /// # Errors
    /// An address that is none, or names no server.
    pub fn address(&self, server: &AddressSettings) -> anyhow::Result<Address> {
        let url = match self.backend_url.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => parse("--backend-url", text)?,
            None => default_url(server)?,
        };
        let here = self.backend_from_here.as_deref();
        let here = here.map_or_else(|| Ok(url.clone()), |text| parse("--backend-from-here", text))?;
        let secret = server.secret_path.as_ref().map(ExposeSecret::expose_secret);
        let mut hidden: Vec<(String, String)> =
            secret.iter().map(|secret| ((*secret).to_owned(), "***".to_owned())).collect();
        hidden.extend([&url, &here].into_iter().filter_map(userinfo).map(|info| (info, String::new())));
        let pair = server.basic_auth_user.clone().zip(server.basic_auth_pass.clone());
        let credentials = pair.map(|(user, password)| Credentials { user, password });
        Ok(Address {
            credentials: credentials.filter(|_| secret.is_none() && userinfo(&url).is_none()),
            url: below_secret(url, secret),
            here: below_secret(here, secret),
            hidden,
        })
    }
}

impl Address {
    /// As Label Studio is told, without a slash at its end. It may hold secrets.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Where Label Studio sends its events.
    pub fn webhook(&self) -> String {
        format!("{}/webhook", self.url())
    }

    /// Returns `true` if another address has the same scheme, host and port.
    pub fn is_same_server(&self, other: &str) -> bool {
        Url::parse(other).is_ok_and(|other| other.origin() == self.url.origin())
    }

    /// For people.
    pub fn shown(&self) -> String {
        self.hidden.iter().fold(self.url().to_owned(), |text, (secret, shown)| text.replace(secret, shown))
    }

    /// Texts that must not be printed, and what stands in their place.
    pub fn hidden(&self) -> Vec<(String, String)> {
        self.hidden.clone()
    }

    /// The server as reached from here.
    ///
    /// # Errors
    /// The HTTP client can't be built.
    pub fn probe(&self) -> anyhow::Result<Probe> {
        Ok(Probe::new(self.here.clone(), self.credentials.clone())?)
    }
}

fn default_url(server: &AddressSettings) -> anyhow::Result<Url> {
    if server.port == 0 {
        bail!("--port 0 says no port; give the server's address with --backend-url");
    }
    let host = if server.host.is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { server.host };
    Ok(Url::parse(&format!("http://{}", std::net::SocketAddr::new(host, server.port)))?)
}

fn parse(flag: &str, text: &str) -> anyhow::Result<Url> {
    // The text may hold a password, so no message repeats it.
    let url = Url::parse(text.trim())
        .with_context(|| format!("{flag} is not a URL; write it like http://127.0.0.1:9090"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "{flag} must start with http:// or https:// and name a host"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "{flag} must not have a query or a fragment: Label Studio would put its paths behind them"
    );
    Ok(url)
}

/// `user:password@`, as it stands in the URL.
fn userinfo(url: &Url) -> Option<String> {
    let authority = url.as_str().split_once("://")?.1.split('/').next()?;
    Some(format!("{}@", authority.rsplit_once('@')?.0))
}

/// The address below the secret path, if it is not there already.
fn below_secret(mut url: Url, secret: Option<&str>) -> Url {
    if let Some(secret) = secret
        && !url.path().split('/').any(|segment| segment == secret)
    {
        let path = format!("{}/{secret}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        address: AddressArgs,
        #[command(flatten)]
        server: AddressSettings,
    }

    fn address(arguments: &[&str]) -> anyhow::Result<Address> {
        let line = Line::try_parse_from([&["test"], arguments].concat())?;
        line.address.address(&line.server)
    }

    #[test]
    fn the_address_holds_what_opens_the_door_and_shows_none_of_it() {
        let secret = "0123456789abcdef";
        for (arguments, url, shown) in [
            (vec![], "http://127.0.0.1:9090", "http://127.0.0.1:9090"),
            (vec!["--host", "0.0.0.0", "--port", "81"], "http://127.0.0.1:81", "http://127.0.0.1:81"),
            (vec!["--backend-url", "http://h:1/a/"], "http://h:1/a", "http://h:1/a"),
            (
                vec!["--secret-path", secret],
                "http://127.0.0.1:9090/0123456789abcdef",
                "http://127.0.0.1:9090/***",
            ),
            (
                vec!["--secret-path", secret, "--backend-url", "http://h/0123456789abcdef/"],
                "http://h/0123456789abcdef",
                "http://h/***",
            ),
            (vec!["--backend-url", "http://me:p%2Fw@h"], "http://me:p%2Fw@h", "http://h"),
        ] {
            let made = address(&arguments).unwrap();
            assert_eq!((made.url(), made.shown().as_str()), (url, shown));
        }
    }

    #[test]
    fn label_studio_gets_no_password_where_a_secret_path_opens_the_door() {
        let basic = ["--basic-auth-user", "me", "--basic-auth-pass", "hush"];
        assert!(address(&basic).unwrap().credentials.is_some());
        let both = [&basic[..], &["--secret-path", "0123456789abcdef"]].concat();
        assert!(address(&both).unwrap().credentials.is_none());
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_repeated() {
        for (wrong, said) in [
            ("h:9090", "http://"),
            ("hush", "not a URL"),
            ("http://h/?token=hush", "query"),
            ("ftp://hush", "http://"),
        ] {
            let error = format!("{:#}", address(&["--backend-url", wrong]).err().unwrap());
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        }
        assert!(address(&["--port", "0"]).is_err());
    }
}
