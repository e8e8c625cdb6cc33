//! Pods that run to an end as processes of this machine (`--pods local`), each in a scratch directory of its own, with
//! nothing of this machine's environment but the usual search path.
//!
//! There is no image and no root directory of their own: commands are this machine's, `workingDir` is a directory below the
//! scratch directory, and volumes are refused. They take real time, whatever the speed of the world. A pod's directory
//! and log go when the pod does.

mod launch;
mod process;

use super::{
    host::cluster_of,
    kubelet::{self, Ending},
    objects::filed,
};
use crate::{
    sandbox::{
        hub::Hub,
        world::{Object, Scope, Tx, WorldError},
    },
    store::{self, GrowingReader},
};
use launch::Launch;
use process::{Log, Orders};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

/// The pods that run here.
#[derive(Debug)]
pub(super) struct Local {
    dir: PathBuf,
    hub: OnceLock<Weak<Hub>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Pods whose process runs.
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
        Self { dir: dir.join("pods"), hub: OnceLock::new(), state: Mutex::default() }
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
        tokio::spawn(async move {
            // Ends with the hub.
            while changes.changed().await.is_ok() {
                let Some(hub) = local.hub.get().and_then(Weak::upgrade) else { return };
                local.tidy(&hub);
            }
        });
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

    /// After a step of a pod's life: one that was started runs here.
    pub(super) fn after(self: &Arc<Self>, tx: &mut Tx<'_>, object: &Object, what: &str) {
        if what != kubelet::START {
            return;
        }
        let scope = object.scope();
        let Some(now) = tx.get(&scope, filed(kubelet::kind()), &object.id).cloned() else { return };
        let Some(cluster) = cluster_of(tx, &now).filter(|_| kubelet::is_running(&now.doc)) else { return };
        // It ends when its process does.
        tx.update(&scope, filed(kubelet::kind()), &object.id, |object| object.due = None);
        match Launch::of(tx, &cluster, &now.doc) {
            Ok(launch) => self.start(launch),
            Err(why) => kubelet::ended(tx, &cluster, now.doc, &start_error(why)),
        }
    }

    fn start(self: &Arc<Self>, launch: Launch) {
        self.state().running.insert(launch.uid.clone());
        let local = Arc::clone(self);
        tokio::spawn(async move {
            let Some(hub) = local.hub.get().and_then(Weak::upgrade) else { return };
            // Time does not jump while somebody works.
            let busy = hub.busy();
            // Answered only when it is durable that the pod runs: one whose server dies is lost, and never run again.
            let stands = hub.transact(|tx| Ok::<_, WorldError>(pod_of(tx, &launch).is_some()));
            if matches!(stands, Ok(true)) {
                let ending = local.run(&hub, &launch).await;
                local.ended(&hub, &launch, &ending);
            }
            local.state().running.remove(&launch.uid);
            local.tidy(&hub);
            drop(busy);
        });
    }

    async fn run(&self, hub: &Hub, launch: &Launch) -> Ending {
        let root = self.dir.join(&launch.uid).join("root");
        self.state().kept.insert(launch.uid.clone(), (launch.scope.clone(), launch.object.clone()));
        let prepared = store::make_private_dir(&root.join(&launch.below));
        let log = match prepared.and_then(|()| Log::open(&self.log_of(&launch.uid))) {
            Ok(log) => log,
            Err(error) => return start_error(error.to_string()),
        };
        let orders = Orders { leave: leaving(hub, launch), vanish: vanished(hub, launch) };
        match process::run(launch, &root, log, || hub.now(), orders).await {
            Ok(status) => Ending::exited(code(status)),
            Err(cause) => start_error(not_started(&launch.words[0], &cause)),
        }
    }

    fn ended(&self, hub: &Hub, launch: &Launch, ending: &Ending) {
        let noted = hub.transact(|tx| {
            let now = pod_of(tx, launch).cloned();
            if let Some((object, cluster)) = now.and_then(|object| cluster_of(tx, &object).map(|it| (object, it))) {
                kubelet::ended(tx, &cluster, object.doc, ending);
            }
            Ok::<_, WorldError>(())
        });
        if let Err(error) = noted {
            report(&error);
        }
    }
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

/// Waits until the pod is to go; says how long it has.
async fn leaving(hub: &Hub, launch: &Launch) -> Duration {
    let asked = once(hub, launch, |pod| {
        let Some(pod) = pod else { return Some(0) };
        let meta = &pod["metadata"];
        meta["deletionTimestamp"].is_string().then(|| meta["deletionGracePeriodSeconds"].as_u64().unwrap_or_default())
    });
    Duration::from_secs(asked.await.unwrap_or_default())
}

/// Waits until the pod is gone.
async fn vanished(hub: &Hub, launch: &Launch) {
    once(hub, launch, |pod| pod.is_none().then_some(())).await;
}

fn start_error(why: String) -> Ending {
    Ending { code: 128, reason: "StartError", message: Some(why) }
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
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"{program}\": {why}"
    )
}

fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt as _;
    i64::from(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}
