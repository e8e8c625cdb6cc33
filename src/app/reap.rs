//! `reap`: what is past its expiry, half torn down, or left by a builder that is no more, on every cloud within reach,
//! from tags alone; with `--delete`, taken down.
//!
//! What objects say is looked at once more right before each removal: an expiry that was moved, or a protection that
//! was turned on, since the first look spares a stack. Two reapers do a stack once: who finds it held leaves it.

use super::destroy::{self, Taken};
use super::status::wide::{self, Account};
use super::{command::Place, money, stacks};
use crate::engine::Standing;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{Due, DueOutcome, DueReason, Reap, Stack};
use crate::model::{self, Region};
use crate::providers::{Provider, StackSeen};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct ReapRequest {
    /// `--delete`.
    pub delete: bool,
    /// `--abandoned-after`: how long a stack may stand without a cluster before nobody is thought to build it.
    pub abandoned_after: Duration,
}

/// A stack that was found, with where it is.
struct Found {
    provider: Arc<dyn Provider>,
    account: String,
    seen: StackSeen,
    /// Whether a cluster of it stands and is not being deleted.
    has_cluster: bool,
}

/// Runs the verb.
pub async fn run(env: &Env, request: ReapRequest) -> Result<Exit, CliError> {
    let mut own = Vec::new();
    for known in stacks::all_live(env)? {
        match known {
            Ok(known) => own.push(known),
            // The tags tell of it as well.
            Err((stack, error)) => env.ui.warn(&format!("{stack}: {}", error.message)),
        }
    }
    let clouds = wide::clouds(env, &own)?;
    let reads = clouds.iter().map(|cloud| wide::accounts(env, *cloud, &own));
    let read = env.reading(async { Ok(futures::future::join_all(reads).await) }).await?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for account in read.into_iter().flatten() {
        match account {
            Ok(account) => {
                failures.extend(account.failures().iter().cloned());
                found.extend(in_account(&account));
            }
            Err(failure) => failures.push(failure),
        }
    }
    found.sort_by(|a, b| a.seen.stack.name.cmp(&b.seen.stack.name).then(a.seen.stack.id.cmp(&b.seen.stack.id)));
    let mut due = Vec::new();
    for stack in found {
        if let Some(reason) = reason(env, &request, &own, &stack) {
            due.push(reap(env, &request, stack, reason).await?);
        }
    }
    let body = Reap {
        complete: failures.is_empty(),
        delete: request.delete,
        destroyed: due.iter().filter(|it| it.outcome == DueOutcome::Destroyed).count(),
        deleted: due.iter().map(|it| it.deleted).sum(),
        remaining: due.iter().map(|it| it.remaining.len()).sum(),
        usd_per_hour: money::sum(due.iter().filter(|it| it.outcome != DueOutcome::Destroyed).map(|it| it.usd_per_hour)),
        due,
        failures,
    };
    let error = verdict(&body);
    env.ui.show(env.now(), &body, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

/// Every stack of ours in an account, each once, wherever its objects tell of it.
fn in_account(account: &Account) -> Vec<Found> {
    let mut all: BTreeMap<(Region, model::Stack), Found> = BTreeMap::new();
    for (provider, seen) in account.stacks() {
        let key = (provider.region().clone(), seen.stack.clone());
        match all.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                let has_cluster = account.has_cluster(&seen.stack);
                let account = account.id().to_owned();
                free.insert(Found { provider, account, seen, has_cluster });
            }
            std::collections::btree_map::Entry::Occupied(mut there) => {
                let known = &mut there.get_mut().seen;
                known.objects += seen.objects;
                known.protect |= seen.protect;
                known.expires_at = known.expires_at.max(seen.expires_at);
                known.created_at = [known.created_at, seen.created_at].into_iter().flatten().min();
            }
        }
    }
    all.into_values().collect()
}

/// Why a stack is to go; none where it is not.
fn reason(env: &Env, request: &ReapRequest, own: &[stacks::Known], found: &Found) -> Option<DueReason> {
    let now = env.now();
    let here = own.iter().find(|known| known.stack == found.seen.stack);
    let expires_at = found.seen.expires_at.max(here.and_then(stacks::Known::expires_at));
    if expires_at.is_some_and(|at| at <= now) {
        return Some(DueReason::Expired);
    }
    if here.is_some_and(|known| known.state.standing() == Standing::Destroying) {
        return Some(DueReason::HalfRemoved);
    }
    let age = found.seen.created_at.map(|at| now.as_second() - at.as_second());
    let old = age.is_some_and(|age| age >= request.abandoned_after.as_secs().cast_signed());
    (old && !found.has_cluster).then_some(DueReason::Abandoned)
}

async fn reap(env: &Env, request: &ReapRequest, found: Found, reason: DueReason) -> Result<Due, CliError> {
    let Found { provider, account, seen, .. } = found;
    let place = Place::of(env, &seen.stack.name, provider.as_ref());
    let mut due = Due {
        stack: Stack {
            name: seen.stack.name.to_string(),
            id: Some(seen.stack.id.to_string()),
            provider: provider.cloud().to_string(),
            account: Some(account.clone()),
            region: provider.region().to_string(),
        },
        reason,
        expires_at: seen.expires_at,
        created_at: seen.created_at,
        builder: seen.builder.clone(),
        objects: seen.objects,
        usd_per_hour: destroy::hourly_of(provider.as_ref(), &seen),
        outcome: DueOutcome::Listed,
        deleted: 0,
        remaining: Vec::new(),
        error: None,
    };
    if seen.protect {
        due.outcome = DueOutcome::Protected;
        env.ui.say(&line(&due, env.now(), "protected -> left"));
        return Ok(due);
    }
    if !request.delete {
        return Ok(due);
    }
    env.ui.say(&line(&due, env.now(), if reason == DueReason::Expired { "-> destroying" } else { "-> finishing" }));
    let spared = |at: Option<Timestamp>| reason == DueReason::Expired && at.is_some_and(|at| at > env.now());
    match destroy::take_down(env, provider, account, seen, &spared).await {
        Ok(Taken::Spared { expires_at, protected }) => {
            due.expires_at = expires_at;
            due.outcome = if protected { DueOutcome::Protected } else { DueOutcome::Extended };
        }
        Ok(Taken::Done { doc, error }) => {
            due.deleted = doc.deleted.len();
            due.remaining = doc.remaining;
            due.outcome = if error.is_none() { DueOutcome::Destroyed } else { DueOutcome::Incomplete };
            due.error = error.as_ref().map(CliError::to_doc);
            if let Some(error) = error.filter(CliError::is_interruption) {
                return Err(error.hint(format!("go on with  {}", place.by_tags())));
            }
        }
        // Another one is at it, on this machine: that is as good.
        Err(error) if error.id == "KW-LOCKED" => {
            env.ui.say(&format!("{}: {}", due.stack.name, error.message));
            due.outcome = DueOutcome::Held;
        }
        Err(error) if error.is_interruption() => return Err(error),
        Err(error) => {
            due.outcome = DueOutcome::Incomplete;
            due.error = Some(error.to_doc());
        }
    }
    Ok(due)
}

/// `ci-9120-1  expired 13:40Z  -> destroying`.
fn line(due: &Due, now: Timestamp, what: &str) -> String {
    format!("{}  {}  {what}", due.stack.name, crate::ui::due_because(due, now))
}

/// What is left of ours comes before a cloud that did not answer.
fn verdict(body: &Reap) -> Option<CliError> {
    let stuck: Vec<&Due> = body.due.iter().filter(|it| it.outcome == DueOutcome::Incomplete).collect();
    if let Some(first) = stuck.first() {
        let mut error = CliError::new(
            "KW-INCOMPLETE",
            format!("{} would not go whole", crate::ui::style::count(stuck.len(), "stack")),
        );
        for due in &stuck {
            let why = due.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
            error.details.push(format!("{} in {}/{}{why}", due.stack.name, due.stack.provider, due.stack.region));
        }
        if let Some(cause) = &first.error {
            error.hints.clone_from(&cause.hints);
        }
        return Some(error);
    }
    let first = body.failures.first()?;
    let mut error = CliError::new(
        "KW-UNREACHABLE",
        format!("the answer is not whole: {} not read", crate::ui::style::count(body.failures.len(), "place")),
    );
    for failure in &body.failures {
        error.details.push(format!("{}/{}: {}", failure.provider, failure.region, failure.error.message));
    }
    Some(error.hint_all(&first.error.hints))
}
