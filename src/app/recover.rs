//! `recover`: rebuilds a stack's journal from the cloud, so that this machine can go on.

use super::command::{Place, program};
use super::{cloud, durations, outcome, stacks, tags};
use crate::engine::{Mode, Options, Outcome, Session, StackState, Standing};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{Provision, ProvisionOutcome, Stack};
use crate::model::{ClusterName, ResolvedSpec, StackId};
use crate::providers::StackSeen;
use std::sync::Arc;

/// Runs the verb.
pub async fn run(env: &Env, name: ClusterName, id: Option<StackId>) -> Result<Exit, CliError> {
    // A journal that cannot be read is a reason to rebuild it, one that can be is a reason not to.
    match stacks::live(env, &name) {
        // Half a rebuild does not know what it has not looked for: it begins again.
        Ok(Some(known)) if known.state.doubted_since().is_some() => {
            env.ui.say(&format!("an earlier rebuild of the journal of {} was cut short; it begins again", known.stack));
        }
        Ok(Some(known)) if id.is_none_or(|id| known.stack.id == id) => {
            let word = match known.state.standing() {
                Standing::Ready => "and is finished",
                Standing::Destroying => "and its removal has begun",
                Standing::Unfinished | Standing::Destroyed => "and is unfinished",
            };
            return Err(CliError::new(
                "KW-STATE",
                format!("`{name}` has a journal here {word}; there is nothing to recover"),
            )
            .hint(format!("go on with it: {} provision {name}", program(env)))
            .hint(format!("or look at it: {} status {name}", program(env))));
        }
        Ok(_) => {}
        Err(error) if error.id == "KW-JOURNAL" => env.ui.warn(&error.message),
        Err(error) => return Err(error),
    }
    let cloud = cloud::implied(env)?;
    let connected = env.reading(cloud::connect(env, cloud, None, None)).await?;
    let provider = &connected.provider;
    let place = Place::of(env, &name, provider.as_ref());
    let seen = env.reading(async { Ok(provider.stacks(Some(&name)).await?) }).await?;
    let seen = pick(env, &name, id, seen, &place)?;
    let Some(spec) = &seen.spec else {
        return Err(CliError::new(
            "KW-STATE",
            format!("the objects of {} do not hold its whole spec, so its journal cannot be rebuilt", seen.stack),
        )
        .hint(format!("remove it: {}", place.by_tags())));
    };
    if let Some(builder) = &seen.builder
        && *builder != env.builder()
    {
        env.ui
            .warn(&format!("{} was built by {builder}: make sure that nobody works on it there any more", seen.stack));
    }
    // What `protect` said since it was built stands in the tags, not in the stored spec.
    let spec = &ResolvedSpec { protect: seen.protect, ..spec.clone() };
    let carried = tags::of(spec, seen.builder.as_deref(), seen.created_at, seen.expires_at);
    let plan = provider
        .plan(spec, &seen.stack, carried)?
        .checked()
        .map_err(|fault| CliError::new("KW-PLAN", fault.to_string()))?;
    let held = stacks::hold(env, &seen.stack, "recover").await?;
    let journal = stacks::begin_anew(env, &held)?;
    let mut session = Session {
        backend: provider.backend(),
        journal,
        clock: Arc::clone(&env.clock),
        ids: Arc::clone(&env.ids),
        observer: durations::observer(env, &plan, Vec::new(), Mode::Recover),
        stop: env.stop.receiver(),
        options: Options { timeout: env.time_left(), ..Options::default() },
        gate: env.auth_gate(provider),
    };
    let mut state = StackState::default();
    let report = session.recover(&plan, &mut state, env.run_info()).await;
    drop(session);
    let found = plan.steps.iter().filter(|step| state.step(&step.id).resource().is_some()).count();
    let whole = state.standing() == Standing::Ready || found == plan.steps.len();
    let doc = Provision {
        stack: Some(Stack {
            name: name.to_string(),
            id: Some(seen.stack.id.to_string()),
            provider: plan.provider.to_string(),
            account: Some(plan.account.clone()),
            region: plan.region.to_string(),
        }),
        outcome: if whole { ProvisionOutcome::Unchanged } else { ProvisionOutcome::Incomplete },
        plan_hash: Some(plan.hash()),
        mutating_calls: report.mutating_calls,
        seconds: report.elapsed.as_secs(),
        resources: outcome::resources(&plan, &state),
        cluster: None,
        kubeconfig: None,
        usd_per_hour: outcome::hourly(&plan, &state),
        expires_at: seen.expires_at,
        audit: report.audit.as_ref().map(outcome::audit),
        commands: Some(place.commands()),
    };
    let failed = if report.outcome == Outcome::Done { None } else { outcome::cause(&report, env.stop.cause()) };
    match failed {
        Some(error) => {
            // Recovery creates nothing: whatever stands stood before.
            let error = outcome::settle(error, env.stop.cause(), false);
            env.ui.show(env.now(), &doc, Some(&error));
            Err(error)
        }
        None => {
            env.ui.say(&format!("journal rebuilt: {found} of {} objects found", plan.steps.len()));
            if !whole {
                env.ui.say(&format!("go on with: {}", place.commands().resume));
            }
            env.ui.show(env.now(), &doc, None);
            Ok(Exit::DONE)
        }
    }
}

/// The one stack that is meant.
fn pick(
    env: &Env,
    name: &ClusterName,
    id: Option<StackId>,
    mut seen: Vec<StackSeen>,
    place: &Place,
) -> Result<StackSeen, CliError> {
    seen.retain(|seen| id.is_none_or(|id| seen.stack.id == id));
    if seen.len() > 1 {
        let stacks: Vec<_> = seen.into_iter().map(|seen| seen.stack).collect();
        return Err(stacks::ambiguous(name, &stacks));
    }
    seen.pop().ok_or_else(|| {
        let error = CliError::new(
            "KW-NOT-FOUND",
            format!("no stack `{name}` carries our tags in {}/{}", place.cloud, place.region),
        );
        if env.sandbox {
            error.hint("this is the sandbox: what is real lives outside it")
        } else {
            error.hint("another --region, --profile or --provider?")
        }
    })
}
