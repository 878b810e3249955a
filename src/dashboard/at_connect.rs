//! Changes that this server makes in a Label Studio project that is connected to it.

use maud::{Markup, html};

use crate::queue::QueuePolicy;

/// Said before it happens, and once more while a project begins.
pub(super) fn note(policy: &QueuePolicy) -> Markup {
    let writes = policy.tasks > 0;
    html! {
        p.note {
            "At connect: "
            @if writes || policy.set_sampling || policy.keep_view {
                "this server orders the project's queue. "
                @if policy.set_sampling { "The sampling becomes \"Uncertainty sampling\". " }
                @if writes { "The backend's title becomes the version that serves, and predictions are stored. " }
                @if policy.keep_view { "A view \"Most useful first\" is added to the Data Manager. " }
                "Started with " code { "LEAVE_PROJECTS_ALONE=true" } " it changes none of that."
            } @else {
                "this server answers with predictions and learns, and changes nothing in Label Studio's projects."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::QueueOrder;

    #[test]
    fn it_says_what_will_change_and_how_to_leave_it() {
        let policy = QueuePolicy {
            order: QueueOrder::Rank,
            tasks: 200,
            set_sampling: true,
            keep_view: false,
            score_threshold: None,
        };
        let told = note(&policy).into_string();
        assert!(told.contains("Uncertainty sampling") && told.contains("LEAVE_PROJECTS_ALONE"), "{told}");
        assert!(!told.contains("Most useful first"), "{told}");
        let alone = note(&QueuePolicy { tasks: 0, set_sampling: false, ..policy }).into_string();
        assert!(alone.contains("changes nothing") && !alone.contains("title"), "{alone}");
    }
}
