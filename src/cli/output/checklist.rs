//! Checklist of a command's steps: the outcome of each, a line each.

use anyhow::bail;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::output::format::{OutputFormat, print};

/// Outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// It was right already.
    Ok,
    Made,
    Changed,
    /// It could not be checked, and nothing is known to be wrong.
    Skipped,
    Problem,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    step: &'static str,
    outcome: StepOutcome,
    detail: String,
    /// Action that solves the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Step {
    pub fn new(step: &'static str, outcome: StepOutcome, detail: impl Into<String>) -> Self {
        Self { step, outcome, detail: detail.into(), advice: None }
    }

    pub fn ok(step: &'static str, detail: impl Into<String>) -> Self {
        Self::new(step, StepOutcome::Ok, detail)
    }

    pub fn problem(step: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(step, StepOutcome::Problem, detail).advise(advice)
    }

    pub fn outcome(&self) -> StepOutcome {
        self.outcome
    }

    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// All lines so far. Lines of a table are printed as they come.
pub struct Checklist {
    format: OutputFormat,
    /// Texts that must not be printed, and what stands in their place.
    hidden: Vec<(String, String)>,
    steps: Vec<Step>,
    /// Why a line could not be printed: the steps are taken all the same.
    unwritten: Option<anyhow::Error>,
}

impl Checklist {
    pub fn new(format: OutputFormat, hidden: Vec<(String, String)>) -> Self {
        Self { format, hidden, steps: Vec::new(), unwritten: None }
    }

    pub fn add(&mut self, mut step: Step) {
        step.detail = self.hide(step.detail);
        step.advice = step.advice.map(|advice| self.hide(advice));
        if self.format == OutputFormat::Table {
            let outcome = format!("{:?}", step.outcome).to_lowercase();
            let mut line = format!("{:<16}  {:<8}  {}", step.step, outcome, step.detail);
            if let Some(advice) = &step.advice {
                line += &format!("\n{:<16}  {:<8}  -> {advice}", "", "");
            }
            if let Err(error) = print(&line) {
                self.unwritten.get_or_insert(error);
            }
        }
        self.steps.push(step);
    }

    /// The value of what went well; what did not becomes a problem of this step.
    pub fn take<T>(&mut self, step: &'static str, result: Result<T, impl std::fmt::Display>) -> Option<T> {
        result.map_err(|error| self.add(Step::new(step, StepOutcome::Problem, error.to_string()))).ok()
    }

    /// Returns `true` if anything was made or changed.
    pub fn changed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, StepOutcome::Made | StepOutcome::Changed))
    }

    pub fn problems(&self) -> usize {
        self.steps.iter().filter(|step| step.outcome == StepOutcome::Problem).count()
    }

    /// Prints the object, where one is wanted: the fields of `about` and the steps.
    ///
    /// # Errors
    /// There are problems, or a line could not be printed.
    pub fn finish(self, mut about: Value) -> anyhow::Result<()> {
        let problems = self.problems();
        if self.format == OutputFormat::Json {
            about["problems"] = json!(problems);
            about["steps"] = json!(self.steps);
            print(&format!("{about:#}"))?;
        }
        if let Some(error) = self.unwritten {
            return Err(error);
        }
        match problems {
            0 => Ok(()),
            1 => bail!("1 problem; see above"),
            _ => bail!("{problems} problems; see above"),
        }
    }

    fn hide(&self, text: String) -> String {
        self.hidden.iter().fold(text, |text, (secret, shown)| text.replace(secret, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_gets_into_a_line() {
        let mut checklist =
            Checklist::new(OutputFormat::Json, vec![("s3cret-path".to_owned(), "***".to_owned())]);
        checklist.add(Step::problem("a", "can't reach http://h/s3cret-path/health", "look at s3cret-path"));
        let text = serde_json::to_string(&checklist.steps).unwrap();
        assert!(!text.contains("s3cret") && text.contains("http://h/***/health"), "{text}");
        assert_eq!((checklist.problems(), checklist.changed()), (1, false));
        assert!(checklist.finish(json!({})).is_err());
    }
}
