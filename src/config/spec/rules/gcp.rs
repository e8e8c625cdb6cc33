//! What GKE and Google Cloud take, as far as nothing has to be asked.

use super::{Refuse, apart, one_subnet, one_type, reserved_labels};
use crate::model::{
    Cloud, ClusterSpec,
    spec::{InstanceWish, Nat, NetworkSpec},
};

/// Ranges in a cluster's authorized networks (GKE, "Quotas and limits", 2026-11).
const API_RANGES: usize = 50;
/// Labels an object can carry (64) less those of ours, with room for more of ours.
const LABELS: usize = 50;
/// A node pool's name.
const POOL_NAME: usize = 40;
/// Zones of a region that has most of them.
const ZONES: u8 = 4;

pub(super) fn rules(spec: &ClusterSpec, refuse: Refuse<'_>) {
    let region = spec.region.as_ref().map(|region| region.as_str());
    if let Some(text) = region.filter(|text| !is_region(text)) {
        let meant = match region_of_zone(text) {
            Some(region) => format!("that is a zone; write `{region}` here and zones under `network.zones`"),
            None => "write it as in `us-central1`".to_owned(),
        };
        refuse("region", format!("`{text}` is not a Google Cloud region"), &meant);
    }
    if let Some(project) = spec.account.as_deref().filter(|text| !is_project(text)) {
        let number = !project.is_empty() && project.bytes().all(|b| b.is_ascii_digit());
        let what = if number { "the number of a project, or no project" } else { "not a project's id" };
        refuse("account", format!("`{project}` is {what}"), "write the project's id, as in `my-project-42`");
    }
    if let Some(environment) = spec.environment.as_deref().filter(|text| !is_label_value(text)) {
        let message =
            format!("`{environment}` becomes a label, which has only lower-case letters, digits, `_` and `-`");
        refuse("environment", message, &format!("write `{}`", as_label(environment)));
    }
    if let Some(network) = &spec.network {
        of_network(network, region, refuse);
    }
    of_gcp(spec, refuse);
    one_type(spec, Cloud::Gcp, refuse);
    reserved_labels(spec, Cloud::Gcp, "cloud.google.com/", refuse);
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        let key = |field: &str| format!("nodePools[{index}].{field}");
        if pool.name.len() > POOL_NAME {
            let message = format!("GKE takes at most {POOL_NAME} characters, this has {}", pool.name.len());
            refuse(&key("name"), message, "");
        }
        if let Some(InstanceWish::Named(name)) = &pool.instance_type
            && !is_machine(name)
        {
            let message = format!("`{name}` is not a Compute Engine machine type");
            refuse(&key("instanceType"), message, "write it as in `e2-standard-2`");
        }
    }
    for (index, admin) in spec.admins.iter().enumerate() {
        if let Some(meant) = not_a_member(admin) {
            refuse(
                &format!("admins[{index}]"),
                format!("`{admin}` is not the mail address of a user, group or service account"),
                &meant,
            );
        }
    }
    labels(spec, refuse);
}

fn of_network(network: &NetworkSpec, region: Option<&str>, refuse: Refuse<'_>) {
    if let Some(count) = network.zone_count.filter(|count| *count > ZONES) {
        refuse("network.zoneCount", format!("no region has {count} zones"), "write `zoneCount: 3`");
    }
    for (index, zone) in network.zones.iter().flatten().enumerate() {
        let key = format!("network.zones[{index}]");
        match (region_of_zone(zone), region) {
            (None, _) => refuse(&key, format!("`{zone}` is not a zone"), "write it as in `us-central1-a`"),
            (Some(of), Some(region)) if of != region && is_region(region) => {
                refuse(&key, format!("`{zone}` is not a zone of {region}"), &format!("write it as in `{region}-a`"));
            }
            _ => {}
        }
    }
    if network.nat == Some(Nat::PerZone) {
        let message = "has no counterpart on gcp: one Cloud NAT serves all zones of its region".to_owned();
        refuse("network.nat", message, "write `single`");
    }
    if let Some(ranges) = network.api_allow.as_ref().filter(|ranges| ranges.len() > API_RANGES) {
        let message = format!("GKE takes at most {API_RANGES} ranges, not {}", ranges.len());
        refuse("network.apiAllow", message, "join neighbouring ranges");
    }
    if let Some(existing) = &network.existing {
        one_subnet(existing, Cloud::Gcp, refuse);
        let name = existing.vpc.rsplit('/').next().unwrap_or_default();
        if !is_resource(name) {
            let message = format!("`{}` is neither the name nor the link of a network", existing.vpc);
            refuse("network.existing.vpc", message, "write it as in `my-network` or `projects/P/global/networks/N`");
        }
    }
}

/// The `gcp:` section by itself, and beside the rest.
fn of_gcp(spec: &ClusterSpec, refuse: Refuse<'_>) {
    let Some(gcp) = &spec.gcp else { return };
    let existing = spec.network.as_ref().is_some_and(|network| network.existing.is_some());
    for (key, given) in [("gcp.podCidr", gcp.pod_cidr.is_some()), ("gcp.serviceCidr", gcp.service_cidr.is_some())] {
        if existing && given {
            let message = "cannot be combined with `network.existing`, whose subnet's secondary ranges decide it";
            let range = if key.ends_with("podCidr") { "podRange" } else { "serviceRange" };
            refuse(key, message.to_owned(), &format!("name the range: `network.existing.{range}`"));
        }
    }
    apart(&[("gcp.podCidr", gcp.pod_cidr), ("gcp.serviceCidr", gcp.service_cidr)], refuse);
    if gcp.autopilot == Some(true) {
        if gcp.regional == Some(false) {
            refuse("gcp.regional", "Autopilot clusters are regional".to_owned(), "remove it");
        }
        if spec.node_pools.is_some() {
            let message = "Autopilot clusters have no node pools: Google makes nodes for pods".to_owned();
            refuse("nodePools", message, "remove it, or write `autopilot: false`");
        }
        if gcp.oauth_scopes.is_some() {
            refuse("gcp.oauthScopes", "Autopilot decides the scopes of its nodes".to_owned(), "remove it");
        }
    }
}

/// Tags become labels.
fn labels(spec: &ClusterSpec, refuse: Refuse<'_>) {
    if spec.tags.len() > LABELS {
        let message = format!("at most {LABELS} tags fit beside kubewright's own, not {}", spec.tags.len());
        refuse("tags", message, "");
    }
    for (key, value) in &spec.tags {
        let path = format!("tags.{key}");
        let begins = key.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || !is_label_value(key) {
            let message = "becomes a label, whose key begins with a lower-case letter and has lower-case letters, digits, `_` and `-`, at most 63";
            refuse(&path, message.to_owned(), &format!("write `{}`", as_label(key)));
        } else if key.starts_with("goog") {
            refuse(&path, "labels that begin with `goog` belong to Google".to_owned(), "");
        } else if !is_label_value(value) {
            let message = format!(
                "`{value}` becomes a label's value, which has only lower-case letters, digits, `_` and `-`, at most 63"
            );
            refuse(&path, message, &format!("write `{}`", as_label(value)));
        }
    }
}

fn is_label_value(text: &str) -> bool {
    text.chars().count() <= 63 && text.chars().all(is_label_char)
}

fn is_label_char(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')
}

/// What fits and is nearest.
fn as_label(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.chars().map(|c| if is_label_char(c) { c } else { '-' }).take(63).collect()
}

/// `us-central1`, `europe-west12`, `northamerica-northeast1`.
fn is_region(text: &str) -> bool {
    let Some((continent, place)) = text.split_once('-') else { return false };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
    let name = place.trim_end_matches(|c: char| c.is_ascii_digit());
    word(continent) && word(name) && (1..=2).contains(&(place.len() - name.len()))
}

/// The region of a zone, as far as its name tells; none when it is no zone's name.
fn region_of_zone(text: &str) -> Option<&str> {
    let (region, letter) = text.rsplit_once('-')?;
    (letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_lowercase()) && is_region(region)).then_some(region)
}

/// 6 to 30 lower-case letters, digits and hyphens; older ones have the domain of their organisation before a colon.
fn is_project(text: &str) -> bool {
    let id = text.rsplit_once(':').map_or(text, |(_, id)| id);
    (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_resource(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `e2-standard-2`, `n2-custom-4-8192`.
fn is_machine(text: &str) -> bool {
    text.contains('-') && is_resource(text)
}

/// Why nobody is known by this, as what to write instead; none when it is the mail address of a member, with its kind
/// or without.
fn not_a_member(text: &str) -> Option<String> {
    let bare = ["user:", "group:", "serviceAccount:"].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    let is_mail = bare.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !name.contains(':') && domain.contains('.') && !domain.starts_with('.')
    });
    (!is_mail).then(|| "write `ann@example.com`, `group:team@example.com` or a service account's address".to_owned())
}
