//! Connection between Label Studio and the server, checked from both ends.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::args::address::Address;
use crate::cli::output::checklist::{Checklist, Step, StepOutcome};
use crate::domain::ids::ProjectId;
use crate::labelstudio::{
    BackendRow, Client, Hook, HookUrlError, Probe, ProbeError, SsrfProtection, check_hook_url,
};

/// Time for an event: Label Studio sends within the call that caused it, or soon after by a worker.
const PATIENCE: Duration = Duration::from_secs(10);

/// Interval between two requests to the server.
const GLANCE: Duration = Duration::from_millis(200);

const CREDENTIALS: &str =
    "give this command the BASIC_AUTH_USER and BASIC_AUTH_PASS, or the SECRET_PATH, that the server has";

/// Returns `true` if two addresses are the same to Label Studio.
pub fn same_url(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The row of this server among a project's backends.
pub fn row_of<'a>(rows: &'a [BackendRow], url: &str) -> Option<&'a BackendRow> {
    rows.iter().find(|row| same_url(&row.url, url))
}

/// The webhook to this server: one that does its work, else any.
pub fn hook_of<'a>(hooks: &'a [Hook], address: &Address) -> Option<&'a Hook> {
    let ours = || hooks.iter().filter(|hook| same_url(&hook.url, &address.webhook()));
    ours().find(|hook| hook.faults(address.credentials.as_ref()).is_empty()).or_else(|| ours().next())
}

/// Checks from here that the server answers. Label Studio may reach it all the same when this machine can't;
/// `None` where it would be turned away too.
pub async fn server(probe: &Probe, address: &Address, checklist: &mut Checklist) -> Option<bool> {
    const STEP: &str = "server";
    let step = match probe.health().await {
        Ok(()) => Step::ok(STEP, format!("weathervane answers at {}", address.shown())),
        Err(error @ ProbeError::Refused) => Step::problem(STEP, error.to_string(), CREDENTIALS),
        Err(error @ ProbeError::Unreachable(_)) => {
            Step::new(STEP, StepOutcome::Skipped, format!("{}: {error}", address.shown())).advise(
                "start it with `weathervane serve`; if only Label Studio reaches this address, name the one that is \
                 reached from here with --backend-from-here",
            )
        }
        Err(error) => {
            Step::problem(STEP, format!("{}: {error}", address.shown()), "check --backend-url and the server's log")
        }
    };
    let answers = match step.outcome() {
        StepOutcome::Problem => None,
        outcome => Some(outcome == StepOutcome::Ok),
    };
    checklist.add(step);
    answers
}

/// Checks that Label Studio keeps a webhook to the address: it would silently drop another one.
pub fn hook_url(address: &Address, checklist: &mut Checklist) -> Option<()> {
    let Err(error) = check_hook_url(&address.webhook()) else { return Some(()) };
    checklist.add(Step::problem("webhook", format!("{error}; nothing was changed"), HookUrlError::CURE));
    None
}

/// Asks whether Label Studio may call the address at all.
pub async fn guards(client: &Client, address: &Address, checklist: &mut Checklist) -> Option<()> {
    const STEP: &str = "address guards";
    let mut on = Vec::new();
    let mut said = String::new();
    for (policy, url) in
        [(SsrfProtection::Backend, address.url().to_owned()), (SsrfProtection::Webhook, address.webhook())]
    {
        if let Some(answer) = checklist.take(STEP, client.is_guarded(policy, &url).await)? {
            on.push(policy.variable());
            said = answer;
        }
    }
    if on.is_empty() {
        checklist.add(Step::ok(STEP, "Label Studio may call this address"));
        return Some(());
    }
    checklist.add(Step::problem(
        STEP,
        format!("Label Studio may not call {}: {} is on ({said})", address.shown(), on.join(" and ")),
        format!(
            "restart Label Studio with {} in its environment, where you trust those who may connect backends",
            on.iter().map(|name| format!("{name}=false")).collect::<Vec<_>>().join(" and ")
        ),
    ));
    None
}

/// Causes an event and asks the server whether it came. Label Studio tells of every change of a project, also of one that
/// sets nothing.
pub async fn delivery(client: &Client, probe: &Probe, project: ProjectId, checklist: &mut Checklist) {
    const STEP: &str = "delivery";
    let before = match probe.received_webhooks(project).await {
        Ok(webhooks) => webhooks.received,
        Err(error) => {
            checklist.add(
                Step::new(STEP, StepOutcome::Skipped, format!("nobody saw whether webhooks arrive: {error}"))
                    .advise("run this where the server is reached, or use --backend-from-here"),
            );
            return;
        }
    };
    if checklist.take(STEP, client.change_project(project, json!({})).await).is_none() {
        return;
    }
    let caused = Instant::now();
    while caused.elapsed() < PATIENCE {
        if let Ok(webhooks) = probe.received_webhooks(project).await
            && webhooks.received != before
        {
            let took = caused.elapsed().as_millis();
            checklist.add(Step::ok(STEP, format!("project {}: a webhook arrived after {took} ms", project)));
            return;
        }
        tokio::time::sleep(GLANCE).await;
    }
    checklist.add(Step::problem(
        STEP,
        format!("project {}: no webhook arrived within {} s, so nothing is ever learnt", project, PATIENCE.as_secs()),
        "look for the webhook in Label Studio's log; its server must reach the address within 1 s (WEBHOOK_TIMEOUT), and \
         SSRF_PROTECTION_ENABLED must be false for an address of a private network",
    ));
}
