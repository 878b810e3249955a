//! Confident learning (Northcutt, Jiang & Chuang 2021): labels that are probably wrong.

/// Labels a class needs before its mean probability counts.
const ENOUGH_LABELS: usize = 5;

/// A row whose label the model, which had not seen it, does not believe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelError {
    pub row: usize,
    /// The label it has.
    pub given: usize,
    /// The label it probably should have.
    pub likely: usize,
    /// Probability of each of the two.
    pub p_given: f32,
    pub p_likely: f32,
}

/// Suspected label errors by confident learning (Northcutt, Jiang & Chuang 2021), the most suspicious first.
///
/// `probabilities` are out of fold, `n x classes`. Class j's threshold is the mean probability of j over rows labelled
/// j; a row is a suspect if another class reaches its threshold with the largest probability of those that do. Classes
/// of fewer than five labels accuse nobody and are not accused. Cost: `n x classes`.
pub fn label_errors(probabilities: &[Vec<f32>], labels: &[usize], classes: usize) -> Vec<LabelError> {
    let mut sums = vec![(0.0_f32, 0_usize); classes];
    for (row, &label) in probabilities.iter().zip(labels) {
        sums[label].0 += row[label];
        sums[label].1 += 1;
    }
    let threshold = |class: usize| {
        let (sum, n) = sums[class];
        (n >= ENOUGH_LABELS).then(|| sum / n as f32)
    };
    let accuse = |(row, (p, &given)): (usize, (&Vec<f32>, &usize))| {
        threshold(given)?;
        let reached = (0..classes).filter(|class| threshold(*class).is_some_and(|least| p[*class] >= least));
        let likely = reached.max_by(|a, b| p[*a].total_cmp(&p[*b]))?;
        (likely != given).then(|| LabelError { row, given, likely, p_given: p[given], p_likely: p[likely] })
    };
    let mut found: Vec<LabelError> =
        probabilities.iter().zip(labels).enumerate().filter_map(accuse).collect();
    found.sort_by(|a, b| {
        (a.p_given - a.p_likely).total_cmp(&(b.p_given - b.p_likely)).then(a.row.cmp(&b.row))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(p: f32) -> Vec<f32> {
        vec![p, 1.0 - p]
    }

    #[test]
    fn a_row_the_others_contradict_is_accused_and_an_unsure_one_is_not() {
        let mut probabilities = vec![row(0.9); 6];
        probabilities.extend(vec![row(0.1); 6]);
        let mut labels = vec![0; 6];
        labels.extend([1; 6]);
        assert_eq!(label_errors(&probabilities, &labels, 2), []);
        probabilities.extend([row(0.95), row(0.55)]);
        labels.extend([1, 1]);
        let found = label_errors(&probabilities, &labels, 2);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].row, found[0].given, found[0].likely), (12, 1, 0));
    }

    #[test]
    fn classes_of_few_labels_accuse_nobody() {
        let probabilities = vec![row(0.9), row(0.95), row(0.1)];
        assert_eq!(label_errors(&probabilities, &[0, 1, 1], 2), []);
    }
}
