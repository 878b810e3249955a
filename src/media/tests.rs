mod turns;

use serde_json::json;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::labelstudio::ClientConfig;

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// 5,000 zero bytes.
const GZIPPED_ZEROS: &str = "H4sIAAAAAAACA+3BMQEAAADCoPVPbQo/oAAAAACAtwGoDuXYiBMAAA==";
const IMAGE: &[u8] = b"\x89PNG of a cloud";

fn config() -> MediaConfig {
    MediaConfig {
        local_files_root: None,
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        max_image_bytes: 1_000,
        image_timeout: Duration::from_secs(30),
        max_downloads: 4,
    }
}

fn media(config: MediaConfig, label_studio: Option<&str>) -> Media {
    let client = Client::new(ClientConfig {
        base_url: label_studio.map(|base| Url::parse(base).unwrap()),
        token: label_studio.map(|_| SecretString::from(TOKEN)),
        verify_tls: true,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        proxy: None,
    })
    .unwrap();
    Media::new(config, Some(&client)).unwrap()
}

fn image() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_bytes(IMAGE)
}

fn to(location: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(302).insert_header("Location", location.into())
}

async fn mount(server: &MockServer, at: &str, answer: ResponseTemplate) {
    Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(server).await;
}

/// Fetches for task 9 and gives the error's text.
async fn failure(media: &Media, source: &str) -> String {
    media.fetch(Some(TaskId(9)), source, None).await.expect_err(source).to_string()
}

async fn authorizations(server: &MockServer) -> Vec<Option<String>> {
    let requests = server.received_requests().await.unwrap();
    let header = |request: &wiremock::Request| {
        request.headers.get("Authorization").map(|value| value.to_str().unwrap().to_owned())
    };
    requests.iter().map(header).collect()
}

#[tokio::test]
async fn each_kind_of_file_is_fetched_from_label_studio_with_the_token() {
    let server = MockServer::start().await;
    let token = || header("Authorization", format!("Token {TOKEN}"));
    for matcher in [path("/ls/data/upload/2/a.png"), path("/ls/data/local-files/")] {
        Mock::given(matcher).and(token()).respond_with(image()).mount(&server).await;
    }
    // base64 of "s3://bucket/x?>>.png", in the URL-safe alphabet with padding.
    Mock::given(path("/ls/tasks/9/resolve/"))
        .and(query_param("fileuri", "czM6Ly9idWNrZXQveD8-Pi5wbmc="))
        .and(token())
        .respond_with(image())
        .mount(&server)
        .await;
    let media = media(config(), Some(&format!("{}/ls", server.uri())));
    for source in [
        "/data/upload/2/a.png",
        "http://localhost:9/data/upload/2/a.png",
        "/data/local-files/?d=a.png",
        "/storage-data/uploaded/?filepath=upload/2/a.png",
        "s3://bucket/x?>>.png",
    ] {
        assert_eq!(media.fetch(Some(TaskId(9)), source, None).await.unwrap(), IMAGE, "{source}");
    }
    let error = media.fetch(None, "s3://bucket/a.png", None).await.expect_err("no task").to_string();
    assert!(error.contains("save the task first"), "{error}");
}

#[tokio::test]
async fn a_refusal_names_its_true_cause() {
    let server = MockServer::start().await;
    let answers = |status: u16, kind: &str, body: &str| {
        ResponseTemplate::new(status).set_body_raw(body.as_bytes().to_vec(), kind)
    };
    let expired = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    for (at, answer, words) in [
        (
            "/a",
            answers(403, "application/xml", expired),
            "403 Forbidden: `Request has expired`; the signed link has expired",
        ),
        ("/b", answers(403, "text/plain", "Please set a User-Agent"), "do not call themselves a browser"),
        (
            "/c",
            answers(403, "text/html", "<html>no</html>"),
            "answered 403 Forbidden; give the project a task data login",
        ),
        ("/d", to("data:image/png;base64,AAAA"), "redirects to `data:`, which is not followed"),
        (
            "/e",
            answers(200, "multipart/x-mixed-replace; boundary=x", "x"),
            "a stream of pictures without end",
        ),
        ("/f", answers(200, "video/mp4", "x"), "gives a video"),
    ] {
        mount(&server, at, answer).await;
        let error = failure(&media(config(), None), &format!("{}{at}", server.uri())).await;
        assert!(error.contains(words), "{error}");
    }
    for placeholder in ["undefined", "NULL", "None", "$image", "#N/A"] {
        let error = failure(&media(config(), None), placeholder).await;
        assert!(error.contains("the import left it empty"), "{error}");
    }
}

#[tokio::test]
async fn without_label_studio_its_files_name_the_setting_and_absolute_ones_are_fetched_plainly() {
    let server = MockServer::start().await;
    mount(&server, "/data/upload/2/a.png", image()).await;
    let media = media(config(), None);
    for source in ["/data/upload/2/a.png", "/data/local-files/?d=a.png", "gs://bucket/a.png"] {
        let error = failure(&media, source).await;
        assert!(error.starts_with("image for task 9: ") && error.contains("LABEL_STUDIO_URL"), "{error}");
    }
    let absolute = format!("{}/data/upload/2/a.png", server.uri());
    assert_eq!(media.fetch(None, &absolute, None).await.unwrap(), IMAGE);
    assert_eq!(authorizations(&server).await, [None]);
}

#[tokio::test]
async fn the_token_stays_behind_when_label_studio_redirects_to_another_host() {
    let studio = MockServer::start().await;
    let bucket = MockServer::start().await;
    mount(&studio, "/tasks/9/resolve/", to(format!("{}/signed.png?X-Sig=1", bucket.uri()))).await;
    mount(&bucket, "/signed.png", image()).await;
    let media = media(config(), Some(&studio.uri()));
    assert_eq!(media.fetch(Some(TaskId(9)), "s3://bucket/a.png", None).await.unwrap(), IMAGE);
    assert_eq!(authorizations(&studio).await, [Some(format!("Token {TOKEN}"))]);
    assert_eq!(authorizations(&bucket).await, [None]);
}

#[tokio::test]
async fn the_token_goes_along_to_files_of_label_studio_only() {
    let studio = MockServer::start().await;
    mount(&studio, "/data/upload/2/a.png", to("/data/upload/2/b.png")).await;
    mount(&studio, "/data/upload/2/b.png", to("/api/projects/1")).await;
    mount(&studio, "/api/projects/1", image()).await;
    let media = media(config(), Some(&studio.uri()));
    media.fetch(None, "/data/upload/2/a.png", None).await.unwrap();
    media.fetch(None, &format!("{}/api/projects/1", studio.uri()), None).await.unwrap();
    let token = Some(format!("Token {TOKEN}"));
    assert_eq!(authorizations(&studio).await, [token.clone(), token, None, None]);
}

#[tokio::test]
async fn a_login_goes_to_its_host_and_neither_to_label_studio_nor_where_it_is_redirected() {
    let studio = MockServer::start().await;
    let host = MockServer::start().await;
    let other = MockServer::start().await;
    mount(&host, "/a.png", to("/b.png")).await;
    mount(&host, "/b.png", to(format!("{}/c.png", other.uri()))).await;
    mount(&other, "/c.png", image()).await;
    mount(&studio, "/d.png", image()).await;
    let media = media(config(), Some(&studio.uri()));
    let login = BasicCredentials { login: "me".to_owned(), password: SecretString::from("hush") };
    assert!(!format!("{login:?}").contains("hush"));
    for source in [format!("{}/a.png", host.uri()), format!("{}/d.png", studio.uri())] {
        assert_eq!(media.fetch(None, &source, Some(&login)).await.unwrap(), IMAGE);
    }
    let basic = Some("Basic bWU6aHVzaA==".to_owned());
    assert_eq!(authorizations(&host).await, [basic.clone(), basic]);
    assert_eq!(authorizations(&other).await, [None]);
    assert_eq!(authorizations(&studio).await, [None]);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_by_number_by_name_and_after_a_redirect() {
    let studio = MockServer::start().await;
    let closed = MockServer::start().await;
    mount(&studio, "/data/upload/2/a.png", to("http://169.254.169.254/latest/?token=hush")).await;
    mount(&studio, "/data/upload/2/b.png", to(format!("{}/x.png?token=hush", closed.uri()))).await;
    mount(&closed, "/x.png", image()).await;
    let media = media(MediaConfig { allow: Vec::new(), ..config() }, Some(&studio.uri()));
    let port = closed.address().port();
    let advice = "is not public; allow it with --fetch-allow-cidr";
    for (source, refused) in [
        ("http://169.254.169.254/?x=hush".to_owned(), "http://169.254.169.254/: address ".to_owned()),
        (
            format!("http://me:hush@127.0.0.1:{port}/x.png"),
            format!("http://127.0.0.1:{port}/x.png: address "),
        ),
        (format!("http://[::ffff:127.0.0.1]:{port}/x.png"), format!("http://[::ffff:7f00:1]:{port}/x.png: ")),
        (format!("http://2130706433:{port}/x.png"), format!("http://127.0.0.1:{port}/x.png: address ")),
        (format!("http://localhost:{port}/x.png?x=hush"), format!("http://localhost:{port}/x.png: address ")),
        ("/data/upload/2/a.png".to_owned(), "http://169.254.169.254/latest/: address ".to_owned()),
        ("/data/upload/2/b.png".to_owned(), format!("http://127.0.0.1:{port}/x.png: address ")),
    ] {
        let error = failure(&media, &source).await;
        assert!(error.starts_with(&format!("image for task 9: refused to fetch {refused}")), "{error}");
        assert!(error.ends_with(advice) && !error.contains("hush"), "{error}");
    }
    assert!(closed.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = MockServer::start().await;
    for step in 0..6 {
        mount(&server, &format!("/{step}"), to(format!("/{}", step + 1))).await;
    }
    mount(&server, "/6", image()).await;
    mount(&server, "/file", to("file:///etc/passwd")).await;
    let media = media(config(), None);
    assert_eq!(media.fetch(None, &format!("{}/1", server.uri()), None).await.unwrap(), IMAGE);
    let error = failure(&media, &format!("{}/0", server.uri())).await;
    assert!(error.contains("/0 redirects more than 5 times"), "{error}");
    let error = failure(&media, &format!("{}/file", server.uri())).await;
    assert!(error.contains("redirects to `file:`, which is not followed"), "{error}");
}

#[tokio::test]
async fn bad_answers_of_an_image_host_are_explained() {
    let server = MockServer::start().await;
    let bomb = base64::engine::general_purpose::STANDARD.decode(GZIPPED_ZEROS).unwrap();
    let page = ResponseTemplate::new(404).set_body_string("<html>hush</html>");
    for (at, answer, said) in [
        (
            "/exact",
            ResponseTemplate::new(200).set_body_bytes(vec![1; 1_001]),
            "is 1001 bytes, limit is 1000 bytes",
        ),
        (
            "/bomb",
            ResponseTemplate::new(200).set_body_bytes(bomb).insert_header("Content-Encoding", "gzip"),
            "is larger than 1000 bytes",
        ),
        ("/empty", ResponseTemplate::new(200), "is empty (0 bytes)"),
        ("/gone", page, "/gone answered 404 Not Found; the file is gone"),
        ("/closed", ResponseTemplate::new(403), "task data login"),
        ("/busy", ResponseTemplate::new(503), "try again later"),
    ] {
        mount(&server, at, answer).await;
        let error = failure(&media(config(), None), &format!("{}{at}?sig=hush", server.uri())).await;
        assert!(error.contains(said) && !error.contains("hush"), "{error}");
    }
    let error = failure(&media(config(), None), "http://127.0.0.1:1/a.png?sig=hush").await;
    assert!(
        error.contains("http://127.0.0.1:1/a.png can't be reached: ") && !error.contains("hush"),
        "{error}"
    );
}

#[tokio::test]
async fn bad_answers_of_label_studio_are_explained_in_its_own_words() {
    let studio = MockServer::start().await;
    let media = media(config(), Some(&studio.uri()));
    let detail = |status| ResponseTemplate::new(status).set_body_json(json!({"detail": "Its own words."}));
    let page = ResponseTemplate::new(200).set_body_raw("<html>", "text/html; charset=utf-8");
    for (name, answer, said) in [
        ("unknown", detail(401), "refused the legacy token (401: `Its own words.`)"),
        ("forbidden", detail(403), "answered 403: `Its own words.`"),
        ("missing", detail(404), "answered 404: `Its own words.`; the file is gone"),
        ("login", to("/user/login/?next=/x"), "refused the legacy token (it redirects to its login page)"),
        ("page", page, "a web page instead of a file"),
        ("moved", to("https://studio.example/data/upload/2/moved"), "redirects to https://studio.example/"),
    ] {
        let at = format!("/data/upload/2/{name}");
        mount(&studio, &at, answer).await;
        let error = failure(&media, &at).await;
        assert!(error.starts_with("image for task 9: ") && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_mounted_root_comes_before_label_studio_and_does_not_replace_it() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("here.png"), "from disk").unwrap();
    let studio = MockServer::start().await;
    mount(&studio, "/data/local-files/", image()).await;
    let mounted = || MediaConfig { local_files_root: Some(root.path().to_owned()), ..config() };
    let both = media(mounted(), Some(&studio.uri()));
    for (source, bytes) in [
        ("/data/local-files/?d=here.png", &b"from disk"[..]),
        ("http://localhost:9/data/local-files/?d=here.png", b"from disk"),
        ("/data/local-files/?d=there.png", IMAGE),
    ] {
        assert_eq!(both.fetch(None, source, None).await.unwrap(), bytes, "{source}");
    }
    let error = failure(&media(mounted(), None), "/data/local-files/?d=there.png").await;
    assert!(error.contains("does not exist under the local files root"), "{error}");
}

#[tokio::test]
async fn data_uris_need_no_network_and_obey_the_size_limit() {
    let media = media(config(), None);
    assert_eq!(media.fetch(None, "data:image/png;base64,aGVsbG8=", None).await.unwrap(), &b"hello"[..]);
    let error = failure(&media, &format!("data:;base64,{}", "A".repeat(2_000))).await;
    assert!(error.starts_with("image for task 9 is 1500 bytes, limit is 1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_root_that_is_not_there_is_named() {
    let config = MediaConfig { local_files_root: Some("/no/such/folder".into()), ..config() };
    let client = Client::new(ClientConfig {
        base_url: None,
        token: None,
        verify_tls: true,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        proxy: None,
    })
    .unwrap();
    let error = Media::new(config, Some(&client)).err().expect("no folder").to_string();
    assert!(error.contains("`/no/such/folder`") && error.contains("--local-files-root"), "{error}");
}
