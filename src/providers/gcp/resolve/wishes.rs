//! What can be decided without the cloud: defaults, ranges, names, and what contradicts itself or has no counterpart
//! on GKE.

use super::super::adopted::Link;
use super::super::instances::nearest_of;
use super::super::layout::Layout;
use super::super::{addons, scopes};
use super::{NODES, Work};
use crate::model::spec::{
    ExistingNetwork, GcpSpec, Nat, NetworkSpec, PoolSpec, ReleaseChannel, ResolvedGcp, ResolvedNetwork,
};
use crate::providers::work::PoolLimits;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

const CIDR: &str = "10.0.0.0/16";
/// GKE, "Quotas and limits", read 2026-11: nodes in one pool of one zone, and pools in one cluster. The image
/// itself needs 10 GiB.
const LIMITS: PoolLimits =
    PoolLimits { whose: "GKE", place: "one pool", usual: NODES, nodes: 1_000, disk_gib: 10..=65_536 };
const MAX_POOLS: usize = 100;
/// GKE takes so many authorized networks.
const MAX_API_RANGES: usize = 100;
/// Google takes 64 labels; the rest is ours and what GKE adds.
const MAX_USER_TAGS: usize = 32;
/// Compute Engine's and GKE's names.
const MAX_NAME: usize = 63;

/// What a label of Google's may be written with.
fn is_label(text: &str) -> bool {
    text.len() <= MAX_NAME && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
}

/// The nearest that Google takes of what was written.
fn as_label(text: &str) -> String {
    let plain = |c: char| if matches!(c, 'a'..='z' | '0'..='9' | '_' | '-') { c } else { '-' };
    let mut label: String = text.to_lowercase().chars().map(plain).collect();
    label.truncate(MAX_NAME);
    label
}

/// A mail address as Google writes principals.
fn is_mail(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@' || c == ':');
    text.split_once('@').is_some_and(|(user, host)| plain(user) && plain(host) && host.contains('.'))
}

impl Work {
    pub(super) fn tags(&mut self, tags: &BTreeMap<String, String>, environment: Option<&str>) {
        if tags.len() > MAX_USER_TAGS {
            let message =
                format!("{} tags: Google leaves room for {MAX_USER_TAGS} beside kubewright's own", tags.len());
            self.problem("KW-SPEC", message);
        }
        let mut seen = BTreeMap::new();
        for (key, value) in tags {
            if ["kubewright-", "goog-"].iter().any(|start| key.to_lowercase().starts_with(start)) {
                self.problem("KW-SPEC", format!("tag `{key}` is reserved"));
                continue;
            }
            if let Some(other) = seen.insert(as_label(key), key) {
                self.problem("KW-SPEC", format!("tags `{other}` and `{key}` would be one and the same label"));
            }
            if !is_label(key) || !key.starts_with(|c: char| c.is_ascii_lowercase()) {
                let rule = "Google takes keys of up to 63 of a-z, 0-9, `_` and `-`, a letter first";
                self.hinted("KW-SPEC", format!("tag `{key}`: {rule}"), format!("{}: …", as_label(key)));
            }
            if !is_label(value) {
                let rule = "Google takes values of up to 63 of a-z, 0-9, `_` and `-`";
                self.hinted(
                    "KW-SPEC",
                    format!("tag `{key}`: {rule}, not `{value}`"),
                    format!("{key}: {}", as_label(value)),
                );
            }
        }
        if let Some(name) = environment.filter(|name| !is_label(name)) {
            let message = format!("environment `{name}` becomes a label: up to 63 of a-z, 0-9, `_` and `-`");
            self.hinted("KW-SPEC", message, format!("environment: {}", as_label(name)));
        }
    }

    pub(super) fn principal(&mut self, who: &str) {
        let bare = ["user:", "group:", "serviceAccount:"].iter().find_map(|kind| who.strip_prefix(kind)).unwrap_or(who);
        if is_mail(bare) {
            return;
        }
        let message = if who.starts_with("arn:") {
            format!("admin `{who}` is a name of AWS's; Google knows people and service accounts by mail address")
        } else {
            format!("admin `{who}` is not the mail address of a user, group or service account")
        };
        self.hinted("KW-SPEC", message, "ana@example.com, or group:team@example.com");
    }

    pub(super) fn network(&mut self, spec: Option<&NetworkSpec>, gcp: Option<&GcpSpec>) -> ResolvedNetwork {
        let spec = spec.cloned().unwrap_or_default();
        let everywhere = vec!["0.0.0.0/0".parse().expect("a constant")];
        if let Some(existing) = &spec.existing {
            self.existing(&spec, existing, gcp);
        } else {
            for (path, missing) in [("network.cidr", spec.cidr.is_none()), ("network.nat", spec.nat.is_none())] {
                if missing {
                    self.defaults.push(path.to_owned());
                }
            }
        }
        if spec.nat == Some(Nat::PerZone) {
            let message = "network.nat per-zone has no counterpart on gcp: one Cloud NAT serves all zones of a region, and outlives any of them";
            self.hinted("KW-NET", message, "nat: single");
        }
        let cidr = spec.cidr.unwrap_or_else(|| CIDR.parse().expect("a constant"));
        let api_allow = self.or(spec.api_allow, "network.apiAllow", everywhere);
        self.api_allow(&api_allow);
        ResolvedNetwork {
            cidr,
            zones: Vec::new(),
            nat: spec.nat.unwrap_or(Nat::Single),
            api_allow,
            existing: spec.existing,
        }
    }

    /// The three ranges of a new network; none where it is brought along, or where they do not fit.
    pub(super) fn layout(&mut self, network: &ResolvedNetwork, gcp: Option<&GcpSpec>) -> Option<Layout> {
        if network.existing.is_some() {
            return None;
        }
        let (pods, services) = (gcp.and_then(|gcp| gcp.pod_cidr), gcp.and_then(|gcp| gcp.service_cidr));
        for (path, missing) in [("gcp.podCidr", pods.is_none()), ("gcp.serviceCidr", services.is_none())] {
            if missing {
                self.defaults.push(path.to_owned());
            }
        }
        match Layout::of(network.cidr, pods, services) {
            Ok(layout) => Some(layout),
            Err(wrong) => {
                wrong.into_iter().for_each(|why| self.problem("KW-NET", why));
                None
            }
        }
    }

    fn existing(&mut self, spec: &NetworkSpec, existing: &ExistingNetwork, gcp: Option<&GcpSpec>) {
        for (key, set) in [("cidr", spec.cidr.is_some()), ("nat", spec.nat.is_some())] {
            if set {
                let message = format!(
                    "network.{key} and network.existing exclude each other: a network brought along stays as it is"
                );
                self.problem("KW-NET", message);
            }
        }
        let given = gcp.map(|gcp| [("podCidr", gcp.pod_cidr.is_some()), ("serviceCidr", gcp.service_cidr.is_some())]);
        for (key, _) in given.into_iter().flatten().filter(|(_, set)| *set) {
            let message =
                format!("gcp.{key} and network.existing exclude each other: the subnet's own ranges are used");
            self.hinted("KW-NET", message, "name them: network.existing.podRange and serviceRange");
        }
        let subnet = existing.private_subnets.first();
        for (key, what, value, link) in [
            ("vpc", "network", Some(&existing.vpc), "projects/HOST/global/networks/NAME"),
            ("privateSubnets", "subnet", subnet, "projects/HOST/regions/REGION/subnetworks/NAME"),
        ] {
            let good = |value: &&String| Link::of(value).is_some() && !is_id_of_aws(value);
            let Some(value) = value.filter(|value| !good(value)) else { continue };
            let message = format!("network.existing.{key} `{value}` is not the name or link of a {what}");
            self.hinted("KW-NET", message, format!("the name, or {link} for one that another project shares"));
        }
        if existing.private_subnets.len() != 1 {
            let count = existing.private_subnets.len();
            let message = format!(
                "network.existing.privateSubnets names {count} subnets; on gcp one serves all zones of the region"
            );
            self.hinted("KW-NET", message, "privateSubnets: [NAME]");
        }
        if !existing.public_subnets.is_empty() {
            let message =
                "network.existing.publicSubnets has no counterpart on gcp: load balancers need no subnet of their own";
            self.hinted("KW-NET", message, "leave it out");
        }
        for (key, name) in [("podRange", &existing.pod_range), ("serviceRange", &existing.service_range)] {
            if name.is_none() {
                let message = format!("network.existing.{key} is missing: the name of the subnet's secondary range");
                self.problem("KW-NET", message);
            }
        }
        if existing.pod_range.is_some() && existing.pod_range == existing.service_range {
            self.problem("KW-NET", "network.existing: pods and Services cannot share one secondary range");
        }
    }

    fn api_allow(&mut self, ranges: &[Ipv4Net]) {
        if ranges.is_empty() {
            self.problem("KW-NET", "network.apiAllow is empty: nobody could reach the API server");
        }
        if ranges.len() > MAX_API_RANGES {
            self.problem("KW-NET", format!("network.apiAllow has {} ranges, GKE takes {MAX_API_RANGES}", ranges.len()));
        }
        for range in ranges.iter().filter(|range| **range != range.trunc()) {
            let message = format!("network.apiAllow {range} does not start where its range does");
            self.hinted("KW-NET", message, range.trunc().to_string());
        }
    }

    /// What only GKE has; place, version and project number are filled in later.
    pub(super) fn gcp(&mut self, spec: Option<&GcpSpec>, has_pools: bool) -> ResolvedGcp {
        let spec = spec.cloned().unwrap_or_default();
        let autopilot = spec.autopilot.unwrap_or(false);
        if autopilot && spec.regional == Some(false) {
            self.problem("KW-SPEC", "gcp.autopilot clusters are regional: gcp.regional cannot be false");
        }
        if autopilot && has_pools {
            let message = "gcp.autopilot clusters have no node pools: Google runs the nodes that pods ask for";
            self.hinted("KW-SPEC", message, "leave out nodePools, or gcp.autopilot");
        }
        if spec.regional.is_none() && !autopilot {
            self.defaults.push("gcp.regional".to_owned());
        }
        let release_channel = self.or(spec.release_channel, "gcp.releaseChannel", ReleaseChannel::Regular);
        if autopilot && release_channel == ReleaseChannel::None {
            self.hinted("KW-SPEC", "gcp.autopilot clusters are always on a release channel", "releaseChannel: regular");
        }
        let addons = self.or(spec.addons, "gcp.addons", addons::USUAL.map(str::to_owned).to_vec());
        self.addons(&addons);
        let words = self.or(spec.oauth_scopes, "gcp.oauthScopes", vec![scopes::USUAL.to_owned()]);
        let mut oauth_scopes: Vec<String> = Vec::new();
        for word in &words {
            match scopes::whole(word) {
                Some(all) => oauth_scopes.extend(all),
                None => {
                    let message = format!("gcp.oauthScopes: `{word}` is no OAuth scope");
                    self.hinted(
                        "KW-SPEC",
                        message,
                        "cloud-platform, classic, or a whole https://www.googleapis.com/auth/… scope",
                    );
                }
            }
        }
        oauth_scopes.sort();
        oauth_scopes.dedup();
        if words.is_empty() {
            let message = "gcp.oauthScopes is empty: nodes could neither pull images nor write logs";
            self.hinted("KW-SPEC", message, "leave it out");
        }
        if let Some(account) = spec.node_service_account.as_ref().filter(|account| !is_service_account(account)) {
            let message = format!("gcp.nodeServiceAccount `{account}` is not the mail address of a service account");
            self.hinted("KW-SPEC", message, "NAME@PROJECT.iam.gserviceaccount.com");
        }
        ResolvedGcp {
            project_number: String::new(),
            location: String::new(),
            autopilot,
            release_channel,
            initial_version: String::new(),
            pod_cidr: None,
            service_cidr: None,
            node_service_account: spec.node_service_account,
            oauth_scopes,
            addons,
        }
    }

    fn addons(&mut self, asked: &[String]) {
        let mut seen = BTreeSet::new();
        for name in asked {
            if !seen.insert(name) {
                self.problem("KW-SPEC", format!("gcp.addons: {name} is listed twice"));
            }
            if addons::names().any(|known| known == name) {
                continue;
            }
            let all = || addons::names().collect::<Vec<_>>().join(", ");
            let same = addons::names().find(|known| known.eq_ignore_ascii_case(name));
            let meant = same.or_else(|| nearest_of(name, addons::names()));
            let hint = meant.map_or_else(|| format!("there are {}", all()), |meant| format!("did you mean {meant}?"));
            self.hinted("KW-SPEC", format!("gcp.addons: there is no add-on {name}"), hint);
        }
    }

    /// The pools as asked for, with the checks that need no cloud.
    pub(super) fn wishes(&mut self, pools: Option<&[PoolSpec]>, autopilot: bool) -> Vec<PoolSpec> {
        let Some(pools) = pools else {
            if autopilot {
                return Vec::new();
            }
            self.defaults.push("nodePools".to_owned());
            return vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }];
        };
        if pools.is_empty() && !autopilot {
            self.problem("KW-SPEC", "nodePools is empty: a cluster without nodes runs nothing");
        }
        if pools.len() > MAX_POOLS {
            self.problem("KW-SPEC", format!("{} node pools, GKE takes {MAX_POOLS}", pools.len()));
        }
        let mut names = BTreeSet::new();
        for pool in pools {
            let name = &pool.name;
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 40;
            if !valid || !name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
                let rule = "up to 40 of a-z, 0-9 and `-`, a letter first, no `-` last";
                self.problem("KW-SPEC", format!("pool name `{name}`: {rule}"));
            }
            if !names.insert(name) {
                self.problem("KW-SPEC", format!("two node pools are called `{name}`"));
            }
            if !pool.instance_types.is_empty() {
                let first = &pool.instance_types[0];
                let message =
                    format!("pool `{name}`: instanceTypes has no counterpart on gcp: a pool has one machine type");
                self.hinted("KW-SPEC", message, format!("instanceType: {first}, and a pool of its own for each other"));
            }
            self.pool_numbers(pool, &LIMITS);
            for key in pool.labels.keys().filter(|key| is_reserved_label(key)) {
                self.problem("KW-SPEC", format!("pool `{name}`: label {key} is reserved, GKE refuses it"));
            }
        }
        if !pools.is_empty() && !pools.iter().any(PoolSpec::is_steady) {
            let message = "GKE's own pods would have no node to run on: every pool may be empty or has a taint that keeps them off";
            self.hinted("KW-SPEC", message, "give one pool without taints `min: 1` or a fixed `count`");
        }
        pools.to_vec()
    }

    /// Whether the pods' range holds all nodes, and which pools cannot be shared out among the zones.
    pub(super) fn room(&mut self, layout: Option<&Layout>, pools: &[PoolSpec]) {
        let Some(layout) = layout else { return };
        let most = layout.most_nodes();
        let wanted: u32 = pools.iter().map(|pool| pool.sizes().map_or(NODES, |(_, _, max)| max)).sum();
        if wanted > most {
            let message = format!(
                "network.cidr leaves {} to pods, where each node takes a /24: room for {most} nodes and one for surge, {wanted} are asked for",
                layout.pods
            );
            self.hinted("KW-NET", message, "a larger network.cidr, or gcp.podCidr with a range of its own");
        }
    }
}

/// `vpc-0a1b2c3d`, `subnet-0a1b2c3d`: Compute Engine would take it for a name.
fn is_id_of_aws(text: &str) -> bool {
    let digits = ["vpc-", "subnet-"].iter().find_map(|start| text.strip_prefix(start)).unwrap_or_default();
    digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Made by users, or one of the two that Google makes in every project.
fn is_service_account(mail: &str) -> bool {
    let ends = [".iam.gserviceaccount.com", "developer.gserviceaccount.com", "appspot.gserviceaccount.com"];
    is_mail(mail) && ends.iter().any(|end| mail.ends_with(end))
}

/// Prefixes that belong to Kubernetes and GKE; the `node-restriction` one exists for users.
fn is_reserved_label(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let system = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    prefix != "node-restriction.kubernetes.io"
        && ["kubernetes.io", "k8s.io", "cloud.google.com", "gke.io", "container.googleapis.com"].into_iter().any(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Work {
        Work::default()
    }

    fn said(work: &Work) -> String {
        work.problems.iter().map(|it| it.message.clone()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn tags_that_google_does_not_take_are_met_with_what_it_takes() {
        let mut work = work();
        let tags = [("Team", "Research & Dev"), ("goog-x", "1"), ("owner", "ana")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        work.tags(&tags, Some("Dev"));
        let hints: Vec<String> = work.problems.iter().flat_map(|it| it.hints.clone()).collect();
        assert_eq!(hints, ["team: …", "Team: research---dev", "environment: dev"], "{}", said(&work));
        assert!(said(&work).contains("`goog-x` is reserved"));
    }

    #[test]
    fn names_of_other_clouds_have_no_counterpart() {
        let mut work = work();
        work.principal("arn:aws:iam::123456789012:role/Admin");
        work.principal("group:team@example.com");
        work.principal("ana@example.com");
        assert_eq!(work.problems.len(), 1);
        let spec = NetworkSpec { nat: Some(Nat::PerZone), ..NetworkSpec::default() };
        work.network(Some(&spec), None);
        assert!(said(&work).contains("per-zone has no counterpart"));
        let pool =
            PoolSpec { name: "a".to_owned(), instance_types: vec!["e2-standard-2".to_owned()], ..PoolSpec::default() };
        work.wishes(Some(&[pool]), false);
        assert!(said(&work).contains("instanceTypes has no counterpart"), "{}", said(&work));
    }

    #[test]
    fn an_adopted_network_is_one_subnet_with_two_named_ranges() {
        let mut work = work();
        let existing = ExistingNetwork {
            vpc: "vpc-0123456789abcdef0".to_owned(),
            private_subnets: vec!["one".to_owned(), "two".to_owned()],
            public_subnets: vec!["three".to_owned()],
            ..ExistingNetwork::default()
        };
        let spec = NetworkSpec { existing: Some(existing), cidr: "10.0.0.0/16".parse().ok(), ..NetworkSpec::default() };
        work.network(Some(&spec), None);
        let said = said(&work);
        for part in [
            "network.cidr and",
            "is not the name or link of a network",
            "names 2 subnets",
            "publicSubnets",
            "podRange is missing",
            "serviceRange is missing",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn more_nodes_than_the_pods_range_holds_are_refused() {
        let mut work = work();
        let layout = Layout::of("10.0.0.0/20".parse().unwrap(), None, None).unwrap();
        let pool = PoolSpec { name: "a".to_owned(), count: Some(8), ..PoolSpec::default() };
        work.room(Some(&layout), std::slice::from_ref(&pool));
        assert!(said(&work).contains("room for 7 nodes"), "{}", said(&work));
    }

    #[test]
    fn autopilot_excludes_what_google_decides_there() {
        let mut work = work();
        let spec = GcpSpec {
            autopilot: Some(true),
            regional: Some(false),
            release_channel: Some(ReleaseChannel::None),
            ..GcpSpec::default()
        };
        work.gcp(Some(&spec), true);
        assert_eq!(work.problems.len(), 3, "{}", said(&work));
    }

    #[test]
    fn labels_of_kubernetes_and_gke_are_reserved() {
        assert!(is_reserved_label("cloud.google.com/gke-nodepool") && is_reserved_label("node.kubernetes.io/x"));
        assert!(!is_reserved_label("node-restriction.kubernetes.io/x") && !is_reserved_label("team"));
        assert!(is_service_account("a@b.iam.gserviceaccount.com") && !is_service_account("ana@example.com"));
    }
}
