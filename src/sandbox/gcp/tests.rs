//! Rules of Google's APIs, tried at the gate's own door without HTTP. Every reply is held against the documents, too.

use super::{gate::Request, keys::Keys, tables::replies, *};
use crate::sandbox::world::{Birth, NoLog, Settings, World};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// A world with Google's projects in it, and its clock.
pub(in crate::sandbox) struct Rig {
    pub(in crate::sandbox) world: World,
    keys: Keys,
    pub(in crate::sandbox) caller: Caller,
    now: Timestamp,
    doomed: bool,
}

const ROOT: &str = "compute/v1/projects/kubewright-sandbox";

impl Rig {
    /// With every API on and no lags.
    pub(in crate::sandbox) fn new() -> Self {
        Self::with(Settings { read_lag_ms: (0, 0), iam_lag_ms: (0, 0), ..Settings::default() })
    }

    pub(in crate::sandbox) fn with(settings: Settings) -> Self {
        let mut rig = Self::fresh(settings);
        rig.within(|tx| services::turn_on_now(tx, PROJECT, &["compute.googleapis.com", "container.googleapis.com"]));
        rig
    }

    /// As a project is on its first day.
    pub(in crate::sandbox) fn fresh(settings: Settings) -> Self {
        let epoch: Timestamp = "2026-11-20T12:00:00Z".parse().expect("valid");
        let birth = Birth { version: 1, id: "00000007".to_owned(), seed: 7, epoch, settings };
        let world = World::create(birth, Box::new(NoLog)).expect("a log that forgets does not fail");
        let caller = Caller { email: ACCOUNT.to_owned(), scopes: vec![token::SCOPE.to_owned()] };
        let mut rig = Self { world, keys: Keys::generate().expect("a key"), caller, now: epoch, doomed: false };
        let key = rig.keys.public();
        rig.within(|tx| places::PROJECTS.iter().for_each(|project| furnish(tx, &Scope::global(project.id), &key)));
        rig
    }

    pub(in crate::sandbox) fn within<R>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        let mut tx = self.world.begin(self.now);
        let result = work(&mut tx);
        tx.commit().expect("a log that forgets does not fail");
        result
    }

    /// What calls make from here on never becomes usable.
    pub(in crate::sandbox) fn doom(&mut self, doomed: bool) {
        self.doomed = doomed;
    }

    pub(in crate::sandbox) fn now(&self) -> Timestamp {
        self.now
    }

    /// A token of somebody, for so many seconds from now.
    pub(in crate::sandbox) fn token(&self, email: &str, secs: i64) -> String {
        let says = json!({"sub": email, "exp": self.now.as_second() + secs, "scope": token::SCOPE});
        self.keys.seal(&says).expect("signs")
    }

    pub(in crate::sandbox) fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.world.advance(self.now, happen).expect("a log that forgets does not fail");
    }

    /// A call, `networks?filter=x` under the project or a whole path from `/`.
    pub(in crate::sandbox) fn call(&mut self, verb: &str, path: &str, body: Value) -> Result<Value, Refused> {
        let whole = path.strip_prefix('/').map_or_else(|| format!("{ROOT}/{path}"), ToOwned::to_owned);
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (request, held) =
            Request::read(verb, path, query, &bytes).unwrap_or_else(|| panic!("no route {verb} {path}"));
        held?;
        let mut tx = self.world.begin(self.now);
        if self.doomed {
            tx.doom();
        }
        let reply = request.perform(&mut tx, &self.keys, &self.caller, self.now.as_second())?;
        tx.commit().expect("a log that forgets does not fail");
        if let Err(why) = replies::judge(verb, &gate::segments(path), &reply) {
            panic!("{verb} {path} answers what the documents do not have: {why}");
        }
        Ok(reply)
    }

    pub(in crate::sandbox) fn ok(&mut self, verb: &str, path: &str, body: Value) -> Value {
        self.call(verb, path, body)
            .unwrap_or_else(|refused| panic!("{verb} {path}: {} {}", refused.http, refused.message))
    }

    pub(in crate::sandbox) fn get(&mut self, path: &str) -> Value {
        self.ok("GET", path, Value::Null)
    }

    pub(in crate::sandbox) fn refused(&mut self, verb: &str, path: &str, body: Value) -> Refused {
        match self.call(verb, path, body) {
            Err(refused) => refused,
            Ok(reply) => panic!("{verb} {path} should be refused: {reply}"),
        }
    }

    /// A change, waited for; its operation as it ended.
    pub(in crate::sandbox) fn done(&mut self, verb: &str, path: &str, body: Value) -> Value {
        let op = self.ok(verb, path, body);
        let link = op["selfLink"].as_str().expect("an operation").to_owned();
        self.wait(60);
        let op = self.get(&format!("/{}", link.trim_start_matches("https://www.googleapis.com/")));
        assert_eq!(op["status"], "DONE");
        op
    }

    pub(in crate::sandbox) fn network(&mut self, name: &str) {
        let op = self.done("POST", "global/networks", json!({"name": name, "autoCreateSubnetworks": false}));
        assert_eq!(op.get("error"), None);
    }

    pub(in crate::sandbox) fn subnet(&mut self, network: &str, name: &str) {
        let body = json!({
            "name": name, "network": format!("global/networks/{network}"), "ipCidrRange": "10.0.0.0/20",
            "privateIpGoogleAccess": true,
            "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}, {"rangeName": "services", "ipCidrRange": "10.8.0.0/20"}],
        });
        assert_eq!(self.done("POST", "regions/europe-west4/subnetworks", body).get("error"), None);
    }
}

fn reasons(refused: &Refused) -> (u16, &str) {
    (refused.http, refused.reason)
}

#[test]
fn networks_live_and_die_with_what_hangs_in_them() {
    let mut rig = Rig::new();
    rig.network("n1");
    let again = rig.refused("POST", "global/networks", json!({"name": "n1", "autoCreateSubnetworks": false}));
    assert_eq!(reasons(&again), (409, "alreadyExists"));
    rig.subnet("n1", "s1");
    let router = json!({"name": "r1", "network": "projects/kubewright-sandbox/global/networks/n1", "nats": [{
        "name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        "enableDynamicPortAllocation": true}]});
    rig.done("POST", "regions/europe-west4/routers", router.clone());
    let mut second = router;
    second["name"] = json!("r2");
    assert_eq!(rig.refused("POST", "regions/europe-west4/routers", second).http, 400);
    let network = rig.get("global/networks/n1");
    assert_eq!(network["subnetworks"].as_array().map(Vec::len), Some(1));
    let used = rig.refused("DELETE", "global/networks/n1", Value::Null);
    assert_eq!(reasons(&used), (400, "resourceInUseByAnotherResource"));
    assert!(
        used.message.contains("is already being used by 'projects/kubewright-sandbox/regions/europe-west4/"),
        "{}",
        used.message
    );
    assert_eq!(rig.done("DELETE", "regions/europe-west4/routers/r1", Value::Null).get("error"), None);
    assert_eq!(rig.done("DELETE", "regions/europe-west4/subnetworks/s1", Value::Null).get("error"), None);
    assert_eq!(rig.done("DELETE", "global/networks/n1", Value::Null)["operationType"], "delete");
    assert_eq!(reasons(&rig.refused("GET", "global/networks/n1", Value::Null)), (404, "notFound"));
    let left: Vec<String> = rig.within(|tx| {
        let own =
            tx.all().filter(|o| o.service == "compute" && o.kind != "operation" && o.text("network").ends_with("/n1"));
        own.map(|object| object.id.clone()).collect()
    });
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_is_not_ready_is_not_built_upon() {
    let mut rig = Rig::new();
    rig.ok("POST", "global/networks", json!({"name": "n1", "autoCreateSubnetworks": false}));
    let subnet = json!({"name": "s1", "network": "global/networks/n1", "ipCidrRange": "10.0.0.0/20"});
    let early = rig.refused("POST", "regions/europe-west4/subnetworks", subnet.clone());
    assert_eq!(reasons(&early), (400, "resourceNotReady"));
    assert_eq!(reasons(&rig.refused("DELETE", "global/networks/n1", Value::Null)), (400, "resourceNotReady"));
    rig.wait(60);
    rig.ok("POST", "regions/europe-west4/subnetworks", subnet.clone());
    let nowhere = json!({"name": "s2", "network": "global/networks/none", "ipCidrRange": "10.1.0.0/20"});
    assert_eq!(rig.refused("POST", "regions/europe-west4/subnetworks", nowhere).http, 404);
    let bare = json!({"name": "s2", "network": "n1", "ipCidrRange": "10.1.0.0/20"});
    assert!(rig.refused("POST", "regions/europe-west4/subnetworks", bare).message.contains("The URL is malformed"));
}

#[test]
fn ranges_are_held_apart() {
    let mut rig = Rig::new();
    rig.network("n1");
    rig.subnet("n1", "s1");
    for (range, why) in [
        ("10.0.8.0/24", "conflicts with existing subnetwork 's1' in region 'europe-west4'"),
        ("10.5.0.0/16", "conflicts with existing"),
        ("10.0.0.1/20", "host bits"),
        ("10.0.0.0/30", "between 8 and 29"),
        ("127.0.0.0/16", "prohibited"),
        ("ten", "Must be a CIDR"),
    ] {
        let body = json!({"name": "s2", "network": "global/networks/n1", "ipCidrRange": range});
        let refused = rig.refused("POST", "regions/us-central1/subnetworks", body);
        assert!(refused.message.contains(why), "{range}: {}", refused.message);
    }
    let own = json!({"name": "s2", "network": "global/networks/n1", "ipCidrRange": "10.64.0.0/20",
        "secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.64.8.0/24"}]});
    assert!(rig.refused("POST", "regions/us-central1/subnetworks", own).message.contains("same subnetwork"));
}

#[test]
fn names_fields_and_places_are_checked() {
    let mut rig = Rig::new();
    let bad = rig.refused("POST", "global/networks", json!({"name": "BAD_NAME!!", "autoCreateSubnetworks": false}));
    assert!(bad.message.contains("Must be a match of regex"), "{}", bad.message);
    let typo = rig.refused("POST", "global/networks", json!({"name": "n", "autoCreateSubnetwork": false}));
    assert!(typo.message.contains("Unknown name \"autoCreateSubnetwork\""), "{}", typo.message);
    assert_eq!(rig.refused("POST", "global/networks", json!({"autoCreateSubnetworks": false})).reason, "required");
    assert!(rig.refused("GET", "regions/eu-west-1/subnetworks", Value::Null).message.contains("Unknown region"));
    assert_eq!(rig.refused("GET", "/compute/v1/projects/elsewhere/global/networks", Value::Null).http, 404);
    assert_eq!(rig.refused("GET", "/v1/projects/elsewhere", Value::Null).http, 403);
}

#[test]
fn a_request_id_replays_its_operation() {
    let mut rig = Rig::new();
    let path = "global/networks?requestId=6f3a1c9e-2b57-4c1d-9e3b-1a2b3c4d5e6f";
    let body = json!({"name": "n1", "autoCreateSubnetworks": false});
    let first = rig.ok("POST", path, body.clone());
    let second = rig.ok("POST", path, body);
    assert_eq!(first["name"], second["name"]);
    rig.wait(60);
    let other = json!({"name": "n2", "autoCreateSubnetworks": false});
    assert!(rig.refused("POST", path, other.clone()).message.contains("different request"));
    let zero = "global/networks?requestId=00000000-0000-0000-0000-000000000000";
    assert_eq!(rig.refused("POST", zero, other).http, 400);
}

#[test]
fn quotas_are_counted_and_kept() {
    let quotas = BTreeMap::from([("compute/NETWORKS".to_owned(), 2.0), ("compute/SSD_TOTAL_GB".to_owned(), 50.0)]);
    let mut rig = Rig::with(Settings { quotas, read_lag_ms: (0, 0), iam_lag_ms: (0, 0), ..Settings::default() });
    rig.network("n1");
    let full = rig.refused("POST", "global/networks", json!({"name": "n2", "autoCreateSubnetworks": false}));
    assert_eq!(reasons(&full), (403, "quotaExceeded"));
    assert_eq!(full.body(true)["error"]["errors"][0]["domain"], "usageLimits");
    let disk = json!({"name": "d1", "sizeGb": "100", "type": "zones/europe-west4-a/diskTypes/pd-balanced"});
    let op = rig.done("POST", "zones/europe-west4-a/disks", disk);
    let error = &op["error"]["errors"][0];
    assert_eq!((error["code"].as_str(), op["httpErrorStatusCode"].as_i64()), (Some("QUOTA_EXCEEDED"), Some(403)));
    assert_eq!(error["errorDetails"][0]["quotaInfo"]["limit"], 50.0);
    assert_eq!(rig.refused("GET", "zones/europe-west4-a/disks/d1", Value::Null).http, 404);
    let region = rig.get("regions/europe-west4");
    let quota = region["quotas"].as_array().and_then(|all| all.iter().find(|quota| quota["metric"] == "SSD_TOTAL_GB"));
    assert_eq!(quota.map(|quota| (quota["limit"].as_f64(), quota["usage"].as_f64())), Some((Some(50.0), Some(0.0))));
    assert!(
        rig.get("/compute/v1/projects/kubewright-sandbox")["quotas"]
            .as_array()
            .is_some_and(|all| all.iter().any(|q| q["metric"] == "NETWORKS" && q["usage"] == 2.0))
    );
}

#[test]
fn lists_filter_and_page() {
    let mut rig = Rig::new();
    for name in ["d1", "d2", "d3"] {
        let labels = json!({"kubewright-stack": if name == "d3" { "other" } else { "demo-1" }});
        let disk = json!({"name": name, "sizeGb": "10", "labels": labels, "type": "zones/europe-west4-a/diskTypes/pd-balanced"});
        rig.done("POST", "zones/europe-west4-a/disks", disk);
    }
    let found =
        rig.get("aggregated/disks?filter=labels.kubewright-stack%3Ddemo-1&maxResults=1&returnPartialSuccess=true");
    assert_eq!(found["items"]["zones/europe-west4-a"]["disks"].as_array().map(Vec::len), Some(1));
    let next = found["nextPageToken"].as_str().expect("more").to_owned();
    let rest =
        rig.get(&format!("aggregated/disks?filter=labels.kubewright-stack%3Ddemo-1&maxResults=1&pageToken={next}"));
    assert_eq!(rest["items"]["zones/europe-west4-a"]["disks"][0]["name"], "d2");
    assert_eq!(rest.get("nextPageToken"), None);
    assert_eq!(rig.refused("GET", "aggregated/disks?filter=nonsense", Value::Null).http, 400);
    let labels = rig.get("zones/europe-west4-a/disks/d1");
    let stale = json!({"labels": {"a": "b"}, "labelFingerprint": "xxxx"});
    assert_eq!(rig.refused("POST", "zones/europe-west4-a/disks/d1/setLabels", stale).http, 412);
    let fresh = json!({"labels": {"a": "b"}, "labelFingerprint": labels["labelFingerprint"]});
    rig.done("POST", "zones/europe-west4-a/disks/d1/setLabels", fresh);
    assert_eq!(rig.get("zones/europe-west4-a/disks/d1")["labels"]["a"], "b");
}

#[test]
fn an_api_must_be_on() {
    let mut rig = Rig::fresh(Settings { iam_lag_ms: (20_000, 20_000), read_lag_ms: (0, 0), ..Settings::default() });
    let off = rig.refused("GET", "global/networks", Value::Null);
    assert_eq!((off.http, off.details[0]["reason"].as_str()), (403, Some("SERVICE_DISABLED")));
    let state = rig.get("/v1/projects/kubewright-sandbox/services:batchGet?names=projects/kubewright-sandbox/services/container.googleapis.com&names=projects/kubewright-sandbox/services/iam.googleapis.com");
    assert_eq!(
        (&state["services"][0]["state"], &state["services"][1]["state"]),
        (&json!("DISABLED"), &json!("ENABLED"))
    );
    let ask = json!({"serviceIds": ["container.googleapis.com", "compute.googleapis.com"]});
    let op = rig.ok("POST", "/v1/projects/kubewright-sandbox/services:batchEnable", ask.clone());
    assert_eq!(op["done"], false);
    let twice = rig.refused("POST", "/v1/projects/kubewright-sandbox/services:batchEnable", ask.clone());
    assert!(twice.message.contains("Another activation or deactivation is in progress"));
    rig.wait(26);
    let op = rig.get(&format!("/v1/{}", op["name"].as_str().expect("a name")));
    assert_eq!((op["done"].as_bool(), op["response"]["services"].as_array().map(Vec::len)), (Some(true), Some(2)));
    assert_eq!(rig.refused("GET", "global/networks", Value::Null).http, 403);
    rig.wait(21);
    assert_eq!(rig.get("global/networks")["items"][0]["name"], "default");
    let again = rig.ok("POST", "/v1/projects/kubewright-sandbox/services:batchEnable", ask);
    assert_eq!((again["done"].as_bool(), again["name"].as_str()), (Some(true), Some("operations/noop.DONE_OPERATION")));
    assert_eq!(
        rig.refused("GET", "/v1/projects/kubewright-sandbox/services/eks.googleapis.com", Value::Null).http,
        403
    );
}

#[test]
fn accounts_and_their_roles() {
    let mut rig =
        Rig::with(Settings { iam_lag_ms: (30_000, 30_000), read_lag_ms: (2_000, 2_000), ..Settings::default() });
    let make =
        json!({"accountId": "nodes-1a2b3c4d", "serviceAccount": {"displayName": "nodes", "description": "of demo"}});
    let made = rig.ok("POST", "/v1/projects/kubewright-sandbox/serviceAccounts", make.clone());
    let email = "nodes-1a2b3c4d@kubewright-sandbox.iam.gserviceaccount.com";
    assert_eq!(made["email"], email);
    let path = format!("/v1/projects/kubewright-sandbox/serviceAccounts/{email}");
    assert_eq!(rig.refused("GET", &path, Value::Null).http, 404);
    assert_eq!(rig.refused("POST", "/v1/projects/kubewright-sandbox/serviceAccounts", make).status, "ALREADY_EXISTS");
    rig.wait(3);
    rig.get(&path);
    let policy_path = "/v1/projects/kubewright-sandbox";
    let mut policy = rig.ok("POST", &format!("{policy_path}:getIamPolicy"), json!({}));
    let binding =
        json!({"role": "roles/container.defaultNodeServiceAccount", "members": [format!("serviceAccount:{email}")]});
    policy["bindings"].as_array_mut().expect("bindings").push(binding);
    let early = rig.refused("POST", &format!("{policy_path}:setIamPolicy"), json!({"policy": policy}));
    assert!(early.message.contains("does not exist"), "{}", early.message);
    rig.wait(30);
    rig.ok("POST", &format!("{policy_path}:setIamPolicy"), json!({"policy": policy}));
    let stale = rig.refused("POST", &format!("{policy_path}:setIamPolicy"), json!({"policy": policy}));
    assert_eq!((stale.http, stale.status), (409, "ABORTED"));
    assert!(rig.within(|tx| permissions::may_be_node(tx, PROJECT, email)));
    rig.ok("DELETE", &path, Value::Null);
    let policy = rig.ok("POST", &format!("{policy_path}:getIamPolicy"), json!({}));
    assert!(policy.to_string().contains("deleted:serviceAccount:nodes-1a2b3c4d@"), "{policy}");
    for bad in ["short", "Upper-case-name", "ends-with-dash-", "x"] {
        let body = json!({"accountId": bad});
        assert_eq!(rig.refused("POST", "/v1/projects/kubewright-sandbox/serviceAccounts", body).http, 400, "{bad}");
    }
    let nobody = json!({"policy": {"bindings": [{"role": "roles/owner", "members": ["user:sandbox@kubewright.example"]},
        {"role": "roles/nothing.atAll", "members": []}]}});
    assert!(rig.refused("POST", &format!("{policy_path}:setIamPolicy"), nobody).message.contains("is not supported"));
}

#[test]
fn permissions_are_asked_for() {
    let role =
        json!({"title": "small", "includedPermissions": ["compute.networks.get", "resourcemanager.projects.get"]});
    assert_eq!(check_role(&role), Ok(()));
    assert!(check_role(&json!({"includedPermissions": ["compute.nothing.at"]})).is_err());
    let policies = vec![role.to_string()];
    let mut rig = Rig::with(Settings { policies, read_lag_ms: (0, 0), iam_lag_ms: (0, 0), ..Settings::default() });
    rig.get("global/networks/default");
    let refused = rig.refused("GET", "global/networks", Value::Null);
    assert_eq!(refused.message, "Required 'compute.networks.list' permission for 'projects/kubewright-sandbox'");
    assert_eq!(refused.details[0]["metadata"]["permission"], "compute.networks.list");
    let asked = json!({"permissions": ["compute.networks.get", "compute.networks.delete"]});
    let has = rig.ok("POST", "/v1/projects/kubewright-sandbox:testIamPermissions", asked);
    assert_eq!(has, json!({"permissions": ["compute.networks.get"]}));
    let unknown = json!({"permissions": ["compute.network.get"]});
    assert_eq!(rig.refused("POST", "/v1/projects/kubewright-sandbox:testIamPermissions", unknown).http, 400);
    rig.caller.scopes = vec!["https://www.googleapis.com/auth/logging.write".to_owned()];
    let narrow = rig.refused("GET", "global/networks/default", Value::Null);
    assert_eq!(narrow.details[0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
}

#[test]
fn projects_and_their_billing() {
    let mut rig = Rig::new();
    assert_eq!(rig.get("/v1/projects/kubewright-sandbox")["projectNumber"], PROJECT_NUMBER);
    assert_eq!(rig.get("/v3/projects/kubewright-sandbox")["state"], "ACTIVE");
    assert_eq!(rig.get("/v1/projects?filter=lifecycleState:ACTIVE")["projects"].as_array().map(Vec::len), Some(2));
    assert_eq!(rig.get("/v1/projects/kubewright-sandbox/billingInfo")["billingEnabled"], true);
    let quotas = BTreeMap::from([("cloudbilling/LINKED_PROJECTS".to_owned(), 0.0)]);
    let mut rig = Rig::with(Settings { quotas, ..Settings::default() });
    assert_eq!(rig.get("/v1/projects/kubewright-sandbox/billingInfo")["billingEnabled"], false);
    let unpaid = rig.refused("POST", "global/networks", json!({"name": "n1", "autoCreateSubnetworks": false}));
    assert_eq!(unpaid.details[0]["reason"], "BILLING_DISABLED");
}

#[test]
fn regions_zones_and_types() {
    let mut rig = Rig::new();
    assert_eq!(rig.get("regions/europe-west1")["zones"].as_array().map(Vec::len), Some(3));
    assert_eq!(rig.refused("GET", "regions/eu-west-1", Value::Null).http, 404);
    assert!(rig.get("regions?maxResults=500")["items"].as_array().is_some_and(|all| all.len() > 35));
    assert_eq!(rig.get("zones/us-central1-a/machineTypes/e2-standard-2")["guestCpus"], 2);
    assert_eq!(rig.refused("GET", "zones/us-central1-a/machineTypes/m6a.large", Value::Null).http, 404);
    assert_eq!(
        rig.get("zones/us-central1-a/machineTypes/g2-standard-4")["accelerators"][0]["guestAcceleratorType"],
        "nvidia-l4"
    );
    assert_eq!(rig.get("zones/us-central1-a/acceleratorTypes/nvidia-l4")["name"], "nvidia-l4");
    assert_eq!(rig.get("zones/us-central1-a/diskTypes/pd-balanced")["name"], "pd-balanced");
    rig.get("aggregated/machineTypes?filter=name%3De2-standard-2&maxResults=500");
    assert_eq!(rig.get("global/operations")["kind"], "compute#operationList");
}
