//! The project: found or made, with a label config, and the settings under which it is learnt.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::GivenConfig;
use crate::cli::classes;
use crate::cli::output::checklist::{Checklist, Step, StepOutcome};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{
    Dropped, LabelConfig, LabelConfigError, of_classes, with_answers_required,
};
use crate::labelstudio::{Client, LabelStudioError, ProjectDetails};

/// The label config that the repository ships.
const WEATHER: &str = include_str!("../../../../label_config.xml");

/// For a project without any; Label Studio shows it as HTML.
const INSTRUCTIONS: &str = "Choose what the picture shows. The answer that is ticked already is the model's guess: correct it \
    where it is wrong, and skip the pictures of which you can't tell.";

/// The sampling under which Label Studio follows the scores of predictions.
const SAMPLING: &str = "Uncertainty sampling";

/// Requested state of the project.
pub struct ProjectSpec {
    pub id: Option<ProjectId>,
    /// Where there is no id.
    pub title: Option<String>,
    pub label_config: Option<GivenConfig>,
    pub instructions: Option<String>,
    /// The folder whose images come along, and the classes by which it is sorted.
    pub images: Option<(PathBuf, Vec<String>)>,
    /// Have every head's `<Choices>` require an answer.
    pub require_answer: bool,
    pub keep_sampling: bool,
    /// Change none of the project's settings.
    pub leave_alone: bool,
}

/// Finds or makes the project and sets it up; `None` where a problem ends it all.
pub async fn set_up(
    client: &Client,
    wanted: &ProjectSpec,
    checklist: &mut Checklist,
) -> Option<ProjectDetails> {
    let project = match (wanted.id, &wanted.title) {
        (Some(id), _) => find(client, id, checklist).await?,
        (None, title) => {
            find_or_make(client, title.as_deref().unwrap_or_default(), wanted, checklist).await?
        }
    };
    label_config(client, &project, wanted.label_config.as_ref(), checklist).await?;
    answers(client, &project, wanted, checklist).await?;
    if wanted.leave_alone {
        checklist.add(Step::ok("settings", "left alone, as LEAVE_PROJECTS_ALONE asks"));
    } else {
        settings(client, &project, wanted, checklist).await?;
    }
    Some(project)
}

async fn find(client: &Client, id: ProjectId, checklist: &mut Checklist) -> Option<ProjectDetails> {
    match client.project_details(id).await {
        Err(LabelStudioError::NotFound { .. }) => {
            checklist.add(Step::problem(
                "project",
                format!("Label Studio has no project {id}"),
                "somebody deleted it, or LABEL_STUDIO_URL is another Label Studio; make a new one with --create TITLE",
            ));
            None
        }
        found => {
            let project = checklist.take("project", found)?;
            checklist.add(Step::ok("project", format!("{id}, `{}`", project.title)));
            Some(project)
        }
    }
}

async fn find_or_make(
    client: &Client,
    title: &str,
    wanted: &ProjectSpec,
    checklist: &mut Checklist,
) -> Option<ProjectDetails> {
    match checklist.take("project", client.projects_titled(title).await)?.as_slice() {
        [] => {
            let xml =
                checklist.take("project", new_config(wanted).await.map_err(|error| format!("{error:#}")))?;
            let fields = json!({"title": title, "label_config": xml});
            let project = checklist.take("project", client.create_project(fields).await)?;
            checklist.add(Step::new("project", StepOutcome::Made, format!("{}, `{title}`", project.id)));
            Some(project)
        }
        [id] => find(client, *id, checklist).await,
        several => {
            let ids: Vec<String> = several.iter().map(ProjectId::to_string).collect();
            let detail = format!("{} projects are called `{title}`: {}", ids.len(), ids.join(", "));
            checklist.add(Step::problem("project", detail, "name one with --project"));
            None
        }
    }
}

/// The label config of a new project: the given one, else one of the images' classes. Whose images come gets no classes that they
/// may not have; a project without any gets the weather example.
async fn new_config(wanted: &ProjectSpec) -> anyhow::Result<String> {
    let classes = match (&wanted.label_config, &wanted.images) {
        (Some(given), _) => return Ok(given.xml.clone()),
        (None, None) => return Ok(WEATHER.to_owned()),
        (None, Some((folder, classes))) if classes.is_empty() => classes::ask(folder).await?,
        (None, Some((_, classes))) => classes.clone(),
    };
    Ok(of_classes(&classes, false)?)
}

/// Sets the label config if it differs, unless answers would lose their class.
async fn label_config(
    client: &Client,
    project: &ProjectDetails,
    given: Option<&GivenConfig>,
    checklist: &mut Checklist,
) -> Option<()> {
    const STEP: &str = "label config";
    let before = LabelConfig::parse(&project.label_config);
    let given = match (given, &before) {
        (Some(given), _) if given.xml.trim() != project.label_config.trim() => given,
        (_, Ok(config)) => {
            checklist.add(Step::ok(STEP, describe(config)));
            return Some(());
        }
        (_, Err(error)) => {
            checklist.add(unusable(error));
            return None;
        }
    };
    if let Ok(before) = &before {
        let counts = checklist.take(STEP, client.label_counts(project.id).await)?;
        let dropped = before.dropped_by(&given.config, &counts);
        if !dropped.is_empty() {
            checklist.add(refusal(&dropped));
            return None;
        }
    }
    checklist.take(STEP, client.change_project(project.id, json!({"label_config": given.xml})).await)?;
    checklist.add(Step::new(STEP, StepOutcome::Changed, describe(&given.config)));
    Some(())
}

/// Sees whether something must be chosen, and has it so where that is wanted.
async fn answers(
    client: &Client,
    project: &ProjectDetails,
    wanted: &ProjectSpec,
    checklist: &mut Checklist,
) -> Option<()> {
    const STEP: &str = "answers";
    let xml = wanted.label_config.as_ref().map_or(&project.label_config, |given| &given.xml);
    let (required, lacking) = checklist.take(STEP, with_answers_required(xml))?;
    let named = lacking.join("`, `");
    let step = if lacking.is_empty() {
        Step::ok(STEP, "something must be chosen before a submit")
    } else if wanted.require_answer {
        checklist.take(STEP, client.change_project(project.id, json!({"label_config": required})).await)?;
        Step::new(STEP, StepOutcome::Changed, format!("`{named}` requires one now"))
    } else {
        Step::ok(STEP, format!("`{named}` can be submitted with nothing chosen")).advise(
            "--require-answer adds required=\"true\"; where nothing may be the answer, give it a choice of its own first",
        )
    };
    checklist.add(step);
    Some(())
}

fn unusable(error: &LabelConfigError) -> Step {
    Step::problem("label config", error.to_string(), "give a label config with --label-config FILE.xml")
}

fn refusal(dropped: &[Dropped]) -> Step {
    let labels: Vec<String> = dropped.iter().map(Dropped::to_string).collect();
    Step::problem(
        "label config",
        format!("the new one would drop labels that are in use: {}", labels.join(", ")),
        "keep these choices, or change the annotations in Label Studio first; nothing was changed",
    )
}

/// The heads with their first classes.
fn describe(config: &LabelConfig) -> String {
    /// Classes named of a head.
    const SHOWN: usize = 8;
    let heads = config.heads.iter().map(|head| {
        let names: Vec<&str> = head.classes.iter().take(SHOWN).map(|class| class.name.as_str()).collect();
        let more = if head.classes.len() > SHOWN { ", ..." } else { "" };
        format!("`{}` with {} classes: {}{more}", head.from_name, head.classes.len(), names.join(", "))
    });
    heads.collect::<Vec<_>>().join("; ")
}

/// Changes what is not as wanted, all in one call.
async fn settings(
    client: &Client,
    project: &ProjectDetails,
    wanted: &ProjectSpec,
    checklist: &mut Checklist,
) -> Option<()> {
    let mut fields = Map::new();
    let mut steps = Vec::new();
    let mut set = |step: &'static str, is_right: bool, words: &str, change: &[(&str, Value)]| {
        let outcome = if is_right { StepOutcome::Ok } else { StepOutcome::Changed };
        steps.push(Step::new(step, outcome, words));
        if !is_right {
            fields.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
    };
    let text = wanted.instructions.as_deref().unwrap_or(INSTRUCTIONS).trim();
    let has = project.expert_instruction.trim();
    let reads = if wanted.instructions.is_some() { has == text } else { !has.is_empty() };
    let change = [("expert_instruction", json!(text)), ("show_instruction", json!(true))];
    set("instructions", reads, "annotators read them before they begin", &change);
    if wanted.keep_sampling {
        set("sampling", true, &format!("left at `{}`", project.sampling), &[]);
    } else {
        set("sampling", project.sampling == SAMPLING, SAMPLING, &[("sampling", json!(SAMPLING))]);
    }
    set(
        "training",
        project.start_training_on_annotation_update,
        "the toggle for training on submit is on",
        &[("start_training_on_annotation_update", json!(true))],
    );
    set(
        "prelabelling",
        project.show_collab_predictions,
        "predictions prelabel tasks",
        &[("show_collab_predictions", json!(true))],
    );
    set(
        "empty submits",
        !project.enable_empty_annotation,
        "Label Studio refuses them",
        &[("enable_empty_annotation", json!(false))],
    );
    if !fields.is_empty() {
        checklist.take("settings", client.change_project(project.id, Value::Object(fields)).await)?;
    }
    steps.into_iter().for_each(|step| checklist.add(step));
    Some(())
}
