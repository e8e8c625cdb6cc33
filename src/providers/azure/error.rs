//! Azure's errors → [`StepError`]: class by the vendor's code, residue by how far the request came, words for people.
//!
//! Only a vendor's code says "absent": a bare HTTP 404 may come from anything between here and Azure. Resource providers
//! wrap each other's errors, as text inside a message or in a list of details, so the innermost code that is known
//! decides. Sources, read 2026-11: "Resolve errors for Azure Resource Manager", "AKS error codes", and the messages that
//! users report.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::providers::rest::Answer;
pub(super) use crate::providers::words::clean;
use serde_json::Value;
use std::time::Duration;

/// Refused for a limit of the subscription.
pub const QUOTA: &str = "KW-AZURE-QUOTA";
/// Azure has none left of it, or not in that zone, or does not sell it to this subscription.
pub const CAPACITY: &str = "KW-AZURE-CAPACITY";
/// The token has ended.
pub const EXPIRED: &str = "KW-AZURE-EXPIRED";
/// No credentials, or not accepted.
pub const AUTH: &str = "KW-AZURE-CREDENTIALS";
/// The credentials are good, the action is not allowed.
pub const DENIED: &str = "KW-AZURE-DENIED";
/// A policy of the subscription forbids it.
pub const POLICY: &str = "KW-AZURE-POLICY";
/// A lock keeps it from being changed.
pub const LOCKED: &str = "KW-AZURE-LOCKED";
/// A resource provider is not registered in the subscription.
pub const UNREGISTERED: &str = "KW-AZURE-UNREGISTERED";
/// Nodes came up and could not join.
pub const BOOTSTRAP: &str = "KW-AZURE-BOOTSTRAP";
/// Told to slow down.
pub const THROTTLED: &str = "KW-AZURE-THROTTLED";
/// Azure had a fault of its own.
pub const SERVER: &str = "KW-AZURE-SERVER";
/// An answer that is not Azure's: a proxy, a wrong endpoint, an emulator without this operation.
pub const ANSWER: &str = "KW-AZURE-ANSWER";
/// Something needed is not visible or not ready yet, or another operation has the object.
pub const NOT_YET: &str = "KW-AZURE-NOT-YET";
/// Something with that name is there.
pub const EXISTS: &str = "KW-AZURE-EXISTS";
/// Something is there no more.
pub const ABSENT: &str = "KW-AZURE-ABSENT";
/// Something that is not ours is in the way.
pub const BLOCKED: &str = "KW-AZURE-BLOCKED";
/// Azure refused the request as it stands.
pub const REFUSED: &str = "KW-AZURE-REFUSED";

/// New identities and role assignments are known everywhere well within this; what is refused for longer is wrong.
pub(super) const PROPAGATION: Duration = Duration::from_secs(300);
/// Wrapped how deep an error may be.
const DEPTH: usize = 3;

/// What Azure said, one wrapping less in each further entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Code and message, the outermost first.
    chain: Vec<(String, String)>,
}

impl Fault {
    /// Reads an answer's document, be it of a refused call or of an operation that failed.
    pub(super) fn of(body: &Value) -> Option<Self> {
        let mut chain = Vec::new();
        let mut next = said(body);
        while let Some((code, message, details)) = next {
            next = inside(&message).or_else(|| details.iter().find_map(said));
            chain.push((code, message));
            if chain.len() > DEPTH {
                break;
            }
        }
        (!chain.is_empty()).then_some(Self { chain })
    }

    /// The code that says most.
    fn code(&self) -> &str {
        self.chain.last().map_or("", |(code, _)| code)
    }

    /// Whether a code stands anywhere in it.
    pub(super) fn names(&self, code: &str) -> bool {
        self.chain.iter().any(|(named, _)| named.eq_ignore_ascii_case(code))
    }

    fn text(&self) -> &str {
        self.chain.last().map_or("", |(_, message)| message)
    }

    fn in_words(&self) -> String {
        let mut codes: Vec<&str> = Vec::new();
        for (code, _) in self.chain.iter().rev() {
            if !codes.contains(&code.as_str()) {
                codes.push(code);
            }
        }
        format!("{} ({})", clean(self.text()), codes.join(" in "))
    }
}

/// Code, message and details of one error object, inside `error` or at the top.
fn said(body: &Value) -> Option<(String, String, Vec<Value>)> {
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let code = error.get("code").and_then(Value::as_str).filter(|code| !code.is_empty())?;
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let details = error.get("details").and_then(Value::as_array).cloned().unwrap_or_default();
    Some((code.to_owned(), message.to_owned(), details))
}

/// An error written as text into another one's message.
fn inside(message: &str) -> Option<(String, String, Vec<Value>)> {
    let at = message.find('{')?;
    let document = serde_json::Deserializer::from_str(&message[at..]).into_iter::<Value>().next()?.ok()?;
    said(&document)
}

/// The failure of one call that was answered. `op` is the operation, `network:virtualNetworks.createOrUpdate`; `what`
/// the thing in the user's words. The message reads "cannot create {what}: {why}".
pub(super) fn answered(op: &'static str, what: &str, answer: &Answer) -> StepError {
    let mut made = match Fault::of(&answer.body) {
        Some(fault) => {
            let mut made = failed(op, what, answer.status, &fault);
            // A refusal with Azure's own code was decided before any effect. A 5xx says nothing, but for those that
            // are refusals by their class.
            let refusal = matches!(made.class, ErrorClass::Throttled | ErrorClass::Capacity | ErrorClass::Quota);
            if answer.status < 500 && answer.status != 408 || refusal {
                made.residue = Residue::None;
            }
            made
        }
        // Not Azure's own words: nothing is known of the effect, and a 404 least of all means "absent".
        None => {
            let (class, id) = match answer.status {
                429 => (ErrorClass::Throttled, THROTTLED),
                408 | 500.. => (ErrorClass::Transient, SERVER),
                _ => (ErrorClass::Permanent, ANSWER),
            };
            let made = new(class, id, op, what, &format!("HTTP {} without an Azure error code", answer.status));
            if id == ANSWER { made.with_hint("is KUBEWRIGHT_ARM_ENDPOINT right, or a proxy in the way?") } else { made }
        }
    };
    made.request_id = request_id(answer);
    made.retry_after = answer.retry_after();
    made
}

/// The failure that Azure tells in `fault`, be it at once or at the end of an operation. Residue unknown.
pub(super) fn failed(op: &'static str, what: &str, status: u16, fault: &Fault) -> StepError {
    let known = fault.chain.iter().rev().find_map(|(code, text)| classify(op, code, text, status));
    let (class, id) = known.unwrap_or(match status {
        429 => (ErrorClass::Throttled, THROTTLED),
        408 | 500.. => (ErrorClass::Transient, SERVER),
        401 => (ErrorClass::Auth, AUTH),
        403 => (ErrorClass::Auth, DENIED),
        _ => (ErrorClass::Permanent, REFUSED),
    });
    let words = match denied_join(fault.text()).filter(|_| fault.names("LinkedAuthorizationFailed")) {
        Some((action, scope)) => format!("{action} is not allowed on {scope} (LinkedAuthorizationFailed)"),
        None => fault.in_words(),
    };
    let mut made = new(class, id, op, what, &words);
    made.code = Some(fault.code().to_owned());
    if class == ErrorClass::NotYet && is_propagation(fault) {
        made.retry_for = Some(PROPAGATION);
    }
    advised(made, op, what, fault)
}

/// The same with what to do about it.
fn advised(mut made: StepError, op: &'static str, what: &str, fault: &Fault) -> StepError {
    match made.id.as_str() {
        DENIED => {
            if let Some((action, scope)) = denied_action(fault.text()) {
                made.message = format!(
                    "cannot {} {what}: {action} is not allowed for these credentials on {scope} ({})",
                    verb(op),
                    fault.code()
                );
                made = made.with_hint(format!("allow {action} there, then run the same command again"));
            }
            made.with_hint("everything that a cluster needs: kubewright policy NAME")
        }
        EXPIRED => made.with_hint("sign in again (az login), then run the same command again"),
        AUTH if fault.names("SubscriptionNotFound") || fault.names("InvalidSubscriptionId") => made
            .with_hint("name another one: --subscription ID, or AZURE_SUBSCRIPTION_ID")
            .with_hint("what these credentials see: az account list -o table"),
        AUTH => made.with_hint("check the credentials: az account show"),
        QUOTA => {
            if let Some(numbers) = numbers(fault.text()) {
                made.message = format!("{}; {numbers}", made.message);
            }
            made.with_hint("raise it in the portal under Quotas, or take another machine family (--node-type) or region")
        }
        CAPACITY => made.with_hint("another machine (--node-type), other zones (--zones) or another region may have it"),
        UNREGISTERED => made.with_hint("az provider register --namespace Microsoft.ContainerService --wait"),
        POLICY => made.with_hint("ask whoever manages the subscription's policies, or build in another subscription"),
        LOCKED => made.with_hint("what locks there are: az lock list -o table"),
        BOOTSTRAP => made
            .with_hint("the nodes need a way out (NAT, routes, firewall), DNS, and the API server: see network.nat and network.apiAllow"),
        _ => made,
    }
}

/// Class and id for a vendor code; none for one that says nothing by itself.
fn classify(op: &str, code: &str, text: &str, status: u16) -> Option<(ErrorClass, &'static str)> {
    use ErrorClass::{Auth, Capacity, Conflict, NotYet, Permanent, Quota, Throttled, Transient};
    let quota = text.contains("quota") || text.contains("Quota");
    Some(match code {
        "TooManyRequests" | "SubscriptionRequestsThrottled" | "ResourceRequestsThrottled" => (Throttled, THROTTLED),
        "OperationNotAllowed" if status == 429 => (Throttled, THROTTLED),
        "OperationNotAllowed" if quota => (Quota, QUOTA),
        "QuotaExceeded"
        | "InsufficientVCPUQuota"
        | "ErrCode_InsufficientVCPUQuota"
        | "PublicIPCountLimitReached"
        | "NodesLimitExceeded"
        | "ResourceQuotaExceeded"
        | "NatGatewayCountLimitReached"
        | "VirtualNetworkCountLimitReached"
        | "SubscriptionQuotaReached"
        | "RoleAssignmentLimitExceeded" => (Quota, QUOTA),
        "SkuNotAvailable"
        | "VMSizeNotSupported"
        | "AllocationFailed"
        | "ZonalAllocationFailed"
        | "OverconstrainedAllocationRequest"
        | "OverconstrainedZonalAllocationRequest"
        | "AKSCapacityError"
        | "AksCapacityHeavyUsage"
        | "AvailabilityZoneNotSupported" => (Capacity, CAPACITY),
        "VMExtensionProvisioningError"
        | "VMExtensionProvisioningTimeout"
        | "OutboundConnFailVMExtensionError"
        | "K8SAPIServerConnFailVMExtensionError"
        | "K8SAPIServerDNSLookupFailVMExtensionError"
        | "VMExtensionError_OutboundConnFail"
        | "VMExtensionError_K8SAPIServerConnFail"
        | "VMExtensionError_K8SAPIServerDNSLookupFail" => (Permanent, BOOTSTRAP),
        "RequestDisallowedByPolicy" => (Auth, POLICY),
        "ScopeLocked" => (Permanent, LOCKED),
        "MissingSubscriptionRegistration" | "SubscriptionNotRegistered" => (Permanent, UNREGISTERED),
        "NoRegisteredProviderFound" if text.contains("register") => (Permanent, UNREGISTERED),
        "ExpiredAuthenticationToken" => (Auth, EXPIRED),
        "InvalidAuthenticationToken"
        | "InvalidAuthenticationTokenTenant"
        | "InvalidAuthenticationTokenAudience"
        | "AuthenticationFailed"
        | "SubscriptionNotFound"
        | "InvalidSubscriptionId"
        | "DisallowedOperation"
        | "ReadOnlyDisabledSubscription"
        | "SubscriptionNotEnabled" => (Auth, AUTH),
        // The caller may lack it for good, or the role that was given a moment ago is not known everywhere yet.
        "LinkedAuthorizationFailed" if is_making(op) => (NotYet, NOT_YET),
        "LinkedAuthorizationFailed" | "AuthorizationFailed" | "Forbidden" => (Auth, DENIED),
        "PrincipalNotFound"
        | "ServicePrincipalNotFound"
        | "ReferencedResourceNotProvisioned"
        | "InvalidResourceReference"
        | "LinkedInvalidPropertyId"
        | "RetryableError" => (NotYet, NOT_YET),
        "RoleAssignmentExists" | "PreconditionFailed" if is_making(op) => (Conflict, EXISTS),
        // Somebody else was there between our read and our write: read again.
        "EtagMismatch" | "PreconditionFailed" => (NotYet, NOT_YET),
        "OperationNotAllowed"
        | "AnotherOperationInProgress"
        | "OperationPreempted"
        | "AKSOperationPreempted"
        | "ResourceGroupBeingDeleted"
        | "ResourceGroupDeletionInProgress" => (NotYet, NOT_YET),
        "Conflict" if !text.contains("already exists") => (NotYet, NOT_YET),
        "Conflict" | "ResourceAlreadyExists" => (Conflict, EXISTS),
        // What still uses it is going, or the step looks for what it is.
        "PublicIPAddressCannotBeDeleted"
        | "InUseSubnetCannotBeDeleted"
        | "InUseNetworkSecurityGroupCannotBeDeleted"
        | "NatGatewayInUseCannotBeDeleted"
        | "InUseNatGatewayCannotBeDeleted"
        | "NicInUse"
        | "InUseRouteTableCannotBeDeleted"
        | "LoadBalancerInUseByVirtualMachineScaleSet"
        | "DiskInUse" => (NotYet, NOT_YET),
        "ResourceGroupDeletionBlocked"
        | "ResourceGroupDeletionTimeout"
        | "CannotDeleteLoadBalancerWithPrivateLinkService" => (Conflict, BLOCKED),
        "InternalServerError"
        | "InternalOperationError"
        | "ServiceUnavailable"
        | "ServerTimeout"
        | "GatewayTimeout" => (Transient, SERVER),
        // What is needed was made a moment ago and is not visible everywhere; what is read or removed is simply gone.
        _ if says_absent(code) && is_making(op) => (NotYet, NOT_YET),
        _ if says_absent(code) && status == 404 => (Permanent, ABSENT),
        _ => return None,
    })
}

/// Codes that mean "not there": on delete that is success, right after a create it is lag.
fn says_absent(code: &str) -> bool {
    matches!(
        code,
        "ResourceNotFound"
            | "ResourceGroupNotFound"
            | "ParentResourceNotFound"
            | "NotFound"
            | "RoleAssignmentNotFound"
            | "OperationNotFound"
            | "AgentPoolNotFound"
    )
}

/// Whether Azure itself said that the thing is not there.
pub(super) fn absent(failed: &StepError) -> bool {
    failed.id == ABSENT
}

/// What heals soon or never.
fn is_propagation(fault: &Fault) -> bool {
    let waits =
        ["PrincipalNotFound", "ServicePrincipalNotFound", "LinkedAuthorizationFailed", "LinkedInvalidPropertyId"];
    let waits = waits.into_iter().chain(["InvalidResourceReference", "ReferencedResourceNotProvisioned"]);
    waits.into_iter().any(|code| fault.names(code)) || says_absent(fault.code())
}

fn is_making(op: &str) -> bool {
    matches!(op.rsplit('.').next(), Some("createOrUpdate" | "create" | "update"))
}

/// The numbers of a quota's refusal: "Current Limit: 10, Current Usage: 8, Additional Required: 4".
fn numbers(text: &str) -> Option<String> {
    let number = |mark: &str| -> Option<u64> {
        let (_, rest) = text.split_once(mark)?;
        let digits: String = rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let (limit, used) = (number("Current Limit")?, number("Current Usage")?);
    let more = number("Additional Required").map(|more| format!(", {more} more needed")).unwrap_or_default();
    Some(format!("{used} of {limit} in use{more}"))
}

/// The action and the scope that Azure names in a refusal: "… does not have authorization to perform action 'X' over
/// scope 'Y' or the scope is invalid".
fn denied_action(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("perform action '")?;
    let (action, rest) = rest.split_once('\'')?;
    let (_, rest) = rest.split_once("scope")?;
    let scope = rest.split('\'').nth(1)?;
    action.contains('/').then_some((action, scope))
}

/// The action and the scope of a refusal over something that the object is to be joined to: "… does not have permission to
/// perform action(s) 'X' on the linked scope(s) 'Y' …".
fn denied_join(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("does not have permission to perform action")?;
    let mut quoted = rest.split('\'').skip(1).step_by(2);
    quoted.next().zip(quoted.next())
}

/// Azure's own id of the call, for its support.
fn request_id(answer: &Answer) -> Option<String> {
    ["x-ms-correlation-request-id", "x-ms-request-id"]
        .into_iter()
        .find_map(|name| answer.header(name))
        .map(str::to_owned)
}

/// No credentials at all, or none that count.
pub(super) fn no_credentials(why: &str) -> StepError {
    StepError::new(ErrorClass::Auth, AUTH, format!("no Azure credentials: {why}"))
        .with_residue(Residue::None)
        .with_hint("sign in (az login), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET")
}

fn new(class: ErrorClass, id: &str, op: &'static str, what: &str, why: &str) -> StepError {
    StepError::new(class, id, format!("cannot {} {what}: {why}", verb(op)))
}

/// The verb of an operation in a sentence.
pub(super) fn verb(op: &str) -> &str {
    match op.rsplit('.').next().unwrap_or_default() {
        "createOrUpdate" | "create" => "create",
        "get" | "list" => "read",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CREATE: &str = "containerservice:managedClusters.createOrUpdate";

    fn refused(op: &'static str, status: u16, body: Value) -> StepError {
        answered(op, "it", &Answer { status, headers: Vec::new(), body })
    }

    fn code(op: &'static str, status: u16, code: &str, text: &str) -> ErrorClass {
        refused(op, status, json!({"error": {"code": code, "message": text}})).class
    }

    #[test]
    fn classes_follow_the_vendor_code() {
        use ErrorClass::*;
        let delete = "network:virtualNetworks.delete";
        let read = "network:virtualNetworks.get";
        let rows: [(&'static str, u16, &str, &str, ErrorClass); 20] = [
            (CREATE, 429, "TooManyRequests", "", Throttled),
            (CREATE, 409, "OperationNotAllowed", "Another operation (Updating) is in progress", NotYet),
            (CREATE, 409, "OperationNotAllowed", "exceeding approved Total Regional Cores quota", Quota),
            (CREATE, 400, "ErrCode_InsufficientVCPUQuota", "", Quota),
            (CREATE, 409, "SkuNotAvailable", "", Capacity),
            (CREATE, 400, "AvailabilityZoneNotSupported", "", Capacity),
            (CREATE, 412, "PreconditionFailed", "", Conflict),
            (CREATE, 409, "RoleAssignmentExists", "", Conflict),
            (CREATE, 404, "ResourceGroupNotFound", "", NotYet),
            (CREATE, 403, "LinkedAuthorizationFailed", "", NotYet),
            (CREATE, 403, "AuthorizationFailed", "", Auth),
            (CREATE, 403, "RequestDisallowedByPolicy", "", Auth),
            (CREATE, 409, "MissingSubscriptionRegistration", "", Permanent),
            (CREATE, 400, "K8sVersionNotSupported", "", Permanent),
            (CREATE, 500, "InternalServerError", "", Transient),
            (read, 404, "ResourceNotFound", "", Permanent),
            (read, 404, "SubscriptionNotFound", "", Auth),
            (read, 401, "ExpiredAuthenticationToken", "", Auth),
            (delete, 400, "InUseSubnetCannotBeDeleted", "", NotYet),
            (delete, 409, "ScopeLocked", "", Permanent),
        ];
        for (op, status, vendor, text, class) in rows {
            assert_eq!(code(op, status, vendor, text), class, "{op} {vendor} {text}");
        }
    }

    #[test]
    fn a_404_without_azures_code_is_never_absent() {
        let bare = refused("network:virtualNetworks.get", 404, Value::Null);
        assert!(!absent(&bare) && bare.id == ANSWER);
        let named = refused("network:virtualNetworks.get", 404, json!({"error": {"code": "ResourceNotFound"}}));
        assert!(absent(&named));
        let account = refused("network:virtualNetworks.get", 404, json!({"error": {"code": "SubscriptionNotFound"}}));
        assert!(!absent(&account));
    }

    #[test]
    fn what_is_wrapped_is_unwrapped_as_far_as_it_says_something() {
        let inner = json!({"error": {"code": "OperationNotAllowed", "message": "Operation could not be completed as it results in exceeding approved standardDASv5Family Cores quota. Current Limit: 10, Current Usage: 8, Additional Required: 4, (Minimum) New Limit Required: 12."}});
        let middle = json!({"code": "CreateVMSSAgentPoolFailed", "message": format!("failed: {inner}")});
        let outer = json!({"error": {"code": "InternalOperationError", "message": format!("nodes: {middle}")}});
        let error = refused(CREATE, 400, outer);
        assert_eq!((error.class, error.id.as_str()), (ErrorClass::Quota, QUOTA));
        assert!(error.message.contains("8 of 10 in use, 4 more needed"), "{}", error.message);
        let codes = "(OperationNotAllowed in CreateVMSSAgentPoolFailed in InternalOperationError)";
        assert!(error.message.contains(codes), "{}", error.message);
        let detailed = json!({"error": {"code": "DeploymentFailed", "message": "at least one", "details": [{"code": "SkuNotAvailable", "message": "no Standard_X"}]}});
        assert_eq!(refused(CREATE, 400, detailed).class, ErrorClass::Capacity);
        let old = json!({"code": "QuotaExceeded", "message": "no", "subcode": "", "details": null});
        assert_eq!(refused(CREATE, 400, old).class, ErrorClass::Quota);
        // Endless wrapping ends.
        let mut deep = json!({"code": "A", "message": "x"});
        for _ in 0..9 {
            deep = json!({"code": "B", "message": deep.to_string()});
        }
        assert_eq!(refused(CREATE, 400, deep).class, ErrorClass::Permanent);
    }

    #[test]
    fn an_unknown_code_inside_a_known_one_leaves_the_known_one_its_word() {
        let body = json!({"error": {"code": "SkuNotAvailable", "message": "no", "details": [{"code": "Odd", "message": "x"}]}});
        assert_eq!(refused(CREATE, 409, body).class, ErrorClass::Capacity);
    }

    #[test]
    fn only_refusals_leave_nothing_behind() {
        let body = |code: &str| json!({"error": {"code": code, "message": ""}});
        assert_eq!(refused(CREATE, 400, body("BadRequest")).residue, Residue::None);
        assert_eq!(refused(CREATE, 500, body("InternalServerError")).residue, Residue::Unknown);
        assert_eq!(refused(CREATE, 502, Value::Null).residue, Residue::Unknown);
    }

    #[test]
    fn a_denial_names_action_and_scope() {
        let text = "The client 'a' with object id 'b' does not have authorization to perform action 'Microsoft.Network/virtualNetworks/write' over scope '/subscriptions/s/resourceGroups/g' or the scope is invalid. If access was recently granted, please refresh your credentials.";
        let error = refused(CREATE, 403, json!({"error": {"code": "AuthorizationFailed", "message": text}}));
        assert!(
            error.message.contains("Microsoft.Network/virtualNetworks/write is not allowed")
                && error.message.contains("/resourceGroups/g"),
            "{}",
            error.message
        );
    }

    #[test]
    fn lag_is_waited_for_but_not_for_ever() {
        let body = |code: &str| json!({"error": {"code": code, "message": ""}});
        for waits in ["PrincipalNotFound", "ResourceGroupNotFound", "LinkedAuthorizationFailed"] {
            assert_eq!(refused(CREATE, 404, body(waits)).retry_for, Some(PROPAGATION), "{waits}");
        }
        assert_eq!(refused(CREATE, 409, body("OperationNotAllowed")).retry_for, None);
    }
}
