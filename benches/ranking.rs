//! How long it takes to choose 30 images of a pool of 100,000 on one thread, and how long to bring embeddings into the
//! space this happens in. `WEATHERVANE_BENCH_MILLION=1` adds a pool of a million.

use std::env;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weathervane::matrix::Matrix;
use weathervane::model::Group;
use weathervane::ranking::{Candidates, HeadView, Options, Space, Strategy, rank};

/// Numbers of a point, as `Space` makes them of the default backbone's 2,176.
const DIM: usize = 64;

/// Kinds of images in a pool, a class each in ten.
const CLUSTERS: usize = 200;
const CLASSES: usize = 10;

/// Labelled before.
const LABELLED: usize = 30;

/// Widths of the default backbone's groups.
const GROUPS: [usize; 6] = [1280, 48, 80, 160, 224, 384];

/// Uniform numbers between -1 and 1.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn rows(&mut self, n: usize, dim: usize) -> Vec<f32> {
        (0..n * dim).map(|_| self.next()).collect()
    }
}

/// Rows of length one around the centres of clusters, and probabilities that fall with the distance to a class' own.
struct Clustered {
    unlabelled: Matrix,
    labelled: Matrix,
    probabilities: Vec<f32>,
}

fn clustered(n: usize) -> Clustered {
    let mut noise = Noise(1);
    let centres = noise.rows(CLUSTERS, DIM);
    let mut points = |n: usize| {
        let mut values = Vec::with_capacity(n * DIM);
        for row in 0..n {
            let centre = &centres[row * 7 % CLUSTERS * DIM..][..DIM];
            let spread = 0.4 + 0.4 * noise.next();
            let start = values.len();
            values.extend(centre.iter().map(|value| value + spread * noise.next()));
            let length = values[start..].iter().map(|value| value * value).sum::<f32>().sqrt();
            values[start..].iter_mut().for_each(|value| *value /= length);
        }
        Matrix { dim: DIM, values }
    };
    let (unlabelled, labelled) = (points(n), points(LABELLED));
    let mut probabilities = Vec::with_capacity(n * CLASSES);
    for row in 0..n {
        let raw: Vec<f32> = (0..CLASSES)
            .map(|class| {
                (if class == row * 7 % CLUSTERS % CLASSES { 3.0 } else { 0.0 } + 1.5 * noise.next()).exp()
            })
            .collect();
        let sum: f32 = raw.iter().sum();
        probabilities.extend(raw.iter().map(|value| value / sum));
    }
    Clustered { unlabelled, labelled, probabilities }
}

fn choose(criterion: &mut Criterion) {
    let mut sizes = vec![100_000];
    if env::var_os("WEATHERVANE_BENCH_MILLION").is_some() {
        sizes.push(1_000_000);
    }
    let threads = one_thread();
    let mut group = criterion.benchmark_group("ranking");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for n in sizes {
        let Clustered { unlabelled, labelled, probabilities } = clustered(n);
        let heads = [HeadView { classes: CLASSES, multiple: false, probabilities: &probabilities }];
        let pool = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &heads };
        for count in [30, 200] {
            for strategy in [
                Strategy::UHerding,
                Strategy::KCenter,
                Strategy::MaxHerding,
                Strategy::Badge,
                Strategy::Medoids,
            ] {
                let name = BenchmarkId::new(strategy.name(), format!("{count} of {n}"));
                let options = Options::new(count, 1);
                group.bench_function(name, |bencher| {
                    bencher.iter(|| threads.install(|| rank(black_box(&pool), strategy, &options)))
                });
            }
        }
    }
    group.finish();
}

/// 10,000 embeddings at a time, so that the whole fits any machine; time grows with their number.
fn project(criterion: &mut Criterion) {
    let dim = GROUPS.iter().sum();
    let features = Matrix { dim, values: Noise(1).rows(10_000, dim) };
    let groups = GROUPS.map(|width| Group { name: width.to_string(), width });
    let threads = one_thread();
    let mut group = criterion.benchmark_group("space");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    group.bench_function("fit", |bencher| {
        bencher.iter(|| threads.install(|| Space::fit(black_box(&features), &groups)))
    });
    let space = Space::fit(&features, &groups);
    group.bench_function("project 10000", |bencher| {
        bencher.iter(|| threads.install(|| space.project(black_box(&features))))
    });
    group.finish();
}

/// As in the server (docs/adr/0002-one-thread-pools.md).
fn one_thread() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread")
}

criterion_group!(benches, choose, project);
criterion_main!(benches);
