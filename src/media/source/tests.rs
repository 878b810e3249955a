use super::*;

const BASE: &str = "http://studio.example:8080/label-studio";

fn base() -> Url {
    Url::parse(BASE).unwrap()
}

/// Target of an address with Label Studio at `base`.
fn led(text: &str, base: &Url) -> String {
    match Source::parse(text, Some(base)) {
        Ok(Source::LabelStudio { file, .. }) => file.url(base).to_string(),
        Ok(Source::Http(url)) => format!("plain {url}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn files_of_label_studio_are_looked_for_at_its_configured_address_whatever_the_host() {
    for (text, path) in [
        ("/data/upload/2/44982f7c-up_one.png", "/data/upload/2/44982f7c-up_one.png"),
        ("data/upload/2/44982f7c-up_one.png", "/data/upload/2/44982f7c-up_one.png"),
        ("/label-studio/data/upload/2/a.png", "/data/upload/2/a.png"),
        ("/other/prefix/data/upload/2/a.png", "/data/upload/2/a.png"),
        ("http://localhost:8080/data/upload/2/a.png", "/data/upload/2/a.png"),
        ("http://studio.example:8080/any/data/upload/2/a.png", "/data/upload/2/a.png"),
        ("https://elsewhere.example/label-studio/data/upload/2/a.png", "/data/upload/2/a.png"),
        ("https://elsewhere.example/ls/data/upload/2/44982f7c-a.png", "/data/upload/2/44982f7c-a.png"),
        ("http://me:pw@host/data/upload/2/a%20b.png?x=1#y", "/data/upload/2/a%20b.png"),
        ("/data/upload/2/100%25.png", "/data/upload/2/100%25.png"),
        ("/data/upload/2/été.png", "/data/upload/2/%C3%A9t%C3%A9.png"),
        ("/data/local-files/?d=photos/a%20b.png", "/data/local-files/?d=photos%2Fa+b.png"),
        ("http://10.0.0.1/ls/data/local-files/?x=1&d=a%26b.png", "/data/local-files/?d=a%26b.png"),
        ("/storage-data/uploaded/?filepath=upload/2/a%20b.png", "/data/upload/2/a%20b.png"),
        (
            "/storage-data/uploaded/?filepath=avatars/a.png",
            "/storage-data/uploaded/?filepath=avatars%2Fa.png",
        ),
    ] {
        assert_eq!(led(text, &base()), format!("{BASE}{path}"), "{text}");
    }
    let at_root = Url::parse("http://studio.example/").unwrap();
    assert_eq!(
        led("/label-studio/data/upload/2/a.png", &at_root),
        "http://studio.example/data/upload/2/a.png"
    );
}

#[test]
fn other_hosts_keep_their_own_paths_even_similar_ones() {
    for text in [
        "https://images.example/a.png",
        "https://images.example/shop/data/upload/2024/a.png",
        "https://images.example/data/local-files/",
        "https://images.example/data/local-files/x?d=1",
        "http://studio.example:8080/api/projects/1",
        "http://studio.example:8080/label-studio/tasks/1/resolve/?fileuri=x",
    ] {
        assert_eq!(led(text, &base()), format!("plain {text}"));
    }
}

#[test]
fn no_spelling_of_an_upload_leads_anywhere_but_to_uploads() {
    for text in [
        "/data/upload/../../api/projects/1",
        "/data/upload/..%2f..%2fapi/projects/1",
        "/data/upload/%2e%2e/%2e%2e/api/projects/1",
        "/data/upload/.%2e/api",
        "/data/upload/%252e%252e/api",
        "/data/upload/%25252e%25252e%25252fapi",
        "/data/upload/%2525252525252525252e%2e",
        "/data/upload/..\\..\\api",
        "/data/upload/..%5c..%5capi",
        "/data/upload/2/..;/..;/api",
        "/data/upload/2//api",
        "/data/upload//api",
        "/data/upload/",
        "/data/upload/2/a%00.png",
        "/data/upload/2/a%0d%0aHost:x",
        "/data/upload/%ff",
        "http://localhost/data/upload/../../api/projects/1",
        "http://localhost/data/upload/..%2f..%2fapi",
        "http://studio.example:8080/label-studio/data/upload/%2e%2e%2f%2e%2e%2fapi",
        "/storage-data/uploaded/?filepath=upload/../../api",
        "/storage-data/uploaded/?filepath=upload/%2e%2e/api",
        "/storage-data/uploaded/?filepath=upload/%252e%252e/api",
        "//evil.example/data/upload/2/a.png",
        "/\\evil.example/data/upload/2/a.png",
        "\\\\evil.example/data/upload/2/a.png",
        "https:/data/upload/../../api",
        "/data/upl\noad/../../api",
    ] {
        let led = led(text, &base());
        let safe = led.starts_with("error: ") || led.starts_with("plain ");
        assert!(safe, "{text}: {led}");
    }
}

#[test]
fn what_label_studio_gets_is_one_parameter_whatever_it_holds() {
    for (text, file) in [
        ("/data/local-files/?d=../../etc/passwd", "../../etc/passwd"),
        ("/data/local-files/?d=a%26token%3Dx%23y", "a&token=x#y"),
        ("/storage-data/uploaded/?filepath=a%26b", "a&b"),
    ] {
        let url = Url::parse(&led(text, &base())).unwrap();
        let pairs: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        assert_eq!((pairs, url.fragment()), (vec![file.to_owned()], None), "{text}");
    }
}

#[test]
fn data_and_cloud_addresses_are_kept_whole() {
    for text in ["data:image/png;base64,AAAA", "DATA:,x"] {
        assert_eq!(Source::parse(text, None).unwrap(), Source::Data(text));
    }
    for text in ["s3://bucket/a b.png", "gs://bucket/a.png", "azure-blob://container/a.png"] {
        assert_eq!(Source::parse(&format!(" {text} "), None).unwrap(), Source::Cloud(text));
    }
}

#[test]
fn what_is_no_address_is_refused_with_advice_and_without_its_query() {
    let long = format!("http://host/{}", "x".repeat(9_000));
    for (text, advice) in [
        ("  ", "no image address"),
        ("images/a.png?sig=hush", "`images/a.png` is a file's path; upload the image"),
        ("/etc/passwd", "`/etc/passwd` is a file's path"),
        ("C:\\photos\\a.png", "is a file's path"),
        ("file:///etc/passwd", "start with `file:` are not fetched"),
        ("ftp://host/a.png", "start with `ftp:` are not fetched"),
        ("javascript:alert(1)", "start with `javascript:` are not fetched"),
        ("http://", "is not a valid address"),
        ("//host/a.png?sig=hush", "`//host/a.png` is not a valid address"),
        ("http://[::1/?sig=hush", "`http://[::1/` is not a valid address"),
        (long.as_str(), "is 9012 bytes long, limit is 8192"),
    ] {
        let error = Source::parse(text, Some(&base())).expect_err(text).to_string();
        assert!(error.contains(advice) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn what_is_shown_of_an_address_holds_no_secret() {
    for (source, shown) in [
        ("http://me:hush@h/a.png?X-Signature=hush#hush", "http://h/a.png"),
        ("s3://bucket/a.png?hush", "s3://bucket/a.png"),
        ("data:image/png;base64,aHVzaA==", "data:image/png"),
        ("/data/upload/3/1a2b3c4d-rain.png", "/data/upload/3/1a2b3c4d-rain.png"),
        ("http://h/data/local-files/?d=photos%2Frain%201.png", "/data/local-files/?d=photos/rain 1.png"),
        ("photos/rain.png?hush", "photos/rain.png"),
    ] {
        assert_eq!(shown_source(source), shown);
    }
}

#[test]
fn a_file_that_label_studio_keeps_is_found_by_its_address() {
    let upload = |name: &str| Some(KeptFile::Upload(name.to_owned()));
    let local = |path: &str| Some(KeptFile::Local(path.to_owned()));
    assert_eq!(KeptFile::of("/data/upload/3/1a2b3c4d-a-b.png"), upload("a-b.png"));
    assert_eq!(KeptFile::of("http://h/ls/data/upload/3/1a2b3c4d-%C3%B6.png"), upload("ö.png"));
    assert_eq!(KeptFile::of("http://h/photos/a.png"), None);
    for path in ["photos/a.png", "a b/ö+&=;#?%20.png"] {
        assert_eq!(KeptFile::of(&KeptFile::local_address(path)), local(path));
    }
}
