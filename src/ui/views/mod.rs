//! How each verb's result reads.

pub mod cost;
mod destroy;
mod history;
mod init;
mod kubeconfig;
pub mod plan;
mod policy;
mod provision;
pub mod reap;
mod sandbox;
mod schema;
mod status;

use crate::model::doc::{Audit, Stack};

/// `aws/us-east-1`.
fn place(stack: &Stack) -> String {
    format!("{}/{}", stack.provider, stack.region)
}

/// The marker that no pretend result goes without.
fn marked(mut line: String, sandbox: bool) -> String {
    if sandbox {
        line.push_str("  SANDBOX");
    }
    line.push('\n');
    line
}

fn audit_lines(audit: Option<&Audit>) -> String {
    let mut text = String::new();
    if let Some(audit) = audit {
        for (label, list) in [("missing", &audit.missing), ("unexpected", &audit.unexpected)] {
            for item in list {
                text.push_str(&format!("  {label}: {item}\n"));
            }
        }
    }
    text
}
