//! From the tree to a [`ClusterSpec`]: every key of cluster.yaml and the rule for its value.

use super::{
    API_VERSION, KIND, clouds,
    problem::{Place, SpecProblem},
    syntax,
    walk::{At, Places, Walk},
};
use crate::config::yaml::{Kind, Node};
use crate::model::{
    Cloud, ClusterSpec, Region,
    spec::{Budget, ExistingNetwork, InstanceNeeds, InstanceWish, Nat, NetworkSpec, PoolSpec, Taint, TaintEffect},
    time::parse_span,
};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const TOP: &[&str] = &[
    "apiVersion",
    "kind",
    "name",
    "provider",
    "region",
    "account",
    "environment",
    "version",
    "ttl",
    "protect",
    "budget",
    "network",
    "nodePools",
    "admins",
    "tags",
    "aws",
    "gcp",
    "azure",
];
pub(super) const BUDGET: &[&str] = &["hourlyUsd", "monthlyUsd", "warnAt"];
pub(super) const NETWORK: &[&str] = &["cidr", "zoneCount", "zones", "nat", "apiAllow", "existing"];
pub(super) const EXISTING: &[&str] = &["vpc", "privateSubnets", "publicSubnets", "podRange", "serviceRange"];
pub(super) const POOL: &[&str] =
    &["name", "instanceType", "instanceTypes", "count", "min", "max", "spot", "diskGiB", "labels", "taints"];
pub(super) const NEEDS: &[&str] = &["cpu", "memoryGiB", "gpu"];
pub(super) const TAINT: &[&str] = &["key", "value", "effect"];
/// Every section with its keys, to say where a misplaced key belongs.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("", TOP),
    ("network", NETWORK),
    ("nodePools", POOL),
    ("budget", BUDGET),
    ("aws", clouds::AWS),
    ("gcp", clouds::GCP),
    ("azure", clouds::AZURE),
    ("network.existing", EXISTING),
    ("instanceType", NEEDS),
];
/// Most nodes of one pool: what Kubernetes itself is tested with.
pub(super) const MOST_NODES: u32 = 5_000;
/// Smallest root disk that node images fit on, and the largest of the usual volume type.
pub(super) const DISK_GIB: (u32, u32) = (20, 16_384);

/// What was read, what is wrong with it, and where everything stands.
pub(super) struct Read {
    pub(super) spec: ClusterSpec,
    pub(super) problems: Vec<SpecProblem>,
    pub(super) places: Places,
}

/// Reads the whole tree.
pub(super) fn read(root: &Node<Place>) -> Read {
    let mut walk = Walk { sections: SECTIONS, ..Walk::default() };
    let spec = top(&mut walk, &At { path: String::new(), node: root });
    Read { spec, problems: walk.problems, places: walk.places }
}

fn top(walk: &mut Walk, root: &At<'_>) -> ClusterSpec {
    let mut spec = ClusterSpec::default();
    let Some(fields) = walk.fields(root, TOP, "name: demo") else { return spec };
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match fields.get(key) {
            None => {
                let problem = SpecProblem::new(key, "missing");
                walk.problems.push(problem.instead(format!("write `{key}: {wanted}`")).at(&root.node.at));
            }
            Some(at) => match walk.text(&at, wanted) {
                Some(text) if text != wanted => {
                    let problem = SpecProblem::new("", format!("this version reads `{wanted}`, not `{text}`"));
                    walk.note(&at, problem.instead(format!("write `{key}: {wanted}`")));
                }
                _ => {}
            },
        }
    }
    spec.name = fields.get("name").and_then(|at| {
        let text = walk.text(&at, "demo")?;
        text.parse().map_err(|why| walk.problem(&at, format!("`{text}` cannot be a cluster's name: {why}"))).ok()
    });
    spec.provider = fields.get("provider").and_then(|at| provider(walk, &at));
    spec.region = fields.get("region").and_then(|at| word(walk, &at, "us-east-1")).map(Region);
    spec.account = fields.get("account").and_then(|at| word(walk, &at, "\"123456789012\""));
    spec.environment = fields.get("environment").and_then(|at| {
        let text = walk.text(&at, "dev")?;
        let refused = syntax::label_value(text).err().or_else(|| text.is_empty().then(|| "it is empty".to_owned()));
        match refused {
            // It becomes a tag, and on other clouds a label: what fits both.
            Some(why) => {
                walk.problem(&at, format!("cannot be an environment: {why}"));
                None
            }
            None => Some(text.to_owned()),
        }
    });
    spec.version = fields.get("version").and_then(|at| {
        let text = walk.text(&at, "\"1.35\"")?;
        match syntax::minor_version(text) {
            Ok(()) => Some(text.to_owned()),
            Err(meant) => {
                let problem = SpecProblem::new("", format!("`{text}` is not a Kubernetes minor version"));
                walk.note(&at, problem.instead(format!("write `\"{}\"`", meant.unwrap_or_else(|| "1.35".to_owned()))));
                None
            }
        }
    });
    spec.ttl_secs = fields.get("ttl").and_then(|at| {
        let text = walk.text(&at, "8h")?;
        parse_span(text).map_err(|why| walk.problem(&at, why.to_string())).ok().map(|span| span.as_secs())
    });
    spec.protect = fields.get("protect").and_then(|at| walk.truth(&at));
    spec.budget = fields.get("budget").and_then(|at| budget(walk, &at));
    spec.network = fields.get("network").and_then(|at| network(walk, &at));
    spec.node_pools = fields.get("nodePools").and_then(|at| {
        let items = walk.items(&at, "[{ name: default, count: 2 }]")?;
        Some(items.iter().map(|item| pool(walk, item).unwrap_or_default()).collect())
    });
    spec.admins = fields
        .get("admins")
        .and_then(|at| words(walk, &at, "[\"arn:aws:iam::123456789012:role/ops\"]"))
        .unwrap_or_default();
    spec.tags = fields.get("tags").and_then(|at| tags(walk, &at)).unwrap_or_default();
    spec.aws = fields.get("aws").and_then(|at| clouds::aws(walk, &at));
    spec.gcp = fields.get("gcp").and_then(|at| clouds::gcp(walk, &at));
    spec.azure = fields.get("azure").and_then(|at| clouds::azure(walk, &at));
    spec
}

/// Text that is one word: an id, a region, a type.
pub(super) fn word(walk: &mut Walk, at: &At<'_>, example: &str) -> Option<String> {
    let text = walk.text(at, example)?;
    if text.is_empty() || text.len() > 2_048 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        walk.expected(at, "one word", example);
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn words(walk: &mut Walk, at: &At<'_>, example: &str) -> Option<Vec<String>> {
    let items = walk.items(at, example)?;
    let mut seen: Vec<String> = Vec::new();
    for item in &items {
        let Some(text) = word(walk, item, example) else { continue };
        if seen.contains(&text) {
            walk.problem(item, format!("`{text}` is in the list twice"));
        } else {
            seen.push(text);
        }
    }
    Some(seen)
}

fn provider(walk: &mut Walk, at: &At<'_>) -> Option<Cloud> {
    let text = walk.text(at, "aws")?;
    text.parse::<Cloud>()
        .map_err(|why| {
            let why = match text {
                "kind" | "lambda" => format!("`{text}` clusters cannot be built by this version"),
                _ => why.to_string(),
            };
            let meant: &[&str] = match text.to_lowercase().as_str() {
                "eks" | "amazon" => &["aws"],
                "gke" | "google" | "gcloud" => &["gcp"],
                "aks" | "microsoft" | "az" => &["azure"],
                _ => &[],
            };
            let problem = SpecProblem::new("", why);
            let problem = match meant {
                [meant] => SpecProblem { nearest: Some((*meant).to_owned()), ..problem },
                _ => problem.nearest(text, &["aws", "gcp", "azure"]),
            };
            walk.note(at, problem);
        })
        .ok()
}

pub(in crate::config) fn budget(walk: &mut Walk, at: &At<'_>) -> Option<Budget> {
    let fields = walk.fields(at, BUDGET, "{ hourlyUsd: 3.00 }")?;
    Some(Budget {
        hourly_usd: fields.get("hourlyUsd").and_then(|at| walk.positive(&at, "3.00")),
        monthly_usd: fields.get("monthlyUsd").and_then(|at| walk.positive(&at, "1500")),
        warn_at: fields.get("warnAt").and_then(|at| {
            let share = walk.positive(&at, "0.8")?;
            if share > 1.0 {
                let problem = SpecProblem::new("", format!("is a share between 0 and 1, not {share}"));
                let meant = if share <= 100.0 { share / 100.0 } else { 0.8 };
                walk.note(&at, problem.instead(format!("write `{meant}`")));
                return None;
            }
            Some(share)
        }),
    })
}

fn network(walk: &mut Walk, at: &At<'_>) -> Option<NetworkSpec> {
    let fields = walk.fields(at, NETWORK, "{ cidr: 10.0.0.0/16, zoneCount: 2 }")?;
    Some(NetworkSpec {
        cidr: fields.get("cidr").and_then(|at| network_range(walk, &at)),
        zone_count: fields
            .get("zoneCount")
            .and_then(|at| walk.whole(&at, 1, 6))
            .map(|count| u8::try_from(count).expect("it is at most 6")),
        zones: fields.get("zones").and_then(|at| {
            let zones = words(walk, &at, "[us-east-1a, us-east-1b]")?;
            if zones.is_empty() || zones.len() > 6 {
                walk.problem(&at, format!("name 1 to 6 zones, not {}, or leave the key out", zones.len()));
                return None;
            }
            Some(zones)
        }),
        nat: fields.get("nat").and_then(|at| {
            let text = walk.text(&at, "single")?;
            match text {
                "none" => Some(Nat::None),
                "single" => Some(Nat::Single),
                "per-zone" => Some(Nat::PerZone),
                _ => {
                    let problem = SpecProblem::new("", format!("`{text}` is not one of none, single, per-zone"));
                    let problem = match text {
                        "false" | "no" | "off" | "disable" | "Disable" => problem.instead("write `none`"),
                        "true" | "yes" | "on" => problem.instead("write `single`"),
                        "HighlyAvailable" | "ha" | "multi" => problem.instead("write `per-zone`"),
                        _ => problem.nearest(text, &["none", "single", "per-zone"]),
                    };
                    walk.note(&at, problem);
                    None
                }
            }
        }),
        api_allow: fields.get("apiAllow").and_then(|at| api_allow(walk, &at)),
        existing: fields.get("existing").and_then(|at| existing(walk, &at)),
    })
}

pub(super) fn range(walk: &mut Walk, at: &At<'_>, example: &str) -> Option<Ipv4Net> {
    let text = walk.text(at, example)?;
    syntax::cidr(text)
        .map_err(|(why, meant)| walk.note(at, SpecProblem::new("", why).instead(format!("write `{meant}`"))))
        .ok()
}

fn network_range(walk: &mut Walk, at: &At<'_>) -> Option<Ipv4Net> {
    let net = range(walk, at, "10.0.0.0/16")?;
    if !(16..=23).contains(&net.prefix_len()) {
        let meant = Ipv4Net::new(net.network(), net.prefix_len().clamp(16, 23)).expect("at most 23 bits").trunc();
        let problem =
            SpecProblem::new("", format!("a network of /{} cannot be used, only /16 to /23", net.prefix_len()));
        walk.note(at, problem.instead(format!("write `{meant}`")));
        return None;
    }
    let address = net.network();
    if address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.octets()[0] == 0
        || address.octets()[0] >= 240
    {
        let problem = SpecProblem::new("", format!("`{net}` is not an address range that hosts can have"));
        walk.note(at, problem.instead("write `10.0.0.0/16`"));
        return None;
    }
    Some(net)
}

fn api_allow(walk: &mut Walk, at: &At<'_>) -> Option<Vec<Ipv4Net>> {
    let example = "[203.0.113.0/24]";
    let items = walk.items(at, example)?;
    if items.is_empty() {
        let problem = SpecProblem::new("", "with an empty list nobody could reach the API server");
        walk.note(at, problem.instead("name a range, or leave the key out for 0.0.0.0/0"));
        return None;
    }
    let mut seen: Vec<Ipv4Net> = Vec::new();
    for item in &items {
        let Some(net) = range(walk, item, "203.0.113.0/24") else { continue };
        match seen.iter().find(|known| known.contains(&net) || net.contains(*known)) {
            Some(known) if *known == net => walk.problem(item, format!("`{net}` is in the list twice")),
            Some(known) => {
                let (inner, outer) = if known.contains(&net) { (net, *known) } else { (*known, net) };
                let problem =
                    SpecProblem::new("", format!("`{inner}` lies within `{outer}`, which is in the list too"));
                walk.note(item, problem.instead("remove one of them"));
            }
            None => seen.push(net),
        }
    }
    Some(seen)
}

fn existing(walk: &mut Walk, at: &At<'_>) -> Option<ExistingNetwork> {
    let example = "{ vpc: vpc-0123456789abcdef0, privateSubnets: [subnet-…, subnet-…] }";
    let fields = walk.fields(at, EXISTING, example)?;
    let missing = |walk: &mut Walk, key: &str| {
        let problem = SpecProblem::new(format!("{}.{key}", at.path), "missing");
        walk.problems.push(problem.instead(format!("write `{example}`")).at(&at.node.at));
    };
    let vpc = match fields.get("vpc") {
        Some(at) => word(walk, &at, "vpc-0123456789abcdef0"),
        None => {
            missing(walk, "vpc");
            None
        }
    };
    let private = match fields.get("privateSubnets") {
        Some(at) => words(walk, &at, "[subnet-0123456789abcdef0]"),
        None => {
            missing(walk, "privateSubnets");
            None
        }
    };
    let public = fields.get("publicSubnets").and_then(|at| words(walk, &at, "[subnet-0123456789abcdef0]"));
    let named = |walk: &mut Walk, key: &str| fields.get(key).and_then(|at| word(walk, &at, "pods"));
    Some(ExistingNetwork {
        pod_range: named(walk, "podRange"),
        service_range: named(walk, "serviceRange"),
        vpc: vpc?,
        private_subnets: private?,
        public_subnets: public.unwrap_or_default(),
    })
}

fn pool(walk: &mut Walk, at: &At<'_>) -> Option<PoolSpec> {
    let fields = walk.fields(at, POOL, "{ name: default, instanceType: m6a.large, count: 2 }")?;
    let name = match fields.get("name") {
        Some(at) => walk.text(&at, "default").map(str::to_owned).unwrap_or_default(),
        None => {
            let problem = SpecProblem::new(format!("{}.name", at.path), "missing");
            walk.problems.push(problem.instead("write `name: default`").at(&at.node.at));
            String::new()
        }
    };
    if let Some(at) = fields.get("name")
        && let Err(why) = syntax::pool_name(&name)
    {
        walk.problem(&at, why);
    }
    Some(PoolSpec {
        name,
        instance_type: fields.get("instanceType").and_then(|at| instance(walk, &at)),
        instance_types: fields.get("instanceTypes").map(|at| instances(walk, &at)).unwrap_or_default(),
        count: fields.get("count").and_then(|at| walk.whole(&at, 0, MOST_NODES)),
        min: fields.get("min").and_then(|at| walk.whole(&at, 0, MOST_NODES)),
        max: fields.get("max").and_then(|at| walk.whole(&at, 1, MOST_NODES)),
        spot: fields.get("spot").and_then(|at| walk.truth(&at)),
        disk_gib: fields.get("diskGiB").and_then(|at| walk.whole(&at, DISK_GIB.0, DISK_GIB.1)),
        labels: fields.get("labels").and_then(|at| labels(walk, &at)).unwrap_or_default(),
        taints: fields.get("taints").and_then(|at| taints(walk, &at)).unwrap_or_default(),
    })
}

fn instances(walk: &mut Walk, at: &At<'_>) -> Vec<String> {
    let example = "[m6a.large, m5.large]";
    let Some(all) = words(walk, at, example) else { return Vec::new() };
    if all.is_empty() {
        walk.problem(at, format!("names no type; write `{example}`"));
    }
    all
}

fn instance(walk: &mut Walk, at: &At<'_>) -> Option<InstanceWish> {
    if let Kind::Scalar { .. } = at.node.kind {
        return word(walk, at, "m6a.large").map(InstanceWish::Named);
    }
    let fields = walk.fields(at, NEEDS, "m6a.large")?;
    let before = walk.problems.len();
    let needs = InstanceNeeds {
        cpu: fields.get("cpu").and_then(|at| walk.positive(&at, "4")),
        memory_gib: fields.get("memoryGiB").and_then(|at| walk.positive(&at, "16")),
        gpu: fields.get("gpu").and_then(|at| {
            let text = walk.text(&at, "\"T4:1\"")?;
            if let Err(why) = syntax::gpu(text) {
                walk.note(&at, SpecProblem::new("", why).instead("write `\"T4:1\"`"));
                return None;
            }
            Some(text.to_owned())
        }),
    };
    if needs == InstanceNeeds::default() {
        if walk.problems.len() == before {
            let problem = SpecProblem::new("", "says nothing about the machine");
            walk.note(at, problem.instead("write `{ cpu: 4, memoryGiB: 16 }` or a type's name"));
        }
        return None;
    }
    Some(InstanceWish::Needs(needs))
}

fn labels(walk: &mut Walk, at: &At<'_>) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for (key, value) in walk.entries(at, "{ team: research }")? {
        if let Err(why) = syntax::label_key(key) {
            walk.problem(&value, why);
            continue;
        }
        if syntax::reserved_label(key) {
            walk.problem(&value, format!("labels such as `{key}` are set by Kubernetes itself"));
            continue;
        }
        let Some(text) = text_or_empty(walk, &value) else { continue };
        match syntax::label_value(text) {
            Ok(()) => {
                labels.insert(key.to_owned(), text.to_owned());
            }
            Err(why) => walk.problem(&value, format!("`{text}` cannot be a label's value: {why}")),
        }
    }
    Some(labels)
}

/// Label and tag values may be empty.
fn text_or_empty<'n>(walk: &mut Walk, at: &At<'n>) -> Option<&'n str> {
    if at.node.is_null() { Some("") } else { walk.text(at, "research") }
}

fn taints(walk: &mut Walk, at: &At<'_>) -> Option<Vec<Taint>> {
    let example = "{ key: dedicated, value: gpu, effect: NoSchedule }";
    let items = walk.items(at, &format!("[{example}]"))?;
    let mut seen = BTreeSet::new();
    let mut taints = Vec::new();
    for item in &items {
        let Some(fields) = walk.fields(item, TAINT, example) else { continue };
        let mut missing = false;
        for key in ["key", "effect"] {
            if fields.get(key).is_none() {
                missing = true;
                let problem = SpecProblem::new(format!("{}.{key}", item.path), "missing");
                walk.problems.push(problem.instead(format!("write `{example}`")).at(&item.node.at));
            }
        }
        let key = fields.get("key").and_then(|at| {
            let text = walk.text(&at, "dedicated")?;
            syntax::label_key(text).map_err(|why| walk.problem(&at, why)).ok().map(|()| text.to_owned())
        });
        let value = fields.get("value").and_then(|at| {
            let text = walk.text(&at, "gpu")?;
            let refused = syntax::label_value(text)
                .map_err(|why| walk.problem(&at, format!("`{text}` cannot be a taint's value: {why}")));
            refused.ok().map(|()| text.to_owned())
        });
        let effect = fields.get("effect").and_then(|at| effect(walk, &at));
        let (Some(key), Some(effect), false) = (key, effect, missing) else { continue };
        if seen.insert((key.clone(), effect as u8)) {
            taints.push(Taint { key, value, effect });
        } else {
            walk.problem(item, format!("the taint `{key}` is there twice with the same effect"));
        }
    }
    Some(taints)
}

fn effect(walk: &mut Walk, at: &At<'_>) -> Option<TaintEffect> {
    let text = walk.text(at, "NoSchedule")?;
    match text {
        "NoSchedule" => Some(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Some(TaintEffect::PreferNoSchedule),
        "NoExecute" => Some(TaintEffect::NoExecute),
        _ => {
            let valid = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            let problem = SpecProblem::new("", format!("`{text}` is not one of {}", valid.join(", ")));
            walk.note(at, problem.nearest(text, &valid));
            None
        }
    }
}

fn tags(walk: &mut Walk, at: &At<'_>) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in walk.entries(at, "{ team: research }")? {
        let ours = key.to_lowercase().starts_with("kubewright-") || matches!(key, "created_by" | "cluster_name");
        if ours {
            walk.problem(&value, "kubewright sets this tag itself");
        } else if key == "environment" {
            let problem = SpecProblem::new("", "kubewright sets this tag itself");
            walk.note(&value, problem.instead("write `environment:` at the top level"));
        } else if key.is_empty() || key.chars().any(char::is_control) {
            walk.problem(&value, "a tag's key has at least one character and no control characters");
        } else if let Some(text) = text_or_empty(walk, &value) {
            tags.insert(key.to_owned(), text.to_owned());
        }
    }
    Some(tags)
}
