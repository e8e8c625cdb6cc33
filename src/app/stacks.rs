//! The stacks this machine has journals of: finding, reading, locking.

use super::command::{Place, program};
use crate::engine::{Event, Journal, JournalError, Record, RunId, StackState, Standing, StepError, proof};
use crate::env::Env;
use crate::error::CliError;
use crate::model::{Cloud, ClusterName, Secrets, Stack, StackId};
use crate::store::{FileLock, Holder, JournalRead, Life, StackLock, StateDir, StoreError};
use std::{path::Path, sync::Arc, time::Duration};

/// What `protect` writes into the journal; the last one of these two counts.
const PROTECTED: &str = "protection on";
const UNPROTECTED: &str = "protection off";
/// The intent to lift it: until it is lifted everywhere it counts as on.
const LIFTING: &str = "protection is being lifted";
/// What `extend` writes, with the epoch second behind it.
const EXPIRES: &str = "expires at ";
/// What `provision` writes about the file that a stack is built from.
const BUILT_FROM: &str = "built from ";

/// A stack as its journal tells it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stack: Stack,
    pub(super) state: StackState,
    pub(super) records: Vec<Record>,
    /// Hash of the journal's last line.
    pub(super) head: Option<String>,
    /// Bytes of a torn last line.
    pub(super) torn: usize,
}

impl Known {
    /// Whether destroy and reap must leave it alone.
    pub(super) fn is_protected(&self) -> bool {
        let planned = || self.state.plan().and_then(|plan| plan.spec.get("protect")?.as_bool()).unwrap_or(false);
        self.protection_noted().unwrap_or_else(planned)
    }

    /// What `protect` said last here; none where it was never called.
    pub(super) fn protection_noted(&self) -> Option<bool> {
        self.records.iter().rev().find_map(|record| match &record.event {
            Event::Note { what } if what.starts_with(PROTECTED) => Some(true),
            Event::Note { what } if what.starts_with(UNPROTECTED) => Some(false),
            _ => None,
        })
    }

    /// When it expires: the latest that plan or `extend` said here.
    pub(super) fn expires_at(&self) -> Option<jiff::Timestamp> {
        let planned = self.state.plan().and_then(|plan| plan.tags.get(proof::TAG_EXPIRES_AT)?.parse::<i64>().ok());
        let noted = self.records.iter().filter_map(|record| match &record.event {
            Event::Note { what } => what.strip_prefix(EXPIRES)?.split(' ').next()?.parse::<i64>().ok(),
            _ => None,
        });
        let latest = noted.chain(planned).max()?;
        jiff::Timestamp::from_second(latest).ok()
    }

    /// When it was proven gone.
    pub(super) fn destroyed_at(&self) -> Option<jiff::Timestamp> {
        let ended = self.state.last_run().and_then(|run| run.ended);
        (self.state.standing() == Standing::Destroyed).then_some(ended.map(|(at, _)| at)).flatten()
    }
}

/// The note that turns protection on or off.
pub(super) fn protection_note(on: bool, by: &str) -> String {
    format!("{} by {by}", if on { PROTECTED } else { UNPROTECTED })
}

/// The note that moves the expiry.
pub(super) fn expiry_note(at: jiff::Timestamp, by: &str) -> String {
    format!("{EXPIRES}{} ({}) by {by}", at.as_second(), at.strftime("%Y-%m-%d %H:%MZ"))
}

/// The note that comes before the first call that lifts it.
pub(super) fn lifting_note(by: &str) -> String {
    format!("{LIFTING} by {by}")
}

/// The note that tells of the file a stack is built from.
pub(super) fn file_note(path: &Path) -> String {
    format!("{BUILT_FROM}{}", path.display())
}

/// A cluster that stands and was built from the file at hand under another name.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) name: ClusterName,
    pub(super) usd_per_hour: Option<f64>,
}

/// The live stacks that this file built here under other names.
pub(super) fn built_from(env: &Env, path: &Path, name: &ClusterName) -> Result<Vec<Beside>, CliError> {
    let note = file_note(path);
    let noted = |record: &Record| matches!(&record.event, Event::Note { what } if *what == note);
    let live = all_live(env)?.into_iter().filter_map(Result::ok);
    let others = live.filter(|known| known.stack.name != *name && known.records.iter().any(noted));
    let shown = others.map(|known| {
        let usd_per_hour = known.state.plan().and_then(|plan| super::outcome::hourly(plan, &known.state));
        Beside { name: known.stack.name, usd_per_hour }
    });
    Ok(shown.collect())
}

fn dir(env: &Env) -> StateDir {
    StateDir::open(&env.home)
}

/// Reads and folds one journal.
pub(super) fn read(env: &Env, stack: &Stack) -> Result<Known, CliError> {
    let read = dir(env).read(stack).map_err(|error| damaged(env, error.into(), stack))?;
    let state = StackState::fold(&read.records)
        .map_err(|bad| damaged(env, CliError::new("KW-JOURNAL", bad.to_string()), stack))?;
    let head = read.head().map(str::to_owned);
    Ok(Known { stack: stack.clone(), state, records: read.records, head, torn: read.torn })
}

/// A journal as it lies there, checked line by line.
pub(super) fn whole(env: &Env, stack: &Stack) -> Result<JournalRead, StoreError> {
    dir(env).read(stack)
}

/// Every stack that bears or bore this name and has a journal here, by id; `id` picks one.
pub(super) fn named(env: &Env, name: &ClusterName, id: Option<StackId>) -> Result<Vec<Stack>, CliError> {
    let known = dir(env).list()?.into_iter().map(|known| known.stack);
    Ok(known.filter(|stack| stack.name == *name && id.is_none_or(|id| stack.id == id)).collect())
}

/// A journal that cannot be used must not stand between the user and an empty cloud.
fn damaged(env: &Env, error: CliError, stack: &Stack) -> CliError {
    if error.id != "KW-JOURNAL" {
        return error;
    }
    // Both look in the cloud, so both must say where; the journal's first line knows, if it is not the damaged one.
    let begun = dir(env).begun_as(stack).map(|plan| (plan.provider, plan.region));
    let name = stack.name.clone();
    let (recover, destroy) = match begun.or_else(|| env.settings.provider.zip(env.settings.region.clone())) {
        Some((cloud, region)) => {
            let place = Place::at(env, name, cloud, region);
            (place.recover(), place.by_tags())
        }
        None => {
            let program = program(env);
            (format!("{program} recover {name}"), format!("{program} destroy {name} --from-tags --confirm {name}"))
        }
    };
    error
        .detail("nothing was changed; what runs in the cloud runs on and is billed")
        .hint(format!("rebuild the journal from the cloud:  {recover}"))
        .hint(format!("or remove the stack without it:      {destroy}"))
}

/// The live stack of this name, if there is one here.
pub(super) fn live(env: &Env, name: &ClusterName) -> Result<Option<Known>, CliError> {
    let found = dir(env).live(name)?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => {
            let known = read(env, one)?;
            warn_of_expiry(env, &known);
            Ok(Some(known))
        }
        many => Err(ambiguous(name, many)),
    }
}

/// From when on everybody who names a stack is told that it expires.
const SOON: Duration = Duration::from_secs(30 * 60);

/// Says that a stack expires soon, or has: to everybody who names it, while it lives.
pub(super) fn warn_of_expiry(env: &Env, known: &Known) {
    if known.state.standing() == Standing::Destroyed {
        return;
    }
    let Some(left) = known.expires_at().map(|at| at.as_second() - env.now().as_second()) else { return };
    if left > SOON.as_secs().cast_signed() {
        return;
    }
    let name = &known.stack.name;
    let when = match u64::try_from(left) {
        Ok(left) => format!("expires in {} min", left / 60),
        Err(_) => "is past its expiry".to_owned(),
    };
    env.ui.warn(&format!(
        "`{name}` {when}; `{} extend {name} 2h` gives it longer, the next `reap` takes it down",
        program(env)
    ));
}

/// Whether a stack of this name lives here, by a quick look.
pub(super) fn is_live(env: &Env, name: &ClusterName) -> Result<bool, CliError> {
    Ok(!dir(env).live(name)?.is_empty())
}

/// Several stacks bear the name.
pub(super) fn ambiguous(name: &ClusterName, stacks: &[Stack]) -> CliError {
    let mut error = CliError::new("KW-AMBIGUOUS", format!("{} stacks are called `{name}`", stacks.len()));
    error.hints = stacks.iter().map(|stack| format!("--stack {}", stack.id)).collect();
    error
}

/// The stack of this name that `id` picks, else the live one, else the one that lived last. Also destroyed ones.
pub(super) fn any(env: &Env, name: &ClusterName, id: Option<StackId>) -> Result<Option<Known>, CliError> {
    let named: Vec<_> = dir(env)
        .list()?
        .into_iter()
        .filter(|known| known.stack.name == *name && known.life != Life::Empty)
        .filter(|known| id.is_none_or(|id| known.stack.id == id))
        .collect();
    let living: Vec<Stack> =
        named.iter().filter(|known| known.life == Life::Live).map(|known| known.stack.clone()).collect();
    match living.as_slice() {
        [one] => return read(env, one).map(Some),
        [] => {}
        many => return Err(ambiguous(name, many)),
    }
    let mut dead: Vec<Known> = named.iter().filter_map(|known| read(env, &known.stack).ok()).collect();
    dead.sort_by_key(|known| known.records.last().map(|record| record.at));
    Ok(dead.pop())
}

/// A stack, or why its journal cannot be read.
pub(super) type Readable = Result<Known, (Stack, CliError)>;

/// All live stacks; those whose journal cannot be read with the reason.
pub(super) fn all_live(env: &Env) -> Result<Vec<Readable>, CliError> {
    let known = dir(env).list()?.into_iter().filter(|known| known.life == Life::Live);
    Ok(known.map(|known| read(env, &known.stack).map_err(|error| (known.stack, error))).collect())
}

/// The clouds that the live stacks of this machine are in; where none lives, those in which some have lived.
pub(super) fn clouds(env: &Env) -> Vec<Cloud> {
    let all = dir(env).list().unwrap_or_default();
    let of = |lives: fn(&Life) -> bool| {
        let some = all.iter().filter(|known| lives(&known.life));
        let read = some.filter_map(|known| Some(read(env, &known.stack).ok()?.state.plan()?.provider));
        let mut clouds: Vec<Cloud> = read.collect();
        clouds.sort_unstable();
        clouds.dedup();
        clouds
    };
    let live = of(|life| *life == Life::Live);
    if live.is_empty() { of(|life| *life != Life::Live && *life != Life::Empty) } else { live }
}

/// Who works on a stack now, in words, and since when.
pub(super) fn holder(env: &Env, stack: &Stack) -> Option<(String, Option<jiff::Timestamp>)> {
    match dir(env).holder(stack) {
        Ok(Some(Some(holder))) => {
            Some((format!("{}@{} pid {} ({})", holder.user, holder.host, holder.pid, holder.verb), Some(holder.since)))
        }
        Ok(Some(None)) => Some(("another kubewright".to_owned(), None)),
        Ok(None) | Err(_) => None,
    }
}

/// The right to work on a stack.
pub(super) struct Held {
    lock: Arc<StackLock>,
    _name: FileLock,
}

/// This process, as others are told who holds a lock.
pub(super) fn holder_of(env: &Env, verb: &str) -> Holder {
    Holder {
        user: env.user.clone(),
        host: env.host.clone(),
        pid: std::process::id(),
        since: env.wall.now(),
        verb: verb.to_owned(),
    }
}

/// Takes the locks of a stack and of its name: no other process begins one of that name meanwhile.
pub(super) async fn hold(env: &Env, stack: &Stack, verb: &str) -> Result<Held, CliError> {
    let dir = dir(env);
    let holder = holder_of(env, verb);
    let wait = env.settings.lock_timeout.unwrap_or(Duration::ZERO);
    if !wait.is_zero()
        && let Some((who, _)) = self::holder(env, stack)
    {
        env.ui.say(&format!("{} is held by {who}; waiting up to {}", stack.name, crate::model::time::show_span(wait)));
    }
    let wall = env.wall.as_ref();
    env.reading(async {
        let name =
            dir.lock_name(&stack.name, &holder, wait, wall).await.map_err(|error| held_by(error.into(), stack))?;
        let lock = dir.lock(stack, &holder, wait, wall).await.map_err(|error| held_by(error.into(), stack))?;
        Ok(Held { lock, _name: name })
    })
    .await
}

/// With `--lock-timeout`: waits until nobody works on the stack of this name any more, so that what is planned next is
/// planned on what they left. Without one, whoever holds it is told when the lock is asked for.
pub(super) async fn take_turn(env: &Env, name: &ClusterName, verb: &str) -> Result<(), CliError> {
    if env.settings.lock_timeout.is_none_or(|wait| wait.is_zero()) {
        return Ok(());
    }
    // What cannot be read is told by whoever needs it.
    let Ok(Some(known)) = live(env, name) else { return Ok(()) };
    match holder(env, &known.stack) {
        Some(_) => hold(env, &known.stack, verb).await.map(drop),
        None => Ok(()),
    }
}

fn held_by(error: CliError, stack: &Stack) -> CliError {
    if error.id != "KW-LOCKED" {
        return error;
    }
    let who = error.message.rsplit_once("is locked by ").map_or("another kubewright", |(_, who)| who).to_owned();
    CliError { message: format!("`{}` is held by {who}; nothing was done", stack.name), ..error }
        .hint("--lock-timeout 10m waits for it")
}

/// Opens the journal to go on, or begins one. `known` is what was read before the lock was taken.
pub(super) fn open_for_writing(
    env: &Env,
    held: &Held,
    known: Option<&Known>,
) -> Result<(Box<dyn Journal>, StackState), CliError> {
    let dir = dir(env);
    let stack = held.lock.stack();
    let moved_on = || {
        CliError::new(
            "KW-LOCKED",
            format!("another kubewright worked on `{}` in the meantime; nothing was done", stack.name),
        )
        .hint("run the command again")
    };
    let Some(known) = known else {
        if !dir.live(&stack.name)?.is_empty() {
            return Err(moved_on());
        }
        return Ok((discreet(env, dir.create(&held.lock)?), StackState::default()));
    };
    let (journal, read) = dir.resume(&held.lock)?;
    let state = StackState::fold(&read.records).map_err(|bad| CliError::new("KW-JOURNAL", bad.to_string()))?;
    if state.seq() != known.state.seq() {
        return Err(moved_on());
    }
    Ok((discreet(env, journal), state))
}

/// Begins a journal for a stack that was found in the cloud. One that is there already is set aside.
pub(super) fn begin_anew(env: &Env, held: &Held) -> Result<Box<dyn Journal>, CliError> {
    let dir = dir(env);
    if dir.journal_path(held.lock.stack()).exists() {
        let kept = dir.set_aside(&held.lock)?;
        env.ui.say(&format!("the journal that was here is kept as {}", kept.display()));
    }
    Ok(discreet(env, dir.create(&held.lock)?))
}

/// The journal of a removal without a plan. One that an earlier such removal left unfinished goes on; any other that is
/// there is set aside, so that however often it is repeated one is kept.
pub(super) fn begin_removal(env: &Env, held: &Held) -> Result<(Box<dyn Journal>, StackState), CliError> {
    let dir = dir(env);
    let stack = held.lock.stack();
    let fold = |read: &JournalRead| StackState::fold(&read.records).ok();
    let goes_on = |state: &StackState| state.plan().is_none() && state.standing() != Standing::Destroyed;
    // One that cannot be read is no reason to leave anything standing.
    if dir.read(stack).ok().as_ref().and_then(fold).is_some_and(|state| goes_on(&state)) {
        let (journal, read) = dir.resume(&held.lock)?;
        let state = StackState::fold(&read.records).map_err(|bad| CliError::new("KW-JOURNAL", bad.to_string()))?;
        return Ok((discreet(env, journal), state));
    }
    Ok((begin_anew(env, held)?, StackState::default()))
}

fn discreet(env: &Env, journal: impl Journal + 'static) -> Box<dyn Journal> {
    Box::new(Discreet { journal, secrets: env.ui.secrets().clone() })
}

/// A journal that writes down no secret a foreign sentence carries. What identifies things stays as it is: resuming
/// depends on it, and it comes from our plan.
struct Discreet<J> {
    journal: J,
    secrets: Secrets,
}

impl<J: Journal> Journal for Discreet<J> {
    fn append(&mut self, at: jiff::Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError> {
        let mut event = event.clone();
        match &mut event {
            Event::Failed { error, .. }
            | Event::DeleteFailed { error, .. }
            | Event::RunEnded { error: Some(error), .. } => self.hide(error),
            Event::Note { what: told } | Event::Replanned { why: told, .. } => self.secrets.mask_in(told),
            _ => {}
        }
        self.journal.append(at, run, &event)
    }
}

impl<J> Discreet<J> {
    fn hide(&self, error: &mut StepError) {
        for text in std::iter::once(&mut error.message).chain(&mut error.hints).chain(&mut error.request_id) {
            self.secrets.mask_in(text);
        }
    }
}

/// A stack as Tab shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtHand {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Where it is, how it is, what it costs.
    pub about: String,
    /// `destroy` would refuse.
    pub protect: bool,
    /// It was begun and not proven gone.
    pub live: bool,
}

/// Every stack with a journal, for completion; what cannot be read is told as that. `now` judges expiries, where it is
/// given.
pub fn at_hand(home: &std::path::Path, now: Option<jiff::Timestamp>) -> Vec<AtHand> {
    let dir = StateDir::open(home);
    let known = dir.list().unwrap_or_default().into_iter().filter(|known| known.life != Life::Empty);
    known
        .map(|known| {
            let live = known.life == Life::Live;
            let (about, protect) = match live.then(|| described(&dir, &known.stack, now)) {
                Some(Some(told)) => told,
                Some(None) => ("journal unreadable".to_owned(), false),
                None => ("destroyed".to_owned(), false),
            };
            AtHand { name: known.stack.name.to_string(), id: known.stack.id.to_string(), about, protect, live }
        })
        .collect()
}

fn described(dir: &StateDir, stack: &Stack, now: Option<jiff::Timestamp>) -> Option<(String, bool)> {
    let read = dir.read(stack).ok()?;
    let state = StackState::fold(&read.records).ok()?;
    let mut about = Vec::new();
    if let Some(plan) = state.plan() {
        about.push(format!("{}/{}", plan.provider, plan.region));
    }
    about.push(
        match state.standing() {
            Standing::Ready => "ready",
            Standing::Unfinished => "unfinished",
            Standing::Destroying | Standing::Destroyed => "being destroyed",
        }
        .to_owned(),
    );
    if let Some(plan) = state.plan() {
        let usd = super::outcome::hourly(plan, &state);
        about.push(usd.map_or_else(|| "$?/h".to_owned(), |usd| format!("${usd:.2}/h")));
    }
    let known = Known { stack: stack.clone(), state, records: read.records, head: None, torn: 0 };
    if known.expires_at().zip(now).is_some_and(|(expires, now)| expires <= now) {
        about.push("expired".to_owned());
    }
    Some((about.join(", "), known.is_protected()))
}
