//! Things of somebody else that look like a stack's: same names, tags that nearly match, another stack's id. A teardown
//! that touches one of them is wrong.

use super::{
    Ec2, Stored, Thing,
    address::Address,
    gateway::Gateway,
    group::{self, Group},
    interface::{self, Wanted},
    net, route,
    subnet::Subnet,
    template::Template,
    usage,
    volume::{self, Volume},
    vpc, zones,
};
use crate::sandbox::world::{Kind, Origin, Scope, Tx};
use serde_json::json;
use std::collections::BTreeMap;

/// Plants them for a cluster of this name; returns their kinds and ids, for a later look whether all still stand.
pub fn plant(tx: &mut Tx<'_>, scope: &Scope, name: &str) -> Vec<(Kind, String)> {
    let cx = &mut Ec2::new(tx, scope);
    let stranger =
        || tags(&[("Name", name), ("kubewright-stack", &format!("{name}-ffffffff")), ("cluster_name", name)]);
    let cluster = || tags(&[(&format!("kubernetes.io/cluster/{name}"), "owned")]);
    let mut planted = Vec::new();

    let range = "10.0.0.0/16".parse().expect("a constant");
    let vpc = vpc::make(cx, range, Origin::Seeded);
    retag::<vpc::Vpc>(cx, &vpc, stranger(), &mut planted);
    let Some(zone) = zones::zones(scope).into_iter().next() else { return planted };
    let doc = Subnet {
        vpc: vpc.clone(),
        cidr: "10.0.0.0/24".parse().expect("a constant"),
        zone: zone.name.clone(),
        zone_id: zone.id.clone(),
        public_ip_on_launch: false,
        default_for_zone: false,
    };
    let subnet = cx.draft_by(Origin::Seeded, doc, "available");
    let subnet_id = subnet.id().to_owned();
    cx.save(subnet);
    retag::<Subnet>(cx, &subnet_id, stranger(), &mut planted);

    let gateway = cx.draft_by(Origin::Seeded, Gateway { vpc: Some(vpc.clone()) }, "available");
    let gateway_id = gateway.id().to_owned();
    cx.save(gateway);
    retag::<Gateway>(cx, &gateway_id, stranger(), &mut planted);
    route::add_default_route(cx, &vpc, gateway_id);

    let description = "Security group for Kubernetes ELB".to_owned();
    let doc = Group { vpc, name: format!("k8s-elb-{name}"), description, is_default: false };
    let group = group::make(cx, doc, BTreeMap::new());
    retag::<Group>(cx, &group, cluster(), &mut planted);

    if let Some(subnet) = cx.peek::<Subnet>(&subnet_id) {
        let wanted = Wanted {
            subnet: &subnet,
            groups: vec![group],
            description: "aws-K8S-i-0ffffffffffffffff".to_owned(),
            interface_type: "interface",
            requester: None,
            tags: BTreeMap::new(),
            attachment: None,
        };
        // A new /24 has room for one.
        let eni = interface::make(cx, wanted).expect("an empty subnet has a free address");
        let named = tags(&[("cluster.k8s.amazonaws.com/name", name), ("eks:eni:owner", "amazon-vpc-cni")]);
        retag::<interface::Interface>(cx, eni.id(), named, &mut planted);
    }

    let wanted = volume::Wanted {
        gib: 10,
        volume_type: "gp3".to_owned(),
        zone,
        snapshot: None,
        encrypted: false,
        tags: BTreeMap::new(),
        attachment: None,
    };
    let disk = volume::make(cx, wanted);
    retag::<Volume>(cx, &disk, cluster(), &mut planted);

    let ip = net::public_address(cx);
    let mut address = cx.draft_by(Origin::Seeded, Address { ip, association: None }, "available");
    address.object.usage = vec![usage::component(scope, "public-ipv4")];
    let address_id = address.id().to_owned();
    cx.save(address);
    retag::<Address>(cx, &address_id, stranger(), &mut planted);

    let template =
        super::template::make(cx, &format!("kw-{name}-ffffffff-default"), json!({"InstanceType": "m6a.large"}));
    retag::<Template>(cx, &template, stranger(), &mut planted);
    planted
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn retag<T: Thing>(cx: &mut Ec2<'_, '_>, id: &str, tags: BTreeMap<String, String>, planted: &mut Vec<(Kind, String)>) {
    let stored: Option<Stored<T>> = cx.peek(id);
    if let Some(mut stored) = stored {
        stored.object.tags = tags;
        stored.object.created_by = Origin::Seeded;
        cx.save(stored);
        planted.push((T::KIND, id.to_owned()));
    }
}
