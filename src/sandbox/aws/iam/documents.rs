//! Policy documents: what IAM accepts as one, and what one allows. Conditions are not evaluated: a statement with
//! conditions counts as if they held, except for deny statements, which then do not count.

use super::super::ApiError;
use serde_json::Value;

/// Longest trust policy, in characters without blanks.
const TRUST_LIMIT: usize = 2_048;
/// Longest sum of a role's inline policies.
pub const INLINE_LIMIT: usize = 10_240;

fn malformed(why: impl Into<String>) -> ApiError {
    ApiError::bad("MalformedPolicyDocument", why)
}

/// A value that may be one or a list.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(items) => items.iter().collect(),
        Value::Object(_) => vec![&document["Statement"]],
        _ => Vec::new(),
    }
}

fn parse(text: &str) -> Result<Value, ApiError> {
    let document: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    let Some(map) = document.as_object() else { return Err(malformed("Syntax errors in policy.")) };
    if map.keys().any(|key| !matches!(key.as_str(), "Version" | "Statement" | "Id")) {
        return Err(malformed("Syntax errors in policy."));
    }
    if !matches!(document["Version"].as_str(), None | Some("2012-10-17" | "2008-10-17")) {
        return Err(malformed("Policy document must be version 2012-10-17 or greater."));
    }
    if statements(&document).is_empty() {
        return Err(malformed("Syntax errors in policy."));
    }
    Ok(document)
}

fn check_statement(statement: &Value, allowed: &[&str]) -> Result<(), ApiError> {
    let Some(map) = statement.as_object() else { return Err(malformed("Syntax errors in policy.")) };
    if let Some(key) = map.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(malformed(match key.as_str() {
            "Resource" | "NotResource" | "Principal" | "NotPrincipal" => {
                format!("Has prohibited field {key}")
            }
            _ => "Syntax errors in policy.".to_owned(),
        }));
    }
    if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
        return Err(malformed("Syntax errors in policy."));
    }
    let actions = statement.get("Action").or_else(|| statement.get("NotAction")).and_then(texts);
    let Some(actions) = actions.filter(|actions| !actions.is_empty()) else {
        return Err(malformed("Missing required field Action"));
    };
    if actions.iter().any(|action| *action != "*" && !action.contains(':')) {
        return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
    }
    Ok(())
}

/// Checks an identity policy.
///
/// # Errors
/// `MalformedPolicyDocument`.
pub fn check_identity(text: &str) -> Result<Value, ApiError> {
    let document = parse(text)?;
    for statement in statements(&document) {
        check_statement(statement, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
        let resources = statement.get("Resource").or_else(|| statement.get("NotResource")).and_then(texts);
        let Some(resources) = resources.filter(|resources| !resources.is_empty()) else {
            return Err(malformed("Policy statement must contain resources."));
        };
        if let Some(bad) = resources.iter().find(|resource| **resource != "*" && !resource.starts_with("arn:")) {
            return Err(malformed(format!("Resource {bad} must be in ARN format or \"*\".")));
        }
    }
    Ok(document)
}

/// One principal of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// `eks.amazonaws.com`.
    Service(String),
    /// An account's root, a user, a role; `*` is everybody.
    Aws(String),
    /// An identity provider.
    Federated(String),
}

fn principals(statement: &Value) -> Option<Vec<Principal>> {
    let map = match &statement["Principal"] {
        Value::String(all) if all == "*" => return Some(vec![Principal::Aws("*".to_owned())]),
        Value::Object(map) if !map.is_empty() => map,
        _ => return None,
    };
    let mut found = Vec::new();
    for (kind, value) in map {
        for text in texts(value)? {
            let text = text.to_owned();
            found.push(match kind.as_str() {
                "Service" => Principal::Service(text),
                "AWS" => Principal::Aws(text),
                "Federated" => Principal::Federated(text),
                _ => return None,
            });
        }
    }
    Some(found)
}

/// Checks a trust policy; `exists` says whether a principal is there.
///
/// # Errors
/// `MalformedPolicyDocument`.
pub fn check_trust(text: &str, exists: impl Fn(&Principal) -> bool) -> Result<Value, ApiError> {
    if text.chars().filter(|c| !c.is_whitespace()).count() > TRUST_LIMIT {
        let why = format!("Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}");
        return Err(ApiError::new(409, "LimitExceeded", why));
    }
    let document = parse(text)?;
    for statement in statements(&document) {
        if statement.get("Principal").is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        check_statement(statement, &["Sid", "Effect", "Action", "Principal", "Condition"])?;
        if statement.get("Action").and_then(texts).is_some_and(|actions| actions.iter().any(|a| !a.starts_with("sts:")))
        {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
        let found = principals(statement).ok_or_else(|| malformed("Syntax errors in policy."))?;
        if let Some(bad) = found.iter().find(|principal| !exists(principal)) {
            let (kind, text) = match bad {
                Principal::Service(text) => ("SERVICE", text),
                Principal::Aws(text) => ("AWS", text),
                Principal::Federated(text) => ("FEDERATED", text),
            };
            return Err(malformed(format!("Invalid principal in policy: \"{kind}\":\"{text}\"")));
        }
    }
    Ok(document)
}

/// Whether a trust policy lets one of these principals do this action (`sts:AssumeRole`).
pub fn trusts(document: &Value, action: &str, is_principal: impl Fn(&Principal) -> bool) -> bool {
    let mut allowed = false;
    for statement in statements(document) {
        let named = principals(statement).unwrap_or_default().iter().any(&is_principal);
        if !named || !acts(statement, action) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => allowed = true,
            _ if statement.get("Condition").is_none() => return false,
            _ => {}
        }
    }
    allowed
}

/// What a set of policies says about an action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement speaks of it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

/// Judges an action over these documents.
pub fn judge<'a>(documents: impl IntoIterator<Item = &'a Value>, action: &str, resource: &str) -> Verdict {
    let mut verdict = Verdict::ImplicitDeny;
    for statement in documents.into_iter().flat_map(statements) {
        if !acts(statement, action) || !touches(statement, resource) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => verdict = Verdict::Allowed,
            _ if statement.get("Condition").is_none() => return Verdict::ExplicitDeny,
            _ => {}
        }
    }
    verdict
}

fn acts(statement: &Value, action: &str) -> bool {
    let hit = |value: &Value| texts(value).unwrap_or_default().iter().any(|pattern| like(pattern, action, true));
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(value), _) => hit(value),
        (None, Some(value)) => !hit(value),
        (None, None) => false,
    }
}

/// A resource of `*` stands for "some resource": any statement that allows it somewhere counts.
fn touches(statement: &Value, resource: &str) -> bool {
    let hit = |value: &Value| {
        resource == "*" || texts(value).unwrap_or_default().iter().any(|pattern| like(pattern, resource, false))
    };
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(value), _) => hit(value),
        (None, Some(value)) => resource == "*" || !hit(value),
        (None, None) => true,
    }
}

/// IAM's patterns: `*` any run, `?` one character; actions in any case.
fn like(pattern: &str, text: &str, any_case: bool) -> bool {
    let same = |a: u8, b: u8| a == b || any_case && a.eq_ignore_ascii_case(&b);
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || same(c, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_match_as_iam_does() {
        for (pattern, text) in
            [("*", "ec2:RunInstances"), ("ec2:*", "ec2:X"), ("EC2:describe*", "ec2:DescribeVpcs"), ("a?c", "abc")]
        {
            assert!(like(pattern, text, true), "{pattern} {text}");
        }
        for (pattern, text) in [("ec2:*", "eks:X"), ("ec2:Run", "ec2:RunInstances"), ("a?c", "ac")] {
            assert!(!like(pattern, text, true), "{pattern} {text}");
        }
        assert!(!like("arn:A", "arn:a", false));
    }

    #[test]
    fn deny_wins_and_silence_is_denial() {
        let allow = json!({"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}});
        let deny = json!({"Statement": [{"Effect": "Deny", "Action": ["ec2:DeleteVpc"], "Resource": "*"}]});
        assert_eq!(judge([&allow, &deny], "ec2:CreateVpc", "*"), Verdict::Allowed);
        assert_eq!(judge([&allow, &deny], "ec2:DeleteVpc", "*"), Verdict::ExplicitDeny);
        assert_eq!(judge([&allow, &deny], "eks:ListClusters", "*"), Verdict::ImplicitDeny);
    }

    #[test]
    fn trust_policies_are_checked() {
        let good = |service: &str, action: &str| {
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Principal": {"Service": service}}]})
                .to_string()
        };
        let exists = |p: &Principal| *p == Principal::Service("eks.amazonaws.com".to_owned());
        let document = check_trust(&good("eks.amazonaws.com", "sts:AssumeRole"), exists).expect("valid");
        assert!(trusts(&document, "sts:AssumeRole", exists));
        assert!(!trusts(&document, "sts:TagSession", exists));
        let code = |text: &str| check_trust(text, exists).expect_err("refused");
        assert_eq!(code("{}").code, "MalformedPolicyDocument");
        assert_eq!(code("{").message, "This policy contains invalid Json");
        let wrong = code(&good("nobody.amazonaws.com", "sts:AssumeRole"));
        assert_eq!(wrong.message, "Invalid principal in policy: \"SERVICE\":\"nobody.amazonaws.com\"");
        assert!(code(&good("eks.amazonaws.com", "ec2:RunInstances")).message.contains("STS"));
        let with_resource = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*", "Principal": {"Service": "eks.amazonaws.com"}}]});
        assert_eq!(code(&with_resource.to_string()).message, "Has prohibited field Resource");
    }

    #[test]
    fn identity_policies_are_checked() {
        let with =
            |statement: Value| check_identity(&json!({"Version": "2012-10-17", "Statement": statement}).to_string());
        assert!(with(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"})).is_ok());
        for bad in [
            json!({"Effect": "Allow", "Action": "ec2:*"}),
            json!({"Effect": "Maybe", "Action": "ec2:*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "everything", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "vpc-1"}),
            json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Principal": "*"}),
            json!([]),
        ] {
            assert_eq!(with(bad.clone()).expect_err("refused").code, "MalformedPolicyDocument", "{bad}");
        }
    }
}
