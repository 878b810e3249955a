//! The embedding map: the page, its points, parts of it that become tags, and what is done with tags.

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
            && page.contains("r=\"8.0\"")
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
        (with("right", "NaN"), "`right` is not a number"),
        (with("bottom", ""), "`bottom` is not a number"),
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
async fn a_line_around_images_becomes_a_tag_and_what_is_no_line_is_refused() {
    let server = mapped().await;
    let mut visitor = Visitor::of(&server);
    let page = made(&mut visitor, "").await;
    let points = points(&server, "projection=pca").await;
    let inside = |x: f32| (5.0..995.0).contains(&x);
    let (_, [x, y], ..) =
        *points.iter().find(|(_, [x, y], ..)| inside(*x) && inside(*y)).expect("a point inside");
    // A square on its tip.
    let line = format!("{},{y} {x},{} {},{y} {x},{}", x - 4.0, y + 4.0, x + 4.0, y - 4.0);
    let wanted = points.iter().filter(|(_, at, ..)| (at[0] - x).abs() + (at[1] - y).abs() < 3.99).count();
    let action = format!("{MAP}/tag");
    let many = "1,1 ".repeat(257);
    let huge = "1,1 ".repeat(70_000);
    for (polygon, reason) in [
        ("1,1 2,2", "3 to 256 corners"),
        (many.as_str(), "3 to 256 corners"),
        (huge.as_str(), "larger than"),
        ("1,1 2,2 3,NaN", "corner 3 of the line"),
        ("1,1 2,2 3,1001", "corner 3 of the line"),
        ("<script> 1,1 2,2", "corner 1 of the line"),
        ("0,0 0.001,0 0,0.001", "no image lies inside"),
    ] {
        let answer = visitor.submit(&page, &action, &[("polygon", polygon), ("tag", "drawn")]).await;
        assert!(answer.status == 400 && answer.text.contains(reason), "{polygon:.40}: {}", answer.text);
        assert!(!answer.text.contains("<script>"), "{}", answer.text);
    }
    let forged = visitor.post(&action, &[("polygon", line.as_str()), ("tag", "drawn")]).await;
    assert_eq!(forged.status, 403);
    let stale =
        visitor.submit(&page, &action, &[("polygon", line.as_str()), ("tag", "a"), ("map", "old")]).await;
    assert!(stale.status == 400 && stale.text.contains("the map has changed"), "{}", stale.text);
    let tagged = visitor.submit(&page, &action, &[("polygon", line.as_str()), ("tag", "drawn")]).await;
    let to = format!("{MAP}?projection=pca&colour=label&tagged={wanted}");
    assert_eq!(tagged.location, Some(to), "{}", tagged.text);
    server.stop().await;
}

#[tokio::test]
async fn map_and_queue_show_the_images_of_a_tag_which_is_renamed_and_removed() {
    let server = mapped().await;
    let mut visitor = Visitor::of(&server);
    let page = made(&mut visitor, "").await;
    let all = points(&server, "projection=pca").await;
    // The right half, and all of it.
    let mut places: Vec<f32> = all.iter().map(|point| point.1[0]).collect();
    places.sort_by(f32::total_cmp);
    let left = places[7].to_string();
    let half: Vec<f64> = all.iter().filter(|point| point.1[0] >= places[7]).map(|point| point.0).collect();
    let edges = [("right", "1000"), ("bottom", "0"), ("top", "1000")];
    for (tag, left) in [("odd ones", left.as_str()), ("everything", "0")] {
        let fields = [&[("left", left), ("tag", tag)][..], &edges].concat();
        assert_eq!(visitor.submit(&page, &format!("{MAP}/tag"), &fields).await.status, 303);
    }

    let part = points(&server, "projection=pca&tag=odd+ones").await;
    assert_eq!(part.iter().map(|point| point.0).collect::<Vec<_>>(), half);
    let whole = |task: f64| all.iter().find(|point| point.0 == task).expect("a point").1;
    assert!(part.iter().all(|point| point.1 == whole(point.0)), "they stand where they stood");
    let filtered = visitor.get(&format!("{MAP}?tag=odd+ones")).await;
    assert!(filtered.text.contains("with the tag <strong>odd ones</strong>"), "{}", filtered.text);
    assert_eq!(
        filtered.text.matches("<circle class=\"").count(),
        part.len() + 4 + 1,
        "points and the legend"
    );
    // What is not shown is not selected.
    let fields = [&[("left", "0"), ("tag", "of them")][..], &edges].concat();
    let of_part = visitor.submit(&filtered, &format!("{MAP}/tag"), &fields).await;
    let to = of_part.location.expect("a way on");
    assert!(to.ends_with(&format!("&tag=odd+ones&tagged={}", half.len())), "{to}");

    let open: Vec<i64> = half.iter().map(|task| *task as i64).filter(|task| *task > 20).collect();
    let says = format!("{} open task", open.len());
    let queue = visitor.until("/ui/projects/1/queue?tag=odd+ones", |page| page.contains(&says)).await;
    let shown = |task: i64| queue.text.contains(&format!("data-task=\"{task}\""));
    assert_eq!((21..=26).filter(|task| shown(*task)).collect::<Vec<_>>(), open, "{}", queue.text);

    let listed = visitor.get(MAP).await;
    let rename = "/ui/projects/1/tags/rename";
    let named = |tag: &'static str, name: &'static str| [("tag", tag), ("name", name)];
    for (fields, status, reason) in [
        (named("odd ones", "<b>"), 400, "not of U+003C"),
        (named("odd ones", ""), 400, "needs a name"),
        (named("odd ones", "everything"), 400, "there is a tag `everything` already"),
        (named("none", "new"), 404, "no tag `none`"),
    ] {
        let answer = visitor.submit(&listed, rename, &fields).await;
        assert!(answer.status == status && answer.text.contains(reason), "{fields:?}: {}", answer.text);
    }
    assert_eq!(
        visitor.post(rename, &named("odd ones", "second")).await.status,
        403,
        "without the form's token"
    );
    let renamed = visitor.submit(&listed, rename, &named("odd ones", "second")).await;
    assert_eq!(renamed.location, Some(format!("{MAP}?done=renamed#tags")), "{}", renamed.text);
    let after = visitor.get(&format!("{MAP}?done=renamed")).await;
    assert!(
        after.text.contains("The tag has its new name.") && after.text.contains("<strong>second</strong>")
    );
    assert_eq!(visitor.get(&format!("{MAP}?tag=odd+ones")).await.status, 404);
    assert_eq!(points(&server, "projection=pca&tag=second").await.len(), half.len());
    // A new name is seen where tags are colours, too.
    visitor.until(&format!("{MAP}?colour=tag"), |page| !page.contains("<span>odd ones</span>")).await;

    let remove = "/ui/projects/1/tags/remove";
    assert_eq!(visitor.post(remove, &[("tag", "second")]).await.status, 403);
    let removed = visitor.submit(&after, remove, &[("tag", "second")]).await;
    assert_eq!(removed.location, Some(format!("{MAP}?done=removed#tags")), "{}", removed.text);
    assert_eq!(visitor.submit(&after, remove, &[("tag", "second")]).await.status, 404);
    assert_eq!(visitor.get("/ui/projects/1/queue?tag=second").await.status, 404);
    server.stop().await;
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
