//! `weathervane collect` against a server on this machine.

use std::io::Cursor;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use image::{ImageFormat, Rgb, RgbImage};
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::Folder;

/// A webcam with a frame a day at `/YYYYMMDD.png`: none on the 5th, a web page on the 6th, and the 8th shows the 7th.
struct Webcam {
    runtime: Runtime,
    server: MockServer,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Webcam {
    fn new(pause: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let (server, asked) = runtime.block_on(async {
            let server = MockServer::start().await;
            let asked = Arc::new(Mutex::new(Vec::new()));
            let seen = asked.clone();
            let answer = move |request: &Request| {
                let path = request.url.path().trim_start_matches('/').trim_end_matches(".png").to_owned();
                seen.lock().unwrap().push(path.clone());
                match &path[path.len().saturating_sub(2)..] {
                    "05" => ResponseTemplate::new(404),
                    "06" => ResponseTemplate::new(200).set_body_raw("<html>busy</html>", "text/html"),
                    "08" => ResponseTemplate::new(200).set_body_bytes(png(&path.replace("08", "07"))),
                    _ => ResponseTemplate::new(200).set_body_bytes(png(&path)),
                }
                .set_delay(pause)
            };
            Mock::given(any()).respond_with(answer).mount(&server).await;
            (server, asked)
        });
        Self { runtime, server, asked }
    }

    fn line(&self, rest: &str) -> String {
        format!("collect {}/%Y%m%d.png --out frames {rest}", self.server.uri())
    }

    /// What was asked for since the last time, in order.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// A picture of its own for each name.
fn png(name: &str) -> Vec<u8> {
    let number: u32 = name.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let picture = RgbImage::from_fn(16, 12, |x, y| {
        Rgb((number ^ (x * 37 + y * 101)).to_le_bytes()[..3].try_into().unwrap())
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn a_month_is_collected_once() {
    let (folder, webcam) = (Folder::new(), Webcam::new(Duration::ZERO));
    let line = webcam.line("--from 2020-01-01 --to 2020-01-31");
    let output = folder.weathervane(&line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("28 new, 0 there already, 1 not on the server, 1 repeats, 1 failed"), "{said}");
    assert!(said.contains("20200106.png") && said.contains("HTML"), "{said}");
    assert_eq!(webcam.asked().len(), 31);

    let table = String::from_utf8(folder.read("frames/metadata.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "file,time,days_from_start,sha,source");
    assert!(lines[3].starts_with("2020-01-03T13-00-00.png,2020-01-03T13:00:00,2,"), "{}", lines[3]);
    assert_eq!(lines.len(), 29);
    assert_eq!(folder.read("frames/2020-01-03T13-00-00.png"), png("20200103"));

    // Only the failure is tried again, and a file that was deleted.
    std::fs::remove_file(folder.path("frames/2020-01-10T13-00-00.png")).unwrap();
    folder.prints(&line);
    assert_eq!(webcam.asked(), ["20200106", "20200110"]);
    assert_eq!(folder.read("frames/2020-01-10T13-00-00.png"), png("20200110"));
}

#[test]
fn a_killed_collection_goes_on_without_a_second_download() {
    let (folder, webcam) = (Folder::new(), Webcam::new(Duration::from_millis(20)));
    let line = webcam.line("--from 2020-02-09 --to 2020-03-04");
    for stop in [3, 11] {
        let binary = assert_cmd::cargo::cargo_bin("weathervane");
        let mut child = Command::new(binary)
            .current_dir(folder.path("."))
            .args(line.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while webcam.asked.lock().unwrap().len() < stop && begun.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A crash between an image and its row, and within a row.
    let table = String::from_utf8(folder.read("frames/metadata.csv")).unwrap();
    folder.write("frames/metadata.csv", &table.as_bytes()[..table.len() - 10]);
    folder.prints(&line);
    let mut asked = webcam.asked();
    let total = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 25, "{asked:?}");
    // The requests that were under way when it was killed.
    assert!(total <= 27, "{total} requests for 25 frames");
    assert_eq!(String::from_utf8(folder.read("frames/metadata.csv")).unwrap().lines().count(), 26);
    assert!(webcam.runtime.block_on(webcam.server.received_requests()).is_some());
}

#[test]
fn a_folder_gives_its_images_and_counts_the_rest() {
    let folder = Folder::new();
    for number in 0..7 {
        folder.write(&format!("images/note{number}.jpg"), b"not a picture");
    }
    let output = folder.weathervane("collect images --out frames");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("48 new") && said.contains("7 failed"), "{said}");
    assert!(said.contains("note4.jpg") && !said.contains("note6.jpg") && said.contains("2 more"), "{said}");
    let said = folder.weathervane("collect images --out frames").stderr;
    assert!(String::from_utf8_lossy(&said).contains("0 new, 48 there already"));
}

#[test]
fn the_newest_frame_is_kept_when_it_is_new() {
    let (folder, webcam) = (Folder::new(), Webcam::new(Duration::ZERO));
    let line = format!("collect {}/newest.png --latest --out frames", webcam.server.uri());
    folder.prints(&line);
    let said = folder.weathervane(&line).stderr;
    assert!(
        String::from_utf8_lossy(&said).contains("0 new, 0 there already, 0 not on the server, 1 repeats")
    );
    assert_eq!(String::from_utf8(folder.read("frames/metadata.csv")).unwrap().lines().count(), 2);
}

#[test]
fn another_program_s_file_of_a_frame_s_name_is_left_alone() {
    let (folder, webcam) = (Folder::new(), Webcam::new(Duration::ZERO));
    std::fs::create_dir(folder.path("frames")).unwrap();
    folder.write("frames/2020-01-02T13-00-00.txt", b"seen at the window: rain");
    folder.prints(&webcam.line("--from 2020-01-01 --to 2020-01-03"));
    assert_eq!(webcam.asked().len(), 3);
    assert_eq!(folder.read("frames/2020-01-02T13-00-00.png"), png("20200102"));
    assert_eq!(folder.read("frames/2020-01-02T13-00-00.txt"), b"seen at the window: rain");
    // A collection is a source of images too, without its tables.
    let said = folder.weathervane("collect frames --out copy").stderr;
    assert!(
        String::from_utf8_lossy(&said)
            .contains("3 new, 0 there already, 0 not on the server, 0 repeats, 1 failed")
    );
}

/// Asks a server for two frames that answers the first request with a status and `Retry-After`.
fn with_busy_server(status: u16, retry_after: &str) -> (Folder, std::process::Output, usize) {
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    let server = runtime.block_on(MockServer::start());
    let busy = ResponseTemplate::new(status).insert_header("Retry-After", retry_after);
    runtime.block_on(Mock::given(any()).respond_with(busy).up_to_n_times(1).mount(&server));
    let frame = |request: &Request| ResponseTemplate::new(200).set_body_bytes(png(request.url.path()));
    runtime.block_on(Mock::given(any()).respond_with(frame).mount(&server));
    let line = format!("collect {}/%d.png --from 2020-01-01 --to 2020-01-02 --out frames", server.uri());
    let output = folder.weathervane(&line);
    let asked = runtime.block_on(server.received_requests()).unwrap().len();
    (folder, output, asked)
}

#[test]
fn a_busy_server_is_waited_for_as_it_asks() {
    for status in [429, 503] {
        let (_folder, output, asked) = with_busy_server(status, "2");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("asks to wait 2 s"), "{said}");
        assert!(said.contains("2 new") && asked == 3, "{asked}: {said}");
    }
}

#[test]
fn a_server_that_asks_for_an_hour_is_left_in_peace() {
    let (folder, output, asked) = with_busy_server(503, "3600");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("answered 503") && said.contains("try again in 3600 s"), "{said}");
    assert!(said.contains("the others were not tried") && asked == 1, "{asked}: {said}");
    assert_eq!(String::from_utf8(folder.read("frames/metadata.csv")).unwrap().lines().count(), 1);
}

#[test]
fn two_runs_never_write_into_one_folder() {
    let folder = Folder::new();
    folder.prints("collect images --out frames");
    let other = std::fs::File::open(folder.path("frames/metadata.csv")).unwrap();
    other.try_lock().unwrap();
    let said = folder.complains("collect images --out frames");
    assert!(said.contains("`frames/metadata.csv` is in use: another run collects"), "{said}");
    // The lock goes with its owner, and no file stays of it.
    drop(other);
    assert!(folder.advises("collect images --out frames").contains("0 new, 48 there already"));
}

#[test]
fn a_server_of_web_pages_leaves_no_image_behind() {
    let folder = Folder::new();
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(MockServer::start());
    let page = ResponseTemplate::new(200).set_body_raw("<html>log in</html>", "text/html");
    runtime.block_on(Mock::given(any()).respond_with(page).mount(&server));
    let line = format!("collect {}/%d.png --from 2020-01-01 --to 2020-01-07 --out frames", server.uri());
    let said = folder.complains(&line);
    assert!(said.contains("7 failed") && said.contains("nothing could be collected"), "{said}");
    assert!(said.contains("/07.png") || said.contains("and 2 more"), "{said}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path("frames")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".csv")), "{left:?}");
}

#[test]
fn wrong_lines_say_what_to_do() {
    let folder = Folder::new();
    let said = |line: &str| folder.complains(line);
    let asked = "collect http://127.0.0.1:9/a%Y%m%d.jpg --out frames";
    assert!(said("collect --out frames").contains("URL_TEMPLATE"));
    assert!(said(asked).contains("--from and --to"));
    assert!(said(&format!("{asked} --from 2020-02-01 --to 2020-01-01")).contains("ends before it starts"));
    assert!(
        said("collect http://127.0.0.1:9/a.jpg --out frames --from 2020-01-01 --to 2020-01-02")
            .contains("no date in it")
    );
    assert!(said("collect nowhere --out frames").contains("neither an http(s) address nor a folder"));
    assert!(said("collect --preset eiger --out frames").contains("jungfraujoch"));
    folder.write("labels.txt", b"ftp://example.org/a.jpg\n");
    assert!(said("collect --list labels.txt --out frames").contains("line 1"));
    folder.write("images/metadata.csv", b"a,b\n1,2\n");
    assert!(said("collect images --out images").contains("another program"));
    // Also one that ends within its first line, and nothing of it is lost.
    folder.write("images/metadata.csv", b"my notes");
    assert!(said("collect images --out images").contains("another program"));
    assert_eq!(folder.read("images/metadata.csv"), b"my notes");
    assert!(!folder.path("frames").exists());
}
