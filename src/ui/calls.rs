//! `-vv`: every call as it goes out, and what was refused or could not be known on the way, as lines on stderr.
//!
//! Only kubewright's own words: the libraries below would show whole requests, credentials included.

use super::{Ui, style};
use std::{io, sync::Arc};
use tracing_subscriber::EnvFilter;

/// How many `-v` it takes.
pub(super) const LEVEL: u8 = 2;

impl Ui {
    /// Shows calls from now on, if that was asked for. Once in a process.
    pub fn show_calls(self: &Arc<Self>) {
        if self.options.verbose < LEVEL {
            return;
        }
        let ui = Arc::clone(self);
        let lines = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("kubewright=debug"))
            .with_writer(move || Lines(Arc::clone(&ui)))
            .with_ansi(false)
            .with_target(false)
            .without_time();
        // A second one in a process changes nothing.
        let _ = lines.try_init();
    }
}

/// What is written at once is a line.
struct Lines(Arc<Ui>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.err.line(&style::plain(String::from_utf8_lossy(bytes).trim_end()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
