//! Pods that run to an end as processes of this machine (`--pods local`), each in a scratch directory of its own, with
//! nothing of this machine's environment but the usual search path.
//!
//! There is no image and no root directory of their own: commands are this machine's, `workingDir` is a directory below the
//! scratch directory, and volumes other than empty directories are refused. Processes are told to end when their pod is.

use super::{
    discovery::Kind,
    host::{self, Cluster},
    kubelet::{self, Ending},
    objects::{filed, id},
};
use crate::sandbox::{
    hub::{Hub, nap},
    world::{Due, Object, Tx, WorldError},
};
use crate::store::{self, GrowingFile};
use base64::Engine;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

/// What containers search commands in, where their image says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The pods that run here.
#[derive(Debug)]
pub(super) struct Local {
    dir: PathBuf,
    hub: OnceLock<Weak<Hub>>,
    running: Mutex<BTreeSet<String>>,
}

/// A container about to run.
struct Launch {
    cluster: String,
    namespace: String,
    name: String,
    uid: String,
    words: Vec<String>,
    env: Vec<(String, String)>,
    below: String,
    grace: Duration,
}

fn uid_of(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

impl Local {
    /// Pods run below this directory.
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir, hub: OnceLock::new(), running: Mutex::new(BTreeSet::new()) }
    }

    /// Where a pod's log is.
    pub(super) fn log(&self, pod: &Value) -> PathBuf {
        self.dir.join(format!("{}.log", uid_of(pod)))
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first request of a server's life: what ran when another died runs no more.
    pub(super) fn meet(&self, hub: &Arc<Hub>) {
        if self.hub.set(Arc::downgrade(hub)).is_err() {
            return;
        }
        let done = hub.transact(|tx| {
            let lost: Vec<Object> = tx
                .all()
                .filter(|object| object.is(filed(kubelet::kind())) && object.state == "Running")
                .filter(|object| {
                    kubelet::is_finite(&object.doc["spec"]) && !self.running().contains(uid_of(&object.doc))
                })
                .cloned()
                .collect();
            for object in lost {
                let parent = object.parent.as_deref().unwrap_or_default();
                let cluster = host::of(object.cloud).and_then(|host| host.living(tx, &object.scope(), parent));
                if let Some(cluster) = cluster {
                    let message = Some("The container could not be located when the pod was terminated".to_owned());
                    let ending = Ending { code: 137, reason: "ContainerStatusUnknown", message };
                    kubelet::ended(tx, &cluster, object.doc, &ending);
                }
            }
            Ok::<_, WorldError>(())
        });
        if let Err(error) = done {
            tracing::error!(%error, "the sandbox's own disk failed");
        }
    }

    /// After a step of a pod's life: one that was started runs here; one that is told to end is waited for.
    pub(super) fn after(self: &Arc<Self>, tx: &mut Tx<'_>, object: &Object, what: &str) {
        if what != kubelet::START {
            return;
        }
        let scope = object.scope();
        let Some(now) = tx.get(&scope, filed(kubelet::kind()), &object.id).cloned() else { return };
        let parent = object.parent.as_deref().unwrap_or_default();
        let cluster = host::of(object.cloud).and_then(|host| host.living(tx, &scope, parent));
        let Some(cluster) = cluster.filter(|_| now.doc["status"]["phase"] == json!("Running")) else { return };
        // It ends when its process does.
        tx.update(&scope, filed(kubelet::kind()), &object.id, |object| object.due = None);
        match launch(tx, &cluster, &now.doc) {
            Ok(launch) => self.start(launch),
            Err(why) => kubelet::ended(tx, &cluster, now.doc, &start_error(why)),
        }
    }

    /// Whether the end of a pod is its process's to say; it gets until the grace period is over.
    pub(super) fn holds(&self, tx: &mut Tx<'_>, object: &Object, what: &str) -> bool {
        if what != kubelet::GONE || !self.running().contains(uid_of(&object.doc)) {
            return false;
        }
        let due = Due { at: tx.now() + Duration::from_secs(600), what: kubelet::GONE.to_owned() };
        tx.update(&object.scope(), filed(kubelet::kind()), &object.id, |object| object.due = Some(due));
        true
    }

    fn start(self: &Arc<Self>, launch: Launch) {
        self.running().insert(launch.uid.clone());
        let local = Arc::clone(self);
        tokio::spawn(async move {
            let Some(hub) = local.hub.get().and_then(Weak::upgrade) else { return };
            // Time does not jump while somebody works.
            let busy = hub.busy();
            let ending = local.run(&hub, &launch).await;
            local.running().remove(&launch.uid);
            let ended = hub.transact(|tx| {
                if let Some((cluster, pod)) = pod_now(tx, &launch) {
                    kubelet::ended(tx, &cluster, pod, &ending);
                }
                Ok::<_, WorldError>(())
            });
            if let Err(error) = ended {
                tracing::error!(%error, "the sandbox's own disk failed");
            }
            drop(busy);
        });
    }

    async fn run(&self, hub: &Arc<Hub>, launch: &Launch) -> Ending {
        let root = self.dir.join(&launch.uid);
        let below = root.join(launch.below.trim_start_matches('/'));
        let prepared = store::make_private_dir(&below).and_then(|()| {
            let log = GrowingFile::open(&self.dir.join(format!("{}.log", launch.uid)))?;
            Ok(Arc::new(Mutex::new(log)))
        });
        let log = match prepared {
            Ok(log) => log,
            Err(error) => return start_error(error.to_string()),
        };
        let mut command = Command::new(&launch.words[0]);
        command
            .args(&launch.words[1..])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &root)
            .env("HOSTNAME", &launch.name)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&below)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(cause) => return start_error(not_started(&launch.words[0], &cause)),
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let printing = async {
            tokio::join!(pump(hub, out, Arc::clone(&log)), pump(hub, err, log));
        };
        let (status, ()) = tokio::join!(watched(hub, &mut child, launch), printing);
        match status {
            Ok(status) => Ending::exited(code(status)),
            Err(cause) => start_error(cause.to_string()),
        }
    }
}

fn start_error(why: String) -> Ending {
    Ending { code: 128, reason: "StartError", message: Some(why) }
}

/// In the container runtime's words.
fn not_started(program: &str, cause: &std::io::Error) -> String {
    let why = match cause.kind() {
        std::io::ErrorKind::NotFound if program.contains('/') => format!("stat {program}: no such file or directory"),
        std::io::ErrorKind::NotFound => "executable file not found in $PATH".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
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

/// The pod as it is now, if it still is this one.
fn pod_now(tx: &Tx<'_>, launch: &Launch) -> Option<(Cluster, Value)> {
    let cluster = host::all().find_map(|host| host.reach(tx, &launch.cluster))?;
    let key = id(&cluster, Some(&launch.namespace), &launch.name);
    let object = tx.get(&cluster.scope, filed(kubelet::kind()), &key)?;
    (uid_of(&object.doc) == launch.uid).then(|| (cluster, object.doc.clone()))
}

/// Waits for the process; when its pod is to go it is told to end, and killed when it does not.
async fn watched(hub: &Arc<Hub>, child: &mut Child, launch: &Launch) -> std::io::Result<ExitStatus> {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut changes = hub.changes();
    loop {
        tokio::select! {
            ended = child.wait() => return ended,
            _ = changes.changed() => {}
        }
        let stays = hub.transact(|tx| {
            let pod = pod_now(tx, launch);
            Ok::<_, WorldError>(pod.is_some_and(|(_, pod)| pod["metadata"]["deletionTimestamp"].is_null()))
        });
        if stays.unwrap_or(true) {
            continue;
        }
        let tell = |signal| {
            if let Some(group) = group {
                // A process that has just ended needs no signal.
                let _ = kill_process_group(group, signal);
            }
        };
        tell(Signal::TERM);
        tokio::select! {
            ended = child.wait() => return ended,
            () = nap(launch.grace) => tell(Signal::KILL),
        }
        return child.wait().await;
    }
}

/// Writes what a stream says, line by line with its time, as a kubelet keeps it.
async fn pump(hub: &Hub, stream: Option<impl AsyncRead + Unpin>, log: Arc<Mutex<GrowingFile>>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    let mut open = Vec::new();
    let mut at = hub.now();
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or_default();
        // Each line has a time of its own, as they have where every line is a write.
        at = at.max(hub.now());
        let mut text = Vec::new();
        let mut add = |line: &[u8], text: &mut Vec<u8>| {
            at += Duration::from_nanos(1);
            text.extend_from_slice(format!("{at} ").as_bytes());
            text.extend_from_slice(line);
        };
        open.extend_from_slice(&buffer[..read]);
        let whole = open.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        open[..whole].split_inclusive(|byte| *byte == b'\n').for_each(|line| add(line, &mut text));
        open.drain(..whole);
        if read == 0 && !open.is_empty() {
            add(&open, &mut text);
        }
        let written = log.lock().unwrap_or_else(PoisonError::into_inner).add(&text);
        if read == 0 || written.is_err() {
            return;
        }
    }
}

/// Reads what is to run; why it cannot, in the kubelet's words.
fn launch(tx: &Tx<'_>, cluster: &Cluster, pod: &Value) -> Result<Launch, String> {
    let container = &pod["spec"]["containers"][0];
    let words: Vec<String> = ["command", "args"]
        .iter()
        .flat_map(|key| container[*key].as_array().into_iter().flatten())
        .map(|word| word.as_str().unwrap_or_default().to_owned())
        .collect();
    if words.is_empty() {
        return Err("no command specified: pods that run here have no image".to_owned());
    }
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        if volume["emptyDir"].is_null() {
            let name = volume["name"].as_str().unwrap_or_default();
            return Err(format!("volume {name}: pods that run here have no volumes"));
        }
    }
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
    Ok(Launch {
        cluster: cluster.uid.clone(),
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        words,
        env: environment(tx, cluster, pod),
        below: container["workingDir"].as_str().unwrap_or("/").to_owned(),
        grace: Duration::from_secs(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30)),
    })
}

/// Its variables, the later over the earlier.
fn environment(tx: &Tx<'_>, cluster: &Cluster, pod: &Value) -> Vec<(String, String)> {
    let namespace = pod["metadata"]["namespace"].as_str();
    let data = |of: &str, name: &Value| -> Vec<(String, String)> {
        let kind = Kind::find("", of).expect("a kind of the table");
        let found = tx.get(&cluster.scope, filed(kind), &id(cluster, namespace, name.as_str().unwrap_or_default()));
        let entries = found.and_then(|object| object.doc["data"].as_object().cloned()).unwrap_or_default();
        let read = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            if of == "configmaps" {
                return text.to_owned();
            }
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        entries.iter().map(|(key, value)| (key.clone(), read(value))).collect()
    };
    let container = &pod["spec"]["containers"][0];
    let mut all = Vec::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        all.extend(data("secrets", &source["secretRef"]["name"]));
        all.extend(data("configmaps", &source["configMapRef"]["name"]));
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"];
        let value = match (&variable["value"], &from["fieldRef"]["fieldPath"]) {
            (Value::String(value), _) => value.clone(),
            (_, Value::String(path)) => field(pod, path),
            _ => {
                let (of, by) = match from["secretKeyRef"].is_null() {
                    false => ("secrets", &from["secretKeyRef"]),
                    true => ("configmaps", &from["configMapKeyRef"]),
                };
                let found = data(of, &by["name"]).into_iter().find(|(key, _)| by["key"] == json!(key));
                found.map(|(_, value)| value).unwrap_or_default()
            }
        };
        all.push((variable["name"].as_str().unwrap_or_default().to_owned(), value));
    }
    all
}

/// A field of the pod, as the downward API names it.
fn field(pod: &Value, path: &str) -> String {
    let found = match path.split_once("['") {
        Some((map, key)) => {
            let map = map.replace('.', "/");
            pod.pointer(&format!("/{map}")).and_then(|map| map.get(key.trim_end_matches("']")))
        }
        None => pod.pointer(&format!("/{}", path.replace('.', "/"))),
    };
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Where pods of a sandbox run.
pub(super) fn place(dir: &Path) -> PathBuf {
    dir.join("pods")
}
