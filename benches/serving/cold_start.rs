//! From the start of the process to the first answer.

use crate::Photographs;
use crate::figures::{Figures, aim};
use crate::label_studio::Project;
use crate::pictures::Pictures;
use crate::server::Server;

/// Starts of each kind.
const STARTS: usize = 25;

/// Aims: milliseconds to the first answer, MiB with the backbone loaded.
const AIM_MS: f64 = 150.0;
const AIM_MIB: f64 = 150.0;

pub async fn measure(photographs: &Photographs) -> anyhow::Result<()> {
    let pictures = Pictures::of(photographs, photographs.folder.table.rows.len())?;
    let project = Project::new(1)?;
    let used = project.learnt(&pictures).await?;
    let (mut fresh, mut existing) = (Starts::default(), Starts::default());
    for _ in 0..STARTS {
        let empty = tempfile::tempdir()?;
        fresh.add(Server::start(empty.path(), pictures.root.path(), &[])?, &project, &pictures).await?;
        existing.add(Server::start(used.path(), pictures.root.path(), &[])?, &project, &pictures).await?;
    }
    fresh.tell("fresh data directory");
    existing.tell(&format!("existing data directory, {} labels", pictures.pictures.len()));
    Ok(())
}

/// What starts of one kind took.
#[derive(Default)]
struct Starts {
    ms: Vec<f64>,
    idle_mib: Vec<f64>,
    used_mib: Vec<f64>,
}

impl Starts {
    async fn add(&mut self, server: Server, project: &Project, pictures: &Pictures) -> anyhow::Result<()> {
        self.ms.push(server.started_in.as_secs_f64() * 1e3);
        self.idle_mib.push(server.memory()?.now);
        server.post("/predict", &project.predict(0, &pictures.pictures[..1])).await?;
        self.used_mib.push(server.memory()?.now);
        server.stop()
    }

    fn tell(self, what: &str) {
        let ms = Figures::new("ms", self.ms);
        let idle = Figures::new("MiB", self.idle_mib);
        let used = Figures::new("MiB", self.used_mib);
        println!("cold start, {what}: {ms}; {}", aim(ms.median(), AIM_MS, "ms"));
        println!("  resident at the first answer: {idle}; {}", aim(idle.median(), AIM_MIB, "MiB"));
        println!("  resident after one /predict: {used}; {}", aim(used.median(), AIM_MIB, "MiB"));
    }
}
