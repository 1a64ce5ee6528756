//! A table for people: columns that are as wide as they have to be, and no wider together than a terminal.

use super::paint::{PLAIN, Painter};
use crate::diag::shown;
use crate::ops::display::terminal::{cut, cut_front, width};

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

/// What of a text is left out where it has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its end.
    End,
    /// Its beginning, as of a path.
    Front,
}

/// How a table fits into a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// The columns of which texts may be cut, the first one first: what of them, and how wide they stay at least.
    pub cut: &'static [(&'static str, Cut, usize)],
    /// The columns that are left out where that is not enough, the first one first.
    pub left_out: &'static [&'static str],
}

/// What is between two columns.
const GAP: usize = 2;

/// Returns a table with its titles; what is empty is shown as `-`.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    set(columns, &cells(columns, rows), PLAIN)
}

/// Returns a table with cells in colours.
pub(super) fn painted(columns: &[Column], rows: &[Vec<String>], painter: Painter) -> String {
    set(columns, &cells(columns, rows), painter)
}

/// Returns a table that takes no more than so many columns of a terminal.
pub(super) fn fitted(columns: &[Column], rows: &[Vec<String>], fit: Fit, most: usize, painter: Painter) -> String {
    let (mut columns, mut cells) = (columns.to_vec(), cells(columns, rows));
    let floor = |title: &str| fit.cut.iter().find(|(name, ..)| *name == title).map(|(_, _, floor)| *floor);
    let least = |columns: &[Column], cells: &[Vec<String>]| {
        let of = |(column, wide): (&Column, usize)| wide.min(floor(column.title()).unwrap_or(wide));
        total(columns.iter().zip(widths(cells)).map(of))
    };
    for title in fit.left_out {
        if least(&columns, &cells) <= most {
            break;
        }
        if let Some(at) = columns.iter().position(|column| column.title() == *title) {
            columns.remove(at);
            cells.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }
    for (title, what, floor) in fit.cut {
        let widths = widths(&cells);
        let over = total(widths.iter().copied()).saturating_sub(most);
        let Some(at) = columns.iter().position(|column| column.title() == *title).filter(|_| over > 0) else {
            continue;
        };
        let room = widths.get(at).map_or(*floor, |wide| wide.saturating_sub(over).max((*floor).min(*wide)));
        for cell in cells.iter_mut().filter_map(|row| row.get_mut(at)) {
            *cell = match what {
                Cut::End => cut(cell, room),
                Cut::Front => cut_front(cell, room),
            };
        }
    }
    if total(widths(&cells).into_iter()) <= most {
        return set(&columns, &cells, painter);
    }
    // A terminal that is narrower than all that is left has what fits of each line.
    set(&columns, &cells, PLAIN).lines().map(|line| cut(line, most)).collect::<Vec<_>>().join("\n")
}

/// The titles, and below them what stands in each row.
fn cells(columns: &[Column], rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let cell = |row: &Vec<String>, at: usize| match row.get(at).map(String::as_str) {
        None | Some("") => "-".to_string(),
        // A name of somebody else may not leave its cell.
        Some(text) => shown::line(text).into_owned(),
    };
    let titles = columns.iter().map(|column| column.title().to_string()).collect();
    let row = |row: &Vec<String>| (0..columns.len()).map(|at| cell(row, at)).collect();
    std::iter::once(titles).chain(rows.iter().map(row)).collect()
}

/// How wide each column is, in columns of a terminal.
fn widths(cells: &[Vec<String>]) -> Vec<usize> {
    let count = cells.first().map_or(0, Vec::len);
    let widest = |at: usize| cells.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max();
    (0..count).map(|at| widest(at).unwrap_or_default()).collect()
}

/// How wide a line is of columns that are so wide.
fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.map(|wide| wide + GAP).sum::<usize>().saturating_sub(GAP)
}

fn set(columns: &[Column], cells: &[Vec<String>], painter: Painter) -> String {
    let widths = widths(cells);
    let line = |row: &Vec<String>| {
        let set = |((cell, column), wide): ((&String, &Column), &usize)| {
            let blanks = " ".repeat(wide.saturating_sub(width(cell)));
            let paint = painter(column.title(), cell);
            let cell = paint.map_or_else(|| cell.clone(), |paint| paint.on(cell));
            match column {
                Column::Text(_) => format!("{cell}{blanks}"),
                Column::Number(_) => format!("{blanks}{cell}"),
            }
        };
        let line: Vec<String> = row.iter().zip(columns).zip(&widths).map(set).collect();
        line.join(&" ".repeat(GAP)).trim_end().to_string()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(String::from).to_vec()
    }

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let columns = [Column::Text("NAME"), Column::Number("PID"), Column::Text("RECIPE")];
        let text = table(&columns, &[row(["a-long-name", "1", "/a b.rhai"]), row(["b", "12345", ""])]);
        let lines = ["NAME           PID  RECIPE", "a-long-name      1  /a b.rhai", "b            12345  -"];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(table(&columns, &[]), "NAME  PID  RECIPE");
        // Whoever is named by somebody else stays in his line and in his column.
        let text = table(&columns, &[row(["a\nb\u{9b}2J", "1", "\t\u{202e}"]), row(["c", "2", "d"])]);
        let lines = ["NAME          PID  RECIPE", r"a\nb\u{9b}2J    1  \t\u{202e}", "c               2  d"];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        // What takes two columns of a terminal counts as two.
        let text = table(&columns, &[row(["日本", "1", "x"]), row(["abcde", "2", "y"])]);
        assert_eq!(text.lines().collect::<Vec<_>>(), ["NAME   PID  RECIPE", "日本     1  x", "abcde    2  y"]);
    }

    #[test]
    fn a_table_that_is_too_wide_is_cut_and_then_has_fewer_columns() {
        let columns = [Column::Text("NAME"), Column::Number("PID"), Column::Text("RECIPE")];
        let rows = [row(["a-long-name", "1", "/vm/recipes/web.rhai"]), row(["b", "12345", ""])];
        let fit = Fit { cut: &[("RECIPE", Cut::Front, 10), ("NAME", Cut::End, 6)], left_out: &["PID"] };
        let of = |most: usize| fitted(&columns, &rows, fit, most, PLAIN).lines().map(String::from).collect::<Vec<_>>();
        assert_eq!(of(80).join("\n"), table(&columns, &rows));
        assert_eq!(
            of(34),
            ["NAME           PID  RECIPE", "a-long-name      1  …ipes/web.rhai", "b            12345  -"]
        );
        assert_eq!(of(26), ["NAME       PID  RECIPE", "a-long…      1  …/web.rhai", "b        12345  -"]);
        assert_eq!(of(22), ["NAME        RECIPE", "a-long-na…  …/web.rhai", "b           -"]);
        assert_eq!(of(9), ["NAME    …", "a-lon…  …", "b       -"]);
        assert!((0..60).all(|most| of(most).iter().all(|line| width(line) <= most)));
    }
}
