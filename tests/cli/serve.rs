//! `weathervane serve` as a process: what its log says of a request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Folder;

/// Starts a server, sends it one request, and gives the answer's text and the log.
fn served(folder: &Folder, arguments: &str, request: &str) -> (String, String) {
    let mut server = Command::new(assert_cmd::cargo::cargo_bin("weathervane"))
        .current_dir(folder.path("."))
        .args("serve --port 0 --port-file port --data-dir data --backbone tiny --log-format json".split(' '))
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let answer = loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "no answer");
        let port = std::fs::read_to_string(folder.path("port")).unwrap_or_default();
        let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")) else {
            std::thread::yield_now();
            continue;
        };
        let head =
            format!("{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        break answer;
    };
    server.kill().unwrap();
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    server.wait().unwrap();
    (answer, log)
}

#[test]
fn a_request_is_found_in_the_log_by_the_id_of_its_answer() {
    // It is refused, which the log says in a line of its own.
    let (answer, log) = served(&Folder::new(), "--secret-path 0123456789abcdef", "POST /webhook");
    let lower = answer.to_lowercase();
    let id = lower
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(id.len() == 8 && answer.starts_with("HTTP/1.1 401"), "{answer}");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_request: Vec<Value> = lines.filter(|line| line["span"]["id"] == id).collect();
    let said = |text: &str| {
        of_request.iter().any(|line| line["message"].as_str().is_some_and(|said| said.contains(text)))
    };
    assert!(said("answered") && said("refused a webhook without credentials"), "{of_request:#?}\n{log}");
}

#[test]
fn a_server_that_label_studio_can_t_reach_is_warned_of() {
    let warns = |url: &str| {
        let (_, log) = served(&Folder::new(), &format!("--label-studio-url {url}"), "GET /health");
        log.contains("but only this machine reaches 127.0.0.1") && log.contains("--host 0.0.0.0")
    };
    assert!(warns("http://label-studio.invalid:8080"));
    assert!(!warns("http://127.0.0.1:9"));
}

#[test]
fn a_name_to_which_label_studio_keeps_no_webhook_is_warned_of() {
    // The request's host is `h`.
    let (answer, log) = served(&Folder::new(), "--allowed-host h", "POST /setup");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(log.contains("host `h`, which has no dot") && log.contains("NAME.internal"), "{log}");
    assert!(!served(&Folder::new(), "--allowed-host h", "GET /health").1.contains("no dot"));
}
