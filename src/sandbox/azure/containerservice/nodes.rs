//! The machines of node pools: scale sets, their machines, and what keeps those from joining.

use super::{CLUSTER, POOL, host, infra, pools};
use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::{
        azure::{
            compute::{self, MACHINE, SCALE_SET, sizes, usages},
            network,
            path::within,
            store::{self, HIDDEN, due, of_kind, secs},
            wire::{ArmError, text, texts},
        },
        kubernetes,
        world::{Object, Tx},
    },
};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// How a machine is Ready at last; before that it is asked now and then.
const READY: &str = "ready";

/// The scale set of a pool.
fn set_id(cluster: &Object, pool: &Object) -> String {
    let name = format!("aks-{}-{}-vmss", pool.name.as_deref().unwrap_or_default(), infra::suffix(cluster));
    infra::inside(cluster, "Microsoft.Compute/virtualMachineScaleSets", &name)
}

/// The machines of a pool, in their order.
pub(super) fn of_pool(tx: &Tx<'_>, pool: &str) -> Vec<Object> {
    let own = |machine: &&Object| text(&machine.doc, "_.pool").eq_ignore_ascii_case(pool);
    let mut all: Vec<Object> = store::each(tx, MACHINE).filter(own).cloned().collect();
    all.sort_by_key(index);
    all
}

/// A machine's number in its scale set.
pub(super) fn index(machine: &Object) -> u64 {
    text(&machine.doc, "instanceId").parse().unwrap_or_default()
}

/// Whether its kubelet reports Ready.
pub(super) fn is_ready(machine: &Object) -> bool {
    machine.doc[HIDDEN]["ready"] == json!(true)
}

/// Makes a pool have as many machines as it is to have.
///
/// # Errors
/// Why not, as an operation would end with it.
pub(super) fn launch(tx: &mut Tx<'_>, cluster: &Object, pool: &Object) -> Result<(), ArmError> {
    let wanted = pool.doc["properties"]["count"].as_u64().unwrap_or_default();
    scale(tx, cluster, pool, wanted, &[])
}

/// Makes a pool have this many machines; `going` are those that go first.
///
/// # Errors
/// As [`launch`].
pub(super) fn scale(
    tx: &mut Tx<'_>,
    cluster: &Object,
    pool: &Object,
    wanted: u64,
    going: &[String],
) -> Result<(), ArmError> {
    let set = set_id(cluster, pool);
    ensure_set(tx, cluster, pool, &set);
    let mut machines = of_pool(tx, &pool.id);
    let mut surplus = (machines.len() as u64).saturating_sub(wanted);
    // Those that were named, then the youngest.
    machines.sort_by_key(|machine| (!going.contains(&machine.id), std::cmp::Reverse(index(machine))));
    for machine in &machines {
        if surplus == 0 {
            break;
        }
        store::remove(tx, &machine.id);
        surplus -= 1;
    }
    let result = add(tx, cluster, pool, &set, wanted);
    let now_there = of_pool(tx, &pool.id).len();
    store::change(tx, &set, |set| set.doc["sku"]["capacity"] = json!(now_there));
    result
}

fn add(tx: &mut Tx<'_>, cluster: &Object, pool: &Object, set: &str, wanted: u64) -> Result<(), ArmError> {
    let profile = pool.doc["properties"].clone();
    let size = text(&profile, "vmSize").to_owned();
    let zones = texts(&profile["availabilityZones"]);
    let subnet = infra::subnet_of(cluster, &profile);
    let spot = text(&profile, "scaleSetPriority") == "Spot";
    let missing = wanted.saturating_sub(of_pool(tx, &pool.id).len() as u64);
    if missing > 0 {
        usages::check(tx, &cluster.region, &[usages::Wish { size: size.clone(), nodes: missing, spot }])?;
    }
    for _ in 0..missing {
        let machines = of_pool(tx, &pool.id);
        let in_zone =
            |zone: &String| machines.iter().filter(|machine| texts(&machine.doc["zones"]).contains(zone)).count();
        let zone = zones.iter().min_by_key(|zone| in_zone(zone)).cloned();
        if !sizes::in_stock(tx, &size, &cluster.region, zone.as_deref()) {
            return Err(no_capacity(&size, &cluster.region, zone.as_deref(), spot));
        }
        let next = store::find(tx, set).and_then(|set| set.doc[HIDDEN]["next"].as_u64()).unwrap_or_default();
        let Some(address) = free_address(tx, &subnet) else {
            let message = format!(
                "Subnet {} with address prefix does not have enough capacity for 1 IP addresses.",
                crate::sandbox::azure::path::name_of(&subnet)
            );
            return Err(ArmError::bad("SubnetIsFull", message));
        };
        let machine = machine(tx, cluster, pool, set, next, zone.as_deref(), &address);
        tx.put(machine);
        store::change(tx, set, |set| set.doc[HIDDEN]["next"] = json!(next + 1));
    }
    Ok(())
}

fn no_capacity(size: &str, location: &str, zone: Option<&str>, spot: bool) -> ArmError {
    let guidance = "Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance";
    match zone {
        Some(zone) => ArmError::conflict(
            "ZonalAllocationFailed",
            format!(
                "Allocation failed. We do not have sufficient capacity for the requested VM size {size} in this zone ({location}, zone {zone}). {guidance}"
            ),
        ),
        None if spot => ArmError::conflict(
            "SkuNotAvailable",
            format!(
                "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {size}' is currently not available in location '{location}'. Please try another size or deploy to a different location or different zone."
            ),
        ),
        None => ArmError::conflict(
            "AllocationFailed",
            format!(
                "Allocation failed. We do not have sufficient capacity for the requested VM size {size} in this region. {guidance}"
            ),
        ),
    }
}

/// The first address of a subnet that nobody has.
fn free_address(tx: &Tx<'_>, subnet: &str) -> Option<String> {
    let taken: Vec<String> = store::each(tx, MACHINE)
        .filter(|machine| text(&machine.doc, "_.subnet").eq_ignore_ascii_case(subnet))
        .map(|machine| text(&machine.doc, "_.ip").to_owned())
        .collect();
    let range = network::ranges(network::subnet(tx, subnet)?).into_iter().next()?;
    let (first, last) = (u32::from(range.network()) + 4, u32::from(range.broadcast()));
    (first..last).map(|ip| Ipv4Addr::from(ip).to_string()).find(|ip| !taken.contains(ip))
}

fn machine(
    tx: &mut Tx<'_>,
    cluster: &Object,
    pool: &Object,
    set: &str,
    number: u64,
    zone: Option<&str>,
    ip: &str,
) -> Object {
    let profile = &pool.doc["properties"];
    let size = text(profile, "vmSize").to_owned();
    let spot = text(profile, "scaleSetPriority") == "Spot";
    let name = format!("{}{}", crate::sandbox::azure::path::name_of(set), base36(number));
    let body = json!({
        "instanceId": number.to_string(), "zones": zone.map(|zone| vec![zone]),
        "sku": {"name": size, "tier": "Standard"},
        "properties": {
            "latestModelApplied": true, "vmId": tx.uuid(), "provisioningState": "Succeeded",
            "hardwareProfile": {"vmSize": size},
            "osProfile": {"computerName": name, "adminUsername": "azureuser"},
            "timeCreated": tx.now().to_string(),
        },
    });
    let mut machine = store::by_controller(store::resource(
        tx,
        MACHINE,
        &format!("{set}/virtualMachines/{number}"),
        &cluster.region,
        &body,
    ));
    machine.name = Some(format!("{}_{number}", crate::sandbox::azure::path::name_of(set)));
    "Running".clone_into(&mut machine.state);
    machine.tags = cluster.tags.clone();
    let key =
        PriceKey::Instance { cloud: Cloud::Azure, region: Region(cluster.region.clone()), instance_type: size, spot };
    machine.usage = vec![Usage::fixed(key, Unit::Hour, 1.0)];
    // A system disk on the machine's own storage costs nothing.
    if text(profile, "osDiskType") == "Managed" {
        let gib = profile["osDiskSizeGB"].as_i64().unwrap_or(128);
        machine.usage.extend(compute::disk_usage(&cluster.region, "Premium_LRS", gib));
    }
    machine.doc[HIDDEN] = json!({
        "pool": pool.id, "subnet": infra::subnet_of(cluster, profile), "ip": ip, "ready": false, "host": name,
    });
    let boot = tx.between(secs(60), secs(100));
    machine.due = due(tx, boot, READY);
    machine
}

/// Six digits in base 36, as scale sets number their hosts.
fn base36(mut number: u64) -> String {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

fn ensure_set(tx: &mut Tx<'_>, cluster: &Object, pool: &Object, id: &str) {
    if store::find(tx, id).is_some() {
        return;
    }
    let profile = &pool.doc["properties"];
    let spot = text(profile, "scaleSetPriority") == "Spot";
    let out = text(&cluster.doc, "properties.networkProfile.outboundType") == "loadBalancer";
    let balanced =
        out.then(|| vec![json!({"id": format!("{}/backendAddressPools/kubernetes", infra::balancer(cluster))})]);
    let mut tags = json!(cluster.tags);
    tags["aks-managed-poolName"] = json!(pool.name);
    let mut body = json!({
        "tags": tags,
        "sku": {"name": profile["vmSize"], "tier": "Standard", "capacity": 0},
        "zones": profile["availabilityZones"],
        "properties": {
            "singlePlacementGroup": false, "orchestrationMode": "Uniform", "provisioningState": "Succeeded", "overprovision": false,
            "upgradePolicy": {"mode": "Manual"}, "uniqueId": tx.uuid(), "timeCreated": tx.now().to_string(),
            "virtualMachineProfile": {
                "priority": if spot { "Spot" } else { "Regular" },
                "storageProfile": {"osDisk": {
                    "osType": "Linux", "createOption": "FromImage", "diskSizeGB": profile["osDiskSizeGB"],
                    "managedDisk": {"storageAccountType": "Premium_LRS"},
                }},
                "networkProfile": {"networkInterfaceConfigurations": [{
                    "name": crate::sandbox::azure::path::name_of(id),
                    "properties": {
                        "primary": true, "enableIPForwarding": true,
                        "networkSecurityGroup": {"id": infra::security_group(cluster)},
                        "ipConfigurations": [{"name": "ipconfig1", "properties": {
                            "primary": true, "subnet": {"id": infra::subnet_of(cluster, profile)},
                            "loadBalancerBackendAddressPools": balanced,
                        }}],
                    },
                }]},
            },
        },
    });
    crate::sandbox::azure::wire::prune(&mut body);
    let mut set = store::by_controller(store::resource(tx, SCALE_SET, id, &cluster.region, &body));
    "Succeeded".clone_into(&mut set.state);
    set.doc[HIDDEN] = json!({"next": 0, "tagged": true});
    set.visible_at = Some(tx.read_lag());
    tx.put(set);
}

/// Removes a pool's scale set with its machines.
pub(super) fn remove_all(tx: &mut Tx<'_>, pool: &str) {
    let Some(pool) = of_kind(tx, POOL, pool).cloned() else { return };
    let Some(cluster) = pool.parent.as_deref().and_then(|id| of_kind(tx, CLUSTER, id)).cloned() else { return };
    let set = set_id(&cluster, &pool);
    store::remove(tx, &set);
}

/// What keeps the machines of a pool from joining: they reach nothing outside.
pub(super) fn hindrance(tx: &Tx<'_>, cluster: &Object, profile: &Value) -> Option<ArmError> {
    let network_profile = &cluster.doc["properties"]["networkProfile"];
    let subnet = infra::subnet_of(cluster, profile);
    let Some(subnet) = network::subnet(tx, &subnet) else {
        let message = format!("Subnet {subnet} referenced by the agent pool was not found.");
        return Some(ArmError::new(404, "SubnetNotFound", message));
    };
    let leads_out = match text(network_profile, "outboundType") {
        "loadBalancer" | "managedNATGateway" => true,
        "userAssignedNATGateway" => network::has_nat(subnet) && network::way_out(tx, subnet),
        "userDefinedRouting" => true,
        _ => text(&cluster.doc, "properties.bootstrapProfile.artifactSource") == "Cache",
    };
    if leads_out && !is_walled(tx, subnet) {
        return None;
    }
    let message = format!(
        "VM has reported a failure when processing extension 'vmssCSE' (publisher 'Microsoft.Azure.Extensions' and type 'CustomScript'). Error message: 'Enable failed: failed to execute command: command terminated with exit status=50\n[stdout]\n{{ \"ExitCode\": \"50\", \"Output\": \"Failed to connect to mcr.microsoft.com port 443\", \"Error\": \"\" }}'. More information on troubleshooting is available at https://aka.ms/VMExtensionCSELinuxTroubleshoot. Subnet: {}",
        subnet.id
    );
    Some(ArmError::conflict("VMExtensionProvisioningError", message))
}

/// Whether a security group at the subnet lets nothing out.
fn is_walled(tx: &Tx<'_>, subnet: &Object) -> bool {
    let group =
        subnet.doc["properties"]["networkSecurityGroup"]["id"].as_str().and_then(|id| of_kind(tx, network::NSG, id));
    let Some(group) = group else { return false };
    let outward = |rule: &&Value| {
        let whole = |path: &str, words: &[&str]| words.contains(&text(rule, path));
        text(rule, "properties.direction") == "Outbound"
            && whole("properties.destinationAddressPrefix", &["*", "Internet", "0.0.0.0/0"])
            && whole("properties.destinationPortRange", &["*", "443", "0-65535"])
    };
    let rules = group.doc["properties"]["securityRules"].as_array().into_iter().flatten();
    let first = rules.filter(outward).min_by_key(|rule| rule["properties"]["priority"].as_i64().unwrap_or(i64::MAX));
    first.is_some_and(|rule| text(rule, "properties.access") == "Deny")
}

/// A machine has booted: it joins, unless it cannot reach what it needs.
pub(in super::super) fn machine_ready(tx: &mut Tx<'_>, machine: &Object) {
    let pool = of_kind(tx, POOL, text(&machine.doc, "_.pool")).cloned();
    let cluster = pool.as_ref().and_then(|pool| of_kind(tx, CLUSTER, pool.parent.as_deref()?)).cloned();
    let (Some(pool), Some(cluster)) = (pool, cluster) else { return };
    if hindrance(tx, &cluster, &pool.doc["properties"]).is_some() {
        return store::schedule(tx, &machine.id, secs(20), READY);
    }
    let now = tx.now().to_string();
    store::change(tx, &machine.id, |machine| {
        machine.doc[HIDDEN]["ready"] = json!(true);
        machine.doc[HIDDEN]["joinedAt"] = json!(now);
    });
    tell(tx, &cluster.id);
}

/// Tells the cluster that its nodes changed.
pub(super) fn tell(tx: &mut Tx<'_>, cluster: &str) {
    if let Some(cluster) = of_kind(tx, CLUSTER, cluster).cloned() {
        kubernetes::nodes_changed(tx, &host::cluster_of(&cluster));
    }
}

/// The machines of a cluster with their pools.
pub(super) fn of_cluster(tx: &Tx<'_>, cluster: &str) -> Vec<(Object, Object)> {
    let pools = pools(tx, cluster);
    let of = |pool: &Object| -> Vec<(Object, Object)> {
        of_pool(tx, &pool.id).into_iter().map(|machine| (pool.clone(), machine)).collect()
    };
    pools.iter().filter(|pool| within(&pool.id, cluster)).flat_map(of).collect()
}
