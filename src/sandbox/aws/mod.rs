//! The AWS half of the sandbox: what a service is, and how a signed request finds its service and operation.
//!
//! A service implements [`Service`] and is listed in [`services`]. It sees only [`CallCx`]: parameters, caller, virtual
//! time and a [`Tx`]. An error undoes everything the call changed. Rules of one service used by another are plain
//! functions on `&mut Tx` (`iam::role_usable`, `servicequotas::quota`).

pub mod ec2;
pub mod eks;
pub mod elb;
pub mod gate;
pub mod iam;
pub mod logs;
pub mod protocol;
pub mod regions;
pub mod servicequotas;
pub mod sigv4;
pub mod ssm;
pub mod sts;

pub use protocol::{ApiError, Params, Protocol, Reply, Xml};

use super::{
    hub::{Hub, PretendCloud, Wall},
    server::Body,
    world::{Object, Scope, Tx},
};
use crate::model::Cloud;
use async_trait::async_trait;
use hyper::{Response, http::request::Parts};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The account the sandbox's default credentials belong to.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account, twelve digits.
    pub account: String,
    /// `arn:aws:iam::…:user/sandbox` or `arn:aws:sts::…:assumed-role/…`.
    pub arn: String,
    /// Unique id, `AIDA…` or `AROA…:session`.
    pub user_id: String,
}

impl Caller {
    /// The principal as IAM and EKS access entries name it: a role's session counts as the role.
    pub fn principal_arn(&self) -> String {
        match self.arn.split_once(":assumed-role/") {
            Some((_, rest)) => {
                let role = rest.split('/').next().unwrap_or_default();
                format!("arn:aws:iam::{}:role/{role}", self.account)
            }
            None => self.arn.clone(),
        }
    }
}

/// One call as a service sees it.
pub struct CallCx<'a, 'w> {
    /// Operation, `CreateVpc`.
    pub op: &'a str,
    /// API version of a query call.
    pub version: Option<&'a str>,
    /// Parameters of a query call, or the query string of a REST call. Read everything the operation knows.
    pub params: Params,
    /// Path parameters of a REST call.
    pub path: BTreeMap<&'static str, String>,
    /// Body of a JSON call.
    pub body: &'a [u8],
    /// Who calls.
    pub caller: &'a Caller,
    /// The caller's account and the region the request was signed for.
    pub scope: Scope,
    /// Request id of the reply.
    pub request_id: &'a str,
    /// The world. Changes count only if the call succeeds.
    pub tx: &'a mut Tx<'w>,
}

impl CallCx<'_, '_> {
    /// The account's global scope, for services without regions.
    pub fn global(&self) -> Scope {
        Scope::global(&self.scope.account)
    }

    /// The JSON body as the operation's input. The type must refuse unknown members (`deny_unknown_fields`);
    /// a body that does not fit is answered with `code`.
    pub fn json<T: DeserializeOwned>(&self, code: &str) -> Result<T, ApiError> {
        protocol::json::read(self.body).map_err(|why| ApiError::bad(code, why))
    }

    /// A path parameter of the matched route.
    pub fn path(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The refusal of an operation this service does not have (or does not have here), as the vendor words it.
    pub fn unknown_operation(&self) -> ApiError {
        unknown_operation(self.op, self.version.unwrap_or_default())
    }
}

/// As [`CallCx::unknown_operation`].
pub fn unknown_operation(op: &str, version: &str) -> ApiError {
    match version {
        "" => ApiError::bad("UnknownOperationException", format!("The operation {op} is not known to the sandbox")),
        version => ApiError::bad(
            "InvalidAction",
            format!("The action {op} is not valid for this web service, version {version}"),
        ),
    }
}

/// One AWS service.
pub trait Service: Send + Sync {
    /// Signing name: how requests are routed and how faults name it. `ec2`, `iam`, `eks`, `elasticloadbalancing`.
    fn name(&self) -> &'static str;

    /// Protocol; query services with several API versions decide by it.
    fn protocol(&self, version: Option<&str>) -> Protocol;

    /// Operations of a REST service.
    fn routes(&self) -> &'static [protocol::rest_json::Route] {
        &[]
    }

    /// Answers a call. What it changes in `cx.tx` counts only if it answers `Ok`.
    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError>;

    /// Something one of its objects had scheduled happens now; `tx.now()` is exactly that time. The object is given
    /// as it was, its `due` already cleared in the world: schedule the next one by putting it back with a new `due`.
    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        let _ = (tx, object, what);
    }

    /// Called once for every account and region, before the first call there: puts built-in objects (default VPC).
    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope) {
        let _ = (tx, scope);
    }

    /// The vendor's answer when calls come too fast.
    fn throttled(&self) -> ApiError {
        match self.protocol(None) {
            Protocol::Ec2 => ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."),
            Protocol::Query(_) => ApiError::bad("Throttling", "Rate exceeded"),
            Protocol::Json(_) => ApiError::bad("ThrottlingException", "Rate exceeded"),
            Protocol::RestJson => ApiError::new(429, "ThrottlingException", "Too Many Requests"),
        }
    }

    /// The vendor's answer when there is no capacity for this operation.
    fn no_capacity(&self, op: &str) -> ApiError {
        let _ = op;
        ApiError::new(500, "InsufficientInstanceCapacity", "There is no capacity available that matches your request.")
    }

    /// The vendor's answer when something inside broke.
    fn broken(&self) -> ApiError {
        match self.protocol(None) {
            Protocol::Ec2 => ApiError::new(500, "InternalError", "An internal error has occurred"),
            Protocol::Query(_) => ApiError::new(500, "ServiceFailure", "An internal failure occurred"),
            Protocol::Json(_) => ApiError::new(500, "InternalServerError", "An internal error occurred"),
            Protocol::RestJson => ApiError::new(500, "ServerException", "Internal server error"),
        }
    }
}

/// Pretend AWS: all its services behind one port.
pub struct Aws {
    services: Vec<Box<dyn Service>>,
}

impl Aws {
    /// With every service there is.
    pub fn new(wall: &Wall) -> Self {
        Self { services: services(wall) }
    }

    /// A service by signing name.
    fn service(&self, name: &str) -> Option<&dyn Service> {
        self.services.iter().find(|service| service.name() == name).map(AsRef::as_ref)
    }
}

#[async_trait]
impl PretendCloud for Aws {
    fn cloud(&self) -> Cloud {
        Cloud::Aws
    }

    async fn handle(&self, hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
        gate::handle(self, hub, parts, body).await
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        if let Some(service) = self.service(&object.service) {
            service.due(tx, object, what);
        }
    }

    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope) {
        for service in &self.services {
            service.furnish(tx, scope);
        }
    }
}

/// Every service there is. A new one adds its line here.
fn services(wall: &Wall) -> Vec<Box<dyn Service>> {
    vec![
        Box::new(sts::Sts { wall: Wall::clone(wall) }),
        Box::new(iam::Iam),
        Box::new(servicequotas::ServiceQuotas),
        Box::new(super::prices::aws::Pricing),
        Box::new(ssm::Ssm),
        Box::new(logs::Logs),
        Box::new(ec2::Ec2Service),
        Box::new(eks::Eks),
        Box::new(elb::Elb),
    ]
}

/// Whether an operation changes anything: everything but Describe, Get, List, Simulate and AssumeRole.
/// A request with `DryRun=true` never does.
pub fn is_mutating(op: &str) -> bool {
    !["Describe", "Get", "List", "Simulate", "AssumeRole"].iter().any(|prefix| op.starts_with(prefix))
}
