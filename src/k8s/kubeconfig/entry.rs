//! What kubewright writes into a kubeconfig for one cluster: a cluster, a user and a context, marked as its own.

use super::List;
use serde_json::{Value as Json, json};

/// The name of the extension that marks an entry as ours, and for which cluster.
pub(super) const EXTENSION: &str = "kubewright";

/// The credential plugin as kubectl calls it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExecCommand {
    /// Absolute path of the program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// One cluster's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which cluster it is for, the same on every machine: see [`mark_of`].
    pub mark: String,
    /// The context's name.
    pub context: String,
    /// API server URL.
    pub server: String,
    /// The server's CA, PEM.
    pub ca_pem: String,
    /// How kubectl gets a token.
    pub exec: ExecCommand,
}

/// The mark of a cluster: cloud, account, region and its name there.
pub fn mark_of(cloud: &str, account: &str, region: &str, cluster: &str) -> String {
    format!("{cloud}/{account}/{region}/{cluster}")
}

/// The name of a cluster's cluster and user entries.
pub(super) fn entry_name(mark: &str) -> String {
    format!("kubewright:{mark}")
}

impl Entry {
    /// The three entries, in the order in which they are written.
    pub(super) fn items(&self) -> Vec<(List, String, Json)> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let name = entry_name(&self.mark);
        let extensions = json!([{ "name": EXTENSION, "extension": { "cluster": self.mark } }]);
        let cluster = json!({
            "name": name,
            "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(&self.ca_pem),
                "extensions": extensions,
            },
        });
        let user = json!({
            "name": name,
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": self.exec.command,
                    "args": self.exec.args,
                    "interactiveMode": "Never",
                    "provideClusterInfo": false,
                    "installHint": "kubewright wrote this context; its binary is no longer where it was",
                },
            },
        });
        let context = json!({
            "name": self.context,
            "context": { "cluster": name, "user": name, "extensions": extensions },
        });
        vec![
            (List::Clusters, name.clone(), cluster),
            (List::Users, name, user),
            (List::Contexts, self.context.clone(), context),
        ]
    }
}
