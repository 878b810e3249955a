//! `required="true"`: without it Label Studio takes a submit in which nothing is chosen.

use roxmltree::Node;

use super::{Control, LabelConfig, LabelConfigError, xml};

/// The label config with `required="true"` on the control tag of every head, and the names of those that lacked it. All else
/// stays as it is written.
///
/// # Errors
/// As [`LabelConfig::parse`].
pub fn with_answers_required(text: &str) -> Result<(String, Vec<String>), LabelConfigError> {
    let config = LabelConfig::parse(text)?;
    let document = xml::open(text)?;
    let lacks = |tag: &Node| {
        let is_head = |name| config.heads.iter().any(|head| head.from_name == name);
        Control::of(*tag).is_some()
            && xml::attribute(*tag, "name").is_some_and(is_head)
            && !xml::is_true(*tag, "required")
    };
    let mut edited = text.to_owned();
    let mut names = Vec::new();
    // From the end, so that the places before stay true.
    for tag in document.descendants().filter(lacks).collect::<Vec<_>>().into_iter().rev() {
        let mut attributes = tag.attributes();
        match attributes.find(|attribute| attribute.name().eq_ignore_ascii_case("required")) {
            Some(attribute) => edited.replace_range(attribute.range(), "required=\"true\""),
            None => {
                let written = &text[tag.range()];
                let name = written.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
                edited.insert_str(tag.range().start + name.unwrap_or(0), " required=\"true\"");
            }
        }
        names.insert(0, xml::attribute(tag, "name").unwrap_or_default().to_owned());
    }
    Ok((edited, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_is_added_where_it_lacks_and_all_else_is_kept() {
        for (choices, edited) in [
            ("<Choices name=\"c\" toName='i'>", "<Choices required=\"true\" name=\"c\" toName='i'>"),
            ("<choices\n  toName='i' name='c'>", "<choices required=\"true\"\n  toName='i' name='c'>"),
            (
                "<Choices name='c' required = 'false' toName='i'>",
                "<Choices name='c' required=\"true\" toName='i'>",
            ),
            (
                "<Choices name='c' toName='i' Required=\"\">",
                "<Choices name='c' toName='i' required=\"true\">",
            ),
        ] {
            let end = if choices.starts_with("<c") { "</choices>" } else { "</Choices>" };
            let around = |choices: &str| {
                format!(
                    "<View><!-- <Choices name='c'> ö --><Image name='i' value='$i'/>{choices}<Choice value='&lt;a'/>
                    <Choice value=\"b\"/>{end}<Choices name='other' toName='nowhere'><Choice value='x'/></Choices></View>\n"
                )
            };
            let (xml, names) = with_answers_required(&around(choices)).unwrap();
            assert_eq!((xml.clone(), names), (around(edited), vec!["c".to_owned()]));
            assert_eq!(with_answers_required(&xml).unwrap(), (xml, vec![]));
        }
        assert!(with_answers_required("<View/>").is_err());
    }

    #[test]
    fn the_label_configs_that_are_shipped_require_an_answer() {
        for shipped in [
            include_str!("../../../label_config.xml"),
            include_str!("../../../examples/webcam/label_config.xml"),
        ] {
            assert_eq!(with_answers_required(shipped).unwrap().1, Vec::<String>::new());
        }
    }
}
