//! Policy documents: what IAM accepts as one, and whom a trust policy trusts. What an identity policy allows is judged in
//! [`super::evaluate`].

use super::{
    super::ApiError,
    evaluate::{acts, is_operator},
};
use serde_json::Value;

/// Longest trust policy, in characters without blanks.
const TRUST_LIMIT: usize = 2_048;
/// Longest managed policy, in characters without blanks.
pub const MANAGED_LIMIT: usize = 6_144;
/// Longest sum of a role's inline policies.
pub const INLINE_LIMIT: usize = 10_240;

fn malformed(why: impl Into<String>) -> ApiError {
    ApiError::bad("MalformedPolicyDocument", why)
}

/// A value that may be one or a list.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

pub(super) fn statements(document: &Value) -> Vec<&Value> {
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
    if let Some(sid) = map.get("Sid") {
        let sid = sid.as_str().ok_or_else(|| malformed("Syntax errors in policy."))?;
        if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let why = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*";
            return Err(malformed(why));
        }
    }
    check_conditions(map.get("Condition"))
}

fn check_conditions(conditions: Option<&Value>) -> Result<(), ApiError> {
    let Some(conditions) = conditions else { return Ok(()) };
    let blocks = conditions.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
    for (operator, tests) in blocks {
        if !is_operator(operator).0 {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        let tests = tests.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
        if let Some(bad) = tests.keys().find(|key| !key.contains(':')) {
            return Err(malformed(format!(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {bad}"
            )));
        }
    }
    Ok(())
}

/// Condition operators of a document that the sandbox does not evaluate.
pub(super) fn unevaluated(document: &Value) -> Vec<String> {
    let blocks = statements(document).into_iter().filter_map(|statement| statement["Condition"].as_object());
    blocks.flat_map(serde_json::Map::keys).filter(|operator| !is_operator(operator).1).cloned().collect()
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
    let mut sids: Vec<&str> = statements(&document).into_iter().filter_map(|it| it["Sid"].as_str()).collect();
    sids.sort_unstable();
    if sids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            json!({"Sid": "with-dash", "Effect": "Allow", "Action": "ec2:*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringLikes": {"a:b": "c"}}}),
            json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {"StringLike": {"ab": "c"}}}),
            json!([
                {"Sid": "A", "Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
                {"Sid": "A", "Effect": "Allow", "Action": "eks:*", "Resource": "*"},
            ]),
            json!([]),
        ] {
            assert_eq!(with(bad.clone()).expect_err("refused").code, "MalformedPolicyDocument", "{bad}");
        }
    }
}
