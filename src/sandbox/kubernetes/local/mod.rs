//! Pods that run to an end as processes of this machine (`--pods local`), each in a scratch directory of its own, with
//! nothing of this machine's environment but the usual search path.
//!
//! There is no image and no root directory of their own: commands are this machine's; `workingDir` and the mount paths of
//! volumes (empty directories, ConfigMaps, Secrets) are below the scratch directory, where relative paths find them. They
//! take real time, whatever the speed of the world, and of the annotations in [`super::script`] only those that ask for
//! a failure count. A pod's directory and log go when the pod does.

mod launch;
mod process;

use super::{
    host::{Cluster, cluster_of},
    kubelet,
    objects::filed,
    script::{Ending, START_ERROR},
};
use crate::{
    sandbox::{
        hub::Hub,
        world::{Object, Scope, Tx, WorldError},
    },
    store::{self, GrowingReader, StoreError},
};
use launch::Launch;
use process::{End, Log, Orders};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::task::JoinSet;

/// The pods that run here.
#[derive(Debug)]
pub(super) struct Local {
    dir: PathBuf,
    hub: OnceLock<Weak<Hub>>,
    state: Mutex<State>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Pods whose process runs, or is about to.
    running: BTreeSet<String>,
    /// Pods that have a directory, by their id: where they are filed.
    kept: BTreeMap<String, (Scope, String)>,
}

fn uid_of(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

fn report(error: &WorldError) {
    tracing::error!(%error, "the sandbox's own disk failed");
}

impl Local {
    /// Pods run below this directory of the sandbox's.
    pub(super) fn below(dir: &Path) -> Self {
        Self { dir: dir.join("pods"), hub: OnceLock::new(), state: Mutex::default(), tasks: Mutex::default() }
    }

    /// A pod's log.
    pub(super) fn log(&self, pod: &Value) -> GrowingReader {
        GrowingReader::new(self.log_of(uid_of(pod)))
    }

    fn log_of(&self, uid: &str) -> PathBuf {
        self.dir.join(uid).join("log")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a pod's process runs.
    pub(super) fn runs(&self, pod: &Value) -> bool {
        self.state().running.contains(uid_of(pod))
    }

    /// A server begins: what it finds of pods that still stand is theirs, the rest goes.
    pub(super) fn begin(self: &Arc<Self>, hub: &Arc<Hub>) {
        if self.hub.set(Arc::downgrade(hub)).is_err() {
            return;
        }
        let found: BTreeSet<String> = store::file_names(&self.dir).into_iter().collect();
        let standing = hub.look(|world| {
            let pods = world.objects().filter(|object| object.is(filed(kubelet::kind())));
            let known = pods.filter(|object| found.contains(uid_of(&object.doc)));
            let place = |object: &Object| (uid_of(&object.doc).to_owned(), (object.scope(), object.id.clone()));
            known.map(place).collect::<BTreeMap<_, _>>()
        });
        for uid in found.iter().filter(|uid| !standing.contains_key(*uid)) {
            self.remove(uid);
        }
        self.state().kept.extend(standing);
        let (local, mut changes) = (Arc::clone(self), hub.changes());
        self.tasks().spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(hub) = local.hub.get().and_then(Weak::upgrade) else { return };
                local.tidy(&hub);
            }
        });
    }

    /// The server ends: so does what runs, unnoticed by the world.
    pub(super) async fn end(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what pods left that are gone.
    fn tidy(&self, hub: &Hub) {
        let kept: Vec<_> = {
            let state = self.state();
            let ended = state.kept.iter().filter(|(uid, _)| !state.running.contains(*uid));
            ended.map(|(uid, (scope, id))| (uid.clone(), scope.clone(), id.clone())).collect()
        };
        if kept.is_empty() {
            return;
        }
        let gone = hub.transact(|tx| {
            let gone = kept.iter().filter(|(uid, scope, id)| pod(tx, scope, id, uid).is_none());
            Ok::<_, WorldError>(gone.map(|(uid, ..)| uid.clone()).collect::<Vec<_>>())
        });
        match gone {
            Ok(gone) => gone.iter().for_each(|uid| {
                self.remove(uid);
                self.state().kept.remove(uid);
            }),
            Err(error) => report(&error),
        }
    }

    fn remove(&self, uid: &str) {
        if let Err(error) = store::remove_tree(&self.dir.join(uid)) {
            tracing::warn!(%error, "what a pod left stays");
        }
    }

    /// A pod's container is to start: here, where nothing of it is missing.
    pub(super) fn due(self: &Arc<Self>, tx: &mut Tx<'_>, object: &Object) {
        let Some(cluster) = cluster_of(tx, object) else { return };
        // It ends when its process does.
        let Some(row) = kubelet::created(tx, &cluster, object.doc.clone()) else { return };
        match Launch::of(tx, &cluster, &row) {
            Ok(launch) => self.start(launch),
            Err(why) => kubelet::ended(tx, &cluster, row, &start_error(why)),
        }
    }

    fn start(self: &Arc<Self>, launch: Launch) {
        self.state().running.insert(launch.uid.clone());
        let local = Arc::clone(self);
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let Some(hub) = local.hub.get().and_then(Weak::upgrade) else { return };
            // Time does not jump while somebody works.
            let busy = hub.busy();
            // Answered only when it is durable that the pod runs: one whose server dies is lost, and never run again.
            let stands = hub.transact(|tx| Ok::<_, WorldError>(pod_of(tx, &launch).is_some()));
            if matches!(stands, Ok(true)) {
                let ending = local.run(&hub, &launch).await;
                note(&hub, &launch, |tx, cluster, row| kubelet::ended(tx, cluster, row, &ending));
            }
            local.state().running.remove(&launch.uid);
            local.tidy(&hub);
            drop(busy);
        });
    }

    async fn run(&self, hub: &Hub, launch: &Launch) -> Ending {
        let root = self.dir.join(&launch.uid).join("root");
        self.state().kept.insert(launch.uid.clone(), (launch.scope.clone(), launch.object.clone()));
        let log = match prepare(&root, launch).and_then(|()| Log::create(&self.log_of(&launch.uid))) {
            Ok(log) => log,
            Err(error) => return start_error(error.to_string()),
        };
        let started = || note(hub, launch, kubelet::started);
        match process::run(launch, &root, log, || hub.now(), started, Standing { hub, launch }).await {
            Ok(End::Exited(status)) => Ending::exited(code(status)),
            Ok(End::OutOfMemory) => Ending::out_of_memory(),
            Err(cause) => start_error(not_started(&launch.words[0], &cause)),
        }
    }
}

/// Makes the directories that a container finds.
fn prepare(root: &Path, launch: &Launch) -> Result<(), StoreError> {
    store::make_private_dir(&root.join(&launch.below))?;
    for mount in &launch.mounts {
        let dir = root.join(&mount.below);
        store::make_private_dir(&dir)?;
        for (path, bytes) in &mount.files {
            let path = dir.join(path);
            store::make_private_dir(path.parent().unwrap_or(&dir))?;
            store::write_private(&path, bytes)?;
        }
    }
    Ok(())
}

/// The pod that is filed there, if it is this one.
fn pod<'t>(tx: &'t Tx<'_>, scope: &Scope, id: &str, uid: &str) -> Option<&'t Object> {
    tx.get(scope, filed(kubelet::kind()), id).filter(|object| uid_of(&object.doc) == uid)
}

/// The pod of a container, as long as it has not ended.
fn pod_of<'t>(tx: &'t Tx<'_>, launch: &Launch) -> Option<&'t Object> {
    pod(tx, &launch.scope, &launch.object, &launch.uid).filter(|object| !kubelet::has_ended(&object.doc))
}

/// Waits until `look` finds something in the container's pod, which is none when it is gone.
async fn once<T>(hub: &Hub, launch: &Launch, look: impl Fn(Option<&Value>) -> Option<T>) -> Option<T> {
    let mut changes = hub.changes();
    loop {
        let seen = hub.transact(|tx| Ok::<_, WorldError>(look(pod_of(tx, launch).map(|object| &object.doc))));
        if let Ok(Some(found)) = seen {
            return Some(found);
        }
        changes.changed().await.ok()?;
    }
}

/// Notes in the world what became of a container, where its pod still stands and has not ended.
fn note(hub: &Hub, launch: &Launch, change: impl FnOnce(&mut Tx<'_>, &Cluster, Value)) {
    let noted = hub.transact(|tx| {
        let now = pod_of(tx, launch).cloned();
        if let Some((object, cluster)) = now.and_then(|object| cluster_of(tx, &object).map(|it| (object, it))) {
            change(tx, &cluster, object.doc);
        }
        Ok::<_, WorldError>(())
    });
    if let Err(error) = noted {
        report(&error);
    }
}

/// What its pod says.
struct Standing<'a> {
    hub: &'a Hub,
    launch: &'a Launch,
}

impl Orders for Standing<'_> {
    async fn told(&self, left: Option<Duration>) -> Duration {
        let asked = once(self.hub, self.launch, |pod| {
            let Some(pod) = pod else { return Some(Duration::ZERO) };
            let meta = &pod["metadata"];
            let grace = Duration::from_secs(meta["deletionGracePeriodSeconds"].as_u64().unwrap_or_default());
            (meta["deletionTimestamp"].is_string() && left.is_none_or(|left| grace < left)).then_some(grace)
        });
        match asked.await {
            Some(grace) => grace,
            // The server ends, and this with it.
            None => std::future::pending().await,
        }
    }
}

fn start_error(why: String) -> Ending {
    Ending { code: 128, reason: START_ERROR, message: Some(why) }
}

/// In the container runtime's words.
fn not_started(program: &str, cause: &io::Error) -> String {
    let why = match cause.kind() {
        io::ErrorKind::NotFound if program.contains('/') => format!("stat {program}: no such file or directory"),
        io::ErrorKind::NotFound => "executable file not found in $PATH".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => cause.to_string(),
    };
    format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"{program}\": {why}: unknown"
    )
}

fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt as _;
    i64::from(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}
