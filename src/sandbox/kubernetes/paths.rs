//! What a request's path and method ask of the API server.

use super::discovery::Kind;
use percent_encoding::percent_decode_str;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// `/healthz`, `/livez`, `/readyz`: answered to anybody.
    Health,
    /// `/version`.
    Version,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/v1`.
    Resources(String),
    /// `/openapi/v3`, and one group's document below it.
    OpenApi(Option<String>),
    /// Objects of a kind, or one of them.
    Objects(Objects),
    /// `SelfSubjectReview`: who am I?
    WhoAmI,
    /// `SelfSubjectAccessReview`: may I?
    MayI,
    /// Nothing the server knows.
    Unknown,
}

/// Objects of a kind, or one of them.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    /// The kind.
    pub(super) kind: &'static Kind,
    /// The namespace, of a namespaced kind.
    pub(super) namespace: Option<String>,
    /// One object's name.
    pub(super) name: Option<String>,
    /// `status`, `finalize`, `log`.
    pub(super) sub: Option<String>,
}

/// Reads the path below the cluster's prefix.
pub(super) fn target(path: &str) -> Target {
    let decoded: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => Target::Health,
        ["version"] => Target::Version,
        ["api"] => Target::CoreVersions,
        ["apis"] => Target::Groups,
        ["openapi", "v3"] => Target::OpenApi(None),
        ["openapi", "v3", "api", "v1"] => Target::OpenApi(Some(String::new())),
        ["openapi", "v3", "apis", group, "v1"] => Target::OpenApi(Some((*group).to_owned())),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => Target::WhoAmI,
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => Target::MayI,
        ["api", "v1"] => Target::Resources(String::new()),
        ["apis", group] => Target::Group((*group).to_owned()),
        ["apis", group, "v1"] => Target::Resources((*group).to_owned()),
        ["api", "v1", rest @ ..] => objects("", rest),
        ["apis", group, "v1", rest @ ..] => objects(group, rest),
        _ => Target::Unknown,
    }
}

fn objects(group: &str, rest: &[&str]) -> Target {
    let some = |part: Option<&&str>| part.map(|part| (*part).to_owned());
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, ..] if Kind::find(group, plural).is_some_and(|k| k.namespaced) => {
            (Some((*namespace).to_owned()), &rest[2..])
        }
        _ => (None, rest),
    };
    let Some(kind) = rest.first().and_then(|plural| Kind::find(group, plural)) else { return Target::Unknown };
    let (name, sub) = (some(rest.get(1)), some(rest.get(2)));
    let misplaced = (namespace.is_none() && kind.namespaced && name.is_some()) || rest.len() > 3;
    if misplaced { Target::Unknown } else { Target::Objects(Objects { kind, namespace, name, sub }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = (&'static str, Option<String>, Option<String>, Option<String>);

    fn asked(path: &str) -> Option<Named> {
        match target(path) {
            Target::Objects(o) => Some((o.kind.plural, o.namespace, o.name, o.sub)),
            _ => None,
        }
    }

    #[test]
    fn paths_name_kinds_namespaces_and_objects() {
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(asked("/api/v1/nodes"), Some(("nodes", None, None, None)));
        assert_eq!(asked("/api/v1/services"), Some(("services", None, None, None)));
        assert_eq!(
            asked("/api/v1/namespaces/a/services/web/status"),
            Some(("services", own("a"), own("web"), own("status")))
        );
        assert_eq!(asked("/api/v1/namespaces/a"), Some(("namespaces", None, own("a"), None)));
        assert_eq!(asked("/api/v1/namespaces/a/finalize"), Some(("namespaces", None, own("a"), own("finalize"))));
        assert_eq!(asked("/apis/apps/v1/namespaces/a/deployments"), Some(("deployments", own("a"), None, None)));
        assert_eq!(asked("/api/v1/services/web"), None);
        assert_eq!(asked("/apis/apps/v1/nodes"), None);
        assert!(matches!(target("/apis/apps/v1"), Target::Resources(g) if g == "apps"));
        assert!(matches!(target("/readyz/ping"), Target::Health));
        assert!(matches!(target("/apis/gateway.networking.k8s.io/v1/gateways"), Target::Unknown));
    }
}
