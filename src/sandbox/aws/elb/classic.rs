//! The classic balancers' API of 2012: by name, not by ARN.

use super::{Balancer, CLASSIC, Params, delete, make, no, tag_list};
use crate::sandbox::aws::{
    ApiError,
    ec2::{
        time,
        wire::{Actions, Request},
    },
};
use crate::sandbox::world::{Object, Scope, Tx};
use serde_json::{Value, json};
use std::sync::OnceLock;

const ACTIONS_TEXT: &str = "\
CreateLoadBalancer {LoadBalancerName!:s Listeners!:[{Protocol!:s LoadBalancerPort!:i(1,65535) InstanceProtocol:s InstancePort!:i(1,65535)}] Subnets:[s] SecurityGroups:[s] Scheme:s Tags:[{Key!:s Value:s}]}
DeleteLoadBalancer {LoadBalancerName!:s}
DescribeLoadBalancers {LoadBalancerNames:[s] Marker:s PageSize:i(1,400)}
DescribeTags {LoadBalancerNames!:[s]}
";

pub(super) fn actions() -> &'static Actions {
    static ACTIONS: OnceLock<Actions> = OnceLock::new();
    ACTIONS.get_or_init(|| Actions::parse(ACTIONS_TEXT))
}

fn classic_view(object: &Object) -> Value {
    let doc: Balancer = object.read();
    let listeners = doc.listeners.iter().map(|listener| {
        json!({
            "Listener": {
                "Protocol": "TCP", "LoadBalancerPort": listener.port, "InstanceProtocol": "TCP", "InstancePort": listener.port,
            },
            "PolicyNames": [],
        })
    });
    let (subnets, zones): (Vec<&String>, Vec<&String>) =
        doc.subnets.iter().map(|(subnet, zone)| (subnet, zone)).unzip();
    json!({
        "LoadBalancerName": doc.name, "DNSName": doc.dns, "CanonicalHostedZoneNameID": "Z35SXDOTRQ7X7K",
        "ListenerDescriptions": listeners.collect::<Vec<_>>(), "AvailabilityZones": zones, "Subnets": subnets,
        "VPCId": doc.vpc, "Instances": doc.instances.iter().map(|id| json!({"InstanceId": id})).collect::<Vec<_>>(),
        "SecurityGroups": doc.groups, "CreatedTime": time(object.created_at), "Scheme": doc.scheme,
    })
}

pub(super) fn answer(tx: &mut Tx<'_>, scope: &Scope, request: Request) -> Result<Value, ApiError> {
    let action = request.action.clone();
    if action == "CreateLoadBalancer" {
        return make::classic(tx, scope, request);
    }
    let wanted: Params = request.read()?;
    let absent = |name: &str| no("LoadBalancerNotFound", format!("There is no ACTIVE Load Balancer named '{name}'"));
    match action.as_str() {
        "DescribeLoadBalancers" => {
            let names = &wanted.load_balancer_names;
            if let Some(name) = names.iter().find(|name| tx.live(scope, CLASSIC, name).is_none()) {
                return Err(absent(name));
            }
            let asked = |object: &&Object| names.is_empty() || names.contains(&object.id);
            let rows = tx.search(scope, CLASSIC).filter(asked).map(classic_view).collect();
            wanted.page("LoadBalancerDescriptions", rows)
        }
        "DescribeTags" => {
            let mut rows = Vec::new();
            for name in &wanted.load_balancer_names {
                let object = tx.live(scope, CLASSIC, name).ok_or_else(|| absent(name))?;
                rows.push(json!({"LoadBalancerName": name, "Tags": tag_list(object)}));
            }
            Ok(json!({"TagDescriptions": rows}))
        }
        // Deleting what is gone succeeds.
        "DeleteLoadBalancer" => {
            delete(tx, scope, &wanted.load_balancer_name);
            Ok(json!({}))
        }
        other => Err(no("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}
