//! The one line that an `init` ends with.

use super::{marked, place};
use crate::model::doc::Init;
use crate::ui::{style::hourly, view::View};
use jiff::Timestamp;

impl View for Init {
    const KIND: &'static str = "init";

    fn human(&self, _: Timestamp, sandbox: bool) -> String {
        let line =
            format!("wrote {}  {}  {}  {}", self.file, self.stack.name, place(&self.stack), hourly(self.usd_per_hour));
        marked(line, sandbox)
    }

    fn names(&self) -> Vec<String> {
        vec![self.file.clone()]
    }
}
