//! Label Studio, and each project from both ends.

use std::iter::once;

use crate::app::{self, unix_micros};
use crate::cli::args::address::Address;
use crate::cli::connectivity::{self, hook_of, row_of};
use crate::cli::output::checklist::{Checklist, Step, StepOutcome};
use crate::config::Settings;
use crate::domain::annotation::rename_command;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{Dropped, LabelConfig};
use crate::labelstudio::{
    BackendRow, Client, HookUrlError, LabelCounts, LabelStudioError, Probe, check_hook_url,
};

/// Clocks that differ by more make times in Label Studio and here hard to compare, seconds.
const MAX_CLOCK_SECONDS: i64 = 60;

/// Number of projects checked in one run.
const MAX_PROJECTS: usize = 20;

/// Labels that a message names.
const NAMED_LABELS: usize = 5;

const CONNECT: &str = "run `weathervane connect --project ID` with the same settings";

const RENAME: &str =
    "run `weathervane connect --project ID --backend-url NEW --moved-from OLD` with both addresses";

/// Installation that is checked.
pub struct Patient<'a> {
    pub settings: &'a Settings,
    pub address: &'a Address,
    /// Projects of the database, for when the server does not answer.
    pub stored: &'a [ProjectId],
}

impl Patient<'_> {
    pub async fn check(&self, project: Option<ProjectId>, checklist: &mut Checklist) -> anyhow::Result<()> {
        let probe = self.address.probe()?;
        let answers = connectivity::server(&probe, self.address, checklist).await;
        let Some(client) = self.label_studio(checklist).await else { return Ok(()) };
        let guarded = connectivity::guards(&client, self.address, checklist).await.is_none();
        for id in self.projects(project, answers.unwrap_or(false).then_some(&probe), checklist).await {
            if self.project(&client, id, checklist).await.is_some() && !guarded {
                connectivity::delivery(&client, &probe, id, checklist).await;
            }
        }
        Ok(())
    }

    /// Reaches Label Studio without and with the token; `None` where nothing more can be asked.
    async fn label_studio(&self, checklist: &mut Checklist) -> Option<Client> {
        const STEP: &str = "Label Studio";
        let client =
            checklist.take(STEP, app::client(self.settings).map_err(|error| format!("{error:#}")))?;
        let greeting = checklist.take(STEP, client.greet().await)?;
        let through = client
            .proxy()
            .map(|name| format!(", through the proxy of {name} unless NO_PROXY names its host"));
        let through = through.unwrap_or_default();
        checklist.add(Step::ok(STEP, format!("version {} answers{through}", greeting.version)));
        checklist.add(clock(greeting.unix_seconds));
        let account = checklist.take("token", client.verify().await)?;
        checklist.add(Step::ok(
            "token",
            format!("Label Studio accepts the {} of user {}", account.kind, account.id),
        ));
        Some(client)
    }

    /// Projects to check.
    async fn projects(
        &self,
        named: Option<ProjectId>,
        server: Option<&Probe>,
        checklist: &mut Checklist,
    ) -> Vec<ProjectId> {
        if let Some(id) = named {
            return vec![id];
        }
        let mut known = match server {
            Some(probe) => checklist.take("server", probe.projects().await).unwrap_or_default(),
            None => self.stored.to_vec(),
        };
        if known.is_empty() {
            let step = Step::new("project", StepOutcome::Skipped, "no project is known here");
            checklist.add(step.advise("name one with --project, or make one with `weathervane connect`"));
        }
        known.truncate(MAX_PROJECTS);
        known
    }

    /// The project as Label Studio has it: label config, backend, webhook.
    async fn project(&self, client: &Client, id: ProjectId, checklist: &mut Checklist) -> Option<()> {
        let project = match client.project_details(id).await {
            Err(LabelStudioError::NotFound { .. }) => {
                checklist.add(Step::problem(
                    "project",
                    format!("Label Studio has no project {id}"),
                    "if somebody deleted it, nothing is to be done: the server notes it at its next comparison, and keeps \
                     labels and versions; else LABEL_STUDIO_URL is another Label Studio, or the token's account may not \
                     see the project",
                ));
                return None;
            }
            found => checklist.take("project", found)?,
        };
        match LabelConfig::parse(&project.label_config) {
            Ok(config) => {
                let detail = format!("{id}, `{}`: its label config can be learnt", project.title);
                checklist.add(Step::ok("project", detail));
                let in_use = client.label_counts(id).await;
                if let Some(in_use) = checklist.take("labels", in_use) {
                    let unused = config.dropped_by(&config, &in_use);
                    if !unused.is_empty() {
                        checklist.add(unused_labels(id, &unused, &config, &in_use));
                    }
                }
            }
            Err(error) => checklist.add(Step::problem(
                "project",
                format!("{id}, `{}`: {error}", project.title),
                "change the label config under Settings > Labeling Interface",
            )),
        }
        let rows = checklist.take("ML backend", client.backends(id).await)?;
        self.backend(&rows, id, checklist);
        self.webhook(client, &rows, id, checklist).await
    }

    /// Label Studio asked each backend for health and set-up while it listed them.
    fn backend(&self, rows: &[BackendRow], id: ProjectId, checklist: &mut Checklist) {
        const STEP: &str = "ML backend";
        let Some(row) = row_of(rows, self.address.url()) else {
            let detail = format!("project {id} has no ML backend at {}", self.address.shown());
            checklist.add(Step::problem(STEP, detail, format!("{CONNECT}, or check --backend-url")));
            return;
        };
        let detail = match (row.is_connected(), rows.first().is_some_and(|first| first.id != row.id)) {
            (false, _) => {
                let why = row.error_message.as_deref().unwrap_or("health or set-up failed");
                format!("project {id}: Label Studio does not reach {}: {why}", self.address.shown())
            }
            (true, true) => format!("project {id}: another backend comes first, and only that one is asked"),
            (true, false) => {
                let detail = format!("project {id}: Label Studio reaches {}", self.address.shown());
                checklist.add(Step::ok(STEP, detail));
                return;
            }
        };
        let advice = "the server must run and be reached from Label Studio's machine or container; remove other backends \
                      under Settings > Model";
        checklist.add(Step::problem(STEP, detail, advice));
    }

    /// `None` where there is no webhook that could deliver anything.
    async fn webhook(
        &self,
        client: &Client,
        rows: &[BackendRow],
        id: ProjectId,
        checklist: &mut Checklist,
    ) -> Option<()> {
        const STEP: &str = "webhook";
        let hooks = checklist.take(STEP, client.webhooks(id).await)?;
        let Some(hook) = hook_of(&hooks, self.address) else {
            let detail = format!("project {id} has no webhook to this server, so nothing is ever learnt");
            let (why, advice) = match self.unkept(rows) {
                Some(error) => {
                    (format!("{detail}: {error}"), format!("{}; then {RENAME}", HookUrlError::CURE))
                }
                None => (detail, CONNECT.to_owned()),
            };
            checklist.add(Step::problem(STEP, why, advice));
            return None;
        };
        let faults = hook.faults(self.address.credentials.as_ref());
        checklist.add(match faults.is_empty() {
            true => Step::ok(STEP, format!("project {id}: it tells every event")),
            false => Step::problem(STEP, format!("project {id}: {}", faults.join(", ")), CONNECT),
        });
        Some(())
    }

    /// Why Label Studio dropped the webhook when it connected this server; it does so without a word. Where nothing is
    /// connected at the address, another one that leads here may be.
    fn unkept(&self, rows: &[BackendRow]) -> Option<HookUrlError> {
        let others = if row_of(rows, self.address.url()).is_some() { &[] } else { rows };
        let webhook = |row: &BackendRow| format!("{}/webhook", row.url.trim_end_matches('/'));
        let mut addresses = once(self.address.webhook()).chain(others.iter().map(webhook));
        addresses.find_map(|address| check_hook_url(&address).err())
    }
}

/// Labels that people gave and the label config has not.
fn unused_labels(project: ProjectId, unused: &[Dropped], config: &LabelConfig, in_use: &LabelCounts) -> Step {
    let named: Vec<String> = unused.iter().take(NAMED_LABELS).map(ToString::to_string).collect();
    let more = unused.len().saturating_sub(NAMED_LABELS);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let offer = |dropped: &Dropped| {
        let new = config.new_name_of(dropped, in_use)?;
        let from_name = (config.heads.len() > 1).then_some(dropped.from_name.as_str());
        let command = rename_command(project, from_name, &dropped.label, new)?;
        Some(format!("is `{new}` the same as `{}`? Then run `{command}`", dropped.label))
    };
    let mut advice: Vec<String> = unused.iter().take(NAMED_LABELS).filter_map(offer).collect();
    advice.push(match advice.is_empty() {
        true => format!(
            "if a class was renamed, give its labels the new name by `weathervane labels rename --project {project} OLD NEW`, or \
             keep the old name as `alias` of the new <Choice> under Settings > Labeling Interface"
        ),
        false => "or keep the old name as `alias` of the new <Choice> under Settings > Labeling Interface".to_owned(),
    });
    Step::problem(
        "labels",
        format!(
            "project {project}: these labels teach nothing, for the label config has no such class: {}{more}",
            named.join(", ")
        ),
        advice.join("; "),
    )
}

/// Compares Label Studio's clock with ours.
fn clock(theirs: Option<i64>) -> Step {
    const STEP: &str = "clock";
    let Some(theirs) = theirs else {
        return Step::new(STEP, StepOutcome::Skipped, "Label Studio's answers tell no time");
    };
    let ahead = unix_micros() / 1_000_000 - theirs;
    match ahead.abs() > MAX_CLOCK_SECONDS {
        true => Step::problem(
            STEP,
            format!(
                "this machine is {} s {} Label Studio's",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "let both set their clocks by NTP",
        ),
        false => Step::ok(STEP, format!("it differs from Label Studio's by {} s", ahead.abs())),
    }
}
