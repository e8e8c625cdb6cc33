//! Runs one process after the other on a world and a disk that outlive them, and judges what they leave.

use super::{
    clock::VirtualClock,
    cloud::{Cloud, points, step},
    disk::{Disk, MemJournal},
    seam::{Killed, Script, Seam},
    world::{Traits, World},
};
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use kubewright::engine::{
    AuthGate, Backend as _, Clock as _, Creation, Identity, Ids, Mode, Observer, Options, Outcome, Plan, PlannedStep,
    Record, Report, RunId, RunInfo, Session, StackState, Standing, StopSignal, Teardown, Tick,
};
use kubewright::model::{Cloud as Vendor, Region, Stack};
use serde_json::json;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::watch;

pub const STACK: &str = "demo-0000beef";

pub fn stack() -> Stack {
    STACK.parse().expect("valid")
}

/// Numbers in a row: runs are told apart, jitter is the same every time.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Ids for Counting {
    fn run_id(&self) -> RunId {
        RunId(format!("run-{}", self.0.fetch_add(1, SeqCst)))
    }
    fn bits(&self) -> u64 {
        self.0.fetch_add(1, SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Keeps what it sees.
#[derive(Default)]
pub struct Watcher {
    pub ticks: Mutex<Vec<Tick>>,
}

impl Observer for Watcher {
    fn record(&self, _: &Record) {}
    fn tick(&self, tick: &Tick) {
        self.ticks.lock().unwrap().push(tick.clone());
    }
}

pub fn plan(steps: Vec<PlannedStep>) -> Plan {
    let has = |id: &str| steps.iter().filter(|step| step.kind == id).map(|step| step.id.clone()).collect();
    let sweeps = points(has("w/cluster"), has("w/net"));
    Plan {
        version: 1,
        stack: stack(),
        provider: Vendor::Aws,
        account: "123456789012".to_owned(),
        region: Region("nowhere-1".to_owned()),
        spec: json!({"name": "demo"}),
        tags: BTreeMap::from([("created_by".to_owned(), "kubewright".to_owned())]),
        steps,
        sweeps,
    }
    .checked()
    .expect("test plans are sound")
}

pub fn named(what: &str) -> Identity {
    Identity::Name { name: format!("kw-demo-0000beef-{what}") }
}

/// Every kind of creation on the way to a cluster that makes things of its own.
pub fn small() -> Vec<PlannedStep> {
    vec![
        step("iam/role", named("role"), true, Creation::ByName, &[], Traits { follow_up: true, ..Traits::default() }),
        step(
            "network/net",
            Identity::Tags,
            true,
            Creation::Plain,
            &[],
            Traits { follow_up: true, ..Traits::default() },
        ),
        step("network/sub", Identity::Tags, true, Creation::Plain, &["network/net"], Traits::default()),
        step(
            "cluster/cluster",
            named("cluster"),
            true,
            Creation::ByName,
            // The network comes first: that is where a cluster's own interfaces stand.
            &["network/net", "network/sub", "iam/role"],
            Traits { ready_secs: 40, gone_secs: 20, causes: true, ..Traits::default() },
        ),
        step(
            "nodes/pool",
            Identity::Tags,
            true,
            Creation::Token,
            &["cluster/cluster"],
            Traits { ready_secs: 20, gone_secs: 10, ..Traits::default() },
        ),
    ]
}

/// The same with everything else a step can be: children, members, shared and brought-along things, no tags.
pub fn large(adopted: &str) -> Vec<PlannedStep> {
    let mut steps = small();
    let child = |parent: &str, key: &str| Identity::Child { parent: parent.into(), key: key.to_owned() };
    let put = Traits { put: true, ..Traits::default() };
    steps.extend([
        step("iam/policy", child("iam/role", "inline"), false, Creation::ByName, &["iam/role"], put.clone()),
        step(
            "cluster/inside",
            child("cluster/cluster", "agent"),
            true,
            Creation::ByName,
            &[],
            Traits { ready_secs: 2, inside: true, ..Traits::default() },
        ),
        step(
            "account/linked",
            Identity::OneWay { name: "linked".to_owned() },
            false,
            Creation::ByName,
            &[],
            put.clone(),
        ),
        step("network/zone", Identity::External { id: adopted.to_owned() }, false, Creation::ByName, &[], put.clone()),
        step(
            "network/binding",
            Identity::Member { of: adopted.to_owned(), key: "demo-0000beef".to_owned() },
            false,
            Creation::ByName,
            &["network/zone"],
            put,
        ),
        step(
            "network/gateway",
            Identity::Tags,
            true,
            Creation::Token,
            &["network/sub"],
            Traits { ready_secs: 8, gone_secs: 8, ..Traits::default() },
        ),
        step(
            "network/route",
            child("network/sub", "0.0.0.0"),
            false,
            Creation::ByName,
            &["network/gateway", "network/sub"],
            Traits::default(),
        ),
        step("network/other", named("other"), false, Creation::Plain, &["network/net"], Traits::default()),
    ]);
    steps
}

/// A world with much in it that looks like ours and is not, and the id of what a plan may adopt.
pub fn populated(now: Timestamp) -> (World, String) {
    let mut world = World::default();
    let other = "demo-0000beee";
    world.plant("w/net", Some("demo"), &[("Name", "demo"), ("cluster_name", "demo")], &[], now);
    world.plant("w/net", None, &[("kubewright-stack", other), ("kubewright-step", "network__net")], &[], now);
    world.plant("w/sub", None, &[("kubewright-step", "network__sub")], &[], now);
    world.plant("w/sub", None, &[("kubewright-stack", STACK)], &[], now); // no step: not provable
    world.plant("w/role", Some("kw-demo-0000beee-role"), &[], &[], now);
    world.plant("w/pool", None, &[("kubewright-stack", "demo"), ("kubewright-step", "nodes__pool")], &[], now);
    let adopted = world.plant("w/zone", Some("corp"), &[], &[], now);
    (world, adopted)
}

/// What outlives a process.
#[derive(Clone)]
pub struct Site {
    pub world: World,
    pub disk: Disk,
    pub now: Timestamp,
}

impl Site {
    pub fn new(world: World, now: Timestamp) -> Self {
        Self { world, disk: Disk::default(), now }
    }

    /// Long enough for everything that is on its way to land.
    pub fn much_later(&self) -> World {
        let mut world = self.world.clone();
        world.pass(self.now + SignedDuration::from_secs(600));
        world
    }
}

/// What a process is started to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Provision,
    /// From the journal alone.
    Destroy,
    /// The journal is thrown away first.
    DestroyFromTags,
    /// From both.
    DestroyFromBoth,
    /// The journal is thrown away, rebuilt from the cloud, and the build goes on.
    RecoverAndProvision,
}

/// How a process ended.
pub struct Ran {
    pub site: Site,
    /// None when it was killed.
    pub report: Option<Report>,
    pub points: usize,
    pub calls: usize,
    pub appends: usize,
    pub ticks: Vec<Tick>,
}

/// What may differ between processes.
#[derive(Clone)]
pub struct Conditions {
    pub script: Script,
    pub options: Options,
    /// Signals, by the virtual second at which they come.
    pub signals: Vec<(u64, StopSignal)>,
    /// A lid closed in the first sleep of at least so long, for so long.
    pub lid: Option<(Duration, Duration)>,
    /// Somebody who renews credentials after so many looks.
    pub renewed_after: Option<u32>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            script: Script::Nothing,
            options: Options::default(),
            signals: Vec::new(),
            lid: None,
            renewed_after: None,
        }
    }
}

/// Opens after some looks.
struct Gate(AtomicU64);

#[async_trait::async_trait]
impl AuthGate for Gate {
    async fn is_open(&self) -> bool {
        self.0.fetch_sub(1, SeqCst) <= 1
    }
}

impl From<Script> for Conditions {
    fn from(script: Script) -> Self {
        Self { script, ..Self::default() }
    }
}

/// One process from its start to its end or death.
pub async fn process(site: &Site, plan: &Plan, act: Act, under: impl Into<Conditions>) -> Ran {
    let under = under.into();
    let clock = Arc::new(VirtualClock::at(site.now));
    if let Some((during, span)) = under.lid {
        clock.close_lid(during, span);
    }
    let seam = Arc::new(Seam::new(under.script));
    let cloud = Cloud::new(site.world.clone(), &clock, &seam);
    let mut disk = site.disk.clone();
    if matches!(act, Act::DestroyFromTags | Act::RecoverAndProvision) {
        disk = disk.another();
    }
    let disk = Arc::new(Mutex::new(disk));
    let (journal, mut state) = MemJournal::open(&disk, &seam, &clock);
    let watcher = Arc::new(Watcher::default());
    let (signal, stop) = watch::channel(StopSignal::No);
    let mut session = Session {
        backend: Arc::clone(&cloud) as Arc<_>,
        journal: Box::new(journal),
        clock: Arc::clone(&clock) as Arc<_>,
        ids: Arc::new(Counting::default()),
        observer: Arc::clone(&watcher) as Arc<_>,
        stop,
        options: under.options,
        gate: under.renewed_after.map(|looks| Arc::new(Gate(AtomicU64::new(looks.into()))) as Arc<_>),
    };
    let signals = async {
        for (at, urgency) in under.signals {
            tokio::time::sleep(Duration::from_secs(at)).await;
            signal.send_replace(urgency);
        }
        std::future::pending::<()>().await;
    };
    let work = AssertUnwindSafe(do_it(&mut session, &cloud, plan, act, &mut state)).catch_unwind();
    let report = tokio::select! {
        biased;
        ended = work => match ended {
            Ok(report) => Some(report),
            Err(death) if death.is::<Killed>() => None,
            Err(bug) => resume_unwind(bug),
        },
        () = seam.death() => None,
        () = signals => None,
    };
    drop(session);
    let now = clock.now();
    let mut world = cloud.world.lock().unwrap().clone();
    world.pass(now);
    let mut disk = disk.lock().unwrap().clone();
    if report.is_none() {
        disk.power_cycle();
    }
    if let Some(report) = &report {
        assert_eq!(report.mutating_calls, seam.calls() as u64, "the engine and the world count the same");
    }
    let ticks = std::mem::take(&mut *watcher.ticks.lock().unwrap());
    Ran {
        site: Site { world, disk, now },
        report,
        points: seam.points(),
        calls: seam.calls(),
        appends: seam.appends(),
        ticks,
    }
}

async fn do_it(session: &mut Session, cloud: &Cloud, plan: &Plan, act: Act, state: &mut StackState) -> Report {
    let info = RunInfo {
        run: RunId(format!("{act:?}-{}", state.seq())),
        host: "here".to_owned(),
        pid: 1,
        user: "me".to_owned(),
        version: "0".to_owned(),
    };
    let swept = async |session: &Session| {
        let swept = session.backend.sweep(&plan.stack).await.expect("reads work here");
        let points = cloud.sweep_points(&swept);
        Teardown::from_swept(&plan.stack, swept, points)
    };
    match act {
        Act::Provision => session.provision(plan, state, info).await,
        Act::RecoverAndProvision => {
            let found = session.recover(plan, state, info.clone()).await;
            assert_eq!(found.mode, Mode::Recover);
            if found.outcome != Outcome::Done {
                return found;
            }
            let mut report = session.provision(plan, state, RunInfo { run: RunId("second".to_owned()), ..info }).await;
            report.mutating_calls += found.mutating_calls;
            report
        }
        Act::Destroy => {
            // Killed before the plan was durable: nothing was sent either.
            let work = match state.plan().cloned() {
                Some(plan) => Teardown::from_plan(&plan, state),
                None => swept(session).await,
            };
            session.teardown(work, state, info).await
        }
        Act::DestroyFromTags => {
            let work = swept(session).await;
            session.teardown(work, state, info).await
        }
        Act::DestroyFromBoth => {
            let found = swept(session).await;
            let work = match state.plan().cloned() {
                Some(plan) => Teardown::from_plan(&plan, state).union(found),
                None => found,
            };
            session.teardown(work, state, info).await
        }
    }
}

/// The world of an undisturbed build, and the world before.
pub struct Golden {
    pub built: Vec<String>,
    pub before: World,
}

impl Golden {
    pub async fn of(site: &Site, plan: &Plan) -> (Self, Ran) {
        let ran = process(site, plan, Act::Provision, Script::Nothing).await;
        let report = ran.report.as_ref().expect("nobody kills it");
        assert_eq!(report.outcome, Outcome::Done, "{:#?}", report.failures);
        for record in ran.site.disk.clone().records() {
            let line = serde_json::to_string(&*record).expect("records serialise");
            assert_eq!(serde_json::from_str::<Record>(&line).expect("and come back"), *record);
        }
        let built = ran.site.much_later().shape(ran.site.now + SignedDuration::from_secs(600));
        (Self { built, before: site.world.clone() }, ran)
    }

    /// What is wrong with the way a process ended, if anything.
    pub fn complaints(&self, ran: &Ran, act: Act) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(report) = &ran.report else { return vec!["it did not come to an end".to_owned()] };
        if report.outcome != Outcome::Done {
            wrong.push(format!("it ended {:?}: {:?}", report.outcome, report.failures));
        }
        let world = ran.site.much_later();
        let later = ran.site.now + SignedDuration::from_secs(600);
        if world.foreign() != self.before.foreign() {
            wrong.push("a foreign thing was touched".to_owned());
        }
        match act {
            Act::Provision | Act::RecoverAndProvision => {
                let shape = world.shape(later);
                if shape != self.built {
                    wrong.push(format!("not the undisturbed world:\n{shape:#?}\nbut should be\n{:#?}", self.built));
                }
                let records = ran.site.disk.clone().records();
                let state = StackState::fold(records.iter().map(Arc::as_ref)).expect("it folds");
                if state.standing() != Standing::Ready {
                    wrong.push(format!("the journal says {:?}", state.standing()));
                }
            }
            Act::Destroy | Act::DestroyFromTags | Act::DestroyFromBoth => {
                // What is made once for a whole account is shown and stays.
                let left: Vec<_> = world.ours(later).into_iter().filter(|object| object.kind != "w/linked").collect();
                if !left.is_empty() {
                    wrong.push(format!("orphans: {left:#?}"));
                }
            }
        }
        wrong
    }
}
