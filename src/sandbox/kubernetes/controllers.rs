//! What runs inside a cluster and changes the cloud by itself: load balancers for Services, disks for claims, the end of
//! namespaces. They work only while the control plane lives; what they made stays behind when it dies first.

use super::{
    autoscaler, deletion,
    discovery::Kind,
    events,
    host::{self, Address, Cluster, Disk, Front, FrontKind, Storage},
    jobs, kubelet,
    objects::{self, filed, id},
    views::{DEFAULT_CLASS, stamp},
};
use crate::sandbox::world::{Due, Object, Tx};
use serde_json::{Value, json};
use std::time::Duration;

const BALANCE: &str = "balance";
const UNBALANCE: &str = "unbalance";
const PROVISION: &str = "provision";
const RECLAIM: &str = "reclaim";
const EMPTY: &str = "empty";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

fn kind(plural: &str) -> &'static Kind {
    let found = ["", "storage.k8s.io", "networking.k8s.io"].iter().find_map(|group| Kind::find(group, plural));
    found.expect("a kind of the table")
}

/// What a Service or an Ingress is to the cloud; none for other kinds.
fn front<'a>(of: &Kind, row: &'a Value) -> Option<Front<'a>> {
    let kind = match of.plural {
        "services" => FrontKind::Service,
        "ingresses" => FrontKind::Ingress,
        _ => return None,
    };
    Some(Front::of(kind, row))
}

/// Whole GiB of a storage quantity, rounded up; none if it is no quantity.
pub(super) fn gibibytes(quantity: &str) -> Option<u32> {
    const UNITS: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, factor)| quantity.strip_suffix(suffix).map(|number| (number, *factor)))
        .unwrap_or((quantity, 1.0));
    let bytes: f64 = number.parse::<f64>().ok().filter(|n| *n > 0.0 && n.is_finite())? * unit;
    let gib = (bytes / 1_073_741_824.0).ceil().max(1.0);
    (gib <= 65_536.0).then_some(gib as u32)
}

/// The class of claims that name none.
pub(super) fn default_class(tx: &Tx<'_>, cluster: &Cluster) -> Option<String> {
    let classes = objects::list(tx, cluster, kind("storageclasses"), None, 0);
    let chosen = classes.into_iter().find(|class| class["metadata"]["annotations"][DEFAULT_CLASS] == json!("true"))?;
    chosen["metadata"]["name"].as_str().map(str::to_owned)
}

fn schedule(tx: &mut Tx<'_>, cluster: &Cluster, of: &Kind, row: &Value, secs: (u64, u64), what: &str) {
    let span = tx.between(Duration::from_secs(secs.0), Duration::from_secs(secs.1));
    let due = Due { at: tx.now() + span, what: what.to_owned() };
    let meta = &row["metadata"];
    let key = id(cluster, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
    tx.update(&cluster.scope, filed(of), &key, |object| object.due = Some(due));
}

/// Controllers hear of a change.
pub(super) fn changed(tx: &mut Tx<'_>, cluster: &Cluster, of: &'static Kind, row: &Value) {
    let leaving = row["metadata"]["deletionTimestamp"].is_string();
    match of.plural {
        "services" | "ingresses" => refront(tx, cluster, of, row, leaving),
        "persistentvolumeclaims" if leaving => schedule(tx, cluster, of, row, (1, 4), RECLAIM),
        "persistentvolumeclaims" if row["status"]["phase"] == json!("Pending") => {
            schedule(tx, cluster, of, row, (3, 10), PROVISION);
        }
        "namespaces" if leaving => schedule(tx, cluster, of, row, (1, 3), EMPTY),
        "pods" => {
            kubelet::changed(tx, cluster, row);
            autoscaler::poke(tx, cluster);
        }
        "jobs" => jobs::sync(tx, cluster, row),
        "deployments" | "daemonsets" => autoscaler::poke(tx, cluster),
        _ => {}
    }
}

/// Controllers hear that an object is gone.
pub(super) fn removed(tx: &mut Tx<'_>, cluster: &Cluster, of: &Kind) {
    if matches!(of.plural, "pods" | "deployments" | "daemonsets") {
        kubelet::look_around(tx, cluster);
        autoscaler::poke(tx, cluster);
    }
}

/// A Service or an Ingress changed: its load balancer is to come, or to go.
fn refront(tx: &mut Tx<'_>, cluster: &Cluster, of: &'static Kind, row: &Value, leaving: bool) {
    let Some(front) = front(of, row) else { return };
    let finalizer = json!(cluster.host().finalizer(front.kind));
    let has = row["metadata"]["finalizers"].as_array().is_some_and(|list| list.contains(&finalizer));
    let asks = front.kind == FrontKind::Ingress || row["spec"]["type"] == json!("LoadBalancer");
    let wanted = !leaving && asks && cluster.host().serves(tx, cluster, &front);
    if wanted && !has {
        let mut row = row.clone();
        let mut finalizers = row["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.push(finalizer);
        row["metadata"]["finalizers"] = json!(finalizers);
        let row = objects::put(tx, cluster, of, row, |_| {});
        schedule(tx, cluster, of, &row, (5, 15), BALANCE);
    } else if leaving || (!wanted && has) {
        schedule(tx, cluster, of, row, (8, 25), UNBALANCE);
    }
}

/// Time passes for an object of a cluster.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let Some(cluster) = host::cluster_of(tx, object) else { return };
    if autoscaler::is_loop(object) {
        return autoscaler::scan(tx, &cluster);
    }
    match what {
        BALANCE => balance(tx, &cluster, object),
        UNBALANCE => unbalance(tx, &cluster, object),
        PROVISION => provision(tx, &cluster, object),
        RECLAIM => reclaim(tx, &cluster, object),
        EMPTY => empty(tx, &cluster, object),
        events::EXPIRE => events::expire(tx, &cluster, object),
        jobs::SYNC => jobs::happen(tx, &cluster, object),
        kubelet::BIND | kubelet::START | kubelet::END | kubelet::GONE => kubelet::happen(tx, &cluster, object, what),
        _ => {}
    }
}

/// The kind of an object that asks for a load balancer.
fn kind_of(object: &Object) -> &'static Kind {
    kind(if object.kind == "ingresses" { "ingresses" } else { "services" })
}

fn balance(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let of = kind_of(object);
    let mut row = object.doc.clone();
    let made = front(of, &object.doc).and_then(|front| cluster.host().make_balancer(tx, cluster, &front));
    match made {
        Some(address) => {
            let at = match address {
                Address::Host(name) => json!({"hostname": name}),
                Address::Ip(address) => json!({"ip": address}),
            };
            row["status"]["loadBalancer"] = json!({"ingress": [at]});
            objects::put(tx, cluster, of, row, |_| {});
        }
        // No suitable subnet, or a quota: the controller goes on trying.
        None => schedule(tx, cluster, of, &row, (30, 60), BALANCE),
    }
}

fn unbalance(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let of = kind_of(object);
    let mut row = object.doc.clone();
    let Some(front) = front(of, &object.doc) else { return };
    if !cluster.host().remove_balancer(tx, cluster, &front) {
        // Something of the balancer is still held; the finalizer stays until it has gone.
        return schedule(tx, cluster, of, &row, (20, 40), UNBALANCE);
    }
    let held = json!(cluster.host().finalizer(front.kind));
    let kept = row["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let kept: Vec<Value> = kept.into_iter().filter(|finalizer| *finalizer != held).collect();
    if row["metadata"]["deletionTimestamp"].is_string() && kept.is_empty() {
        tx.remove(&cluster.scope, filed(of), &object.id);
        return;
    }
    row["metadata"]["finalizers"] = json!(kept);
    row["status"]["loadBalancer"] = json!({});
    objects::put(tx, cluster, of, row, |_| {});
}

/// Makes the disk of a claim, once its driver runs with the rights it needs and its zone is known.
fn provision(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let mut claim = object.doc.clone();
    let class_name = claim["spec"]["storageClassName"].as_str().unwrap_or_default().to_owned();
    let classes = objects::list(tx, cluster, kind("storageclasses"), None, 0);
    let Some(class) = classes.into_iter().find(|class| class["metadata"]["name"] == json!(class_name)) else { return };
    let storage = cluster.host().storage(tx, cluster);
    if !drives(&storage, class["provisioner"].as_str().unwrap_or_default()) {
        return;
    }
    let nodes = cluster.host().nodes(tx, cluster);
    let selected = claim["metadata"]["annotations"][SELECTED_NODE].as_str();
    let node = match class["volumeBindingMode"].as_str() {
        // The scheduler says where, through an annotation; until then the claim waits.
        Some("WaitForFirstConsumer") => nodes.iter().find(|node| selected == Some(node.name.as_str())),
        _ => nodes.first(),
    };
    let Some(zone) = node.map(|node| node.zone.clone()).filter(|_| storage.makes) else {
        return schedule(tx, cluster, kind("persistentvolumeclaims"), &claim, (20, 40), PROVISION);
    };
    let name = format!("pvc-{}", claim["metadata"]["uid"].as_str().unwrap_or_default());
    let gib = claim["spec"]["resources"]["requests"]["storage"].as_str().and_then(gibibytes).unwrap_or(1);
    let (namespace, claim_name) = (object.doc["metadata"]["namespace"].clone(), object.doc["metadata"]["name"].clone());
    let disk = Disk {
        name: &name,
        zone: &zone,
        gib,
        parameters: &class["parameters"],
        claim: (namespace.as_str().unwrap_or_default(), claim_name.as_str().unwrap_or_default()),
    };
    let Some(volume) = cluster.host().make_disk(tx, cluster, &disk) else {
        return schedule(tx, cluster, kind("persistentvolumeclaims"), &claim, (20, 40), PROVISION);
    };
    let size = format!("{gib}Gi");
    let pv = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": name, "uid": tx.uuid(), "creationTimestamp": stamp(tx.now()),
            "finalizers": ["kubernetes.io/pv-protection", "external-provisioner.volume.kubernetes.io/finalizer"],
            "annotations": {"pv.kubernetes.io/provisioned-by": storage.driver},
        },
        "spec": {
            "capacity": {"storage": size}, "accessModes": claim["spec"]["accessModes"], "storageClassName": class_name,
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "volumeMode": "Filesystem",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim_name, "namespace": namespace, "uid": claim["metadata"]["uid"]},
            "csi": {"driver": storage.driver, "fsType": "ext4", "volumeHandle": volume},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": storage.zone_label, "operator": "In", "values": [zone]}]}]}},
        },
        "status": {"phase": "Bound"},
    });
    objects::put(tx, cluster, kind("persistentvolumes"), pv, |_| {});
    claim["spec"]["volumeName"] = json!(name);
    claim["status"] =
        json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": size}});
    objects::put(tx, cluster, kind("persistentvolumeclaims"), claim, |_| {});
}

fn drives(storage: &Storage, provisioner: &str) -> bool {
    storage.driver == provisioner || storage.also.contains(&provisioner)
}

/// A claim is given up: its disk goes, or is kept, as the reclaim policy says.
fn reclaim(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    tx.remove(&cluster.scope, filed(kind("persistentvolumeclaims")), &object.id);
    let Some(name) = object.doc["spec"]["volumeName"].as_str() else { return };
    let key = id(cluster, None, name);
    let Some(volume) = tx.get(&cluster.scope, filed(kind("persistentvolumes")), &key).cloned() else { return };
    let mut row = volume.doc;
    if row["spec"]["persistentVolumeReclaimPolicy"] == json!("Delete") {
        // The driver must still be there to delete the disk.
        if cluster.host().storage(tx, cluster).removes {
            let handle = row["spec"]["csi"]["volumeHandle"].as_str().unwrap_or_default();
            cluster.host().remove_disk(tx, cluster, handle);
            tx.remove(&cluster.scope, filed(kind("persistentvolumes")), &key);
            return;
        }
    }
    row["status"]["phase"] = json!("Released");
    objects::put(tx, cluster, kind("persistentvolumes"), row, |_| {});
}

/// Removes what a namespace holds, then the namespace.
fn empty(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let name = object.name.clone().unwrap_or_default();
    let mut left = false;
    for of in
        super::discovery::KINDS.iter().filter(|kind| kind.namespaced && kind.source == super::discovery::Source::Stored)
    {
        let inside: Vec<String> = tx
            .list(&cluster.scope, filed(of))
            .filter(|o| {
                o.parent.as_deref() == Some(cluster.id.as_str()) && o.doc["metadata"]["namespace"] == json!(name)
            })
            .filter_map(|o| o.name.clone())
            .collect();
        for one in inside {
            let asked = super::paths::Objects { kind: of, namespace: Some(name.clone()), name: Some(one), sub: None };
            // Refused or not: what is still there is waited for.
            let _ = deletion::delete(tx, cluster, &asked, deletion::Going::default());
            let key = id(cluster, Some(&name), asked.name.as_deref().unwrap_or_default());
            left |= tx.get(&cluster.scope, filed(of), &key).is_some();
        }
    }
    if left {
        schedule(tx, cluster, kind("namespaces"), &object.doc, (3, 6), EMPTY);
    } else {
        tx.remove(&cluster.scope, filed(kind("namespaces")), &object.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_round_up_to_gibibytes() {
        assert_eq!(gibibytes("10Gi"), Some(10));
        assert_eq!(gibibytes("1G"), Some(1));
        assert_eq!(gibibytes("1500Mi"), Some(2));
        assert_eq!(gibibytes("1"), Some(1));
        for bad in ["", "x", "-1Gi", "0", "99999Ti"] {
            assert_eq!(gibibytes(bad), None, "{bad}");
        }
    }
}
