//! `protect`: whether destroy and reap must leave a stack alone.

use super::stacks;
use crate::engine::{Event, Standing};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use crate::model::doc::{Protect, Stack};

/// Runs the verb.
pub async fn run(env: &Env, name: &ClusterName, on: bool) -> Result<Exit, CliError> {
    let Some(known) = stacks::live(env, name)? else {
        return Err(CliError::new("KW-NOTHING-RECORDED", format!("there is no journal of a live stack `{name}` here"))
            .hint(format!("kubewright recover {name}")));
    };
    if on && known.state.standing() == Standing::Destroying {
        return Err(CliError::new("KW-DELETING", format!("the removal of `{name}` has begun")));
    }
    let plan = known.state.plan().cloned();
    let changed = known.is_protected() != on;
    if changed {
        let held = stacks::hold(env, &known.stack, "protect").await?;
        let (mut journal, _) = stacks::open_for_writing(env, &held, Some(&known))?;
        journal.append(env.now(), None, &Event::Note { what: stacks::protection_note(on, &env.builder()) })?;
    }
    let doc = Protect {
        stack: Stack {
            name: name.to_string(),
            id: Some(known.stack.id.to_string()),
            provider: plan.as_ref().map_or_else(String::new, |plan| plan.provider.to_string()),
            account: plan.as_ref().map(|plan| plan.account.clone()),
            region: plan.as_ref().map_or_else(String::new, |plan| plan.region.to_string()),
        },
        protect: on,
        changed,
    };
    env.ui.show(env.now(), &doc, None);
    Ok(Exit::DONE)
}
