//! The running sandbox: world, clock, faults and services behind one lock, and the order in which they meet.
//!
//! Every access first lets happen what is due, then runs on the world as of now, then is durable, then is answered.
//! The lock is never held across an await.

use super::{
    SandboxError,
    clock::{Reading, Speed, VirtualClock},
    conditions::Conditions,
    faults::{Fault, Faults},
    holds::Holds,
    record::Recorder,
    server::Body,
    world::{Object, Scope, Settings, Site, Tx, World, WorldError},
};
use crate::model::Cloud;
use async_trait::async_trait;
use hyper::{Request, Response, body::Incoming, http::request::Parts};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// Real time, for signatures and token lifetimes only. Given by the caller, who owns real clocks.
pub type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long nobody may have been served before time jumps.
const QUIET: Duration = Duration::from_millis(2);

/// The Kubernetes API servers of the clusters in the world, behind the TLS port.
#[async_trait]
pub trait Kubernetes: Send + Sync {
    /// Answers a request, `/clusters/<uid>/…`; `None` drops the connection. It marks itself [`Hub::busy`] while it
    /// works, not while it streams.
    async fn handle(&self, hub: Arc<Hub>, request: Request<Incoming>) -> Option<Response<Body>>;

    /// A server begins to serve: what an earlier one left is taken up, or given up. Called once, inside the runtime.
    ///
    /// # Errors
    /// The log could not be written.
    fn begin(&self, hub: &Arc<Hub>) -> Result<(), WorldError>;

    /// The server ends: what works beside the world ends, too. Called once, when nobody is served any more.
    async fn end(&self);

    /// As [`PretendCloud::due`], for objects of service `kubernetes`.
    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str);
}

/// One cloud of the world: what answers at its port, and what happens to its objects by themselves.
#[async_trait]
pub trait PretendCloud: Send + Sync {
    /// Which: decides whose objects' [`Self::due`] it gets.
    fn cloud(&self) -> Cloud;

    /// Answers one request of its port; `None` drops the connection.
    async fn handle(&self, hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>>;

    /// Something one of its objects had scheduled happens now; `tx.now()` is exactly that time. The object is given
    /// as it was, its `due` already cleared in the world: schedule the next one by putting it back with a new `due`.
    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str);

    /// Called once for every scope of its own, before the first call there: puts built-in objects (default networks).
    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope);
}

/// What is behind the lock.
struct Core {
    world: World,
    clock: VirtualClock,
    faults: Faults,
    furnished: BTreeSet<Scope>,
    sleepers: BTreeSet<(Timestamp, u64)>,
}

/// The running sandbox.
pub struct Hub {
    core: Mutex<Core>,
    clouds: Vec<Box<dyn PretendCloud>>,
    kubernetes: Option<Box<dyn Kubernetes>>,
    wall: Wall,
    holds: Holds,
    record: Recorder,
    rebirth: Rebirth,
    revision: watch::Sender<u64>,
    jumped: watch::Sender<u64>,
    poke: Notify,
    busy: AtomicUsize,
    connections: AtomicUsize,
    sleep_ids: AtomicU64,
    last_served: Mutex<Instant>,
}

/// One call, for counting, faults and control files.
#[derive(Debug, Clone)]
pub struct Call {
    /// Service as faults name it.
    pub service: String,
    /// Operation.
    pub op: String,
    /// Whether it changes anything.
    pub mutating: bool,
    /// What a held call's control file shows besides: parameters, path. Never a secret.
    pub shown: Value,
}

/// Why a call is refused by a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Something inside broke.
    Broken,
    /// Too fast.
    Throttled,
    /// No capacity.
    NoCapacity,
    /// The caller's credentials have ended.
    Expired,
}

/// Counts as somebody being served while it lives.
pub struct Busy<'a>(&'a Hub);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *lock(&self.0.last_served) = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.poke.notify_one();
    }
}

/// An open connection of a client.
pub struct Connected<'a>(&'a Hub);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a call has undone its Tx; the world is as before it.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a hub is made of.
pub struct Made {
    /// The world.
    pub world: World,
    /// Speed.
    pub speed: Speed,
    /// Faults of this server's life.
    pub faults: Faults,
    /// The clouds.
    pub clouds: Vec<Box<dyn PretendCloud>>,
    /// Kubernetes, if any.
    pub kubernetes: Option<Box<dyn Kubernetes>>,
    /// Real time.
    pub wall: Wall,
    /// Control files of held calls.
    pub holds: Holds,
    /// What keeps the exchanges, if asked to.
    pub record: Recorder,
    /// Makes a new world, with this seed, in place of the old one on disk.
    pub rebirth: Rebirth,
}

/// Makes a new world.
pub type Rebirth = Box<dyn Fn(Option<u64>) -> Result<World, SandboxError> + Send + Sync>;

impl Hub {
    /// Starts the clock where the world stood.
    pub fn new(made: Made) -> Self {
        let Made { world, speed, faults, clouds, kubernetes, wall, holds, record, rebirth } = made;
        let revision = watch::Sender::new(world.revision());
        let clock = VirtualClock::start(world.now(), speed);
        let core = Core { world, clock, faults, furnished: BTreeSet::new(), sleepers: BTreeSet::new() };
        Self {
            core: Mutex::new(core),
            clouds,
            kubernetes,
            wall,
            holds,
            record,
            rebirth,
            revision,
            jumped: watch::Sender::new(0),
            poke: Notify::new(),
            busy: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            sleep_ids: AtomicU64::new(0),
            last_served: Mutex::new(Instant::now()),
        }
    }

    /// Real now: for signatures and token lifetimes.
    pub fn wall(&self) -> Timestamp {
        (self.wall)()
    }

    /// Virtual now.
    pub fn now(&self) -> Timestamp {
        lock(&self.core).clock.now()
    }

    /// What the clock endpoint answers.
    pub fn reading(&self) -> Reading {
        let core = lock(&self.core);
        Reading { now: core.clock.now(), speed: core.clock.speed() }
    }

    /// What keeps the exchanges of the clouds' ports.
    pub fn record(&self) -> &Recorder {
        &self.record
    }

    /// Tells when the world's revision changes: for watches.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The Kubernetes half.
    pub fn kubernetes(&self) -> Option<&dyn Kubernetes> {
        self.kubernetes.as_deref()
    }

    /// A cloud.
    pub fn cloud(&self, cloud: Cloud) -> Option<&dyn PretendCloud> {
        self.clouds.iter().find(|it| it.cloud() == cloud).map(AsRef::as_ref)
    }

    /// Marks that somebody is being served; time does not jump meanwhile. Long watches drop it before they stream.
    pub fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self)
    }

    /// Counts a client's connection while it lives.
    pub fn connected(&self) -> Connected<'_> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        Connected(self)
    }

    /// How many clients hold a connection to a cloud's port.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Says where the servers listen, for replies that name endpoints.
    pub fn set_site(&self, site: Site) {
        lock(&self.core).world.set_site(site);
    }

    /// Looks at the world.
    pub fn look<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&lock(&self.core).world)
    }

    /// What fired.
    pub fn fired(&self) -> Vec<super::faults::Fired> {
        lock(&self.core).faults.fired()
    }

    /// Changes how sluggish and how generous the clouds are.
    ///
    /// # Errors
    /// The log could not be written.
    pub fn change_settings(&self, settings: Settings) -> Result<(), WorldError> {
        lock(&self.core).world.change_settings(settings)
    }

    /// Counts a call.
    pub fn count(&self, call: &Call, failed: bool) {
        lock(&self.core).world.count(&format!("{}:{}", call.service, call.op), call.mutating, failed);
    }

    /// Lets happen what is due, then runs `work` on the world as of now; its changes are durable when this returns
    /// `Ok`, and undone when `work` failed.
    ///
    /// # Errors
    /// What `work` says, or that the log could not be written.
    pub fn transact<R, E: From<WorldError>>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<R, E>) -> Result<R, E> {
        let mut core = lock(&self.core);
        self.advance(&mut core)?;
        let now = core.clock.now();
        let mut tx = core.world.begin(now);
        let result = work(&mut tx)?;
        if tx.commit()? {
            self.announce(&core);
        }
        Ok(result)
    }

    /// As [`Hub::transact`], after the built-in objects of a cloud's scope are there.
    ///
    /// # Errors
    /// As [`Hub::transact`].
    pub fn transact_in<R, E: From<WorldError>>(
        &self,
        cloud: Cloud,
        scope: &Scope,
        work: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.furnish(cloud, scope)?;
        self.transact(work)
    }

    fn furnish(&self, cloud: Cloud, scope: &Scope) -> Result<(), WorldError> {
        let mut core = lock(&self.core);
        if !core.furnished.insert(scope.clone()) || core.world.is_furnished(scope) {
            return Ok(());
        }
        let now = core.clock.now();
        let mut tx = core.world.begin(now);
        if let Some(cloud) = self.cloud(cloud) {
            cloud.furnish(&mut tx, scope);
        }
        tx.mark_furnished(scope);
        tx.commit().map(|_| ())
    }

    fn announce(&self, core: &Core) {
        self.revision.send_replace(core.world.revision());
        self.poke.notify_one();
    }

    fn advance(&self, core: &mut Core) -> Result<(), WorldError> {
        let now = core.clock.now();
        let happen = |tx: &mut Tx<'_>, object: &Object, what: &str| match object.service.as_str() {
            "kubernetes" => {
                if let Some(kubernetes) = &self.kubernetes {
                    kubernetes.due(tx, object, what);
                }
            }
            _ => {
                if let Some(cloud) = self.cloud(object.cloud) {
                    cloud.due(tx, object, what);
                }
            }
        };
        if core.world.advance(now, happen)? > 0 {
            self.announce(core);
        }
        Ok(())
    }

    /// Runs one call under the faults that strike it. `refuse` words a refusal; `effect` does the work and says whether
    /// it succeeded, and is told whether what it makes is to fail later. `None`: the connection is to be dropped.
    pub async fn endure<T>(
        &self,
        call: &Call,
        refuse: impl Fn(Refusal) -> T,
        effect: impl FnOnce(bool) -> (T, bool),
    ) -> Option<T> {
        let struck = lock(&self.core).faults.strike(&call.service, &call.op, call.mutating);
        let has = |fault: Fault| struck.contains(&fault);
        for fault in &struck {
            match fault {
                Fault::Delay(span) => nap(*span).await,
                Fault::HoldBefore => self.holds.hold(call, "before").await,
                _ => {}
            }
        }
        let refusal = [
            (Fault::Expired, Refusal::Expired),
            (Fault::Throttle, Refusal::Throttled),
            (Fault::Capacity, Refusal::NoCapacity),
            (Fault::ErrorBefore, Refusal::Broken),
        ];
        if has(Fault::Drop) {
            self.count(call, true);
            return None;
        }
        if let Some((_, refusal)) = refusal.into_iter().find(|(fault, _)| has(*fault)) {
            self.count(call, true);
            return Some(refuse(refusal));
        }
        let (answer, well) = effect(has(Fault::FailLater));
        self.count(call, !well || has(Fault::ErrorAfter) || has(Fault::LostReply));
        if has(Fault::HoldAfter) {
            self.holds.hold(call, "after").await;
        }
        if has(Fault::LostReply) {
            return None;
        }
        Some(if has(Fault::ErrorAfter) { refuse(Refusal::Broken) } else { answer })
    }

    /// Waits until virtual time has passed `until`.
    pub async fn sleep_until(&self, until: Timestamp) -> Reading {
        let id = self.sleep_ids.fetch_add(1, Ordering::SeqCst);
        let asleep = Asleep { hub: self, key: (until, id) };
        lock(&self.core).sleepers.insert(asleep.key);
        self.poke.notify_one();
        let mut jumped = self.jumped.subscribe();
        loop {
            let left = lock(&self.core).clock.real_until(until);
            if left.is_zero() {
                break;
            }
            let _ = timeout(left, jumped.changed()).await;
        }
        *lock(&self.last_served) = Instant::now();
        drop(asleep);
        self.reading()
    }

    /// Keeps the world going while nobody asks: due transitions for watches, jumps for sleepers, the clock's reading
    /// in the log about once a second. Ends never; the server drops it.
    ///
    /// # Errors
    /// The log could not be written.
    pub async fn keep_time(&self) -> Result<(), WorldError> {
        let mut ticked = Instant::now();
        loop {
            let pause = {
                let mut core = lock(&self.core);
                self.advance(&mut core)?;
                if ticked.elapsed() >= Duration::from_secs(1) {
                    let now = core.clock.now();
                    // Not durably: a killed server forgets nothing by that, and a slow disk must not hold up every call.
                    core.world.tick(now, false)?;
                    ticked = Instant::now();
                }
                self.jump_or_wait(&mut core)
            };
            let _ = timeout(pause, self.poke.notified()).await;
        }
    }

    /// Under `max` with everybody asleep: jumps to what comes next. Otherwise says how long to wait before looking again.
    fn jump_or_wait(&self, core: &mut Core) -> Duration {
        let due = core.world.next_due();
        let to_due = due.map_or(Duration::from_secs(1), |at| core.clock.real_until(at));
        let pause = to_due.clamp(Duration::from_millis(1), Duration::from_secs(1));
        let Some((waking, _)) = core.sleepers.first().copied() else { return pause };
        if core.clock.speed() != Speed::Max {
            return pause;
        }
        let quiet = lock(&self.last_served).elapsed();
        if self.busy.load(Ordering::SeqCst) > 0 {
            return pause;
        }
        if quiet < QUIET {
            return (QUIET - quiet).max(Duration::from_millis(1));
        }
        core.clock.jump(due.map_or(waking, |due| due.min(waking)));
        self.jumped.send_modify(|count| *count += 1);
        Duration::from_millis(1)
    }

    /// Moves virtual time forward at once, as a machine finds it after a sleep with its lid closed.
    pub fn skip(&self, span: Duration) -> Reading {
        let mut core = lock(&self.core);
        let to = core.clock.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        core.clock.jump(to);
        drop(core);
        self.jumped.send_modify(|count| *count += 1);
        self.poke.notify_one();
        self.reading()
    }

    /// Notes time and counts durably: the last thing a server does.
    ///
    /// # Errors
    /// The log could not be written.
    pub fn rest(&self) -> Result<(), WorldError> {
        let mut core = lock(&self.core);
        let now = core.clock.now();
        core.world.tick(now, true)
    }

    /// A new world under these conditions, and new faults, under the running server. Time goes on.
    ///
    /// # Errors
    /// The new world could not be made.
    pub fn reset(&self, seed: Option<u64>, faults: Faults, conditions: &Conditions) -> Result<(), SandboxError> {
        let mut core = lock(&self.core);
        let mut world = (self.rebirth)(seed)?;
        world.change_settings(conditions.over(world.in_force()))?;
        world.set_site(core.world.site().clone());
        // Time goes on: clients have seen what it is.
        let now = core.clock.now();
        world.tick(now, true)?;
        core.world = world;
        core.faults = faults;
        core.furnished.clear();
        self.announce(&core);
        Ok(())
    }
}

/// A registered sleeper; forgotten when it wakes or its client goes away.
struct Asleep<'a> {
    hub: &'a Hub,
    key: (Timestamp, u64),
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        lock(&self.hub.core).sleepers.remove(&self.key);
    }
}

/// Waits in real time.
pub(super) async fn nap(span: Duration) {
    let _ = timeout(span, std::future::pending::<()>()).await;
}
