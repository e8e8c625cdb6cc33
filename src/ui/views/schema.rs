//! `schema list`.

use crate::model::doc::SchemaList;
use crate::ui::{Table, view::View};
use jiff::Timestamp;

impl View for SchemaList {
    const KIND: &'static str = "schema-list";

    fn human(&self, _: Timestamp, _: bool) -> String {
        let mut table = Table::new(&["KIND", "SCHEMA", "OF"]);
        for one in &self.kinds {
            table.row([one.kind.clone(), one.id.clone(), one.about.clone()]);
        }
        table.lines().join("\n") + "\n"
    }

    fn names(&self) -> Vec<String> {
        self.kinds.iter().map(|one| one.kind.clone()).collect()
    }
}
