//! AWS errors → [`StepError`]: class by the vendor's code, residue by how far the request came, words for people.
//!
//! Only a vendor's code says "absent": a bare HTTP 404 may come from anything between here and AWS.
//! Sources, read 2026-11-20: EC2 API Reference "Error codes", EKS API Reference "Common Errors" and each call's own, IAM
//! API Reference; the texts of IAM's propagation are those that mature providers retry on.

use super::client::is_mutating;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::providers::patience::UNREACHABLE;
use crate::providers::words;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use jiff::Timestamp;
use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

/// Refused for a limit of the account.
pub const QUOTA: &str = "KW-AWS-QUOTA";
/// AWS has none left of it, or not in that zone.
pub const CAPACITY: &str = "KW-AWS-CAPACITY";
/// The credentials have ended.
pub const EXPIRED: &str = "KW-AWS-EXPIRED";
/// No credentials, or not accepted.
pub const AUTH: &str = "KW-AWS-CREDENTIALS";
/// The clock of this machine is so far off that AWS takes no signature.
pub const CLOCK: &str = "KW-AWS-CLOCK";
/// The credentials are good, the action is not allowed.
pub const DENIED: &str = "KW-AWS-DENIED";
/// Told to slow down.
pub const THROTTLED: &str = "KW-AWS-THROTTLED";
/// AWS had a fault of its own.
pub const SERVER: &str = "KW-AWS-SERVER";
/// An answer that is not AWS's: a proxy, a wrong endpoint, an emulator without this operation.
pub const ANSWER: &str = "KW-AWS-ANSWER";
/// Something needed is not visible or not ready yet.
pub const NOT_YET: &str = "KW-AWS-NOT-YET";
/// Something with that name or place is there.
pub const EXISTS: &str = "KW-AWS-EXISTS";
/// Something is there no more.
pub const ABSENT: &str = "KW-AWS-ABSENT";
/// AWS refused the request as it stands.
pub const REFUSED: &str = "KW-AWS-REFUSED";

/// The failure of one call. `op` is the IAM action, `ec2:CreateVpc`; `what` the thing in the user's words,
/// `network (network/vpc)`. The message reads "cannot create {what}: {why}".
pub fn fail<E>(op: &'static str, what: &str, err: SdkError<E, HttpResponse>) -> StepError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let request_id = request_id_of(&err);
    let retry_after = err.raw_response().and_then(retry_after);
    let mut made = match &err {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, text) = (service.err().code(), service.err().message().unwrap_or_default());
            answered(op, what, status, code, text)
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            new(ErrorClass::Transient, ANSWER, op, what, &format!("the answer (HTTP {status}) could not be read"))
        }
        SdkError::ConstructionFailure(_) => {
            let why = clean(&root_cause(&err));
            new(ErrorClass::Permanent, REFUSED, op, what, &why).with_residue(Residue::None)
        }
        _ => unsent(op, what, &err),
    };
    if made.id == CLOCK {
        let date = err.raw_response().and_then(|response| response.headers().get("date"));
        if let Some(off) = clock_off(message_of(&err), date) {
            made.message = format!("cannot {} {what}: {off}", verb(op));
        }
    }
    made.request_id = request_id;
    made.retry_after = retry_after;
    if !is_mutating(operation(op)) {
        made.residue = Residue::None;
    }
    made
}

/// Whether AWS itself said that the thing is not there.
pub fn is_absent<E>(err: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(service) = err else { return false };
    let text = service.err().message().unwrap_or_default();
    service.err().code().is_some_and(|code| code_says_absent(code, text))
}

/// The vendor's code of a failure, if AWS gave one.
pub fn code_of<E: ProvideErrorMetadata>(err: &SdkError<E, HttpResponse>) -> Option<&str> {
    match err {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

/// The vendor's message of a failure, for steps that tell cases apart which share one code.
pub fn message_of<E: ProvideErrorMetadata>(err: &SdkError<E, HttpResponse>) -> &str {
    match err {
        SdkError::ServiceError(service) => service.err().message().unwrap_or_default(),
        _ => "",
    }
}

/// Codes that mean "not there": on delete that is success, right after a create it is lag.
fn code_says_absent(code: &str, text: &str) -> bool {
    match code {
        "NoSuchEntity"
        | "ResourceNotFoundException"
        | "NatGatewayNotFound"
        | "InvalidGroup.NotFound"
        | "NoSuchResourceException" => true,
        "LoadBalancerNotFound" | "TargetGroupNotFound" | "ListenerNotFound" | "AccessPointNotFound" => true,
        // A detached gateway: the attachment is what is absent.
        "Gateway.NotAttached" => true,
        // EKS says it this way now and then: "No cluster found for name".
        "ClientException" => text.contains("No cluster found"),
        _ => code.starts_with("Invalid") && (code.ends_with(".NotFound") || code.ends_with(".NotFoundException")),
    }
}

/// Classifies what AWS answered.
fn answered(op: &'static str, what: &str, status: u16, code: Option<&str>, text: &str) -> StepError {
    let Some(code) = code else {
        // Not AWS's own words: nothing is known of the effect, and a 404 least of all means "absent".
        let class = if status >= 500 { ErrorClass::Transient } else { ErrorClass::Permanent };
        return new(class, ANSWER, op, what, &format!("HTTP {status} without an AWS error code"))
            .with_hint("is an endpoint override (AWS_ENDPOINT_URL*) or a proxy in the way?");
    };
    let (class, id) = classify(op, code, text, status);
    let mut made = new(class, id, op, what, &format!("{} ({code})", clean(text)));
    made.code = Some(code.to_owned());
    if class == ErrorClass::NotYet && is_propagation(text) {
        made.retry_for = Some(PROPAGATION);
    }
    // A refusal with AWS's own code was decided before any effect. A 5xx says nothing, but for those that AWS
    // documents as refusals (throttling, capacity).
    let decided = status < 500 || matches!(class, ErrorClass::Throttled | ErrorClass::Capacity | ErrorClass::Quota);
    if decided && code != "RequestTimeout" {
        made.residue = Residue::None;
    }
    match id {
        DENIED => {
            // EKS hides what it was refused itself.
            let unnamed = if text.contains("to launch instances") { "ec2:RunInstances" } else { op };
            let action = denied_action(text);
            let named = action.unwrap_or(unnamed);
            made.message = format!("cannot {} {what}: {named} is not allowed for these credentials ({code})", verb(op));
            // Without a name in the text this is the call that was refused, and what it lacked may be another action.
            if action.is_none() && text.contains("Encoded authorization failure message") {
                made = made.with_hint(format!(
                    "AWS names only the call: it may also be ec2:CreateTags, or a condition on what {named} touches"
                ));
            }
            made.with_hint(format!("allow {named}, then run the same command again"))
                .with_hint("everything that a cluster needs: kubewright policy NAME")
        }
        EXPIRED => made.with_hint("sign in again (for SSO: aws sso login), then run the same command again"),
        CLOCK => made.with_hint("set this machine's clock (timedatectl set-ntp true), then run the same command again"),
        AUTH if text.contains("not enabled") || code == "OptInRequired" => made.with_hint("enable the region in the account's settings"),
        AUTH => made
            .with_hint("check the credentials: aws sts get-caller-identity")
            .with_hint("good credentials are refused like this in a region that is off in the account: aws account list-regions")
            .with_hint("and from a machine whose clock is more than five minutes off"),
        QUOTA => match quota_code(code, text) {
            Some((service, quota)) => made.with_hint(format!(
                "aws service-quotas request-service-quota-increase --service-code {service} --quota-code {quota} --desired-value N"
            )),
            None => made.with_hint("raise the limit in the Service Quotas console, or delete what is not needed"),
        },
        CAPACITY => made.with_hint("another instance type (--node-type) or other zones (--zones) may have it"),
        _ => made,
    }
}

/// Whether a signature was refused for the time at which it says that it was made.
fn is_about_time(text: &str) -> bool {
    text.contains("Signature expired") || text.contains("not yet current")
}

/// How far this machine's clock is off, in words: by the time of our signature, which the refusal repeats, and the time
/// that AWS's answer carries.
fn clock_off(text: &str, date: Option<&str>) -> Option<String> {
    let ours = stamps(text).next()?;
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|at| at.timestamp());
    let theirs = theirs.or_else(|| stamps(text).nth(1))?;
    let seconds = theirs.as_second() - ours.as_second();
    // An answer takes a second or two, which nobody has to set a clock for.
    let minutes = (seconds.unsigned_abs() + 30) / 60;
    let way = if seconds >= 0 { "slow" } else { "fast" };
    Some(format!(
        "the clock of this machine is {minutes} min {way}: it says {}, AWS says {}, and takes no signature so far off",
        ours.strftime("%H:%M:%SZ"),
        theirs.strftime("%H:%M:%SZ")
    ))
}

/// The times in a text, as signatures write them: `20261120T120000Z`.
fn stamps(text: &str) -> impl Iterator<Item = Timestamp> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| {
        let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", word).ok()?;
        at.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp())
    })
}

/// Class and id for a vendor code.
fn classify(op: &str, code: &str, text: &str, status: u16) -> (ErrorClass, &'static str) {
    use ErrorClass::{Auth, Capacity, Conflict, NotYet, Permanent, Quota, Throttled, Transient};
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded" => (Throttled, THROTTLED),
        "RequestTimeTooSkewed" => (Auth, CLOCK),
        "SignatureDoesNotMatch" | "InvalidSignatureException" if is_about_time(text) => (Auth, CLOCK),
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => (Auth, EXPIRED),
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedAccess"
        | "Client.UnauthorizedOperation" => (Auth, DENIED),
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
        | "Blocked" => (Auth, AUTH),
        // EKS tries the launch template with the caller's rights, and wraps what EC2 answers.
        "InvalidRequestException" | "InvalidParameterException"
            if text.contains("not authorized to launch instances")
                || text.contains("due to missing permissions for") =>
        {
            (Auth, DENIED)
        }
        "UnsupportedAvailabilityZoneException"
        | "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "Unsupported"
        | "InsufficientFreeAddressesInSubnet"
        | "InsufficientCapacity"
        | "InsufficientAddressCapacity"
        | "UnfulfillableCapacity" => (Capacity, CAPACITY),
        "VpcLimitExceeded"
        | "AddressLimitExceeded"
        | "NatGatewayLimitExceeded"
        | "InternetGatewayLimitExceeded"
        | "VcpuLimitExceeded"
        | "InstanceLimitExceeded"
        | "MaxSpotInstanceCountExceeded"
        | "ResourceLimitExceededException"
        | "LimitExceeded"
        | "LimitExceededException"
        | "ServiceQuotaExceededException"
        | "RouteTableLimitExceeded"
        | "SubnetLimitExceeded"
        | "SecurityGroupLimitExceeded"
        | "RulesPerSecurityGroupLimitExceeded"
        | "VpcEndpointLimitExceeded"
        | "TagLimitExceeded" => (Quota, QUOTA),
        "EntityAlreadyExists"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "Resource.AlreadyAssociated"
        | "ResourceAlreadyExistsException"
        | "InvalidLaunchTemplateName.AlreadyExistsException"
        | "IdempotentParameterMismatch"
        | "InvalidSubnet.Conflict"
        | "RouteTableAssociationAlreadyExists"
        | "InvalidKeyPair.Duplicate" => (Conflict, EXISTS),
        // On create the thing is there already; anywhere else it is busy.
        "ResourceInUseException" if operation(op).starts_with("Create") && !text.contains("in progress") => {
            (Conflict, EXISTS)
        }
        "ResourceInUseException"
        | "DependencyViolation"
        | "IncorrectState"
        | "DeleteConflict"
        | "InvalidIPAddress.InUse"
        | "InvalidNetworkInterface.InUse"
        | "VolumeInUse"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "EntityTemporarilyUnmodifiable"
        | "OperationAbortedException"
        | "ResourceInUse"
        | "InvalidStateException" => (NotYet, NOT_YET),
        // A subnet without the attachment of its gateway yet; on detach `is_absent` was asked first.
        "Gateway.NotAttached" => (NotYet, NOT_YET),
        "InvalidRequestException" | "InvalidParameterException"
            if text.contains("not in ACTIVE") || text.contains("in progress") =>
        {
            (NotYet, NOT_YET)
        }
        "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidRequestException"
        | "MalformedPolicyDocument"
        | "InvalidArn"
            if is_propagation(text) =>
        {
            (NotYet, NOT_YET)
        }
        "InternalError"
        | "InternalFailure"
        | "ServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServiceFailure"
        | "ServiceFailureException"
        | "Unavailable"
        | "RequestTimeout"
        | "InternalServerException" => (Transient, SERVER),
        // Seen right after a create this is read lag; the engine bounds it by the step's deadline.
        code if code_says_absent(code, text) && is_ec2_or_iam(op) && is_mutating(operation(op)) => (NotYet, NOT_YET),
        code if code_says_absent(code, text) => (Permanent, ABSENT),
        _ if status == 429 => (Throttled, THROTTLED),
        _ if status >= 500 => (Transient, SERVER),
        _ => (Permanent, REFUSED),
    }
}

/// New roles are known everywhere well within this; what is refused for longer is wrong.
const PROPAGATION: Duration = Duration::from_secs(180);

/// IAM has not told everybody of a new role yet: these texts and no others.
fn is_propagation(text: &str) -> bool {
    const TEXTS: [&str; 9] = [
        "could not be assumed because it does not exist or the trusted entity is not correct",
        "Error in role params",
        "The provided role doesn't have the Amazon EKS Managed Policies",
        "IAM role's policy must include",
        "Invalid IAM Instance Profile name",
        "Invalid principal",
        "principalArn parameter format is not valid",
        "Role with arn",
        "role does not exist",
    ];
    let about_role = text.contains("role") || text.contains("Role") || text.contains("principal");
    TEXTS.iter().any(|known| text.contains(known)) || (about_role && text.contains("does not exist"))
}

fn is_ec2_or_iam(op: &str) -> bool {
    op.starts_with("ec2:") || op.starts_with("iam:")
}

/// The quota behind a refusal, where the code tells.
fn quota_code(code: &str, text: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "VpcLimitExceeded" => ("vpc", "L-F678F1CE"),
        "InternetGatewayLimitExceeded" => ("vpc", "L-A4707A72"),
        "NatGatewayLimitExceeded" => ("vpc", "L-FE5A380F"),
        "AddressLimitExceeded" => ("ec2", "L-0263D0A3"),
        "VcpuLimitExceeded" | "InstanceLimitExceeded" => ("ec2", "L-1216C47A"),
        "MaxSpotInstanceCountExceeded" => ("ec2", "L-34B43A08"),
        "ResourceLimitExceededException" if text.to_lowercase().contains("nodegroup") => ("eks", "L-6D54EA21"),
        "ResourceLimitExceededException" => ("eks", "L-1194D53C"),
        "LimitExceeded" | "LimitExceededException" if text.to_lowercase().contains("role") => ("iam", "L-FE177D64"),
        _ => return None,
    })
}

/// The action that the message of such a refusal names.
pub(super) fn action_of(err: &StepError) -> Option<&str> {
    let (before, _) = err.message.split_once(" is not allowed for these credentials")?;
    before.rsplit(' ').next().filter(|_| err.id == DENIED)
}

/// The action AWS names in a refusal: "… is not authorized to perform: ec2:CreateVpc on resource …", "… due to missing
/// permissions for 'iam:GetRole'".
fn denied_action(text: &str) -> Option<&str> {
    let marks = ["to perform: ", "to perform ", "missing permissions for "];
    let (_, rest) = marks.into_iter().find_map(|mark| text.split_once(mark))?;
    let action = rest.split(|c: char| c.is_whitespace() || c == ',').next()?.trim_matches(|c| c == '.' || c == '\'');
    let well_formed = action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
    (well_formed && !action.contains('/')).then_some(action)
}

/// Nothing came back: credentials, connection, timeout.
fn unsent<E>(op: &'static str, what: &str, err: &SdkError<E, HttpResponse>) -> StepError
where
    E: StdError + 'static,
{
    if let Some(found) = sources(err).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        return credentials(found);
    }
    if sources(err).any(|cause| cause.to_string().starts_with("identity resolver timed out")) {
        return credentials_late("they were not there in time");
    }
    // Provably never sent: the connection did not come about. Hyper's connect errors are known by their words only.
    let refused = |cause: &(dyn StdError + 'static)| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable))
            || cause.to_string() == "client error (Connect)"
    };
    let never_sent = sources(err).any(refused);
    let timeout = matches!(err, SdkError::TimeoutError(_))
        || matches!(err, SdkError::DispatchFailure(failure) if failure.is_timeout());
    let why = match (never_sent, timeout) {
        (true, _) => format!("no connection: {}", clean(&root_cause(err))),
        (false, true) => "no answer in time".to_owned(),
        (false, false) => format!("the connection broke: {}", clean(&root_cause(err))),
    };
    let residue = if never_sent { Residue::None } else { Residue::Unknown };
    new(ErrorClass::Transient, UNREACHABLE, op, what, &why).with_residue(residue)
}

/// Credentials that could not be had.
pub(super) fn credentials(err: &CredentialsError) -> StepError {
    let why = sources(err).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let lower = why.to_lowercase();
    if lower.contains("expired") || lower.contains("token has ended") || lower.contains("sso login") {
        return StepError::new(ErrorClass::Auth, EXPIRED, format!("the AWS credentials have expired: {}", clean(&why)))
            .with_residue(Residue::None)
            .with_hint("sign in again (for SSO: aws sso login), then run the same command again");
    }
    if matches!(err, CredentialsError::CredentialsNotLoaded(_)) {
        return no_credentials("nothing in the environment, the profiles, SSO or the machine's metadata gives any");
    }
    // What a helper program says is its own affair, and may be a password it was about to print.
    let why = why.split(" Stderr:").next().unwrap_or_default();
    // Where they come from is a service too: what is no refusal is tried again like any other call.
    let lower = why.to_lowercase();
    let hiccup = ["dispatch failure", "timed out", "timeout", "throttl", "rate exceeded", "too many requests"]
        .into_iter()
        .chain(["service unavailable", "internal error", "internalfailure", "internalservererror", "connection"])
        .any(|sign| lower.contains(sign));
    if hiccup || matches!(err, CredentialsError::ProviderTimedOut(_)) {
        return credentials_late(&clean(why));
    }
    let made = no_credentials(&clean(why));
    if lower.contains("sso") { made.with_hint("or, if that profile signs in by SSO: aws sso login") } else { made }
}

/// The source of the credentials did not answer; nothing was sent.
fn credentials_late(why: &str) -> StepError {
    StepError::new(ErrorClass::Transient, UNREACHABLE, format!("the source of the AWS credentials gives none: {why}"))
        .with_residue(Residue::None)
}

/// No credentials at all.
pub(super) fn no_credentials(why: &str) -> StepError {
    StepError::new(ErrorClass::Auth, AUTH, format!("no AWS credentials: {why}"))
        .with_residue(Residue::None)
        .with_hint("set AWS_PROFILE, or sign in: aws configure sso")
}

/// A refusal that AWS puts inside a successful answer.
pub(in crate::providers) fn refused(op: &'static str, what: &str, code: &str, text: &str) -> StepError {
    answered(op, what, 400, Some(code), text)
}

fn new(class: ErrorClass, id: &str, op: &str, what: &str, why: &str) -> StepError {
    StepError::new(class, id, format!("cannot {} {what}: {why}", verb(op)))
}

/// `CreateVpc` of `ec2:CreateVpc`.
fn operation(op: &str) -> &str {
    op.split_once(':').map_or(op, |(_, name)| name)
}

/// The verb of an action in a sentence.
fn verb(op: &str) -> String {
    let name = operation(op);
    let end = name.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase()).map_or(name.len(), |(at, _)| at);
    match &name[..end] {
        "Describe" | "Get" => "read".to_owned(),
        verb => verb.to_lowercase(),
    }
}

/// Request ids stand in the error's metadata (XML bodies) or in the headers.
fn request_id_of<E: ProvideErrorMetadata>(err: &SdkError<E, HttpResponse>) -> Option<String> {
    let told = match err {
        SdkError::ServiceError(service) => service.err().meta().request_id(),
        _ => None,
    };
    told.or_else(|| err.raw_response().and_then(|raw| raw.headers().request_id())).map(str::to_owned)
}

fn retry_after(raw: &HttpResponse) -> Option<Duration> {
    let secs: u64 = raw.headers().get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(secs.min(300)))
}

fn sources<'a>(err: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(err), |cause: &&'a (dyn StdError + 'static)| (*cause).source())
}

fn root_cause(err: &(dyn StdError + 'static)) -> String {
    sources(err).last().map(ToString::to_string).unwrap_or_default()
}

/// A vendor's sentence, fit to stand in ours: one line, no period, nothing secret.
pub(in crate::providers) fn clean(text: &str) -> String {
    // What follows is a blob for sts:DecodeAuthorizationMessage, or the signed request itself.
    let text = text.split("Encoded authorization failure message").next().unwrap_or_default();
    let text = text.split("The Canonical String").next().unwrap_or_default();
    words::clean(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::error::ErrorMetadata;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    type Ec2Error = aws_sdk_ec2::operation::create_vpc::CreateVpcError;

    fn service(status: u16, code: Option<&str>, text: &str) -> SdkError<Ec2Error, HttpResponse> {
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code).message(text);
        }
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(""));
        SdkError::service_error(Ec2Error::generic(meta.build()), raw)
    }

    fn classed(op: &'static str, status: u16, code: &str, text: &str) -> (ErrorClass, Residue) {
        let made = fail(op, "it", service(status, Some(code), text));
        (made.class, made.residue)
    }

    #[test]
    fn a_clock_that_is_off_is_measured() {
        let late =
            "Signature expired: 20261120T120000Z is now earlier than 20261120T121500Z (20261120T122000Z - 5 min.)";
        let error = answered("sts:GetCallerIdentity", "account", 403, Some("SignatureDoesNotMatch"), late);
        assert_eq!((error.class, error.id.as_str()), (ErrorClass::Auth, CLOCK));
        let words = clock_off(late, Some("Fri, 20 Nov 2026 12:20:00 GMT")).unwrap();
        assert!(words.contains("20 min slow") && words.contains("12:00:00Z") && words.contains("12:20:00Z"), "{words}");
        let early = "Signature not yet current: 20261120T124000Z is still later than 20261120T122500Z";
        assert!(clock_off(early, Some("Fri, 20 Nov 2026 12:20:00 GMT")).unwrap().contains("20 min fast"));
        assert!(
            clock_off(early, None).unwrap().contains("15 min fast"),
            "the refusal's own time, where there is no other"
        );
        assert_eq!(clock_off("no", Some("Fri, 20 Nov 2026 12:20:00 GMT")), None);
        // A wrong secret is something else.
        let wrong = "The request signature we calculated does not match the signature you provided.";
        let error = answered("sts:GetCallerIdentity", "account", 403, Some("SignatureDoesNotMatch"), wrong);
        assert_eq!(error.id, AUTH);
    }

    #[test]
    fn classes_follow_the_vendor_code() {
        use ErrorClass::*;
        let rows: [(&'static str, u16, &str, &str, ErrorClass); 16] = [
            ("ec2:CreateVpc", 503, "RequestLimitExceeded", "", Throttled),
            ("ec2:CreateVpc", 400, "VpcLimitExceeded", "", Quota),
            ("ec2:CreateSubnet", 400, "InvalidVpcID.NotFound", "", NotYet),
            ("ec2:DescribeVpcs", 400, "InvalidVpcID.NotFound", "", Permanent),
            ("ec2:DeleteVpc", 400, "DependencyViolation", "", NotYet),
            ("iam:CreateRole", 409, "EntityAlreadyExists", "", Conflict),
            ("iam:DeleteRole", 409, "DeleteConflict", "", NotYet),
            ("eks:CreateCluster", 409, "ResourceInUseException", "Cluster already exists with name: demo", Conflict),
            ("eks:DeleteCluster", 409, "ResourceInUseException", "Cluster has nodegroups attached", NotYet),
            ("eks:CreateAddon", 409, "ResourceInUseException", "update xyz in progress", NotYet),
            ("eks:CreateNodegroup", 400, "InvalidRequestException", "Cluster 'demo' is not in ACTIVE status", NotYet),
            ("eks:CreateCluster", 400, "UnsupportedAvailabilityZoneException", "", Capacity),
            ("eks:CreateCluster", 400, "InvalidParameterException", "unsupported Kubernetes version", Permanent),
            ("ec2:CreateVpc", 403, "UnauthorizedOperation", "", Auth),
            ("ec2:CreateVpc", 400, "RequestExpired", "", Auth),
            ("eks:CreateCluster", 500, "ServerException", "", Transient),
        ];
        for (op, status, code, text, class) in rows {
            assert_eq!(classed(op, status, code, text).0, class, "{op} {code} {text}");
        }
    }

    #[test]
    fn iam_lag_is_told_from_a_wrong_parameter() {
        let lag = "Role with arn: arn:aws:iam::1:role/kw, could not be assumed because it does not exist or the trusted entity is not correct";
        assert_eq!(
            classed("eks:CreateCluster", 400, "InvalidParameterException", lag),
            (ErrorClass::NotYet, Residue::None)
        );
        let wrong = "Subnets specified must be in at least two different AZs";
        assert_eq!(classed("eks:CreateCluster", 400, "InvalidParameterException", wrong).0, ErrorClass::Permanent);
    }

    #[test]
    fn what_iam_has_not_heard_of_is_tried_for_minutes_not_for_the_whole_build() {
        let text = "Role with arn: arn:aws:iam::1:role/mine, could not be assumed because it does not exist or the trusted entity is not correct";
        let made = fail("eks:CreateCluster", "it", service(400, Some("InvalidParameterException"), text));
        assert_eq!((made.class, made.retry_for), (ErrorClass::NotYet, Some(PROPAGATION)));
        let busy = fail("eks:DeleteCluster", "it", service(409, Some("ResourceInUseException"), "update in progress"));
        assert_eq!((busy.class, busy.retry_for), (ErrorClass::NotYet, None));
    }

    #[test]
    fn a_launch_template_that_the_caller_may_not_use_is_a_denial() {
        let text = "You are not authorized to launch instances with this launch template. Encoded authorization failure message: c2VjcmV0";
        let made = fail("eks:CreateNodegroup", "node group", service(400, Some("InvalidRequestException"), text));
        assert_eq!((made.class, made.id.as_str()), (ErrorClass::Auth, DENIED));
        assert!(made.message.contains("ec2:RunInstances"), "{}", made.message);
        assert!(made.hints[0].contains("ec2:CreateTags"), "{:?}", made.hints);
        assert_eq!(action_of(&made), Some("ec2:RunInstances"));
    }

    #[test]
    fn a_look_of_eks_at_its_own_role_is_a_denial_of_that_look() {
        let text = "Failed to validate if SLR: AWSServiceRoleForAmazonEKSNodegroup already exists due to missing permissions for 'iam:GetRole'";
        let made = fail("eks:CreateNodegroup", "node group", service(400, Some("InvalidRequestException"), text));
        assert_eq!((made.class, action_of(&made)), (ErrorClass::Auth, Some("iam:GetRole")));
    }

    #[test]
    fn too_many_requests_is_throttling_whatever_it_is_called() {
        assert_eq!(classed("eks:ListClusters", 429, "NobodyKnowsThisException", "slow down").0, ErrorClass::Throttled);
    }

    #[test]
    fn a_source_of_credentials_that_hiccups_is_asked_again_and_one_that_refuses_is_not() {
        let io = || std::io::Error::other("dispatch failure");
        for hiccup in [
            CredentialsError::provider_timed_out(Duration::from_secs(5)),
            CredentialsError::provider_error(io()),
            CredentialsError::provider_error(std::io::Error::other("service error: Throttling: Rate exceeded")),
        ] {
            let made = credentials(&hiccup);
            assert_eq!((made.class, made.residue), (ErrorClass::Transient, Residue::None), "{}", made.message);
        }
        for refusal in [
            CredentialsError::not_loaded("no providers in chain provided credentials"),
            CredentialsError::provider_error(std::io::Error::other("AccessDenied: not allowed to assume this role")),
            CredentialsError::invalid_configuration(std::io::Error::other("profile `x` was not defined")),
        ] {
            assert_eq!(credentials(&refusal).class, ErrorClass::Auth, "{refusal:?}");
        }
        let expired = CredentialsError::provider_error(std::io::Error::other("the SSO token has expired"));
        assert_eq!(credentials(&expired).id, EXPIRED);
    }

    #[test]
    fn a_wrong_clock_is_not_blamed_on_the_keys() {
        let text = "Signature expired: 20261120T100000Z is now earlier than 20261120T101500Z";
        let made = fail("sts:GetCallerIdentity", "who we are", service(403, Some("SignatureDoesNotMatch"), text));
        assert!(made.class == ErrorClass::Auth && made.hints[0].contains("clock"), "{:?}", made.hints);
    }

    #[test]
    fn residue_is_none_only_for_provable_refusals() {
        assert_eq!(classed("ec2:CreateVpc", 400, "VpcLimitExceeded", "").1, Residue::None);
        assert_eq!(classed("ec2:CreateVpc", 503, "RequestLimitExceeded", "").1, Residue::None);
        assert_eq!(classed("ec2:CreateVpc", 500, "InternalError", "").1, Residue::Unknown);
        assert_eq!(fail("ec2:CreateVpc", "it", service(404, None, "")).residue, Residue::Unknown);
        assert_eq!(fail("ec2:DescribeVpcs", "it", service(500, None, "")).residue, Residue::None);
        let reset = std::io::Error::from(ErrorKind::ConnectionReset);
        let err: SdkError<Ec2Error, HttpResponse> = SdkError::dispatch_failure(ConnectorError::io(reset.into()));
        assert_eq!(fail("ec2:CreateVpc", "it", err).residue, Residue::Unknown);
        let refused = std::io::Error::from(ErrorKind::ConnectionRefused);
        let err: SdkError<Ec2Error, HttpResponse> = SdkError::dispatch_failure(ConnectorError::io(refused.into()));
        assert_eq!(fail("ec2:CreateVpc", "it", err).residue, Residue::None);
        let err: SdkError<Ec2Error, HttpResponse> = SdkError::timeout_error("30 s");
        assert_eq!(fail("ec2:CreateVpc", "it", err).residue, Residue::Unknown);
    }

    #[test]
    fn a_bare_404_is_never_absence() {
        assert!(!is_absent(&service(404, None, "")));
        assert!(!is_absent(&service(404, Some("UnknownOperationException"), "")));
        assert!(is_absent(&service(400, Some("InvalidVpcID.NotFound"), "")));
        assert!(is_absent(&service(404, Some("ResourceNotFoundException"), "")));
        assert!(is_absent(&service(400, Some("ClientException"), "No cluster found for name: demo")));
        assert!(!is_absent(&service(400, Some("ClientException"), "you did something wrong")));
    }

    #[test]
    fn a_denial_names_the_action_and_hides_the_blob() {
        let text = "You are not authorized to perform this operation. User: arn:aws:iam::1:user/ci is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:*:1:vpc/*. Encoded authorization failure message: c2VjcmV0";
        let made = fail("ec2:CreateVpc", "network", service(403, Some("UnauthorizedOperation"), text));
        assert_eq!(made.id, DENIED);
        assert!(made.message.contains("ec2:CreateTags") && !made.message.contains("c2VjcmV0"), "{}", made.message);
        let plain = fail(
            "ec2:CreateVpc",
            "network",
            service(403, Some("UnauthorizedOperation"), "You are not authorized to perform this operation."),
        );
        assert!(plain.message.contains("ec2:CreateVpc"), "{}", plain.message);
    }

    #[test]
    fn secrets_do_not_come_through() {
        for text in [
            "see https://sts.amazonaws.com/?X-Amz-Signature=deadbeef",
            "key AKIAABCDEFGHIJKLMNOP is bad",
            "does not match. The Canonical String for this request should have been 'host deadbeef'",
        ] {
            let shown = clean(text);
            assert!(!shown.contains("deadbeef") && !shown.contains("AKIAABCDEFGHIJKLMNOP"), "{shown}");
        }
    }
}
