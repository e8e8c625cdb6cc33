//! A container as a group of processes of this machine. Nothing of the group is left when its container has ended, and
//! nothing of it outlives the server, however that ends: the group's first process waits for nothing else.
//!
//! What leaves the group by itself (`setsid`) is not found again.

use super::{super::logs::kept, launch::Launch};
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
    time::{Instant, timeout},
};

/// What containers search commands in, where their image says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Says that it is deaf to what the group is told, then waits until the other end of its standard input is gone. Nobody
/// but the server holds that end, and nobody writes to it.
const GUARD: &str = "trap '' HUP INT QUIT TERM ALRM USR1 USR2; echo; read -r end; kill -KILL 0";
/// How long is waited for output that nobody of the group can write any more.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Longer lines are kept in parts, as containerd keeps them.
const LONGEST_LINE: usize = 16 << 10;
/// How much of a log is kept.
const KEPT: u64 = 256 << 20;

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

/// What a container printed, each line with its time.
pub(super) struct Log {
    file: GrowingFile,
    last: Timestamp,
}

impl Log {
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { file: GrowingFile::create(dir, KEPT)?, last: Timestamp::MIN })
    }

    /// Adds lines that were printed by now, each whole or not. Each has a time of its own, as where every line is a write.
    fn add(&mut self, now: Timestamp, lines: &[(bool, &[u8])]) -> Result<(), StoreError> {
        let mut text = Vec::new();
        for (whole, line) in lines {
            self.last = now.max(self.last.checked_add(Duration::from_nanos(1)).unwrap_or(now));
            text.extend(kept(self.last, *whole, line));
        }
        self.file.add(&text)
    }
}

/// Takes the lines from the front of what was read, whole or cut, as containerd cuts them: an end of `\r\n` is one of `\n`,
/// and what is left when `last` is a part that nothing follows. Says how much was taken.
fn lines(open: &[u8], last: bool) -> (Vec<(bool, &[u8])>, usize) {
    let (mut lines, mut rest) = (Vec::new(), open);
    loop {
        let end = rest.iter().take(LONGEST_LINE + 1).position(|byte| *byte == b'\n');
        if let Some(end) = end {
            let line = &rest[..end];
            lines.push((true, line.strip_suffix(b"\r").unwrap_or(line)));
            rest = &rest[end + 1..];
        } else if rest.len() > LONGEST_LINE {
            lines.push((false, &rest[..LONGEST_LINE]));
            rest = &rest[LONGEST_LINE..];
        } else {
            break;
        }
    }
    if last && !rest.is_empty() {
        lines.push((false, rest));
        rest = &[];
    }
    (lines, open.len() - rest.len())
}

/// How a container ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself, or because it was told to.
    Exited(ExitStatus),
    /// It took too much memory, as its pod had asked it to.
    OutOfMemory,
}

/// Who says when a container is to end before its time.
pub(super) trait Orders {
    /// Waits until its pod has less time to go than this (none: any time at all); says how long it has.
    async fn told(&self, left: Option<Duration>) -> Duration;
}

/// Runs a container to its end. `root` is there; `started` hears that it runs.
///
/// # Errors
/// It could not be started.
pub(super) async fn run(
    launch: &Launch,
    root: &Path,
    log: Log,
    now: impl Fn() -> Timestamp,
    started: impl FnOnce(),
    orders: impl Orders,
) -> io::Result<End> {
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
    started();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let log = Mutex::new(log);
    let printing = async { tokio::join!(pump(out, &log, &now), pump(err, &log, &now)) };
    let ending = async {
        let end = until_ended(&mut child, &group, launch.memory_lasts, orders).await;
        // What it left running goes with it.
        drop(group);
        end
    };
    tokio::pin!(printing, ending);
    let mut printed = false;
    let end = loop {
        tokio::select! {
            end = &mut ending => break end,
            _ = &mut printing, if !printed => printed = true,
        }
    };
    if !printed {
        let _ = timeout(LAST_WORDS, printing).await;
    }
    end
}

async fn until_ended(
    child: &mut Child,
    group: &Group,
    memory_lasts: Option<Duration>,
    orders: impl Orders,
) -> io::Result<End> {
    let memory = async {
        match memory_lasts {
            Some(span) => nap(span).await,
            None => std::future::pending().await,
        }
    };
    let mut grace = tokio::select! {
        ended = child.wait() => return ended.map(End::Exited),
        grace = orders.told(None) => grace,
        () = memory => {
            child.start_kill()?;
            return child.wait().await.map(|_| End::OutOfMemory);
        }
    };
    group.tell(Signal::TERM);
    let told = Instant::now();
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map(End::Exited),
            () = nap(grace.saturating_sub(told.elapsed())) => break,
            less = orders.told(Some(grace)) => grace = less,
        }
    }
    // Its own process first, so that its end is known; the group follows.
    child.start_kill()?;
    child.wait().await.map(End::Exited)
}

/// Keeps what a stream says.
async fn pump(stream: Option<impl AsyncRead + Unpin>, log: &Mutex<Log>, now: impl Fn() -> Timestamp) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    let mut open = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or_default();
        open.extend_from_slice(&buffer[..read]);
        let (lines, taken) = lines(&open, read == 0);
        let added = log.lock().unwrap_or_else(PoisonError::into_inner).add(now(), &lines);
        open.drain(..taken);
        if let Err(error) = added {
            // Its next word meets a closed pipe, as on a node whose disk is full.
            tracing::error!(%error, "the log of a pod cannot be kept");
            return;
        }
        if read == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_as_containerd_cuts_them() {
        let show = |open: &[u8], last| {
            let (found, taken) = lines(open, last);
            let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
            (found.into_iter().map(|(whole, line)| (whole, text(line))).collect::<Vec<_>>(), taken)
        };
        let own = |whole, text: &str| (whole, text.to_owned());
        assert_eq!(show(b"a\nb\r\n\nc", false), (vec![own(true, "a"), own(true, "b"), own(true, "")], 6));
        assert_eq!(show(b"a\nc", true), (vec![own(true, "a"), own(false, "c")], 3));
        assert_eq!(show(b"", true), (Vec::new(), 0));
        let fits = [vec![b'x'; LONGEST_LINE], b"\n".to_vec()].concat();
        assert_eq!(show(&fits, false).0.len(), 1, "as long as a line may be");
        let long = vec![b'x'; 2 * LONGEST_LINE + 3];
        let (parts, taken) = lines(&long, false);
        assert_eq!((parts.len(), taken), (2, 2 * LONGEST_LINE), "the rest waits for more");
        assert!(parts.iter().all(|(whole, part)| !whole && part.len() == LONGEST_LINE));
    }
}
