//! What a cluster leaves behind in Compute Engine: found by the searches of a teardown, deleted, never made by a plan.
//!
//! All kinds are alike there: a collection, a place, a name. The place inside the project is the id, so one code does.

use super::support::{never_made, seen, time, what};
use crate::engine::{
    Deletion, ErrorClass, Found, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::{labels, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// One kind of leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// How plans name it.
    pub kind: &'static str,
    /// In the user's words.
    pub noun: &'static str,
    /// Its collection in paths, as listings have it.
    pub collection: &'static str,
    /// How gcloud calls it: `forwarding-rules`.
    pub gcloud: &'static str,
    /// The methods that read and delete one that is global, in a region, in a zone.
    ops: [(&'static str, &'static str); 3],
}

macro_rules! ops {
    ($global:literal, $region:literal, $zone:literal) => {
        [
            (concat!("compute:", $global, ".get"), concat!("compute:", $global, ".delete")),
            (concat!("compute:", $region, ".get"), concat!("compute:", $region, ".delete")),
            (concat!("compute:", $zone, ".get"), concat!("compute:", $zone, ".delete")),
        ]
    };
}

const fn kind(
    kind: &'static str,
    noun: &'static str,
    collection: &'static str,
    gcloud: &'static str,
    ops: [(&'static str, &'static str); 3],
) -> Kind {
    Kind { kind, noun, collection, gcloud, ops }
}

/// Every kind a cluster's controllers make. Where a kind is in one place only, the other columns repeat it.
pub const KINDS: [Kind; 16] = [
    FORWARDING_RULE,
    TARGET_POOL,
    TARGET_HTTP_PROXY,
    TARGET_HTTPS_PROXY,
    URL_MAP,
    BACKEND_SERVICE,
    HEALTH_CHECK,
    HTTP_HEALTH_CHECK,
    SSL_CERTIFICATE,
    ADDRESS,
    NEG,
    INSTANCE_GROUP,
    FIREWALL,
    ROUTE,
    DISK,
    INSTANCE,
];

/// The front of a load balancer.
pub const FORWARDING_RULE: Kind = kind(
    "gcp/forwarding-rule",
    "forwarding rule",
    "forwardingRules",
    "forwarding-rules",
    ops!("globalForwardingRules", "forwardingRules", "forwardingRules"),
);
/// The machines behind a network load balancer.
pub const TARGET_POOL: Kind = kind(
    "gcp/target-pool",
    "target pool",
    "targetPools",
    "target-pools",
    ops!("targetPools", "targetPools", "targetPools"),
);
/// HTTP.
pub const TARGET_HTTP_PROXY: Kind = kind(
    "gcp/target-http-proxy",
    "target HTTP proxy",
    "targetHttpProxies",
    "target-http-proxies",
    ops!("targetHttpProxies", "regionTargetHttpProxies", "regionTargetHttpProxies"),
);
/// HTTPS.
pub const TARGET_HTTPS_PROXY: Kind = kind(
    "gcp/target-https-proxy",
    "target HTTPS proxy",
    "targetHttpsProxies",
    "target-https-proxies",
    ops!("targetHttpsProxies", "regionTargetHttpsProxies", "regionTargetHttpsProxies"),
);
/// Which path goes where.
pub const URL_MAP: Kind =
    kind("gcp/url-map", "URL map", "urlMaps", "url-maps", ops!("urlMaps", "regionUrlMaps", "regionUrlMaps"));
/// What a load balancer sends to.
pub const BACKEND_SERVICE: Kind = kind(
    "gcp/backend-service",
    "backend service",
    "backendServices",
    "backend-services",
    ops!("backendServices", "regionBackendServices", "regionBackendServices"),
);
/// Whether it is well.
pub const HEALTH_CHECK: Kind = kind(
    "gcp/health-check",
    "health check",
    "healthChecks",
    "health-checks",
    ops!("healthChecks", "regionHealthChecks", "regionHealthChecks"),
);
/// The same of old.
pub const HTTP_HEALTH_CHECK: Kind = kind(
    "gcp/http-health-check",
    "HTTP health check",
    "httpHealthChecks",
    "http-health-checks",
    ops!("httpHealthChecks", "httpHealthChecks", "httpHealthChecks"),
);
/// For HTTPS.
pub const SSL_CERTIFICATE: Kind = kind(
    "gcp/ssl-certificate",
    "SSL certificate",
    "sslCertificates",
    "ssl-certificates",
    ops!("sslCertificates", "regionSslCertificates", "regionSslCertificates"),
);
/// A reserved address.
pub const ADDRESS: Kind =
    kind("gcp/address", "address", "addresses", "addresses", ops!("globalAddresses", "addresses", "addresses"));
/// Pods behind a load balancer.
pub const NEG: Kind = kind(
    "gcp/network-endpoint-group",
    "network endpoint group",
    "networkEndpointGroups",
    "network-endpoint-groups",
    ops!("globalNetworkEndpointGroups", "regionNetworkEndpointGroups", "networkEndpointGroups"),
);
/// Nodes behind a load balancer.
pub const INSTANCE_GROUP: Kind = kind(
    "gcp/instance-group",
    "instance group",
    "instanceGroups",
    "instance-groups",
    ops!("instanceGroups", "regionInstanceGroups", "instanceGroups"),
);
/// A rule of the network's firewall.
pub const FIREWALL: Kind =
    kind("gcp/firewall", "firewall rule", "firewalls", "firewall-rules", ops!("firewalls", "firewalls", "firewalls"));
/// A route.
pub const ROUTE: Kind = kind("gcp/route", "route", "routes", "routes", ops!("routes", "routes", "routes"));
/// A disk.
pub const DISK: Kind = kind("gcp/disk", "disk", "disks", "disks", ops!("disks", "regionDisks", "disks"));
/// A machine.
pub const INSTANCE: Kind =
    kind("gcp/instance", "instance", "instances", "instances", ops!("instances", "instances", "instances"));

impl Kind {
    /// The methods that read and delete one at this place.
    fn ops(&self, id: &str) -> (&'static str, &'static str) {
        let at = match id.split('/').next() {
            Some("regions") => 1,
            Some("zones") => 2,
            _ => 0,
        };
        self.ops[at]
    }

    /// The command that removes one, for whoever owns it.
    pub fn removal(&self, id: &str, project: &str) -> String {
        let name = wire::last(id);
        let mut parts = id.split('/');
        let place = match (parts.next(), parts.next()) {
            (Some("regions"), Some(region)) => format!(" --region {region}"),
            (Some("zones"), Some(zone)) => format!(" --zone {zone}"),
            _ if ["firewall-rules", "routes"].contains(&self.gcloud) => String::new(),
            _ => " --global".to_owned(),
        };
        format!("gcloud compute {} delete {name}{place} --project {project}", self.gcloud)
    }
}

/// A leftover of one of [`KINDS`]; which one, the step's kind says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remains {
    /// Which kind.
    pub kind: String,
}

/// A thing as evidence: what it carries of tags are its labels.
pub(in crate::providers::gcp) fn observed(kind: &Kind, thing: &wire::Thing) -> Observed {
    let id = wire::inside_project(&thing.self_link);
    let mut sight = seen(kind.kind, id, labels::tags(&thing.labels));
    sight.reference.name = Some(thing.name.clone());
    sight.evidence.name = Some(thing.name.clone());
    sight.created_at = time(&thing.creation_timestamp);
    sight.attached = !thing.users.is_empty();
    sight
}

impl Remains {
    fn known(&self) -> Result<&'static Kind, StepError> {
        KINDS.iter().find(|kind| kind.kind == self.kind).ok_or_else(|| {
            StepError::new(ErrorClass::Permanent, "KW-PLAN", format!("no leftover is of kind {}", self.kind))
        })
    }
}

#[async_trait]
impl Step<GcpCx> for Remains {
    async fn find(&self, cx: &GcpCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        // Nothing tells them apart but their place.
        let Lookup::Id(it) = by else { return Ok(Found::None) };
        let kind = self.known()?;
        let what = format!("{} {}", kind.noun, wire::last(&it.id));
        let read: Option<wire::Thing> =
            cx.read(Request::get(kind.ops(&it.id).0, cx.compute_path(&it.id)?, &what)).await?;
        Ok(read.map_or(Found::None, |thing| {
            let mut sight = observed(kind, &thing);
            sight.reference.id.clone_from(&it.id);
            Found::One(sight)
        }))
    }

    async fn create(&self, _: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("leftover", at)))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &GcpCx, _: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let kind = self.known()?;
        let what = format!("{} {}", kind.noun, wire::last(owned.id()));
        match cx.call(Request::delete(kind.ops(owned.id()).1, cx.compute_path(owned.id())?, &what)).await {
            Ok(_) => Ok(Deletion::Started),
            Err(failure) if failure.is_absent() => Ok(Deletion::Gone),
            Err(failure) => Err(failure.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_commands_follow_the_place() {
        let rule = FORWARDING_RULE;
        assert_eq!(rule.ops("global/forwardingRules/a").1, "compute:globalForwardingRules.delete");
        assert_eq!(rule.ops("regions/us-central1/forwardingRules/a").0, "compute:forwardingRules.get");
        assert_eq!(NEG.ops("zones/us-central1-a/networkEndpointGroups/a").1, "compute:networkEndpointGroups.delete");
        assert_eq!(
            rule.removal("regions/us-central1/forwardingRules/a", "acme"),
            "gcloud compute forwarding-rules delete a --region us-central1 --project acme"
        );
        assert_eq!(
            FIREWALL.removal("global/firewalls/a", "acme"),
            "gcloud compute firewall-rules delete a --project acme"
        );
    }
}
