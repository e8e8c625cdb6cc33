//! `history`: one line per event.

use crate::model::doc::History;
use crate::ui::view::View;
use jiff::Timestamp;

impl View for History {
    const KIND: &'static str = "history";

    fn human(&self, _: Timestamp, _: bool) -> String {
        self.events
            .iter()
            .map(|entry| format!("{}  {:>5}  {}\n", entry.at.strftime("%Y-%m-%d %H:%M:%SZ"), entry.seq, entry.text))
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.events.iter().filter_map(|entry| entry.step.clone()).collect()
    }
}
