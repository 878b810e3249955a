//! Questions that are only asked after certain answers: `visibleWhen="choice-selected"` and `"choice-unselected"`.

use std::borrow::Cow;

use roxmltree::Node;

use super::{Control, HeadSpec, Scope, plain, xml};
use crate::domain::field::shown;

/// When a head is shown to a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    /// Name of the control tag whose answer decides.
    pub tag: String,
    /// Classes of which one must be chosen, as values and aliases; empty: any class.
    pub names: Vec<String>,
    /// False: none of them may be chosen.
    pub selected: bool,
}

impl Condition {
    /// Whether it holds where these classes are chosen under its tag.
    pub fn holds(&self, mut chosen: impl Iterator<Item = impl AsRef<str>>) -> bool {
        let is_named = |name: &str| self.names.iter().any(|named| plain(named) == plain(name));
        chosen.any(|name| self.names.is_empty() || is_named(name.as_ref())) == self.selected
    }
}

/// The conditions of a control tag and of what stands around it that answers decide, and what is said of others: by those it
/// counts as always visible. On a `<Rating>` itself the editor takes no heed of them, only on what stands around it.
pub(super) fn conditions(control: Control, tag: Node<'_, '_>) -> (Vec<Condition>, Vec<String>) {
    let (mut conditions, mut others) = (Vec::new(), Vec::new());
    for around in tag.ancestors().skip(usize::from(control == Control::Rating)) {
        if xml::attribute(around, "whenRole").is_some() {
            others.push("`whenRole` is not looked at: it counts as shown to everybody".to_owned());
        }
        let Some(when) = xml::attribute(around, "visibleWhen") else { continue };
        let whose = xml::attribute(around, "whenTagName");
        let selected = match (when, whose) {
            ("choice-selected", Some(_)) => true,
            ("choice-unselected", Some(_)) => false,
            _ => {
                let when = shown(when);
                others.push(format!("`visibleWhen=\"{when}\"` is told by no answer to another question: it counts as always visible"));
                continue;
            }
        };
        let values = xml::attribute(around, "whenChoiceValue").unwrap_or_default();
        let names = values.split(',').filter(|name| !name.trim().is_empty()).map(str::to_owned).collect();
        conditions.push(Condition { tag: whose.unwrap_or_default().to_owned(), names, selected });
    }
    (conditions, others)
}

/// Gives each condition the aliases of the classes it names, and takes out those on a question that is no head, or a
/// `<Rating>`, which the editor asks for no choice; gives the names of such heads, and what is said of them.
pub(super) fn resolve(heads: &mut [HeadSpec]) -> Vec<(Control, String, String)> {
    let mut orphans = Vec::new();
    let known = heads.to_vec();
    for head in heads.iter_mut() {
        head.when.retain(|condition| {
            let parent = known.iter().find(|parent| parent.from_name == condition.tag && !parent.skip);
            let why = match parent.map(|parent| (parent.scope, parent.control)) {
                Some((Scope::Region, _)) => "asks about regions",
                Some((Scope::Image, Control::Choices | Control::Taxonomy)) => return true,
                Some((Scope::Image, Control::Rating)) => {
                    "is a `<Rating>`, of which the editor tells no choice"
                }
                None => "is no question that is learnt",
            };
            let tag = shown(&condition.tag);
            let said =
                format!("it is visible by the answer to `{tag}`, which {why}: it counts as always visible");
            orphans.push((head.control, head.from_name.clone(), said));
            false
        });
    }
    for condition in heads.iter_mut().flat_map(|head| &mut head.when) {
        let Some(parent) = known.iter().find(|head| head.from_name == condition.tag) else { continue };
        let named: Vec<usize> = condition.names.iter().filter_map(|name| parent.class_index(name)).collect();
        let both =
            named.iter().map(|class| &parent.classes[*class]).flat_map(|class| [&class.name, &class.value]);
        condition.names.extend(both.cloned());
        condition.names.sort();
        condition.names.dedup();
    }
    orphans
}

/// Which of some heads a person sees, by what is chosen under each: its classes' names. A question that is not seen has no
/// answer for others.
pub fn visible(heads: &[&HeadSpec], chosen: &[Vec<Cow<'_, str>>]) -> Vec<bool> {
    let mut seen = vec![true; heads.len()];
    // Each round settles one more level of questions behind questions.
    for _ in 0..heads.len() {
        let before = seen.clone();
        for (index, head) in heads.iter().enumerate() {
            seen[index] = head.when.iter().all(|condition| {
                // Of a question that nothing is said of, such as one without a model yet, nobody knows: it hides no other.
                let Some(parent) = heads.iter().position(|head| head.from_name == condition.tag) else {
                    return true;
                };
                let answered = if before[parent] { chosen[parent].as_slice() } else { &[] };
                condition.holds(answered.iter())
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
        let (parent, child) = (&config.heads[0], &config.heads[1]);
        let chosen =
            |names: &[&'static str]| names.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>();
        for (answer, seen) in [(&["rain"][..], true), (&["shine"], false), (&[], false)] {
            let chosen = [chosen(answer), chosen(&["light"])];
            assert_eq!(visible(&[parent, child], &chosen), [true, seen], "{answer:?}");
        }
        assert_eq!(visible(&[child], &[chosen(&["light"])]), [true]);
    }
}
