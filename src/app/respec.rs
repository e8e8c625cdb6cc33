//! "What was omitted means as recorded": the recorded spec with a later file or flags laid over it.

use crate::cost::catalogue;
use crate::error::CliError;
use crate::model::spec::{
    AwsSpec, AzureSpec, Budget, GcpSpec, InstanceNeeds, InstanceWish, NetworkSpec, PoolSpec, ResolvedPool,
};
use crate::model::{Cloud, ClusterSpec, ResolvedSpec};
use serde_json::{Map, Value};

/// A decided spec as if the user had said all of it.
pub(super) fn as_wished(spec: &ResolvedSpec) -> ClusterSpec {
    let budget = (spec.budget != Budget::default()).then(|| spec.budget.clone());
    ClusterSpec {
        name: Some(spec.name.clone()),
        provider: Some(spec.provider),
        region: Some(spec.region.clone()),
        account: Some(spec.account.clone()),
        environment: spec.environment.clone(),
        version: Some(spec.version.clone()),
        ttl_secs: spec.ttl_secs,
        protect: spec.protect.then_some(true),
        budget,
        network: Some(NetworkSpec {
            // An adopted network brings its own range.
            cidr: spec.network.existing.is_none().then_some(spec.network.cidr),
            zone_count: None,
            // Where zones are the subnets', an adopted network brings them along; a region may have none at all.
            zones: (spec.network.existing.is_none() || spec.provider == Cloud::Azure)
                .then(|| spec.network.zones.clone())
                .filter(|zones| !zones.is_empty()),
            nat: spec.network.existing.is_none().then_some(spec.network.nat),
            api_allow: Some(spec.network.api_allow.clone()),
            existing: spec.network.existing.clone(),
        }),
        node_pools: Some(
            spec.node_pools
                .iter()
                .map(|pool| PoolSpec {
                    name: pool.name.clone(),
                    instance_type: (pool.other_types.is_empty()).then(|| machine(spec.provider, pool)),
                    instance_types: match pool.other_types.is_empty() {
                        true => Vec::new(),
                        false => pool.types().map(str::to_owned).collect(),
                    },
                    count: Some(pool.count),
                    min: (pool.min != pool.max).then_some(pool.min),
                    max: (pool.min != pool.max).then_some(pool.max),
                    spot: Some(pool.spot),
                    disk_gib: Some(pool.disk_gib),
                    labels: pool.labels.clone(),
                    taints: pool.taints.clone(),
                })
                .collect(),
        ),
        admins: spec.admins.clone(),
        tags: spec.tags.clone(),
        aws: spec.aws.as_ref().map(|aws| AwsSpec {
            addons: Some(aws.addons.clone()),
            cluster_role_arn: aws.cluster_role_arn.clone(),
            node_role_arn: aws.node_role_arn.clone(),
            access_entry: Some(aws.admin_principal_arn.is_some()),
        }),
        gcp: spec.gcp.as_ref().map(|gcp| GcpSpec {
            regional: Some(gcp.location == spec.region.as_str()),
            autopilot: Some(gcp.autopilot),
            release_channel: Some(gcp.release_channel),
            pod_cidr: gcp.pod_cidr,
            service_cidr: gcp.service_cidr,
            node_service_account: gcp.node_service_account.clone(),
            oauth_scopes: Some(gcp.oauth_scopes.clone()),
            addons: Some(gcp.addons.clone()),
        }),
        azure: spec.azure.as_ref().map(|azure| AzureSpec {
            tier: Some(azure.tier),
            network: Some(azure.network),
            pod_cidr: Some(azure.pod_cidr),
            service_cidr: Some(azure.service_cidr),
            azure_rbac: Some(azure.azure_rbac),
            admin_groups: Some(azure.admin_groups.clone()),
            local_accounts: Some(azure.local_accounts),
            identity: azure.identity.clone(),
        }),
    }
}

/// The machine of a pool: its type, or what it comes to where GPUs are put into it that its type does not tell of.
fn machine(cloud: Cloud, pool: &ResolvedPool) -> InstanceWish {
    let known = catalogue().machine_type(cloud, &pool.instance_type);
    match (&pool.gpu, known) {
        (Some((kind, count)), Some(known)) if known.accelerator.is_none() => InstanceWish::Needs(InstanceNeeds {
            cpu: Some(known.vcpus),
            memory_gib: Some(known.memory_gib),
            gpu: Some(format!("{kind}:{count}")),
        }),
        _ => InstanceWish::Named(pool.instance_type.clone()),
    }
}

/// `over` laid over `base`: what `over` leaves out stays. Pools are matched by name; a list of pools is the whole list.
pub(super) fn merge(base: &ClusterSpec, over: &ClusterSpec) -> Result<ClusterSpec, CliError> {
    let bug = |cause: serde_json::Error| CliError::new("KW-BUG", format!("a spec cannot be merged: {cause}"));
    let mut merged = serde_json::to_value(base).map_err(bug)?;
    let over = serde_json::to_value(over).map_err(bug)?;
    lay(&mut merged, over);
    let mut merged: ClusterSpec = serde_json::from_value(merged).map_err(bug)?;
    keep_what_meets_the_needs(base, &mut merged);
    Ok(merged)
}

/// Needs that the recorded machine meets are no wish for another one.
fn keep_what_meets_the_needs(base: &ClusterSpec, merged: &mut ClusterSpec) {
    let Some(cloud) = base.provider else { return };
    for pool in merged.node_pools.iter_mut().flatten() {
        let recorded = base.node_pools.iter().flatten().find(|known| known.name == pool.name);
        let recorded = recorded.and_then(|known| known.instance_type.as_ref());
        if let (Some(InstanceWish::Needs(needs)), Some(InstanceWish::Named(name))) = (&pool.instance_type, recorded)
            && meets(cloud, name, needs)
        {
            pool.instance_type = Some(InstanceWish::Named(name.clone()));
        }
        if let (Some(InstanceWish::Needs(needs)), Some(InstanceWish::Needs(had))) = (&pool.instance_type, recorded)
            && covers(had, needs)
        {
            pool.instance_type = Some(InstanceWish::Needs(had.clone()));
        }
    }
}

/// Whether a machine that was taken for some needs has what is needed now.
fn covers(had: &InstanceNeeds, needs: &InstanceNeeds) -> bool {
    let same_gpu = match (&had.gpu, &needs.gpu) {
        (Some(had), Some(wish)) => had.eq_ignore_ascii_case(wish),
        (had, wish) => had.is_none() && wish.is_none(),
    };
    let enough = |had: Option<f64>, wish: Option<f64>| had.unwrap_or(0.0) >= wish.unwrap_or(0.0);
    same_gpu && enough(had.cpu, needs.cpu) && enough(had.memory_gib, needs.memory_gib)
}

fn meets(cloud: Cloud, name: &str, needs: &InstanceNeeds) -> bool {
    let Some(machine) = catalogue().machine_type(cloud, name) else { return false };
    let accelerator = machine.accelerator.map(|(kind, count)| format!("{kind}:{count}"));
    let same_gpu = match (&needs.gpu, &accelerator) {
        (Some(wish), Some(has)) => wish.eq_ignore_ascii_case(has),
        (wish, has) => wish.is_none() && has.is_none(),
    };
    same_gpu && machine.vcpus >= needs.cpu.unwrap_or(0.0) && machine.memory_gib >= needs.memory_gib.unwrap_or(0.0)
}

/// Keys that say the same thing in two ways: saying it one way unsays the other.
const RIVALS: &[(&str, &[&str])] = &[
    ("instanceType", &["instanceTypes"]),
    ("instanceTypes", &["instanceType"]),
    ("zoneCount", &["zones"]),
    ("count", &["min", "max"]),
    ("min", &["count"]),
    ("max", &["count"]),
    ("existing", &["cidr", "zones", "zoneCount", "nat"]),
];

fn lay(base: &mut Value, over: Value) {
    let (Value::Object(base), Value::Object(over)) = (base, over) else { return };
    let said: Vec<String> = over.keys().cloned().collect();
    for (key, value) in over {
        for rival in RIVALS.iter().filter(|(said, _)| *said == key).flat_map(|(_, unsaid)| *unsaid) {
            // The same number of zones as recorded means these zones.
            let same = key == "zoneCount"
                && base.get("zones").and_then(Value::as_array).map(Vec::len).map(Value::from) == Some(value.clone());
            if same || said.iter().any(|key| key == rival) {
                continue;
            }
            base.remove(*rival);
        }
        // Still there: it says the same already.
        if key == "zoneCount" && base.contains_key("zones") {
            continue;
        }
        match (base.get_mut(&key), value) {
            (Some(below @ Value::Object(_)), value @ Value::Object(_)) if key != "tags" => lay(below, value),
            (Some(below @ Value::Array(_)), Value::Array(pools)) if key == "nodePools" => lay_pools(below, pools),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn lay_pools(base: &mut Value, over: Vec<Value>) {
    let old = std::mem::replace(base, Value::Array(Vec::new()));
    let old = old.as_array().cloned().unwrap_or_default();
    let name = |pool: &Value| pool.get("name").cloned();
    let merged = over.into_iter().map(|pool| {
        let known = old.iter().find(|known| name(known) == name(&pool)).cloned();
        let mut whole = known.unwrap_or_else(|| Value::Object(Map::new()));
        lay(&mut whole, pool);
        whole
    });
    *base = Value::Array(merged.collect());
}

/// What differs, one line per key: `nodePools.default.count 2 -> 5`.
pub(super) fn differences(old: &ClusterSpec, new: &ClusterSpec) -> Vec<String> {
    let (old, new) = (serde_json::to_value(plain(old)), serde_json::to_value(plain(new)));
    let mut lines = Vec::new();
    if let (Ok(old), Ok(new)) = (old, new) {
        compare("", &old, &new, &mut lines);
    }
    lines
}

/// The same said in one way: sizes of pools, which may be said in part.
fn plain(spec: &ClusterSpec) -> ClusterSpec {
    let mut spec = spec.clone();
    for pool in spec.node_pools.iter_mut().flatten() {
        let Some((min, count, max)) = pool.sizes() else { continue };
        let scales = pool.scales();
        pool.count = Some(count);
        (pool.min, pool.max) = (scales.then_some(min), scales.then_some(max));
    }
    spec
}

fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                compare(&below(key), value, b.get(key).unwrap_or(&Value::Null), lines);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                compare(&below(key), &Value::Null, value, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if path == "nodePools" => {
            let named = |pools: &[Value]| {
                let pair = |pool: &Value| Some((pool.get("name")?.as_str()?.to_owned(), pool.clone()));
                Value::Object(pools.iter().filter_map(pair).collect())
            };
            compare(path, &named(a), &named(b), lines);
        }
        _ if old == new => {}
        _ => lines.push(format!("{path} {} -> {}", word(old), word(new))),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The verb that would make this change on a finished cluster.
pub(super) fn day2_verb(difference: &str) -> &'static str {
    let key = difference.split([' ', '.']).next().unwrap_or_default();
    match key {
        "nodePools" => "nodepool (not in this build yet)",
        "version" => "upgrade (not in this build yet)",
        "ttlSecs" => "extend",
        "protect" => "protect",
        _ => "none: it needs a new cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: Value) -> ClusterSpec {
        serde_json::from_value(value).expect("a spec")
    }

    #[test]
    fn omitted_means_as_recorded() {
        let base = spec(json!({
            "version": "1.35",
            "network": {"zones": ["a", "b"], "nat": "single"},
            "nodePools": [{"name": "default", "instanceType": "m6a.large", "count": 2}, {"name": "gpu", "count": 1}],
        }));
        let over =
            spec(json!({"nodePools": [{"name": "default", "instanceType": "m6i.large"}], "network": {"zoneCount": 2}}));
        let merged = merge(&base, &over).expect("merges");
        assert_eq!(
            differences(&base, &merged),
            [
                "nodePools.default.instanceType m6a.large -> m6i.large",
                "nodePools.gpu {\"name\":\"gpu\",\"count\":1} -> unset"
            ]
        );
        let over = spec(
            json!({"nodePools": [{"name": "default", "min": 1, "max": 4}, {"name": "gpu"}], "network": {"zoneCount": 3}}),
        );
        let merged = merge(&base, &over).expect("merges");
        assert_eq!(
            differences(&base, &merged),
            [
                "network.zones [\"a\",\"b\"] -> unset",
                "network.zoneCount unset -> 3",
                "nodePools.default.count 2 -> 1",
                "nodePools.default.min unset -> 1",
                "nodePools.default.max unset -> 4",
            ]
        );
        assert!(differences(&base, &merge(&base, &ClusterSpec::default()).expect("merges")).is_empty());
    }

    #[test]
    fn a_gpu_that_is_put_into_a_machine_stays_a_wish() {
        let pool = |kind: Value| spec(json!({"provider": "gcp", "nodePools": [{"name": "g", "instanceType": kind}]}));
        let base = pool(json!({"cpu": 4.0, "memoryGib": 26.0, "gpu": "T4:1"}));
        for (wish, changes) in [
            (json!({"cpu": 4.0, "memoryGib": 16.0, "gpu": "t4:1"}), 0),
            (json!({"cpu": 4.0, "memoryGib": 32.0, "gpu": "T4:1"}), 1),
            (json!({"cpu": 4.0, "memoryGib": 16.0, "gpu": "L4:1"}), 2),
        ] {
            let merged = merge(&base, &pool(wish.clone())).expect("merges");
            assert_eq!(differences(&base, &merged).len(), changes, "{wish}: {:?}", differences(&base, &merged));
        }
        let resolved = json!({
            "name": "g", "instanceType": "n1-standard-4", "count": 1, "min": 1, "max": 1, "spot": false, "diskGib": 50,
            "arch": "amd64", "gpu": ["T4", 1],
        });
        let resolved: ResolvedPool = serde_json::from_value(resolved).expect("a pool");
        let needs = InstanceNeeds { cpu: Some(4.0), memory_gib: Some(15.0), gpu: Some("T4:1".to_owned()) };
        assert_eq!(machine(Cloud::Gcp, &resolved), InstanceWish::Needs(needs));
    }

    #[test]
    fn sizes_and_types_said_in_another_way_are_no_change() {
        let pools = |pool: Value| spec(json!({"nodePools": [pool]}));
        let base =
            pools(json!({"name": "a", "instanceTypes": ["m5.large", "m6a.large"], "count": 1, "min": 1, "max": 4}));
        for same in [
            json!({"name": "a", "max": 4}),
            json!({"name": "a", "min": 1, "max": 4}),
            json!({"name": "a", "count": 1, "min": 1, "max": 4}),
            json!({"name": "a"}),
        ] {
            let merged = merge(&base, &pools(same.clone())).expect("merges");
            assert_eq!(differences(&base, &merged), [""; 0], "{same}");
        }
        let fixed = pools(json!({"name": "a", "count": 3, "instanceType": "m5.large"}));
        assert_eq!(
            differences(&base, &merge(&base, &fixed).expect("merges")),
            [
                "nodePools.a.instanceTypes [\"m5.large\",\"m6a.large\"] -> unset",
                "nodePools.a.count 1 -> 3",
                "nodePools.a.min 1 -> unset",
                "nodePools.a.max 4 -> unset",
                "nodePools.a.instanceType unset -> m5.large",
            ]
        );
        // An old recorded pool of a fixed size has no word for several types.
        let old: crate::model::spec::PoolSpec = serde_json::from_value(json!({"name": "a", "count": 2})).unwrap();
        assert_eq!((old.sizes(), old.scales()), (Some((2, 2, 2)), false));
    }

    #[test]
    fn needs_that_are_met_are_no_change() {
        let of = |kind: Value| spec(json!({"provider": "aws", "nodePools": [{"name": "g", "instanceType": kind}]}));
        let base = of(json!("g4dn.xlarge"));
        let changed = |kind: Value| !differences(&base, &merge(&base, &of(kind)).expect("merges")).is_empty();
        assert!(!changed(json!({"gpu": "T4:1"})) && !changed(json!({"gpu": "t4:1", "cpu": 4, "memoryGiB": 16})));
        assert!(changed(json!({"gpu": "T4:1", "cpu": 8})) && changed(json!({"gpu": "A10G:1"})));
        assert!(changed(json!({"cpu": 2})), "a machine with GPUs is more than was asked for");
    }

    #[test]
    fn every_change_names_a_verb() {
        assert_eq!(day2_verb("version 1.34 -> 1.35"), "upgrade (not in this build yet)");
        assert_eq!(day2_verb("ttlSecs unset -> 28800"), "extend");
        assert_eq!(day2_verb("protect false -> true"), "protect");
        assert_eq!(day2_verb("network.cidr a -> b"), "none: it needs a new cluster");
    }
}
