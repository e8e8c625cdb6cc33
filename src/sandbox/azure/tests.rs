//! The pretend Azure, call by call on a world in memory: what each step of a cluster's life needs, refuses and leaves.

use super::{
    Azure, CLIENT_ID, OBJECT_ID, SUBSCRIPTION, TENANT,
    entra::Caller,
    gate::{self, Request},
    path::Target,
    routes,
    wire::{Answer, ArmError, text},
};
use crate::sandbox::{
    hub::PretendCloud,
    kubernetes::ApiServers,
    world::{Birth, Kind, NoLog, Object, Scope, Settings, Site, VERSION, World},
};
use serde_json::{Value, json};
use std::time::Duration;

mod clusters;
mod networks;
mod resources;

const AKS: &str = "2025-10-01";
const NET: &str = "2025-03-01";

/// A world and a way to call it.
pub(super) struct Bench {
    pub(super) world: World,
}

impl Bench {
    /// A fresh subscription.
    pub(super) fn fresh(settings: Settings) -> Self {
        let birth = Birth {
            version: VERSION,
            id: "0badcafe".to_owned(),
            seed: 11,
            epoch: "2026-11-27T12:00:00Z".parse().expect("a time"),
            settings,
        };
        let mut world = World::create(birth, Box::new(NoLog)).expect("a world");
        world.set_site(Site {
            azure_url: "https://localhost:1".to_owned(),
            kubernetes_url: "https://127.0.0.1:2".to_owned(),
            ca_pem: "CA".to_owned(),
            ..Site::default()
        });
        let now = world.now();
        let mut tx = world.begin(now);
        Azure::BARE.furnish(&mut tx, &Scope::global(SUBSCRIPTION));
        tx.commit().expect("furnished");
        Self { world }
    }

    /// A subscription that uses AKS and networks.
    pub(super) fn new() -> Self {
        let mut bench = Self::fresh(Settings::default());
        for namespace in ["Microsoft.ContainerService", "Microsoft.Network"] {
            bench.ok("POST", &format!("/providers/{namespace}/register?api-version=2024-11-01"), Value::Null);
        }
        bench.minutes(4);
        bench
    }

    fn caller() -> Caller {
        Caller { app: CLIENT_ID.to_owned(), object: OBJECT_ID.to_owned(), tenant: TENANT.to_owned() }
    }

    /// One call, with headers; the path begins behind the subscription unless it names one.
    pub(super) fn with(
        &mut self,
        verb: &str,
        path: &str,
        body: Value,
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Answer, ArmError> {
        let whole = if path.starts_with("/subscriptions") {
            path.to_owned()
        } else {
            format!("/subscriptions/{SUBSCRIPTION}{path}")
        };
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        let target = Target::read(path).expect("a path of ARM's");
        let matched = routes::find(&target, verb)?;
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request {
            verb,
            target,
            matched,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
            content_type: Some("application/json".to_owned()),
            body: &bytes,
            caller: Self::caller(),
        };
        let now = self.world.now();
        let mut tx = self.world.begin(now);
        let answer = gate::perform(&mut tx, &request)?;
        tx.commit().expect("committed");
        Ok(answer)
    }

    pub(super) fn call(&mut self, verb: &str, path: &str, body: Value) -> Result<Answer, ArmError> {
        self.with(verb, path, body, None, None)
    }

    /// The body of a call that goes well.
    pub(super) fn ok(&mut self, verb: &str, path: &str, body: Value) -> Value {
        let answer = self.call(verb, path, body);
        answer
            .unwrap_or_else(|error| panic!("{verb} {path}: {} {}", error.code, error.message))
            .body
            .unwrap_or_default()
    }

    pub(super) fn get(&mut self, path: &str) -> Value {
        self.ok("GET", path, Value::Null)
    }

    pub(super) fn refused(&mut self, verb: &str, path: &str, body: Value) -> ArmError {
        match self.call(verb, path, body) {
            Err(error) => error,
            Ok(answer) => panic!("{verb} {path} went well: {:?}", answer.body),
        }
    }

    /// Lets virtual time pass.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.world.now() + span;
        self.world
            .advance(until, |tx, object, what| match object.service.as_str() {
                "kubernetes" => crate::sandbox::hub::Kubernetes::due(&ApiServers::default(), tx, object, what),
                _ => Azure::BARE.due(tx, object, what),
            })
            .expect("advanced");
        self.world.tick(until, false).expect("ticked");
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(super) fn minutes(&mut self, minutes: u64) {
        self.pass(Duration::from_secs(minutes * 60));
    }

    pub(super) fn objects(&self, kind: Kind) -> Vec<Object> {
        self.world.objects().filter(|object| object.is(kind) && !object.is_gone()).cloned().collect()
    }

    /// What an answer's header says.
    pub(super) fn header(answer: &Answer, name: &str) -> String {
        let found = answer.headers.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// How an operation stands, by the URL that an answer gave.
    pub(super) fn operation(&mut self, answer: &Answer) -> Value {
        let url = Self::header(answer, "azure-asyncoperation");
        let path = url.strip_prefix("https://localhost:1").expect("a URL of this server").to_owned();
        self.get(&path)
    }

    pub(super) fn group(&mut self) {
        self.ok(
            "PUT",
            "/resourceGroups/g?api-version=2024-11-01",
            json!({"location": "eastus", "tags": {"kubewright-stack": "demo-1"}}),
        );
    }

    /// A public address, a NAT gateway, a network whose one subnet goes out through it.
    pub(super) fn network(&mut self) -> String {
        self.group();
        self.ok("PUT", &net("publicIPAddresses/ip"), address());
        self.seconds(10);
        let ip = id("Microsoft.Network/publicIPAddresses/ip");
        let nat = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": ip}]}});
        self.ok("PUT", &net("natGateways/nat"), nat);
        self.seconds(30);
        self.ok("PUT", &net("virtualNetworks/v"), vnet(true));
        self.seconds(10);
        id("Microsoft.Network/virtualNetworks/v/subnets/nodes")
    }
}

pub(super) fn id(path: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/{path}")
}

pub(super) fn net(path: &str) -> String {
    format!("{}?api-version={NET}", id(&format!("Microsoft.Network/{path}")))
}

pub(super) fn address() -> Value {
    json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}})
}

pub(super) fn vnet(nat: bool) -> Value {
    let gateway = nat.then(|| json!({"id": id("Microsoft.Network/natGateways/nat")}));
    json!({
        "location": "eastus", "tags": {"kubewright-stack": "demo-1"},
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
            "subnets": [{"name": "nodes", "properties": {
                "addressPrefix": "10.1.0.0/20", "defaultOutboundAccess": false, "natGateway": gateway,
            }}],
        },
    })
}

#[test]
fn every_call_of_the_tables_has_a_handler() {
    let mut bench = Bench::new();
    bench.group();
    for route in routes::ROUTES {
        let names = route.kind.split('/').map(|kind| format!("{kind}/x")).collect::<Vec<_>>().join("/");
        let path = match route.namespace {
            "" => continue,
            namespace if route.kind.starts_with("locations") || matches!(route.kind, "skus") => {
                let kind = route.kind.replace("locations/", "locations/eastus/");
                format!("/providers/{namespace}/{kind}")
            }
            namespace => format!("/resourceGroups/g/providers/{namespace}/{names}"),
        };
        let version = route.versions().last().copied().unwrap_or_default();
        if let Err(error) = bench.call("GET", &format!("{path}?api-version={version}"), Value::Null) {
            assert_ne!(error.http, 501, "{path}: {}", error.message);
        }
    }
    let _ = text(&json!({}), "a.b");
}
