//! stdout and stderr. A closed pipe ends the talking, never the work: after the first failed write a stream is silent.
//! What is known to be secret leaves through neither.

use crate::model::Secrets;
use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

/// One of the two streams.
#[derive(Debug)]
pub struct Stream {
    to_stdout: bool,
    closed: AtomicBool,
    secrets: Secrets,
}

impl Stream {
    /// The answer.
    pub const fn stdout(secrets: Secrets) -> Self {
        Self { to_stdout: true, closed: AtomicBool::new(false), secrets }
    }

    /// The conversation.
    pub const fn stderr(secrets: Secrets) -> Self {
        Self { to_stdout: false, closed: AtomicBool::new(false), secrets }
    }

    /// Writes text and flushes it.
    pub fn write(&self, text: &str) {
        self.write_as_is(&self.secrets.mask(text));
    }

    /// Writes text whose very purpose is what it shows: the environment for other clients, a script.
    pub fn write_as_is(&self, text: &str) {
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
