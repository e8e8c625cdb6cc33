//! A result as rows and columns for other programs: comma-separated, or a table of Markdown. Numbers stay as they are.

/// Rows under headings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// With these headings, in `snake_case`; every row has as many cells.
    pub fn new(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self { headings: headings.iter().map(|it| (*it).to_owned()).collect(), rows: rows.into_iter().collect() }
    }

    /// Comma-separated, as RFC 4180 has it but for line ends, which are the system's.
    pub fn csv(&self) -> String {
        let line = |cells: &[String]| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.headings).chain(&self.rows).map(|cells| line(cells)).collect()
    }

    /// A table as GitHub shows it.
    pub fn markdown(&self) -> String {
        let line =
            |cells: &[String]| format!("| {} |\n", cells.iter().map(|it| escaped(it)).collect::<Vec<_>>().join(" | "));
        let rule = format!("|{}\n", " --- |".repeat(self.headings.len()));
        let rows: String = self.rows.iter().map(|cells| line(cells)).collect();
        line(&self.headings) + &rule + &rows
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_row_is_quoted() {
        let grid = Grid::new(&["name", "note"], [vec!["a,b".to_owned(), "say \"x\" | y\nz".to_owned()]]);
        assert_eq!(grid.csv(), "name,note\n\"a,b\",\"say \"\"x\"\" | y\nz\"\n");
        assert_eq!(grid.markdown(), "| name | note |\n| --- | --- |\n| a,b | say \"x\" \\| y z |\n");
    }
}
