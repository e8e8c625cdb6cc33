//! A sandbox server in this process with a home of its own: the real binary attaches to it, and the test looks at the
//! same world through Google's REST and the cluster's own API.

use crate::support::{
    Home, Said,
    opened::{Wall, open_options},
};
use kubewright::{
    k8s::{self, Access},
    model::{
        self,
        doc::{SandboxObject, SandboxShow},
    },
    providers::{self, OpenOptions},
    sandbox::{
        self, Running, ServeOptions, client::ClockClient, clock::Speed, conditions::Conditions, gcp, world::Settings,
    },
    store::Holder,
};
use serde_json::Value;
use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Runtime;

/// The world, its server and the home of whoever uses it.
pub(super) struct World {
    server: Option<Running>,
    pub(super) home: Home,
    runtime: Runtime,
}

async fn serve(home: &Home, faults: &str, speed: Speed) -> Running {
    let holder = Holder {
        user: "tests".to_owned(),
        host: "localhost".to_owned(),
        pid: std::process::id(),
        since: jiff::Timestamp::now(),
        verb: "test".to_owned(),
    };
    let options = ServeOptions {
        dir: home.path().join("kw/sandbox"),
        speed,
        faults: faults.to_owned(),
        seed: Some(7),
        port: None,
        settings: Settings { read_lag_ms: (0, 0), ..Settings::default() },
        conditions: Conditions::default(),
        pods_local: false,
        record: crate::support::record(),
        wall: Arc::new(jiff::Timestamp::now),
        bits: Arc::new(|| 7),
        holder,
    };
    sandbox::serve(options).await.unwrap()
}

impl World {
    /// A new world whose time jumps.
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// A new world with these misfortunes.
    pub(super) fn with(faults: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let home = Home::new();
        let server = runtime.block_on(serve(&home, faults, Speed::Max));
        Self { server: Some(server), home, runtime }
    }

    /// The same world under a new server, at the same address.
    pub(super) fn restart(&mut self, faults: &str) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop()).unwrap();
        }
        self.server = Some(self.runtime.block_on(serve(&self.home, faults, Speed::Max)));
    }

    fn server(&self) -> &Running {
        self.server.as_ref().expect("the test has not stopped it")
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The binary in this world, on GCP in us-central1.
    pub(super) fn command(&self) -> Command {
        let mut command = self.home.command();
        command.env("KUBEWRIGHT_PROVIDER", "gcp").env("KUBEWRIGHT_REGION", "us-central1").arg("--sandbox");
        command
    }

    pub(super) fn go(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words))
    }

    /// The binary under way, to be killed.
    pub(super) fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command();
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Builds without waiting for nodes, and gives the document.
    pub(super) fn build(&self, words: &[&str]) -> Value {
        let words = [&["provision"], words, &["--yes", "--wait", "cloud", "-o", "json"]].concat();
        self.go(&words).expect(0).json()
    }

    pub(super) fn destroy(&self, name: &str) -> Value {
        self.go(&["destroy", name, "--confirm", name, "-o", "json"]).expect(0).json()
    }

    /// Forgets what this machine knows of its stacks.
    pub(super) fn lose_journals(&self) {
        std::fs::remove_dir_all(self.home.path().join("kw/sandbox/stacks")).unwrap();
    }

    pub(super) fn show(&self) -> SandboxShow {
        let control = sandbox::client::Control::new(&self.server().endpoints().aws).unwrap();
        self.wait(control.show()).unwrap()
    }

    /// What stands of Google's and was not there from the start.
    pub(super) fn standing(&self) -> Vec<SandboxObject> {
        let gone = ["deleted", "DELETED", "STOPPING"];
        let all = self.show().objects.into_iter().filter(|it| it.cloud == "gcp" && it.created_by != "builtin");
        all.filter(|it| !gone.contains(&it.state.as_str())).collect()
    }

    /// What stands of this kind.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<SandboxObject> {
        self.standing().into_iter().filter(|it| it.kind == kind).collect()
    }

    /// Nothing of anybody stands any more.
    #[track_caller]
    pub(super) fn assert_empty(&self) {
        let show = self.show();
        assert_eq!(show.totals.objects, 0, "{:#?}", show.objects);
    }

    /// Lets virtual minutes go by.
    pub(super) fn minutes(&self, count: u64) {
        self.wait(async {
            let at = self.server().endpoints().clock();
            let clock = ClockClient::connect(&at, Arc::new(jiff::Timestamp::now));
            clock.await.unwrap().sleep(Duration::from_secs(count * 60)).await;
        });
    }

    fn options(&self) -> OpenOptions {
        let dir = self.home.path().join("kw/sandbox");
        let env = gcp::client_env(&self.server().endpoints().gcp, &dir);
        let text = |value: &std::ffi::OsString| value.to_string_lossy().into_owned();
        let variables: Vec<(String, String)> = env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        open_options("us-central1", &variables, Arc::new(Wall))
    }

    /// One call of Google's REST as the pretend service account makes it, from the path behind the host on.
    pub(super) fn rest(&self, verb: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/{path}", self.server().endpoints().gcp);
        self.wait(async {
            let token = provider(self.options()).await.token("any").await.unwrap().token;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.request(verb.parse().unwrap(), url).bearer_auth(token.reveal());
            let request = match body {
                Some(body) => request.json(&body),
                None => request,
            };
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{verb} {path}: {status} {text}");
            serde_json::from_str(&text).unwrap()
        })
    }

    /// A client of a cluster's API server, with a token of ours.
    pub(super) async fn kubernetes(&self, name: &str) -> kube::Client {
        let provider = provider(self.options()).await;
        let cluster = provider.cluster(name).await.unwrap().expect("the cluster stands");
        k8s::connect(&Access {
            endpoint: cluster.endpoint.unwrap(),
            ca_pem: cluster.ca_pem.unwrap(),
            token: provider.token(name).await.unwrap().token,
        })
        .unwrap()
    }
}

async fn provider(options: OpenOptions) -> Arc<dyn providers::Provider> {
    providers::open(model::Cloud::Gcp, options).await.unwrap().unwrap()
}

/// The project that everything is in.
pub(super) const PROJECT: &str = "kubewright-sandbox";
