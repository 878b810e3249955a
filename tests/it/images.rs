//! Where images come from, and what is refused.

use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::label_studio::{self, TOKEN};
use crate::support::pictures::{CLASSES, data_uri, encode, picture, png};
use crate::support::{Server, WEATHER};

async fn taught(arguments: &[&str]) -> Server {
    let arguments = [&["--train-trigger", "manual", "--reconcile-seconds", "0"], arguments].concat();
    let server = Server::start(&arguments).await;
    for id in 1..=8 {
        let class = id as usize % 4;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    server.job_ended(answer["job"].as_str().expect("a job id")).await;
    server
}

#[tokio::test]
async fn uploads_and_local_files_come_with_the_token_under_every_spelling_of_the_host() {
    let fake = label_studio::start().await;
    label_studio::upload(&fake, "/data/upload/1/ab-x.png", png(2, 5)).await;
    label_studio::upload(&fake, "/data/local-files/", png(3, 5)).await;
    let server = taught(&["--label-studio-url", &fake.uri(), "--label-studio-api-key", TOKEN]).await;
    let results = server
        .predict(
            WEATHER,
            &[
                (101, "/data/upload/1/ab-x.png".to_owned()),
                (102, "http://localhost:8080/data/upload/1/ab-x.png".to_owned()),
                (103, "/data/local-files/?d=photos/a%20b.png".to_owned()),
                (104, "/label-studio/data/upload/1/ab-x.png".to_owned()),
            ],
        )
        .await;
    for result in &results {
        assert!(result["score"].is_f64(), "{results:#?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_mounted_local_files_root_is_read_directly_and_never_left() {
    let root = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(root.path().join("a b.png"), png(1, 3)).expect("a file");
    std::fs::write(outside.path().join("secret.png"), png(1, 4)).expect("a file");
    std::os::unix::fs::symlink(outside.path(), root.path().join("link")).expect("a link");
    let server = taught(&["--local-files-root", root.path().to_str().expect("UTF-8")]).await;
    let secret = outside.path().join("secret.png").display().to_string();
    let results = server
        .predict(
            WEATHER,
            &[
                (1, "/data/local-files/?d=a%20b.png".to_owned()),
                (2, format!("/data/local-files/?d={secret}")),
                (3, format!("/data/local-files/?d=../{secret}")),
                (4, "/data/local-files/?d=link/secret.png".to_owned()),
            ],
        )
        .await;
    assert!(results[0]["score"].is_f64(), "{results:#?}");
    assert_eq!(results[1..], [json!([]), json!([]), json!([])]);
    server.stop().await;
}

#[tokio::test]
async fn an_image_is_fetched_and_run_once() {
    let host = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/a.jpg"))
        .respond_with(
            ResponseTemplate::new(200).set_body_bytes(encode(&picture(0, 7), image::ImageFormat::Jpeg)),
        )
        .expect(1)
        .mount(&host)
        .await;
    let server = taught(&["--fetch-allow-cidr", "127.0.0.0/8"]).await;
    let image = format!("{}/a.jpg", host.uri());
    let first = server.predict(WEATHER, &[(50, image.clone()), (51, image.clone())]).await;
    assert!(first[0]["score"].is_f64(), "{first:#?}");
    server.annotate(WEATHER, 50, &image, CLASSES[0]).await;
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    server.job_ended(answer["job"].as_str().expect("a job id")).await;
    let data = server.stop().await;
    let server = Server::start_on(data, &["--fetch-allow-cidr", "127.0.0.0/8"]).await;
    server.version_after(WEATHER, "untrained").await;
    let again = server.predict(WEATHER, &[(50, image)]).await;
    assert!(again[0]["score"].is_f64(), "{again:#?}");
    server.stop().await;
    host.verify().await;
}

#[tokio::test]
async fn addresses_that_are_not_public_are_not_fetched() {
    let host = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(png(0, 1)))
        .expect(0)
        .mount(&host)
        .await;
    let server = taught(&[]).await;
    let results = server
        .predict(
            WEATHER,
            &[
                (60, format!("{}/x.png", host.uri())),
                (61, "http://169.254.169.254/latest/meta-data/".to_owned()),
                (62, "file:///etc/passwd".to_owned()),
                (63, "http://[::1]:22/".to_owned()),
            ],
        )
        .await;
    assert_eq!(results, vec![json!([]); 4]);
    server.stop().await;
    host.verify().await;
}

#[tokio::test]
async fn one_bad_image_never_fails_the_batch() {
    let host = MockServer::start().await;
    for (at, answer) in [
        ("/missing.png", ResponseTemplate::new(404)),
        ("/page.png", ResponseTemplate::new(200).set_body_string("<html>login</html>")),
        ("/empty.png", ResponseTemplate::new(200)),
        ("/big.png", ResponseTemplate::new(200).set_body_bytes(vec![0; 200_000])),
        ("/good.png", ResponseTemplate::new(200).set_body_bytes(png(1, 9))),
    ] {
        Mock::given(path(at)).respond_with(answer).mount(&host).await;
    }
    let server = taught(&["--fetch-allow-cidr", "127.0.0.0/8", "--max-image-bytes", "100000"]).await;
    let names = ["missing", "page", "good", "empty", "big"];
    let tasks: Vec<(i64, String)> =
        names.iter().zip(70..).map(|(name, id)| (id, format!("{}/{name}.png", host.uri()))).collect();
    let results = server.predict(WEATHER, &tasks).await;
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["score"].is_f64(), index == 2, "{}: {result}", names[index]);
    }
    let metrics = server.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains(r#"weathervane_tasks_unpredicted_total{reason="image"}"#), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn a_host_that_never_answers_costs_its_timeout_once() {
    let host = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(30)))
        .expect(1)
        .mount(&host)
        .await;
    let server = taught(&["--fetch-allow-cidr", "127.0.0.0/8", "--image-timeout-seconds", "1"]).await;
    let image = format!("{}/slow.png", host.uri());
    for _ in 0..3 {
        assert_eq!(server.predict(WEATHER, &[(80, image.clone())]).await, [json!([])]);
    }
    server.stop().await;
    host.verify().await;
}

#[tokio::test]
async fn of_a_caller_who_hangs_up_what_has_begun_is_finished_and_the_rest_is_left() {
    let host = MockServer::start().await;
    let slow = std::time::Duration::from_millis(500);
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(png(1, 9)).set_delay(slow))
        .mount(&host)
        .await;
    let server = taught(&["--fetch-allow-cidr", "127.0.0.0/8", "--max-downloads", "1"]).await;
    let tasks: Vec<serde_json::Value> = (0..30)
        .map(|id| json!({"id": 100 + id, "data": {"image": format!("{}/{id}.png", host.uri())}}))
        .collect();
    let body = json!({"tasks": tasks, "project": "1.1700000000", "label_config": WEATHER, "params": {}});
    let asking = server.http.post(format!("{}/predict", server.url)).json(&body).send();
    let asked = async || host.received_requests().await.expect("recorded").len();
    let begun = async {
        while asked().await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        _ = asking => panic!("30 images take 15 s"),
        () = begun => {}
    }
    // Another request of the same project finds the image that had begun, and nothing before its own.
    let other = format!("{}/other.png", host.uri());
    let told = server.predict(WEATHER, &[(100, format!("{}/0.png", host.uri())), (200, other)]).await;
    assert!(told.iter().all(|told| told["score"].is_f64()), "{told:#?}");
    let first = host.received_requests().await.expect("recorded");
    let first = first.iter().filter(|request| request.url.path() == "/0.png").count();
    assert_eq!(first, 1);
    let started = std::time::Instant::now();
    let on_their_way = "Images on their way to the network</dt><dd>";
    while !server.get("/ui/health").await.text().await.expect("a page").contains(&format!("{on_their_way}0<"))
    {
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(asked().await <= 4, "{} of 30 were asked for", asked().await);
    server.stop().await;
}
