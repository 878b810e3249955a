//! The embedding map: the page, its points, and a rectangle that becomes a tag.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::browser::{Page, Visitor, assert_page};
use crate::support::pictures::data_uri;
use crate::support::{Server, WEATHER};

const MAP: &str = "/ui/projects/1/map";

/// A server with nine labelled images, a version, and six open images.
async fn mapped() -> Server {
    let public = ["--label-studio-public-url", "http://ls.example"];
    let server = Server::start(&[&["--no-starter", "--train-trigger", "manual"][..], &public].concat()).await;
    server.taught(1..=9).await;
    server.train().await;
    let open: Vec<Value> =
        (21..=26).map(|id| json!({"id": id, "data": {"image": data_uri(id as usize, id as u32)}})).collect();
    server.post("/webhook", &json!({"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": open})).await;
    server.pool_filled(15, 0).await;
    server
}

/// The points of an address: each point's task, place, colour and size.
async fn points(server: &Server, query: &str) -> Vec<(f64, [f32; 2], u8, u8)> {
    let started = Instant::now();
    let answer = loop {
        let answer = server.get(&format!("{MAP}/points?{query}")).await;
        if answer.status() == 200 {
            break answer;
        }
        assert!(answer.status() == 503 && started.elapsed().as_secs() < 60, "{}", answer.status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let bytes = answer.bytes().await.expect("a body");
    assert_eq!(&bytes[..4], b"wvm1");
    let count = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
    assert_eq!(bytes.len(), 8 + 18 * count);
    let double = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let single = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let of = |i: usize| {
        let place = [single(8 + 8 * count + 4 * i), single(8 + 12 * count + 4 * i)];
        (double(8 + 8 * i), place, bytes[8 + 16 * count + i], bytes[8 + 17 * count + i])
    };
    (0..count).map(of).collect()
}

/// The map page once everything in it is made.
async fn made(visitor: &mut Visitor, query: &str) -> Page {
    let made = |page: &str| {
        page.contains("<circle class=")
            && !page.contains("being")
            && !page.contains("on its way")
            && page.contains("r=\"12.0\"")
    };
    visitor.until(&format!("{MAP}?{query}"), made).await
}

#[tokio::test]
async fn the_map_shows_every_image_and_what_its_colour_means() {
    let server = mapped().await;
    let mut visitor = Visitor::of(&server);
    let page = made(&mut visitor, "").await;
    assert!(page.text.contains("15 images, placed by the two axes of largest variance."), "{}", page.text);
    assert!(page.text.contains("data-task=\"http://ls.example/projects/1/data?task=\""), "{}", page.text);
    assert_page!(page);
    for (query, says) in [
        ("projection=neighbours&colour=prediction", "placed by their neighbours"),
        ("colour=certainty", "no prediction"),
        ("colour=tag", "no tag"),
        ("colour=time", "no date in task or file name"),
    ] {
        let page = made(&mut visitor, query).await;
        assert!(page.text.contains(says), "{query}: {}", page.text);
    }
    for wrong in ["projection=umap", "colour=red", "head=%3Cscript%3E"] {
        let page = visitor.get(&format!("{MAP}?{wrong}")).await;
        assert!(page.status == 404 && !page.text.contains("<script>"), "{wrong}: {}", page.text);
    }
    server.stop().await;
}

#[tokio::test]
async fn points_come_as_plain_numbers_in_the_order_of_their_tasks() {
    let server = mapped().await;
    let mut visitor = Visitor::of(&server);
    made(&mut visitor, "").await;
    for projection in ["pca", "neighbours"] {
        let points = points(&server, &format!("projection={projection}")).await;
        let tasks: Vec<f64> = points.iter().map(|point| point.0).collect();
        assert_eq!(tasks, (1..=9).chain(21..=26).map(f64::from).collect::<Vec<_>>());
        assert!(points.iter().flat_map(|point| point.1).all(|value| (0.0..=1_000.0).contains(&value)));
        // Labels are those of `taught`; open tasks have none, and are ranked.
        for (task, _, colour, size) in points {
            let expected = if task < 10.0 { (task as u8 % 3, false) } else { (255, true) };
            assert_eq!((colour, size > 0), expected, "task {task}");
        }
    }
    assert_eq!(server.get("/ui/projects/2/map/points").await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn strangers_see_neither_the_map_nor_its_points() {
    let server = Server::start(&["--basic-auth-user", "me", "--basic-auth-pass", "hush"]).await;
    for header in [("sec-fetch-mode", "cors"), ("hx-request", "true")] {
        let request = server.http.get(format!("{}{MAP}/points", server.url)).header(header.0, header.1);
        assert_eq!(request.send().await.expect("an answer").status(), 401, "{header:?}");
    }
    let mut stranger = Visitor::of(&server);
    assert_eq!(stranger.get(MAP).await.status, 303);
    assert_eq!(stranger.post(&format!("{MAP}/tag"), &[("tag", "a")]).await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_rectangle_becomes_a_tag() {
    let server = mapped().await;
    let mut visitor = Visitor::of(&server);
    let page = made(&mut visitor, "").await;
    let points = points(&server, "projection=pca").await;
    let (_, [x, y], ..) = points[10];
    let here = points.iter().filter(|point| point.1 == [x, y]).count();
    let action = format!("{MAP}/tag");
    let (x, y) = (x.to_string(), y.to_string());
    let fields = [("left", x.as_str()), ("right", &x), ("bottom", &y), ("top", &y), ("tag", "odd ones")];
    let with = |name: &'static str, value: &'static str| {
        fields.map(|field| if field.0 == name { (name, value) } else { field })
    };
    for (fields, reason) in [
        (with("left", "1001"), "inside out"),
        (with("right", "NaN"), "`right` is no number"),
        (with("bottom", ""), "`bottom` is no number"),
        (with("tag", "<script>"), "not of U+003C"),
        (with("tag", " "), "needs a name"),
    ] {
        let answer = visitor.submit(&page, &action, &fields).await;
        assert!(answer.status == 400 && answer.text.contains(reason), "{fields:?}: {}", answer.text);
        assert!(!answer.text.contains("<script>"), "{}", answer.text);
    }
    let empty = [("left", "0"), ("right", "0"), ("bottom", "0"), ("top", "0"), ("tag", "a")];
    let answer = visitor.submit(&page, &action, &empty).await;
    assert!(answer.status == 400 && answer.text.contains("no image lies"), "{}", answer.text);
    let forged = visitor.post(&action, &with("tag", "odd ones")).await;
    assert_eq!(forged.status, 403);

    let tagged = visitor.submit(&page, &action, &with("tag", "odd ones")).await;
    let to = tagged.location.expect("a way on");
    assert_eq!(to, format!("{MAP}?projection=pca&colour=label&tagged={here}"));
    assert!(visitor.get(&to).await.text.contains("the tag now."));
    let shown =
        visitor.until(&format!("{MAP}?colour=tag"), |page| page.contains("<span>odd ones</span>")).await;
    assert!(shown.text.contains(&format!("({here})")), "{}", shown.text);
    let coloured = self::points(&server, "colour=tag").await;
    assert_eq!(coloured.iter().filter(|point| point.2 == 0).count(), here);

    // Another image makes another map: what was drawn on the old one selects nothing.
    let more = json!({"action": "TASKS_CREATED", "project": {"id": 1, "label_config": WEATHER},
        "tasks": [{"id": 30, "data": {"image": data_uri(1, 77)}}]});
    server.post("/webhook", &more).await;
    server.pool_filled(16, 0).await;
    visitor.until(MAP, |page| page.contains("16 images, placed")).await;
    let late = visitor.submit(&page, &action, &with("tag", "late")).await;
    assert!(late.status == 400 && late.text.contains("the map has changed"), "{}", late.text);

    let data = server.stop().await;
    let storage = weathervane::storage::Storage::open_dir(data.path()).await.expect("the database");
    let stored = storage.tagged_images().await.expect("tags");
    assert_eq!(stored.len(), here);
    assert!(stored.iter().all(|image| image.tag == "odd ones"), "{stored:?}");
}

#[tokio::test]
async fn a_project_without_images_has_an_empty_map() {
    let server = Server::start(&[]).await;
    server.setup(WEATHER).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.until(MAP, |page| page.contains("0 images, placed")).await;
    assert_eq!(page.status, 200);
    assert_eq!(points(&server, "projection=neighbours").await.len(), 0);
    server.stop().await;
}
