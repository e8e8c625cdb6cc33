//! What kubewright writes into a kubeconfig for one cluster: a cluster, a user and a context, marked as its own.

use super::List;
use crate::model::Secret;
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

/// How kubectl gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By tokens of this credential plugin.
    Exec(ExecCommand),
    /// By a client certificate. Whoever has the file has the key.
    Certificate {
        /// Certificate, PEM.
        certificate_pem: String,
        /// Its key, PEM.
        key_pem: Secret<String>,
    },
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
    /// The server's CA, PEM; none where everybody trusts it.
    pub ca_pem: Option<String>,
    /// How kubectl gets in.
    pub login: Login,
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
        let mut server = json!({"server": self.server});
        if let Some(ca_pem) = &self.ca_pem {
            server["certificate-authority-data"] = json!(STANDARD.encode(ca_pem));
        }
        server["extensions"] = extensions.clone();
        let cluster = json!({"name": name, "cluster": server});
        let login = match &self.login {
            Login::Exec(exec) => json!({
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": exec.command,
                    "args": exec.args,
                    "interactiveMode": "Never",
                    "provideClusterInfo": false,
                    "installHint": "kubewright wrote this context; its binary is no longer where it was",
                },
            }),
            Login::Certificate { certificate_pem, key_pem } => json!({
                "client-certificate-data": STANDARD.encode(certificate_pem),
                "client-key-data": STANDARD.encode(key_pem.reveal()),
            }),
        };
        let user = json!({"name": name, "user": login});
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
