//! The AWS provider against the sandbox: what it says before a build, then the life of a whole stack.

use super::sandbox::options;
use crate::support::opened::open_options;
use async_trait::async_trait;
use jiff::Timestamp;
use kubewright::{
    engine::{
        Clock, Event, Ids, Journal, JournalError, Observer, Options, Outcome, Plan, PlannedStep, Record, RunId,
        RunInfo, Session, StackState, StopSignal, Teardown, Tick,
    },
    model::{Cloud, ClusterSpec, ResolvedSpec, Stack, spec::*},
    providers::{self, CheckStatus, Provider},
    sandbox::{
        Running,
        aws::sts,
        client::{ClockClient, Control},
        serve,
    },
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

struct Virtual(ClockClient);

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    async fn sleep(&self, span: Duration) {
        self.0.sleep(span).await;
    }
}

async fn clock(running: &Running) -> Arc<dyn Clock> {
    Arc::new(Virtual(ClockClient::connect(&running.endpoints().clock(), Arc::new(Timestamp::now)).await.unwrap()))
}

async fn open(running: &Running) -> Arc<dyn Provider> {
    let (key, secret) = sts::default_keys();
    let dotenv = [
        ("AWS_ACCESS_KEY_ID", key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
        ("AWS_ENDPOINT_URL", running.endpoints().aws.as_str()),
    ];
    let options = open_options("us-east-1", &dotenv, clock(running).await);
    providers::open(Cloud::Aws, options).await.unwrap().unwrap()
}

fn wish() -> ClusterSpec {
    ClusterSpec { name: Some("demo".parse().unwrap()), version: Some("1.35".to_owned()), ..ClusterSpec::default() }
}

async fn problems(provider: &Arc<dyn Provider>, spec: &ClusterSpec) -> Vec<String> {
    let who = provider.whoami().await.unwrap();
    let found = provider.resolve(spec, &who).await.unwrap_err();
    found.into_iter().map(|it| format!("{}: {} [{}]", it.id, it.message, it.hints.join("; "))).collect()
}

#[tokio::test]
async fn defaults_are_filled_in_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let provider = open(&running).await;
    let who = provider.whoami().await.unwrap();
    assert_eq!((who.account.as_str(), who.source.as_str()), ("123456789012", "keys of the .env file"));
    let spec = provider.resolve(&wish(), &who).await.unwrap();
    assert_eq!(spec.network.zones.len(), 2);
    assert!(spec.network.zones.iter().all(|zone| zone.starts_with("us-east-1")), "{:?}", spec.network.zones);
    assert_eq!(
        (spec.node_pools[0].instance_type.as_str(), spec.node_pools[0].count, spec.node_pools[0].disk_gib),
        ("m6a.large", 2, 50)
    );
    for path in ["network.cidr", "network.nat", "network.zoneCount", "nodePools", "aws.addons"] {
        assert!(spec.defaults.iter().any(|it| it == path), "{path} in {:?}", spec.defaults);
    }
    let token = provider.token("demo").await.unwrap();
    assert!(token.token.reveal().starts_with("k8s-aws-v1."));
    assert!(provider.stacks(None).await.unwrap().is_empty());
    assert_eq!(provider.backend().mutating_calls(), 0);
    let shown = Control::new(&running.endpoints().aws).unwrap().show().await.unwrap();
    assert_eq!(shown.requests.mutating, 0, "looking changes nothing");
}

#[tokio::test]
async fn every_problem_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let provider = open(&running).await;
    let pool = |name: &str, kind: &str| PoolSpec {
        name: name.to_owned(),
        instance_type: Some(InstanceWish::Named(kind.to_owned())),
        ..PoolSpec::default()
    };
    let spec = ClusterSpec {
        account: Some("999999999999".to_owned()),
        version: Some("latest".to_owned()),
        network: Some(NetworkSpec {
            cidr: Some("10.0.0.5/16".parse().unwrap()),
            zones: Some(vec!["us-east-1a".to_owned(), "us-esat-1b".to_owned()]),
            ..NetworkSpec::default()
        }),
        node_pools: Some(vec![
            PoolSpec { count: Some(0), ..pool("none", "m6a.large") },
            PoolSpec { min: Some(3), max: Some(1), ..pool("upside", "m6a.large") },
            PoolSpec { count: Some(5), min: Some(1), max: Some(3), ..pool("scaled", "m6a.large") },
            pool("typo", "m6a.lagre"),
            PoolSpec {
                instance_type: None,
                instance_types: ["g5.xlarge", "g4dn.xlarge"].map(str::to_owned).to_vec(),
                ..pool("gpu", "")
            },
            pool("chips", "inf2.xlarge"),
            pool("none", "m6a.large"),
        ]),
        tags: [("aws:mine".to_owned(), "x".to_owned())].into(),
        ..wish()
    };
    let all = problems(&provider, &spec).await;
    let has = |part: &str| assert!(all.iter().any(|it| it.contains(part)), "{part} in {all:#?}");
    for part in [
        "KW-ACCOUNT: the spec is pinned to account 999999999999",
        "`latest` is not a Kubernetes minor version",
        "10.0.0.5/16 does not start where its range does [cidr: 10.0.0.0/16]",
        "no zone us-esat-1b in us-east-1 [did you mean us-east-1b?]",
        "pool `none` has no nodes",
        "pool `upside`: min 3 is more than max 1",
        "pool `scaled`: count 5 is not between min 1 and max 3",
        "no instance type m6a.lagre in us-east-1 [did you mean m6a.large?]",
        "pool `gpu`: g4dn.xlarge cannot stand for g5.xlarge: it has 1 x T4, not 1 x A10G",
        "pool `chips`: inf2.xlarge has Inferentia2; drivers are installed for NVIDIA GPUs only",
        "two node pools are called `none`",
        "tag `aws:mine` is reserved",
    ] {
        has(part);
    }
}

#[tokio::test]
async fn a_limit_is_met_before_the_first_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut given = options(dir.path(), "");
    given.settings.quotas.insert("ec2/L-1216C47A".to_owned(), 8.0);
    let running = serve(given).await.unwrap();
    let provider = open(&running).await;
    let who = provider.whoami().await.unwrap();
    let mut spec = provider.resolve(&wish(), &who).await.unwrap();
    spec.node_pools[0].count = 20;
    (spec.node_pools[0].min, spec.node_pools[0].max) = (20, 20);
    let plan = plan(&provider, &spec);
    let fresh: Vec<&PlannedStep> = plan.steps.iter().collect();
    let checks = provider.preflight(&plan, &fresh).await;
    let failed: Vec<_> = checks.iter().filter(|it| it.status == CheckStatus::Fail).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!((failed[0].id.as_str(), failed[0].need, failed[0].limit), ("KW-AWS-QUOTA", Some(40.0), Some(8.0)));
    assert!(failed[0].hints.iter().any(|it| it.contains("fits today: --nodes 4")), "{:?}", failed[0].hints);
}

fn plan(provider: &Arc<dyn Provider>, spec: &ResolvedSpec) -> Plan {
    let stack: Stack = "demo-0a1b2c3d".parse().unwrap();
    let tags = [("kubewright-created-at", "1763640000"), ("created_by", "kubewright"), ("cluster_name", "demo")];
    provider.plan(spec, &stack, tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()).unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Record>>>);

impl Journal for Lines {
    fn append(&mut self, at: Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError> {
        let mut lines = self.0.lock().unwrap();
        let record = Record { seq: lines.len() as u64 + 1, at, run: run.cloned(), event: event.clone() };
        lines.push(record.clone());
        Ok(record)
    }
}

struct Numbers(AtomicU64);

impl Ids for Numbers {
    fn run_id(&self) -> RunId {
        RunId(format!("run-{}", self.bits()))
    }
    fn bits(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

struct Nobody;

impl Observer for Nobody {
    fn record(&self, _: &Record) {}
    fn tick(&self, _: &Tick) {}
}

async fn session(running: &Running, provider: &Arc<dyn Provider>, journal: &Lines) -> Session {
    let (_, stop) = watch::channel(StopSignal::No);
    Session {
        backend: provider.backend(),
        journal: Box::new(journal.clone()),
        clock: clock(running).await,
        ids: Arc::new(Numbers(AtomicU64::new(1))),
        observer: Arc::new(Nobody),
        stop,
        options: Options::default(),
        gate: None,
    }
}

fn run(n: u32) -> RunInfo {
    RunInfo {
        run: RunId(format!("run-{n}")),
        host: "here".to_owned(),
        pid: 1,
        user: "me".to_owned(),
        version: "0".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_lives_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let control = Control::new(&running.endpoints().aws).unwrap();
    let provider = open(&running).await;
    let who = provider.whoami().await.unwrap();
    let spec = provider.resolve(&wish(), &who).await.unwrap();
    let plan = plan(&provider, &spec);
    let fresh: Vec<&PlannedStep> = plan.steps.iter().collect();
    let checks = provider.preflight(&plan, &fresh).await;
    assert!(checks.iter().all(|it| it.status != CheckStatus::Fail), "{checks:#?}");

    let journal = Lines::default();
    let mut state = StackState::default();
    let mut session = session(&running, &provider, &journal).await;
    let built = session.provision(&plan, &mut state, run(1)).await;
    assert_eq!(built.outcome, Outcome::Done, "{:#?} {:#?}", built.failures, built.audit);
    let sent = provider.backend().mutating_calls();
    assert_eq!(sent, control.show().await.unwrap().requests.mutating, "both count the same calls");

    let again = session.provision(&plan, &mut state, run(2)).await;
    assert_eq!((again.outcome, provider.backend().mutating_calls()), (Outcome::Done, sent), "{:#?}", again.failures);

    let seen = provider.stacks(None).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].stack.clone(), seen[0].spec.as_ref()), (plan.stack.clone(), Some(&spec)));
    let cluster = provider.cluster("demo").await.unwrap().unwrap();
    assert_eq!((cluster.status.as_str(), cluster.stack.as_ref()), ("ACTIVE", Some(&plan.stack)));
    assert_eq!((cluster.node_pools[0].name.as_str(), cluster.node_pools[0].desired), ("default", 2));
    let world = control.show().await.unwrap();
    let tagged =
        |tags: &BTreeMap<String, String>| tags.get("kubewright-stack").is_some_and(|it| *it == plan.stack.to_string());
    let bare: Vec<_> = world
        .objects
        .iter()
        .filter(|it| it.created_by == "api" && it.parent.is_none() && !tagged(&it.tags))
        .map(|it| (&it.kind, &it.id))
        .collect();
    assert!(bare.is_empty(), "untagged: {bare:?}");

    let work = Teardown::from_plan(&Arc::new(plan), &state);
    let gone = session.teardown(work, &mut state, run(3)).await;
    assert_eq!(gone.outcome, Outcome::Done, "{:#?} {:#?}", gone.failures, gone.audit);
    let world = control.show().await.unwrap();
    assert_eq!(world.totals.objects, 0, "{:#?}", world.objects);
    assert_eq!(provider.backend().mutating_calls(), world.requests.mutating);
}
