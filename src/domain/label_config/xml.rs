//! Opening XML of unknown origin: its shape is checked before a parser sees it.

use super::LabelConfigError;
use roxmltree::{Document, Node, ParsingOptions};

/// Largest label config read, in bytes. Real ones have a few thousand.
pub const MAX_CONFIG_BYTES: usize = 1_000_000;
/// Most XML nodes (tags, texts, comments) of a label config; bounds memory, about 100 bytes each.
pub const MAX_NODES: u32 = 100_000;
/// Deepest nesting of tags, so that looking at a tag's parents stays cheap.
pub const MAX_DEPTH: usize = 256;
/// Most attributes of one tag: the parser compares each with each to find doubles.
pub const MAX_ATTRIBUTES: usize = 128;
/// Most mentions of `xmlns`: the parser copies the namespaces in force for each tag that adds one.
pub const MAX_NAMESPACES: usize = 64;

pub(super) fn open(xml: &str) -> Result<Document<'_>, LabelConfigError> {
    if xml.len() > MAX_CONFIG_BYTES {
        return Err(LabelConfigError::TooLarge { bytes: xml.len() });
    }
    check_shape(xml)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => LabelConfigError::Dtd,
        roxmltree::Error::NodesLimitReached => LabelConfigError::TooManyNodes,
        other => LabelConfigError::Xml(other.to_string()),
    })
}

/// Walks the markup once, without recursion, and stops at the first limit. Broken markup is left to
/// the parser, which reads the same way up to its first error and names the place.
fn check_shape(xml: &str) -> Result<(), LabelConfigError> {
    if xml.matches("xmlns").count() > MAX_NAMESPACES {
        return Err(LabelConfigError::TooManyNamespaces);
    }
    let mut depth = 0_usize;
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let markup = &rest[start..];
        let end = if markup.starts_with("<!--") {
            after(markup, "<!--", "-->")
        } else if markup.starts_with("<![CDATA[") {
            after(markup, "<![CDATA[", "]]>")
        } else if markup.starts_with("<?") {
            after(markup, "<?", "?>")
        } else if markup.starts_with("<!DOCTYPE") {
            return Err(LabelConfigError::Dtd);
        } else {
            let end = tag_end(markup)?;
            let tag = &markup[..end.unwrap_or(0)];
            if tag.starts_with("</") {
                depth = depth.saturating_sub(1);
            } else if !tag.ends_with("/>") {
                depth += 1;
            }
            end
        };
        if depth > MAX_DEPTH {
            return Err(LabelConfigError::TooDeep);
        }
        let Some(end) = end else { break };
        rest = &markup[end..];
    }
    Ok(())
}

/// Byte offset behind the `close` that ends what `open` began; `<!-->` ends nothing.
fn after(markup: &str, open: &str, close: &str) -> Option<usize> {
    Some(open.len() + markup.get(open.len()..)?.find(close)? + close.len())
}

/// Byte offset behind the `>` that ends this tag; `>` inside a quoted value doesn't.
fn tag_end(markup: &str) -> Result<Option<usize>, LabelConfigError> {
    let mut quote = None;
    let mut attributes = 0;
    for (offset, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
                if attributes > MAX_ATTRIBUTES {
                    return Err(LabelConfigError::TooManyAttributes);
                }
            }
            (None, b'>') => return Ok(Some(offset + 1)),
            _ => {}
        }
    }
    Ok(None)
}

/// `true` if the tag has this name; Label Studio's editor lowers tag and attribute names.
pub(super) fn is(node: Node<'_, '_>, tag: &str) -> bool {
    node.is_element() && node.tag_name().name().eq_ignore_ascii_case(tag)
}

/// An attribute by name, whatever its case; `None` where absent or empty.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let mut attributes = node.attributes();
    let found = attributes.find(|attribute| attribute.name().eq_ignore_ascii_case(name))?;
    Some(found.value()).filter(|value| !value.is_empty())
}

/// `true` if an attribute has the value `true`, in upper or lower case.
pub(super) fn is_true(node: Node<'_, '_>, name: &str) -> bool {
    attribute(node, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
