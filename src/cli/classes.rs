//! Classes of a person's images, from the folders they lie in or from answers; and the first labels.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::cli::uploads::is_image;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{LabelConfig, of_classes};
use crate::domain::prediction::RegionValue;
use crate::domain::task::Task;
use crate::labelstudio::Client;

/// A folder that bears the name of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolder {
    pub class: String,
    pub path: PathBuf,
    /// The image files directly in it, by name.
    pub images: Vec<PathBuf>,
}

/// The folders directly in a folder that hold images, by name; none unless there are two, since one tells nothing apart.
///
/// # Errors
/// A folder can't be read.
pub fn class_folders(folder: &Path) -> anyhow::Result<Vec<ClassFolder>> {
    let mut found = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let Some(class) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if class.starts_with('.') {
            continue;
        }
        let images = image_files(&path)?;
        if !images.is_empty() {
            found.push(ClassFolder { class: class.to_owned(), path: path.clone(), images });
        }
    }
    Ok(if found.len() < 2 { Vec::new() } else { found })
}

/// The image files directly in a folder, by name.
///
/// # Errors
/// The folder can't be read.
pub fn image_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file() && is_image(path)).collect())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("folder `{}` can't be read", folder.display());
    let entries = std::fs::read_dir(folder).with_context(unreadable)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(unreadable)?;
    paths.sort_unstable();
    Ok(paths)
}

/// Asks on the terminal for the classes of the images in a folder, until they can stand in a label config.
///
/// # Errors
/// There is no terminal, or its input ends; the message says what to give instead.
pub async fn ask(folder: &Path) -> anyhow::Result<Vec<String>> {
    let instead = || {
        format!(
            "Name them with --classes robin,wren,other, give a --label-config FILE.xml, or sort some images of each class into \
             folders `{}/CLASS`",
            folder.display()
        )
    };
    if !std::io::stdin().is_terminal() {
        bail!("which classes have the images in `{}`? {}", folder.display(), instead());
    }
    loop {
        eprint!("Which classes have the images in `{}`, separated by commas? ", folder.display());
        std::io::stderr().flush()?;
        let read = || {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|bytes| (bytes, line))
        };
        let (bytes, line) = tokio::task::spawn_blocking(read).await?.context("the terminal can't be read")?;
        if bytes == 0 {
            eprintln!();
            bail!("no classes were named. {}", instead());
        }
        let names: Vec<String> = line.trim().split(',').map(|name| name.trim().to_owned()).collect();
        match of_classes(&names, false) {
            Ok(_) => return Ok(names),
            Err(error) => eprintln!("{error}"),
        }
    }
}

/// Gives the tasks that nobody answered or skipped the class that `class_of` knows of their image's address, where the
/// project's first question has it. Returns how many.
///
/// # Errors
/// Label Studio does not answer, or the project's label config can't be used.
pub async fn label(
    client: &Client,
    project: ProjectId,
    class_of: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<usize> {
    let config = LabelConfig::parse(&client.project_details(project).await?.label_config)?;
    let head = config.image_head().context("the label config asks nothing about whole images")?;
    let mut answers = Vec::new();
    for page in 1.. {
        let tasks = client.tasks_page(project, page).await?.tasks;
        if tasks.is_empty() {
            break;
        }
        for json in tasks.iter().filter(|json| is_open(json)) {
            let task = Task::from_json(json)?;
            let class = task.image_source(&head.image_key).ok().and_then(|source| class_of(&source));
            let index = class.and_then(|class| head.class_index(&class));
            answers.extend(index.and_then(|index| Some((task.id, RegionValue::of(head, &[index])?))));
        }
    }
    for (task, value) in &answers {
        let region = json!({
            "from_name": head.from_name, "to_name": head.to_name, "type": head.control.result_type(), "value": value,
        });
        client.annotate(*task, json!([region])).await?;
    }
    Ok(answers.len())
}

fn is_open(task: &Value) -> bool {
    ["total_annotations", "cancelled_annotations"].iter().all(|count| task[count].as_i64().unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_images_are_classes_from_two_on() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        write("open.jpg");
        write("robin/2.jpg");
        write("robin/1.PNG");
        write("robin/notes.txt");
        write("texts/notes.txt");
        write(".hidden/1.jpg");
        assert_eq!(class_folders(folder.path()).unwrap(), []);
        write("wren/1.jpg");
        let found = class_folders(folder.path()).unwrap();
        let names: Vec<(&str, usize)> =
            found.iter().map(|folder| (folder.class.as_str(), folder.images.len())).collect();
        assert_eq!(names, [("robin", 2), ("wren", 1)]);
        assert_eq!(found[0].images[0], folder.path().join("robin/1.PNG"));
        assert_eq!(image_files(folder.path()).unwrap(), [folder.path().join("open.jpg")]);
    }
}
