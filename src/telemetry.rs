//! Logs, metrics, and spans that follow work from thread to thread.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends log lines to stderr, as text or one JSON object a line; stdout stays free for data.
///
/// `level` is a level (`info`, any case) or a filter as `tracing` knows it (`weathervane=debug,info`). One that
/// can't be read falls back to `info` with a warning, so that a typo never stops the server.
pub fn init_logs(level: &str, json: bool) {
    let quiet_neighbours = ["sqlx=warn", "hyper=warn", "hyper_util=warn", "actix_server=warn", "cubecl=warn"];
    let parsed = EnvFilter::try_new(level.to_ascii_lowercase());
    let misread = parsed.is_err();
    let mut filter = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in quiet_neighbours {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for terminals; in a file or a journal they would stand between a person and `grep`.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if std::io::stderr().is_terminal() { layer } else { layer.with_ansi(false) };
    let installed = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_target(false)).try_init()
    };
    if installed.is_ok() && misread {
        tracing::warn!(
            level,
            "log level not understood, using `info`; try `debug` or `weathervane=debug,info`"
        );
    }
}

/// The recorder behind `GET /metrics`.
///
/// The `metrics` crate has one recorder a process, so the first call installs it and later ones share it.
///
/// # Errors
/// Another recorder was installed before the first call.
pub fn metrics_handle() -> Result<PrometheusHandle, String> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| builder.install_recorder())
                .map_err(|error| error.to_string())
        })
        .clone()
}

/// Histogram bounds in seconds: from a cached answer (0.5 ms) to Label Studio's read timeout (100 s).
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 100.0];

/// Resident memory of this process in bytes; `None` where the system does not report it.
pub fn resident_memory() -> Option<u64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Resident memory in bytes, from `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads: 3"), Some(2_097_152));
        assert_eq!(resident("Name:\tx"), None);
        assert_eq!(resident("VmRSS:\tmuch"), None);
    }
}
