//! Subscriptions, registrations, groups, tags, locks, identities, roles.

use super::{Bench, SUBSCRIPTION, id, net, vnet};
use crate::sandbox::{
    azure::{OBJECT_ID, managedidentity::IDENTITY, resources::PROVIDER},
    world::{Closed, Settings},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const RG: &str = "/resourceGroups/g?api-version=2024-11-01";
const NETWORK_CONTRIBUTOR: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";

#[test]
fn versions_are_asked_for_and_judged() {
    let mut bench = Bench::new();
    assert_eq!(bench.refused("GET", "/resourceGroups", Value::Null).code, "MissingApiVersionParameter");
    assert_eq!(bench.refused("GET", "/resourceGroups?api-version=x", Value::Null).code, "InvalidApiVersionParameter");
    bench.group();
    let late = id("Microsoft.Network/virtualNetworks/v") + "?api-version=2031-01-01";
    let error = bench.refused("GET", &late, Value::Null);
    assert_eq!(error.code, "NoRegisteredProviderFound");
    assert!(error.message.contains("supported api-versions are"));
    let other = "/subscriptions/11111111-1111-4111-8111-111111111111?api-version=2022-12-01";
    assert_eq!(bench.refused("GET", other, Value::Null).code, "SubscriptionNotFound");
    assert_eq!(
        bench.refused("GET", "/subscriptions/x?api-version=2022-12-01", Value::Null).code,
        "InvalidSubscriptionId"
    );
}

#[test]
fn a_fresh_subscription_registers_first() {
    let mut bench = Bench::fresh(Settings::default());
    bench.group();
    let error = bench.refused("PUT", &net("virtualNetworks/v"), vnet(false));
    assert_eq!((error.http, error.code.as_str()), (409, "MissingSubscriptionRegistration"));
    let at = "/providers/Microsoft.Network?api-version=2024-11-01";
    assert_eq!(bench.get(at)["registrationState"], "NotRegistered");
    let begun = bench.ok("POST", "/providers/Microsoft.Network/register?api-version=2024-11-01", Value::Null);
    assert_eq!(begun["registrationState"], "Registering");
    bench.seconds(30);
    assert_eq!(bench.get(at)["registrationState"], "Registering");
    bench.minutes(3);
    assert_eq!(bench.get(at)["registrationState"], "Registered");
    bench.ok("PUT", &net("virtualNetworks/v"), vnet(false));
    assert!(bench.objects(PROVIDER).len() >= 5);
}

#[test]
fn groups_stand_at_once_and_go_with_everything_in_them() {
    let mut bench = Bench::new();
    let made = bench.call("PUT", RG, json!({"location": "East US", "tags": {"a": "b"}})).expect("made");
    assert_eq!((made.http, &made.body.expect("a body")["location"]), (201, &json!("eastus")));
    assert_eq!(bench.call("PUT", RG, json!({"location": "eastus"})).expect("again").http, 200);
    assert_eq!(bench.refused("PUT", RG, json!({"location": "westus"})).code, "InvalidResourceGroupLocation");
    assert_eq!(bench.refused("PUT", RG, json!({"location": "eu-west-1"})).code, "LocationNotAvailableForResourceType");
    assert_eq!(bench.refused("PUT", RG, json!({"location": "eastus", "tag": {}})).code, "InvalidRequestContent");
    assert_eq!(
        bench.refused("PUT", "/resourceGroups/g.?api-version=2024-11-01", json!({"location": "eastus"})).code,
        "InvalidResourceGroup"
    );
    bench.network();
    let gone = bench.call("DELETE", RG, Value::Null).expect("accepted");
    assert_eq!(gone.http, 202);
    assert_eq!(Bench::header(&gone, "azure-asyncoperation"), "", "groups have a Location only");
    let location = Bench::header(&gone, "location").replace("https://localhost:1", "");
    assert_eq!(bench.get(RG)["properties"]["provisioningState"], "Deleting");
    assert_eq!(bench.refused("PUT", RG, json!({"location": "eastus"})).code, "ResourceGroupBeingDeleted");
    assert_eq!(bench.refused("PUT", &net("virtualNetworks/w"), vnet(false)).code, "ResourceGroupBeingDeleted");
    assert_eq!(bench.call("GET", &location, Value::Null).expect("pending").http, 202);
    bench.minutes(3);
    assert_eq!(bench.call("GET", &location, Value::Null).expect("done").http, 200);
    assert_eq!(bench.refused("GET", RG, Value::Null).code, "ResourceGroupNotFound");
    assert!(!bench.world.objects().any(|object| object.id.contains("/resourceGroups/g")));
    assert_eq!(bench.refused("DELETE", RG, Value::Null).code, "ResourceGroupNotFound");
}

#[test]
fn a_lock_keeps_a_group_and_what_is_in_it() {
    let mut bench = Bench::new();
    bench.network();
    let lock = id("Microsoft.Network/virtualNetworks/v")
        + "/providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01";
    bench.ok("PUT", &lock, json!({"properties": {"level": "CanNotDelete"}}));
    let error = bench.refused("DELETE", RG, Value::Null);
    assert_eq!((error.http, error.code.as_str()), (409, "ScopeLocked"));
    assert_eq!(bench.refused("DELETE", &net("virtualNetworks/v"), Value::Null).code, "ScopeLocked");
    let list = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Authorization/locks?api-version=2020-05-01"
    );
    assert_eq!(bench.get(&list)["value"][0]["properties"]["level"], "CanNotDelete");
    bench.ok("DELETE", &lock, Value::Null);
    assert_eq!(bench.call("DELETE", RG, Value::Null).expect("accepted").http, 202);
}

#[test]
fn the_list_of_everything_follows_after_a_while() {
    let slow = Settings { read_lag_ms: (20_000, 20_000), ..Settings::default() };
    let mut bench = Bench::fresh(slow);
    bench.ok("POST", "/providers/Microsoft.Network/register?api-version=2024-11-01", Value::Null);
    bench.minutes(4);
    bench.group();
    bench.ok("PUT", &net("virtualNetworks/v"), vnet(false));
    let by_tag = "/resources?api-version=2024-11-01&$filter=tagName eq 'kubewright-stack' and tagValue eq 'demo-1'";
    assert_eq!(bench.get(by_tag)["value"], json!([]));
    bench.seconds(25);
    let found = bench.get(by_tag);
    assert_eq!(found["value"][0]["type"], "Microsoft.Network/virtualNetworks");
    assert_eq!(found["value"][0]["provisioningState"], Value::Null);
    let expanded =
        bench.get("/resourceGroups/g/resources?api-version=2024-11-01&$expand=provisioningState,createdTime");
    assert_eq!(expanded["value"][0]["provisioningState"], "Succeeded");
    assert_eq!(bench.get(&by_tag.replace("demo-1", "demo-2"))["value"], json!([]));
    let groups = bench.get("/resourcegroups?api-version=2024-11-01&$filter=tagName eq 'kubewright-stack'");
    assert_eq!(groups["value"][0]["name"], "g");
}

fn role(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01")
}

fn assignment(principal: &Value, kind: Option<&str>) -> Value {
    let role = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{NETWORK_CONTRIBUTOR}"
    );
    json!({"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": kind}})
}

#[test]
fn principals_and_roles_spread_slowly() {
    let mut bench = Bench::new();
    let subnet = bench.network();
    let at = id("Microsoft.ManagedIdentity/userAssignedIdentities/demo-id") + "?api-version=2024-11-30";
    let made = bench.call("PUT", &at, json!({"location": "eastus"})).expect("made");
    let identity = made.body.expect("a body");
    assert_eq!((made.http, identity["type"].as_str()), (201, Some("Microsoft.ManagedIdentity/userAssignedIdentities")));
    let principal = &identity["properties"]["principalId"];
    let one = role(&subnet, "5a4d0000-0000-4000-8000-0000000000aa");
    let error = bench.refused("PUT", &one, assignment(principal, None));
    assert_eq!((error.http, error.code.as_str()), (400, "PrincipalNotFound"));
    let given = bench.call("PUT", &one, assignment(principal, Some("ServicePrincipal"))).expect("given");
    assert_eq!(given.http, 201);
    // The same again is the same; the same under another name is refused.
    assert_eq!(bench.call("PUT", &one, assignment(principal, Some("ServicePrincipal"))).expect("again").http, 200);
    let other = role(&subnet, "5a4d0000-0000-4000-8000-0000000000bb");
    assert_eq!(bench.refused("PUT", &other, assignment(principal, None).clone()).code, "PrincipalNotFound");
    bench.minutes(1);
    assert_eq!(bench.refused("PUT", &other, assignment(principal, None)).code, "RoleAssignmentExists");
    assert_eq!(
        bench.refused("PUT", &role(&subnet, "no-guid"), assignment(principal, None)).code,
        "InvalidRoleAssignmentId"
    );
    let listed = bench.get(&format!(
        "{subnet}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()"
    ));
    assert!(
        listed["value"].as_array().expect("a list").iter().any(|one| &one["properties"]["principalId"] == principal)
    );
    // The identity goes, the assignment stays behind.
    bench.ok("DELETE", &at, Value::Null);
    assert!(bench.objects(IDENTITY).is_empty());
    assert_eq!(&bench.get(&one)["properties"]["principalId"], principal);
    assert_eq!(bench.call("DELETE", &one, Value::Null).expect("taken").http, 200);
    assert_eq!(bench.call("DELETE", &one, Value::Null).expect("gone").http, 204);
}

#[test]
fn a_custom_role_limits_what_the_default_principal_may_do() {
    let role = json!({"Name": "r", "Actions": ["*/read", "Microsoft.Resources/subscriptions/resourceGroups/write"], "AssignableScopes": [format!("/subscriptions/{SUBSCRIPTION}")]});
    let mut bench = Bench::fresh(Settings { policies: vec![role.to_string()], ..Settings::default() });
    bench.group();
    let error = bench.refused("DELETE", RG, Value::Null);
    assert_eq!((error.http, error.code.as_str()), (403, "AuthorizationFailed"));
    assert!(
        error.message.contains("'Microsoft.Resources/subscriptions/resourceGroups/delete'")
            && error.message.contains(OBJECT_ID)
    );
    let may = bench.get(&format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    ));
    assert_eq!(may["value"][0]["actions"][0], "*/read");
    let asked = bench.world.actions()["Microsoft.Resources/subscriptions/resourceGroups/delete"].denied;
    assert_eq!(asked, 1);
}

#[test]
fn closed_locations_and_used_up_quotas() {
    let closed = BTreeMap::from([("westeurope".to_owned(), Closed::Denied), ("uksouth".to_owned(), Closed::Off)]);
    let quotas = BTreeMap::from([("network/PublicIPAddresses".to_owned(), 0.0)]);
    let mut bench = Bench::fresh(Settings { closed, quotas, ..Settings::default() });
    let error = bench.refused("PUT", RG, json!({"location": "westeurope"}));
    assert_eq!((error.http, error.code.as_str()), (403, "RequestDisallowedByPolicy"));
    assert_eq!(bench.refused("PUT", RG, json!({"location": "uksouth"})).code, "LocationNotAvailableForResourceType");
    bench.ok("POST", "/providers/Microsoft.Network/register?api-version=2024-11-01", Value::Null);
    bench.minutes(4);
    bench.group();
    assert_eq!(bench.refused("PUT", &net("publicIPAddresses/ip"), super::address()).code, "PublicIPCountLimitReached");
    let usages = bench.get("/providers/Microsoft.Network/locations/eastus/usages?api-version=2025-03-01");
    let one =
        usages["value"].as_array().expect("a list").iter().find(|one| one["name"]["value"] == "PublicIPAddresses");
    assert_eq!(one.map(|one| one["limit"].clone()), Some(json!(0)));
}
