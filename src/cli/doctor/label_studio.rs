//! Label Studio, and each project from both ends.

use crate::app::{self, unix_micros};
use crate::cli::address::Address;
use crate::cli::steps::{Outcome, Report, Step};
use crate::cli::wiring::{self, hook_of, row_of};
use crate::config::Settings;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::LabelConfig;
use crate::labelstudio::{Client, LabelStudioError, Probe};

/// Clocks that differ by more make times in Label Studio and here hard to compare, seconds.
const MAX_CLOCK_SECONDS: i64 = 60;

/// Projects looked at in one run.
const MAX_PROJECTS: usize = 20;

const CONNECT: &str = "run `weathervane connect --project ID` with the same settings";

/// What is looked at.
pub struct Patient<'a> {
    pub settings: &'a Settings,
    pub address: &'a Address,
    /// Projects of the database, for when the server does not answer.
    pub stored: &'a [ProjectId],
}

impl Patient<'_> {
    pub async fn check(&self, project: Option<ProjectId>, report: &mut Report) -> anyhow::Result<()> {
        let probe = self.address.probe()?;
        let answers = wiring::server(&probe, self.address, report).await;
        let Some(client) = self.label_studio(report).await else { return Ok(()) };
        let guarded = wiring::guards(&client, self.address, report).await.is_none();
        for id in self.projects(project, answers.unwrap_or(false).then_some(&probe), report).await {
            if self.project(&client, id, report).await.is_some() && !guarded {
                wiring::delivery(&client, &probe, id, report).await;
            }
        }
        Ok(())
    }

    /// Reaches Label Studio without and with the token; `None` where nothing more can be asked.
    async fn label_studio(&self, report: &mut Report) -> Option<Client> {
        const STEP: &str = "Label Studio";
        let client = report.take(STEP, app::client(self.settings).map_err(|error| format!("{error:#}")))?;
        let greeting = report.take(STEP, client.greet().await)?;
        report.add(Step::ok(STEP, format!("version {} answers", greeting.version)));
        report.add(clock(greeting.unix_seconds));
        let account = report.take("token", client.verify().await)?;
        report.add(Step::ok(
            "token",
            format!("Label Studio accepts the {} of user {}", account.kind, account.id),
        ));
        Some(client)
    }

    /// Which projects to look at.
    async fn projects(
        &self,
        named: Option<ProjectId>,
        server: Option<&Probe>,
        report: &mut Report,
    ) -> Vec<ProjectId> {
        if let Some(id) = named {
            return vec![id];
        }
        let mut known = match server {
            Some(probe) => report.take("server", probe.projects().await).unwrap_or_default(),
            None => self.stored.to_vec(),
        };
        if known.is_empty() {
            let step = Step::new("project", Outcome::Skipped, "no project is known here");
            report.add(step.advise("name one with --project, or make one with `weathervane connect`"));
        }
        known.truncate(MAX_PROJECTS);
        known
    }

    /// The project as Label Studio has it: label config, backend, webhook.
    async fn project(&self, client: &Client, id: ProjectId, report: &mut Report) -> Option<()> {
        let project = match client.project_details(id).await {
            Err(LabelStudioError::NotFound { .. }) => {
                report.add(Step::problem(
                    "project",
                    format!("Label Studio has no project {id}"),
                    "if somebody deleted it, nothing is to be done: the server notes it at its next comparison, and keeps \
                     labels and versions; else LABEL_STUDIO_URL is another Label Studio, or the token's account may not \
                     see the project",
                ));
                return None;
            }
            found => report.take("project", found)?,
        };
        report.add(match LabelConfig::parse(&project.label_config) {
            Ok(_) => {
                Step::ok("project", format!("{id}, `{}`: its label config can be learnt", project.title))
            }
            Err(error) => Step::problem(
                "project",
                format!("{id}, `{}`: {error}", project.title),
                "change the label config under Settings > Labeling Interface",
            ),
        });
        self.backend(client, id, report).await?;
        self.webhook(client, id, report).await
    }

    /// Label Studio asks the server for health and set-up while it lists its backends.
    async fn backend(&self, client: &Client, id: ProjectId, report: &mut Report) -> Option<()> {
        const STEP: &str = "ML backend";
        let rows = report.take(STEP, client.backends(id).await)?;
        let Some(row) = row_of(&rows, self.address.url()) else {
            let detail = format!("project {id} has no ML backend at {}", self.address.shown());
            report.add(Step::problem(STEP, detail, format!("{CONNECT}, or check --backend-url")));
            return Some(());
        };
        let detail = match (row.is_connected(), rows.first().is_some_and(|first| first.id != row.id)) {
            (false, _) => {
                let why = row.error_message.as_deref().unwrap_or("health or set-up failed");
                format!("project {id}: Label Studio does not reach {}: {why}", self.address.shown())
            }
            (true, true) => format!("project {id}: another backend comes first, and only that one is asked"),
            (true, false) => {
                report.add(Step::ok(
                    STEP,
                    format!("project {id}: Label Studio reaches {}", self.address.shown()),
                ));
                return Some(());
            }
        };
        let advice = "the server must run and be reached from Label Studio's machine or container; remove other backends \
                      under Settings > Model";
        report.add(Step::problem(STEP, detail, advice));
        Some(())
    }

    async fn webhook(&self, client: &Client, id: ProjectId, report: &mut Report) -> Option<()> {
        const STEP: &str = "webhook";
        let hooks = report.take(STEP, client.webhooks(id).await)?;
        let faults = hook_of(&hooks, self.address).map(|hook| hook.faults(self.address.credentials.as_ref()));
        report.add(match faults {
            Some(faults) if faults.is_empty() => {
                Step::ok(STEP, format!("project {id}: it tells every event"))
            }
            Some(faults) => Step::problem(STEP, format!("project {id}: {}", faults.join(", ")), CONNECT),
            None => {
                let detail = format!("project {id} has no webhook to this server, so nothing is ever learnt");
                Step::problem(STEP, detail, CONNECT)
            }
        });
        Some(())
    }
}

/// Compares Label Studio's clock with ours.
fn clock(theirs: Option<i64>) -> Step {
    const STEP: &str = "clock";
    let Some(theirs) = theirs else {
        return Step::new(STEP, Outcome::Skipped, "Label Studio's answers tell no time");
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
