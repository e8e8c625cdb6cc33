//! The rehearsal clouds: servers on loopback that speak the clouds' own protocols, strictly, on a virtual clock.
//!
//! Nothing but `env.rs` and `cli/sandbox.rs` imports this room, and no provider knows it exists.
//!
//! For the command line: [`serve`] (and [`Running::stop`]), [`attach_or_start`], [`show()`], [`reset`],
//! [`child::child_env`], [`child::client_env`], [`client::ClockClient`].
//!
//! Shapes for those who write services:
//! - An object of a cloud is a [`world::Object`], declared by a [`world::Kind`] (`const VPC: Kind = Kind::new("ec2", "vpc")`),
//!   living in a [`world::Scope`] (account and region; [`world::Scope::GLOBAL`] for IAM). Its own fields go into `doc`
//!   (`object.set/text`, or a serde type through `object.read/write`), tags, state, parent and usage into the object.
//! - All access goes through a [`world::Tx`]: `get/live` by id (tombstones included or not), `list/list_live/search`
//!   (`search` does not see what is younger than the read lag: set `visible_at = Some(tx.read_lag())` at creation),
//!   `put/update/remove/bury`, `id("vpc")`, `hex`, `letters`, `uuid`, `between`, `now()` (virtual), `in_force()`,
//!   `site()` (addresses and CA of the running servers). Iterators borrow the tx: collect or clone before changing.
//! - A cloud is a [`hub::PretendCloud`] behind a port of its own, with its line in `clouds()`.
//! - A service of AWS is an [`aws::Service`]: `call(&mut CallCx) -> Result<Reply, ApiError>`; an error undoes the call's changes.
//!   Parameters of query calls: [`aws::Params`] (`get/require/flag/number/list/groups/group/filters`); whatever the call
//!   did not look at is refused as unknown. JSON bodies: `cx.json::<T>(code)` with `deny_unknown_fields`.
//!   Replies: [`aws::Xml`] (members only; the envelope is the protocol's) or a JSON value.
//! - What happens later: `object.due = Some(Due { at, what })`; at that virtual time [`aws::Service::due`] is called
//!   (for objects of service `kubernetes`: [`hub::Kubernetes::due`]).
//! - Mutating is decided by the operation's name ([`aws::is_mutating`]) and `DryRun=true`.
//! - The Kubernetes half is a [`hub::Kubernetes`]: it gets whole requests of the TLS port and the [`hub::Hub`]
//!   (`transact`, `endure` for faults and counting, `changes` for watches, `busy` while it serves, `wall` for tokens).

pub mod aws;
pub mod azure;
pub mod child;
pub mod client;
pub mod clock;
pub mod conditions;
pub mod control;
pub mod dir;
pub mod faults;
pub mod gcp;
pub mod holds;
pub mod hub;
pub mod kubernetes;
mod prices;
pub mod record;
pub mod server;
pub mod show;
pub mod tls;
pub mod world;

use crate::model::{Cloud, doc::SandboxShow};
use crate::store::{FileLock, Holder, Presence, StoreError};
use clock::Speed;
use conditions::Conditions;
use dir::Dir;
use faults::{FaultError, Faults};
use hub::{Hub, PretendCloud, Wall};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};
use world::{Settings, Site, WorldError};

/// Why the sandbox could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Files.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// The world's log.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A fault description.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A port.
    #[error("cannot listen on 127.0.0.1:{port}: {cause}")]
    Bind {
        /// Which; 0 is any.
        port: u16,
        /// The system's words.
        cause: io::Error,
    },
    /// Certificates.
    #[error("cannot make the sandbox's certificates: {0}")]
    Tls(String),
    /// A request that could not be read.
    #[error("cannot read a request: {0}")]
    Request(String),
    /// The running server does not answer as it should.
    #[error("the running sandbox does not answer: {0}")]
    Control(String),
    /// Another server has this directory.
    #[error("another sandbox server runs in {0}")]
    Running(PathBuf),
}

impl From<StoreError> for SandboxError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// Where a server can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// `http://127.0.0.1:4711`: every AWS service.
    pub aws: String,
    /// `https://127.0.0.1:4712`: the Kubernetes API servers.
    pub kubernetes: String,
    /// `http://127.0.0.1:4713`: Google's APIs.
    pub gcp: String,
    /// `https://localhost:4714`: Azure Resource Manager and Entra.
    pub azure: String,
}

impl Endpoints {
    fn at(ports: &dir::Ports) -> Self {
        Self {
            aws: format!("http://127.0.0.1:{}", ports.aws),
            kubernetes: format!("https://127.0.0.1:{}", ports.kubernetes),
            gcp: format!("http://127.0.0.1:{}", ports.gcp),
            // By name: the credential library of Azure takes no address.
            azure: format!("https://localhost:{}", ports.azure),
        }
    }

    /// The clock's address, for the child's environment.
    pub fn clock(&self) -> String {
        format!("{}/_sandbox/clock", self.aws)
    }
}

/// What a server is started with.
#[derive(Clone)]
pub struct ServeOptions {
    /// The sandbox's directory, `$KUBEWRIGHT_HOME/sandbox`.
    pub dir: PathBuf,
    /// Speed.
    pub speed: Speed,
    /// Fault description; if empty, what the last reset said.
    pub faults: String,
    /// Seed of a world born now; an existing world keeps its own.
    pub seed: Option<u64>,
    /// Port of the AWS services; otherwise the remembered one, or any.
    pub port: Option<u16>,
    /// Settings of a world born now.
    pub settings: Settings,
    /// What is otherwise while this server lives.
    pub conditions: Conditions,
    /// Whether pods run as processes of this machine.
    pub pods_local: bool,
    /// Directory of a file that keeps what is asked and answered, if any; see [`record`].
    pub record: Option<PathBuf>,
    /// Real time.
    pub wall: Wall,
    /// Randomness for a world born now.
    pub bits: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What the lock file says about this process.
    pub holder: Holder,
}

/// A server in this process. It ends with [`Running::stop`] or with the process.
pub struct Running {
    hub: Arc<Hub>,
    endpoints: Endpoints,
    dir: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _lock: FileLock,
}

impl Running {
    /// Where it can be reached.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Its directory.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// The running world, for tests in this process.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Waits until no client holds a connection: those that attached to this server may still be at work when the
    /// command it was started for has ended.
    pub async fn until_alone(&self) {
        while self.hub.connections() > 0 {
            hub::nap(BETWEEN_LOOKS).await;
        }
    }

    /// Stops listening, notes time and counts, lets the lock go.
    ///
    /// # Errors
    /// The log could not be written.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(2), task).await.is_err() {
                abort.abort();
            }
        }
        if let Some(kubernetes) = self.hub.kubernetes() {
            kubernetes.end().await;
        }
        Ok(self.hub.rest()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a server in this process.
///
/// # Errors
/// [`SandboxError::Running`] when another one has the directory; bad faults; files, ports or certificates.
pub async fn serve(options: ServeOptions) -> Result<Running, SandboxError> {
    Faults::parse(&options.faults)?;
    let dir = Dir::open(&options.dir)?;
    let Some(lock) = dir.lock(&options.holder)? else { return Err(SandboxError::Running(options.dir)) };
    let ServeOptions { wall, bits, seed, settings, .. } = options.clone();
    let record = record::Recorder::open(options.record.as_deref(), options.holder.pid)?;
    let born = move |seed: Option<u64>| dir::birth(bits(), seed, wall(), settings.clone());
    let mut world = dir.open_world(|| born(seed))?;
    world.set_conditions(options.conditions);
    let faults = match options.faults.as_str() {
        "" => Faults::parse(&world.in_force().faults)?,
        given => Faults::parse(given)?,
    };
    let authority = tls::open(dir.path())?;
    let remembered = dir.ports()?;
    let plain = server::bind(options.port, remembered.as_ref().map(|ports| ports.aws)).await?;
    let secure = server::bind(None, remembered.as_ref().map(|ports| ports.kubernetes)).await?;
    let google = server::bind(None, remembered.as_ref().map(|ports| ports.gcp)).await?;
    let azure = server::bind(None, remembered.as_ref().map(|ports| ports.azure)).await?;
    let port = |listener: &tokio::net::TcpListener| {
        listener.local_addr().map(|at| at.port()).map_err(|cause| SandboxError::Bind { port: 0, cause })
    };
    let ports =
        dir::Ports { aws: port(&plain)?, kubernetes: port(&secure)?, gcp: port(&google)?, azure: port(&azure)? };
    dir.remember(&ports)?;
    let endpoints = Endpoints::at(&ports);
    let reborn = dir.clone();
    let hub = Arc::new(Hub::new(hub::Made {
        world,
        speed: options.speed,
        faults,
        clouds: clouds(&options.wall, dir.path(), &endpoints)?,
        kubernetes: kubernetes(dir.path(), options.pods_local),
        wall: options.wall,
        holds: holds::Holds::open(dir.path().join("holds"))?,
        record,
        rebirth: Box::new(move |seed| reborn.new_world(born(seed))),
    }));
    hub.set_site(Site {
        aws_url: endpoints.aws.clone(),
        kubernetes_url: endpoints.kubernetes.clone(),
        gcp_url: endpoints.gcp.clone(),
        azure_url: endpoints.azure.clone(),
        ca_pem: authority.pem.clone(),
    });
    if let Some(kubernetes) = hub.kubernetes() {
        kubernetes.begin(&hub)?;
    }
    let stop = watch::Sender::new(false);
    let tasks = vec![
        tokio::spawn(server::serve_plain(Arc::clone(&hub), Cloud::Aws, plain, stop.subscribe())),
        tokio::spawn(server::serve_plain(Arc::clone(&hub), Cloud::Gcp, google, stop.subscribe())),
        tokio::spawn(server::serve_secure(
            Arc::clone(&hub),
            Cloud::Azure,
            azure,
            authority.acceptor.clone(),
            stop.subscribe(),
        )),
        tokio::spawn(server::serve_tls(Arc::clone(&hub), secure, authority.acceptor, stop.subscribe())),
        tokio::spawn(keep_time(Arc::clone(&hub), stop.subscribe())),
    ];
    Ok(Running { hub, endpoints, dir: options.dir, stop, tasks, _lock: lock })
}

/// The clouds. A new one adds its line here.
fn clouds(
    wall: &Wall,
    dir: &std::path::Path,
    endpoints: &Endpoints,
) -> Result<Vec<Box<dyn PretendCloud>>, SandboxError> {
    let google = gcp::Google::open(dir)?;
    let (certificate, file) = azure::Certificate::over(google.pair())?;
    crate::store::write_private(&dir.join("azure-client.pem"), file.as_bytes())?;
    let azure = azure::Azure::with(certificate);
    azure.write_files(dir, endpoints, wall())?;
    google.write_files(dir, &endpoints.gcp, wall())?;
    Ok(vec![Box::new(aws::Aws::new(wall)), Box::new(google), Box::new(azure)])
}

/// The Kubernetes half.
fn kubernetes(dir: &std::path::Path, pods_local: bool) -> Option<Box<dyn hub::Kubernetes>> {
    Some(Box::new(if pods_local {
        kubernetes::ApiServers::with_local_pods(dir)
    } else {
        kubernetes::ApiServers::default()
    }))
}

async fn keep_time(hub: Arc<Hub>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        ended = hub.keep_time() => {
            if let Err(error) = ended {
                tracing::error!(%error, "the sandbox's clock stopped");
            }
        }
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// A server to talk to: somebody else's, or our own.
pub enum Attached {
    /// A running `sandbox serve` (or another command's).
    Other(Endpoints),
    /// Started in this process; stop it when the child has ended.
    Own(Box<Running>),
}

impl Attached {
    /// Where it can be reached.
    pub fn endpoints(&self) -> &Endpoints {
        match self {
            Self::Other(endpoints) => endpoints,
            Self::Own(running) => running.endpoints(),
        }
    }
}

/// Says that a command works in this sandbox: the server that it attaches to, or starts, lives until it has ended.
///
/// # Errors
/// Files; or a server that takes for ever to stop.
pub async fn visit(dir: &std::path::Path) -> Result<Presence, SandboxError> {
    let dir = Dir::open(dir)?;
    for _ in 0..LOOKS {
        if let Some(here) = dir.enter()? {
            return Ok(here);
        }
        hub::nap(BETWEEN_LOOKS).await;
    }
    Err(SandboxError::Control("its server is stopping, and does not come to an end".to_owned()))
}

/// Waits until no command works in this sandbox any more; none begins to while the answer is held. `busy` is called
/// once where there is somebody to wait for.
///
/// # Errors
/// Files.
pub async fn last_one_out(dir: &std::path::Path, busy: impl FnOnce()) -> Result<Presence, SandboxError> {
    let (dir, mut busy) = (Dir::at(dir), Some(busy));
    loop {
        if let Some(alone) = dir.alone()? {
            return Ok(alone);
        }
        if let Some(busy) = busy.take() {
            busy();
        }
        hub::nap(BETWEEN_LOOKS).await;
    }
}

/// How often to look for a server that is just starting, and for how long.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Attaches to the server of this directory, or starts one in this process.
///
/// # Errors
/// As [`serve`]; or somebody holds the lock but does not answer.
pub async fn attach_or_start(options: ServeOptions) -> Result<Attached, SandboxError> {
    for _ in 0..LOOKS {
        match serve(options.clone()).await {
            Ok(running) => return Ok(Attached::Own(Box::new(running))),
            Err(SandboxError::Running(_)) => {}
            Err(error) => return Err(error),
        }
        if let Some((endpoints, _)) = find(&options.dir).await? {
            return Ok(Attached::Other(endpoints));
        }
        hub::nap(BETWEEN_LOOKS).await;
    }
    Err(SandboxError::Control("its lock is held, but nobody listens on its port".to_owned()))
}

/// The server of this directory, if one answers.
async fn find(dir: &std::path::Path) -> Result<Option<(Endpoints, client::Control)>, SandboxError> {
    let Some(ports) = Dir::at(dir).ports()? else { return Ok(None) };
    let endpoints = Endpoints::at(&ports);
    let control = client::Control::new(&endpoints.aws)?;
    Ok(control.reading().await.ok().map(|_| (endpoints, control)))
}

/// The world of this directory: from the running server, or from its log. `None` when there is none yet.
///
/// # Errors
/// The log is damaged or newer.
pub async fn show(dir: &std::path::Path) -> Result<Option<SandboxShow>, SandboxError> {
    if let Some((_, control)) = find(dir).await?
        && let Ok(show) = control.show().await
    {
        return Ok(Some(show));
    }
    Ok(Dir::at(dir).look()?.map(|world| show::of_world(&world)))
}

/// A new, empty world: under the running server, or on disk. The conditions given are the world's; the faults are
/// those of every server started on it without faults of its own.
///
/// # Errors
/// Files, bad faults, or a server that does not answer.
pub async fn reset(options: &ServeOptions) -> Result<(), SandboxError> {
    Faults::parse(&options.faults)?;
    let dir = Dir::open(&options.dir)?;
    let Some(_lock) = dir.lock(&options.holder)? else {
        let (_, control) = find(&options.dir).await?.ok_or_else(|| SandboxError::Running(options.dir.clone()))?;
        let (faults, conditions) = (options.faults.clone(), options.conditions.clone());
        return control.reset(&control::Reset { seed: options.seed, faults, conditions }).await;
    };
    let settings = Settings { faults: options.faults.clone(), ..options.conditions.over(&options.settings) };
    dir.new_world(dir::birth((options.bits)(), options.seed, (options.wall)(), settings))?;
    Ok(())
}
