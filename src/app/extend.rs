//! `extend`: a later expiry for a stack, in the journal here and in a tag on every object that can be found without
//! one. The latest that stands anywhere counts, so it is safe to be killed anywhere and to repeat; and nothing in here
//! can make an expiry earlier.

use super::command::{Place, program};
use super::spread::{Word, speakers};
use super::{cloud, stacks};
use crate::engine::proof::{self, TAG_EXPIRES_AT};
use crate::engine::{Event, Standing};
use crate::env::{Env, after};
use crate::error::{CliError, Exit};
use crate::model::doc::{self, Extend};
use crate::model::{ClusterName, Stack};
use crate::providers::Provider;
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct ExtendRequest {
    /// NAME.
    pub name: ClusterName,
    /// By how much.
    pub span: Duration,
    /// `--from-now`: counted from now instead of from an expiry that is still to come.
    pub from_now: bool,
}

/// A stack and where it is.
struct Target {
    provider: Arc<dyn Provider>,
    stack: Stack,
    account: String,
    known: Option<stacks::Known>,
}

/// Runs the verb.
pub async fn run(env: &Env, request: ExtendRequest) -> Result<Exit, CliError> {
    let ExtendRequest { name, span, from_now } = request;
    let target = find(env, &name).await?;
    let held = stacks::hold(env, &target.stack, "extend").await?;
    let provider = target.provider.as_ref();
    let swept = env.reading(async { Ok(provider.backend().sweep(&target.stack).await?) }).await?;
    let told = speakers(&target.stack, &swept).filter_map(|(_, tags)| proof::expires_at(tags)).max();
    let was = told.max(target.known.as_ref().and_then(stacks::Known::expires_at));
    let expires_at = match (was, from_now) {
        (None, false) => {
            return Err(CliError::usage(format!("`{name}` has no expiry, so there is nothing to extend"))
                .hint(format!("to give it one: {} extend {name} {} --from-now", program(env), shown(span))));
        }
        // One that is past is no beginning: whoever extends wants the time from now on.
        (Some(was), false) => after(was.max(env.now()), span),
        (_, true) => after(env.now(), span),
    };
    // Tags hold whole seconds.
    let expires_at = Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at);
    if let Some(was) = was.filter(|was| *was > expires_at) {
        return Err(CliError::usage(format!(
            "`{name}` expires at {} already, later than asked for; an expiry is never made earlier",
            was.strftime("%Y-%m-%d %H:%MZ")
        )));
    }
    if let Some(known) = &target.known {
        let (mut journal, _) = stacks::open_for_writing(env, &held, Some(known))?;
        let what = stacks::expiry_note(expires_at, &env.builder());
        journal.append(env.now(), None, &Event::Note { what })?;
    }
    let value = expires_at.as_second().to_string();
    let word = Word {
        key: TAG_EXPIRES_AT,
        value,
        says: &move |tags| proof::expires_at(tags).is_some_and(|at| at >= expires_at),
    };
    let left = word.differing(env, provider, &target.stack).await?;
    word.spread(env, provider, &target.stack, left).await.map_err(|error| {
        error.detail("the journal and some objects say the new expiry; the latest anywhere counts".to_owned())
    })?;
    let body = Extend {
        stack: doc::Stack {
            name: name.to_string(),
            id: Some(target.stack.id.to_string()),
            provider: provider.cloud().to_string(),
            account: Some(target.account),
            region: provider.region().to_string(),
        },
        expired_at: was,
        expires_at,
        mutating_calls: provider.backend().mutating_calls(),
    };
    env.ui.show(env.now(), &body, None);
    Ok(Exit::DONE)
}

/// By the journal here, or by the tags.
async fn find(env: &Env, name: &ClusterName) -> Result<Target, CliError> {
    if let Some(known) = stacks::live(env, name)? {
        if known.state.standing() == Standing::Destroying {
            return Err(CliError::new("KW-DELETING", format!("the removal of `{name}` has begun")));
        }
        if let Some(plan) = known.state.plan() {
            let place = cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account));
            let provider = env.reading(place).await?.provider;
            return Ok(Target {
                provider,
                stack: known.stack.clone(),
                account: plan.account.clone(),
                known: Some(known),
            });
        }
    }
    let cloud = cloud::implied(env)?;
    let connected = env.reading(cloud::connect(env, cloud, None, None)).await?;
    let provider = connected.provider;
    let seen = env.reading(async { Ok(provider.stacks(Some(name)).await?) }).await?;
    let place = Place::of(env, name, provider.as_ref()).in_account(&connected.who.account);
    match seen.as_slice() {
        [one] => {
            let (stack, account) = (one.stack.clone(), connected.who.account);
            Ok(Target { stack, account, known: None, provider })
        }
        [] => Err(CliError::new("KW-NOT-FOUND", format!("no stack `{name}` in {cloud}/{}", provider.region()))),
        _ => {
            Err(CliError::new("KW-AMBIGUOUS", format!("several stacks are called `{name}` there"))
                .hint(place.recover()))
        }
    }
}

fn shown(span: Duration) -> String {
    crate::config::spec::write_span(span.as_secs())
}
