//! People label without pause while versions follow each other: no answer is lost, and the order stays fresh.
//!
//! The second test is a measurement: `make steady` takes it, for `WEATHERVANE_STEADY_SECONDS` a run.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::annotators::{Habit, Submit, classes, quantile, refused};
use crate::support::editor::Editor;
use crate::support::label_studio::choice;
use crate::support::pictures::to_learn;
use crate::support::slow::{Idle, SlowWay};
use crate::support::{Backend, LabelStudio, Project, say, stage};

const SECOND: Duration = Duration::from_secs(1);

/// Tasks that the annotator in the browser submits.
const IN_BROWSER: usize = 30;

/// Submits of the three others, about: two of them submit one a second.
const BY_OTHERS: usize = 200;

/// An order older than this is stale.
const FRESH: Duration = Duration::from_secs(15);

/// Share of the served tasks that come from a fresh order, at least: what is aimed at, and what a short run on any machine must
/// reach. Where trainings overtake orders it is a quarter.
const FRESH_SHARE: [f64; 2] = [0.95, 0.8];

#[tokio::test]
async fn no_submit_is_refused_however_many_versions_come_meanwhile() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("steady labelling").await;
    let tasks = project.upload(&to_learn(70)).await;
    let backend = Backend::start(&stage.label_studio, &["--train-max-wait-ms", "2000"]).await;
    project.connect(&backend).await;
    let toggle = json!({"start_training_on_annotation_update": true});
    stage.label_studio.patch(&format!("/api/projects/{}", project.id), &toggle).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    let classes = classes(&tasks);
    let began = Instant::now();

    // One keeps a task open all the while, and one has an answer to change later.
    let sleeper = project.seen_by(&stage.label_studio.invite("opened-yesterday").await);
    let opened = sleeper.serve().await.expect("a task");
    let early = project.seen_by(&stage.label_studio.invite("second-thoughts").await);
    let first = early.serve().await.expect("a task");
    let to_change = early.submit_served(&first, classes[&first.task]).await;
    assert_eq!((to_change.status.as_u16(), to_change.parent.is_some()), (201, true), "{}", to_change.answer);

    let others = async {
        let people = [("quick", SECOND, 0), ("steady", SECOND, 0), ("slow", SECOND, 30)];
        let mut working = Vec::new();
        for (name, every, hold) in people {
            let of_person = project.seen_by(&stage.label_studio.invite(name).await);
            let end = Instant::now() + SECOND * (BY_OTHERS as u32 / 2);
            let habit = Habit { every, hold: SECOND * hold };
            working.push(tokio::spawn(of_person.label_until(end, habit, classes.clone())));
        }
        let mut submits = Vec::new();
        for person in working {
            submits.extend(person.await.expect("no panic"));
        }
        submits
    };
    let (mut submits, in_browser) = tokio::join!(others, label_in_browser(&project));
    submits.push(sleeper.submit_served(&opened, classes[&opened.task]).await);
    let annotation: i64 = serde_json::from_str::<serde_json::Value>(&to_change.answer).expect("JSON")["id"]
        .as_i64()
        .expect("an id");
    let change = json!({"result": choice("sunrise"), "parent_prediction": to_change.parent});
    early.change(annotation, &change).await;

    assert_eq!(refused(&submits), Vec::<String>::new());
    let bare = submits.iter().filter(|submit| submit.parent.is_none());
    let bare: Vec<_> = bare.map(|submit| (submit.task, submit.asked_at.duration_since(began))).collect();
    assert_eq!(bare, [], "editors without a prediction: task, and how long after the start");
    assert!(submits.len() + in_browser >= 150, "{} and {in_browser} submits", submits.len());
    let versions = backend.project(project.id).await["versions"][0]["number"].as_i64().expect("a number");
    say(&format!(
        "{} submits, {in_browser} of them in the browser, {versions} versions",
        submits.len() + in_browser
    ));
    assert!(versions > 20, "{versions} versions");
    assert_eq!(backend.agrees_with(&project).await.len(), submits.len() + in_browser + 1);
}

/// Submits what is ticked, once a second, one of them after an undo; gives how many answers Label Studio keeps.
async fn label_in_browser(project: &Project) -> usize {
    let person = project.label_studio().invite("in-the-browser").await;
    let seen = project.seen_by(&person);
    let Some(editor) = Editor::open(&seen, "steady").await else { return 0 };
    let mut before = 0;
    for submit in 0..IN_BROWSER {
        let started = Instant::now();
        before = editor.shows_another(before).await;
        if submit == IN_BROWSER / 2 {
            editor.change_and_undo().await;
        }
        tokio::time::sleep(SECOND.saturating_sub(started.elapsed())).await;
        editor.submit_by_keys().await;
    }
    editor.shows_another(before).await;
    editor.picture("after-all").await;
    let parents = seen.parents_of(&person).await;
    assert_eq!(parents.len(), IN_BROWSER, "answers of the one in the browser");
    assert!(parents.iter().all(Option::is_some), "a submit without its prediction: {parents:?}");
    IN_BROWSER
}

#[tokio::test]
async fn on_a_slow_label_studio_the_order_stays_fresh_while_five_people_label() {
    let Some(stage) = stage().await else { return };
    let seconds = std::env::var("WEATHERVANE_STEADY_SECONDS").ok().and_then(|text| text.parse().ok());
    let mut people = Vec::new();
    for number in 1..=5 {
        people.push(stage.label_studio.invite(&format!("annotator-{number}")).await);
    }
    let people = Team { label_studio: &stage.label_studio, people, seconds: seconds.unwrap_or(40) };
    let alone = people.run(Us::Absent).await;
    if seconds.is_some() {
        people.run(Us::IdleWebhook).await;
        people.run(Us::WithoutOrder).await;
    }
    for delay in [300, 1_000] {
        let with_us = people.run(Us::Late(Duration::from_millis(delay))).await;
        let ratio =
            quantile(&with_us.submits, 0.95).as_secs_f64() / quantile(&alone.submits, 0.95).as_secs_f64();
        say(&format!("{delay} ms on our way: p95 of submits {ratio:.2} times that without us"));
        assert!(with_us.problems.is_empty(), "{:#?}", with_us.problems);
        let fresh = with_us.fresh();
        let least = FRESH_SHARE[usize::from(seconds.is_none())];
        assert!(fresh >= least, "{fresh:.3} of the served tasks come from a fresh order");
        let failed = |run: &Run| run.submits.iter().filter(|submit| submit.status.as_u16() >= 500).count();
        assert!(failed(&with_us) <= failed(&alone), "{:#?}", refused(&with_us.submits));
    }
}

/// How this server takes part.
#[derive(Clone, Copy, Debug)]
enum Us {
    Absent,
    /// Absent, while a webhook tells somebody who answers at once: the least that anything which learns of answers costs.
    IdleWebhook,
    /// Connected, but the order is left to Label Studio.
    WithoutOrder,
    /// With so much on the way of each of our requests.
    Late(Duration),
}

/// Five people who submit once a second.
struct Team<'a> {
    label_studio: &'a LabelStudio,
    people: Vec<LabelStudio>,
    seconds: u64,
}

/// What five people saw.
struct Run {
    submits: Vec<Submit>,
    /// When Label Studio began to follow each order.
    orders: HashMap<String, Instant>,
    problems: Vec<String>,
}

impl Run {
    /// Share of the served tasks that came from an order of at most 15 s.
    fn fresh(&self) -> f64 {
        let fresh = self.submits.iter().filter(|submit| self.is_fresh(submit));
        fresh.count() as f64 / self.submits.len() as f64
    }

    /// While Label Studio moves to the next order, it serves a task of the one before and asks us for its prediction, which is of
    /// the next version then. Any other prediction that was not there before the task was asked for means that the order had
    /// run out.
    fn is_fresh(&self, submit: &Submit) -> bool {
        let Some(version) = &submit.version else { return false };
        let in_force = self.orders.values().filter(|began| **began <= submit.asked_at).max();
        let is_moving = self.orders.get(version).is_none_or(|began| *began > submit.asked_at);
        in_force.is_some_and(|began| submit.asked_at.duration_since(*began) <= FRESH)
            && (submit.is_of_order || is_moving)
    }

    fn tell(&self, us: Us) {
        let [median, p95] = [0.5, 0.95].map(|share| quantile(&self.submits, share).as_millis());
        say(&format!(
            "{us:?}: {} submits, {} refused, median {median} ms, p95 {p95} ms; {} orders, {} tasks of an order, {:.3} fresh",
            self.submits.len(),
            refused(&self.submits).len(),
            self.orders.len(),
            self.submits.iter().filter(|submit| submit.is_of_order).count(),
            self.fresh(),
        ));
    }
}

impl Team<'_> {
    async fn run(&self, us: Us) -> Run {
        let project = self.label_studio.project("five people").await;
        let tasks = project.upload(&to_learn(170.min(self.seconds as usize * 3 / 2 + 20))).await;
        let slow = SlowWay::to(&self.label_studio.url).await;
        let mut run = Run { submits: Vec::new(), orders: HashMap::new(), problems: Vec::new() };
        let idle = Idle::start().await;
        let backend = match us {
            Us::Absent => None,
            Us::IdleWebhook => {
                let hook = json!({"project": project.id, "url": idle.url, "send_payload": true, "send_for_all_actions": true});
                self.label_studio.post("/api/webhooks/", &hook).await;
                None
            }
            Us::WithoutOrder => {
                let backend = Backend::start(self.label_studio, &["--leave-projects-alone"]).await;
                project.connect(&backend).await;
                backend.pool_filled(project.id).await;
                Some(backend)
            }
            Us::Late(delay) => {
                let backend = Backend::start(&self.label_studio.at(&slow.url), &[]).await;
                project.connect(&backend).await;
                let first = backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
                run.orders.insert(first, Instant::now());
                slow.slow_down(delay);
                Some(backend)
            }
        };
        let end = Instant::now() + SECOND * self.seconds as u32;
        let habit = Habit { every: SECOND, hold: Duration::from_millis(200) };
        let working: Vec<_> = self
            .people
            .iter()
            .map(|person| tokio::spawn(project.seen_by(person).label_until(end, habit, classes(&tasks))))
            .collect();
        while Instant::now() < end {
            if let Some(backend) = &backend {
                let queue = backend.project(project.id).await["queue"].clone();
                if let Some(version) = queue["version"].as_str() {
                    run.orders.entry(version.to_owned()).or_insert_with(Instant::now);
                }
                run.problems.extend(queue["problem"].as_str().map(str::to_owned));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for person in working {
            run.submits.extend(person.await.expect("no panic"));
        }
        run.tell(us);
        run
    }
}
