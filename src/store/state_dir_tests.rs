//! The state directory: listing, locking, one writer.

use super::*;
use crate::engine::{Journal, Mode, RunId, RunOutcome};
use crate::store::StoreErrorKind;
use crate::store::journal::tests::plan;
use async_trait::async_trait;
use jiff::Timestamp;
use std::os::unix::fs::{PermissionsExt, symlink};

fn me() -> Holder {
    Holder { user: "ana".into(), host: "laptop".into(), pid: 7, since: Timestamp::UNIX_EPOCH, verb: "provision".into() }
}

pub(crate) fn lock(dir: &Path, stack: &str) -> Arc<StackLock> {
    let lock = FileLock::try_acquire(&dir.join(format!("stacks/{stack}.lock")), &me()).unwrap();
    Arc::new(StackLock { stack: stack.parse().unwrap(), _lock: lock })
}

/// A clock on which every wait is over at once.
struct Instantly(std::sync::Mutex<Timestamp>);

#[async_trait]
impl Clock for Instantly {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, span: Duration) {
        *self.0.lock().unwrap() += jiff::SignedDuration::try_from(span).unwrap();
    }
}

fn clock() -> Instantly {
    Instantly(std::sync::Mutex::new(Timestamp::UNIX_EPOCH))
}

fn planned(stack: &str) -> Event {
    Event::Planned { plan: Box::new(plan(stack)), plan_hash: "h".into(), found: false }
}

fn run(journal: &mut StackJournal, mode: Mode, outcome: Option<RunOutcome>) {
    let run = RunId("r".into());
    let at = Timestamp::UNIX_EPOCH;
    let (host, user, version) = ("h".into(), "u".into(), "0".into());
    journal.append(at, Some(&run), &Event::RunStarted { run: run.clone(), mode, host, pid: 1, user, version }).unwrap();
    journal
        .append(at, Some(&run), &Event::Note { what: "\"event\":\"runStarted\",\"mode\":\"recover\"".into() })
        .unwrap();
    if let Some(outcome) = outcome {
        let ended = Event::RunEnded { run: run.clone(), outcome, mutating_calls: 0, error: None };
        journal.append(at, Some(&run), &ended).unwrap();
        journal.append(at, Some(&run), &Event::Note { what: "after".into() }).unwrap();
    }
}

#[test]
fn stacks_are_listed_with_whether_they_live() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path());
    assert_eq!(state.list().unwrap(), []);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "reading leaves no trace");

    let mut begun = state.create(&lock(dir.path(), "demo-00000001")).unwrap();
    begun.append(Timestamp::UNIX_EPOCH, None, &planned("demo-00000001")).unwrap();
    run(&mut begun, Mode::Provision, Some(RunOutcome::Done));
    let mut gone = state.create(&lock(dir.path(), "demo-00000002")).unwrap();
    gone.append(Timestamp::UNIX_EPOCH, None, &planned("demo-00000002")).unwrap();
    run(&mut gone, Mode::Provision, Some(RunOutcome::Done));
    run(&mut gone, Mode::Destroy, Some(RunOutcome::Done));
    let mut going = state.create(&lock(dir.path(), "demo-00000003")).unwrap();
    going.append(Timestamp::UNIX_EPOCH, None, &planned("demo-00000003")).unwrap();
    run(&mut going, Mode::Destroy, Some(RunOutcome::Failed));
    run(&mut going, Mode::Destroy, None);
    state.create(&lock(dir.path(), "other-00000004")).unwrap();
    fs::write(dir.path().join("stacks/notes.jsonl"), "x").unwrap();

    let seen: Vec<_> = state.list().unwrap().into_iter().map(|known| (known.stack.to_string(), known.life)).collect();
    let want = [
        ("demo-00000001", Life::Live),
        ("demo-00000002", Life::Destroyed),
        ("demo-00000003", Life::Live),
        ("other-00000004", Life::Empty),
    ];
    assert_eq!(seen, want.map(|(stack, life)| (stack.to_owned(), life)));
    assert_eq!(state.live(&"demo".parse().unwrap()).unwrap().len(), 2);
    assert_eq!(state.live(&"other".parse().unwrap()).unwrap(), []);
}

#[tokio::test]
async fn one_process_writes_and_the_other_learns_who() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path());
    let stack: Stack = "demo-00000001".parse().unwrap();
    let held = state.lock(&stack, &me(), Duration::ZERO, &clock()).await.unwrap();
    let mut journal = state.create(&held).unwrap();
    drop(held);
    let error = state.lock(&stack, &me(), Duration::from_secs(5), &clock()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Locked { holder: Some(me()) }, "the journal keeps the lock");
    assert_eq!(state.holder(&stack).unwrap(), Some(Some(me())));
    journal.append(Timestamp::UNIX_EPOCH, None, &planned("demo-00000001")).unwrap();
    assert_eq!(state.read(&stack).unwrap().records.len(), 1, "readers need no lock");
    drop(journal);
    let held = state.lock(&stack, &me(), Duration::ZERO, &clock()).await.unwrap();
    assert_eq!(state.resume(&held).unwrap().1.records.len(), 1);
    assert_eq!(state.create(&held).unwrap_err().kind, StoreErrorKind::Exists);
}

#[tokio::test]
async fn two_cannot_begin_one_name_at_once_whatever_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path());
    // A name that looks like another stack's stem must not share its lock.
    let name: ClusterName = "demo-00000001".parse().unwrap();
    let _stack = state.lock(&"demo-00000001".parse().unwrap(), &me(), Duration::ZERO, &clock()).await.unwrap();
    let held = state.lock_name(&name, &me(), Duration::ZERO, &clock()).await.unwrap();
    let error = state.lock_name(&name, &me(), Duration::from_secs(2), &clock()).await.unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Locked { .. }));
    drop(held);
    state.lock_name(&name, &me(), Duration::ZERO, &clock()).await.unwrap();
}

#[test]
fn a_journal_under_another_name_or_behind_a_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path());
    let mut journal = state.create(&lock(dir.path(), "demo-00000001")).unwrap();
    journal.append(Timestamp::UNIX_EPOCH, None, &planned("demo-00000001")).unwrap();
    drop(journal);
    let path = state.journal_path(&"demo-00000001".parse().unwrap());
    fs::copy(&path, dir.path().join("stacks/demo-00000002.jsonl")).unwrap();
    let error = state.read(&"demo-00000002".parse().unwrap()).unwrap_err();
    assert!(error.message.ends_with("line 1 is damaged: it is the journal of `demo-00000001`"), "{error}");
    assert!(state.resume(&lock(dir.path(), "demo-00000002")).is_err());
    symlink(&path, dir.path().join("stacks/demo-00000003.jsonl")).unwrap();
    assert_eq!(state.read(&"demo-00000003".parse().unwrap()).unwrap_err().kind, StoreErrorKind::Unusable);
    assert_eq!(state.resume(&lock(dir.path(), "demo-00000003")).unwrap_err().kind, StoreErrorKind::Unusable);
}

#[test]
fn journals_are_private_and_can_be_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(&dir.path().join("home"));
    let held = lock(state.root(), "demo-00000001");
    state.create(&held).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.root()), 0o700);
    assert_eq!(mode(&state.root().join("stacks")), 0o700);
    assert_eq!(mode(&state.journal_path(held.stack())), 0o600);
    let first = state.set_aside(&held).unwrap();
    state.create(&held).unwrap();
    let second = state.set_aside(&held).unwrap();
    assert!(first.exists() && second.exists() && first != second);
    assert_eq!(state.read(held.stack()).unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(state.list().unwrap(), []);
}

#[test]
fn secrets_stay_private_and_out_of_errors() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path());
    let held = lock(dir.path(), "demo-00000001");
    assert!(state.secrets(held.stack()).unwrap().is_empty());
    let secrets = BTreeMap::from([("join".to_owned(), Secret::new("hunter2".to_owned()))]);
    state.keep_secrets(&held, &secrets).unwrap();
    assert_eq!(state.secrets(held.stack()).unwrap(), secrets);
    let path = dir.path().join("stacks/demo-00000001.secrets.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, "{\"join\": hunter2}").unwrap();
    let error = state.secrets(held.stack()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    state.forget_secrets(&held).unwrap();
    state.forget_secrets(&held).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let state = StateDir::open(&file.join("kubewright"));
    assert_eq!(state.list().unwrap_err().kind, StoreErrorKind::Unusable);
    let error = FileLock::try_acquire(&state.root().join("stacks/demo-00000001.lock"), &me()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unusable);
    assert!(error.message.contains(&file.display().to_string()), "{error}");
}
