//! The sections that only one cloud has, `aws:`, `gcp:` and `azure:`: their keys, how they are read and written.

use super::{
    problem::SpecProblem,
    read::{range, word, words},
    syntax,
    walk::{At, Walk},
    write::Map,
};
use crate::config::yaml::Kind;
use crate::model::spec::{AksNetwork, AksTier, AwsSpec, AzureSpec, GcpSpec, ReleaseChannel};
use serde_yaml::Mapping;

pub(super) const AWS: &[&str] = &["addons", "clusterRoleArn", "nodeRoleArn", "accessEntry"];
pub(super) const GCP: &[&str] = &[
    "regional",
    "autopilot",
    "releaseChannel",
    "podCidr",
    "serviceCidr",
    "nodeServiceAccount",
    "oauthScopes",
    "addons",
];
pub(super) const AZURE: &[&str] =
    &["tier", "network", "podCidr", "serviceCidr", "azureRbac", "adminGroups", "localAccounts", "identity"];

pub(super) const CHANNELS: [ReleaseChannel; 5] = [
    ReleaseChannel::Rapid,
    ReleaseChannel::Regular,
    ReleaseChannel::Stable,
    ReleaseChannel::Extended,
    ReleaseChannel::None,
];
pub(super) const TIERS: [AksTier; 3] = [AksTier::Free, AksTier::Standard, AksTier::Premium];
pub(super) const NETWORKS: [AksNetwork; 2] = [AksNetwork::Overlay, AksNetwork::Kubenet];

/// GKE's add-ons, by the names that gcloud gives them.
pub(super) const GKE_ADDONS: &[&str] = &[
    "HttpLoadBalancing",
    "HorizontalPodAutoscaling",
    "GcePersistentDiskCsiDriver",
    "NodeLocalDNS",
    "GcpFilestoreCsiDriver",
    "GcsFuseCsiDriver",
    "BackupRestore",
    "RayOperator",
];
/// What stands for Google's scopes.
pub(super) const SCOPES: &[&str] = &["cloud-platform", "classic"];
/// What all of Google's scopes begin with.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/";

pub(super) fn aws(walk: &mut Walk, at: &At<'_>) -> Option<AwsSpec> {
    let fields = walk.fields(at, AWS, "{ addons: [vpc-cni, kube-proxy, coredns] }")?;
    let role = |walk: &mut Walk, key: &str| {
        let at = fields.get(key)?;
        let text = word(walk, &at, "arn:aws:iam::123456789012:role/eks")?;
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let is_role =
            matches!(parts[..], ["arn", _, "iam", "", _, name] if name.starts_with("role/") && name.len() > 5);
        if !is_role {
            let problem = SpecProblem::new("", format!("`{text}` is not the ARN of a role"));
            walk.note(&at, problem.instead("write `arn:aws:iam::123456789012:role/NAME`"));
            return None;
        }
        Some(text)
    };
    Some(AwsSpec {
        addons: fields.get("addons").and_then(|at| words(walk, &at, "[vpc-cni, kube-proxy, coredns]")),
        cluster_role_arn: role(walk, "clusterRoleArn"),
        node_role_arn: role(walk, "nodeRoleArn"),
        access_entry: fields.get("accessEntry").and_then(|at| walk.truth(&at)),
    })
}

pub(super) fn gcp(walk: &mut Walk, at: &At<'_>) -> Option<GcpSpec> {
    let fields = walk.fields(at, GCP, "{ regional: true, releaseChannel: stable }")?;
    Some(GcpSpec {
        regional: fields.get("regional").and_then(|at| walk.truth(&at)),
        autopilot: fields.get("autopilot").and_then(|at| walk.truth(&at)),
        release_channel: fields
            .get("releaseChannel")
            .and_then(|at| choice(walk, &at, &CHANNELS.map(|it| (it.as_str(), it)))),
        pod_cidr: fields.get("podCidr").and_then(|at| range(walk, &at, "10.4.0.0/14")),
        service_cidr: fields.get("serviceCidr").and_then(|at| range(walk, &at, "10.8.0.0/20")),
        node_service_account: fields.get("nodeServiceAccount").and_then(|at| {
            let example = "nodes@my-project.iam.gserviceaccount.com";
            let text = word(walk, &at, example)?;
            let is_account = text
                .split_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && domain.ends_with("gserviceaccount.com"));
            if !is_account {
                let problem = SpecProblem::new("", format!("`{text}` is not the mail address of a service account"));
                walk.note(&at, problem.instead(format!("write it as in `{example}`")));
                return None;
            }
            Some(text)
        }),
        oauth_scopes: fields.get("oauthScopes").and_then(|at| {
            let fits = |text: &str| SCOPES.contains(&text) || text.starts_with(SCOPE) && text.len() > SCOPE.len();
            let instead = format!("write cloud-platform, classic, or a whole scope: `{SCOPE}…`");
            listed(walk, &at, "[cloud-platform]", |text| {
                (!fits(text)).then(|| SpecProblem::new("", format!("`{text}` is not a scope")).instead(instead.clone()))
            })
        }),
        addons: fields.get("addons").and_then(|at| {
            listed(walk, &at, "[HttpLoadBalancing, HorizontalPodAutoscaling]", |text| {
                let problem = || SpecProblem::new("", format!("GKE has no add-on `{text}`")).nearest(text, GKE_ADDONS);
                (!GKE_ADDONS.contains(&text)).then(|| problem().instead(format!("there are {}", GKE_ADDONS.join(", "))))
            })
        }),
    })
}

pub(super) fn azure(walk: &mut Walk, at: &At<'_>) -> Option<AzureSpec> {
    let fields = walk.fields(at, AZURE, "{ tier: standard }")?;
    Some(AzureSpec {
        tier: fields.get("tier").and_then(|at| choice(walk, &at, &TIERS.map(|it| (it.as_str(), it)))),
        network: fields.get("network").and_then(|at| choice(walk, &at, &NETWORKS.map(|it| (it.as_str(), it)))),
        pod_cidr: fields.get("podCidr").and_then(|at| range(walk, &at, "10.244.0.0/16")),
        service_cidr: fields.get("serviceCidr").and_then(|at| range(walk, &at, "10.1.0.0/16")),
        azure_rbac: fields.get("azureRbac").and_then(|at| walk.truth(&at)),
        admin_groups: fields.get("adminGroups").and_then(|at| {
            let example = "11111111-2222-3333-4444-555555555555";
            listed(walk, &at, &format!("[{example}]"), |text| {
                let problem = || SpecProblem::new("", format!("`{text}` is not the object id of an Entra group"));
                (!syntax::is_guid(text)).then(|| problem().instead(format!("write it as in `{example}`")))
            })
        }),
        local_accounts: fields.get("localAccounts").and_then(|at| walk.truth(&at)),
        identity: fields.get("identity").and_then(|at| {
            let text = word(walk, &at, "/subscriptions/…/userAssignedIdentities/NAME")?;
            if arm_resource(&text, "Microsoft.ManagedIdentity/userAssignedIdentities").is_none() {
                let problem = SpecProblem::new("", "is not the resource id of a user-assigned identity");
                let form = "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME";
                walk.note(&at, problem.instead(format!("write `{form}`")));
                return None;
            }
            Some(text)
        }),
    })
}

/// The name in the resource id of such a resource; none when it is not the id of one.
pub(super) fn arm_resource<'t>(text: &'t str, kind: &str) -> Option<&'t str> {
    let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
    match parts[..] {
        ["", subscriptions, id, groups, group, providers, namespace, sort, name]
            if subscriptions.eq_ignore_ascii_case("subscriptions")
                && syntax::is_guid(id)
                && groups.eq_ignore_ascii_case("resourceGroups")
                && !group.is_empty()
                && providers.eq_ignore_ascii_case("providers")
                && format!("{namespace}/{sort}").eq_ignore_ascii_case(kind)
                && !name.is_empty() =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// One of these words.
fn choice<T: Copy>(walk: &mut Walk, at: &At<'_>, all: &[(&str, T)]) -> Option<T> {
    let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    let text = walk.text(at, words[0])?;
    let found = all.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let problem = SpecProblem::new("", format!("`{text}` is not one of {}", words.join(", ")));
        walk.note(at, problem.nearest(text, &words));
    }
    found
}

/// A list of words, each of which is judged at its own place.
fn listed(
    walk: &mut Walk,
    at: &At<'_>,
    example: &str,
    judge: impl Fn(&str) -> Option<SpecProblem>,
) -> Option<Vec<String>> {
    let found = words(walk, at, example)?;
    let Kind::List(items) = &at.node.kind else { return None };
    let mut well = true;
    for (index, node) in items.iter().enumerate() {
        let Kind::Scalar { text, .. } = &node.kind else { continue };
        if let Some(problem) = judge(text) {
            well = false;
            walk.note(&At { path: format!("{}[{index}]", at.path), node }, problem);
        }
    }
    well.then_some(found)
}

pub(super) fn write_aws(aws: &AwsSpec) -> Mapping {
    let mut map = Map::default();
    map.put("addons", aws.addons.as_ref());
    map.put("clusterRoleArn", aws.cluster_role_arn.as_ref());
    map.put("nodeRoleArn", aws.node_role_arn.as_ref());
    map.put("accessEntry", aws.access_entry);
    map.0
}

pub(super) fn write_gcp(gcp: &GcpSpec) -> Mapping {
    let mut map = Map::default();
    map.put("regional", gcp.regional);
    map.put("autopilot", gcp.autopilot);
    map.put("releaseChannel", gcp.release_channel.map(ReleaseChannel::as_str));
    map.put("podCidr", gcp.pod_cidr);
    map.put("serviceCidr", gcp.service_cidr);
    map.put("nodeServiceAccount", gcp.node_service_account.as_ref());
    map.put("oauthScopes", gcp.oauth_scopes.as_ref());
    map.put("addons", gcp.addons.as_ref());
    map.0
}

pub(super) fn write_azure(azure: &AzureSpec) -> Mapping {
    let mut map = Map::default();
    map.put("tier", azure.tier.map(AksTier::as_str));
    map.put("network", azure.network.map(AksNetwork::as_str));
    map.put("podCidr", azure.pod_cidr);
    map.put("serviceCidr", azure.service_cidr);
    map.put("azureRbac", azure.azure_rbac);
    map.put("adminGroups", azure.admin_groups.as_ref());
    map.put("localAccounts", azure.local_accounts);
    map.put("identity", azure.identity.as_ref());
    map.0
}
