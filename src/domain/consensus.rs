//! Consensus of several people's answers: ground truth, else the majority vote.

use super::annotation::{Annotation, Target};
use super::label_config::HeadSpec;
use super::region::Place;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Majority vote of one task's annotations on the target of a head of whole images; `None` if they teach nothing.
///
/// The newest ground truth decides alone. Otherwise each annotation has one vote: for a single head the
/// class with most votes wins, for a multiple head each class by itself, as its sigmoid is fitted by
/// itself. The newest annotation breaks a tie. Cancelled annotations, and those that say nothing about
/// the head, have no vote. The order of the slice doesn't matter.
pub fn consensus(annotations: &[Annotation], head: &HeadSpec) -> Option<Target> {
    let voters = annotations.iter().filter_map(|annotation| Some((annotation, annotation.target(head)?)));
    agreed(voters.collect(), head)
}

/// Majority vote of one task's annotations on the targets of a head of regions: each region's place with its label.
///
/// The newest ground truth with any answer decides alone which regions there are. Otherwise each annotation's regions count,
/// and several answers about exactly the same place are combined as in [`consensus`].
pub fn region_labels(annotations: &[Annotation], head: &HeadSpec) -> Vec<(Place, Target)> {
    let said = annotations.iter().map(|annotation| (annotation, annotation.region_targets(head)));
    let mut said: Vec<_> = said.filter(|(_, regions)| !regions.is_empty()).collect();
    said.sort_by_key(|(annotation, _)| Reverse((annotation.updated_at, annotation.id)));
    if let Some(truth) = said.iter().position(|(annotation, _)| annotation.ground_truth) {
        said = vec![said.swap_remove(truth)];
    }
    let mut votes: BTreeMap<_, (Place, Vec<(&Annotation, Target)>)> = BTreeMap::new();
    for (annotation, regions) in said {
        for (place, target) in regions {
            votes.entry(place.bytes()).or_insert((place, Vec::new())).1.push((annotation, target));
        }
    }
    votes.into_values().filter_map(|(place, votes)| Some((place, agreed(votes, head)?))).collect()
}

fn agreed(mut votes: Vec<(&Annotation, Target)>, head: &HeadSpec) -> Option<Target> {
    votes.sort_by_key(|(annotation, _)| Reverse((annotation.updated_at, annotation.id)));
    if let Some((_, truth)) = votes.iter().find(|(annotation, _)| annotation.ground_truth) {
        return Some(truth.clone());
    }
    let newest_first: Vec<Target> = votes.into_iter().map(|(_, target)| target).collect();
    match newest_first.first()? {
        Target::Single(_) => plurality(&newest_first, head.classes.len()).map(Target::Single),
        Target::Multiple(newest) => Some(Target::Multiple(per_class(&newest_first, newest))),
    }
}

fn plurality(newest_first: &[Target], classes: usize) -> Option<usize> {
    let singles = newest_first.iter().filter_map(|target| match target {
        Target::Single(class) => Some(*class),
        Target::Multiple(_) => None,
    });
    let mut counts = vec![0_usize; classes];
    for class in singles.clone() {
        *counts.get_mut(class)? += 1;
    }
    let most = counts.iter().max()?;
    singles.clone().find(|class| counts.get(*class) == Some(most))
}

fn per_class(newest_first: &[Target], newest: &[bool]) -> Vec<bool> {
    let vote = |class: usize| {
        let says = newest_first.iter().filter(|target| match target {
            Target::Multiple(applies) => applies.get(class) == Some(&true),
            Target::Single(_) => false,
        });
        says.count()
    };
    let decide = |(class, newest): (usize, &bool)| match (2 * vote(class)).cmp(&newest_first.len()) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => *newest,
        std::cmp::Ordering::Less => false,
    };
    newest.iter().enumerate().map(decide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AnnotationId, TaskId};
    use crate::domain::label_config::LabelConfig;
    use proptest::prelude::*;
    use serde_json::json;

    fn head(kind: &str) -> HeadSpec {
        let xml = format!(
            r#"<View><Image name="i" value="$i"/><Choices name="c" toName="i" choice="{kind}">
            <Choice value="0"/><Choice value="1"/><Choice value="2"/></Choices></View>"#
        );
        LabelConfig::parse(&xml).unwrap().heads.remove(0)
    }

    /// An answer whose time is its id.
    fn says(id: i64, choices: &[usize]) -> Annotation {
        let choices: Vec<String> = choices.iter().map(usize::to_string).collect();
        Annotation {
            id: AnnotationId(id),
            task: TaskId(1),
            result: vec![json!({"type": "choices", "from_name": "c", "value": {"choices": choices}})],
            was_cancelled: false,
            ground_truth: false,
            created_at: id,
            updated_at: id,
            completed_by: None,
        }
    }

    fn truth(annotation: Annotation) -> Annotation {
        Annotation { ground_truth: true, ..annotation }
    }

    fn skipped(annotation: Annotation) -> Annotation {
        Annotation { was_cancelled: true, ..annotation }
    }

    #[test]
    fn the_majority_wins_and_the_newest_breaks_a_tie() {
        let head = head("single");
        for (annotations, class) in [
            (vec![], None),
            (vec![says(1, &[2])], Some(2)),
            (vec![says(1, &[0]), says(2, &[0]), says(3, &[1])], Some(0)),
            (vec![says(1, &[0]), says(2, &[1])], Some(1)),
            (vec![says(1, &[0]), says(2, &[1]), says(3, &[0]), says(4, &[1]), says(5, &[2])], Some(1)),
            (vec![says(1, &[0]), skipped(says(2, &[1])), skipped(says(3, &[1]))], Some(0)),
            (vec![skipped(says(1, &[0]))], None),
            (vec![says(1, &[0]), says(2, &[]), says(3, &[0, 1])], Some(0)),
        ] {
            assert_eq!(consensus(&annotations, &head), class.map(Target::Single), "{annotations:?}");
        }
    }

    #[test]
    fn the_newest_usable_ground_truth_decides_alone() {
        let annotations = [
            truth(says(1, &[2])),
            truth(says(2, &[0])),
            skipped(truth(says(3, &[1]))),
            says(4, &[1]),
            says(5, &[1]),
        ];
        assert_eq!(consensus(&annotations, &head("single")), Some(Target::Single(0)));
    }

    #[test]
    fn a_multiple_head_is_decided_class_by_class() {
        let head = head("multiple");
        let three = [says(1, &[0, 1]), says(2, &[1, 2]), says(3, &[0, 2])];
        assert_eq!(consensus(&three, &head), Some(Target::Multiple(vec![true, true, true])));
        let tied = [says(1, &[0, 1]), says(2, &[1, 2])];
        assert_eq!(consensus(&tied, &head), Some(Target::Multiple(vec![false, true, true])));
    }

    #[test]
    fn regions_are_agreed_on_by_their_place() {
        let xml = r#"<View><Image name="i" value="$i"/><Choices name="c" toName="i" perRegion="true">
            <Choice value="0"/><Choice value="1"/><Choice value="2"/></Choices></View>"#;
        let head = LabelConfig::parse(xml).unwrap().heads.remove(0);
        let item = |left: usize, class: usize| {
            json!({"type": "choices", "from_name": "c",
                "value": {"x": left, "y": 0, "width": 10, "height": 10, "choices": [class.to_string()]}})
        };
        let says = |id: i64, regions: &[(usize, usize)]| Annotation {
            result: regions.iter().map(|(left, class)| item(*left, *class)).collect(),
            ..says(id, &[])
        };
        let labels = |annotations: &[Annotation]| {
            let places: Vec<Place> = [0, 20, 40].map(|left| Place::of(&item(left, 0)).unwrap()).to_vec();
            let labels = region_labels(annotations, &head).into_iter();
            let mut labels: Vec<(usize, usize)> = labels
                .filter_map(|(place, target)| {
                    Some((places.iter().position(|known| *known == place)?, target.as_index()?))
                })
                .collect();
            labels.sort_unstable();
            labels
        };
        let people = [says(1, &[(0, 1), (20, 2)]), says(2, &[(0, 1)]), says(3, &[(0, 0), (40, 0)])];
        assert_eq!(labels(&people), [(0, 1), (1, 2), (2, 0)]);
        assert_eq!(labels(&[says(1, &[(0, 1)]), says(2, &[(0, 2)])]), [(0, 2)], "the newest breaks a tie");
        let truths =
            [truth(says(1, &[(20, 0)])), truth(says(2, &[(0, 2)])), truth(says(3, &[])), says(4, &[(0, 1)])];
        assert_eq!(labels(&truths), [(0, 2)]);
        assert_eq!(labels(&[skipped(says(1, &[(0, 1)]))]), []);
        assert_eq!(consensus(&people, &head), None);
    }

    fn any_annotations() -> impl Strategy<Value = Vec<Annotation>> {
        let answer =
            (prop::collection::vec(0..4_usize, 0..3), 0..3_i64, any::<bool>(), prop::bool::weighted(0.2));
        prop::collection::vec(answer, 0..8).prop_map(|answers| {
            let annotation =
                |(id, (choices, updated_at, was_cancelled, ground_truth)): (usize, (Vec<usize>, _, _, _))| {
                    Annotation { updated_at, was_cancelled, ground_truth, ..says(id as i64, &choices) }
                };
            answers.into_iter().enumerate().map(annotation).collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_of_annotations_does_not_matter(
            (annotations, shuffled) in any_annotations().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            kind in prop::sample::select(vec!["single", "multiple"]),
        ) {
            let head = head(kind);
            prop_assert_eq!(consensus(&annotations, &head), consensus(&shuffled, &head));
        }

        #[test]
        fn unanimous_people_are_believed(class in 0..3_usize, count in 1..6_i64) {
            let annotations: Vec<Annotation> = (0..count).map(|id| says(id, &[class])).collect();
            prop_assert_eq!(consensus(&annotations, &head("single")), Some(Target::Single(class)));
        }
    }
}
