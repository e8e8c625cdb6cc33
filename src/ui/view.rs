//! A result: one struct, shown to people, to programs and to pipes.

use jiff::Timestamp;
use serde::Serialize;

/// What [`super::Ui::show`] can show.
pub trait View: Serialize {
    /// The document's kind: `kubewright.<kind>/v1`.
    const KIND: &'static str;

    /// For people, with its final newline.
    fn human(&self, now: Timestamp, sandbox: bool) -> String;

    /// For `-o name`.
    fn names(&self) -> Vec<String>;
}
