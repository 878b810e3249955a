//! From settings to the outside world: backbone, Label Studio client, image fetcher, and words for the person.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::Services;
use super::certificates::trust_named;
use crate::access::{Access, ControlPolicy, Throttle};
use crate::config::{Device, ModelSettings, OrderSetting, ServerSettings, Settings};
use crate::dashboard::{self, Dashboard, DashboardDependencies, Installation};
use crate::labelstudio::{Client, ClientConfig};
use crate::media::{Media, MediaConfig};
use crate::model::{Backbone, BackboneChoice, DeviceChoice, ModelError, load_backbone};
use crate::models::starter::Starter;
use crate::queue::{QueueOrder, QueuePolicy};

/// Time for a TCP and TLS handshake with Label Studio.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for one answer of Label Studio's API: an export of a large project takes some seconds.
const API_TIMEOUT: Duration = Duration::from_secs(120);

/// Loads the backbone that the settings name.
///
/// # Errors
/// Its file can't be used, or the device is not built in.
pub fn backbone(settings: &ModelSettings) -> Result<Arc<dyn Backbone>, ModelError> {
    let device = match settings.device {
        Device::Flex => DeviceChoice::Flex,
        Device::Ndarray => DeviceChoice::NdArray,
    };
    load_backbone(&BackboneChoice::from(settings.backbone.as_str()), device)
}

pub(super) fn starter(settings: &Settings) -> Option<Starter> {
    if settings.model.no_starter {
        return None;
    }
    Starter::built_in().inspect_err(|error| tracing::error!(%error, "starter model left out")).ok()
}

/// A client of the configured Label Studio; nothing is asked yet.
///
/// # Errors
/// Address or token can't be ones that work, or the file of certificates can't be used.
pub fn client(settings: &Settings) -> anyhow::Result<Client> {
    trust_named(&settings.label_studio)?;
    let base_url = settings.label_studio.base_url()?;
    let verify_tls = settings.label_studio.verify_ssl;
    if let Some(url) = base_url.as_ref().filter(|url| !verify_tls && url.scheme() == "https") {
        tracing::warn!(
            "VERIFY_SSL is off: {} is taken for Label Studio whatever certificate it shows, and whoever is on the way can read \
             the token; name its certificate, or its authority's, with --ca-file instead",
            url.host_str().unwrap_or_default()
        );
    }
    Ok(Client::new(ClientConfig {
        proxy: base_url.as_ref().and_then(proxy_variable),
        base_url,
        token: settings.label_studio.label_studio_api_key.clone(),
        verify_tls,
        connect_timeout: CONNECT_TIMEOUT,
        timeout: API_TIMEOUT,
    })?)
}

pub(super) fn media(settings: &Settings, client: &Client) -> anyhow::Result<Media> {
    let config = MediaConfig {
        local_files_root: settings.label_studio.local_files_root.clone(),
        allow: settings.images.fetch_allow_cidr.clone(),
        max_image_bytes: settings.images.max_image_bytes,
        image_timeout: Duration::from_secs(settings.images.image_timeout_seconds),
        max_downloads: usize::from(settings.images.max_downloads),
    };
    Ok(Media::new(config, Some(client))?)
}

/// Memory for the embeddings of a project.
pub(super) fn pool_bytes(settings: &Settings) -> usize {
    settings.pool.pool_memory_mb as usize * 1_000_000
}

pub(super) fn queue_policy(settings: &Settings) -> QueuePolicy {
    let queue = &settings.queue;
    QueuePolicy {
        order: match queue.queue_order {
            OrderSetting::Rank => QueueOrder::Rank,
            OrderSetting::Certainty => QueueOrder::Certainty,
        },
        tasks: queue.tasks_written(),
        set_sampling: !queue.projects.keep_sampling && !queue.projects.leave_projects_alone,
        keep_view: !queue.no_queue_view && !queue.projects.leave_projects_alone,
        score_threshold: settings.model.model_score_threshold,
    }
}

/// Says at start whether the token works, and if not what to do.
pub(super) async fn verify(client: &Client) {
    match client.verify().await {
        Ok(account) => tracing::info!(token = %account.kind, "Label Studio accepts the token"),
        Err(error) => tracing::error!(%error, "Label Studio can't be used"),
    }
}

/// Settings that this installation lacks, in words for the reader of the status route.
pub(super) fn advice(settings: &Settings) -> Vec<String> {
    let mut advice = Vec::new();
    if settings.label_studio.label_studio_url.is_none() {
        advice.push(
            "LABEL_STUDIO_URL is not set: uploaded images and local files can't be fetched, and labels that came \
             by import are not learnt"
                .to_owned(),
        );
    } else if settings.label_studio.label_studio_api_key.is_none() {
        advice.push(
            "LABEL_STUDIO_API_KEY is not set: Label Studio hands out neither uploads nor its export without a \
             token, and its queue can't be ordered; take one from Account & Settings > Access Token"
                .to_owned(),
        );
    }
    advice
}

/// Variables that set a proxy, by the scheme of what is asked.
const PROXIES: [(&str, [&str; 4]); 2] = [
    ("http", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
    ("https", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
];

/// The variable that names a proxy for an address. Whether `NO_PROXY` takes its host out is not looked at.
fn proxy_variable(url: &Url) -> Option<&'static str> {
    let (_, names) = PROXIES.into_iter().find(|(scheme, _)| *scheme == url.scheme())?;
    names.into_iter().find(|name| is_set(name))
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Variables of Label Studio's Python backends that this program does not read, and what to do.
fn other_names(settings: &Settings) -> impl Iterator<Item = (&'static str, &'static str)> {
    let label_studio = &settings.label_studio;
    let names = [
        ("LABEL_STUDIO_HOST", "call it LABEL_STUDIO_URL", label_studio.label_studio_url.is_none()),
        (
            "LABEL_STUDIO_ACCESS_TOKEN",
            "call it LABEL_STUDIO_API_KEY",
            label_studio.label_studio_api_key.is_none(),
        ),
    ];
    names
        .into_iter()
        .filter(|(name, _, matters)| *matters && is_set(name))
        .map(|(name, cure, _)| (name, cure))
}

/// The dashboard over the services.
pub(super) fn dashboard(
    settings: &Settings,
    services: &Services,
    access: &Access,
    throttle: &Arc<Throttle>,
) -> anyhow::Result<Dashboard> {
    let dependencies = DashboardDependencies {
        storage: services.storage.clone(),
        embedder: services.embedder.clone(),
        models: services.models.clone(),
        training: services.training.clone(),
        label_configs: services.label_configs.clone(),
        pool: services.pool.clone(),
        queue: services.queue.clone(),
        media: services.media.clone(),
    };
    let installation = Installation {
        access: access.clone(),
        throttle: Arc::clone(throttle),
        label_studio: settings.public_url()?,
        writes_queue: services.label_studio.is_configured() && settings.queue.tasks_written() > 0,
        limits: super::limits(settings),
        decoders: super::threads(settings),
        advice: advice(settings),
        resident_memory: crate::telemetry::resident_memory,
        now: super::unix_micros,
    };
    Ok(Dashboard::new(dependencies, installation)?)
}

/// The start-up banner: where to connect, where the dashboard is, and what is missing.
pub(super) fn announce(settings: &Settings, port: u16) {
    let server = &settings.server.address;
    let host = server.host;
    let shown = if host.is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { host };
    let address = std::net::SocketAddr::new(shown, port);
    tracing::info!("listening on http://{address}");
    if host.is_loopback() {
        let label_studio = settings.label_studio.base_url().ok().flatten();
        if let Some(elsewhere) = label_studio.as_ref().and_then(other_machine) {
            tracing::warn!(
                "Label Studio is at {elsewhere}, but only this machine reaches {host}: if that is another machine or a \
                 container, start with --host 0.0.0.0"
            );
        }
        tracing::info!(
            "paste this URL into Label Studio (project > Settings > Model); if Label Studio runs in a container or \
             on another machine, start with --host 0.0.0.0 and paste this machine's address instead"
        );
    } else if server.basic_auth_user.is_none() && server.secret_path.is_none() {
        tracing::warn!(
            "everybody who reaches {host} may use Label Studio's protocol here: set BASIC_AUTH_USER and \
             BASIC_AUTH_PASS, or SECRET_PATH"
        );
    }
    match access(&settings.server).control() {
        ControlPolicy::Open => {
            tracing::info!("dashboard: http://{address}{}, for this machine alone", dashboard::PATH)
        }
        ControlPolicy::Password => tracing::info!(
            "dashboard: http://{address}{}, log in with BASIC_AUTH_USER and BASIC_AUTH_PASS",
            dashboard::PATH
        ),
        ControlPolicy::Closed => tracing::warn!(
            "dashboard and control API are closed: set BASIC_AUTH_USER and BASIC_AUTH_PASS to open them"
        ),
    }
    for line in advice(settings) {
        tracing::warn!("{line}");
    }
    for (name, cure) in other_names(settings) {
        tracing::warn!("{name} is set, and this program does not read it: {cure}");
    }
}

/// Access control as the settings say.
pub(super) fn access(server: &ServerSettings) -> Access {
    let address = &server.address;
    Access {
        basic: address.basic_auth_user.clone().zip(address.basic_auth_pass.clone()),
        secret_path: address.secret_path.clone(),
        exposed: !address.host.is_loopback(),
        allowed_hosts: server.allowed_host.clone(),
    }
}

/// The host of an address, if it is not this machine as this machine calls itself.
fn other_machine(url: &Url) -> Option<&str> {
    let here = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    if here { None } else { url.host_str() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn one_switch_leaves_projects_alone() {
        let policy = |line: &[&str]| queue_policy(&<Line as clap::Parser>::parse_from(line).settings);
        let usual = policy(&["test"]);
        assert_eq!((usual.tasks, usual.set_sampling, usual.keep_view), (200, true, true));
        let alone = policy(&["test", "--leave-projects-alone"]);
        assert_eq!((alone.tasks, alone.set_sampling, alone.keep_view), (0, false, false));
    }

    #[test]
    fn only_names_of_this_machine_are_here() {
        for (url, elsewhere) in [
            ("http://127.0.0.1:8080", None),
            ("http://localhost:8080/label-studio", None),
            ("http://[::1]:8080", None),
            ("http://label-studio:8080", Some("label-studio")),
            ("https://10.0.0.7", Some("10.0.0.7")),
        ] {
            assert_eq!(other_machine(&url.parse().unwrap()), elsewhere, "{url}");
        }
    }
}
