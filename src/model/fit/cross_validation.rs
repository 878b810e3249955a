//! Folds of the cross-validation: near-duplicates together, classes spread.

use super::Targets;

/// Up to this many labels each group of near-duplicates is a fold of its own (leave one out).
const LEAVE_ONE_OUT: usize = 40;

/// Folds above that, and from [`MANY_LABELS`] on, where fewer cost less and tell the same.
const FOLDS: usize = 10;
const MANY_LABELS: usize = 200;
const FEW_FOLDS: usize = 5;

/// A fold for each row.
pub(super) struct Folds {
    pub count: usize,
    pub of_row: Vec<usize>,
}

impl Folds {
    /// `copies` numbers the group of near-duplicates of each row. Groups go to folds class by class, the largest first, each
    /// to the fold that has fewest of that class, then fewest rows.
    pub(super) fn new(targets: &Targets, copies: &[usize]) -> Self {
        let n = copies.len();
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (row, &group) in copies.iter().enumerate() {
            members[group].push(row);
        }
        members.retain(|rows| !rows.is_empty());
        let limit = if n <= LEAVE_ONE_OUT {
            members.len()
        } else if n < MANY_LABELS {
            FOLDS
        } else {
            FEW_FOLDS
        };
        let count = limit.min(members.len());
        members.sort_by_key(|rows| (stratum(targets, rows[0]), std::cmp::Reverse(rows.len()), rows[0]));
        let strata = targets.classes() + 1;
        let mut filled = vec![vec![0; strata]; count];
        let mut sizes = vec![0; count];
        let mut of_row = vec![0; n];
        for rows in members {
            let class = stratum(targets, rows[0]);
            let fold = (0..count).min_by_key(|fold| (filled[*fold][class], sizes[*fold])).unwrap_or(0);
            filled[fold][class] += rows.len();
            sizes[fold] += rows.len();
            rows.iter().for_each(|row| of_row[*row] = fold);
        }
        Self { count, of_row }
    }
}

/// At most `most` rows, in order, taken evenly from every class.
pub(super) fn spread_over_classes(targets: &Targets, most: usize) -> Vec<usize> {
    let n = targets.len();
    if n <= most {
        return (0..n).collect();
    }
    let mut by_class: Vec<usize> = (0..n).collect();
    by_class.sort_by_key(|row| (stratum(targets, *row), *row));
    let mut rows: Vec<usize> = (0..most).map(|index| by_class[index * n / most]).collect();
    rows.sort_unstable();
    rows
}

/// The class a row is counted under: its first, or one past the last where none applies.
fn stratum(targets: &Targets, row: usize) -> usize {
    (0..targets.classes()).find(|class| targets.applies(row, *class)).unwrap_or(targets.classes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(labels: Vec<usize>) -> Targets {
        Targets::Single { classes: 4, labels }
    }

    #[test]
    fn few_labels_are_left_out_one_by_one() {
        let folds = Folds::new(&single(vec![0, 1, 2, 0]), &[0, 1, 2, 0]);
        assert_eq!(folds.count, 3, "rows 0 and 3 are copies");
        assert_eq!(folds.of_row[0], folds.of_row[3]);
    }

    proptest! {
        #[test]
        fn copies_share_a_fold_and_every_fold_has_rows(
            labels in prop::collection::vec(0..4_usize, 1..300), twins in any::<u64>(),
        ) {
            let copies: Vec<usize> =
                (0..labels.len()).map(|row| if row % 7 == 3 && twins >> (row % 64) & 1 == 1 { row - 1 } else { row }).collect();
            let folds = Folds::new(&single(labels.clone()), &copies);
            for (row, &group) in copies.iter().enumerate() {
                prop_assert_eq!(folds.of_row[row], folds.of_row[group]);
            }
            prop_assert!((0..folds.count).all(|fold| folds.of_row.contains(&fold)));
        }

        #[test]
        fn a_spread_keeps_every_class(labels in prop::collection::vec(0..4_usize, 1..300), most in 40..60_usize) {
            let targets = single(labels.clone());
            let rows = spread_over_classes(&targets, most);
            prop_assert_eq!(rows.len(), most.min(labels.len()));
            prop_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            for class in 0..4 {
                let share = labels.iter().filter(|label| **label == class).count() as f64 / labels.len() as f64;
                let kept = rows.iter().filter(|row| labels[**row] == class).count() as f64;
                prop_assert!((kept - share * rows.len() as f64).abs() <= 1.0);
            }
        }
    }
}
