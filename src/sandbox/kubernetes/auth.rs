//! Who a caller is to a cluster, and what the cloud's own authorisation lets it do. Nothing else grants anything here: the
//! sandbox obeys no role bindings, so groups other than `system:masters` carry no rights.

use super::{discovery::Kind, status::Refusal};

/// What a cloud lets a user do in a cluster, in Kubernetes' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Right {
    /// Everything.
    Everything,
    /// Everything in namespaces; of what is outside only the namespaces themselves are seen.
    Edit,
    /// Sees everything, secrets too.
    ViewAll,
    /// Sees what is in namespaces, but secrets.
    View,
    /// Sees secrets.
    ViewSecrets,
}

impl Right {
    fn allows(self, reads: bool, kind: &Kind) -> bool {
        let secret = kind.plural == "secrets";
        let visible = kind.namespaced || kind.plural == "namespaces";
        match self {
            Self::Everything => true,
            Self::Edit => kind.namespaced || (reads && visible),
            Self::ViewAll => reads,
            Self::View => reads && visible && !secret,
            Self::ViewSecrets => reads && secret,
        }
    }
}

/// A user of the API server.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct User {
    /// Kubernetes name.
    pub(super) name: String,
    /// Kubernetes groups.
    pub(super) groups: Vec<String>,
    rights: Vec<(Right, Option<Vec<String>>)>,
}

impl User {
    /// A user with rights, each in the whole cluster or only in namespaces that match (`team-*`).
    pub(in crate::sandbox) fn new(
        name: impl Into<String>,
        mut groups: Vec<String>,
        rights: Vec<(Right, Option<Vec<String>>)>,
    ) -> Self {
        groups.push("system:authenticated".to_owned());
        Self { name: name.into(), groups, rights }
    }

    /// A user who may do everything: one of `system:masters`.
    pub(in crate::sandbox) fn master(name: impl Into<String>) -> Self {
        Self::new(name, vec!["system:masters".to_owned()], Vec::new())
    }

    /// Whether the user may do this; `verb` is Kubernetes' own word.
    pub(super) fn may(&self, verb: &str, kind: &Kind, namespace: Option<&str>) -> bool {
        let reads = matches!(verb, "get" | "list" | "watch");
        self.groups.iter().any(|group| group == "system:masters")
            || self.rights.iter().any(|(right, namespaces)| {
                let inside = match (namespaces, namespace) {
                    (None, _) => true,
                    (Some(list), Some(namespace)) => list.iter().any(|pattern| covers(pattern, namespace)),
                    (Some(_), None) => false,
                };
                inside && right.allows(reads, kind)
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

/// A namespace of a right may end in `*`.
fn covers(pattern: &str, namespace: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => namespace.starts_with(prefix),
        None => pattern == namespace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(right: Right, namespaces: Option<&[&str]>) -> User {
        let namespaces = namespaces.map(|list| list.iter().map(|n| (*n).to_owned()).collect());
        User::new("arn:x/me", vec![], vec![(right, namespaces)])
    }

    #[test]
    fn rights_allow_what_they_say() {
        let (nodes, services, secrets) =
            (Kind::find("", "nodes"), Kind::find("", "services"), Kind::find("", "secrets"));
        let (nodes, services, secrets) = (nodes.expect("served"), services.expect("served"), secrets.expect("served"));
        let admin = user(Right::Everything, None);
        assert!(admin.may("list", nodes, None) && admin.may("delete", services, Some("a")));
        let view = user(Right::View, None);
        assert!(view.may("list", services, None) && !view.may("create", services, Some("a")));
        assert!(!view.may("list", nodes, None) && !view.may("get", secrets, Some("a")));
        assert!(user(Right::ViewAll, None).may("get", secrets, Some("a")));
        assert!(user(Right::ViewSecrets, None).may("get", secrets, Some("a")));
        let edit = user(Right::Edit, Some(&["team-*"]));
        assert!(edit.may("create", services, Some("team-a")) && !edit.may("create", services, Some("other")));
        assert!(!edit.may("list", services, None));
        assert!(!User::new("nobody", vec!["viewers".to_owned()], vec![]).may("get", nodes, None));
        assert!(User::master("me").may("delete", nodes, None));
    }

    #[test]
    fn a_refusal_reads_as_kubectl_shows_it() {
        let refusal = user(Right::View, None).check("list", Kind::find("", "nodes").expect("served"), None, None);
        assert_eq!(
            refusal.expect_err("refused").body()["message"],
            "nodes is forbidden: User \"arn:x/me\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}
