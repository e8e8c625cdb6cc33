//! A container as a group of processes of this machine. Nothing of the group is left when its container has ended, and nothing
//! of it outlives the server, however that ends: the group's first process waits for nothing else.
//!
//! What leaves the group by itself (`setsid`) is not found again.

use super::launch::Launch;
use crate::{
    sandbox::hub::nap,
    store::{GrowingFile, StoreError},
};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// What containers search commands in, where their image says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Says that it is deaf to what the group is told, then waits until the other end of its standard input is gone. Nobody
/// but the server holds that end, and nobody writes to it.
const GUARD: &str = "trap '' HUP INT QUIT TERM ALRM USR1 USR2; echo; read -r end; kill -KILL 0";
/// How long is waited for output that nobody of the group can write any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A group of processes; killed when dropped.
struct Group {
    id: Pid,
    // Reaped only after the group was killed: until then nobody else can have its number.
    _guard: Child,
    _line: ChildStdin,
}

impl Group {
    async fn open() -> io::Result<Self> {
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let lacks = || io::Error::other("a process without number or pipes");
        let id = guard.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).ok_or_else(lacks)?;
        let line = guard.stdin.take().ok_or_else(lacks)?;
        let mut said = guard.stdout.take().ok_or_else(lacks)?;
        let group = Self { id, _guard: guard, _line: line };
        said.read_u8().await?;
        Ok(group)
    }

    fn tell(&self, signal: Signal) {
        // Who has just ended needs no signal.
        let _ = kill_process_group(self.id, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.tell(Signal::KILL);
    }
}

/// What a container printed, each line with its time, as a kubelet keeps it.
pub(super) struct Log {
    file: GrowingFile,
    last: Timestamp,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { file: GrowingFile::open(path)?, last: Timestamp::MIN })
    }

    /// Adds lines that were printed by now. Each has a time of its own, as where every line is a write.
    fn add(&mut self, now: Timestamp, lines: &[u8]) -> Result<(), StoreError> {
        let mut text = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.last = now.max(self.last + Duration::from_nanos(1));
            text.extend_from_slice(format!("{} ", self.last).as_bytes());
            text.extend_from_slice(line);
        }
        self.file.add(&text)
    }
}

/// When a container is to end before its time.
pub(super) struct Orders<Leave, Vanish> {
    /// Its pod is told to go, and has so long for it.
    pub(super) leave: Leave,
    /// Its pod is gone.
    pub(super) vanish: Vanish,
}

/// Runs a container to its end. `root` is there.
///
/// # Errors
/// It could not be started.
pub(super) async fn run(
    launch: &Launch,
    root: &Path,
    log: Log,
    now: impl Fn() -> Timestamp,
    orders: Orders<impl Future<Output = Duration>, impl Future<Output = ()>>,
) -> io::Result<ExitStatus> {
    let group = Group::open().await?;
    let mut child = Command::new(&launch.words[0])
        .args(&launch.words[1..])
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", root)
        .env("HOSTNAME", &launch.hostname)
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(root.join(&launch.below))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(group.id.as_raw_nonzero().get())
        .kill_on_drop(true)
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let log = Mutex::new(log);
    let printing = async { tokio::join!(pump(out, &log, &now), pump(err, &log, &now)) };
    let ending = async {
        let status = until_ended(&mut child, &group, orders).await;
        // What it left running goes with it.
        drop(group);
        status
    };
    tokio::pin!(printing, ending);
    let mut printed = false;
    let status = loop {
        tokio::select! {
            status = &mut ending => break status,
            _ = &mut printing, if !printed => printed = true,
        }
    };
    if !printed {
        let _ = timeout(LAST_WORDS, printing).await;
    }
    status
}

async fn until_ended(
    child: &mut Child,
    group: &Group,
    orders: Orders<impl Future<Output = Duration>, impl Future<Output = ()>>,
) -> io::Result<ExitStatus> {
    let grace = tokio::select! {
        ended = child.wait() => return ended,
        grace = orders.leave => grace,
    };
    group.tell(Signal::TERM);
    tokio::select! {
        ended = child.wait() => return ended,
        () = nap(grace) => {}
        () = orders.vanish => {}
    }
    // Its own process first, so that its end is known; the group follows.
    child.start_kill()?;
    child.wait().await
}

/// Keeps what a stream says, in whole lines; the last one may lack its end.
async fn pump(stream: Option<impl AsyncRead + Unpin>, log: &Mutex<Log>, now: impl Fn() -> Timestamp) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    let mut open = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or_default();
        open.extend_from_slice(&buffer[..read]);
        let whole = match read {
            0 => open.len(),
            _ => open.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        };
        let kept = log.lock().unwrap_or_else(PoisonError::into_inner).add(now(), &open[..whole]);
        open.drain(..whole);
        if let Err(error) = kept {
            // Its next word meets a closed pipe, as on a node whose disk is full.
            tracing::error!(%error, "the log of a pod cannot be kept");
            return;
        }
        if read == 0 {
            return;
        }
    }
}
