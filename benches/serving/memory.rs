//! Resident memory while predictions go on.

use crate::Photographs;
use crate::label_studio::Project;
use crate::pictures::Pictures;
use crate::server::Server;

/// Different pictures; each is predicted once as a new one, and then in rounds as a known one.
const PICTURES: usize = 10_000;

/// Predictions between two looks at the memory.
const STEP: usize = 1_000;

pub async fn measure(photographs: &Photographs) -> anyhow::Result<()> {
    let pictures = Pictures::of(photographs, PICTURES)?;
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), pictures.root.path(), &[])?;
    let project = Project::new(1)?;
    println!("memory, resident MiB after predictions (at most up to then):");
    for what in ["new", "known", "known, second round", "known, third round", "known, fourth round"] {
        let mut halfway = 0.0;
        for (round, step) in pictures.pictures.chunks(STEP).enumerate() {
            project.embed(&server, step).await?;
            let (memory, predictions) = (server.memory()?, (round + 1) * STEP);
            println!("  {predictions} images, {what}: {:.0} ({:.0})", memory.now, memory.peak);
            if 2 * predictions == PICTURES {
                halfway = memory.now;
            }
        }
        let growth = server.memory()?.now - halfway;
        println!("  growth from {} to {PICTURES} images, {what}: {growth:+.1} MiB", PICTURES / 2);
    }
    server.stop()
}
