//! `kubeconfig`: what was done is said on stderr; the answer is the document, or the context's name for pipes.

use crate::model::doc::KubeconfigReport;
use crate::ui::view::View;
use jiff::Timestamp;

impl View for KubeconfigReport {
    const KIND: &'static str = "kubeconfig";

    fn human(&self, _: Timestamp, _: bool) -> String {
        String::new()
    }

    fn names(&self) -> Vec<String> {
        vec![self.context.clone()]
    }
}
