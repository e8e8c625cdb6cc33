//! The GKE control plane, with its first node pool: GKE makes no Standard cluster without one, and a pool that fails
//! later locks the cluster for half an hour.

use super::support::{
    Making, PART_OPERATION, both, broken, busy, followed, making, needs_seen, operation, or_its_making, remove, seen,
    time, visible, what,
};
use super::{ExtraTags, Pool};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, Residue, ResourceRef,
    Scope, Step, StepError, Token,
};
use crate::model::spec::ReleaseChannel;
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::error::{self, Told};
use crate::providers::gcp::labels::{self, Tags};
use crate::providers::gcp::{addons, clusters, wire};
use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How plans name this kind.
pub const KIND: &str = "gcp/gke-cluster";
/// The cluster's name.
pub const NAME: OutputKey<String> = OutputKey::new("name");
/// The API server's address, `https://…`.
pub const ENDPOINT: OutputKey<String> = OutputKey::new("endpoint");
/// The API server's CA, PEM in base64.
pub const CA: OutputKey<String> = OutputKey::new("ca");
/// The whole version it runs.
pub const VERSION: OutputKey<String> = OutputKey::new("version");
/// Zone or region of its control plane.
pub const LOCATION: OutputKey<String> = OutputKey::new("location");

/// Under this key a sight of a cluster holds its id, by which what it made may be called.
pub(in crate::providers::gcp) const PART_UID: &str = "uid";
/// Under this key the location.
pub(in crate::providers::gcp) const PART_LOCATION: &str = "location";

/// A VPC-native cluster with Dataplane V2. Identity: `Name`, labelled. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name, the same as in the identity.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Zone of its control plane, or the region for one in three zones.
    pub location: String,
    /// Zones of its nodes.
    pub zones: Vec<String>,
    /// Release channel.
    pub channel: ReleaseChannel,
    /// Whole version to begin with.
    pub version: String,
    /// Link of the network.
    pub network: Input<String>,
    /// Link of the subnetwork.
    pub subnetwork: Input<String>,
    /// Secondary range for pods.
    pub pods: String,
    /// Secondary range for Services.
    pub services: String,
    /// Nodes have no public addresses.
    pub private_nodes: bool,
    /// Ranges that may reach the API server; all may where one of them is everything.
    pub api_allow: Vec<Ipv4Net>,
    /// `acme.svc.id.goog`
    pub workload_pool: String,
    /// Add-ons that are on.
    pub addons: Vec<String>,
    /// The first pool; none where nodes are Google's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// The account of nodes where those are Google's business, and its scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autopilot: Option<(Input<String>, Vec<String>)>,
    /// More labels, and under [`super::SPEC`] what the description says of the spec.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// One cluster.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    location: &str,
    name: &str,
) -> Result<Option<(Observed, wire::Cluster)>, StepError> {
    let path = cx.container_path(location, &format!("clusters/{name}"))?;
    let what = format!("cluster {name}");
    let request = Request::get("container:projects.locations.clusters.get", path, &what);
    let read: Option<wire::Cluster> = cx.read(request).await?;
    Ok(read.map(|cluster| (observed(&cluster), cluster)))
}

/// A cluster as evidence.
pub(in crate::providers::gcp) fn observed(cluster: &wire::Cluster) -> Observed {
    let mut sight = seen(KIND, &cluster.name, labels::tags(&cluster.resource_labels));
    sight.created_at = time(&cluster.create_time);
    // Remembered by the teardown when the cluster itself can no longer say it.
    let parts = [(PART_UID, &cluster.id), (PART_LOCATION, &cluster.location)];
    let known = parts.into_iter().filter(|(_, value)| !value.is_empty());
    sight.reference.parts.extend(known.map(|(key, value)| (key.to_owned(), value.clone())));
    sight
}

/// Why a thing of GKE's ended badly: what its conditions say, joined with what the operation says.
pub(super) fn failure(
    what: &str,
    it: &ResourceRef,
    status: &str,
    conditions: &[wire::Condition],
    old: &str,
    making: Option<&StepError>,
) -> StepError {
    let mut told: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !text.is_empty() && !told.iter().any(|known| known.contains(&text)) {
            told.push(text);
        }
    };
    for condition in conditions {
        let code = if condition.code.is_empty() { &condition.canonical_code } else { &condition.code };
        let message = error::clean(&condition.message);
        add(if code.is_empty() { message } else { format!("{message} ({code})") });
    }
    if let Some(why) = making {
        add(why.message.split_once(": ").map_or(&*why.message, |(_, rest)| rest).to_owned());
    }
    add(error::clean(old));
    let why = if told.is_empty() { "GKE gives no reason".to_owned() } else { told.join("; ") };
    let first = conditions.first();
    let judged = Told {
        status: 500,
        reason: first.map(|it| it.code.clone()).filter(|code| !code.is_empty() && code != "UNKNOWN"),
        code: first.map(|it| it.canonical_code.clone()).filter(|code| !code.is_empty()),
        message: why.clone(),
        ..Told::default()
    };
    let (class, id) = match (judged.reason.as_deref(), making) {
        (Some("GKE_SERVICE_ACCOUNT_DELETED" | "NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS"), _) => {
            (ErrorClass::Auth, error::DENIED)
        }
        _ => match (error::classify(&judged), making) {
            // A condition that says nothing leaves it to the operation.
            ((ErrorClass::Transient, _), Some(why)) if why.class != ErrorClass::Transient => (why.class, id_of(why)),
            (judged, _) => judged,
        },
    };
    let failed = broken(class, id, it, format!("{what} ended {status}: {why}"));
    match class {
        ErrorClass::Capacity => {
            failed.with_hint("another machine type (--node-type) or other zones (--zones) may have it")
        }
        ErrorClass::Quota => failed
            .with_hint("raise it: https://console.cloud.google.com/iam-admin/quotas, or delete what is not needed"),
        _ => failed,
    }
}

fn id_of(why: &StepError) -> &'static str {
    match why.class {
        ErrorClass::Capacity => error::CAPACITY,
        ErrorClass::Quota => error::QUOTA,
        ErrorClass::Auth => error::DENIED,
        _ => error::REFUSED,
    }
}

/// The reference of what this Container operation makes.
pub(super) fn being_made(kind: &str, id: &str, location: &str, operation: &Value) -> ResourceRef {
    let mut reference = ResourceRef::new(kind, id);
    let name = operation.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let path = name.map(|name| format!("locations/{location}/operations/{name}"));
    reference.parts.extend(path.map(|path| (PART_OPERATION.to_owned(), path)));
    reference
}

impl Cluster {
    fn body(&self, at: Scope<'_>) -> Result<Value, StepError> {
        let (spec, more): (ExtraTags, ExtraTags) =
            self.extra_tags.clone().into_iter().partition(|(key, _)| key == super::SPEC);
        let mut tags = at.tags.clone();
        tags.extend(more);
        let spec = spec.into_values().next().unwrap_or_default();
        let open = self.api_allow.is_empty() || self.api_allow.iter().any(|range| range.prefix_len() == 0);
        let mut addresses = json!({"enabled": true, "enablePublicEndpoint": true});
        if !open {
            let blocks: Vec<Value> =
                self.api_allow.iter().map(|range| json!({"cidrBlock": range.to_string()})).collect();
            addresses["authorizedNetworksConfig"] =
                json!({"enabled": true, "cidrBlocks": blocks, "gcpPublicCidrsAccessEnabled": false});
        }
        let mut cluster = json!({
            "name": self.name,
            "description": format!("{}{spec}", labels::description(&self.description, &tags)),
            "initialClusterVersion": self.version,
            "releaseChannel": {"channel": channel(self.channel)},
            "network": at.inputs.get(&self.network)?,
            "subnetwork": at.inputs.get(&self.subnetwork)?,
            "ipAllocationPolicy": {
                "useIpAliases": true,
                "clusterSecondaryRangeName": self.pods,
                "servicesSecondaryRangeName": self.services,
            },
            "networkConfig": {"defaultEnablePrivateNodes": self.private_nodes},
            "controlPlaneEndpointsConfig": {"ipEndpointsConfig": addresses},
            "resourceLabels": labels::labels(&tags),
        });
        if let Some((account, scopes)) = &self.autopilot {
            cluster["autopilot"] = json!({"enabled": true});
            let defaults = json!({"serviceAccount": at.inputs.get(account)?, "oauthScopes": scopes});
            cluster["autoscaling"] = json!({"autoprovisioningNodePoolDefaults": defaults});
        }
        if let Some(pool) = &self.pool {
            cluster["nodePools"] = json!([pool.body(at.inputs, at.tags)?]);
            cluster["locations"] = json!(self.zones);
            cluster["networkConfig"]["datapathProvider"] = json!("ADVANCED_DATAPATH");
            cluster["workloadIdentityConfig"] = json!({"workloadPool": self.workload_pool});
            cluster["shieldedNodes"] = json!({"enabled": true});
            cluster["addonsConfig"] = addons::config(&self.addons);
        }
        Ok(json!({"cluster": cluster}))
    }

    /// The address of the account of its nodes.
    fn account(&self, at: Scope<'_>) -> Result<String, StepError> {
        let autopilot = self.autopilot.as_ref().map(|(account, _)| account);
        let account = self.pool.as_ref().map(|pool| &pool.account).or(autopilot);
        account.map_or_else(|| Ok(String::new()), |account| at.inputs.get(account))
    }

    /// Our labels that the cluster should carry and does not: a later plan may word them anew.
    fn lacking(&self, seen: &Observed) -> Tags {
        let labels = self.extra_tags.iter().filter(|(key, _)| *key != super::SPEC);
        let differs = |(key, value): &(&String, &String)| seen.evidence.tags.get(*key) != Some(*value);
        labels.filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The first pool's end, where it has come to a bad one.
    fn pool_failure(
        &self,
        what: &str,
        it: &ResourceRef,
        cluster: &wire::Cluster,
        making: Option<&StepError>,
    ) -> Option<StepError> {
        let name = &self.pool.as_ref()?.name;
        let pool = cluster.node_pools.iter().find(|pool| pool.name == *name)?;
        let bad = matches!(pool.status.as_str(), "ERROR" | "RUNNING_WITH_ERROR");
        let what = format!("node pool {name} of {what}");
        bad.then(|| failure(&what, it, &pool.status, &pool.conditions, &pool.status_message, making))
    }
}

/// GKE's word for a channel.
fn channel(channel: ReleaseChannel) -> &'static str {
    match channel {
        ReleaseChannel::Rapid => "RAPID",
        ReleaseChannel::Regular => "REGULAR",
        ReleaseChannel::Stable => "STABLE",
        ReleaseChannel::Extended => "EXTENDED",
        ReleaseChannel::None => "UNSPECIFIED",
    }
}

/// Puts labels on a cluster beside those that stand there.
pub(in crate::providers::gcp) async fn add_labels(
    cx: &GcpCx,
    cluster: &wire::Cluster,
    more: &Tags,
    what: &str,
) -> Result<(), StepError> {
    let mut all = cluster.resource_labels.clone();
    all.extend(labels::labels(more));
    let path = cx.container_path(&cluster.location, &format!("clusters/{}:setResourceLabels", cluster.name))?;
    let body = json!({"resourceLabels": all, "labelFingerprint": cluster.label_fingerprint});
    cx.call(Request::post("container:projects.locations.clusters.setResourceLabels", path, what).body(&body)).await?;
    Ok(())
}

#[async_trait]
impl Step<GcpCx> for Cluster {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let read = get(cx, &self.location, &self.name).await?.map(|(sight, _)| sight);
        or_its_making(cx, at, by, read, &what("cluster", at)).await
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("cluster", at);
        let path = cx.container_path(&self.location, "clusters")?;
        let request = Request::post("container:projects.locations.clusters.create", path, &what);
        let needs = [at.inputs.get(&self.network)?, at.inputs.get(&self.subnetwork)?, self.account(at)?];
        let needs = needs.each_ref().map(String::as_str);
        let made = cx.call(request.body(&self.body(at)?)).await;
        let operation = made.map_err(|failure| needs_seen(&needs, failure))?;
        Ok(being_made(KIND, &self.name, &self.location, &operation))
    }

    async fn converge(&self, cx: &GcpCx, at: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        let Some((seen, cluster)) = get(cx, &self.location, &self.name).await? else { return Ok(()) };
        let labels = self.lacking(&seen);
        // One that is on its way to its end, or to its beginning, takes no other change.
        if labels.is_empty() || cluster.status != "RUNNING" {
            return Ok(());
        }
        add_labels(cx, &cluster, &labels, &what("cluster's labels", at)).await
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("cluster", at);
        let making = followed(cx, it, &what).await?;
        let failed = if let Making::Failed(why) = &making { Some(why) } else { None };
        let Some((_, cluster)) = get(cx, &self.location, &self.name).await? else {
            return match making {
                Making::Failed(why) => Ok(Probe::Broken(why.with_residue(Residue::None))),
                Making::Running(words) => Ok(Probe::NotYet(words)),
                Making::Done | Making::Unknown => visible(&what, None::<()>).map(|()| Probe::Ready),
            };
        };
        if let Making::Running(words) = &making {
            return Ok(Probe::NotYet(both(&cluster.status, words)));
        }
        if let Some(why) = self.pool_failure(&what, it, &cluster, failed) {
            return Ok(Probe::Broken(why));
        }
        let conditions = &cluster.conditions;
        Ok(match (cluster.status.as_str(), failed) {
            ("ERROR", _) | (_, Some(_)) => {
                Probe::Broken(failure(&what, it, &cluster.status, conditions, &cluster.status_message, failed))
            }
            ("RUNNING", None) => Probe::Ready,
            ("STOPPING", None) => {
                let why = format!("{what} is being deleted by somebody else");
                Probe::Broken(broken(ErrorClass::Transient, error::ABSENT, it, why))
            }
            ("DEGRADED", None) => {
                let told = conditions.iter().map(|it| error::clean(&it.message)).collect::<Vec<_>>().join("; ");
                Probe::NotYet(format!("DEGRADED: {told}"))
            }
            (status, None) => Probe::NotYet(status.to_owned()),
        })
    }

    async fn outputs(&self, cx: &GcpCx, at: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        let (_, cluster) = visible(&what("cluster", at), get(cx, &self.location, &self.name).await?)?;
        let mut outputs = Outputs::new().with(NAME, &self.name).with(LOCATION, &self.location);
        let texts = [
            (ENDPOINT, endpoint(&cluster)),
            (CA, cluster.master_auth.cluster_ca_certificate.clone()),
            (VERSION, cluster.current_master_version.clone()),
        ];
        for (key, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
            outputs = outputs.with(key, &value);
        }
        Ok(outputs)
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("cluster", at);
        let read = get(cx, &self.location, &self.name).await?;
        match &read {
            // The name is the user's own: once ours is gone, another of that name is somebody else's.
            Some((_, cluster)) if clusters::stack_of(cluster).as_ref() != Some(at.stack) => return Ok(Deletion::Taken),
            Some((_, cluster)) if cluster.status == "STOPPING" => return Ok(Deletion::Started),
            Some(_) => {}
            None if matches!(making(cx, owned.reference(), &what).await?, Making::Running(_)) => {}
            None => return Ok(Deletion::Gone),
        }
        let path = cx.container_path(&self.location, &format!("clusters/{}", self.name))?;
        let request = Request::delete("container:projects.locations.clusters.delete", path, &what);
        match remove(cx, request, owned, &what).await {
            // Google names the operation that holds the cluster; how far that is says how long it will be.
            Err(failure) if failure.error.class == ErrorClass::NotYet => {
                let words = match operation(cx, owned.reference()).await {
                    Ok(Some(operation)) => super::support::in_words(&operation),
                    Ok(None) | Err(_) => read.map(|(_, cluster)| cluster.status).unwrap_or_default(),
                };
                Err(busy(&what, format_args!("{} ({words})", failure.error.message)))
            }
            done => Ok(done?),
        }
    }
}

/// The API server's address; empty where there is none yet.
pub(in crate::providers::gcp) fn endpoint(cluster: &wire::Cluster) -> String {
    match cluster.endpoint.as_str() {
        "" => String::new(),
        it if it.contains("://") => it.to_owned(),
        it => format!("https://{it}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{gcp::testing::cx_at, testing};

    #[tokio::test]
    async fn a_cluster_of_the_name_that_is_not_ours_stays() {
        let step: Cluster =
            serde_json::from_value(json!({"name": "demo", "description": "d", "location": "us-central1-a",
            "zones": [], "channel": "regular", "version": "1.35", "network": "n", "subnetwork": "s", "pods": "p",
            "services": "s", "privateNodes": true, "apiAllow": [], "workloadPool": "w", "addons": []}))
            .unwrap();
        let told = testing::Told::new("cluster", Identity::Name { name: "demo".to_owned() });
        for (tags, ends, calls) in [
            (told.ours(), Deletion::Started, vec!["GET", "DELETE"]),
            (told.theirs(), Deletion::Taken, vec!["GET"]),
            (Tags::new(), Deletion::Taken, vec!["GET"]),
        ] {
            let cluster = json!({"name": "demo", "status": "RUNNING", "resourceLabels": labels::labels(&tags)});
            let server = Server::start(move |asked| match &*asked.method {
                "GET" => Answer::of(200, cluster.clone()),
                _ => Answer::of(200, json!({"name": "operation-1", "status": "RUNNING"})),
            })
            .await;
            let owned = told.owned(None, seen(KIND, "demo", told.ours()));
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            let sent: Vec<String> = server.requests().into_iter().map(|asked| asked.method).collect();
            assert_eq!((done, sent), (ends, calls.into_iter().map(str::to_owned).collect()));
        }
    }

    fn condition(code: &str, message: &str) -> wire::Condition {
        wire::Condition { code: code.to_owned(), canonical_code: String::new(), message: message.to_owned() }
    }

    #[test]
    fn why_it_failed_is_said_in_one_line() {
        let it = ResourceRef::new(KIND, "demo");
        let failed = |conditions: &[wire::Condition]| failure("cluster", &it, "ERROR", conditions, "", None);
        let stock =
            failed(&[condition("GCE_STOCKOUT", "Instance 'gke-demo-1' creation failed: us-central1-c has none.")]);
        assert_eq!(stock.class, ErrorClass::Capacity);
        assert!(stock.message.contains("us-central1-c has none (GCE_STOCKOUT)"), "{}", stock.message);
        assert_eq!(failed(&[condition("GCE_QUOTA_EXCEEDED", "CPUS")]).class, ErrorClass::Quota);
        assert_eq!(failed(&[condition("GKE_SERVICE_ACCOUNT_DELETED", "gone")]).class, ErrorClass::Auth);
        assert!(failed(&[]).message.contains("no reason"));
        let told = Told { status: 403, reason: Some("QUOTA_EXCEEDED".to_owned()), ..Told::default() };
        let operation = error::operation_failed("create", "cluster", &told);
        assert_eq!(failure("cluster", &it, "ERROR", &[], "", Some(&operation)).class, ErrorClass::Quota);
    }
}
