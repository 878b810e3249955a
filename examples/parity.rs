use weathervane::model::{load_backbone, BackboneChoice, DeviceChoice};
use weathervane::vision::{prepare, Limits};
fn main() {
    let b = load_backbone(&BackboneChoice::Lite0, DeviceChoice::Flex).unwrap();
    let npy = std::fs::read("/work/tmp/weather4-features.npy").unwrap();
    let off = npy.len() - 1121 * 2176 * 4;
    let f: Vec<f32> = npy[off..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let csv = std::fs::read_to_string("/work/tmp/weather4-features.csv").unwrap();
    let lim = Limits { max_bytes: 20_000_000, max_pixels: 100_000_000 };
    let mut tp = 0.0; let mut te = 0.0; let mut n = 0; let mut worst = [1f32; 6];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    pool.install(|| for (i, line) in csv.lines().skip(1).enumerate() {
        if i % 20 != 0 { continue; }
        let name = line.split(',').next().unwrap();
        let bytes = std::fs::read(format!("/work/shared/weather4/{name}")).unwrap();
        let t = std::time::Instant::now();
        let px = prepare(&bytes, &b.spec().input, &lim).unwrap();
        tp += t.elapsed().as_secs_f64(); let t = std::time::Instant::now();
        let e = b.embed(&px).unwrap();
        te += t.elapsed().as_secs_f64(); n += 1;
        let r = &f[i * 2176..(i + 1) * 2176];
        let mut o = 0;
        for (g, gr) in b.spec().groups.iter().enumerate() {
            let (a, c) = (&e[o..o + gr.width], &r[o..o + gr.width]); o += gr.width;
            let dot: f32 = a.iter().zip(c).map(|(x, y)| x * y).sum();
            let na: f32 = a.iter().map(|x| x * x).sum::<f32>().sqrt(); let nc: f32 = c.iter().map(|x| x * x).sum::<f32>().sqrt();
            worst[g] = worst[g].min(dot / na / nc);
        }
    });
    println!("n {n} prepare {:.2} ms embed {:.2} ms worst cosine {worst:?}", tp / n as f64 * 1e3, te / n as f64 * 1e3);
}
