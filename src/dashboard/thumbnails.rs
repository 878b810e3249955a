//! Small pictures of tasks: fetched as every image is, made once, kept in memory up to a bound.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use maud::{Markup, html};
use moka::future::Cache;
use tokio::sync::Semaphore;

use super::context::PageContext;
use super::error::PageError;
use super::{Entry, PATH, at, get};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::task::Task;
use crate::media::{Media, MediaError};
use crate::turns::Asker;
use crate::vision::{self, Limits, VisionError};

pub(super) const ENTRIES: &[Entry] = &[at("/projects/{project}/thumbnails/{task}", || get().to(show))];

/// Longest side of a thumbnail, pixels: sharp at twice the density of a tile's half.
const SIDE_PX: u32 = 320;

/// Memory for thumbnails, bytes: about 4,000 of them.
const MEMORY: u64 = 64 * 1024 * 1024;

/// Time before an unavailable image is tried again; a browser keeps what it has for so long.
const FAILURE_MEMORY: Duration = Duration::from_secs(30);

/// Failures remembered.
const FAILURES: u64 = 10_000;

/// Pages wait for so many pictures; beyond them a browser is asked to come back.
const WAITING: usize = 256;

pub(super) struct Thumbnails {
    media: Media,
    limits: Limits,
    /// Fetched and made at once.
    turn: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    made: Cache<Key, Thumbnail>,
    failed: Cache<Key, Arc<str>>,
}

/// A project's image by its address, as a digest: data URIs are long.
type Key = (ProjectId, [u8; 32]);

#[derive(Clone)]
struct Thumbnail {
    jpeg: Bytes,
    tag: Arc<str>,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    Vision(#[from] VisionError),
    #[error("the work was interrupted")]
    Interrupted,
}

impl Thumbnails {
    pub fn new(media: Media, limits: Limits, at_once: usize) -> Self {
        let made = Cache::builder()
            .max_capacity(MEMORY)
            .weigher(|_, thumbnail: &Thumbnail| u32::try_from(thumbnail.jpeg.len() + 128).unwrap_or(u32::MAX))
            .build();
        let failed = Cache::builder().max_capacity(FAILURES).time_to_live(FAILURE_MEMORY).build();
        let turn = Arc::new(Semaphore::new(at_once.max(1)));
        let waiting = Arc::new(Semaphore::new(WAITING));
        Self { media, limits, turn, waiting, made, failed }
    }

    /// The thumbnail of a task's image; many who want the same one share the work.
    async fn of(&self, project: ProjectId, task: TaskId, source: &str) -> Result<Thumbnail, Arc<str>> {
        let key = (project, *blake3::hash(source.as_bytes()).as_bytes());
        if let Some(reason) = self.failed.get(&key).await {
            return Err(reason);
        }
        let made = self.made.try_get_with(key, self.make(project, task, source)).await;
        if let Err(problem) = &made {
            self.failed.insert(key, problem.to_string().into()).await;
        }
        made.map_err(|problem| problem.to_string().into())
    }

    async fn make(&self, project: ProjectId, task: TaskId, source: &str) -> Result<Thumbnail, Problem> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Problem::Interrupted)?;
        let place = self.media.place(Asker::of(project), Some(task), source).await?;
        let bytes = self.media.fetch_at(place, Some(task), source, None).await?;
        let limits = self.limits;
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            vision::thumbnail(&bytes, SIDE_PX, &limits)
        });
        let jpeg = made.await.map_err(|_| Problem::Interrupted)??;
        let tag = format!("\"{}\"", &blake3::hash(&jpeg).to_hex()[..32]);
        Ok(Thumbnail { jpeg: jpeg.into(), tag: tag.into() })
    }
}

/// A task's picture in a page.
pub(super) fn picture(project: ProjectId, task: TaskId) -> Markup {
    html! {
        img.thumb src={ (PATH) "/projects/" (project) "/thumbnails/" (task) } alt={ "Image of task " (task) }
            width="320" height="240" loading="lazy" decoding="async";
    }
}

async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let name = context.part("task");
    let task = name.parse().map(TaskId).map_err(|_| PageError::not_found("task", name))?;
    let _place = inner.thumbnails.waiting.try_acquire().map_err(|_| PageError::Busy)?;
    let row = inner.storage.tasks(project.id, &[task]).await?.pop();
    let row = row.ok_or_else(|| PageError::not_found("task", name))?;
    let config = inner.label_configs.parse(project.label_config.as_deref().unwrap_or_default());
    let head = config.ok().and_then(|config| config.main_head().cloned());
    let key = head.map_or_else(|| "image".to_owned(), |head| head.image_key);
    let task = Task { id: row.id, data: row.data, created_at: row.created_at };
    let source = match task.image_source(&key) {
        Ok(source) => source.into_owned(),
        Err(error) => return Ok(placeholder(&error.to_string())),
    };
    match inner.thumbnails.of(project.id, task.id, &source).await {
        Ok(thumbnail) => Ok(answer(&context, &thumbnail)),
        Err(reason) => Ok(placeholder(&reason)),
    }
}

fn answer(context: &PageContext, thumbnail: &Thumbnail) -> HttpResponse {
    let known = context.request().headers().get(IF_NONE_MATCH);
    let same = known.is_some_and(|known| known.as_bytes() == thumbnail.tag.as_bytes());
    let mut response = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    keep(&mut response).insert_header((ETAG, thumbnail.tag.as_ref()));
    if same { response.finish() } else { response.content_type("image/jpeg").body(thumbnail.jpeg.clone()) }
}

/// A browser keeps an image for a while; the same task may get another one.
fn keep(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response.insert_header((CACHE_CONTROL, format!("private, max-age={}", FAILURE_MEMORY.as_secs())))
}

/// Placeholder of an unavailable image, with the reason in words.
fn placeholder(reason: &str) -> HttpResponse {
    /// Characters of a line, and lines.
    const LINE: usize = 42;
    const LINES: usize = 8;
    let mut lines = vec![String::new()];
    for word in reason.split_whitespace() {
        let word: String = word.chars().take(LINE).collect();
        let full = lines.last().is_some_and(|line| line.chars().count() + word.chars().count() >= LINE);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    let drawn = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240" width="320" height="240" role="img" {
            title { (reason) }
            rect width="320" height="240" fill="#e3e7eb" {}
            path d="M0 0L320 240M320 0L0 240" stroke="#c9d0d7" stroke-width="2" {}
            @for (index, line) in lines.iter().take(LINES).enumerate() {
                text x="12" y=(40 + 22 * index) font-family="sans-serif" font-size="13" fill="#1b1f24" { (line) }
            }
        }
    };
    let mut response = HttpResponse::Ok();
    keep(&mut response).content_type("image/svg+xml; charset=utf-8").body(drawn.into_string())
}
