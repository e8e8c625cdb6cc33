//! Who a caller is to a cluster, and what its access policies let it do. Nothing else grants anything here: the sandbox
//! has no role bindings of its own, so groups other than `system:masters` carry no rights.

use super::{discovery::Kind, status::Refusal};
use crate::sandbox::aws::eks::Grant;

/// A user of the API server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct User {
    /// Kubernetes name.
    pub(super) name: String,
    /// Kubernetes groups.
    pub(super) groups: Vec<String>,
    policies: Vec<(&'static str, Option<Vec<String>>)>,
}

impl User {
    /// The user an EKS grant makes of an IAM principal; a session's name goes into the user name.
    pub(super) fn new(grant: Grant, session: &str) -> Self {
        let mut groups = grant.groups;
        groups.push("system:authenticated".to_owned());
        let name = grant.username.replace("{{SessionName}}", session).replace("{{SessionNameRaw}}", session);
        Self { name, groups, policies: grant.policies }
    }

    /// Whether the user may do this; `verb` is Kubernetes' own word.
    pub(super) fn may(&self, verb: &str, kind: &Kind, namespace: Option<&str>) -> bool {
        let reads = matches!(verb, "get" | "list" | "watch");
        self.groups.iter().any(|group| group == "system:masters")
            || self.policies.iter().any(|(policy, namespaces)| {
                let inside = match (namespaces, namespace) {
                    (None, _) => true,
                    (Some(list), Some(namespace)) => list.iter().any(|pattern| covers(pattern, namespace)),
                    (Some(_), None) => false,
                };
                let secret = kind.plural == "secrets";
                let visible = kind.namespaced || kind.plural == "namespaces";
                let allows = match *policy {
                    "AmazonEKSClusterAdminPolicy" => true,
                    "AmazonEKSAdminPolicy" | "AmazonEKSEditPolicy" => kind.namespaced || (reads && visible),
                    "AmazonEKSAdminViewPolicy" => reads,
                    "AmazonEKSViewPolicy" => reads && visible && !secret,
                    "AmazonEKSSecretReaderPolicy" => reads && secret,
                    _ => false,
                };
                inside && allows
            })
    }

    /// Refuses what the user may not do, in the API server's words.
    pub(super) fn check(
        &self,
        verb: &str,
        kind: &Kind,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.may(verb, kind, namespace) {
            return Ok(());
        }
        let full =
            if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
        let named = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        Err(Refusal::forbidden(format!(
            "{full}{named} is forbidden: User \"{}\" cannot {verb} resource \"{}\" in API group \"{}\" {place}",
            self.name, kind.plural, kind.group
        )))
    }
}

/// A namespace of an access scope may end in `*`.
fn covers(pattern: &str, namespace: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => namespace.starts_with(prefix),
        None => pattern == namespace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(policy: &'static str, namespaces: Option<&[&str]>) -> User {
        let namespaces = namespaces.map(|list| list.iter().map(|n| (*n).to_owned()).collect());
        User::new(
            Grant {
                username: "arn:x/{{SessionName}}".to_owned(),
                groups: vec![],
                policies: vec![(policy, namespaces)],
            },
            "me",
        )
    }

    #[test]
    fn policies_allow_what_they_say() {
        let (nodes, services, secrets) =
            (Kind::find("", "nodes"), Kind::find("", "services"), Kind::find("", "secrets"));
        let (nodes, services, secrets) = (nodes.expect("served"), services.expect("served"), secrets.expect("served"));
        let admin = user("AmazonEKSClusterAdminPolicy", None);
        assert!(admin.may("list", nodes, None) && admin.may("delete", services, Some("a")));
        let view = user("AmazonEKSViewPolicy", None);
        assert!(view.may("list", services, None) && !view.may("create", services, Some("a")));
        assert!(!view.may("list", nodes, None) && !view.may("get", secrets, Some("a")));
        let edit = user("AmazonEKSEditPolicy", Some(&["team-*"]));
        assert!(edit.may("create", services, Some("team-a")) && !edit.may("create", services, Some("other")));
        assert!(!edit.may("list", services, None));
        assert!(!user("AmazonEKSAutoNodePolicy", None).may("get", nodes, None));
        assert_eq!(view.name, "arn:x/me");
    }

    #[test]
    fn a_refusal_reads_as_kubectl_shows_it() {
        let refusal =
            user("AmazonEKSViewPolicy", None).check("list", Kind::find("", "nodes").expect("served"), None, None);
        assert_eq!(
            refusal.expect_err("refused").body()["message"],
            "nodes is forbidden: User \"arn:x/me\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}
