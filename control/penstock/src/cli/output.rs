// SPDX-License-Identifier: Apache-2.0
//! Printing that survives a closed pipe, and tables.

use std::io::Write as _;

/// Prints text and a newline to stdout; a reader that has gone away is no error.
pub(crate) fn out(text: &str) {
    let _unread = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Prints text and a newline to stderr.
pub(crate) fn err(text: &str) {
    let _unread = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// An error with everything it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A table: the first row names the columns; those whose cells are all numbers are set right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column| {
        rows.iter()
            .map(|row| cell(row, column).chars().count())
            .max()
    };
    let is_number =
        |text: &str| text.is_empty() || text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let right = |column| rows.iter().skip(1).all(|row| is_number(&cell(row, column)));
    let layout: Vec<(usize, bool)> = (0..columns)
        .map(|column| (width(column).unwrap_or(0), right(column)))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (width, right)) in layout.iter().enumerate() {
            let cell = cell(row, column);
            if *right {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn numbers_are_set_right_and_words_left() {
        let rows = [["name", "count"], ["a", "7"], ["bcd", "1234"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(table(&rows), "name  count\na         7\nbcd    1234\n");
    }

    #[test]
    fn an_empty_table_is_empty() {
        assert_eq!(table(&[]), "");
    }
}
