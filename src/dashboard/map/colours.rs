//! Colour of each point, and the meaning of the colours.

use std::collections::HashMap;

use jiff::Timestamp;

use super::view::{Colour, View};
use crate::dashboard::Inner;
use crate::dashboard::background_cache::Seen;
use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::format::percent;
use crate::dashboard::tags;
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::label_config::HeadSpec;
use crate::pool::{Answer, Pool, PoolImage};
use crate::storage::{Project, Storage, TaskState};
use crate::training::Training;

/// Colours that are told apart, in the stylesheet; the last one stands for all that have none of their own.
pub(super) const CLASSES: usize = 10;

/// Steps from low to high, in the stylesheet.
pub(super) const STEPS: usize = 8;

/// The colour of what has none.
pub(super) const NONE: u8 = u8::MAX;

/// A project's points in colours.
pub(super) struct Colouring {
    pub scale: Scale,
    /// By task: the place in the scale.
    of: Vec<(TaskId, u8)>,
}

/// Meaning of the colours.
#[derive(Debug, PartialEq)]
pub(super) enum Scale {
    /// Names, with how many bear them; at most [`CLASSES`].
    Classes(Vec<(String, usize)>),
    /// From the first to the last of [`STEPS`].
    Range { low: String, high: String },
    /// Nothing has a colour.
    Nothing,
}

impl Colouring {
    /// The colours of tasks, which come in the order of their ids.
    pub fn of<'a>(&'a self, tasks: &'a [TaskId]) -> impl Iterator<Item = u8> + 'a {
        let mut known = self.of.iter().peekable();
        tasks.iter().map(move |task| {
            while known.next_if(|(other, _)| other < task).is_some() {}
            known.next_if(|(other, _)| other == task).map_or(NONE, |(_, colour)| *colour)
        })
    }
}

/// The colours of a view as far as they are made.
pub(super) async fn colouring(
    context: &PageContext,
    project: &Project,
    view: &View,
) -> Result<Seen<Colouring>, PageError> {
    let inner = context.services();
    let stamp = stamp(inner, project, view.colour, &super::stamp(context, project).await?).await;
    let head = view.head.clone().filter(|_| view.colour.is_of_head());
    let key = (project.id, view.colour, head.as_ref().map(|head| head.from_name.clone()).unwrap_or_default());
    let source = Source {
        project: project.id,
        pool: inner.pool.clone(),
        training: inner.training.clone(),
        storage: inner.storage.clone(),
    };
    let colour = view.colour;
    let make = || async move { source.colouring(colour, head).await };
    Ok(inner.maps.colourings.get(project.id, key, stamp, make).await)
}

/// Stamp of the data that a colouring is made from, at the cost of an index look-up; `images` is the stamp of the map.
async fn stamp(inner: &Inner, project: &Project, colour: Colour, images: &str) -> String {
    let config = project.config_digest.as_deref().unwrap_or_default();
    match colour {
        Colour::Label => format!("{config}/{}", project.updates_seen),
        Colour::Prediction | Colour::Certainty => {
            let version = inner.models.current(project.id).map(|published| published.number);
            format!("{config}/{version:?}/{images}")
        }
        Colour::Tag => format!("{}/{images}", tags::stamp(inner).await.unwrap_or_default()),
        Colour::Time => images.to_owned(),
    }
}

/// Data sources of a colouring.
struct Source {
    project: ProjectId,
    pool: Pool,
    training: Training,
    storage: Storage,
}

impl Source {
    async fn colouring(&self, colour: Colour, head: Option<HeadSpec>) -> Result<Colouring, String> {
        let made = match (colour, head) {
            (Colour::Label, Some(head)) => by_class(self.labels(&head).await?, &names(&head)),
            (Colour::Prediction, Some(head)) => {
                let answers = self.answers(&head).await?.into_iter();
                by_class(answers.map(|(task, words, _)| (task, words)).collect(), &names(&head))
            }
            (Colour::Certainty, Some(head)) => {
                let answers = self.answers(&head).await?.into_iter();
                let sure = answers.map(|(task, _, certainty)| (task, f64::from(certainty))).collect();
                by_step(sure, percent)
            }
            (Colour::Tag, _) => by_class(self.tags().await?, &[]),
            (Colour::Time, _) => by_step(self.times().await?, |micros| day(micros as i64)),
            _ => Colouring { scale: Scale::Nothing, of: Vec::new() },
        };
        Ok(made)
    }

    async fn labels(&self, head: &HeadSpec) -> Result<Vec<(TaskId, String)>, String> {
        let states = self.storage.task_states(self.project).await.map_err(|error| error.to_string())?;
        let labelled = states.into_iter().filter(|(_, state)| *state == TaskState::Labelled);
        let labelled: Vec<TaskId> = labelled.map(|(task, _)| task).collect();
        let labels = self.training.labels().labels_of(self.project, head, &labelled).await;
        Ok(labels.map_err(|error| error.to_string())?.into_iter().collect())
    }

    async fn answers(&self, head: &HeadSpec) -> Result<Vec<(TaskId, String, f32)>, String> {
        let answers = Answer::all(&self.pool, self.project, &head.from_name).await;
        let answers = answers.map_err(|error| error.to_string())?.into_iter();
        Ok(answers.map(|answer| (answer.task, answer.words, answer.certainty)).collect())
    }

    /// Each image's newest tag.
    async fn tags(&self) -> Result<Vec<(TaskId, String)>, String> {
        let tagged = self.storage.tagged_images().await.map_err(|error| error.to_string())?;
        let mut newest: HashMap<ContentHash, (i64, String)> = HashMap::new();
        for image in tagged {
            let known = newest.entry(image.content_hash).or_insert((i64::MIN, String::new()));
            if image.tagged_at >= known.0 {
                *known = (image.tagged_at, image.tag);
            }
        }
        let pictures = PoolImage::all(&self.pool, self.project).await.map_err(|error| error.to_string())?;
        let tag = |hash| newest.get(hash).map(|(_, tag)| tag.clone());
        Ok(pictures.iter().filter_map(|picture| Some((picture.task, tag(&picture.hash)?))).collect())
    }

    async fn times(&self) -> Result<Vec<(TaskId, f64)>, String> {
        let pictures = PoolImage::all(&self.pool, self.project).await.map_err(|error| error.to_string())?;
        Ok(pictures.iter().filter_map(|picture| Some((picture.task, picture.taken_at? as f64))).collect())
    }
}

fn names(head: &HeadSpec) -> Vec<String> {
    head.classes.iter().map(|class| class.name.clone()).collect()
}

/// A colour for each name: `known` first, in their order. Where there are more than colours, the most frequent have one
/// of their own.
fn by_class(named: Vec<(TaskId, String)>, known: &[String]) -> Colouring {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, name) in &named {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut others: Vec<&str> =
        counts.keys().copied().filter(|name| !known.iter().any(|known| known == name)).collect();
    others.sort_unstable();
    names.extend(others);
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    let mut classes: Vec<(String, usize)> =
        names.iter().map(|name| ((*name).to_owned(), count(name))).collect();
    if classes.len() > CLASSES {
        let mut frequent = classes.clone();
        frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        frequent.truncate(CLASSES - 1);
        let kept = |name: &str| frequent.iter().any(|(other, _)| other == name);
        let rest = classes.iter().filter(|(name, _)| !kept(name)).map(|(_, count)| count).sum();
        classes.retain(|(name, _)| kept(name));
        classes.push(("all others".to_owned(), rest));
    }
    let places: HashMap<&str, u8> =
        classes.iter().zip(0..).map(|((name, _), place)| (name.as_str(), place)).collect();
    let last = classes.len().saturating_sub(1) as u8;
    let of = named.iter().map(|(task, name)| (*task, places.get(name.as_str()).copied().unwrap_or(last)));
    let mut of: Vec<(TaskId, u8)> = of.collect();
    of.sort_unstable();
    let scale = if classes.is_empty() { Scale::Nothing } else { Scale::Classes(classes) };
    Colouring { scale, of }
}

/// A step for each value between the least and the largest.
fn by_step(values: Vec<(TaskId, f64)>, says: impl Fn(f64) -> String) -> Colouring {
    let values: Vec<(TaskId, f64)> = values.into_iter().filter(|(_, value)| value.is_finite()).collect();
    let low = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let high = values.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() {
        return Colouring { scale: Scale::Nothing, of: Vec::new() };
    }
    let step = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 1.0 };
        ((share * STEPS as f64) as usize).min(STEPS - 1) as u8
    };
    let mut of: Vec<(TaskId, u8)> = values.iter().map(|(task, value)| (*task, step(*value))).collect();
    of.sort_unstable();
    Colouring { scale: Scale::Range { low: says(low), high: says(high) }, of }
}

fn day(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros);
    time.map_or_else(|_| "–".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<(TaskId, String)> {
        names.iter().zip(1..).map(|(name, id)| (TaskId(id), (*name).to_owned())).collect()
    }

    fn colours(colouring: &Colouring, ids: &[i64]) -> Vec<u8> {
        colouring.of(&ids.iter().copied().map(TaskId).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn classes_keep_their_colours_and_the_unnamed_have_none() {
        let known = ["cloudy", "rain"].map(str::to_owned);
        let colouring = by_class(named(&["rain", "fog", "rain"]), &known);
        let names = [("cloudy", 0), ("rain", 2), ("fog", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(colouring.scale, Scale::Classes(names.to_vec()));
        assert_eq!(colours(&colouring, &[-1, 1, 2, 4]), [NONE, 1, 2, NONE]);
        assert_eq!(by_class(Vec::new(), &[]).scale, Scale::Nothing);
    }

    #[test]
    fn the_most_frequent_of_many_names_have_colours_of_their_own() {
        let mut all: Vec<String> = (0..30).map(|n| format!("tag {n:02}")).collect();
        all.extend((20..30).map(|n| format!("tag {n:02}")));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let colouring = by_class(named(&all), &[]);
        let Scale::Classes(classes) = &colouring.scale else { panic!("no classes") };
        assert_eq!(classes.len(), CLASSES);
        assert_eq!((classes[0].0.as_str(), classes[9].0.as_str()), ("tag 20", "all others"));
        assert_eq!(classes.iter().map(|(_, count)| count).sum::<usize>(), 40);
        assert_eq!(colours(&colouring, &[1, 21]), [9, 0]);
    }

    #[test]
    fn values_are_spread_over_the_steps() {
        let values = [(1, 0.2), (2, 1.0), (3, 0.61), (4, f64::NAN)].map(|(id, value)| (TaskId(id), value));
        let colouring = by_step(values.to_vec(), percent);
        assert_eq!(colouring.scale, Scale::Range { low: "20.0 %".into(), high: "100.0 %".into() });
        assert_eq!(colours(&colouring, &[1, 2, 3, 4]), [0, 7, 4, NONE]);
        assert_eq!(by_step(Vec::new(), percent).scale, Scale::Nothing);
        assert_eq!(day(0), "1970-01-01");
    }
}
