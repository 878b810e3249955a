//! Waiting of downloads for their turns.

use super::*;

#[tokio::test]
async fn a_host_that_never_answers_costs_the_images_of_others_nothing() {
    let dead = MockServer::start().await;
    let good = MockServer::start().await;
    let never = image().set_delay(Duration::from_secs(60));
    Mock::given(method("GET")).respond_with(never).mount(&dead).await;
    mount(&good, "/a.png", image()).await;
    let media = media(MediaConfig { image_timeout: Duration::from_secs(1), ..config() }, None);
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..50 {
        let media = media.clone();
        let source = format!("{}/{number}.png", dead.uri());
        waiting.spawn(async move { failure(&media, &source).await });
    }
    tokio::task::yield_now().await;
    assert_eq!(media.fetch(None, &format!("{}/a.png", good.uri()), None).await.unwrap(), IMAGE);
    let told = waiting.join_all().await;
    let late = told.iter().filter(|error| error.contains("did not come within")).count();
    let alone = told.iter().filter(|error| error.contains("is left alone for 60 s")).count();
    assert!(late + alone == 50 && (3..=6).contains(&late), "{late} late, {alone} not tried: {told:#?}");
}

#[tokio::test]
async fn a_project_whose_hosts_are_all_slow_leaves_a_download_to_another() {
    let slow = image().set_delay(Duration::from_secs(60));
    let hosts = [MockServer::start().await, MockServer::start().await, MockServer::start().await];
    for host in &hosts {
        Mock::given(method("GET")).respond_with(slow.clone()).mount(host).await;
    }
    let good = MockServer::start().await;
    mount(&good, "/a.png", image()).await;
    let media = media(config(), None);
    let asker = |project| Asker { project: ProjectId(project), request: 1 };
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..60 {
        let media = media.clone();
        let source = format!("{}/{number}.png", hosts[number % 3].uri());
        waiting.spawn(async move {
            let place = media.place(asker(1), None, &source).await?;
            media.fetch_at(place, None, &source, None).await
        });
    }
    let asked = async {
        while futures_util::future::join_all(hosts.iter().map(MockServer::received_requests))
            .await
            .into_iter()
            .flatten()
            .flatten()
            .count()
            < 3
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap();
    let source = format!("{}/a.png", good.uri());
    let fetched = async {
        let place = media.place(asker(2), None, &source).await?;
        media.fetch_at(place, None, &source, None).await
    };
    // Sooner than any of the others is given up.
    let fetched = tokio::time::timeout(Duration::from_secs(20), fetched).await.unwrap();
    assert_eq!(fetched.unwrap(), IMAGE);
    waiting.shutdown().await;
}

#[tokio::test]
async fn an_image_that_does_not_come_ends_at_its_own_time_limit() {
    let server = MockServer::start().await;
    mount(&server, "/data/upload/2/slow.png", image().set_delay(Duration::from_secs(60))).await;
    let impatient = || MediaConfig { image_timeout: Duration::from_millis(200), ..config() };
    for (label_studio, source) in [
        (None, format!("{}/data/upload/2/slow.png", server.uri())),
        (Some(server.uri()), "/data/upload/2/slow.png".to_owned()),
    ] {
        let error = failure(&media(impatient(), label_studio.as_deref()), &source).await;
        assert!(error.starts_with("image for task 9 did not come within 0.2 s"), "{error}");
    }
}

#[tokio::test]
async fn waiting_for_a_turn_does_not_cost_an_image_its_time() {
    let server = MockServer::start().await;
    mount(&server, "/a.png", image()).await;
    let limit = Duration::from_secs(1);
    let media = media(MediaConfig { image_timeout: limit, max_downloads: 1, ..config() }, None);
    let source = format!("{}/a.png", server.uri());
    let turn = media.0.downloads.wait(Asker::of(ProjectId(1))).await;
    let before_us = async {
        tokio::time::sleep(limit.mul_f32(1.2)).await;
        drop(turn);
    };
    let (fetched, ()) = tokio::join!(media.fetch(None, &source, None), before_us);
    assert_eq!(fetched.unwrap(), IMAGE);
}
