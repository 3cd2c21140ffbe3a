//! Tables on standard output: columns as wide as their widest cell, numbers at the right.

/// The first row has the titles.
pub fn text(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number =
        |column: usize| rows[1..].iter().all(|row| row[column].parse::<f64>().is_ok() || row[column] == "-");
    let numbers: Vec<bool> = (0..columns).map(|column| rows.len() > 1 && is_number(column)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).zip(&numbers).map(|((cell, width), number)| match number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
