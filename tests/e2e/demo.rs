//! `weathervane demo`: everything by one command, with a Label Studio of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::dashboard::look_around;
use crate::support::editor::Editor;
use crate::support::pictures::{are_real, to_learn};
use crate::support::{Stage, say, stage, until};

/// Photographs of each class.
const PER_CLASS: usize = 40;

/// `weathervane demo` in a folder; Label Studio's database is migrated already.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let given = |part: &str| {
        std::env::var_os(format!("WEATHERVANE_TEST_LABEL_STUDIO_{part}")).expect("set by the script")
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_weathervane"));
    command
        .args(["demo", "--dir"])
        .arg(folder)
        .arg("--label-studio-program")
        .arg(given("PROGRAM"))
        .arg("--label-studio-database")
        .arg(given("DATABASE"))
        .args(arguments)
        // Another server's settings must not lead it astray.
        .env("LABEL_STUDIO_URL", "http://127.0.0.1:1")
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .stdin(Stdio::null());
    command
}

async fn labelled(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let mut command = demo(folder, &[&["--headless", "--format", "json"], arguments].concat());
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("a program");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}")), stderr)
}

/// Labels of both rounds, and the share of the other images that was predicted rightly after them.
fn rounds(said: &Value) -> Vec<(i64, f64)> {
    let round = |round: &Value| {
        let (right, of) =
            (round["right"].as_f64().expect("a count"), round["unlabelled"].as_f64().expect("a count"));
        (round["labels"].as_i64().expect("a count"), right / of)
    };
    said["rounds"].as_array().expect("rounds").iter().map(round).collect()
}

/// A demo that waits for Ctrl-C.
struct Demo {
    running: Child,
    /// Of Label Studio, the server and the webcam.
    ports: [u16; 3],
    user: String,
    password: String,
}

async fn open(folder: &Path) -> Demo {
    let mut running =
        demo(folder, &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a program");
    let stdout = BufReader::new(running.stdout.take().expect("a pipe"));
    let read =
        move || stdout.lines().map_while(Result::ok).take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let said: Vec<String> = tokio::task::spawn_blocking(read).await.expect("a thread");
    assert!(said.iter().any(|line| line.contains("Label All Tasks")), "{said:?}");
    let port = |name: &str| {
        let line =
            said.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {said:?}"));
        let after = line.split("127.0.0.1:").nth(1).expect("a port");
        after.split(|c: char| !c.is_ascii_digit()).next().expect("digits").parse().expect("a port")
    };
    let ports = ["Label Studio", "dashboard", "webcam"].map(port);
    let after = |name: &str| {
        let line = said.iter().find_map(|line| line.trim_start().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {said:?}")).trim().to_owned()
    };
    Demo { running, ports, user: after("user"), password: after("password") }
}

/// Logs in with what the demo printed, and finds an answer ticked and the order as pictures.
async fn look_at_label_studio(stage: &Stage, demo: &Demo) {
    let url = format!("http://127.0.0.1:{}", demo.ports[0]);
    let project = stage.label_studio.as_user(&url, &demo.user, &demo.password).known_project(1);
    let Some(editor) = Editor::open(&project, "demo").await else { return };
    editor.shows_another(0).await;
    editor.close_instructions().await;
    editor.picture_for_readme("ticked").await;
    editor.open_view("Most useful first", 1280).await;
    editor.listed().await;
    editor.picture("order").await;
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

async fn signal(running: &mut Child, name: &str) -> Option<i32> {
    let sent = Command::new("kill").args([name, &running.id().to_string()]).status().expect("`kill`");
    assert!(sent.success());
    until("the demo to end", async || running.try_wait().expect("a process")).await.code()
}

#[tokio::test]
async fn the_demo_labels_a_simulated_year_and_the_next_run_finds_it_again() {
    let Some(stage) = stage().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (said, _) = labelled(folder.path(), &[]).await;
    let found = rounds(&said);
    say(&format!("simulated year: {found:?}, newest {}", said["newest"]["heads"]["weather"]["choices"]));
    assert_eq!(found.iter().map(|round| round.0).collect::<Vec<_>>(), [30, 45]);
    // Nearly half of the days are of one class.
    assert!(found.iter().all(|round| round.1 > 0.7), "{found:?}");

    let (again, stderr) = labelled(folder.path(), &[]).await;
    assert!(stderr.contains(": 0 new, ") && stderr.contains("nothing had to be changed"), "{stderr}");
    let versions = |said: &Value| said["rounds"][1]["version"].as_str().map(str::to_owned);
    assert_eq!(versions(&said), versions(&again));

    let mut demo = open(folder.path()).await;
    let ports = demo.ports;
    assert!(ports.into_iter().all(answers), "{ports:?}");
    look_at_label_studio(&stage, &demo).await;
    look_around(&format!("http://127.0.0.1:{}", ports[1]), 1).await;
    assert_eq!(signal(&mut demo.running, "-INT").await, Some(0));
    assert!(!ports.into_iter().any(answers), "{ports:?}");

    // Not even a kill leaves anything behind.
    let Demo { mut running, ports, .. } = open(folder.path()).await;
    signal(&mut running, "-KILL").await;
    until("everything to end", async || (!ports.into_iter().any(answers)).then_some(())).await;
}

#[tokio::test]
async fn the_demo_takes_photographs_and_their_true_answers() {
    let Some(_stage) = stage().await else { return };
    if !are_real() {
        return say("skipped: there are no photographs");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (photographs, truth) = (folder.path().join("photographs"), folder.path().join("truth.csv"));
    std::fs::create_dir(&photographs).expect("a folder");
    let mut table = "filename,label\n".to_owned();
    for picture in to_learn(PER_CLASS) {
        std::fs::write(photographs.join(&picture.name), &picture.bytes).expect("a file");
        table += &format!("{},{}\n", picture.name, picture.class);
    }
    std::fs::write(&truth, table).expect("a file");
    let paths = [&photographs, &truth].map(|path| path.to_str().expect("UTF-8"));
    let (said, _) = labelled(&folder.path().join("demo"), &["--images", paths[0], "--truth", paths[1]]).await;
    let found = rounds(&said);
    say(&format!("photographs: {found:?}"));
    assert!(found.iter().all(|round| round.1 > 0.85), "{found:?}");
}
