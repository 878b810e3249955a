//! The classes of a person's images, and the first labels where they lie in folders with the classes' names.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use percent_encoding::percent_decode_str;

use super::Demo;
use super::workspace::{Source, Workspace};
use crate::cli::classes::{self, ClassFolder, class_folders};
use crate::cli::dataset::METADATA;
use crate::cli::dataset::{LabelledDataset, SPLIT};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::of_classes;
use crate::labelstudio::Client;

const MOUNTAIN_CONFIG: &str = include_str!("../../../../examples/webcam/label_config.xml");

/// The label config of a new project. A person's images get no classes that they may not have.
///
/// # Errors
/// A file can't be read, the classes can't stand in a label config, or there are none and nobody to ask.
pub async fn label_config(demo: &Demo, place: &Workspace) -> anyhow::Result<String> {
    if let Some(path) = &demo.label_config {
        return std::fs::read_to_string(path).with_context(|| format!("`{}` can't be read", path.display()));
    }
    let Source::Folder(folder) = &place.state.source else { return Ok(MOUNTAIN_CONFIG.to_owned()) };
    let mut names = demo.classes.clone();
    if names.is_empty() {
        names = class_folders(folder)?.into_iter().map(|folder| folder.class).collect();
    }
    if let (true, Some(truth)) = (names.is_empty(), &demo.truth) {
        names = LabelledDataset::read(truth, SPLIT)?.classes;
    }
    if names.is_empty() {
        names = classes::ask(folder).await?;
    }
    Ok(of_classes(&names, false)?)
}

/// Gives first labels to the frames that were collected from folders with a class's name.
///
/// # Errors
/// The table of frames can't be read, or Label Studio does not answer.
pub async fn label(client: &Client, project: ProjectId, folder: &Path, frames: &Path) -> anyhow::Result<()> {
    let labels = first_labels(frames, &class_folders(folder)?)?;
    if labels.is_empty() {
        return Ok(());
    }
    let given = classes::label(client, project, |address| labels.get(&file_name(address)?).cloned()).await?;
    eprintln!("{given} first labels, from the names of the folders");
    Ok(())
}

/// The class of each frame that was collected from a folder with a class's name, by the frame's file name.
fn first_labels(frames: &Path, folders: &[ClassFolder]) -> anyhow::Result<HashMap<String, String>> {
    let path = frames.join(METADATA);
    let mut reader = csv::Reader::from_path(&path).with_context(|| format!("`{}`", path.display()))?;
    let columns = reader.headers()?.clone();
    let column = |name: &str| columns.iter().position(|column| column == name);
    let (Some(file), Some(source)) = (column("file"), column("source")) else {
        bail!("`{}` lacks the column `file` or `source`", path.display());
    };
    let mut labels = HashMap::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("`{}`", path.display()))?;
        let parent = row.get(source).and_then(|source| Path::new(source).parent());
        let folder = folders.iter().find(|folder| Some(folder.path.as_path()) == parent);
        labels
            .extend(folder.zip(row.get(file)).map(|(folder, file)| (file.to_owned(), folder.class.clone())));
    }
    Ok(labels)
}

/// The name of a file that Label Studio serves from the frames' folder.
fn file_name(address: &str) -> Option<String> {
    let (_, path) = address.rsplit_once("?d=")?;
    let path = percent_decode_str(path).decode_utf8_lossy();
    Some(Path::new(path.as_ref()).file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_class_of_the_folder_they_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let table = "file,time,days_from_start,sha,source\nrobin_1.jpg,,,a,/p/robin/1.jpg\nö_1.jpg,,,b,/p/ö/1.jpg\n\
            robin_2.jpg,,,c,/p/robin_2.jpg\n";
        std::fs::write(folder.path().join(METADATA), table).unwrap();
        let of = |class: &str| ClassFolder {
            class: class.to_owned(),
            path: Path::new("/p").join(class),
            images: Vec::new(),
        };
        let labels = first_labels(folder.path(), &[of("robin"), of("ö")]).unwrap();
        let class = |address: &str| labels.get(&file_name(address)?).map(String::as_str);
        assert_eq!(class("/data/local-files/?d=frames%2Frobin_1.jpg"), Some("robin"));
        assert_eq!(class("/data/local-files/?d=frames/%C3%B6_1.jpg"), Some("ö"));
        assert_eq!(class("/data/local-files/?d=frames/robin_2.jpg"), None);
    }
}
