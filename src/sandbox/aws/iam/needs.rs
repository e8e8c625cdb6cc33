//! What each call must be allowed: its own action on each thing it touches, and what AWS asks for besides (Service
//! Authorization Reference, "Actions, resources, and condition keys" of each service).
//!
//! Written from AWS's side and from nothing else: what a client believes it needs is checked against this.

mod ec2;
mod eks;
mod others;

use super::evaluate::{Ask, Context};
use crate::sandbox::{
    aws::Caller,
    world::{Scope, Tx},
};
use std::collections::BTreeMap;

/// A call on its way to its service.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Signing name of the service.
    pub service: &'a str,
    /// Operation.
    pub op: &'a str,
    /// Parameters of a query call, and the query string of a REST call.
    pub pairs: &'a [(String, String)],
    /// Path parameters of a REST call.
    pub path: &'a BTreeMap<&'static str, String>,
    /// Body of a JSON call.
    pub body: &'a [u8],
    /// Account and region.
    pub scope: &'a Scope,
}

/// Who asks, which decides how a refusal is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The service that was called.
    Itself,
    /// EKS, on trying a launch template with the caller's rights.
    LaunchTemplate,
    /// EKS, on looking whether its own role is there.
    LinkedRole,
}

/// One thing a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub ask: Ask,
    /// Who asks.
    pub by: By,
}

type Tags = BTreeMap<String, String>;

impl Request<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn action(&self) -> String {
        format!("{}:{}", self.service, self.op)
    }

    /// `arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1`.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.scope.region, self.scope.account)
    }

    /// `Prefix.N.Key` with `Prefix.N.Value`.
    fn tags(&self, prefix: &str) -> Tags {
        let keys = self.pairs.iter().filter_map(|(name, value)| Some((name.strip_suffix(".Key")?, value)));
        keys.filter(|(stem, _)| stem.starts_with(prefix))
            .map(|(stem, key)| (key.clone(), self.get(&format!("{stem}.Value")).unwrap_or_default().to_owned()))
            .collect()
    }
}

fn need(action: impl Into<String>, resource: impl Into<String>, context: Context) -> Need {
    Need { ask: Ask { action: action.into(), resource: resource.into(), context }, by: By::Itself }
}

fn requested(tags: &Tags) -> Context {
    Context::default().tagged("RequestTag", tags)
}

fn standing(tags: &Tags) -> Context {
    Context::default().tagged("ResourceTag", tags)
}

/// Everything this call must be allowed, in the order in which AWS asks.
pub fn of(tx: &Tx<'_>, caller: &Caller, request: &Request<'_>) -> Vec<Need> {
    let mut needs = match request.service {
        "ec2" => ec2::needs(tx, request),
        "eks" => eks::needs(tx, request),
        "iam" => others::iam(tx, request),
        "elasticloadbalancing" => others::balancers(tx, request),
        "logs" => others::logs(tx, request),
        "ssm" => others::parameters(request),
        "sts" => others::sts(request),
        _ => vec![need(request.action(), "*", Context::default())],
    };
    let principal = caller.principal_arn();
    let mut known = Context::default()
        .with("aws:RequestedRegion", &request.scope.region)
        .with("aws:PrincipalArn", &principal)
        .with("aws:PrincipalAccount", &caller.account);
    if request.service == "ec2" {
        known = known.with("ec2:Region", &request.scope.region);
    }
    if let Some((_, name)) = principal.split_once(":user/") {
        known = known.with("aws:username", name);
    }
    for need in &mut needs {
        need.ask.context = std::mem::take(&mut need.ask.context).and(&known);
    }
    needs
}
