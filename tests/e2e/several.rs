//! Several projects at once, each with classes of its own, beside one program.

use serde_json::{Value, json};

use crate::support::label_studio::{Task, region};
use crate::support::pictures::{to_ask, to_learn};
use crate::support::{Backend, LabelStudio, Project, WEATHER, stage};

const MOOD: &str = r#"<View><Image name="photo" value="$image"/>
  <Choices name="mood" toName="photo" choice="single-radio"><Choice value="gloomy"/><Choice value="bright"/></Choices></View>"#;
const SEEN: &str = r#"<View><Image name="image" value="$image"/>
  <Choices name="seen" toName="image" choice="multiple">
    <Choice value="clouds"/><Choice value="drops" alias="water"/><Choice value="sun"/></Choices></View>"#;
const TWO: &str = r#"<View><Image name="image" value="$image"/>
  <Choices name="weather" toName="image"><Choice value="wet"/><Choice value="dry"/></Choices>
  <Choices name="sky" toName="image" choice="multiple"><Choice value="covered"/><Choice value="sun"/></Choices></View>"#;

/// What an annotator answers to a picture: `(from_name, choices)` for each head.
type Says = fn(&str) -> Vec<(&'static str, Vec<&'static str>)>;

/// A kind of project, and the person who labels it.
struct Kind {
    title: &'static str,
    label_config: &'static str,
    image: &'static str,
    heads: &'static [(&'static str, &'static [&'static str])],
    says: Says,
}

static KINDS: [Kind; 4] = [
    Kind {
        title: "several: weather",
        label_config: WEATHER,
        image: "image",
        heads: &[("weather", &["cloudy", "rain", "shine", "sunrise"])],
        says: |class| vec![("weather", vec![known(class)])],
    },
    Kind {
        title: "several: mood",
        label_config: MOOD,
        image: "photo",
        heads: &[("mood", &["gloomy", "bright"])],
        says: |class| vec![("mood", vec![if is_covered(class) { "gloomy" } else { "bright" }])],
    },
    Kind {
        title: "several: seen",
        label_config: SEEN,
        image: "image",
        heads: &[("seen", &["clouds", "water", "sun"])],
        says: |class| match class {
            "cloudy" => vec![("seen", vec!["clouds"])],
            "rain" => vec![("seen", vec!["clouds", "water"])],
            _ => vec![("seen", vec!["sun"])],
        },
    },
    Kind {
        title: "several: two heads",
        label_config: TWO,
        image: "image",
        heads: &[("weather", &["wet", "dry"]), ("sky", &["covered", "sun"])],
        says: |class| {
            let weather = if class == "rain" { "wet" } else { "dry" };
            vec![("weather", vec![weather]), ("sky", vec![if is_covered(class) { "covered" } else { "sun" }])]
        },
    },
];

/// Tasks of each project that get an answer.
const ANSWERED: usize = 8;

#[tokio::test]
async fn four_kinds_of_projects_labelled_in_turn_keep_to_their_own_classes_and_versions() {
    let Some(stage) = stage().await else { return };
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let mut projects = Vec::new();
    for kind in &KINDS {
        projects.push(Walk::begin(kind, &stage.label_studio, &backend).await);
    }
    for step in 0..ANSWERED {
        for walk in &projects {
            walk.answer(&walk.tasks[step]).await;
        }
    }
    let mut versions = Vec::new();
    for walk in &projects {
        versions.push(walk.version_in_the_queue(&backend).await);
        walk.assert_own_numbers(&backend).await;
    }
    for (walk, version) in projects.iter().zip(&versions) {
        walk.assert_predicts_own_classes(version).await;
        let stored = walk.project.stored_versions().await;
        let others = versions.iter().filter(|other| *other != version);
        assert!(others.clone().all(|other| !stored.contains(other)), "{}: {stored:?}", walk.kind.title);
        assert_eq!(others.count(), KINDS.len() - 1, "two projects share a version: {versions:?}");
    }

    // One more answer in one project moves that one alone.
    projects[1].answer(&projects[1].tasks[ANSWERED]).await;
    let moved = backend.version_over(projects[1].project.id, ANSWERED + 1).await;
    assert_ne!(moved, versions[1]);
    for (walk, version) in
        projects.iter().zip(&versions).filter(|(walk, _)| walk.kind.title != KINDS[1].title)
    {
        walk.project.shows_version(version).await;
        assert_eq!(backend.agrees_with(&walk.project).await.len(), ANSWERED, "{}", walk.kind.title);
    }
}

struct Walk {
    kind: &'static Kind,
    project: Project,
    tasks: Vec<Task>,
}

impl Walk {
    async fn begin(kind: &'static Kind, label_studio: &LabelStudio, backend: &Backend) -> Self {
        let project = label_studio.project_with(kind.title, kind.label_config).await;
        let tasks = project.upload(&[to_learn(2), to_ask(1)].concat()).await;
        project.connect(backend).await;
        Self { kind, project, tasks }
    }

    async fn answer(&self, task: &Task) {
        let says = (self.kind.says)(task.class);
        let regions: Vec<Value> =
            says.iter().map(|(head, choices)| region(head, self.kind.image, choices)).collect();
        self.project.answer(task.id, &json!(regions)).await;
    }

    async fn version_in_the_queue(&self, backend: &Backend) -> String {
        let version = backend.version_over(self.project.id, ANSWERED).await;
        backend.queue_of(self.project.id, |queue| queue == version).await;
        assert_eq!(self.project.settings().await["model_version"], *version, "{}", self.kind.title);
        version
    }

    async fn assert_own_numbers(&self, backend: &Backend) {
        let shown = backend.project(self.project.id).await;
        assert_eq!(
            (&shown["title"], &shown["tasks"], &shown["annotations"], &shown["labelled_tasks"]),
            (&json!(self.kind.title), &json!(self.tasks.len()), &json!(ANSWERED), &json!(ANSWERED)),
            "{shown:#}"
        );
        let heads = shown["versions"][0]["heads"].as_array().expect("heads").iter();
        let learnt: Vec<_> = heads.map(|head| (head["from_name"].clone(), head["classes"].clone())).collect();
        let wanted: Vec<_> =
            self.kind.heads.iter().map(|(name, classes)| (json!(name), json!(classes))).collect();
        assert_eq!(learnt, wanted, "{}", self.kind.title);
    }

    /// Every open task has one prediction of the version; a single choice has a class, and all are of this project.
    async fn assert_predicts_own_classes(&self, version: &str) {
        for task in &self.tasks[ANSWERED..] {
            let kept = self.project.predictions(task.id).await;
            let newest: Vec<&Value> = kept.iter().filter(|kept| kept["model_version"] == *version).collect();
            assert_eq!(newest.len(), 1, "{}: {kept:#?}", self.kind.title);
            let regions = newest[0]["result"].as_array().expect("regions");
            for region in regions {
                let head = self.kind.heads.iter().find(|(name, _)| region["from_name"] == *name);
                let (_, classes) = head.unwrap_or_else(|| panic!("{}: {region:#}", self.kind.title));
                let choices = region["value"]["choices"].as_array().expect("choices");
                assert!(
                    choices.iter().all(|choice| classes.iter().any(|class| choice == class)),
                    "{region:#}"
                );
                assert_eq!(region["to_name"], self.kind.image);
            }
            if self.kind.title != KINDS[2].title {
                assert_eq!(regions[0]["from_name"], self.kind.heads[0].0, "the single choice has no tick");
            }
        }
    }
}

fn is_covered(class: &str) -> bool {
    matches!(class, "cloudy" | "rain")
}

/// The class itself, for as long as the program runs.
fn known(class: &str) -> &'static str {
    crate::support::pictures::class_of(class).expect("a class")
}
