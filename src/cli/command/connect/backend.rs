//! The ML backend of a project, and the webhook by which it learns.

use crate::cli::args::address::Address;
use crate::cli::connectivity::{hook_of, row_of, same_url};
use crate::cli::output::checklist::{Checklist, Step, StepOutcome};
use crate::domain::ids::ProjectId;
use crate::labelstudio::{BackendRow, Client, Hook};

const BACKEND: &str = "ML backend";
const WEBHOOK: &str = "webhook";

/// Title of a new backend. The server gives it the name of its version, which makes Label Studio follow its order.
const TITLE: &str = "weathervane";

/// Connects the server; `None` where it is not connected or would hear nothing.
pub async fn connect(
    client: &Client,
    address: &Address,
    former: Option<&str>,
    project: ProjectId,
    checklist: &mut Checklist,
) -> Option<()> {
    let former = ensure_row(client, address, former, project, checklist).await?;
    ensure_hook(client, address, project, former.as_deref(), checklist).await
}

/// Adds the row or mends it; gives the address it had, if that was another one.
async fn ensure_row(
    client: &Client,
    address: &Address,
    former: Option<&str>,
    project: ProjectId,
    checklist: &mut Checklist,
) -> Option<Option<String>> {
    let credentials = address.credentials.as_ref();
    let rows = checklist.take(BACKEND, client.backends(project).await)?;
    let own = row_of(&rows, address.url())
        .or_else(|| former.and_then(|former| row_of(&rows, former)))
        .or_else(|| moved(&rows, address));
    let (outcome, former) = match own {
        Some(row) if is_right(row, address) => (StepOutcome::Ok, None),
        Some(row) => {
            let changed = client.change_backend(project, row, address.url(), credentials).await;
            checklist.take(BACKEND, changed)?;
            (StepOutcome::Changed, Some(row.url.clone()).filter(|url| !same_url(url, address.url())))
        }
        None => {
            let added = client.add_backend(project, address.url(), TITLE, credentials).await;
            checklist.take(BACKEND, added)?;
            (StepOutcome::Made, None)
        }
    };
    let mut step = Step::new(BACKEND, outcome, format!("Label Studio reaches {}", address.shown()));
    if let Some(first) = rows.first().filter(|first| own.is_none_or(|own| own.id != first.id)) {
        step = step.advise(format!(
            "Label Studio asks only a project's first backend for predictions, and that is `{}`: remove it under Settings > \
             Model",
            first.title.as_deref().unwrap_or("untitled")
        ));
    }
    checklist.add(step);
    Some(former)
}

fn is_right(row: &BackendRow, address: &Address) -> bool {
    same_url(&row.url, address.url())
        && row.is_connected()
        && row.authenticates_as(address.credentials.as_ref())
}

/// The row that a server of the same host and port had before its secret path or password changed: it fails now.
fn moved<'a>(rows: &'a [BackendRow], address: &Address) -> Option<&'a BackendRow> {
    rows.iter().find(|row| !row.is_connected() && address.is_same_server(&row.url))
}

/// Makes the webhook, or mends it.
async fn ensure_hook(
    client: &Client,
    address: &Address,
    project: ProjectId,
    former: Option<&str>,
    checklist: &mut Checklist,
) -> Option<()> {
    let credentials = address.credentials.as_ref();
    let hooks = checklist.take(WEBHOOK, client.webhooks(project).await)?;
    let of_former = |hook: &&Hook| {
        former.is_some_and(|url| same_url(&hook.url, &format!("{}/webhook", url.trim_end_matches('/'))))
    };
    let step = match hook_of(&hooks, address).or_else(|| hooks.iter().find(of_former)) {
        Some(hook) => {
            let mut faults = hook.faults(credentials);
            if !same_url(&hook.url, &address.webhook()) {
                faults.push("it went to the former address");
            }
            if faults.is_empty() {
                Step::ok(WEBHOOK, "it tells every event")
            } else {
                checklist.take(WEBHOOK, client.mend_webhook(hook, &address.webhook(), credentials).await)?;
                Step::new(WEBHOOK, StepOutcome::Changed, format!("mended: {}", faults.join(", ")))
            }
        }
        None => {
            checklist.take(WEBHOOK, client.add_webhook(project, &address.webhook(), credentials).await)?;
            Step::new(WEBHOOK, StepOutcome::Made, "it was missing; it tells every event now")
        }
    };
    checklist.add(step);
    Some(())
}
