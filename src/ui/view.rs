//! A result: one struct, shown to people, to programs and to pipes.

pub use super::grid::Grid;
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

    /// For `-o csv` and `-o markdown`; none where the result is no table.
    fn grid(&self) -> Option<Grid> {
        None
    }
}
