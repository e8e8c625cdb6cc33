//! A sandbox server in this process with a home of its own: the real binary attaches to it, and the test looks at the
//! same world through the official SDK and the cluster's own API.

use crate::support::{
    Home, Said,
    opened::{Wall, open_options},
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_types::{SdkConfig, region::Region};
use kubewright::{
    k8s::{self, Access},
    model::{
        self,
        doc::{SandboxObject, SandboxShow},
    },
    providers,
    sandbox::{
        self, Running, ServeOptions, aws::sts, client::ClockClient, clock::Speed, conditions::Conditions,
        world::Settings,
    },
    store::Holder,
};
use serde_json::Value;
use std::{process::Command, sync::Arc, time::Duration};
use tokio::runtime::Runtime;

/// The world, its server and the home of whoever uses it.
pub(crate) struct World {
    server: Option<Running>,
    pub(crate) home: Home,
    config: SdkConfig,
    runtime: Runtime,
}

/// `ahead`: how many minutes the clouds' clock is ahead of this machine's.
async fn serve(home: &Home, faults: &str, speed: Speed, conditions: Conditions, ahead: i64) -> Running {
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
        conditions,
        pods_local: false,
        record: crate::support::record(),
        wall: Arc::new(move || jiff::Timestamp::now() + jiff::SignedDuration::from_mins(ahead)),
        bits: Arc::new(|| 7),
        holder,
    };
    sandbox::serve(options).await.unwrap()
}

impl World {
    /// A new world whose time jumps.
    pub(crate) fn new() -> Self {
        Self::with("", Speed::Max)
    }

    /// A new world with these misfortunes, at this speed.
    pub(crate) fn with(faults: &str, speed: Speed) -> Self {
        Self::made(faults, speed, Conditions::default(), 0)
    }

    /// A new world whose clouds are like this.
    pub(crate) fn under(faults: &str, speed: Speed, conditions: Conditions) -> Self {
        Self::made(faults, speed, conditions, 0)
    }

    /// As [`Self::with`], with clouds that are so many minutes ahead of this machine.
    pub(crate) fn ahead(faults: &str, speed: Speed, minutes: i64) -> Self {
        Self::made(faults, speed, Conditions::default(), minutes)
    }

    fn made(faults: &str, speed: Speed, conditions: Conditions, ahead: i64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let home = Home::new();
        let server = runtime.block_on(serve(&home, faults, speed, conditions, ahead));
        let (key, secret) = sts::default_keys();
        let credentials = Credentials::new(key, secret, None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&server.endpoints().aws)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        Self { server: Some(server), home, config, runtime }
    }

    /// Stops the server; the world stays on the disk.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop()).unwrap();
        }
    }

    /// The same world under a new server, at the same address.
    pub(crate) fn restart(&mut self, faults: &str, speed: Speed) {
        self.stop();
        self.server = Some(self.runtime.block_on(serve(&self.home, faults, speed, Conditions::default(), 0)));
    }

    /// From here on the pretend credentials may do what these policies say and no more; none is everything.
    pub(crate) fn limit(&self, policies: &[String]) {
        let hub = self.server().hub();
        let settings = hub.look(|world| world.in_force().clone());
        hub.change_settings(Settings { policies: policies.to_vec(), ..settings }).unwrap();
    }

    fn server(&self) -> &Running {
        self.server.as_ref().expect("the test has not stopped it")
    }

    /// Lets virtual hours go by at once.
    pub(crate) fn skip_hours(&self, hours: u64) {
        self.server().hub().skip(Duration::from_secs(hours * 3_600));
    }

    /// What the clouds would bill, from when to when, and what time it is there.
    pub(crate) fn billed(&self) -> (jiff::Timestamp, Vec<sandbox::world::Span>) {
        let hub = self.server().hub();
        (hub.now(), hub.look(|world| world.spans().cloned().collect()))
    }

    /// Where the clouds listen.
    pub(crate) fn endpoints(&self) -> sandbox::Endpoints {
        self.server().endpoints().clone()
    }

    /// From here on the clouds have so much of these, as settings name them.
    pub(crate) fn quotas(&self, quotas: &[(&str, f64)]) {
        let hub = self.server().hub();
        let settings = hub.look(|world| world.in_force().clone());
        let quotas = quotas.iter().map(|(name, most)| ((*name).to_owned(), *most)).collect();
        hub.change_settings(Settings { quotas, ..settings }).unwrap();
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The binary in this world, on AWS in us-east-1.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.home.command();
        command.env("KUBEWRIGHT_PROVIDER", "aws").env("KUBEWRIGHT_REGION", "us-east-1").arg("--sandbox");
        command
    }

    pub(crate) fn go(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words))
    }

    /// Builds without waiting for nodes, and gives the document.
    pub(crate) fn build(&self, words: &[&str]) -> Value {
        let words = [&["provision"], words, &["--yes", "--wait", "cloud", "-o", "json"]].concat();
        self.go(&words).expect(0).json()
    }

    pub(crate) fn destroy(&self, name: &str) -> Value {
        self.go(&["destroy", name, "--confirm", name, "-o", "json"]).expect(0).json()
    }

    /// Forgets what this machine knows of its stacks.
    pub(crate) fn lose_journals(&self) {
        std::fs::remove_dir_all(self.home.path().join("kw/sandbox/stacks")).unwrap();
    }

    /// The clients of another region.
    pub(crate) fn of_region(&self, region: &'static str) -> (aws_sdk_ec2::Client, aws_sdk_eks::Client) {
        let config = self.config.clone().into_builder().region(Region::new(region)).build();
        (aws_sdk_ec2::Client::new(&config), aws_sdk_eks::Client::new(&config))
    }

    pub(crate) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config)
    }

    pub(crate) fn eks(&self) -> aws_sdk_eks::Client {
        aws_sdk_eks::Client::new(&self.config)
    }

    pub(crate) fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    pub(crate) fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    pub(crate) fn elb(&self) -> aws_sdk_elasticloadbalancing::Client {
        aws_sdk_elasticloadbalancing::Client::new(&self.config)
    }

    pub(crate) fn elbv2(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::new(&self.config)
    }

    pub(crate) fn show(&self) -> SandboxShow {
        let control = sandbox::client::Control::new(&self.server().endpoints().aws).unwrap();
        self.wait(control.show()).unwrap()
    }

    /// What stands of this kind and was not there from the start.
    pub(crate) fn standing(&self, kind: &str) -> Vec<SandboxObject> {
        let gone = ["deleted", "terminated", "shutting-down", "DELETED"];
        let all = self.show().objects.into_iter();
        let ours = all.filter(|it| it.kind == kind && it.created_by != "builtin");
        ours.filter(|it| !gone.contains(&it.state.as_str())).collect()
    }

    /// What stands of these, to the last tag.
    pub(crate) fn look_at(&self, ids: &[String]) -> Vec<String> {
        let all = self.show().objects.into_iter().filter(|it| ids.contains(&it.id));
        let stands = all.filter(|it| !["deleted", "terminated", "shutting-down"].contains(&it.state.as_str()));
        let mut seen: Vec<String> =
            stands.map(|it| format!("{} {} {:?} {:?}", it.kind, it.id, it.parent, it.tags)).collect();
        seen.sort();
        seen
    }

    /// Nothing of anybody stands any more.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        let show = self.show();
        assert_eq!(show.totals.objects, 0, "{:#?}", show.objects);
    }

    async fn clock(&self) -> ClockClient {
        ClockClient::connect(&self.server().endpoints().clock(), Arc::new(jiff::Timestamp::now)).await.unwrap()
    }

    /// Lets virtual minutes go by.
    pub(crate) fn minutes(&self, count: u64) {
        self.wait(async { self.clock().await.sleep(Duration::from_secs(count * 60)).await });
    }

    /// A client of a cluster's API server, with a token of ours.
    pub(crate) async fn kubernetes(&self, name: &str) -> kube::Client {
        let (key, secret) = sts::default_keys();
        let variables = [
            ("AWS_ACCESS_KEY_ID", key.as_str()),
            ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
            ("AWS_ENDPOINT_URL", self.server().endpoints().aws.as_str()),
        ];
        let options = open_options("us-east-1", &variables, Arc::new(Wall));
        let provider = providers::open(model::Cloud::Aws, options).await.unwrap().unwrap();
        let cluster = provider.cluster(name).await.unwrap().expect("the cluster stands");
        k8s::connect(&Access {
            endpoint: cluster.endpoint.unwrap(),
            ca_pem: cluster.ca_pem.unwrap(),
            token: provider.token(name).await.unwrap().token,
        })
        .unwrap()
    }
}
