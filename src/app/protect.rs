//! `protect`: whether destroy and reap must leave a stack alone, on this machine and on every other.
//!
//! The word stands in the journal here and in a tag on every object that can be found without one and whose tags can
//! change (what lives and goes with the cluster, such as an add-on, is not asked); any of them that says "protected"
//! protects. So it is safe to be killed anywhere: turning on is noted before the first tag is set, turning off counts
//! only once a second look has found no object that still says otherwise.

use super::{cloud, stacks};
use crate::engine::proof::{TAG_PROTECT, protects, prove_found};
use crate::engine::{Event, Owned, Standing, Swept};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{self, Protect};
use crate::model::{ClusterName, Stack};
use crate::providers::Provider;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often the objects are looked at again before they count as not following.
const LOOKS: u32 = 8;
/// Between two looks: listings lag behind the calls that change tags.
const BETWEEN: Duration = Duration::from_secs(3);

/// Runs the verb.
pub async fn run(env: &Env, name: &ClusterName, on: bool) -> Result<Exit, CliError> {
    let Some(known) = stacks::live(env, name)? else {
        return Err(CliError::new("KW-NOTHING-RECORDED", format!("there is no journal of a live stack `{name}` here"))
            .hint(format!("kubewright recover {name}")));
    };
    if on && known.state.standing() == Standing::Destroying {
        return Err(CliError::new("KW-DELETING", format!("the removal of `{name}` has begun")));
    }
    let Some(plan) = known.state.plan().cloned() else {
        return Err(CliError::new("KW-JOURNAL", format!("the journal of `{name}` holds no plan"))
            .hint(format!("kubewright destroy {name} --from-tags --confirm {name}")));
    };
    // Without the cloud nothing is noted: a word that only this machine knows would deceive all the others.
    let place = cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account));
    let provider = env.reading(place).await?.provider;
    let held = stacks::hold(env, &known.stack, "protect").await?;
    let (mut journal, _) = stacks::open_for_writing(env, &held, Some(&known))?;
    let mut left = differing(env, provider.as_ref(), &known.stack, on).await?;
    let news = known.is_protected() != on || !left.is_empty();
    if news {
        let by = env.builder();
        let what = if on { stacks::protection_note(true, &by) } else { stacks::lifting_note(&by) };
        journal.append(env.now(), None, &Event::Note { what })?;
    }
    for _ in 0..LOOKS {
        if left.is_empty() {
            break;
        }
        left =
            follow(env, provider.as_ref(), &known.stack, on, &left).await.map_err(|error| halfway(error, name, on))?;
    }
    if let Some(one) = left.first() {
        let what = format!("{} {} does not show the new tag yet", one.reference().kind, one.id());
        return Err(halfway(CliError::new("KW-UNREACHABLE", what), name, on));
    }
    if news && !on {
        let what = stacks::protection_note(false, &env.builder());
        journal.append(env.now(), None, &Event::Note { what })?;
    }
    let doc = Protect {
        stack: doc::Stack {
            name: name.to_string(),
            id: Some(known.stack.id.to_string()),
            provider: plan.provider.to_string(),
            account: Some(plan.account.clone()),
            region: plan.region.to_string(),
        },
        protect: on,
        changed: news,
        mutating_calls: provider.backend().mutating_calls(),
    };
    env.ui.show(env.now(), &doc, None);
    Ok(Exit::DONE)
}

/// Tags what differs, and says what differs then.
async fn follow(
    env: &Env,
    provider: &dyn Provider,
    stack: &Stack,
    on: bool,
    left: &[Owned],
) -> Result<Vec<Owned>, CliError> {
    let tag = BTreeMap::from([(TAG_PROTECT.to_owned(), on.to_string())]);
    env.reading(async { Ok(provider.retag(stack, left, &tag).await?) }).await?;
    let left = differing(env, provider, stack, on).await?;
    if left.is_empty() {
        return Ok(left);
    }
    env.reading(async {
        env.clock.sleep(BETWEEN).await;
        Ok(())
    })
    .await?;
    differing(env, provider, stack, on).await
}

/// The objects of the stack that say otherwise.
async fn differing(env: &Env, provider: &dyn Provider, stack: &Stack, on: bool) -> Result<Vec<Owned>, CliError> {
    let swept = env.reading(async { Ok(provider.backend().sweep(stack).await?) }).await?;
    let differs = |(owned, tags): &(Owned, &BTreeMap<String, String>)| {
        provider.retags(&owned.reference().kind) && protects(tags) != on
    };
    Ok(speakers(stack, &swept).filter(differs).map(|(owned, _)| owned).collect())
}

/// The objects whose tags speak for the stack: those that both of our tags prove to be its own.
pub(in crate::app) fn speakers<'a>(
    stack: &'a Stack,
    swept: &'a [Swept],
) -> impl Iterator<Item = (Owned, &'a BTreeMap<String, String>)> {
    swept.iter().filter_map(|item| {
        let mut seen = item.seen.clone();
        // Where it stands is no matter here: what carries no tags of its own says nothing.
        seen.evidence.caused = None;
        let owned = prove_found(stack, seen, &BTreeSet::new(), None).ok()?;
        Some((owned, &item.seen.evidence.tags))
    })
}

/// Stopped between the first object and the last: what that means, and how to go on.
fn halfway(error: CliError, name: &ClusterName, on: bool) -> CliError {
    let word = if on {
        format!("`{name}` counts as protected here; not every object in the cloud says so yet")
    } else {
        format!("`{name}` counts as protected until no object in the cloud says so any more")
    };
    error.detail(word).hint(format!("go on with it: kubewright protect {name} {}", if on { "on" } else { "off" }))
}
