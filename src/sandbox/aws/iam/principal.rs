//! What a principal may do: the judgement every call passes, and the words of its refusal.

use super::{
    documents,
    evaluate::{self, Ask, Context, Verdict},
    needs::{self, By, Need, Request},
    policies,
    roles::{self, Role},
};
use crate::sandbox::{
    aws::{ApiError, Caller, Protocol, sts},
    world::Tx,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What policies give a principal.
pub(super) enum Rights {
    /// Everything: the account's permanent user, unless the sandbox was told otherwise.
    All,
    /// What these documents say, within the boundary if there is one.
    Said {
        /// Attached and inline policies.
        documents: Vec<Value>,
        /// Permissions boundary.
        boundary: Option<Value>,
    },
}

impl Rights {
    /// The account's permanent user's.
    pub(super) fn of_user(tx: &Tx<'_>) -> Self {
        let told = tx.in_force().policies.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
        // Other clouds' documents have no statements.
        let documents: Vec<Value> = told.filter(|document| document.get("Statement").is_some()).collect();
        if documents.is_empty() {
            return Self::All;
        }
        Self::Said { documents, boundary: None }
    }

    /// A role's.
    pub(super) fn of_role(tx: &Tx<'_>, account: &str, role: &Role) -> Self {
        let attached = role.attached.keys().filter_map(|arn| policies::document(tx, account, arn));
        let inline = role.inline.values().filter_map(|text| serde_json::from_str(text).ok());
        let boundary = role.boundary.as_ref().and_then(|arn| policies::document(tx, account, arn));
        Self::Said { documents: attached.chain(inline).collect(), boundary }
    }

    /// A caller's; a role that is gone has none.
    fn of(tx: &Tx<'_>, caller: &Caller) -> Self {
        let principal = caller.principal_arn();
        let Some(name) = roles::role_name_of(&principal) else { return Self::of_user(tx) };
        match roles::find(tx, &caller.account, name) {
            Some(role) => Self::of_role(tx, &caller.account, &role.read()),
            None => Self::Said { documents: Vec::new(), boundary: None },
        }
    }

    pub(super) fn judge(&self, ask: &Ask) -> Verdict {
        let Self::Said { documents, boundary } = self else { return Verdict::Allowed };
        match (evaluate::judge(documents, ask), boundary) {
            (Verdict::Allowed, Some(boundary)) => evaluate::judge([boundary], ask),
            (verdict, _) => verdict,
        }
    }

    /// Condition keys that the policies name for this and nobody gave.
    pub(super) fn missing_keys(&self, ask: &Ask) -> Vec<String> {
        match self {
            Self::All => Vec::new(),
            Self::Said { documents, boundary } => evaluate::missing_keys(documents.iter().chain(boundary), ask),
        }
    }
}

/// Whether the role with this ARN may do this to something with these tags, which its service knows them by.
pub fn role_may(tx: &Tx<'_>, arn: &str, action: &str, resource: &str, tags: &BTreeMap<String, String>) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let (Some(account), Some(name)) = (parts.get(4), roles::role_name_of(arn)) else { return false };
    let Some(role) = roles::find(tx, account, name) else { return false };
    let service = action.split_once(':').map_or("aws", |(service, _)| service);
    let own = |context: Context, (key, value): (&String, &String)| {
        context.with(&format!("{service}:ResourceTag/{key}"), value)
    };
    let context = tags.iter().fold(Context::default().tagged("ResourceTag", tags), own);
    let ask = Ask { action: action.to_owned(), resource: resource.to_owned(), context };
    Rights::of_role(tx, account, &role.read()).judge(&ask) == Verdict::Allowed
}

/// Refuses a call for the first thing that its caller may not do; counts every question.
///
/// # Errors
/// As the service words it.
pub fn authorize(tx: &mut Tx<'_>, caller: &Caller, protocol: Protocol, request: &Request<'_>) -> Result<(), ApiError> {
    let rights = Rights::of(tx, caller);
    for need in needs::of(tx, caller, request) {
        let verdict = rights.judge(&need.ask);
        tx.note_question(&need.ask.action, verdict == Verdict::Allowed);
        if verdict != Verdict::Allowed {
            return Err(refusal(protocol, caller, &need, verdict));
        }
    }
    Ok(())
}

fn refusal(protocol: Protocol, caller: &Caller, need: &Need, verdict: Verdict) -> ApiError {
    let Ask { action, resource, .. } = &need.ask;
    match need.by {
        // EC2's answer inside EKS's: what was missing stands in the part that is not for reading.
        By::LaunchTemplate => {
            let why = "You are not authorized to launch instances with this launch template. Encoded authorization failure message: c2FuZGJveA";
            return ApiError::bad("InvalidRequestException", why);
        }
        By::LinkedRole => {
            let name = resource.rsplit('/').next().unwrap_or_default();
            let why =
                format!("Failed to validate if SLR: {name} already exists due to missing permissions for '{action}'");
            return ApiError::bad("InvalidRequestException", why);
        }
        By::Itself => {}
    }
    let because = match verdict {
        Verdict::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        _ => format!("because no identity-based policy allows the {action} action"),
    };
    let on = if resource == "*" { String::new() } else { format!(" on resource: {resource}") };
    denied(protocol, caller, &format!("{action}{on} {because}"))
}

/// A call that the account's organisation keeps from everybody in it.
pub fn forbidden(protocol: Protocol, caller: &Caller, action: &str) -> ApiError {
    denied(protocol, caller, &format!("{action} with an explicit deny in a service control policy"))
}

/// What may not be done, and why, in the words of the service that was asked.
fn denied(protocol: Protocol, caller: &Caller, what: &str) -> ApiError {
    let why = format!("User: {} is not authorized to perform: {what}", caller.arn);
    match protocol {
        Protocol::Ec2 => {
            let why = format!("You are not authorized to perform this operation. {why}");
            ApiError::new(403, "UnauthorizedOperation", why)
        }
        Protocol::Query(_) => ApiError::new(403, "AccessDenied", why),
        Protocol::Json(_) => ApiError::bad("AccessDeniedException", why),
        Protocol::RestJson => ApiError::new(403, "AccessDeniedException", why),
    }
}

/// Reads policies for the permanent user: one document or several in a row, as IAM would take them.
///
/// # Errors
/// Why IAM would refuse one, or what in it the sandbox does not judge.
pub fn read_policies(text: &str) -> Result<Vec<String>, String> {
    let mut read = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|why| format!("it is no JSON: {why}"))?;
        let text = document.to_string();
        documents::check_identity(&text).map_err(|refused| refused.message)?;
        let size = text.chars().filter(|c| !c.is_whitespace()).count();
        if size > documents::MANAGED_LIMIT {
            return Err(format!("a policy has at most {} characters, this one {size}", documents::MANAGED_LIMIT));
        }
        if let Some(operator) = documents::unevaluated(&document).first() {
            return Err(format!("the sandbox does not judge conditions with {operator}"));
        }
        read.push(text);
    }
    if read.is_empty() { Err("there is no policy in it".to_owned()) } else { Ok(read) }
}

/// Whether a source of simulations is the account's permanent user.
pub(super) fn is_permanent(account: &str, source: &str) -> bool {
    source == sts::permanent_caller(account).arn
}
