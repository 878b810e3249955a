//! Matrices in NumPy's file format, so that other programs work on the same numbers.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. One header of three known keys is
//! read by hand here; the crates for it bring a parser generator.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use half::f16;

use crate::cli::files::write_whole;
use crate::matrix::Matrix;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The data start at a multiple of this many bytes.
const ALIGNMENT: usize = 64;

/// Reads an `n x dim` matrix of f16, f32 or f64, little-endian, row by row ("C order").
///
/// # Errors
/// The file is missing, no such matrix, or cut short.
pub fn read(path: &Path) -> anyhow::Result<Matrix> {
    let bytes = std::fs::read(path).with_context(|| format!("features `{}`", path.display()))?;
    parse(&bytes).with_context(|| format!("features `{}`", path.display()))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Matrix> {
    let rest = bytes.strip_prefix(MAGIC).context("is not a .npy file; write one with numpy.save")?;
    let (length, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        _ => bail!("is of an unknown version of the .npy format"),
    };
    let (header, data) = rest.split_at_checked(length).context("is cut short in its header")?;
    let header = String::from_utf8_lossy(header);
    if entry(&header, "fortran_order")?.starts_with("True") {
        bail!("is in Fortran order; save it with numpy.ascontiguousarray");
    }
    let shape = entry(&header, "shape")?.trim_start_matches('(');
    let shape: Vec<usize> = shape
        .split(')')
        .next()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("has a shape that can't be read")?;
    let &[rows, dim] = shape.as_slice() else {
        bail!("has {} dimensions, expected rows x columns", shape.len());
    };
    let kind = entry(&header, "descr")?.trim_start_matches(['\'', '"']);
    let kind = kind.split(['\'', '"']).next().unwrap_or_default();
    let numbers: Vec<f32> = match kind {
        "<f2" => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        "<f4" => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        "<f8" => data
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        other => bail!("holds `{other}`, expected `<f2`, `<f4` or `<f8`: save it with astype('<f4')"),
    };
    ensure!(
        rows.checked_mul(dim) == Some(numbers.len()),
        "says {rows} x {dim} but holds {} numbers",
        numbers.len()
    );
    ensure!(!numbers.is_empty(), "is empty: {rows} x {dim}");
    Ok(Matrix { dim, values: numbers })
}

/// Text after a key of the header's Python dictionary.
fn entry<'a>(header: &'a str, key: &str) -> anyhow::Result<&'a str> {
    let after = header.split_once(&format!("'{key}':")).map(|(_, after)| after.trim_start());
    after.with_context(|| format!("has no `{key}` in its header"))
}

/// Writes a matrix as `<f4`, whole or not at all.
///
/// # Errors
/// The folder can't be written.
pub fn write(path: &Path, features: &Matrix) -> anyhow::Result<()> {
    let shape = format!("({}, {})", features.len(), features.dim);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let before = MAGIC.len() + 4;
    let total = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.push_str(&" ".repeat(total - before - header.len() - 1));
    header.push('\n');
    let mut bytes = [MAGIC, &[1, 0], &u16::try_from(header.len())?.to_le_bytes(), header.as_bytes()].concat();
    bytes.extend(features.values.iter().flat_map(|value| value.to_le_bytes()));
    write_whole(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn header(descr: &str, order: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
    }

    fn complaint(bytes: &[u8]) -> String {
        format!("{:#}", parse(bytes).unwrap_err())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let features = Matrix { dim: 3, values: vec![1.5, -2.0, 0.0, f32::MIN_POSITIVE, 1e30, 7.0] };
        write(&path, &features).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 6 * 4) % ALIGNMENT, 0, "numpy maps the data at an aligned offset");
        let read = read(&path).unwrap();
        assert_eq!((read.dim, read.values), (3, features.values));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished stays");
    }

    #[test]
    fn halves_and_doubles_are_read() {
        let halves: Vec<u8> = [1.5, -2.0].iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        assert_eq!(parse(&npy(&header("<f2", "False", "(1, 2)"), &halves)).unwrap().values, [1.5, -2.0]);
        let doubles: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let read = parse(&npy(&header("<f8", "False", "(2, 1)"), &doubles)).unwrap();
        assert_eq!((read.dim, read.values), (1, vec![1.5, -2.0]));
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let ones = 1.0_f32.to_le_bytes();
        for (bytes, words) in [
            (b"PK\x03\x04".to_vec(), "is not a .npy file"),
            (npy(&header("<f4", "True", "(1, 1)"), &ones), "is in Fortran order"),
            (npy(&header("<i8", "False", "(1, 1)"), &ones), "holds `<i8`, expected `<f2`, `<f4` or `<f8`"),
            (npy(&header(">f4", "False", "(1, 1)"), &ones), "holds `>f4`"),
            (npy(&header("<f4", "False", "(1,)"), &ones), "has 1 dimensions"),
            (npy(&header("<f4", "False", "(2, 1)"), &ones), "says 2 x 1 but holds 1 numbers"),
            (npy(&header("<f4", "False", "(-2, x)"), &ones), "shape that can't be read"),
            (npy(&header("<f4", "False", "(0, 5)"), &[]), "is empty"),
            (npy("{}", &ones), "has no `fortran_order`"),
        ] {
            assert!(complaint(&bytes).contains(words), "{} / {words}", complaint(&bytes));
        }
        let whole = npy(&header("<f4", "False", "(1, 1)"), &ones);
        assert!(complaint(&whole[..20]).contains("cut short"));
    }
}
