//! Predictions as a table for a person and as CSV.

use super::{Predictions, rounded};

/// One line for each image: its address, and of each head the choice and how sure it is.
pub fn table(predictions: &Predictions<'_>) -> String {
    let heads = &predictions.model.config.heads;
    let mut lines = vec![vec!["image".to_owned()]];
    for head in heads {
        lines[0].extend([head.from_name.clone(), "certainty".to_owned()]);
    }
    for row in &predictions.rows {
        let mut line = vec![row.image.clone()];
        for head in heads {
            let answer = predictions.answers(row).find(|answer| answer.head.from_name == head.from_name);
            let (choice, certainty) = answer.map_or_else(
                || ("-".to_owned(), String::new()),
                |answer| {
                    let choices = answer.choices();
                    let shown = if choices.is_empty() { "none".to_owned() } else { choices.join("+") };
                    (shown, format!("{:.3}", answer.decision.certainty))
                },
            );
            line.extend([choice, certainty]);
        }
        lines.push(line);
    }
    aligned(&lines)
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// One line for each image; of each head the choices (joined by `|`), the certainty, and each class's probability.
///
/// # Errors
/// Never: it is written to memory.
pub fn csv(predictions: &Predictions<'_>) -> anyhow::Result<String> {
    let heads = &predictions.model.config.heads;
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["image".to_owned(), "task".to_owned(), "version".to_owned()];
    for head in heads {
        let name = &head.from_name;
        header.extend([name.clone(), format!("{name}.certainty")]);
        header.extend(head.classes.iter().map(|class| format!("{name}.{}", class.name)));
    }
    out.write_record(&header)?;
    for row in &predictions.rows {
        let task = row.task.map(|task| task.to_string()).unwrap_or_default();
        let mut line = vec![row.image.clone(), task, predictions.version().to_owned()];
        for head in heads {
            match predictions.answers(row).find(|answer| answer.head.from_name == head.from_name) {
                Some(answer) => {
                    line.extend([answer.choices().join("|"), rounded(answer.decision.certainty).to_string()]);
                    line.extend(answer.probabilities.iter().map(|p| rounded(*p).to_string()));
                }
                None => line.extend(std::iter::repeat_n(String::new(), 2 + head.classes.len())),
            }
        }
        out.write_record(&line)?;
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}
