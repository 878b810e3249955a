//! View of the map that a visitor asks for.

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::layout::project_path;
use crate::dashboard::tags;
use crate::domain::label_config::HeadSpec;
use crate::projection::Projection;
use crate::storage::Project;

/// Attribute that gives points their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Colour {
    Label,
    Prediction,
    Certainty,
    Tag,
    Time,
}

/// The form as it comes.
#[derive(Debug, Default, Deserialize)]
pub(super) struct MapQuery {
    projection: Option<String>,
    colour: Option<String>,
    head: Option<String>,
    /// Show only images that bear it.
    tag: Option<String>,
    /// Action just done with a tag.
    #[serde(default)]
    pub done: String,
    /// Images that were tagged just now.
    #[serde(default)]
    pub tagged: Option<u32>,
}

/// The form as it is understood.
pub(super) struct View {
    pub projection: Projection,
    pub colour: Colour,
    /// The head whose labels and predictions are shown; none where nothing is classified.
    pub head: Option<HeadSpec>,
    /// All there are to choose from.
    pub heads: Vec<HeadSpec>,
    /// The tag whose images alone are shown.
    pub tag: Option<String>,
}

impl Colour {
    pub const ALL: [Self; 5] = [Self::Label, Self::Prediction, Self::Certainty, Self::Tag, Self::Time];

    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Prediction => "prediction",
            Self::Certainty => "certainty",
            Self::Tag => "tag",
            Self::Time => "time",
        }
    }

    /// `true` if it depends on a head.
    pub fn is_of_head(self) -> bool {
        matches!(self, Self::Label | Self::Prediction | Self::Certainty)
    }
}

impl MapQuery {
    pub fn new(projection: &str, colour: &str, head: &str, tag: &str) -> Self {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            projection: some(projection),
            colour: some(colour),
            head: some(head),
            tag: some(tag),
            ..Self::default()
        }
    }

    /// # Errors
    /// It names a projection, colour, head or tag that there is not, or the database does not answer.
    pub async fn understood(&self, context: &PageContext, project: &Project) -> Result<View, PageError> {
        let projection = match self.projection.as_deref() {
            None => Projection::Principal,
            Some(name) => {
                Projection::from_name(name).ok_or_else(|| PageError::not_found("projection", name))?
            }
        };
        let colour = match self.colour.as_deref() {
            None => Colour::Label,
            Some(name) => Colour::ALL
                .into_iter()
                .find(|colour| colour.name() == name)
                .ok_or_else(|| PageError::not_found("colour", name))?,
        };
        let config =
            context.services().label_configs.parse(project.label_config.as_deref().unwrap_or_default());
        let config = config.ok();
        let all = config.iter().flat_map(|config| &config.heads).filter(|head| !head.skip);
        // The pool holds that image.
        let key = config.as_ref().and_then(|config| config.main_head()).map(|head| &head.image_key);
        let heads = all.filter(|head| head.is_of_image() && Some(&head.image_key) == key);
        let heads: Vec<HeadSpec> = heads.cloned().collect();
        let head = match self.head.as_deref() {
            None => heads.first().cloned(),
            Some(name) => {
                let head = heads.iter().find(|head| head.from_name == name);
                Some(head.ok_or_else(|| PageError::not_found("head", name))?.clone())
            }
        };
        let tag = tags::chosen(context.services(), self.tag.as_deref()).await?;
        Ok(View { projection, colour, head, heads, tag })
    }
}

impl View {
    /// Name of the head, where there is a choice.
    pub fn head_name(&self) -> &str {
        let chosen = self.head.as_ref().filter(|_| self.heads.len() > 1);
        chosen.map_or("", |head| head.from_name.as_str())
    }

    /// Address of something of the map with this view of it, by `projection`.
    pub fn address(&self, project: &Project, below: &str, projection: Projection) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("projection", projection.name()).append_pair("colour", self.colour.name());
        if !self.head_name().is_empty() {
            query.append_pair("head", self.head_name());
        }
        if let Some(tag) = &self.tag {
            query.append_pair("tag", tag);
        }
        format!("{}/map{below}?{}", project_path(project), query.finish())
    }
}
