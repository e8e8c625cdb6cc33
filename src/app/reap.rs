//! `reap`: what is past its expiry, half torn down, or left by a builder that is no more, on every cloud within reach,
//! from tags alone; with `--delete`, taken down.
//!
//! What objects say is looked at once more right before each removal: an expiry that was moved, or a protection that
//! was turned on, since the first look spares a stack. Two reapers do a stack once: who finds it held leaves it.

use super::destroy::{self, Doomed, Mercy, Taken};
use super::status::wide::{self, Account};
use super::{command::program, money, stacks};
use crate::engine::Standing;
use crate::env::Env;
use crate::error::{Class, CliError, Exit};
use crate::model::doc::{Due, DueOutcome, DueReason, Reap, Stack};
use crate::providers::{Provider, StackSeen};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct ReapRequest {
    /// `--delete`.
    pub delete: bool,
    /// `--abandoned-after`: how long a stack may stand without a cluster and without anything new before nobody is
    /// thought to build it.
    pub abandoned_after: Duration,
}

/// A stack that was found, with where it is. What the journal here says of expiry and protection is in what was seen.
struct Found {
    provider: Arc<dyn Provider>,
    account: String,
    seen: StackSeen,
    standing: Stands,
}

/// What else is known of how it stands.
#[derive(Debug, Clone, Copy)]
struct Stands {
    /// Whether a cluster of it stands and is not being deleted; none where that could not be read.
    has_cluster: Option<bool>,
    /// The journal here says that its removal was begun.
    half_removed: bool,
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
    let found_at = env.now();
    let clouds = wide::clouds(env, &own)?;
    let reads = clouds.iter().map(|cloud| wide::accounts(env, *cloud, &own));
    let read = env.reading(async { Ok(futures::future::join_all(reads).await) }).await?;
    let (mut found, mut failures, mut regions_read) = (Vec::new(), Vec::new(), 0);
    for account in read.into_iter().flatten() {
        match account {
            Ok(account) => {
                regions_read += account.read();
                failures.extend(account.failures().iter().cloned());
                found.extend(in_account(&account, &own));
            }
            Err(failure) => failures.push(failure),
        }
    }
    found.sort_by(|a, b| a.seen.stack.name.cmp(&b.seen.stack.name).then(a.seen.stack.id.cmp(&b.seen.stack.id)));
    let (mut due, mut stopped) = (Vec::new(), None);
    for stack in found {
        let Some(reason) = reason(env.now(), request.abandoned_after, &stack.seen, stack.standing) else { continue };
        let mut row = listed(&stack, reason);
        if row.outcome == DueOutcome::Protected {
            env.ui.say(&line(&row, env.now(), "protected -> left"));
        } else if request.delete && stopped.is_none() {
            env.ui.say(&line(
                &row,
                env.now(),
                if reason == DueReason::Expired { "-> destroying" } else { "-> finishing" },
            ));
            let Found { provider, account, seen, .. } = stack;
            // What comes after a signal is only listed.
            let lately = request.abandoned_after;
            stopped = reap(env, Doomed { provider, account, seen, reason, found_at, lately }, &mut row).await;
        }
        due.push(row);
    }
    let body = Reap {
        complete: failures.is_empty(),
        delete: request.delete,
        destroyed: due.iter().filter(|it| it.outcome == DueOutcome::Destroyed).count(),
        deleted: due.iter().map(|it| it.deleted).sum(),
        remaining: due.iter().map(|it| it.remaining.len()).sum(),
        usd_per_hour: money::sum(due.iter().filter(|it| !is_gone(it)).map(|it| it.usd_per_hour)),
        due,
        failures,
    };
    let error = match stopped {
        Some(error) => Some(interrupted(env, error, &body)),
        None => verdict(&body, regions_read),
    };
    env.ui.show(env.now(), &body, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

/// Every stack of ours in an account, with what the journals here know of each.
fn in_account(account: &Account, own: &[stacks::Known]) -> Vec<Found> {
    let join = |(provider, mut seen): (Arc<dyn Provider>, StackSeen)| {
        let here = own.iter().find(|known| known.stack == seen.stack);
        seen.protect |= here.is_some_and(stacks::Known::is_protected);
        seen.expires_at = seen.expires_at.max(here.and_then(stacks::Known::expires_at));
        let has_cluster = account.has_cluster(provider.region(), &seen.stack);
        let half_removed = here.is_some_and(|known| known.state.standing() == Standing::Destroying);
        let standing = Stands { has_cluster, half_removed };
        Found { provider, account: account.id().to_owned(), seen, standing }
    };
    account.stacks().map(join).collect()
}

/// Why a stack is to go; none where it is not.
fn reason(now: Timestamp, abandoned_after: Duration, seen: &StackSeen, standing: Stands) -> Option<DueReason> {
    if seen.expires_at.is_some_and(|at| at <= now) {
        return Some(DueReason::Expired);
    }
    if standing.half_removed {
        return Some(DueReason::HalfRemoved);
    }
    let old = seen.last_made_at.is_some_and(|at| destroy::is_idle(now, at, abandoned_after));
    // A cluster that could not be read may well be alive.
    (old && standing.has_cluster == Some(false)).then_some(DueReason::Abandoned)
}

/// Its row before anything is done.
fn listed(found: &Found, reason: DueReason) -> Due {
    let Found { provider, account, seen, .. } = found;
    Due {
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
        usd_per_hour: destroy::hourly_of(provider.as_ref(), seen),
        outcome: if seen.protect { DueOutcome::Protected } else { DueOutcome::Listed },
        deleted: 0,
        remaining: Vec::new(),
        error: None,
    }
}

/// Whether nothing of it costs any more.
fn is_gone(due: &Due) -> bool {
    matches!(due.outcome, DueOutcome::Destroyed | DueOutcome::Gone)
}

/// Takes one down and writes what became of it into its row; what it gives back is why no other is begun.
async fn reap(env: &Env, doomed: Doomed, due: &mut Due) -> Option<CliError> {
    match destroy::take_down(env, doomed).await {
        Ok(Taken::Spared { expires_at, why }) => {
            due.expires_at = expires_at;
            due.outcome = match why {
                Mercy::Protected => DueOutcome::Protected,
                Mercy::Extended => DueOutcome::Extended,
                Mercy::Stands => DueOutcome::Standing,
            };
        }
        Ok(Taken::Gone) => due.outcome = DueOutcome::Gone,
        Ok(Taken::Done { doc, error }) => {
            due.deleted = doc.deleted.len();
            due.remaining = doc.remaining;
            due.outcome = if error.is_none() { DueOutcome::Destroyed } else { DueOutcome::Incomplete };
            if error.is_some() {
                due.usd_per_hour = doc.usd_per_hour_remaining;
            }
            due.error = error.as_ref().map(CliError::to_doc);
            return error.filter(CliError::is_interruption);
        }
        // Another one is at it, on this machine: that is as good.
        Err(error) if error.id == "KW-LOCKED" => {
            env.ui.say(&format!("{}: {}", due.stack.name, error.message));
            due.outcome = DueOutcome::Held;
        }
        // Before anything of it went.
        Err(error) if error.is_interruption() => return Some(error),
        Err(error) => {
            due.outcome = DueOutcome::Incomplete;
            due.error = Some(error.to_doc());
        }
    }
    None
}

/// `ci-9120-1  expired 13:40Z  -> destroying`.
fn line(due: &Due, now: Timestamp, what: &str) -> String {
    format!("{}  {}  {what}", due.stack.name, crate::ui::due_because(due, now))
}

/// Cut short: with what was done until then, and how to go on. A signal gives its code whatever remains; time that ran
/// out does not hide what would not go.
fn interrupted(env: &Env, mut error: CliError, body: &Reap) -> CliError {
    if error.class == Class::Timeout && body.due.iter().any(|it| it.outcome == DueOutcome::Incomplete) {
        error.exit = Exit::INCOMPLETE;
    }
    if body.deleted > 0 {
        // Whatever was being read when time was up: something was changed before.
        error.message = error.message.trim_end_matches("; nothing was changed").to_owned();
    }
    let left = body.due.iter().filter(|it| it.outcome == DueOutcome::Listed).count();
    if left > 0 {
        error.details.push(format!("{} of what is due not begun", crate::ui::style::count(left, "stack")));
    }
    error.hint(format!("go on with  {} reap --delete", program(env)))
}

/// What is left of ours comes before a cloud that did not answer.
fn verdict(body: &Reap, regions_read: usize) -> Option<CliError> {
    let stuck: Vec<&Due> = body.due.iter().filter(|it| it.outcome == DueOutcome::Incomplete).collect();
    if stuck.is_empty() {
        return wide::incomplete(&body.failures, regions_read);
    }
    let message = format!("{} would not go whole", crate::ui::style::count(stuck.len(), "stack"));
    let mut error = CliError::new("KW-INCOMPLETE", message);
    for due in stuck {
        let why = due.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
        error.details.push(format!("{} in {}/{}{why}", due.stack.name, due.stack.provider, due.stack.region));
        for hint in due.error.iter().flat_map(|error| &error.hints) {
            if !error.hints.contains(hint) {
                error.hints.push(hint.clone());
            }
        }
    }
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::doc::StatusFailure;

    const AFTER: Duration = Duration::from_secs(3 * 3_600);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + hour * 3_600).unwrap()
    }

    fn seen(begun: i64, last: i64, expires: Option<i64>) -> StackSeen {
        let mut seen = StackSeen::of("demo-0a1b2c3d".parse().unwrap());
        seen.seen_made([Some(at(begun)), Some(at(last))]);
        StackSeen { expires_at: expires.map(at), ..seen }
    }

    #[test]
    fn only_what_surely_has_no_cluster_and_got_nothing_new_is_left_by_a_dead_builder() {
        let judge =
            |seen: &StackSeen, has_cluster| reason(at(10), AFTER, seen, Stands { has_cluster, half_removed: false });
        let old = seen(0, 1, None);
        assert_eq!(judge(&old, Some(false)), Some(DueReason::Abandoned));
        assert_eq!(judge(&old, Some(true)), None);
        assert_eq!(judge(&old, None), None, "what could not be read may be alive");
        assert_eq!(judge(&seen(0, 8, None), Some(false)), None, "somebody went on with it");
        assert_eq!(judge(&seen(0, 20, None), Some(false)), None, "by a clock that is ahead");
        assert_eq!(judge(&StackSeen::of(old.stack.clone()), Some(false)), None, "of unknown age");
        for has_cluster in [None, Some(true), Some(false)] {
            assert_eq!(judge(&seen(0, 1, Some(10)), has_cluster), Some(DueReason::Expired));
            let begun_here = Stands { has_cluster, half_removed: true };
            assert_eq!(reason(at(10), AFTER, &seen(9, 9, Some(11)), begun_here), Some(DueReason::HalfRemoved));
        }
    }

    #[test]
    fn what_would_not_go_comes_before_what_was_not_read_and_every_hint_is_told() {
        let row = |name: &str, hint: &str| {
            let error = CliError::new("KW-INCOMPLETE", "it would not").hint(hint);
            let stack = Stack {
                name: name.to_owned(),
                id: None,
                provider: "gcp".to_owned(),
                account: Some("acme".to_owned()),
                region: "us-central1".to_owned(),
            };
            Due {
                stack,
                reason: DueReason::Expired,
                expires_at: None,
                created_at: None,
                builder: None,
                objects: 1,
                usd_per_hour: None,
                outcome: DueOutcome::Incomplete,
                deleted: 0,
                remaining: Vec::new(),
                error: Some(error.to_doc()),
            }
        };
        let failure = |region: &str, id: &str| StatusFailure {
            provider: "gcp".to_owned(),
            account: None,
            region: region.to_owned(),
            error: CliError::new(id, "no").hint(format!("mend {region}")).to_doc(),
        };
        let mut body = Reap {
            complete: false,
            delete: true,
            due: vec![row("one", "a"), row("two", "b"), row("three", "a")],
            destroyed: 0,
            deleted: 0,
            remaining: 0,
            usd_per_hour: None,
            failures: vec![failure("us-east1", "KW-UNREACHABLE"), failure("us-west1", "KW-GCP-DENIED")],
        };
        let stuck = verdict(&body, 1).unwrap();
        assert_eq!(
            (stuck.exit, stuck.hints.as_slice(), stuck.details.len()),
            (Exit::INCOMPLETE, &["a", "b"].map(str::to_owned)[..], 3)
        );
        body.due.clear();
        let unread = verdict(&body, 1).unwrap();
        assert_eq!((unread.exit, unread.hints.len()), (Exit::UNREACHABLE, 2), "{unread:?}");
        body.failures.clear();
        assert!(verdict(&body, 1).is_none());
    }
}
