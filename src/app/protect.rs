//! `protect`: whether destroy and reap must leave a stack alone, on this machine and on every other.
//!
//! The word stands in the journal here and in a tag on every object that can be found without one and whose tags can
//! change (what lives and goes with the cluster, such as an add-on, is not asked); any of them that says "protected"
//! protects. So it is safe to be killed anywhere: turning on is noted before the first tag is set, turning off counts
//! only once a second look has found no object that still says otherwise.

use super::spread::Word;
use super::{cloud, command::program, stacks};
use crate::engine::proof::{TAG_PROTECT, protects};
use crate::engine::{Event, Standing};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use crate::model::doc::{self, Protect};

/// Runs the verb.
pub async fn run(env: &Env, name: &ClusterName, on: bool) -> Result<Exit, CliError> {
    let Some(known) = stacks::live(env, name)? else {
        return Err(CliError::new("KW-NOTHING-RECORDED", format!("there is no journal of a live stack `{name}` here"))
            .hint(format!("{} recover {name}", program(env))));
    };
    if on && known.state.standing() == Standing::Destroying {
        return Err(CliError::new("KW-DELETING", format!("the removal of `{name}` has begun")));
    }
    let Some(plan) = known.state.plan().cloned() else {
        return Err(CliError::new("KW-JOURNAL", format!("the journal of `{name}` holds no plan"))
            .hint(format!("{} destroy {name} --from-tags --confirm {name}", program(env))));
    };
    // Without the cloud nothing is noted: a word that only this machine knows would deceive all the others.
    let place = cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account));
    let provider = env.reading(place).await?.provider;
    let held = stacks::hold(env, &known.stack, "protect").await?;
    let (mut journal, _) = stacks::open_for_writing(env, &held, Some(&known))?;
    let word = Word { key: TAG_PROTECT, value: on.to_string(), says: &move |tags| protects(tags) == on };
    let left = word.differing(env, provider.as_ref(), &known.stack).await?;
    let news = known.is_protected() != on || !left.is_empty();
    if news {
        let by = env.builder();
        let what = if on { stacks::protection_note(true, &by) } else { stacks::lifting_note(&by) };
        journal.append(env.now(), None, &Event::Note { what })?;
    }
    word.spread(env, provider.as_ref(), &known.stack, left).await.map_err(|error| halfway(env, error, name, on))?;
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

/// Stopped between the first object and the last: what that means, and how to go on.
fn halfway(env: &Env, error: CliError, name: &ClusterName, on: bool) -> CliError {
    let word = if on {
        format!("`{name}` counts as protected here; not every object in the cloud says so yet")
    } else {
        format!("`{name}` counts as protected until no object in the cloud says so any more")
    };
    let on = if on { "on" } else { "off" };
    error.detail(word).hint(format!("go on with it: {} protect {name} {on}", program(env)))
}
