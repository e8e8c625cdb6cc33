//! A sandbox with the real binary on Azure, and Resource Manager as anybody else would call it.

use crate::lives::rig::World;
use crate::support::{
    Said,
    opened::{Wall, open_options},
};
use kubewright::{
    k8s::{self, Access},
    model::{Cloud, doc::SandboxObject},
    providers,
    sandbox::{
        azure::{SUBSCRIPTION, client_env},
        clock::Speed,
    },
};
use serde_json::{Value, json};
use std::{ops::Deref, process::Command, sync::Arc};

/// Versions of the interfaces that tests call.
pub(super) const NETWORK: &str = "2025-03-01";
pub(super) const RESOURCES: &str = "2025-04-01";
pub(super) const AKS: &str = "2025-10-01";
pub(super) const DISKS: &str = "2025-01-02";

/// A world, on Azure.
pub(super) struct Azure {
    world: World,
    http: reqwest::Client,
    token: String,
}

impl Deref for Azure {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Azure {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// A new world with these misfortunes.
    pub(super) fn with(faults: &str) -> Self {
        let world = World::with(faults, Speed::Max);
        let ca = std::fs::read(world.home.path().join("kw/sandbox/ca.pem")).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let mut made = Self { world, http, token: String::new() };
        made.token = made.sign_in();
        made
    }

    /// A new world in whose subscription AKS and networks are in use already.
    pub(super) fn in_use() -> Self {
        let made = Self::new();
        made.register();
        made
    }

    fn register(&self) {
        for namespace in ["ContainerService", "Network", "Compute", "ManagedIdentity", "Storage"] {
            self.arm("POST", &format!("/providers/Microsoft.{namespace}/register"), RESOURCES, Value::Null);
        }
        self.minutes(5);
    }

    /// A build that ends while AKS is at work on the cluster.
    pub(super) fn cut_off_at_the_cluster(&self) {
        for _ in 0..20 {
            self.go(&["provision", "demo", "--yes", "--timeout", "1m"]);
            if !self.standing("managedClusters").is_empty() {
                return;
            }
        }
        panic!("no cluster was begun: {:#?}", self.show().objects);
    }

    fn variables(&self) -> Vec<(String, String)> {
        let of = client_env(&self.world.endpoints()).into_iter();
        of.map(|(name, value)| (name, value.into_string().unwrap())).collect()
    }

    fn sign_in(&self) -> String {
        let variables = self.variables();
        let said = |name: &str| variables.iter().find(|(key, _)| key == name).unwrap().1.clone();
        let url = format!("{}/{}/oauth2/v2.0/token", said("AZURE_AUTHORITY_HOST"), said("AZURE_TENANT_ID"));
        let body = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
            said("AZURE_CLIENT_ID"),
            said("AZURE_CLIENT_SECRET")
        );
        let answer: Value = self.world.wait(async {
            let call = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
            call.send().await.unwrap().json().await.unwrap()
        });
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// The same world under a new server with these misfortunes.
    pub(super) fn restart(&mut self, faults: &str) {
        self.world.restart(faults, Speed::Max);
        self.token = self.sign_in();
    }

    /// One call of Resource Manager's, by somebody who is not kubewright.
    #[track_caller]
    pub(super) fn arm(&self, verb: &str, path: &str, version: &str, body: Value) -> Value {
        let (status, answer) = self.try_arm(verb, path, version, body);
        assert!((200..300).contains(&status), "{verb} {path}: {status} {answer:#}");
        answer
    }

    pub(super) fn try_arm(&self, verb: &str, path: &str, version: &str, body: Value) -> (u16, Value) {
        let path = if path.starts_with("/subscriptions") { path.to_owned() } else { self.path(path) };
        let url = format!("{}{path}?api-version={version}", self.world.endpoints().azure);
        self.world.wait(async {
            let mut call = self.http.request(verb.parse().unwrap(), url).bearer_auth(&self.token);
            if !body.is_null() {
                call = call.json(&body);
            }
            let answer = call.send().await.unwrap();
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    /// `/resourceGroups/…` of the subscription.
    pub(super) fn path(&self, inside: &str) -> String {
        format!("/subscriptions/{SUBSCRIPTION}{inside}")
    }

    /// A group of somebody else's.
    pub(super) fn group_of_others(&self, name: &str) -> String {
        let path = format!("/resourceGroups/{name}");
        self.arm("PUT", &path, RESOURCES, json!({"location": "eastus", "tags": {"team": "ops"}}));
        path
    }

    /// An address of somebody else's, with these tags.
    pub(super) fn address(&self, group: &str, name: &str, tags: Value) -> String {
        let path = format!("{group}/providers/Microsoft.Network/publicIPAddresses/{name}");
        let body = json!({
            "location": "eastus", "tags": tags, "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"},
        });
        self.arm("PUT", &path, NETWORK, body);
        self.minutes(2);
        path
    }

    pub(super) fn command(&self) -> Command {
        let mut command = self.home.command();
        command.env("KUBEWRIGHT_PROVIDER", "azure").env("KUBEWRIGHT_REGION", "eastus").arg("--sandbox");
        command
    }

    pub(super) fn go(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words))
    }

    /// Builds without waiting for nodes, and gives the document.
    #[track_caller]
    pub(super) fn build(&self, words: &[&str]) -> Value {
        let words = [&["provision"], words, &["--yes", "--wait", "cloud", "-o", "json"]].concat();
        self.go(&words).expect(0).json()
    }

    #[track_caller]
    pub(super) fn destroy(&self, name: &str) -> Value {
        self.go(&["destroy", name, "--confirm", name, "-o", "json"]).expect(0).json()
    }

    /// The resource group of the only stack.
    pub(super) fn group(&self) -> String {
        let ours = self.standing("resourceGroups");
        let name = ours.iter().find(|it| it.created_by == "api" && it.tags.contains_key("kubewright-stack"));
        format!("/resourceGroups/{}", name.expect("a stack stands").name.as_ref().unwrap())
    }

    /// Everything of this kind, by name, with what a change would show.
    pub(super) fn everything(&self, kind: &str) -> Vec<SandboxObject> {
        self.standing(kind)
    }

    /// A client of the cluster's API server, with a token of ours.
    pub(super) async fn api_server(&self, name: &str) -> kube::Client {
        let variables = self.variables();
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut options = open_options("eastus", &pairs, Arc::new(Wall));
        let http = self.http.clone();
        options.http = Arc::new(move || Ok(http.clone()));
        let provider = providers::open(Cloud::Azure, options).await.unwrap().unwrap();
        provider.whoami().await.unwrap();
        let cluster = provider.cluster(name).await.unwrap().expect("the cluster stands");
        let token = provider.token(name).await.unwrap().token;
        let (endpoint, ca_pem) = (cluster.endpoint.unwrap(), cluster.ca_pem.unwrap());
        k8s::connect(&Access { endpoint, ca_pem, token }).unwrap()
    }
}
