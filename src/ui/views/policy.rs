//! `policy`: for people and for the cloud the documents themselves, one after the other.

use crate::model::doc::Policy;
use crate::ui::view::View;
use jiff::Timestamp;

impl View for Policy {
    const KIND: &'static str = "policy";

    fn human(&self, _: Timestamp, _: bool) -> String {
        let pretty = |document| serde_json::to_string_pretty(document).expect("policies have string keys");
        self.policies.iter().map(|policy| pretty(&policy.document) + "\n").collect()
    }

    fn names(&self) -> Vec<String> {
        self.actions.clone()
    }
}
