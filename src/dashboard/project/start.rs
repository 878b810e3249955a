//! First steps in a project that has no version yet.

use maud::{Markup, html};

use crate::dashboard::format::of;
use crate::storage::TaskCounts;
use crate::training::Trigger;

/// State of such a project.
pub(super) struct Start<'a> {
    /// Address at which its tasks are labelled, if Label Studio's address is known.
    pub labelling: Option<String>,
    pub counts: TaskCounts,
    /// Condition that the last training waits for.
    pub waits_for: Option<&'a str>,
    pub trigger: Trigger,
    /// `true` if the starter model answers meanwhile.
    pub starter: bool,
}

/// The way to the first version, step by step.
pub(super) fn steps(start: &Start<'_>) -> Markup {
    let TaskCounts { total, labelled, .. } = start.counts;
    html! {
        section.card aria-label="What to do now" {
            h2 { "What to do now" }
            ol {
                li {
                    @if total > 0 { span.good { "Done: " } (of(total, "image is", "images are")) " there." }
                    @else { "Import images into the project in Label Studio, if it has none yet." }
                }
                li {
                    @match &start.labelling {
                        Some(to) => a href=(to) rel="noreferrer" target="_blank" { "Open the project in Label Studio" },
                        None => { "Open the project in Label Studio" }
                    }
                    ", press \"Label All Tasks\", choose an answer, and submit it."
                    @if labelled > 0 { " " (of(labelled, "image is", "images are")) " labelled." }
                }
                li {
                    "Go on until two classes have labels."
                    @if let Some(waits_for) = start.waits_for { " Now: " (waits_for) "." }
                }
                li { (training(start.trigger)) " It takes seconds; this page follows by itself." }
            }
            @if start.starter { p { "Until then the built-in starter model answers." } }
            @if total > 0 && labelled == 0 {
                p.note {
                    "Where answers are not counted here within seconds, they don't reach this server: "
                    code { "weathervane doctor" } " says why."
                }
            }
        }
    }
}

fn training(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Submit => "Then the first training starts by itself.",
        Trigger::Toggle => {
            "Then the first training starts by itself, if \"Start model training on annotation submission\" is on under \
             Settings > Model; else press \"Start Training\" there."
        }
        Trigger::Manual => "Then press \"Start Training\" in Label Studio under Settings > Model.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(total: i64, labelled: i64) -> Start<'static> {
        Start {
            labelling: Some("http://ls.example/projects/1/data".to_owned()),
            counts: TaskCounts { total, labelled, skipped: 0 },
            waits_for: None,
            trigger: Trigger::Submit,
            starter: false,
        }
    }

    #[test]
    fn an_empty_project_is_led_to_its_first_labels_without_a_warning() {
        let html = steps(&at(0, 0)).into_string();
        for shown in ["Import images", "href=\"http://ls.example/projects/1/data\"", "starts by itself"] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        for absent in ["advice", "bad", "problem", "doctor"] {
            assert!(!html.contains(absent), "{absent}: {html}");
        }
        assert_eq!(html.matches("<li>").count(), 4);
    }

    #[test]
    fn steps_say_how_far_they_are_and_what_is_waited_for() {
        let waits_for = Some("waiting for a second class: all 3 labels are `rain`");
        let html =
            steps(&Start { waits_for, starter: true, trigger: Trigger::Manual, ..at(12, 3) }).into_string();
        for shown in [
            "12 images are there",
            "3 images are labelled",
            "Now: waiting for a second class: all 3 labels are `rain`.",
            "press &quot;Start Training&quot;",
            "starter model answers",
        ] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert!(steps(&at(12, 0)).into_string().contains("weathervane doctor"));
        let unknown = steps(&Start { labelling: None, ..at(1, 0) }).into_string();
        assert!(!unknown.contains("<a ") && unknown.contains("1 image is there"), "{unknown}");
    }
}
