//! The binary on a pseudo-terminal of a given size.

use super::screen::Screen;
use expectrl::{
    process::unix::{Signal, WaitStatus},
    session::OsSession,
};
use std::{
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program with its terminal.
pub(super) struct Pty {
    session: OsSession,
    screen: Screen,
    columns: usize,
    /// Everything that was written.
    pub(super) raw: String,
    pending: Vec<u8>,
    /// Bars that were wider than the terminal at some moment, as they looked.
    pub(super) broken: Vec<String>,
    ended: bool,
}

/// What it was in the end.
pub(super) struct Ended {
    pub(super) code: i32,
    /// What is left to read on the screen, top to bottom.
    pub(super) text: String,
    pub(super) raw: String,
    pub(super) broken: Vec<String>,
}

impl Pty {
    pub(super) fn spawn(mut command: Command, columns: usize) -> Self {
        command.env("TERM", "xterm-256color");
        let mut session = OsSession::spawn(command).unwrap();
        session.get_process_mut().set_window_size(u16::try_from(columns).unwrap(), 24).unwrap();
        Self {
            session,
            screen: Screen::new(columns, 24),
            columns,
            raw: String::new(),
            pending: Vec::new(),
            broken: Vec::new(),
            ended: false,
        }
    }

    /// Takes what there is; says whether there was anything.
    fn take(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = match self.session.try_read(&mut buffer) {
            Ok(0) => {
                self.ended = true;
                return false;
            }
            Ok(read) => read,
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => return false,
            // What Linux says when the other side has gone.
            Err(_) => {
                self.ended = true;
                return false;
            }
        };
        self.pending.extend_from_slice(&buffer[..read]);
        let whole = match std::str::from_utf8(&self.pending) {
            Ok(text) => text.len(),
            Err(cut) => cut.valid_up_to(),
        };
        let text = String::from_utf8(self.pending.drain(..whole).collect()).unwrap();
        self.screen.feed(&text);
        self.raw.push_str(&text);
        self.judge();
        true
    }

    /// A row that a bar ran over into. Bars are filled up to the last column, so that the next one wraps to its row:
    /// what counts is a row that wrapped and is no bar.
    fn judge(&mut self) {
        let rows = self.screen.text();
        for pair in rows.windows(2) {
            if is_bar(&pair[0].1) && pair[1].0 && !pair[1].1.is_empty() && !is_bar(&pair[1].1) {
                self.broken.push(format!("{}|{}", pair[0].1, pair[1].1));
            }
        }
        assert!(rows.iter().all(|(_, row)| row.chars().count() <= self.columns));
    }

    /// Reads until it has written this.
    #[track_caller]
    pub(super) fn expect(&mut self, part: &str) {
        let from = Instant::now();
        while !self.raw.contains(part) {
            assert!(!self.ended, "it ended before `{part}`:\n{}", self.raw);
            assert!(from.elapsed() < PATIENCE, "no `{part}` in\n{}", self.raw);
            if !self.take() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Reads until it has written anything more.
    #[track_caller]
    pub(super) fn expect_more(&mut self) {
        let (from, had) = (Instant::now(), self.raw.len());
        while self.raw.len() == had && !self.ended {
            assert!(from.elapsed() < PATIENCE, "nothing more after\n{}", self.raw);
            if !self.take() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    pub(super) fn send(&mut self, keys: &str) {
        self.session.get_stream_mut().write_all(keys.as_bytes()).unwrap();
    }

    pub(super) fn resize(&mut self, columns: usize) {
        self.session.get_process_mut().set_window_size(u16::try_from(columns).unwrap(), 24).unwrap();
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        self.session.get_process_mut().signal(signal).unwrap();
    }

    /// Reads to its end.
    #[track_caller]
    pub(super) fn end(mut self) -> Ended {
        let from = Instant::now();
        while !self.ended {
            assert!(from.elapsed() < PATIENCE, "it does not end:\n{}", self.raw);
            if !self.take() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let code = match self.session.get_process().wait().unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}\n{}", self.raw),
        };
        let text: Vec<String> = self.screen.text().into_iter().map(|(_, row)| row).collect();
        Ended { code, text: text.join("\n"), raw: self.raw, broken: self.broken }
    }
}

fn is_bar(row: &str) -> bool {
    row.starts_with(|c: char| ('\u{2800}'..='\u{28ff}').contains(&c)) || row.starts_with('[')
}

impl Ended {
    #[track_caller]
    pub(super) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        assert!(!self.text.contains("KW-BUG"), "{}", self.text);
        self
    }

    /// The conversation without line ends: terminals wrap where they like.
    pub(super) fn flat(&self) -> String {
        self.text.replace('\n', "")
    }
}
