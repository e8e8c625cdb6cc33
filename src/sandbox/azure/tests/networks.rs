//! Networks: ranges, readiness, use, one write at a time.

use super::{Bench, address, id, net, vnet};
use crate::sandbox::azure::network::{NAT, SUBNET};
use serde_json::{Value, json};

#[test]
fn a_network_comes_with_its_operation() {
    let mut bench = Bench::new();
    bench.group();
    let made = bench.call("PUT", &net("virtualNetworks/v"), vnet(false)).expect("made");
    assert_eq!(made.http, 201);
    let body = made.body.clone().expect("a body");
    assert_eq!(body["properties"]["provisioningState"], "Updating");
    assert_eq!(body["properties"]["subnets"][0]["properties"]["addressPrefix"], "10.1.0.0/20");
    assert!(body["etag"].as_str().expect("an etag").starts_with("W/\""));
    assert_eq!(bench.operation(&made), json!({"status": "InProgress"}));
    bench.seconds(8);
    assert_eq!(bench.operation(&made), json!({"status": "Succeeded"}));
    assert_eq!(bench.get(&net("virtualNetworks/v"))["properties"]["provisioningState"], "Succeeded");
    let whole = bench.operation(&made);
    assert_eq!(whole["error"], Value::Null);
    // Whoever rebuilds the URL is refused.
    let url = Bench::header(&made, "azure-asyncoperation").replace("https://localhost:1", "");
    let short = url.split("&t=").next().expect("a start").to_owned();
    assert_eq!(bench.refused("GET", &short, Value::Null).code, "OperationNotFound");
}

#[test]
fn one_write_at_a_time_and_nothing_before_it_is_ready() {
    let mut bench = Bench::new();
    bench.group();
    bench.ok("PUT", &net("publicIPAddresses/ip"), address());
    let nat = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": id("Microsoft.Network/publicIPAddresses/ip")}]}});
    let error = bench.refused("PUT", &net("natGateways/nat"), nat.clone());
    assert_eq!((error.http, error.code.as_str()), (429, "ReferencedResourceNotProvisioned"));
    bench.seconds(10);
    bench.ok("PUT", &net("natGateways/nat"), nat);
    bench.seconds(30);
    bench.ok("PUT", &net("virtualNetworks/v"), vnet(true));
    let subnet = json!({"properties": {"addressPrefix": "10.1.16.0/20"}});
    let error = bench.refused("PUT", &net("virtualNetworks/v/subnets/more"), subnet.clone());
    assert_eq!((error.http, error.code.as_str()), (429, "AnotherOperationInProgress"));
    bench.seconds(10);
    bench.ok("PUT", &net("virtualNetworks/v/subnets/more"), subnet);
    bench.seconds(10);
    assert_eq!(bench.objects(SUBNET).len(), 2);
    // A PUT of the network is the whole list.
    bench.ok("PUT", &net("virtualNetworks/v"), vnet(true));
    bench.seconds(10);
    assert_eq!(bench.objects(SUBNET).len(), 1);
}

#[test]
fn ranges_fit_into_each_other() {
    let mut bench = Bench::new();
    bench.group();
    let mut code = |path: &str, value: Value| {
        let mut body = vnet(false);
        *body.pointer_mut(path).expect("a path") = value;
        bench.refused("PUT", &net("virtualNetworks/v"), body).code
    };
    let prefix = "/properties/subnets/0/properties/addressPrefix";
    assert_eq!(code(prefix, json!("10.2.0.0/20")), "NetcfgInvalidSubnet");
    assert_eq!(code(prefix, json!("10.1.0.1/20")), "InvalidCIDRNotation");
    assert_eq!(code(prefix, json!("ten")), "InvalidAddressPrefixFormat");
    assert_eq!(code(prefix, json!("10.1.0.0/30")), "NetcfgInvalidSubnet");
    assert_eq!(code("/properties/addressSpace/addressPrefixes", json!([])), "VnetAddressSpaceRequired");
    let two = json!([
        {"name": "a", "properties": {"addressPrefix": "10.1.0.0/20"}},
        {"name": "b", "properties": {"addressPrefix": "10.1.8.0/24"}},
    ]);
    assert_eq!(code("/properties/subnets", two), "NetcfgSubnetRangesOverlap");
    assert_eq!(code("/location", json!("mars")), "LocationNotAvailableForResourceType");
    assert_eq!(code("/properties/addressSpace", json!({"prefixes": []})), "InvalidRequestContent");
}

#[test]
fn what_is_in_use_stays() {
    let mut bench = Bench::new();
    bench.network();
    assert_eq!(
        bench.refused("DELETE", &net("publicIPAddresses/ip"), Value::Null).code,
        "PublicIPAddressCannotBeDeleted"
    );
    assert_eq!(bench.refused("DELETE", &net("natGateways/nat"), Value::Null).code, "InUseNatGatewayCannotBeDeleted");
    let shown = bench.get(&net("publicIPAddresses/ip"));
    assert_eq!(shown["properties"]["natGateway"]["id"], id("Microsoft.Network/natGateways/nat"));
    let gone = bench.call("DELETE", &net("virtualNetworks/v"), Value::Null).expect("accepted");
    assert_eq!(gone.http, 202);
    bench.seconds(15);
    assert_eq!(bench.operation(&gone), json!({"status": "Succeeded"}));
    assert_eq!(bench.refused("GET", &net("virtualNetworks/v"), Value::Null).code, "ResourceNotFound");
    assert_eq!(bench.call("DELETE", &net("virtualNetworks/v"), Value::Null).expect("gone").http, 204);
    bench.ok("DELETE", &net("natGateways/nat"), Value::Null);
    bench.seconds(20);
    bench.ok("DELETE", &net("publicIPAddresses/ip"), Value::Null);
    bench.seconds(20);
    assert!(bench.objects(NAT).is_empty());
}

#[test]
fn etags_guard_what_was_read() {
    let mut bench = Bench::new();
    bench.network();
    let at = net("virtualNetworks/v");
    let error = bench.with("PUT", &at, vnet(true), None, Some("*")).expect_err("it stands");
    assert_eq!((error.http, error.code.as_str()), (412, "PreconditionFailed"));
    let etag = bench.get(&at)["etag"].as_str().expect("an etag").to_owned();
    bench.with("PUT", &at, vnet(true), Some(&etag), None).expect("unchanged");
    bench.seconds(10);
    let error = bench.with("PUT", &at, vnet(true), Some(&etag), None).expect_err("it changed");
    assert_eq!((error.http, error.code.as_str()), (412, "EtagMismatch"));
    let error = bench.with("PUT", &net("virtualNetworks/w"), vnet(true), Some(&etag), None).expect_err("nothing there");
    assert_eq!(error.http, 412);
}

#[test]
fn addresses_are_standard_and_static() {
    let mut bench = Bench::new();
    bench.group();
    let mut body = address();
    body["properties"]["publicIPAllocationMethod"] = json!("Dynamic");
    assert_eq!(
        bench.refused("PUT", &net("publicIPAddresses/ip"), body).code,
        "StandardSkuPublicIPAddressesMustBeStatic"
    );
    let mut body = address();
    body["sku"]["name"] = json!("Basic");
    assert_eq!(bench.refused("PUT", &net("publicIPAddresses/ip"), body).code, "IPv4BasicSkuPublicIpCountLimitReached");
    let mut body = address();
    body["zones"] = json!(["4"]);
    assert_eq!(
        bench.refused("PUT", &net("publicIPAddresses/ip"), body).code,
        "LocationDoesNotSupportAvailabilityZones"
    );
    let lost = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": id("Microsoft.Network/publicIPAddresses/none")}]}});
    assert_eq!(bench.refused("PUT", &net("natGateways/nat"), lost).code, "InvalidResourceReference");
}
