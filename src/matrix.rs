//! Numbers in rows: embeddings, points and what is computed of them, and random numbers that never change with a library.

/// Row-major matrix, `n x dim`; a view of one where `V` is a slice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Matrix<V = Vec<f32>> {
    pub dim: usize,
    pub values: V,
}

impl<V: AsRef<[f32]>> Matrix<V> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.as_ref().len().checked_div(self.dim).unwrap_or(0)
    }

    /// Returns `true` if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `index`, `dim` long.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values.as_ref()[index * self.dim..(index + 1) * self.dim]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.as_ref().chunks_exact(self.dim.max(1))
    }

    /// The rows `indices`, in this order.
    pub fn select(&self, indices: &[usize]) -> Matrix {
        let values = indices.iter().flat_map(|&index| self.row(index)).copied().collect();
        Matrix { dim: self.dim, values }
    }

    /// Borrows it.
    pub fn view(&self) -> Matrix<&[f32]> {
        Matrix { dim: self.dim, values: self.values.as_ref() }
    }

    /// Squared length of a row.
    pub fn square(&self, index: usize) -> f32 {
        dot(self.row(index), self.row(index))
    }
}

/// Dot product; the cosine of rows that are one long.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    summed(a, b, |a, b| a * b)
}

/// Squared distance.
pub fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    summed(a, b, |a, b| (a - b) * (a - b))
}

/// Sixteen sums side by side: the compiler may not turn a single one into vector lanes.
fn summed(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += term(*a, *b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// SplitMix64 (Steele, Lea & Flood 2014): the same seed gives the same numbers for ever.
pub struct SplitMix64(u64);

/// Increment of SplitMix64's counter: the golden ratio's fraction, made odd.
pub const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform in `0..n`; the bias is below `n / 2^64`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `count` distinct numbers below `n` in random order, all if there are fewer (Fisher & Yates).
    pub fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for place in 0..count {
            let other = place + self.below(n - place);
            numbers.swap(place, other);
        }
        numbers.truncate(count);
        numbers
    }
}
