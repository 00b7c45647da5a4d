use console::{measure_text_width, style};

/// Rows in aligned columns, two spaces apart; cells may be coloured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a row of headings.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self::with_headings(headings)
    }

    /// The same with as many headings as there are columns.
    pub(crate) fn with_headings(headings: impl IntoIterator<Item = impl std::fmt::Display>) -> Self {
        let headings = headings.into_iter().map(|heading| style(heading).dim().to_string());
        Self { rows: vec![headings.collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.add(cells);
    }

    /// Adds a row of any length.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines, without white space at their ends. A column that is empty but for its heading is left out.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let used: Vec<bool> = (0..columns)
            .map(|column| self.rows.iter().skip(1).any(|row| row.get(column).is_some_and(|cell| !cell.is_empty())))
            .collect();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate().filter(|(column, _)| used[*column]) {
                line.push_str(cell);
                line.push_str(&" ".repeat(widths[column] - measure_text_width(cell) + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns_and_drops_empty_ones() {
        let mut table = Table::new(["NAME", "NOTE", "STATE"]);
        table.row(["web/0".into(), String::new(), "healthy".into()]);
        table.row(["database/10".into(), String::new(), "ok".into()]);
        let text = console::strip_ansi_codes(&table.render()).into_owned();
        assert_eq!(text, "NAME         STATE\nweb/0        healthy\ndatabase/10  ok\n");
    }
}
