//! As much of a terminal as progress bars need: a grid, a cursor, wrapping, erasing.

/// What stands on the screen, and above it.
pub(super) struct Screen {
    columns: usize,
    rows: usize,
    /// All lines ever, the last `rows` of which are the screen.
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Whether the row began by running over the end of the one above it.
    wrapped: Vec<bool>,
}

impl Screen {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, lines: vec![Vec::new()], row: 0, column: 0, wrapped: vec![false] }
    }

    fn go_to(&mut self, row: usize) {
        while self.lines.len() <= row {
            self.lines.push(Vec::new());
            self.wrapped.push(false);
        }
        self.row = row;
    }

    fn put(&mut self, c: char) {
        if self.column == self.columns {
            self.column = 0;
            self.go_to(self.row + 1);
            self.wrapped[self.row] = true;
        }
        let line = &mut self.lines[self.row];
        while line.len() <= self.column {
            line.push(' ');
        }
        line[self.column] = c;
        self.column += 1;
    }

    /// Takes what a program wrote.
    pub(super) fn feed(&mut self, text: &str) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => {
                    self.go_to(self.row + 1);
                    self.wrapped[self.row] = false;
                }
                '\u{8}' => self.column = self.column.saturating_sub(1),
                '\u{1b}' if rest.peek() == Some(&'[') => {
                    rest.next();
                    let mut number = String::new();
                    let end = loop {
                        match rest.next() {
                            Some(c) if c.is_ascii_digit() || c == ';' || c == '?' => number.push(c),
                            other => break other,
                        }
                    };
                    self.control(number.parse().unwrap_or(1), end);
                }
                c if c.is_control() => {}
                c => self.put(c),
            }
        }
    }

    fn control(&mut self, count: usize, end: Option<char>) {
        match end {
            Some('A') => {
                // The cursor does not leave the screen.
                let top = self.lines.len().saturating_sub(self.rows);
                self.go_to(self.row.saturating_sub(count).max(top));
            }
            Some('B') => self.go_to(self.row + count),
            Some('C') => self.column = (self.column + count).min(self.columns - 1),
            Some('D') => self.column = self.column.saturating_sub(count),
            Some('G') => self.column = count.saturating_sub(1),
            Some('K') => {
                // 2K and 0K: the whole line, or from here.
                let from = if count == 2 { 0 } else { self.column };
                self.lines[self.row].truncate(from);
            }
            Some('J') => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
                self.wrapped.truncate(self.row + 1);
            }
            _ => {}
        }
    }

    /// Everything, without blanks at the ends; what wrapped is told with its mark.
    pub(super) fn text(&self) -> Vec<(bool, String)> {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
        self.wrapped.iter().copied().zip(lines).collect()
    }
}

#[test]
fn it_wraps_moves_and_erases() {
    let mut screen = Screen::new(4, 3);
    screen.feed("abcdef\r\nxy\r\u{1b}[Kz");
    assert_eq!(screen.text(), [(false, "abcd".into()), (true, "ef".into()), (false, "z".into())]);
    screen.feed("\u{1b}[1A\r\u{1b}[2Kok");
    assert_eq!(screen.text()[1].1, "ok");
    // A line that ends at the last column has not wrapped yet.
    let mut screen = Screen::new(4, 3);
    screen.feed("abcd\r1234");
    assert_eq!(screen.text(), [(false, "1234".into())]);
}
