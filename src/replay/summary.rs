//! From replays to figures: means over seeds, areas under the curve, paired differences, labels needed.

/// Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The same for the normal distribution, for more degrees of freedom.
const Z_95: f64 = 1.960;

/// A mean with its sample standard deviation; 0 for fewer than two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub mean: f64,
    pub sd: f64,
}

impl Mean {
    /// Over values; NaN without any.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, sd: if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() } }
    }
}

/// Seeds of one strategy against the same seeds of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub mean: f64,
    /// 95 % interval of the mean by Student's t; `None` for a single seed.
    pub interval: Option<(f64, f64)>,
    /// Seeds in which the first is above the second.
    pub wins: usize,
}

impl Difference {
    /// `ours[i]` against `theirs[i]`.
    pub fn paired(ours: &[f64], theirs: &[f64]) -> Self {
        let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
        let Mean { mean, sd } = Mean::of(&differences);
        let n = differences.len();
        let half = |freedom: usize| T_95.get(freedom - 1).copied().unwrap_or(Z_95) * sd / (n as f64).sqrt();
        let interval = (n > 1).then(|| (mean - half(n - 1), mean + half(n - 1)));
        Self { mean, interval, wins: differences.iter().filter(|difference| **difference > 0.0).count() }
    }
}

/// Mean height of a curve over its labels, by trapezoids.
pub fn area(labels: &[usize], heights: &[f64]) -> f64 {
    let (Some(first), Some(last)) = (labels.first(), labels.last()) else { return f64::NAN };
    if first == last {
        return heights[0];
    }
    let pairs = labels.windows(2).zip(heights.windows(2));
    let sum: f64 = pairs.map(|(x, y)| (x[1] - x[0]) as f64 * (y[0] + y[1]) / 2.0).sum();
    sum / (last - first) as f64
}

/// Labels at which a curve first reaches a height, on straight lines between its points; at its first point at the
/// earliest, `None` if it never does.
pub fn labels_for(height: f64, labels: &[usize], heights: &[f64]) -> Option<f64> {
    let at = heights.iter().position(|there| *there >= height)?;
    if at == 0 {
        return labels.first().map(|labels| *labels as f64);
    }
    let share = (height - heights[at - 1]) / (heights[at] - heights[at - 1]);
    Some(labels[at - 1] as f64 + share * (labels[at] - labels[at - 1]) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_mean_heights() {
        assert_eq!(area(&[10, 20, 40], &[0.5, 0.7, 0.7]), (10.0 * 0.6 + 20.0 * 0.7) / 30.0);
        assert_eq!(area(&[30], &[0.9]), 0.9);
    }

    #[test]
    fn labels_are_read_off_the_line_between_two_rounds() {
        let labels = [30, 45, 60];
        let heights = [0.5, 0.75, 0.625];
        assert_eq!(labels_for(0.625, &labels, &heights), Some(37.5));
        assert_eq!(labels_for(0.25, &labels, &heights), Some(30.0));
        assert_eq!(labels_for(0.875, &labels, &heights), None);
    }

    #[test]
    fn paired_differences_carry_the_interval_of_a_paired_t_test() {
        // scipy.stats.ttest_rel([5, 7, 8, 6], [4, 5, 7, 6]).confidence_interval() is -0.2992 to 2.2992 (SciPy 1.17.1).
        let difference = Difference::paired(&[5.0, 7.0, 8.0, 6.0], &[4.0, 5.0, 7.0, 6.0]);
        let (low, high) = difference.interval.unwrap();
        assert!((low + 0.2992).abs() < 1e-3 && (high - 2.2992).abs() < 1e-3, "{low} {high}");
        assert_eq!((difference.mean, difference.wins), (1.0, 3));
        assert_eq!(Difference::paired(&[1.0], &[0.0]).interval, None);
    }
}
