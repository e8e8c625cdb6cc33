//! Inserts: what each sort of resource must say, what it may not, and what it becomes.

use super::super::{Answer, Cx, check_labels, is_name, places, wire::Refused};
use super::{
    inside, ops, quota,
    store::{
        ADDRESS, BACKEND, DISK, ENDPOINT_GROUP, FIREWALL, FORWARDING, GROUP, HEALTH_CHECK, HTTP_CHECK, LINK, NETWORK,
        Named, Place, ROUTER, SUBNETWORK, Sort, TARGET_POOL, fingerprint,
    },
};
use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::world::{Origin, Tx},
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'";

/// What an insert makes of its body.
struct Made {
    doc: Value,
    usage: Vec<Usage>,
    /// Seconds it takes, from and to.
    span: (u64, u64),
    fails: Option<Value>,
}

/// One piece or so many gibibytes of a component.
pub(in crate::sandbox) fn component(region: &str, name: &str, unit: Unit, quantity: f64) -> Usage {
    let key = PriceKey::Component { cloud: Cloud::Gcp, region: Region(region.to_owned()), name: name.to_owned() };
    Usage::fixed(key, unit, quantity)
}

/// Puts a resource and begins its operation.
pub(super) fn insert(cx: &mut Cx<'_, '_>, sort: Sort, place: Place) -> Answer {
    let name = cx.body["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Refused::required("resource.name"));
    }
    if !is_name(&name, 63) {
        return Err(Refused::field("resource.name", &name, NAME));
    }
    if let Err(why) = check_labels(&cx.body["labels"]) {
        return Err(Refused::invalid(format!("Invalid value for field 'resource.labels': ''. {why}")));
    }
    let description = cx.body["description"].as_str().unwrap_or_default();
    if description.len() > 2_048 {
        return Err(Refused::field("resource.description", description, "It may have at most 2048 characters."));
    }
    let named = Named::new(sort, cx.project.id, place, &name);
    if named.find(cx.tx).is_some() {
        return Err(Refused::exists(format!("The resource '{}' already exists", named.path())));
    }
    let mut doc = cx.body.clone();
    if let Some(map) = doc.as_object_mut() {
        // Output only: Google looks past these in a request.
        for key in [
            "id",
            "kind",
            "selfLink",
            "creationTimestamp",
            "region",
            "zone",
            "status",
            "users",
            "fingerprint",
            "labelFingerprint",
        ] {
            map.remove(key);
        }
    }
    resolve(cx.tx, cx.project.id, "resource", "", &mut doc)?;
    let made = match sort {
        NETWORK => network(cx, &named, doc),
        SUBNETWORK => subnetwork(cx, &named, doc),
        ROUTER => router(cx, &named, doc),
        FIREWALL => firewall(cx, doc),
        ADDRESS => address(cx, &named, doc),
        FORWARDING => forwarding(cx, &named, doc),
        DISK => disk(cx, &named, doc),
        sort => other(cx, sort, doc),
    }?;
    let mut object = named.object(cx.tx, made.doc);
    "CREATING".clone_into(&mut object.state);
    object.visible_at = Some(cx.tx.read_lag());
    object.usage = made.usage;
    object.created_by = Origin::Api;
    cx.tx.put(object.clone());
    let span = cx.tx.between(Duration::from_secs(made.span.0), Duration::from_secs(made.span.1));
    let begin = ops::Begin { action: "insert", on: &named, target_id: object.text("id"), span, fails: made.fails };
    Ok(ops::begin(cx, &begin))
}

/// Fields that name other resources.
const LINKS: &[&str] = &[
    "network",
    "subnetwork",
    "target",
    "backendService",
    "defaultService",
    "service",
    "urlMap",
    "group",
    "healthChecks",
    "sslCertificates",
];

/// Makes links whole, and refuses those that lead nowhere or to what is not usable.
pub(super) fn resolve(tx: &Tx<'_>, project: &str, at: &str, key: &str, value: &mut Value) -> Result<(), Refused> {
    match value {
        Value::String(text) if LINKS.contains(&key) => {
            let named =
                Named::read(text, project).ok_or_else(|| Refused::field(at, &*text, "The URL is malformed."))?;
            usable(tx, &named)?;
            *text = named.link();
            Ok(())
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                resolve(tx, project, &format!("{at}[{index}]"), key, item)?;
            }
            Ok(())
        }
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                resolve(tx, project, &format!("{at}.{key}"), key, value)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A resource that others may be built on.
pub(super) fn usable(tx: &Tx<'_>, named: &Named) -> Result<(), Refused> {
    let object = named.need(tx)?;
    if matches!(object.state.as_str(), "CREATING" | "DELETING") {
        return Err(Refused::not_ready(&named.path()));
    }
    Ok(())
}

fn network(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    if doc["autoCreateSubnetworks"].is_null() && doc["IPv4Range"].is_null() {
        // What is not said is an auto mode network; nothing here builds on one.
        doc["autoCreateSubnetworks"] = json!(true);
    }
    if doc["autoCreateSubnetworks"] != json!(false) {
        return Err(Refused::field(
            "resource.autoCreateSubnetworks",
            doc["autoCreateSubnetworks"].clone(),
            "The sandbox makes no auto mode networks beside the default one.",
        ));
    }
    quota::check(cx.tx, &named.project, None, "NETWORKS", 1.0)?;
    if doc["routingConfig"]["routingMode"].is_null() {
        doc["routingConfig"] = json!({"routingMode": "REGIONAL"});
    }
    if let Some(mtu) = doc["mtu"].as_i64()
        && !(1_300..=8_896).contains(&mtu)
    {
        return Err(Refused::field("resource.mtu", mtu, "Must be between 1300 and 8896."));
    }
    doc["networkFirewallPolicyEnforcementOrder"] = json!("AFTER_CLASSIC_FIREWALL");
    doc["selfLinkWithId"] =
        json!(format!("{LINK}projects/{}/global/networks/{}", named.project, super::store::number(cx.tx)));
    let tail = cx.tx.hex(16);
    let route = Named::new(super::store::ROUTE, &named.project, Place::Global, &format!("default-route-{tail}"));
    let way = json!({
        "network": named.link(), "destRange": "0.0.0.0/0", "priority": 1000, "description": "Default route to the Internet.",
        "nextHopGateway": format!("{LINK}projects/{}/global/gateways/default-internet-gateway", named.project),
    });
    route.put(cx.tx, way, Origin::Builtin);
    Ok(Made { doc, usage: Vec::new(), span: (10, 22), fails: None })
}

/// A range in its canonical form.
fn range(field: &str, text: &str, longest: u8) -> Result<Ipv4Net, Refused> {
    let net: Ipv4Net = text.parse().map_err(|_| Refused::field(field, text, "Must be a CIDR address range."))?;
    if net.addr() != net.network() {
        let why = "Must be a CIDR address range that contains no host bits set.";
        return Err(Refused::field(field, text, why));
    }
    if !(8..=longest).contains(&net.prefix_len()) {
        let why = format!("Invalid IPCidrRange: {text} must have a prefix length between 8 and {longest}.");
        return Err(Refused::field(field, text, &why));
    }
    let public = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "199.36.153.8/30"];
    let mut prohibited = public.iter().filter_map(|text| text.parse::<Ipv4Net>().ok());
    if prohibited.any(|own| own.contains(&net) || net.contains(&own)) {
        return Err(Refused::field(field, text, "The range overlaps a prohibited range."));
    }
    Ok(net)
}

fn overlaps(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// Ranges taken in a network, with who has them.
pub(in crate::sandbox) fn taken(tx: &Tx<'_>, network: &str) -> Vec<(Ipv4Net, Named)> {
    let subnets = tx
        .all()
        .filter(|object| object.is(SUBNETWORK.kind()) && object.text("network") == network && !object.is_gone());
    let mut taken = Vec::new();
    for subnet in subnets {
        let Some(named) = Named::of(subnet) else { continue };
        let second = subnet.doc["secondaryIpRanges"].as_array().into_iter().flatten();
        let texts = std::iter::once(subnet.text("ipCidrRange")).chain(second.filter_map(|r| r["ipCidrRange"].as_str()));
        taken.extend(texts.filter_map(|text| text.parse().ok()).map(|net| (net, named.clone())));
    }
    taken
}

/// The secondary ranges of a subnetwork, checked against everything in the network.
pub(super) fn check_ranges(tx: &Tx<'_>, doc: &Value, own: &Named) -> Result<(), Refused> {
    let network = doc["network"].as_str().unwrap_or_default();
    let mut ranges = Vec::new();
    let first = doc["ipCidrRange"].as_str().unwrap_or_default();
    if first.is_empty() {
        return Err(Refused::required("resource.ipCidrRange"));
    }
    ranges.push(("resource.ipCidrRange".to_owned(), first, range("resource.ipCidrRange", first, 29)?));
    let mut names = Vec::new();
    for (index, second) in doc["secondaryIpRanges"].as_array().into_iter().flatten().enumerate() {
        let field = format!("resource.secondaryIpRanges[{index}].ipCidrRange");
        let name = second["rangeName"].as_str().unwrap_or_default();
        let name_field = format!("resource.secondaryIpRanges[{index}].rangeName");
        if !is_name(name, 63) {
            return Err(Refused::field(&name_field, name, NAME));
        }
        if names.contains(&name) {
            return Err(Refused::field(&name_field, name, "Duplicate secondary range name."));
        }
        names.push(name);
        let text = second["ipCidrRange"].as_str().unwrap_or_default();
        ranges.push((field.clone(), text, range(&field, text, 29)?));
    }
    if names.len() > 170 {
        return Err(Refused::field("resource.secondaryIpRanges", names.len(), "At most 170 secondary ranges."));
    }
    let taken = taken(tx, network);
    for (index, (field, text, net)) in ranges.iter().enumerate() {
        if let Some((_, other, _)) = ranges[..index].iter().find(|(_, _, other)| overlaps(net, other)) {
            let why = format!("Invalid IPCidrRange: {text} conflicts with range {other} of the same subnetwork.");
            return Err(Refused::field(field, text, &why));
        }
        if let Some((_, other)) = taken.iter().find(|(other, who)| who != own && overlaps(net, other)) {
            let region = other.place.path();
            let region = region.trim_start_matches("regions/");
            let why = format!(
                "Invalid IPCidrRange: {text} conflicts with existing subnetwork '{}' in region '{region}'.",
                other.name
            );
            return Err(Refused::field(field, text, &why));
        }
    }
    Ok(())
}

fn subnetwork(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    let network =
        doc["network"].as_str().map(ToOwned::to_owned).ok_or_else(|| Refused::required("resource.network"))?;
    let owner = Named::read(&network, &named.project).filter(|owner| owner.sort == NETWORK);
    let owner = owner.ok_or_else(|| Refused::field("resource.network", &network, "The URL is malformed."))?;
    if ops::busy(cx.tx, &owner) {
        return Err(Refused::not_ready(&owner.path()));
    }
    check_ranges(cx.tx, &doc, named)?;
    quota::check(cx.tx, &named.project, None, "SUBNETWORKS", 1.0)?;
    let first = doc["ipCidrRange"].as_str().unwrap_or_default().to_owned();
    let gateway = first.parse::<Ipv4Net>().ok().and_then(|net| net.hosts().next());
    let defaults = [
        ("purpose", json!("PRIVATE")),
        ("stackType", json!("IPV4_ONLY")),
        ("privateIpGoogleAccess", json!(false)),
        ("privateIpv6GoogleAccess", json!("DISABLE_GOOGLE_ACCESS")),
    ];
    for (key, value) in defaults {
        if doc[key].is_null() {
            doc[key] = value;
        }
    }
    if doc["stackType"] != json!("IPV4_ONLY") {
        return Err(Refused::field("resource.stackType", doc["stackType"].clone(), "The sandbox has no IPv6."));
    }
    doc["gatewayAddress"] = json!(gateway);
    doc["fingerprint"] = json!(fingerprint(&doc.to_string()));
    let tail = cx.tx.hex(16);
    let route = Named::new(super::store::ROUTE, &named.project, Place::Global, &format!("default-route-r-{tail}"));
    let way = json!({
        "network": network, "destRange": first, "priority": 0, "nextHopNetwork": network, "_subnetwork": named.link(),
        "description": format!("Default local route to the subnetwork {first}."),
    });
    route.put(cx.tx, way, Origin::Builtin);
    Ok(Made { doc, usage: Vec::new(), span: (9, 18), fails: None })
}

fn router(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    if doc["network"].is_null() {
        return Err(Refused::required("resource.network"));
    }
    quota::check(cx.tx, &named.project, Some(&named.place), "ROUTERS", 1.0)?;
    check_nats(cx.tx, named, &mut doc)?;
    let with_nat = doc["nats"].as_array().is_some_and(|nats| !nats.is_empty());
    if with_nat {
        doc["_ips"] = json!([inside::public_ip(cx.tx)]);
    }
    let usage = inside::nat_usage(cx.tx, named, &doc);
    Ok(Made { doc, usage, span: if with_nat { (12, 25) } else { (4, 10) }, fails: None })
}

/// The NATs of a router: complete, and no two for the same ranges.
pub(super) fn check_nats(tx: &Tx<'_>, named: &Named, doc: &mut Value) -> Result<(), Refused> {
    let network = doc["network"].as_str().unwrap_or_default().to_owned();
    let mut names = Vec::new();
    let Some(nats) = doc.get_mut("nats").and_then(Value::as_array_mut) else { return Ok(()) };
    for (index, nat) in nats.iter_mut().enumerate() {
        let at = |field: &str| format!("resource.nats[{index}].{field}");
        let name = nat["name"].as_str().unwrap_or_default().to_owned();
        if !is_name(&name, 63) {
            return Err(Refused::field(&at("name"), &name, NAME));
        }
        if names.contains(&name) {
            return Err(Refused::field(&at("name"), &name, "Duplicate NAT name."));
        }
        names.push(name);
        let given = nat["natIps"].as_array().is_some_and(|ips| !ips.is_empty());
        match nat["natIpAllocateOption"].as_str() {
            Some("AUTO_ONLY") if given => {
                return Err(Refused::field(
                    &at("natIps"),
                    nat["natIps"].clone(),
                    "NAT IPs cannot be given with AUTO_ONLY.",
                ));
            }
            Some("MANUAL_ONLY") if !given => return Err(Refused::required(&at("natIps"))),
            Some(_) => {}
            None => return Err(Refused::required(&at("natIpAllocateOption"))),
        }
        for ip in nat.get_mut("natIps").and_then(Value::as_array_mut).into_iter().flatten() {
            let text = ip.as_str().unwrap_or_default();
            let address = Named::read(text, &named.project)
                .filter(|address| address.sort == ADDRESS && address.place == named.place);
            let address = address.ok_or_else(|| Refused::field(&at("natIps"), text, "The URL is malformed."))?;
            usable(tx, &address)?;
            *ip = json!(address.link());
        }
        let listed = nat["subnetworks"].as_array().is_some_and(|all| !all.is_empty());
        match nat["sourceSubnetworkIpRangesToNat"].as_str() {
            Some("LIST_OF_SUBNETWORKS") if !listed => return Err(Refused::required(&at("subnetworks"))),
            Some("LIST_OF_SUBNETWORKS") => {}
            Some(_) if listed => {
                let why = "Subnetworks cannot be listed unless sourceSubnetworkIpRangesToNat is LIST_OF_SUBNETWORKS.";
                return Err(Refused::field(&at("subnetworks"), nat["subnetworks"].clone(), why));
            }
            Some(_) => {}
            None => return Err(Refused::required(&at("sourceSubnetworkIpRangesToNat"))),
        }
        for subnet in nat.get_mut("subnetworks").and_then(Value::as_array_mut).into_iter().flatten() {
            let text = subnet["name"].as_str().unwrap_or_default().to_owned();
            let own =
                Named::read(&text, &named.project).filter(|own| own.sort == SUBNETWORK && own.place == named.place);
            let own = own.ok_or_else(|| Refused::field(&at("subnetworks"), &text, "The URL is malformed."))?;
            usable(tx, &own)?;
            if own.need(tx)?.text("network") != network {
                return Err(Refused::field(
                    &at("subnetworks"),
                    &text,
                    "The subnetwork is not in the router's network.",
                ));
            }
            if subnet["sourceIpRangesToNat"].as_array().is_none_or(Vec::is_empty) {
                return Err(Refused::required(&at("subnetworks.sourceIpRangesToNat")));
            }
            subnet["name"] = json!(own.link());
        }
        let dynamic = nat["enableDynamicPortAllocation"] == json!(true);
        if dynamic && nat["enableEndpointIndependentMapping"] == json!(true) {
            let why = "Endpoint-Independent Mapping and Dynamic Port Allocation cannot be both on.";
            return Err(Refused::field(&at("enableEndpointIndependentMapping"), "true", why));
        }
        for (key, value) in [
            ("enableEndpointIndependentMapping", json!(false)),
            ("endpointTypes", json!(["ENDPOINT_TYPE_VM"])),
            ("type", json!("PUBLIC")),
            ("minPortsPerVm", json!(if dynamic { 32 } else { 64 })),
        ] {
            if nat[key].is_null() {
                nat[key] = value;
            }
        }
        if nat["sourceSubnetworkIpRangesToNat"] != json!("LIST_OF_SUBNETWORKS")
            && let Some(other) =
                inside::nats_of(tx, &named.project, &named.place, &network).into_iter().find(|(who, _)| who != named)
        {
            let why = format!("The ranges are already covered by router '{}'.", other.0.name);
            return Err(Refused::field(
                &at("sourceSubnetworkIpRangesToNat"),
                nat["sourceSubnetworkIpRangesToNat"].clone(),
                &why,
            ));
        }
    }
    if names.len() > 50 {
        return Err(Refused::field("resource.nats", names.len(), "At most 50 NAT gateways a router."));
    }
    Ok(())
}

fn firewall(cx: &mut Cx<'_, '_>, mut doc: Value) -> Result<Made, Refused> {
    quota::check(cx.tx, cx.project.id, None, "FIREWALLS", 1.0)?;
    check_firewall(&doc)?;
    let default = format!("{LINK}projects/{}/global/networks/default", cx.project.id);
    let ingress = doc["direction"] != json!("EGRESS");
    let open = ["sourceRanges", "sourceTags", "sourceServiceAccounts"].iter().all(|key| doc[*key].is_null());
    for (key, value) in [
        ("network", json!(default)),
        ("priority", json!(1000)),
        ("direction", json!("INGRESS")),
        ("disabled", json!(false)),
        ("logConfig", json!({"enable": false})),
    ] {
        if doc[key].is_null() {
            doc[key] = value;
        }
    }
    if ingress && open {
        doc["sourceRanges"] = json!(["0.0.0.0/0"]);
    }
    Ok(Made { doc, usage: Vec::new(), span: (4, 9), fails: None })
}

/// A firewall says what it allows or what it denies.
pub(super) fn check_firewall(doc: &Value) -> Result<(), Refused> {
    let some = |key: &str| doc[key].as_array().is_some_and(|list| !list.is_empty());
    match (some("allowed"), some("denied")) {
        (false, false) => return Err(Refused::required("resource.allowed")),
        (true, true) => {
            return Err(Refused::field("resource", "", "Only one of allowed and denied can be specified."));
        }
        _ => {}
    }
    if doc["priority"].as_i64().is_some_and(|priority| !(0..=65_535).contains(&priority)) {
        return Err(Refused::field("resource.priority", doc["priority"].clone(), "Must be between 0 and 65535."));
    }
    let texts = ["sourceRanges", "destinationRanges"].iter().flat_map(|key| doc[*key].as_array().into_iter().flatten());
    for text in texts.filter_map(Value::as_str) {
        if text.parse::<ipnet::IpNet>().is_err() && text.parse::<std::net::IpAddr>().is_err() {
            return Err(Refused::field("resource.sourceRanges", text, "Must be a CIDR address range."));
        }
    }
    for rule in ["allowed", "denied"].iter().flat_map(|key| doc[*key].as_array().into_iter().flatten()) {
        if rule["IPProtocol"].as_str().is_none_or(str::is_empty) {
            return Err(Refused::required("resource.allowed[0].IPProtocol"));
        }
    }
    Ok(())
}

fn address(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    let internal = doc["addressType"] == json!("INTERNAL");
    if !internal {
        quota::check(cx.tx, &named.project, Some(&named.place), "STATIC_ADDRESSES", 1.0)?;
        doc["addressType"] = json!("EXTERNAL");
        if doc["networkTier"].is_null() {
            doc["networkTier"] = json!("PREMIUM");
        }
    } else if doc["subnetwork"].is_null() && doc["network"].is_null() {
        return Err(Refused::required("resource.subnetwork"));
    }
    if doc["address"].is_null() {
        doc["address"] = json!(if internal { inside::inner_ip(cx.tx, &doc) } else { inside::public_ip(cx.tx) });
    }
    let region = match &named.place {
        Place::Region(region) => region.clone(),
        _ => "us-central1".to_owned(),
    };
    let usage = if internal { Vec::new() } else { vec![component(&region, "static-ip-unused", Unit::Hour, 1.0)] };
    Ok(Made { doc, usage, span: (3, 6), fails: None })
}

fn forwarding(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    quota::check(cx.tx, &named.project, Some(&named.place), "FORWARDING_RULES", 1.0)?;
    if doc["target"].is_null() && doc["backendService"].is_null() {
        return Err(Refused::required("resource.target"));
    }
    if doc["IPAddress"].is_null() {
        doc["IPAddress"] = json!(inside::public_ip(cx.tx));
    } else if let Some(address) = Named::read(doc["IPAddress"].as_str().unwrap_or_default(), &named.project) {
        usable(cx.tx, &address)?;
        doc["_address"] = json!(address.link());
        doc["IPAddress"] = json!(address.need(cx.tx)?.text("address"));
    }
    for (key, value) in
        [("IPProtocol", json!("TCP")), ("loadBalancingScheme", json!("EXTERNAL")), ("networkTier", json!("PREMIUM"))]
    {
        if doc[key].is_null() {
            doc[key] = value;
        }
    }
    let region = match &named.place {
        Place::Region(region) => region.clone(),
        _ => "us-central1".to_owned(),
    };
    Ok(Made { doc, usage: vec![component(&region, "forwarding-rule", Unit::Hour, 1.0)], span: (6, 12), fails: None })
}

/// What a disk type is billed as.
pub(in crate::sandbox) fn disk_component(kind: &str) -> &'static str {
    match kind {
        "pd-ssd" => "pd-ssd",
        "pd-extreme" => "pd-extreme",
        "pd-balanced" => "pd-balanced",
        "hyperdisk-extreme" | "hyperdisk-balanced" | "hyperdisk-throughput" => "hyperdisk-extreme",
        _ => "pd-standard",
    }
}

fn disk(cx: &mut Cx<'_, '_>, named: &Named, mut doc: Value) -> Result<Made, Refused> {
    let Place::Zone(zone) = &named.place else { return Err(Refused::required("zone")) };
    let region = places::region_of(zone).unwrap_or_default();
    let gib: f64 = match &doc["sizeGb"] {
        Value::String(text) => text.parse().unwrap_or_default(),
        value => value.as_f64().unwrap_or(500.0),
    };
    if !(10.0..=65_536.0).contains(&gib) {
        return Err(Refused::field("resource.sizeGb", gib, "Disk size must be between 10 GB and 65536 GB."));
    }
    let kind = doc["type"].as_str().and_then(|link| link.rsplit('/').next()).unwrap_or("pd-standard").to_owned();
    if !super::reads::DISK_TYPES.iter().any(|(own, ..)| *own == kind) {
        return Err(Refused::not_found(format!(
            "The resource 'projects/{}/zones/{zone}/diskTypes/{kind}' was not found",
            named.project
        )));
    }
    let metric = if kind == "pd-standard" { "DISKS_TOTAL_GB" } else { "SSD_TOTAL_GB" };
    let fails = quota::shortage(cx.tx, &named.project, Some(region), metric, gib);
    doc["sizeGb"] = json!(format!("{gib}"));
    doc["type"] = json!(format!("{LINK}projects/{}/zones/{zone}/diskTypes/{kind}", named.project));
    doc["physicalBlockSizeBytes"] = json!("4096");
    Ok(Made { doc, usage: vec![component(region, disk_component(&kind), Unit::GbMonth, gib)], span: (3, 8), fails })
}

fn other(cx: &mut Cx<'_, '_>, sort: Sort, mut doc: Value) -> Result<Made, Refused> {
    let metric = match sort {
        TARGET_POOL => Some("TARGET_POOLS"),
        BACKEND => Some("BACKEND_SERVICES"),
        HEALTH_CHECK | HTTP_CHECK => Some("HEALTH_CHECKS"),
        GROUP => Some("INSTANCE_GROUPS"),
        ENDPOINT_GROUP => Some("NETWORK_ENDPOINT_GROUPS"),
        _ => None,
    };
    if let Some(metric) = metric {
        quota::check(cx.tx, cx.project.id, None, metric, 1.0)?;
    }
    if sort == GROUP || sort == ENDPOINT_GROUP {
        doc["size"] = json!(0);
    }
    Ok(Made { doc, usage: Vec::new(), span: (3, 9), fails: None })
}
