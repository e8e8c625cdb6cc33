//! What can be decided without the cloud: defaults, ranges, names, and what contradicts itself.

use super::super::instances::nearest_of;
use super::super::plan::{BEFORE_NODES, EBS_CSI, POD_IDENTITY_AGENT};
use super::{NODES, Work};
use crate::model::spec::{AwsSpec, ExistingNetwork, Nat, NetworkSpec, PoolSpec, ResolvedAws, ResolvedNetwork};
use crate::providers::work::PoolLimits;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

const CIDR: &str = "10.0.0.0/16";
const ADDONS: [&str; 5] = ["vpc-cni", "kube-proxy", "coredns", POD_IDENTITY_AGENT, EBS_CSI];
/// EKS: nodes in one group, and groups in one cluster (AWS General Reference, "Amazon EKS endpoints and quotas"). The image
/// itself needs 20 GiB.
const LIMITS: PoolLimits =
    PoolLimits { whose: "EKS", place: "one node group", usual: NODES, nodes: 450, disk_gib: 20..=16_384 };
const MAX_POOLS: usize = 30;
/// EKS takes so many ranges.
const MAX_API_RANGES: usize = 40;
/// AWS takes 50 tags; the rest is ours (stored spec, ownership, shown names).
const MAX_USER_TAGS: usize = 12;

impl Work {
    pub(super) fn tags(&mut self, tags: &BTreeMap<String, String>) {
        if tags.len() > MAX_USER_TAGS {
            self.problem(
                "KW-SPEC",
                format!("{} tags: AWS leaves room for {MAX_USER_TAGS} beside kubewright's own", tags.len()),
            );
        }
        let allowed = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
        let mut seen = BTreeMap::new();
        for (key, value) in tags {
            let plain = key.to_lowercase();
            let reserved =
                ["aws:", "kubewright-", "kubernetes.io/", "eks:"].iter().any(|start| plain.starts_with(start));
            if let Some(other) = seen.insert(plain, key) {
                self.problem("KW-SPEC", format!("tags `{other}` and `{key}`: IAM takes them for one and the same"));
            }
            if reserved {
                self.problem("KW-SPEC", format!("tag `{key}` is reserved"));
            } else if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
                self.problem(
                    "KW-SPEC",
                    format!("tag `{key}`: AWS takes keys of 1 to 128 and values of up to 256 characters"),
                );
            } else if let Some(bad) = key.chars().chain(value.chars()).find(|c| !allowed(*c)) {
                self.problem("KW-SPEC", format!("tag `{key}`: AWS does not take {bad:?} in tags"));
            }
        }
    }

    pub(super) fn principal(&mut self, arn: &str) {
        let part = arn.split(':').collect::<Vec<_>>();
        let good = matches!(part[..], ["arn", _, "iam", "", account, resource]
            if account.len() == 12 && (resource.starts_with("role/") || resource.starts_with("user/")));
        if !good {
            self.hinted(
                "KW-SPEC",
                format!("admin `{arn}` is not the ARN of an IAM role or user"),
                "arn:aws:iam::123456789012:role/NAME",
            );
        }
    }

    pub(super) fn role(&mut self, key: &str, arn: Option<&String>) {
        let good = |arn: &str| arn.split(':').nth(2) == Some("iam") && arn.contains(":role/");
        if let Some(arn) = arn.filter(|arn| !good(arn)) {
            self.hinted(
                "KW-SPEC",
                format!("aws.{key} `{arn}` is not the ARN of an IAM role"),
                "arn:aws:iam::123456789012:role/NAME",
            );
        }
    }

    pub(super) fn network(&mut self, spec: Option<&NetworkSpec>) -> ResolvedNetwork {
        let spec = spec.cloned().unwrap_or_default();
        let everywhere = vec!["0.0.0.0/0".parse().expect("a constant")];
        if let Some(existing) = &spec.existing {
            self.existing(&spec, existing);
        } else {
            for (path, missing) in [("network.cidr", spec.cidr.is_none()), ("network.nat", spec.nat.is_none())] {
                if missing {
                    self.defaults.push(path.to_owned());
                }
            }
        }
        let cidr = spec.cidr.unwrap_or_else(|| CIDR.parse().expect("a constant"));
        if cidr != cidr.trunc() {
            self.hinted(
                "KW-NET",
                format!("network.cidr {cidr} does not start where its range does"),
                format!("cidr: {}", cidr.trunc()),
            );
        }
        let first = cidr.addr();
        if spec.existing.is_none()
            && (first.is_loopback() || first.is_link_local() || first.is_multicast() || first.octets()[0] == 0)
        {
            self.problem("KW-NET", format!("network.cidr {cidr} is not a range for machines; use one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"));
        }
        let api_allow = self.or(spec.api_allow, "network.apiAllow", everywhere);
        self.api_allow(&api_allow);
        ResolvedNetwork {
            cidr: cidr.trunc(),
            zones: Vec::new(),
            nat: spec.nat.unwrap_or(Nat::Single),
            api_allow,
            existing: spec.existing,
        }
    }

    pub(super) fn existing(&mut self, spec: &NetworkSpec, existing: &ExistingNetwork) {
        let clashes = [
            ("cidr", spec.cidr.is_some()),
            ("nat", spec.nat.is_some()),
            ("zones", spec.zones.is_some()),
            ("zoneCount", spec.zone_count.is_some()),
        ];
        for (key, _) in clashes.iter().filter(|(_, set)| *set) {
            self.problem(
                "KW-NET",
                format!(
                    "network.{key} and network.existing exclude each other: a network brought along stays as it is"
                ),
            );
        }
        let all: Vec<&String> = existing.private_subnets.iter().chain(&existing.public_subnets).collect();
        if !existing.vpc.starts_with("vpc-") {
            self.problem("KW-NET", format!("network.existing.vpc `{}` is not a VPC id", existing.vpc));
        }
        for id in all.iter().filter(|id| !id.starts_with("subnet-")) {
            self.problem("KW-NET", format!("network.existing: `{id}` is not a subnet id"));
        }
        if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
            self.problem("KW-NET", "network.existing names a subnet twice");
        }
        if all.len() < 2 {
            self.problem("KW-NET", "network.existing needs at least 2 subnets, in 2 zones");
        }
    }

    pub(super) fn api_allow(&mut self, ranges: &[Ipv4Net]) {
        if ranges.is_empty() {
            self.problem("KW-NET", "network.apiAllow is empty: nobody could reach the API server");
        }
        if ranges.len() > MAX_API_RANGES {
            self.problem("KW-NET", format!("network.apiAllow has {} ranges, EKS takes {MAX_API_RANGES}", ranges.len()));
        }
        for range in ranges
            .iter()
            .filter(|range| range.addr().is_private() || range.addr().is_loopback() || range.addr().is_link_local())
        {
            self.problem("KW-NET", format!("network.apiAllow {range} is private: EKS takes public ranges, and private ones always get in from inside the network"));
        }
    }

    pub(super) fn aws(&mut self, spec: Option<&AwsSpec>) -> ResolvedAws {
        let spec = spec.cloned().unwrap_or_default();
        let addons = self.or(spec.addons, "aws.addons", ADDONS.map(str::to_owned).to_vec());
        self.role("clusterRoleArn", spec.cluster_role_arn.as_ref());
        self.role("nodeRoleArn", spec.node_role_arn.as_ref());
        let has = |name: &str| addons.iter().any(|addon| addon == name);
        if has(EBS_CSI) && !has(POD_IDENTITY_AGENT) {
            self.hinted(
                "KW-SPEC",
                format!("add-on {EBS_CSI} gets its permissions through {POD_IDENTITY_AGENT}, which is not in the list"),
                format!("add {POD_IDENTITY_AGENT} to aws.addons"),
            );
        }
        let mut seen = BTreeSet::new();
        for name in &addons {
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
            if !valid || name.len() > 100 {
                self.problem("KW-SPEC", format!("`{name}` is not the name of an add-on"));
            } else if !seen.insert(name) {
                self.problem("KW-SPEC", format!("add-on {name} is listed twice"));
            } else if let Some(meant) =
                nearest_of(name, ADDONS.into_iter()).filter(|_| !ADDONS.contains(&name.as_str()))
            {
                self.hinted("KW-SPEC", format!("there is no add-on {name}"), format!("did you mean {meant}?"));
            }
        }
        // All three or none: EKS's own copies of some beside add-ons of others fight over the same objects.
        let core = ["vpc-cni", "kube-proxy", "coredns"].map(has);
        if core.contains(&true) && core.contains(&false) {
            tracing::debug!("some of the core add-ons are left to EKS's own copies");
        }
        debug_assert!(BEFORE_NODES.contains(&POD_IDENTITY_AGENT));
        ResolvedAws {
            addons,
            cluster_role_arn: spec.cluster_role_arn,
            node_role_arn: spec.node_role_arn,
            admin_principal_arn: None,
        }
    }

    /// The pools as asked for, with the checks that need no cloud.
    pub(super) fn wishes(&mut self, pools: Option<&[PoolSpec]>) -> Vec<PoolSpec> {
        let Some(pools) = pools else {
            self.defaults.push("nodePools".to_owned());
            return vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }];
        };
        if pools.is_empty() {
            self.problem("KW-SPEC", "nodePools is empty: a cluster without nodes runs nothing");
        }
        if pools.len() > MAX_POOLS {
            self.problem("KW-SPEC", format!("{} node pools, EKS takes {MAX_POOLS}", pools.len()));
        }
        let mut names = BTreeSet::new();
        for pool in pools {
            let name = &pool.name;
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 40;
            if !valid || !name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
                self.problem(
                    "KW-SPEC",
                    format!("pool name `{name}`: up to 40 of a-z, 0-9 and `-`, a letter first, no `-` last"),
                );
            }
            if !names.insert(name) {
                self.problem("KW-SPEC", format!("two node pools are called `{name}`"));
            }
            self.pool_numbers(pool, &LIMITS);
            for key in pool.labels.keys().filter(|key| is_reserved_label(key)) {
                self.problem("KW-SPEC", format!("pool `{name}`: label {key} is reserved, EKS refuses it"));
            }
        }
        pools.to_vec()
    }

    /// The autoscaler needs an identity, and a node that is always there.
    pub(super) fn scaling(&mut self, pools: &[PoolSpec], aws: &ResolvedAws) {
        let Some(first) = pools.iter().find(|pool| pool.scales()) else { return };
        if !aws.addons.iter().any(|name| name == POD_IDENTITY_AGENT) {
            self.hinted(
                "KW-SPEC",
                format!(
                    "pool `{}` scales, and the cluster autoscaler gets its permissions through {POD_IDENTITY_AGENT}, which is not in the list",
                    first.name
                ),
                format!("add {POD_IDENTITY_AGENT} to aws.addons"),
            );
        }
        if !pools.iter().any(PoolSpec::is_steady) {
            self.hinted(
                "KW-SPEC",
                "the cluster autoscaler would have no node to run on: every pool may be empty or has a taint that keeps it off",
                "give one pool without taints `min: 1` or a fixed `count`",
            );
        }
    }
}

/// Prefixes that belong to Kubernetes and EKS; the `node-restriction` one exists for users.
fn is_reserved_label(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let system = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    prefix != "node-restriction.kubernetes.io"
        && (system("kubernetes.io") || system("k8s.io") || system("eks.amazonaws.com"))
}
