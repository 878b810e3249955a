//! The numbers of a `<Rating>`, as classes.

use roxmltree::Node;

use super::{Class, MAX_CLASSES, xml};
use crate::domain::field::shown;

/// Stars of a `<Rating>` that does not set them, as in Label Studio's editor.
const MAX_RATING: usize = 5;

/// The classes `1` to `maxRating`. `defaultValue` is none of them: the editor writes an answer only where somebody rated.
pub(super) fn read(rating: Node<'_, '_>) -> Result<Vec<Class>, String> {
    let written = xml::attribute(rating, "maxRating").map(str::trim);
    let most = written.map_or(Ok(MAX_RATING), |text| {
        let number = text.parse().ok().filter(|number| (2..=MAX_CLASSES).contains(number));
        number.ok_or_else(|| {
            format!("`maxRating=\"{}\"` is not a whole number from 2 to {MAX_CLASSES}", shown(text))
        })
    })?;
    Ok((1..=most).map(|number| Class::flat(number.to_string())).collect())
}
