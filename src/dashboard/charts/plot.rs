//! A field between two axes with numbers along them.

use maud::{Markup, html};

use super::at;

/// Frame of a plot's field. `columns` and `rows` are places in hundredths of its width and height, with their numbers.
pub(in crate::dashboard) struct Plot<'a> {
    /// In the stylesheet: which shape the field has.
    pub shape: &'a str,
    /// `img`, or `group` where what is inside can be opened.
    pub role: &'a str,
    /// Read out, and shown where there is no room for it beside the field.
    pub says: &'a str,
    /// Names of the axes; may be empty.
    pub up: &'a str,
    pub across: &'a str,
    pub rows: &'a [(f64, String)],
    pub columns: &'a [(f64, String)],
}

impl Plot<'_> {
    /// Puts the axes around what is drawn in the field, whose places are shares of it.
    pub fn around(&self, field: &Markup) -> Markup {
        html! {
            div class={ "plot " (self.shape) } role=(self.role) aria-label=(self.says) {
                span.up aria-hidden="true" { (self.up) }
                svg.numbers.of-rows aria-hidden="true" {
                    @for (place, number) in self.rows { text x="100%" y=(at(*place)) dy="0.35em" text-anchor="end" { (number) } }
                }
                svg.field {
                    @for (place, _) in self.rows { line.grid x1="0%" x2="100%" y1=(at(*place)) y2=(at(*place)) {} }
                    (field)
                }
                svg.numbers.of-columns aria-hidden="true" {
                    @for (place, number) in self.columns { text x=(at(*place)) y="1em" text-anchor="middle" { (number) } }
                }
                span.across aria-hidden="true" { (self.across) }
            }
        }
    }
}

/// Stretches a drawing over the whole field: lines and areas, in hundredths of its sides. Their strokes keep their width.
pub(super) fn stretched(drawn: &Markup) -> Markup {
    html! { svg width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none" { (drawn) } }
}
