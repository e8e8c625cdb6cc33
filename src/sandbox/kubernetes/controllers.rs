//! What runs inside a cluster and changes the cloud by itself: load balancers for Services, disks for claims, the end of
//! namespaces. They work only while the control plane lives; what they made stays behind when it dies first.

use super::{
    autoscaler,
    cloud::{self, Disk},
    discovery::Kind,
    objects::{self, filed, id},
    views::{self, Cluster, stamp},
};
use crate::sandbox::{
    aws::eks::{self, CLUSTER},
    world::{Due, Object, Tx},
};
use serde_json::{Value, json};
use std::time::Duration;

const BALANCE: &str = "balance";
const UNBALANCE: &str = "unbalance";
const PROVISION: &str = "provision";
const RECLAIM: &str = "reclaim";
const EMPTY: &str = "empty";
const LB_FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// The EBS driver, and the in-tree name that is handed on to it.
const EBS: &[&str] = &["ebs.csi.aws.com", "kubernetes.io/aws-ebs"];
const DRIVER: &str = "aws-ebs-csi-driver";

fn kind(plural: &str) -> &'static Kind {
    Kind::find("", plural).or_else(|| Kind::find("storage.k8s.io", plural)).expect("a kind of the table")
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
    let key = id(&cluster.name, meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
    tx.update(&cluster.scope, filed(of), &key, |object| object.due = Some(due));
}

/// Controllers hear of a change.
pub(super) fn changed(tx: &mut Tx<'_>, cluster: &Cluster, of: &'static Kind, row: &Value) {
    let leaving = row["metadata"]["deletionTimestamp"].is_string();
    match of.plural {
        "services" if leaving => schedule(tx, cluster, of, row, (8, 25), UNBALANCE),
        "services" => {
            let wanted = row["spec"]["type"] == json!("LoadBalancer") && served(row);
            let has = row["metadata"]["finalizers"].as_array().is_some_and(|list| list.contains(&json!(LB_FINALIZER)));
            if wanted && !has {
                let mut row = row.clone();
                let mut finalizers = row["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
                finalizers.push(json!(LB_FINALIZER));
                row["metadata"]["finalizers"] = json!(finalizers);
                let row = objects::put(tx, &cluster.scope, of, &cluster.name, row, |_| {});
                schedule(tx, cluster, of, &row, (5, 15), BALANCE);
            } else if !wanted && has {
                schedule(tx, cluster, of, row, (8, 25), UNBALANCE);
            }
        }
        "persistentvolumeclaims" if leaving => schedule(tx, cluster, of, row, (1, 4), RECLAIM),
        "persistentvolumeclaims" if row["status"]["phase"] == json!("Pending") => {
            schedule(tx, cluster, of, row, (3, 10), PROVISION);
        }
        "namespaces" if leaving => schedule(tx, cluster, of, row, (1, 3), EMPTY),
        "pods" | "deployments" | "daemonsets" => autoscaler::poke(tx, cluster),
        _ => {}
    }
}

/// Controllers hear that an object is gone.
pub(super) fn removed(tx: &mut Tx<'_>, cluster: &Cluster, of: &Kind) {
    if matches!(of.plural, "pods" | "deployments" | "daemonsets") {
        autoscaler::poke(tx, cluster);
    }
}

/// Whether the cloud controller of the control plane serves it; other classes belong to controllers nobody installed.
fn served(row: &Value) -> bool {
    let kind = &row["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-type"];
    row["spec"]["loadBalancerClass"].is_null() && (kind.is_null() || *kind == json!("nlb"))
}

/// Time passes for an object of a cluster.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let scope = object.scope();
    let parent = object.parent.as_deref().unwrap_or_default();
    let Some(owner) = tx.live(&scope, CLUSTER, parent).filter(|owner| owner.state != "DELETING") else { return };
    let cluster = Cluster::of(owner);
    if autoscaler::is_loop(object) {
        return autoscaler::scan(tx, &cluster);
    }
    match what {
        BALANCE => balance(tx, &cluster, object),
        UNBALANCE => unbalance(tx, &cluster, object),
        PROVISION => provision(tx, &cluster, object),
        RECLAIM => reclaim(tx, &cluster, object),
        EMPTY => empty(tx, &cluster, object),
        _ => {}
    }
}

fn balance(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let mut row = object.doc.clone();
    let nlb = row["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-type"] == json!("nlb");
    let internal = row["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-internal"]
        == json!("true")
        || row["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-scheme"] == json!("internal");
    let service = cloud::Service {
        uid: row["metadata"]["uid"].as_str().unwrap_or_default(),
        name: &format!(
            "{}/{}",
            row["metadata"]["namespace"].as_str().unwrap_or_default(),
            row["metadata"]["name"].as_str().unwrap_or_default()
        ),
        ports: &ports(&row),
        nlb,
        internal,
    };
    match cloud::make_balancer(tx, cluster, &service) {
        Some(host) => {
            row["status"]["loadBalancer"] = json!({"ingress": [{"hostname": host}]});
            objects::put(tx, &cluster.scope, kind("services"), &cluster.name, row, |_| {});
        }
        // No suitable subnet, or a quota: the controller goes on trying.
        None => schedule(tx, cluster, kind("services"), &row, (30, 60), BALANCE),
    }
}

fn ports(row: &Value) -> Vec<(u16, u16)> {
    let list = row["spec"]["ports"].as_array().into_iter().flatten();
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or_default();
    list.map(|port| (number(&port["port"]), number(&port["nodePort"]))).collect()
}

fn unbalance(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let mut row = object.doc.clone();
    let uid = row["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    if !cloud::remove_balancer(tx, cluster, &uid) {
        // The balancer's interfaces still hold its group; the finalizer stays until they have gone.
        return schedule(tx, cluster, kind("services"), &row, (20, 40), UNBALANCE);
    }
    let kept = row["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let kept: Vec<Value> = kept.into_iter().filter(|finalizer| *finalizer != json!(LB_FINALIZER)).collect();
    if row["metadata"]["deletionTimestamp"].is_string() && kept.is_empty() {
        tx.remove(&cluster.scope, filed(kind("services")), &object.id);
        return;
    }
    row["metadata"]["finalizers"] = json!(kept);
    row["status"]["loadBalancer"] = json!({});
    objects::put(tx, &cluster.scope, kind("services"), &cluster.name, row, |_| {});
}

/// Makes the disk of a claim, once its driver runs with the rights it needs and its zone is known.
fn provision(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    let mut claim = object.doc.clone();
    let class_name = claim["spec"]["storageClassName"].as_str().unwrap_or_default().to_owned();
    let classes = objects::list(tx, cluster, kind("storageclasses"), None, 0);
    let Some(class) = classes.into_iter().find(|class| class["metadata"]["name"] == json!(class_name)) else { return };
    if !EBS.iter().any(|name| class["provisioner"] == json!(name)) {
        return;
    }
    let nodes = eks::joined_nodes(tx, &cluster.scope, &cluster.name);
    let selected = claim["metadata"]["annotations"][SELECTED_NODE].as_str();
    let zone = match class["volumeBindingMode"].as_str() {
        // The scheduler says where, through an annotation; until then the claim waits.
        Some("WaitForFirstConsumer") => {
            nodes.iter().find(|(_, node)| selected == Some(views::node_name(&cluster.scope, node).as_str()))
        }
        _ => nodes.first(),
    };
    let may = eks::addon_is_active(tx, &cluster.scope, &cluster.name, DRIVER)
        && eks::addon_may(tx, &cluster.scope, &cluster.name, DRIVER, "service-role/AmazonEBSCSIDriverPolicy");
    let Some(zone) = zone.map(|(_, node)| node.zone.clone()).filter(|_| may) else {
        return schedule(tx, cluster, kind("persistentvolumeclaims"), &claim, (20, 40), PROVISION);
    };
    let name = format!("pvc-{}", claim["metadata"]["uid"].as_str().unwrap_or_default());
    let gib = claim["spec"]["resources"]["requests"]["storage"].as_str().and_then(gibibytes).unwrap_or(1);
    let (namespace, claim_name) = (object.doc["metadata"]["namespace"].clone(), object.doc["metadata"]["name"].clone());
    let disk = Disk {
        name: &name,
        zone: &zone,
        gib,
        kind: class["parameters"]["type"].as_str().unwrap_or("gp3"),
        claim: (namespace.as_str().unwrap_or_default(), claim_name.as_str().unwrap_or_default()),
        tags: extra_tags(&class),
    };
    let Some(volume) = cloud::make_disk(tx, cluster, &disk) else {
        return schedule(tx, cluster, kind("persistentvolumeclaims"), &claim, (20, 40), PROVISION);
    };
    let size = format!("{gib}Gi");
    let pv = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": name, "uid": tx.uuid(), "creationTimestamp": stamp(tx.now()),
            "finalizers": ["kubernetes.io/pv-protection", "external-provisioner.volume.kubernetes.io/finalizer"],
            "annotations": {"pv.kubernetes.io/provisioned-by": EBS[0]},
        },
        "spec": {
            "capacity": {"storage": size}, "accessModes": claim["spec"]["accessModes"], "storageClassName": class_name,
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "volumeMode": "Filesystem",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim_name, "namespace": namespace, "uid": claim["metadata"]["uid"]},
            "csi": {"driver": EBS[0], "fsType": "ext4", "volumeHandle": volume},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}},
        },
        "status": {"phase": "Bound"},
    });
    objects::put(tx, &cluster.scope, kind("persistentvolumes"), &cluster.name, pv, |_| {});
    claim["spec"]["volumeName"] = json!(name);
    claim["status"] =
        json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": size}});
    objects::put(tx, &cluster.scope, kind("persistentvolumeclaims"), &cluster.name, claim, |_| {});
}

/// Tags a class puts on its disks: `tagSpecification_1: key=value`.
fn extra_tags(class: &Value) -> Vec<(String, String)> {
    let parameters = class["parameters"].as_object().into_iter().flatten();
    let specs =
        parameters.filter(|(key, _)| key.starts_with("tagSpecification_")).filter_map(|(_, value)| value.as_str());
    specs.filter_map(|spec| spec.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A claim is given up: its disk goes, or is kept, as the reclaim policy says.
fn reclaim(tx: &mut Tx<'_>, cluster: &Cluster, object: &Object) {
    tx.remove(&cluster.scope, filed(kind("persistentvolumeclaims")), &object.id);
    let Some(name) = object.doc["spec"]["volumeName"].as_str() else { return };
    let key = id(&cluster.name, None, name);
    let Some(volume) = tx.get(&cluster.scope, filed(kind("persistentvolumes")), &key).cloned() else { return };
    let mut row = volume.doc;
    if row["spec"]["persistentVolumeReclaimPolicy"] == json!("Delete") {
        // The driver must still be there to delete the disk.
        if eks::addon_is_active(tx, &cluster.scope, &cluster.name, DRIVER) {
            cloud::remove_disk(tx, cluster, row["spec"]["csi"]["volumeHandle"].as_str().unwrap_or_default());
            tx.remove(&cluster.scope, filed(kind("persistentvolumes")), &key);
            return;
        }
    }
    row["status"]["phase"] = json!("Released");
    objects::put(tx, &cluster.scope, kind("persistentvolumes"), &cluster.name, row, |_| {});
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
                o.parent.as_deref() == Some(cluster.name.as_str()) && o.doc["metadata"]["namespace"] == json!(name)
            })
            .filter_map(|o| o.name.clone())
            .collect();
        for one in inside {
            let asked = super::paths::Objects { kind: of, namespace: Some(name.clone()), name: Some(one), sub: None };
            left |=
                objects::delete(tx, cluster, &asked, false).is_ok_and(|row| !row["metadata"]["finalizers"].is_null());
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

    #[test]
    fn foreign_load_balancer_classes_are_left_alone() {
        let typed = |kind: Value| json!({"spec": {}, "metadata": {"annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": kind}}});
        assert!(served(&json!({"spec": {}, "metadata": {}})) && served(&typed(json!("nlb"))));
        assert!(!served(&typed(json!("external"))));
        assert!(!served(&json!({"spec": {"loadBalancerClass": "service.k8s.aws/nlb"}, "metadata": {}})));
    }
}
