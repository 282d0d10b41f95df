//! Tables as markdown has them: a line for each row, the first one above a bar.
//!
//! Pages also lay themselves out by tables: a row of one cell, and one with whole paragraphs in it, is no row but text.

/// Tables within tables; what lies deeper is text.
const DEPTH_MAX: usize = 16;
/// A cell of several lines that is longer than this is no cell.
const CELL_BYTES_MAX: usize = 300;

/// The tables that are open, the innermost last.
#[derive(Default)]
pub(super) struct Tables {
    open: Vec<Table>,
    /// Those that are not followed.
    deeper: usize,
}

#[derive(Default)]
struct Table {
    rows: usize,
    row: Option<Row>,
}

/// Where its row, and each of its cells, begins in what is written.
struct Row {
    begin: usize,
    cells: Vec<usize>,
}

impl Tables {
    pub(super) fn begin(&mut self) {
        match self.open.len() < DEPTH_MAX {
            true => self.open.push(Table::default()),
            false => self.deeper += 1,
        }
    }

    pub(super) fn end(&mut self, out: &mut String) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        self.end_row(out);
        self.open.pop();
    }

    /// A row begins; the one before it ends, whether it says so or not.
    pub(super) fn row(&mut self, out: &mut String) {
        self.end_row(out);
        if let Some(table) = self.innermost() {
            table.row = Some(Row { begin: out.len(), cells: Vec::new() });
        }
    }

    pub(super) fn cell(&mut self, out: &mut String) {
        let Some(row) = self.innermost().and_then(|table| table.row.as_mut()) else { return };
        out.push('\n');
        row.cells.push(out.len());
    }

    pub(super) fn end_row(&mut self, out: &mut String) {
        let Some(table) = self.innermost() else { return };
        let Some(Row { begin, cells }) = table.row.take() else { return };
        let ends = cells.iter().skip(1).copied().chain([out.len()]);
        let texts = cells.iter().zip(ends).map(|(begin, end)| out.get(*begin..end).unwrap_or_default().trim());
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        out.truncate(begin);
        if texts.iter().all(String::is_empty) {
            return;
        }
        let is_layout = texts.len() < 2 || texts.iter().any(|text| text.contains('\n') && text.len() > CELL_BYTES_MAX);
        if is_layout {
            let texts: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
            out.push_str(&format!("{}\n\n", texts.join("\n\n")));
            return;
        }
        let line: String = texts.iter().map(|text| format!(" {} |", of_one_line(text))).collect();
        out.push_str(&format!("|{line}\n"));
        if table.rows == 0 {
            out.push_str(&format!("|{}\n", " --- |".repeat(texts.len())));
        }
        table.rows += 1;
    }

    fn innermost(&mut self) -> Option<&mut Table> {
        if self.deeper == 0 { self.open.last_mut() } else { None }
    }
}

/// A cell's text without what would end it.
fn of_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
