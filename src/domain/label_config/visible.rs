//! Questions that are only asked after certain answers: `visibleWhen="choice-selected"` and `"choice-unselected"`, `whenChoiceValue`.

use std::borrow::Cow;

use roxmltree::Node;

use super::{Control, HeadSpec, Scope, plain, xml};
use crate::domain::field::shown;

/// Condition for a head to be shown to a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    /// Name of the control tag whose answer decides; empty: any `<Choices>`.
    pub tag: String,
    /// Classes of which one must be chosen, as values and aliases; empty: any class.
    pub names: Vec<String>,
    /// False: none of them may be chosen.
    pub selected: bool,
}

impl Condition {
    /// `true` if the condition depends on the head's answer.
    fn is_on(&self, head: &HeadSpec) -> bool {
        if self.tag.is_empty() {
            return head.control == Control::Choices && head.is_of_image() && !head.skip;
        }
        head.from_name == self.tag
    }

    /// `true` if the condition holds where these classes are chosen under its tag.
    pub fn holds(&self, mut chosen: impl Iterator<Item = impl AsRef<str>>) -> bool {
        let is_named = |name: &str| self.names.iter().any(|named| plain(named) == plain(name));
        chosen.any(|name| self.names.is_empty() || is_named(name.as_ref())) == self.selected
    }
}

/// The conditions of a control tag and of what stands around it that answers decide, as the editor of Label Studio 1.23.2 reads them:
/// `whenRole` tells chat messages apart and `no-region-selected` holds when a task is opened, so neither hides anything here. On a
/// `<Rating>` itself the editor takes no heed of any, only on what stands around it.
///
/// # Errors
/// It is only seen while a region is selected.
pub(super) fn conditions(control: Control, tag: Node<'_, '_>) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for around in tag.ancestors().skip(usize::from(control == Control::Rating)) {
        let given = |name| xml::attribute(around, name).filter(|value| !value.is_empty());
        let whose = given("whenTagName");
        let values = given("whenChoiceValue");
        let selected = match given("visibleWhen") {
            Some("choice-selected") => true,
            Some("choice-unselected") => false,
            Some("region-selected") => {
                return Err(
                    "it is only seen while a region is selected, but answers for the whole image; with \
                     `perRegion=\"true\"` it is asked, learnt and predicted for each region"
                        .to_owned(),
                );
            }
            Some(_) => continue,
            // Alone it asks for that choice under any tag, and is no list.
            None => {
                let names = values.map(str::to_owned);
                conditions.extend(names.map(|name| Condition {
                    tag: String::new(),
                    names: vec![name],
                    selected: true,
                }));
                continue;
            }
        };
        let values = values.filter(|_| whose.is_some()).unwrap_or_default();
        let names = values.split(',').filter(|name| !name.trim().is_empty()).map(str::to_owned).collect();
        conditions.push(Condition { tag: whose.unwrap_or_default().to_owned(), names, selected });
    }
    Ok(conditions)
}

/// Gives each condition the aliases of the classes it names, and takes out those on a question that is no head, or a
/// `<Rating>`, which the editor asks for no choice; returns the names of such heads, and messages about them.
pub(super) fn resolve(heads: &mut [HeadSpec]) -> Vec<(Control, String, String)> {
    let mut orphans = Vec::new();
    let known = heads.to_vec();
    for head in heads.iter_mut() {
        head.when.retain(|condition| {
            if condition.tag.is_empty() {
                return true;
            }
            let parent = known.iter().find(|parent| parent.from_name == condition.tag && !parent.skip);
            let why = match parent.map(|parent| (parent.scope, parent.control)) {
                Some((Scope::Region, _)) => "asks about regions",
                Some((Scope::Image, Control::Choices | Control::Taxonomy)) => return true,
                Some((Scope::Image, Control::Rating)) => {
                    "is a `<Rating>`, of which the editor tells no choice"
                }
                None => "is not a question that is learnt",
            };
            let tag = shown(&condition.tag);
            let said =
                format!("it is visible by the answer to `{tag}`, which {why}: it counts as always visible");
            orphans.push((head.control, head.from_name.clone(), said));
            false
        });
    }
    for condition in heads.iter_mut().flat_map(|head| &mut head.when) {
        let given = condition.names.clone();
        let parents: Vec<&HeadSpec> = known.iter().filter(|head| condition.is_on(head)).collect();
        for parent in parents {
            let named = given.iter().filter_map(|name| parent.class_index(name));
            let both =
                named.map(|class| &parent.classes[class]).flat_map(|class| [&class.name, &class.value]);
            condition.names.extend(both.cloned());
        }
        condition.names.sort();
        condition.names.dedup();
    }
    orphans
}

/// One flag per head: `true` if a person sees it, by the names of the classes chosen under each. A question that is not seen
/// has no answer for others.
pub fn visible(heads: &[&HeadSpec], chosen: &[Vec<Cow<'_, str>>]) -> Vec<bool> {
    let mut seen = vec![true; heads.len()];
    // Each round settles one more level of questions behind questions.
    for _ in 0..heads.len() {
        let before = seen.clone();
        for (index, head) in heads.iter().enumerate() {
            seen[index] = head.when.iter().all(|condition| {
                let mut parents =
                    (0..heads.len()).filter(|at| *at != index && condition.is_on(heads[*at])).peekable();
                // A question that no head here answers, such as one without a model yet, hides no other.
                if parents.peek().is_none() {
                    return true;
                }
                condition.holds(parents.filter(|parent| before[*parent]).flat_map(|parent| &chosen[parent]))
            });
        }
        if seen == before {
            break;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label_config::LabelConfig;

    #[test]
    fn a_question_is_hidden_by_an_answer_and_not_by_the_lack_of_a_model() {
        let xml = r#"<View><Image name="image" value="$image"/>
            <Choices name="weather" toName="image"><Choice value="rain"/><Choice value="shine"/></Choices>
            <Choices name="intensity" toName="image" visibleWhen="choice-selected" whenTagName="weather"
                whenChoiceValue="rain"><Choice value="light"/><Choice value="heavy"/></Choices></View>"#;
        let config = LabelConfig::parse(xml).unwrap();
        let parent = &config.heads[0];
        let child = &config.heads[1];
        let chosen =
            |names: &[&'static str]| names.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>();
        for (answer, seen) in [(&["rain"][..], true), (&["shine"], false), (&[], false)] {
            let chosen = [chosen(answer), chosen(&["light"])];
            assert_eq!(visible(&[parent, child], &chosen), [true, seen], "{answer:?}");
        }
        assert_eq!(visible(&[child], &[chosen(&["light"])]), [true]);
    }

    #[test]
    fn without_a_tag_any_choice_decides() {
        let child = |attributes: &str| {
            let xml = format!(
                r#"<View><Image name="image" value="$image"/>
                <Choices name="weather" toName="image"><Choice value="rain" alias="r"/><Choice value="shine"/></Choices>
                <Choices name="place" toName="image"><Choice value="hill"/><Choice value="light, heavy"/></Choices>
                <Choices name="child" toName="image" {attributes}><Choice value="rain"/><Choice value="no"/></Choices></View>"#
            );
            LabelConfig::parse(&xml).unwrap().heads
        };
        let sees = |attributes: &str, weather: &[&'static str], place: &[&'static str]| {
            let heads = child(attributes);
            let chosen = [weather, place, &["rain"]]
                .map(|names| names.iter().map(|name| Cow::Borrowed(*name)).collect());
            visible(&heads.iter().collect::<Vec<_>>(), &chosen)[2]
        };
        let selected = r#"visibleWhen="choice-selected" whenChoiceValue="hill""#;
        assert!(sees(selected, &["rain"], &[]), "which one is not asked without a tag");
        assert!(!sees(selected, &[], &[]), "its own choice does not count");
        assert!(sees(r#"visibleWhen="choice-unselected""#, &[], &[]));
        assert!(!sees(r#"visibleWhen="choice-unselected""#, &[], &["hill"]));
        assert!(
            sees(r#"whenChoiceValue="rain""#, &["r"], &[])
                && !sees(r#"whenChoiceValue="rain""#, &["shine"], &["hill"])
        );
        assert!(sees(r#"whenChoiceValue="light, heavy""#, &[], &["light, heavy"]), "one value, no list");
    }
}
