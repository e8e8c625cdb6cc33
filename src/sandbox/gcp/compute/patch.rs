//! Changes of what stands: labels by fingerprint, NATs, ranges, Google access, rules.

use super::super::{Answer, Cx, check_labels, wire::Refused};
use super::{
    insert::{check_firewall, check_nats, check_ranges, resolve, usable},
    inside, ops,
    store::{FIREWALL, NETWORK, Named, ROUTER, SUBNETWORK, fingerprint, label_fingerprint},
};
use serde_json::{Value, json};
use std::time::Duration;

/// Fields that a patch of this sort may change.
fn changeable(named: &Named) -> &'static [&'static str] {
    match named.sort {
        NETWORK => &["routingConfig", "mtu", "networkFirewallPolicyEnforcementOrder"],
        SUBNETWORK => &["secondaryIpRanges", "privateIpGoogleAccess", "logConfig", "enableFlowLogs", "stackType"],
        ROUTER => &["nats", "description", "bgp", "interfaces", "bgpPeers"],
        FIREWALL => &[
            "allowed",
            "denied",
            "sourceRanges",
            "sourceTags",
            "targetTags",
            "priority",
            "disabled",
            "description",
            "direction",
            "destinationRanges",
            "logConfig",
        ],
        _ => &[],
    }
}

/// Answers a call that changes a resource.
pub(super) fn patch(cx: &mut Cx<'_, '_>, named: &Named, verb: &'static str) -> Answer {
    usable(cx.tx, named)?;
    if ops::busy(cx.tx, named) {
        return Err(Refused::not_ready(&named.path()));
    }
    let object = named.need(cx.tx)?.clone();
    let (action, changed) = match verb {
        "setLabels" => {
            if cx.body["labelFingerprint"] != json!(label_fingerprint(&object)) {
                return Err(Refused::condition_not_met());
            }
            let labels = check_labels(&cx.body["labels"]).map_err(Refused::invalid)?;
            named.update(cx.tx, |object| object.tags = labels);
            ("setLabels", None)
        }
        "setPrivateIpGoogleAccess" => {
            let mut doc = object.doc.clone();
            doc["privateIpGoogleAccess"] = cx.body["privateIpGoogleAccess"].clone();
            ("setPrivateIpGoogleAccess", Some(doc))
        }
        "patch" => ("patch", Some(patched(cx, named, &object.doc)?)),
        _ => return Err(cx.unknown()),
    };
    if let Some(mut doc) = changed {
        if named.sort == SUBNETWORK {
            doc["fingerprint"] = json!(fingerprint(&doc.to_string()));
        }
        let usage = (named.sort == ROUTER).then(|| inside::nat_usage(cx.tx, named, &doc));
        named.update(cx.tx, |object| {
            object.doc = doc;
            if let Some(usage) = usage {
                object.usage = usage;
            }
        });
    }
    let span = cx.tx.between(Duration::from_secs(3), Duration::from_secs(10));
    let begin = ops::Begin { action, on: named, target_id: object.text("id"), span, fails: None };
    Ok(ops::begin(cx, &begin))
}

fn patched(cx: &mut Cx<'_, '_>, named: &Named, now: &Value) -> Result<Value, Refused> {
    let may = changeable(named);
    let mut given = cx.body.clone();
    resolve(cx.tx, cx.project.id, "resource", "", &mut given)?;
    let mut doc = now.clone();
    let output = ["fingerprint", "name", "id", "kind", "selfLink", "creationTimestamp", "region", "network"];
    for (key, value) in given.as_object().into_iter().flatten() {
        let same = doc.get(key) == Some(value);
        if may.contains(&key.as_str()) {
            doc[key.as_str()] = value.clone();
        } else if !same && !output.contains(&key.as_str()) {
            return Err(Refused::field(&format!("resource.{key}"), value, "The field cannot be modified."));
        }
    }
    match named.sort {
        SUBNETWORK => {
            let given = cx.body["fingerprint"].as_str().unwrap_or_default();
            if given.is_empty() {
                return Err(Refused::required("resource.fingerprint"));
            }
            if now["fingerprint"] != json!(given) {
                return Err(Refused { message: "Invalid fingerprint.".to_owned(), ..Refused::condition_not_met() });
            }
            check_ranges(cx.tx, &doc, named)?;
        }
        ROUTER => {
            check_nats(cx.tx, named, &mut doc)?;
            if doc["_ips"].is_null() && doc["nats"].as_array().is_some_and(|nats| !nats.is_empty()) {
                doc["_ips"] = json!([inside::public_ip(cx.tx)]);
            }
        }
        FIREWALL => check_firewall(&doc)?,
        _ => {}
    }
    Ok(doc)
}
