//! A table for people: columns that are as wide as they have to be.

use crate::diag::shown;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Words begin in one line.
    Text(&'static str),
    /// Numbers end in one line.
    Number(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) => title,
        }
    }
}

/// Returns a table with its titles; what is empty is shown as `-`.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let titles: Vec<String> = columns.iter().map(|column| column.title().to_string()).collect();
    let cell = |row: &[String], at: usize| match row.get(at).map(String::as_str) {
        None | Some("") => "-".to_string(),
        // A name of somebody else may not leave its cell.
        Some(text) => shown::line(text).into_owned(),
    };
    let all: Vec<&[String]> = std::iter::once(&titles).chain(rows).map(Vec::as_slice).collect();
    let width = |at: usize| all.iter().map(|row| cell(row, at).chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &[String]| {
        let set = |(at, column): (usize, &Column)| match column {
            Column::Text(_) => format!("{:<1$}", cell(row, at), widths[at]),
            Column::Number(_) => format!("{:>1$}", cell(row, at), widths[at]),
        };
        columns.iter().enumerate().map(set).collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    all.iter().map(|row| line(row)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let columns = [Column::Text("NAME"), Column::Number("PID"), Column::Text("RECIPE")];
        let row = |texts: [&str; 3]| texts.map(String::from).to_vec();
        let text = table(&columns, &[row(["a-long-name", "1", "/a b.rhai"]), row(["b", "12345", ""])]);
        let lines = ["NAME           PID  RECIPE", "a-long-name      1  /a b.rhai", "b            12345  -"];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(table(&columns, &[]), "NAME  PID  RECIPE");
        // Whoever is named by somebody else stays in his line and in his column.
        let text = table(&columns, &[row(["a\nb\u{9b}2J", "1", "\t\u{202e}"]), row(["c", "2", "d"])]);
        let lines = ["NAME          PID  RECIPE", r"a\nb\u{9b}2J    1  \t\u{202e}", "c               2  d"];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }
}
