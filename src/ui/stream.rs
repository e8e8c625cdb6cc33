//! stdout and stderr. A closed pipe ends the talking, never the work: after the first failed write a stream is silent.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

/// One of the two streams.
#[derive(Debug)]
pub struct Stream {
    to_stdout: bool,
    closed: AtomicBool,
}

impl Stream {
    /// The answer.
    pub const fn stdout() -> Self {
        Self { to_stdout: true, closed: AtomicBool::new(false) }
    }

    /// The conversation.
    pub const fn stderr() -> Self {
        Self { to_stdout: false, closed: AtomicBool::new(false) }
    }

    /// Writes text and flushes it.
    pub fn write(&self, text: &str) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let written = if self.to_stdout {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        } else {
            let mut out = std::io::stderr().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        if written.is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes one line.
    pub fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }
}
