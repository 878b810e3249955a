//! The dashboard in a browser.

use serde_json::{Value, json};

use crate::support::accessibility::Axe;
use crate::support::browser::{Browser, keep_picture, pictures};
use crate::support::pictures::to_learn;
use crate::support::{Backend, Project, stage, until};

/// A phone, a laptop, a large screen; CSS pixels.
const WIDTHS: [u32; 3] = [390, 1280, 2560];

/// The width whose pages are checked for what keeps people out, in both colour schemes.
const CHECKED_WIDTH: u32 = 1280;

/// A page is there with all it shows, and as wide as the window at most.
const SHOWN: &str = "return document.readyState == 'complete' && !!document.querySelector('main h1')
    && [...document.images].every(image => image.complete || image.loading == 'lazy')
    && (!document.getElementById('map-figure') || !!document.querySelector('canvas[data-points]'))
    && document.documentElement.scrollWidth <= innerWidth;";

/// Whatever the page took from another host.
const FOREIGN: &str = "return performance.getEntriesByType('resource').map(entry => entry.name)
    .filter(name => !name.startsWith(location.origin));";

/// Where the points of the map are in the window, and the tasks they stand for.
const POINTS: &str = "
    const done = arguments[arguments.length - 1];
    const canvas = document.querySelector('.map-canvas');
    canvas.scrollIntoView({block: 'center'});
    fetch(document.getElementById('map').dataset.points).then((answer) => answer.arrayBuffer()).then((bytes) => {
        const n = new DataView(bytes).getUint32(4, true);
        const [ids, x, y] = [new Float64Array(bytes, 8, n), new Float32Array(bytes, 8 + 8 * n, n), new Float32Array(bytes, 8 + 12 * n, n)];
        const view = JSON.parse(canvas.dataset.view);
        const frame = canvas.getBoundingClientRect();
        done([...ids].map((task, i) => ({
            x: frame.left + canvas.clientLeft + canvas.clientWidth / 2 + (x[i] - view.x) * view.scale * view.stretch,
            y: frame.top + canvas.clientTop + canvas.clientHeight / 2 - (y[i] - view.y) * view.scale,
            task,
        })));
    });";

/// Texts in charts that have another size than the page's.
const ODD_TEXT: &str = "
    const size = parseFloat(getComputedStyle(document.body).fontSize);
    const drawn = [...document.querySelectorAll('main svg text')].map((text) => [text, text.getScreenCTM().a]);
    const written = [...document.querySelectorAll('.bars th, .bars td, .matrix th, .matrix td')].map((cell) => [cell, 1]);
    return [...drawn, ...written]
        .map(([text, scale]) => [text.textContent, parseFloat(getComputedStyle(text).fontSize) * scale])
        .filter(([, pixels]) => Math.abs(pixels - size) > 0.1);";

/// What matters most of a project's page and is not seen without scrolling.
const OUT_OF_SIGHT: &str = "
    const wanted = ['#now', '#next li', '#learnt .plot', '#learnt .matrix'];
    return wanted.filter((one) => !(document.querySelector(one)?.getBoundingClientRect().bottom <= innerHeight));";

/// What is told of the point under the mouse, once its picture is there.
const TIP: &str = "const tip = document.querySelector('.map-tip'); const image = tip.querySelector('img');
    return !tip.hidden && !image.hidden && image.complete && image.naturalWidth > 0 ? tip.textContent : null;";

/// Tasks of the queue in the order they are shown.
const ORDER: &str =
    "return [...document.querySelectorAll('main ol.tiles h2')].map(line => line.textContent);";

/// Two versions over photographs, and open tasks beside them.
struct Scene {
    project: Project,
    backend: Backend,
    browser: Browser,
    versions: [String; 2],
}

impl Scene {
    fn page(&self, below: &str) -> String {
        format!("{}/ui/projects/{}{below}", self.backend.url, self.project.id)
    }

    async fn reads(&self, text: &str) {
        until(&format!("`{text}` on the page"), async || {
            let body = self.browser.run("return document.querySelector('main').innerText;").await;
            body.as_str()?.contains(text).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_map_is_hovered_the_queue_reordered_and_a_version_rolled_back() {
    let Some(stage) = stage().await else { return };
    let Some(browser) = Browser::open_or_say().await else { return };
    let project = stage.label_studio.project("looked at").await;
    let tasks = project.upload(&to_learn(12)).await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    let ours = project.connect(&backend).await;
    let mut versions = [String::new(), String::new()];
    // From 20 labels on a version has its figures.
    for (version, part) in versions.iter_mut().zip([&tasks[..20], &tasks[20..32]]) {
        for task in part {
            project.annotate(task).await;
        }
        project.start_training(ours).await;
        let labels = backend.project(project.id).await["annotations"].as_u64().expect("a count");
        *version = backend.version_over(project.id, labels as usize).await;
    }
    let scene = Scene { project, backend, browser, versions };
    hover_the_map(&scene).await;
    tag_what_is_visible(&scene).await;
    draw_lines_around_images(&scene).await;
    rename_and_remove_tags(&scene).await;
    show_more(&scene).await;
    reorder(&scene).await;
    roll_back(&scene).await;
    look_around_in(&scene.browser, &scene.backend.url, scene.project.id).await;
}

async fn hover_the_map(scene: &Scene) {
    let browser = &scene.browser;
    browser.go_to(&scene.page("/map?projection=neighbours&colour=prediction")).await;
    until("the map of neighbours", async || {
        let drawn = "const canvas = document.querySelector('canvas[data-points]');
            return document.getElementById('map').dataset.projection == 'neighbours' && canvas && canvas.dataset.points;";
        (browser.run(drawn).await == "48").then_some(())
    })
    .await;
    let point = browser.run_until_told(POINTS, &[]).await[0].clone();
    let place = ["x", "y"].map(|axis| point[axis].as_f64().expect("a place"));
    browser.point_at(place[0], place[1], false).await;
    let told = until("a thumbnail", async || Some(browser.run(TIP).await.as_str()?.to_owned())).await;
    assert!(told.starts_with("Task "), "{told}");
    browser.screenshot(&pictures().join("dashboard-map-hover.png")).await;

    let windows = browser.windows().await;
    browser.point_at(place[0], place[1], true).await;
    let opened = until("Label Studio in a window of its own", async || {
        browser.windows().await.into_iter().find(|window| !windows.contains(window))
    })
    .await;
    browser.turn_to(&opened).await;
    let task = told.trim_start_matches("Task ").split(':').next().expect("a number").to_owned();
    until("the task in Label Studio", async || {
        let address = browser.address().await;
        // Nobody is logged in there: it asks first who wants to see the task.
        let wanted = format!("/projects/{}/data/%3Ftask%3D{task}", scene.project.id);
        (address.starts_with(&scene.project.label_studio().url) && address.ends_with(&wanted)).then_some(())
    })
    .await;
    browser.close_for(&windows[0]).await;
    // What Label Studio's own page complains of is its own.
    let errors = browser.errors().await;
    assert!(errors.iter().all(|error| error.starts_with(&scene.project.label_studio().url)), "{errors:?}");
}

async fn tag_what_is_visible(scene: &Scene) {
    let browser = &scene.browser;
    let buttons = "[...document.querySelectorAll('.map-tools button')]";
    browser
        .run(&format!("{buttons}.find(one => one.textContent == 'Select what is visible').click();"))
        .await;
    assert_eq!(
        browser.run("return document.getElementById('map-told').textContent;").await,
        "48 images in the rectangle"
    );
    browser.find("#map-tag [name=tag]").await.write("all of it").await;
    browser.find("#map-tag button").await.click().await;
    scene.reads("48 images bear the tag now.").await;
    browser.go_to(&scene.page("/map?colour=tag")).await;
    scene.reads("all of it (48)").await;
}

/// Where the 48 points of the map are in the window.
async fn places_on_map(scene: &Scene) -> Vec<[f64; 2]> {
    let browser = &scene.browser;
    browser.go_to(&scene.page("/map?colour=label")).await;
    browser.find("canvas[data-points='48']").await;
    let points = browser.run_until_told(POINTS, &[]).await;
    let place = |point: &Value| ["x", "y"].map(|axis| point[axis].as_f64().expect("a place"));
    let places: Vec<[f64; 2]> = points.as_array().expect("points").iter().map(place).collect();
    let xs = places.iter().map(|place| place[0]);
    let spread = xs.clone().fold(f64::MIN, f64::max) - xs.fold(f64::MAX, f64::min);
    let canvas = browser.run("return document.querySelector('.map-canvas').clientWidth;").await;
    assert!(spread > 0.8 * canvas.as_f64().expect("a width"), "the map takes {spread} of {canvas} px");
    places
}

async fn press_tool(scene: &Scene, name: &str) {
    let press = format!(
        "[...document.querySelectorAll('.map-tools button')].find((one) => one.textContent == '{name}').click();"
    );
    scene.browser.run(&press).await;
}

/// A line around some images, drawn by mouse and by finger, selects what is inside and nothing else.
async fn draw_lines_around_images(scene: &Scene) {
    let browser = &scene.browser;
    let radius = 40.0;
    for (pointer, tag) in [("mouse", "by mouse"), ("touch", "by finger")] {
        // A map that changes meanwhile asks for another line.
        let (places, told) = until("what is inside the line", async || {
            let places = places_on_map(scene).await;
            let [x, y] = places[0];
            // A circle through 24 corners around the first point.
            let corner = |k: i32| {
                let angle = f64::from(k) * std::f64::consts::TAU / 24.0;
                [x + radius * angle.cos(), y + radius * angle.sin()]
            };
            press_tool(scene, "Draw a line around").await;
            browser.drag(pointer, &(0..24).map(corner).collect::<Vec<_>>()).await;
            let told = browser.run("return document.getElementById('map-told').textContent;").await;
            let told = told.as_str()?.strip_suffix(" inside the line")?.to_owned();
            Some((places, told))
        })
        .await;
        let [x, y] = places[0];
        let inside =
            |within: f64| places.iter().filter(|place| (place[0] - x).hypot(place[1] - y) < within).count();
        let count: usize = told.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        assert!((inside(radius - 3.0)..=inside(radius + 3.0)).contains(&count), "{pointer}: {told}");
        browser.screenshot(&pictures().join(format!("dashboard-map-line-{pointer}.png"))).await;
        browser.find("#map-tag [name=tag]").await.write(tag).await;
        browser.find("#map-tag button").await.click().await;
        let bear = if count == 1 { "image bears" } else { "images bear" };
        scene.reads(&format!("{count} {bear} the tag now.")).await;
    }
}

async fn rename_and_remove_tags(scene: &Scene) {
    let browser = &scene.browser;
    browser.find("[aria-label='Change tag by mouse']").await.click().await;
    let name = "[aria-label='New name of tag by mouse']";
    browser.find(name).await;
    browser.run(&format!("document.querySelector(\"{name}\").value = '';")).await;
    browser.find(name).await.write("odd corner").await;
    browser
        .find("#tags li:has([aria-label='Map of tag by mouse']) form[action$=rename] button")
        .await
        .click()
        .await;
    scene.reads("The tag has its new name.").await;
    browser.find("[aria-label='Map of tag odd corner']").await.click().await;
    scene.reads("with the tag odd corner").await;
    let shown = until("the points of the tag", async || {
        browser
            .run("return document.querySelector('canvas[data-points]')?.dataset.points;")
            .await
            .as_str()
            .map(str::to_owned)
    })
    .await;
    assert_ne!(shown, "48");
    browser.find("[aria-label='Change tag by finger']").await.click().await;
    browser.find("[aria-label='Remove tag by finger']").await.click().await;
    scene.reads("The tag is removed").await;
    browser.find("[aria-label='Queue of tag odd corner']").await.click().await;
    scene.reads("Only images with the tag odd corner are shown.").await;
}

/// More tasks come below those that are there; nothing moves, and the focus goes on.
async fn show_more(scene: &Scene) {
    let browser = &scene.browser;
    browser.go_to(&scene.page("/queue?n=4")).await;
    browser.find("a[data-more]").await;
    until("a ranking that is not being made anew", async || {
        browser
            .run("return !document.querySelector('[data-waiting]');")
            .await
            .as_bool()
            .filter(|ready| *ready)
    })
    .await;
    let before = browser
        .run(
            "document.querySelector('#place-1').dataset.kept = 'yes';
            document.querySelector('a[data-more]').scrollIntoView({block: 'end'});
            return [scrollY, document.querySelectorAll('main ol.tiles > li').length];",
        )
        .await;
    assert_eq!(before[1], 4);
    browser.find("a[data-more]").await.click().await;
    let after = until("more tasks", async || {
        let seen = browser
            .run(
                "return [scrollY, document.querySelectorAll('main ol.tiles > li').length,
                    document.activeElement.id, document.querySelector('#place-1').dataset.kept, location.search];",
            )
            .await;
        (seen[1].as_u64() > Some(4)).then_some(seen)
    })
    .await;
    assert_eq!(after, json!([before[0], 16, "place-5", "yes", "?n=28"]));
}

/// Strategies to look at until one begins with another task than the one in use: which one does depends on the pictures.
const OTHERS: [&str; 6] = ["k-center", "random", "margin", "entropy", "medoids", "badge"];

async fn reorder(scene: &Scene) {
    let browser = &scene.browser;
    browser.go_to(&scene.page("/queue")).await;
    let before = order(scene).await;
    let mut found = None;
    for strategy in OTHERS {
        browser.find(&format!("#strategy option[value={strategy}]")).await.click().await;
        browser.find("form[method=get] button").await.click().await;
        scene.reads("Until then the project goes on with automatic").await;
        scene.reads(&format!("ranked by {strategy}")).await;
        let shown = order(scene).await;
        if shown[0] != before[0] {
            found = Some((strategy, shown));
            break;
        }
    }
    let (strategy, shown) = found.expect("a strategy that begins with another task");
    scene.reads("now at place").await;
    browser.screenshot(&pictures().join("dashboard-queue-before-applying.png")).await;
    assert_eq!(scene.project.settings().await["model_version"], scene.versions[1]);

    browser.find("form[action$='/queue/strategy'] button").await.click().await;
    scene.reads("This strategy is in use.").await;
    assert_eq!(order(scene).await[0], shown[0]);
    // Asked but once: whoever asks holds the task.
    scene.backend.says(&format!("strategy=\"{strategy}\" duration_ms")).await;
    // "1. Task 34": Label Studio gives what the page shows.
    let expected = shown[0].as_str().and_then(|line| line.rsplit(' ').next()).and_then(|id| id.parse().ok());
    assert_eq!(scene.project.next().await, expected);
}

/// The queue as the page shows it, once it is ranked.
async fn order(scene: &Scene) -> Vec<Value> {
    until("the order", async || {
        let shown = scene.browser.run(ORDER).await;
        shown.as_array().filter(|lines| lines.len() > 5).cloned()
    })
    .await
}

async fn roll_back(scene: &Scene) {
    let browser = &scene.browser;
    browser.go_to(&scene.page("/versions")).await;
    let [first, second] = &scene.versions;
    assert_eq!(scene.backend.version(scene.project.id).await, *second);
    browser.find(&format!("button[aria-label='Activate {first}']")).await.click().await;
    scene.reads("The version serves now.").await;
    assert_eq!(scene.backend.version(scene.project.id).await, *first);
    scene.backend.queue_of(scene.project.id, |queue| queue == first).await;
    let settings: Value = scene.project.settings().await;
    // Where Label Studio stored predictions of that name before, the order's own has a number.
    let told = settings["model_version"].as_str().expect("a version");
    assert!(matches!(told.strip_prefix(first.as_str()), Some("" | ".2")), "{told}");
}

/// Opens every page in every width: nothing on the console, nothing from another host, a picture of each. The project's
/// page also goes to the file that `WEATHERVANE_PICTURE` names.
pub async fn look_around(server: &str, project: i64) {
    let Some(browser) = Browser::open_or_say().await else { return };
    look_around_in(&browser, server, project).await;
}

async fn look_around_in(browser: &Browser, server: &str, project: i64) {
    let axe = Axe::read_or_say();
    let of_project = |page: &str| format!("/ui/projects/{project}{page}");
    let pages = [
        ("projects", "/ui".to_owned()),
        ("project", of_project("")),
        ("map", of_project("/map?projection=neighbours&colour=certainty")),
        ("queue", of_project("/queue")),
        ("suspects", of_project("/label-errors")),
        ("versions", of_project("/versions")),
        ("compared", of_project("/versions/compare?a=1&b=2")),
        ("health", "/ui/health".to_owned()),
    ];
    for width in WIDTHS {
        browser.resize(width, width.clamp(900, 1400)).await;
        for (name, path) in &pages {
            browser.go_to(&format!("{server}{path}")).await;
            until(&format!("{path} in {width} px"), async || {
                (browser.run(SHOWN).await == true).then_some(())
            })
            .await;
            assert_eq!(browser.run(FOREIGN).await, json!([]), "{path}");
            assert_eq!(browser.run(ODD_TEXT).await, json!([]), "{path} in {width} px");
            let picture = pictures().join(format!("dashboard-{name}-{width}.png"));
            browser.screenshot(&picture).await;
            if *name == "queue" && width == 1280 {
                keep_picture(&picture, "order");
            }
            if let Some(axe) = axe.as_ref().filter(|_| width == CHECKED_WIDTH) {
                for scheme in ["dark", "light"] {
                    browser.prefer(scheme).await;
                    browser
                        .screenshot(&pictures().join(format!("dashboard-{name}-{width}-{scheme}.png")))
                        .await;
                    assert_eq!(axe.serious(browser).await, Vec::<String>::new(), "{path}, {scheme}");
                }
            }
        }
    }
    browser.resize_page(1280, 800).await;
    browser.go_to(&format!("{server}{}", of_project(""))).await;
    browser.find("#learnt .matrix").await;
    let picture = pictures().join("dashboard-project-one-screen.png");
    browser.screenshot(&picture).await;
    keep_picture(&picture, "picture");
    assert_eq!(browser.run(OUT_OF_SIGHT).await, json!([]));
    assert_eq!(browser.errors().await, Vec::<String>::new());
}
