//! The state directory: where the journals, locks and secrets of all stacks are.
//!
//! ```text
//! <root>/stacks/<name>-<id8>.jsonl         journal, kept as history after the stack is destroyed
//! <root>/stacks/<name>-<id8>.lock          held by the one process that works on the stack
//! <root>/stacks/<name>-<id8>.secrets.json  what must exist before a call but not in the journal
//! <root>/names/<name>.lock                 held while a stack of that name is being begun
//! <root>/durations.json                    what steps took here: rebuilt from the journals when it is not there
//! ```
//! Nothing is made before it is needed: reading commands leave no trace.

use super::{
    append::read_lines,
    error::StoreError,
    files::{
        make_private_dir, parent, private_options, read_text_if_there, remove_if_there, require_plain, sync_dir,
        write_private,
    },
    journal::{self, JournalRead, StackJournal},
    lock::{self, FileLock, Holder},
};
use crate::engine::{Clock, Event, Plan};
use crate::model::{ClusterName, Secret, Stack};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Longest file of durations that is read: thirty numbers for each kind of step there is, many times over.
const DURATIONS_LIMIT: u64 = 1 << 20;
/// Longest secrets file that is read.
const SECRETS_LIMIT: u64 = 1 << 20;

/// The state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

/// The lock of one stack: whoever has it is its only writer.
#[derive(Debug)]
pub struct StackLock {
    stack: Stack,
    _lock: FileLock,
}

impl StackLock {
    /// Whose lock it is.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }
}

/// Whether a stack lives, by a quick look at its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Begun and not proven gone.
    Live,
    /// Destroyed, with nothing left; its journal is history.
    Destroyed,
    /// The process died before the plan was durable: nothing was ever made.
    Empty,
}

/// A stack with a journal here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The stack.
    pub stack: Stack,
    /// Whether it lives. A journal that cannot be read counts as live: `read` says what is wrong.
    pub life: Life,
}

impl StateDir {
    /// The state directory at this place. Which place is the caller's to decide.
    pub fn open(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a stack's journal is or would be.
    pub fn journal_path(&self, stack: &Stack) -> PathBuf {
        self.file(stack, "jsonl")
    }

    fn file(&self, stack: &Stack, ending: &str) -> PathBuf {
        self.root.join("stacks").join(format!("{stack}.{ending}"))
    }

    /// Every stack with a journal here, by name and id. Quick enough for completion: no journal is checked.
    ///
    /// # Errors
    /// `Unusable` when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Known>, StoreError> {
        let dir = self.root.join("stacks");
        let fail = |cause: io::Error| StoreError::io("read", &dir, &cause);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(fail(cause)),
        };
        let mut known = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            // Other files are locks, secrets, journals set aside, or not ours at all.
            let name = entry.file_name();
            let stack = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|stem| stem.parse().ok());
            if let Some(stack) = stack {
                known.push(Known { stack, life: life(&entry.path()) });
            }
        }
        known.sort_by(|a, b| a.stack.cmp(&b.stack));
        Ok(known)
    }

    /// The live stacks of this name; more than one only when journals were brought together by hand.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn live(&self, name: &ClusterName) -> Result<Vec<Stack>, StoreError> {
        let known = self.list()?.into_iter();
        Ok(known
            .filter(|known| known.life == Life::Live && known.stack.name == *name)
            .map(|known| known.stack)
            .collect())
    }

    /// Takes the lock under which a stack of this name is looked for and begun, so that two processes do not both find
    /// none and begin two.
    ///
    /// # Errors
    /// `Locked` with its holder when `timeout` is over; `Unusable`, `Full`.
    pub async fn lock_name(
        &self,
        name: &ClusterName,
        holder: &Holder,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<FileLock, StoreError> {
        let path = self.root.join("names").join(format!("{name}.lock"));
        FileLock::acquire(&path, holder, timeout, clock).await
    }

    /// Takes a stack's lock, waiting up to `timeout`.
    ///
    /// # Errors
    /// `Locked` with its holder when the time is over; `Unusable`, `Full`.
    pub async fn lock(
        &self,
        stack: &Stack,
        holder: &Holder,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<Arc<StackLock>, StoreError> {
        let lock = FileLock::acquire(&self.file(stack, "lock"), holder, timeout, clock).await?;
        Ok(Arc::new(StackLock { stack: stack.clone(), _lock: lock }))
    }

    /// Who works on a stack now; see [`lock::holder`].
    ///
    /// # Errors
    /// `Unusable`.
    pub fn holder(&self, stack: &Stack) -> Result<Option<Option<Holder>>, StoreError> {
        lock::holder(&self.file(stack, "lock"))
    }

    /// Begins a stack's journal.
    ///
    /// # Errors
    /// `Exists`, `Unusable`, `Full`.
    pub fn create(&self, lock: &Arc<StackLock>) -> Result<StackJournal, StoreError> {
        let path = self.journal_path(&lock.stack);
        make_private_dir(&parent(&path))?;
        StackJournal::create(&path, Arc::clone(lock))
    }

    /// Opens a stack's journal to go on, with what it holds.
    ///
    /// # Errors
    /// `NotFound`, `Damaged` with its line, `Newer`, `Unusable`, `Full`.
    pub fn resume(&self, lock: &Arc<StackLock>) -> Result<(StackJournal, JournalRead), StoreError> {
        let path = self.journal_path(&lock.stack);
        let (journal, read) = StackJournal::open(&path, Arc::clone(lock))?;
        self.require_same(&lock.stack, &read)?;
        Ok((journal, read))
    }

    /// Reads and checks a stack's journal; no lock is needed.
    ///
    /// # Errors
    /// `NotFound`, `Damaged` with its line, `Newer`, `Unusable`.
    pub fn read(&self, stack: &Stack) -> Result<JournalRead, StoreError> {
        let read = journal::read(&self.journal_path(stack))?;
        self.require_same(stack, &read)?;
        Ok(read)
    }

    /// What a stack was begun as, even where a later line of its journal is damaged.
    pub fn begun_as(&self, stack: &Stack) -> Option<Box<Plan>> {
        journal::first_plan(&self.journal_path(stack)).filter(|plan| plan.stack == *stack)
    }

    /// A journal that was copied or renamed would send one stack's calls under another's name.
    fn require_same(&self, stack: &Stack, read: &JournalRead) -> Result<(), StoreError> {
        match read.records.first().map(|record| &record.event) {
            Some(Event::Planned { plan, .. }) if plan.stack != *stack => {
                let why = format!("it is the journal of `{}`", plan.stack);
                Err(StoreError::damaged(&self.journal_path(stack), Some(1), &why))
            }
            _ => Ok(()),
        }
    }

    /// Moves a stack's journal out of the way, for a rebuild from the cloud. Returns where it is now.
    ///
    /// # Errors
    /// `NotFound`, `Unusable`.
    pub fn set_aside(&self, lock: &StackLock) -> Result<PathBuf, StoreError> {
        let from = self.journal_path(&lock.stack);
        let free = |n: &u32| !self.file(&lock.stack, &format!("jsonl.aside-{n}")).exists();
        let n = (1..).find(free).expect("there are fewer than four billion of them");
        let to = self.file(&lock.stack, &format!("jsonl.aside-{n}"));
        fs::rename(&from, &to).map_err(|cause| StoreError::io("move", &from, &cause))?;
        sync_dir(&parent(&to))?;
        Ok(to)
    }

    /// Forgets every stack: for a world that was pretend and is gone.
    ///
    /// # Errors
    /// `Unusable`.
    pub fn forget_all(&self) -> Result<(), StoreError> {
        remove_if_there(&self.durations_path())?;
        let dir = self.root.join("stacks");
        match fs::remove_dir_all(&dir) {
            Ok(()) => sync_dir(&self.root),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(StoreError::io("remove", &dir, &cause)),
        }
    }

    fn durations_path(&self) -> PathBuf {
        self.root.join("durations.json")
    }

    /// What is kept of how long steps take here; none where there is nothing, or nothing that can be read as text.
    pub fn durations(&self) -> Option<String> {
        read_text_if_there(&self.durations_path(), DURATIONS_LIMIT).ok().flatten()
    }

    /// Keeps this instead. Only where stacks are kept already. Two runs that end at once may forget one another's, which
    /// costs nobody anything.
    ///
    /// # Errors
    /// `Unusable`, `Full`.
    pub fn keep_durations(&self, text: &str) -> Result<(), StoreError> {
        if !self.root.join("stacks").is_dir() {
            return Ok(());
        }
        write_private(&self.durations_path(), text.as_bytes())
    }

    /// The secrets kept beside a stack's journal; none is an empty map.
    ///
    /// # Errors
    /// `Unusable`, `TooLarge`, `Damaged`. No error shows a secret.
    pub fn secrets(&self, stack: &Stack) -> Result<BTreeMap<String, Secret<String>>, StoreError> {
        let path = self.file(stack, "secrets.json");
        let file = match private_options().read(true).open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(cause) => return Err(StoreError::io("read", &path, &cause)),
        };
        require_plain(&file, &path)?;
        let mut text = Vec::new();
        let read = file.take(SECRETS_LIMIT).read_to_end(&mut text);
        read.map_err(|cause| StoreError::io("read", &path, &cause))?;
        let secrets: BTreeMap<String, String> = serde_json::from_slice(&text)
            .map_err(|_| StoreError::damaged(&path, None, "it is not a JSON object of texts"))?;
        Ok(secrets.into_iter().map(|(key, value)| (key, Secret::new(value))).collect())
    }

    /// Keeps these secrets instead of those that are there.
    ///
    /// # Errors
    /// `Unusable`, `Full`.
    pub fn keep_secrets(&self, lock: &StackLock, secrets: &BTreeMap<String, Secret<String>>) -> Result<(), StoreError> {
        let path = self.file(&lock.stack, "secrets.json");
        let plain: BTreeMap<&str, &str> =
            secrets.iter().map(|(key, value)| (key.as_str(), value.reveal().as_str())).collect();
        let text = serde_json::to_vec(&plain).expect("a map of texts");
        write_private(&path, &text)
    }

    /// Forgets a stack's secrets.
    ///
    /// # Errors
    /// `Unusable`.
    pub fn forget_secrets(&self, lock: &StackLock) -> Result<(), StoreError> {
        remove_if_there(&self.file(&lock.stack, "secrets.json"))
    }
}

/// As much of a line as tells how its run goes.
#[derive(Deserialize)]
struct RunLine {
    event: String,
    mode: Option<String>,
    outcome: Option<String>,
}

/// Looks only at the lines from the last start of a run on: what a fold of the whole would say about being destroyed.
fn life(path: &Path) -> Life {
    let Ok(lines) = read_lines(path) else { return Life::Live };
    if lines.lines.is_empty() {
        return Life::Empty;
    }
    let mut done = false;
    for line in lines.lines.iter().rev() {
        // Event names stand unescaped only as names: in any text the quotes would have backslashes.
        let has = |needle: &[u8]| line.windows(needle.len()).any(|window| window == needle);
        if !has(b"\"event\":\"run") {
            continue;
        }
        let Ok(run) = serde_json::from_slice::<RunLine>(line) else { return Life::Live };
        match run.event.as_str() {
            "runEnded" => done |= run.outcome.as_deref() == Some("done"),
            "runStarted" if done && run.mode.as_deref() == Some("destroy") => return Life::Destroyed,
            _ => return Life::Live,
        }
    }
    Life::Live
}

#[cfg(test)]
#[path = "state_dir_tests.rs"]
pub(super) mod tests;
