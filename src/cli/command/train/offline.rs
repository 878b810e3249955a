//! A model file from an export: no server, no database.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::stream::StreamExt;
use serde_json::Value;

use super::Trained;
use super::pictures::Pictures;
use crate::app;
use crate::cli::args::model::name_of;
use crate::cli::files::check_place;
use crate::cli::output::left_out::{LeftOut, Strictness};
use crate::cli::output::model_file::{self, ModelFormat};
use crate::cli::output::progress::{close_naming_damaged, progress};
use crate::cli::text;
use crate::config::Settings;
use crate::domain::annotation::{Annotation, Target, UnusedAnswers};
use crate::domain::consensus::consensus;
use crate::domain::export::{self, Answered};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{HeadSpec, LabelConfig};
use crate::embed::{Embedded, EmbeddedImage, LocalEmbedder};
use crate::model::{BackboneChoice, DeviceChoice, FitOptions, fit, load_backbone};
use crate::models::{Card, HeadCard, Published, VersionFile};
use crate::training::{assemble, waiting_for};

/// Inputs and output of a training without a server.
pub struct OfflineTraining<'a> {
    pub export: &'a Path,
    pub label_config: Option<&'a Path>,
    pub images: Option<&'a Path>,
    pub out: &'a Path,
    pub strictness: Strictness,
}

/// An agreed label and where its image is.
type Labelled = (TaskId, String, Target);

/// Trains every head of an export with labels of two classes or more and writes the model file.
///
/// # Errors
/// The export can't be read or is of another label config, too few images are available, or the file can't be written.
pub async fn train(wanted: &OfflineTraining<'_>, settings: &Settings) -> anyhow::Result<Trained> {
    check_place(wanted.out)?;
    let mut left_out = LeftOut::new(wanted.strictness);
    let (tasks, config) = read(wanted, &mut left_out)?;
    let heads = labels(&tasks, &config, &mut left_out)?;
    let choice = BackboneChoice::from(settings.model.backbone.as_str());
    let backbone = tokio::task::spawn_blocking({
        let choice = choice.clone();
        move || load_backbone(&choice, DeviceChoice::Flex)
    })
    .await??;
    let spec = backbone.spec().clone();
    let limits = app::limits(settings);
    let pictures = Pictures::open(wanted.images, wanted.export, settings)?;
    let embedder = LocalEmbedder::open(backbone, limits)?;
    let seen = embed(&embedder, &pictures, &heads, &mut left_out).await;
    close_naming_damaged(embedder).await?;
    let seen = seen?;

    let learnt: BTreeSet<TaskId> = heads
        .iter()
        .flat_map(|(_, rows)| rows.iter().filter(|row| seen.contains_key(&row.1)).map(|row| row.0))
        .collect();
    left_out.close(learnt.len(), "labelled tasks")?;
    let labels = learnt.len() as i64;
    let mut card = Card::new(ProjectId(0), &spec.fingerprint, &spec.name, config.digest(), labels);
    card.set_learnt(&seen.values().map(|embedded| embedded.hash).collect::<Vec<_>>());
    let mut file = VersionFile { card, heads: Vec::new() };
    for (head, rows) in &heads {
        let rows: Vec<(Arc<Embedded>, &Target)> = rows
            .iter()
            .filter_map(|(_, source, target)| Some((Arc::clone(seen.get(source)?), target)))
            .collect();
        if waiting_for(head, rows.iter().map(|(_, target)| *target)).is_some() {
            bail!(
                "`{}`: images of at least two classes are needed; see above for those left out",
                head.from_name
            );
        }
        let set = assemble(spec.dim(), head, &rows);
        let groups = spec.groups.clone();
        let fitted = tokio::task::spawn_blocking(move || {
            fit(&set, None, &groups, &FitOptions::default(), &mut |_| ControlFlow::Continue(()))
        });
        let fitted = fitted.await?.with_context(|| format!("head `{}`", head.from_name))?;
        file.card.heads.push(HeadCard::trained(head, &fitted));
        file.heads.push(fitted.head);
    }
    let bytes = file.to_bytes()?;
    let version = name_of(wanted.out, &bytes);
    let cards = file.card.heads.clone();
    let published = Published { number: 0, name: version.clone(), file };
    model_file::write(wanted.out, ModelFormat::Safetensors, &published, &bytes, &spec, &choice)?;
    Ok(Trained { version, labels, heads: cards })
}

/// The export's tasks and the label config they answer.
fn read(
    wanted: &OfflineTraining<'_>,
    left_out: &mut LeftOut,
) -> anyhow::Result<(Vec<Answered>, LabelConfig)> {
    let shown = format!("export `{}`", wanted.export.display());
    let text = text::read(wanted.export, "export")?;
    let value: Value = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is not valid JSON; export as JSON or JSON-MIN"))?;
    let rows = export::rows(&value).with_context(|| shown.clone())?;
    let given = match wanted.label_config {
        Some(path) => {
            let named = || format!("label config `{}`", path.display());
            let xml = text::read(path, "label config")?;
            Some(LabelConfig::parse(&xml).with_context(named)?)
        }
        None => None,
    };
    let read = match (&given, export::is_min(rows)) {
        (Some(config), true) => export::read_min(rows, config),
        (None, true) => {
            bail!("{shown} is JSON-MIN, which does not tell labels from data; give --label-config")
        }
        (_, false) => export::read_json(rows),
    };
    read.problems.iter().for_each(|problem| left_out.note(problem.to_string()));
    if read.tasks.is_empty() {
        left_out.close(0, "tasks").with_context(|| shown.clone())?;
    }
    let config = match given {
        Some(config) => config,
        None => export::infer(&read.tasks).inspect(name_classes).with_context(|| shown.clone())?,
    };
    export::check(&read.tasks, &config).with_context(|| shown)?;
    for unused in UnusedAnswers::among(read.tasks.iter().flat_map(|task| &task.annotations), &config) {
        eprintln!("{unused}");
    }
    Ok((read.tasks, config))
}

/// Prints the classes that each head is taken to have.
fn name_classes(config: &LabelConfig) {
    for head in &config.heads {
        let classes: Vec<&str> = head.classes.iter().map(|class| class.name.as_str()).collect();
        eprintln!(
            "no --label-config: `{}` is taken to have the classes {}",
            head.from_name,
            classes.join(", ")
        );
    }
}

/// The labels of each head that has two classes or more.
fn labels(
    tasks: &[Answered],
    config: &LabelConfig,
    left_out: &mut LeftOut,
) -> anyhow::Result<Vec<(HeadSpec, Vec<Labelled>)>> {
    let mut heads = Vec::new();
    let mut missing = Vec::new();
    let mut without_image = BTreeSet::new();
    for head in config.heads.iter().filter(|head| !head.skip) {
        if !head.is_of_image() {
            missing.push(format!(
                "`{}` asks about regions of images, which only the server learns",
                head.from_name
            ));
            continue;
        }
        let mut rows = Vec::new();
        for Answered { task, annotations } in tasks {
            let Some(target) = consensus(annotations, head) else { continue };
            match task.image_source(&head.image_key) {
                Ok(source) => rows.push((task.id, source.into_owned(), target)),
                Err(error) if without_image.insert(task.id) => left_out.note(error.to_string()),
                Err(_) => {}
            }
        }
        match waiting_for(head, rows.iter().map(|(_, _, target)| target)) {
            Some(waits_for) => missing.push(format!("`{}` is {waits_for}", head.from_name)),
            None => heads.push((head.clone(), rows)),
        }
    }
    for Answered { task, annotations } in tasks {
        let teaches =
            |annotation: &Annotation| config.heads.iter().any(|head| annotation.target(head).is_some());
        let mut unused = annotations.iter().flat_map(|annotation| annotation.unused(config));
        if !annotations.iter().any(teaches)
            && let Some(unused) = unused.next()
        {
            left_out.note(format!("task {}: {unused}", task.id));
        }
    }
    if heads.is_empty() {
        bail!("{}", missing.join("; "));
    }
    missing.iter().for_each(|why| eprintln!("left out: {why}"));
    Ok(heads)
}

/// Embeds every labelled image once; unavailable ones are named and left out.
async fn embed(
    embedder: &LocalEmbedder,
    pictures: &Pictures,
    heads: &[(HeadSpec, Vec<Labelled>)],
    left_out: &mut LeftOut,
) -> anyhow::Result<HashMap<String, Arc<Embedded>>> {
    let wanted: HashMap<&str, TaskId> = heads
        .iter()
        .flat_map(|(_, rows)| rows.iter().map(|(task, source, _)| (source.as_str(), *task)))
        .collect();
    let mut wanted: Vec<(&str, TaskId)> = wanted.into_iter().collect();
    wanted.sort_by_key(|(_, task)| *task);
    let bar = progress("embedding", wanted.len())?;
    let mut all = std::pin::pin!(embedder.embed_each(wanted, async |(source, task): (&str, TaskId)| {
        let embedded = async {
            let bytes = pictures.read(task, source).await?;
            anyhow::Ok(embedder.embed(&format!("image of task {task}"), bytes).await?)
        };
        (source.to_owned(), embedded.await.with_context(|| format!("task {task}")))
    }));
    let mut embedded = HashMap::new();
    while let Some((source, image)) = all.next().await {
        bar.inc(1);
        if let Some(EmbeddedImage { hash, vector, damaged }) = left_out.take(image) {
            embedded.insert(source, Arc::new(Embedded { hash, vector, damaged }));
        }
    }
    bar.finish_and_clear();
    Ok(embedded)
}
