//! `destroy`: show what goes, ask for the name, remove it, prove that nothing remains. With the journal or from the
//! tags alone.

use super::command::{Place, program};
use super::{cloud, durations, inside, kubeconfig, money, outcome, spread, stacks, status::wide};
use crate::engine::proof::{self, TAG_STACK, TAG_STEP};
use crate::engine::{
    Backend, Identity, Item, Mode, Options, Outcome, Plan, Report, ResourceRef, Session, StackState, Standing, StepId,
    StepState, Swept, Teardown,
};
use crate::env::{Env, StopCause};
use crate::error::{CliError, Exit};
use crate::model::doc::{self, Destroy, DestroyOutcome, DueReason, Gone, ONE_WAY, Remaining};
use crate::model::{ClusterName, Stack, StackId};
use crate::providers::{Provider, StackSeen, VolumeFate};
use crate::ui::Answer;
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct DestroyRequest {
    /// NAME.
    pub name: ClusterName,
    /// `--confirm`.
    pub confirm: Option<String>,
    /// `--ignore-not-found`.
    pub ignore_not_found: bool,
    /// `--from-tags`.
    pub from_tags: bool,
    /// `--stack`.
    pub stack: Option<StackId>,
    /// `--volumes`.
    pub volumes: VolumeFate,
}

/// What is to be removed, from wherever it is known.
struct Target {
    provider: Arc<dyn Provider>,
    stack: Stack,
    known: Option<stacks::Known>,
    seen: Option<StackSeen>,
    account: Option<String>,
    place: Place,
}

impl Target {
    fn plan(&self) -> Option<&Arc<Plan>> {
        self.known.as_ref().and_then(|known| known.state.plan())
    }

    /// As far as is known before the cloud's objects are looked at: by the journal, or by the tags that led here.
    fn is_protected(&self) -> bool {
        match &self.known {
            Some(known) => known.is_protected(),
            None => self.seen.as_ref().is_some_and(|seen| seen.protect),
        }
    }
}

/// Runs the verb.
pub async fn run(env: &Env, request: DestroyRequest) -> Result<Exit, CliError> {
    if let Some(typed) = &request.confirm
        && typed != request.name.as_str()
    {
        return Err(CliError::usage(format!(
            "--confirm says `{typed}`, the cluster is `{}`; nothing was done",
            request.name
        )));
    }
    stacks::take_turn(env, &request.name, "destroy").await?;
    let known = if request.from_tags { None } else { known(env, &request)? };
    if let Some(known) = &known
        && known.state.standing() == Standing::Destroyed
    {
        return Ok(already_gone(env, known));
    }
    let target = match known {
        Some(known) => with_journal(env, &request, known).await?,
        None => match from_tags(env, &request).await? {
            Found::Target(target) => *target,
            Found::Nothing(exit) => return Ok(exit),
        },
    };
    let protected = |how: &str| protected(&target.place, &request.name, how);
    if target.is_protected() {
        return Err(protected(""));
    }
    let work = env.reading(gather(env, &target, request.volumes, Sight::Wanted)).await?;
    // Another machine may have turned it on: this journal does not know, the objects do.
    if let Some(by) = &work.said.protected_by {
        return Err(protected(&format!(" (the tags of {} {} say so)", by.kind, by.id)));
    }
    show(env, &request, &target, &work).await?;
    if let Err(error) = confirm(env, &request).await {
        let doc = document(&target, DestroyOutcome::Declined);
        env.ui.show(env.now(), &doc, Some(&error));
        return Err(error);
    }
    let held = stacks::hold(env, &target.stack, "destroy").await?;
    let (doc, error) = execute(env, held, target, work, request.volumes).await?;
    env.ui.show(env.now(), &doc, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

fn known(env: &Env, request: &DestroyRequest) -> Result<Option<stacks::Known>, CliError> {
    let known = stacks::any(env, &request.name, request.stack)?;
    // A journal without a plan is what an earlier `--from-tags` left: the tags must be asked again.
    Ok(known.filter(|known| known.state.plan().is_some() || known.state.standing() == Standing::Destroyed))
}

fn already_gone(env: &Env, known: &stacks::Known) -> Exit {
    let doc = nothing(named(&known.stack, known.state.plan().map(AsRef::as_ref), None));
    let proved =
        known.destroyed_at().map_or_else(String::new, |at| format!(" (proved {})", at.strftime("%Y-%m-%d %H:%MZ")));
    env.ui.say(&format!("{}: already gone{proved}", known.stack.name));
    env.ui.show(env.now(), &doc, None);
    Exit::DONE
}

async fn with_journal(env: &Env, request: &DestroyRequest, known: stacks::Known) -> Result<Target, CliError> {
    let plan = known.state.plan().cloned();
    let Some(plan) = plan else {
        return Err(CliError::new("KW-JOURNAL", format!("the journal of `{}` holds no plan", request.name))
            .hint(format!("{} destroy {name} --from-tags --confirm {name}", program(env), name = request.name)));
    };
    // The journal knows the region; a flag for another one would only look where nothing is.
    let connected =
        env.reading(cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(&plan.account))).await?;
    let place = Place::of(env, &request.name, connected.provider.as_ref()).in_account(&connected.who.account);
    Ok(Target {
        stack: known.stack.clone(),
        known: Some(known),
        seen: None,
        account: Some(connected.who.account),
        provider: connected.provider,
        place,
    })
}

/// The stacks of that name that the cloud shows, by their tags.
async fn carrying(env: &Env, provider: &dyn Provider, request: &DestroyRequest) -> Result<Vec<StackSeen>, CliError> {
    let mut seen = env.reading(async { Ok(provider.stacks(Some(&request.name)).await?) }).await?;
    if let Some(id) = request.stack {
        seen.retain(|seen| seen.stack.id == id);
    }
    Ok(seen)
}

enum Found {
    Target(Box<Target>),
    Nothing(Exit),
}

async fn from_tags(env: &Env, request: &DestroyRequest) -> Result<Found, CliError> {
    let cloud = cloud::implied(env)?;
    let connected = env.reading(cloud::connect(env, cloud, None, None)).await?;
    let provider = connected.provider;
    let place = Place::of(env, &request.name, provider.as_ref()).in_account(&connected.who.account);
    let mut seen = carrying(env, provider.as_ref(), request).await?;
    if seen.is_empty() && request.ignore_not_found {
        // "Nothing there" ends with 0, so it must be proven: a search sees what a killed build sent last only after a while.
        let gap = Options::default().audit_gap;
        env.ui.say(&format!(
            "{}: nothing found; looking once more in {}, as searches lag behind what was made last",
            request.name,
            crate::model::time::show_span(gap)
        ));
        env.reading(async {
            env.clock.sleep(gap).await;
            Ok(())
        })
        .await?;
        seen = carrying(env, provider.as_ref(), request).await?;
    }
    if seen.len() > 1 {
        let stacks: Vec<Stack> = seen.into_iter().map(|seen| seen.stack).collect();
        return Err(stacks::ambiguous(&request.name, &stacks));
    }
    let Some(seen) = seen.pop() else {
        let foreign = env.reading(async { Ok(provider.cluster(request.name.as_str()).await?) }).await?;
        if let Some(cluster) = foreign {
            return Err(not_ours(&request.name, &cluster));
        }
        let error = CliError::new(
            "KW-NOT-FOUND",
            format!(
                "no stack `{}`: no journal here, and nothing in {}/{} carries its tags",
                request.name, connected.who.account, place.region
            ),
        );
        let doc = nothing(doc::Stack {
            name: request.name.to_string(),
            id: None,
            provider: place.cloud.to_string(),
            account: Some(connected.who.account),
            region: place.region.to_string(),
        });
        if request.ignore_not_found {
            env.ui.say(&format!("{}: nothing there", request.name));
            env.ui.show(env.now(), &doc, None);
            return Ok(Found::Nothing(Exit::DONE));
        }
        let error = if env.sandbox {
            error.hint("this is the sandbox: what is real lives outside it")
        } else {
            error.hint("another --region, --profile or --provider?")
        };
        env.ui.show(env.now(), &doc, Some(&error));
        return Err(error);
    };
    Ok(Found::Target(Box::new(Target {
        stack: seen.stack.clone(),
        // The journal of this very stack still says whether protection was lifted and who is at work.
        known: None,
        seen: Some(seen),
        account: Some(connected.who.account),
        provider,
        place,
    })))
}

fn protected(place: &Place, name: &ClusterName, how: &str) -> CliError {
    CliError::new("KW-PROTECTED", format!("`{name}` is protected{how}; nothing was done"))
        .hint(place.verb(&format!("protect {name} off")))
}

fn not_ours(name: &ClusterName, cluster: &crate::providers::CloudCluster) -> CliError {
    let mut error =
        CliError::new("KW-NOT-OURS", format!("`{name}` carries no kubewright ownership tag; nothing was touched"));
    let made = cluster.created_at.map_or_else(String::new, |at| format!(", created {}", at.strftime("%Y-%m-%d")));
    error.details.push(format!("it is a cluster in state {}{made}", cluster.status));
    if let Some(formation) = cluster.tags.get("aws:cloudformation:stack-name") {
        error.details.push(format!("it belongs to CloudFormation stack {formation}"));
    }
    if cluster.tags.keys().any(|key| key.starts_with("alpha.eksctl.io/")) {
        error.hints.push(format!("eksctl delete cluster --name {name} --wait"));
    }
    error
}

/// What became of a stack that was to be taken down unasked.
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made; a box would only be noise")]
pub(super) enum Taken {
    /// It was not touched: its objects say that it is not to go.
    Spared {
        /// The latest expiry that any of them tells.
        expires_at: Option<Timestamp>,
        /// Why.
        why: Mercy,
    },
    /// Another process took it down since it was found.
    Gone,
    /// It was gone after.
    Done {
        /// What went and what did not.
        doc: Destroy,
        /// Why not all of it.
        error: Option<CliError>,
    },
}

/// Why a stack that seemed due is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mercy {
    /// An object of it says so.
    Protected,
    /// Its expiry was moved.
    Extended,
    /// It has a cluster after all, or somebody goes on with it.
    Stands,
}

/// A stack that `reap` found.
pub(super) struct Doomed {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) account: String,
    pub(super) seen: StackSeen,
    /// Why it is to go.
    pub(super) reason: DueReason,
    /// When it was looked for.
    pub(super) found_at: Timestamp,
    /// How long nothing new must have come to it before nobody is thought to build it.
    pub(super) lately: Duration,
}

/// Takes down a stack that `reap` found, asking nobody. Nobody begins anything with it from here on this machine; only
/// then are its objects looked at once more, all of them, and what they say then counts.
pub(super) async fn take_down(env: &Env, doomed: Doomed) -> Result<Taken, CliError> {
    let Doomed { provider, account, seen, reason, found_at, lately } = doomed;
    let place = Place::of(env, &seen.stack.name, provider.as_ref()).in_account(&account);
    let stack = seen.stack.clone();
    let held = stacks::hold(env, &stack, "reap").await?;
    // The journal of this very stack, where there is one, knows what hangs on its objects without tags of its own.
    let known = stacks::any(env, &stack.name, Some(stack.id)).ok().flatten();
    if known.as_ref().and_then(stacks::Known::destroyed_at).is_some_and(|at| at >= found_at) {
        return Ok(Taken::Gone);
    }
    let known = known.filter(|known| known.state.plan().is_some() && known.state.standing() != Standing::Destroyed);
    let protected_here = known.as_ref().is_some_and(stacks::Known::is_protected);
    let expires_here = known.as_ref().and_then(stacks::Known::expires_at);
    if reason == DueReason::Abandoned {
        let name = provider.cluster_name(&stack);
        let cluster = env.reading(async { Ok(provider.cluster(&name).await?) }).await?;
        if cluster.is_some_and(|cluster| wide::stands(&cluster, &stack)) {
            return Ok(Taken::Spared { expires_at: seen.expires_at, why: Mercy::Stands });
        }
    }
    let target = Target { provider, stack, known, seen: Some(seen), account: Some(account), place };
    let work = env.reading(gather(env, &target, VolumeFate::ByPolicy, Sight::Needed)).await?;
    let expires_at = work.said.expires_at.max(expires_here);
    let spared = |why| Ok(Taken::Spared { expires_at, why });
    if protected_here || work.said.protected_by.is_some() {
        return spared(Mercy::Protected);
    }
    // That it is past its end has to be seen, not only to be heard of.
    if reason == DueReason::Expired && expires_at.is_none_or(|at| at > env.now()) {
        return spared(Mercy::Extended);
    }
    // A build that went on since shows in what it made.
    if reason == DueReason::Abandoned && work.said.last_made_at.is_some_and(|at| !is_idle(env.now(), at, lately)) {
        return spared(Mercy::Stands);
    }
    let (doc, error) = execute(env, held, target, work, VolumeFate::ByPolicy).await?;
    Ok(Taken::Done { doc, error })
}

/// Whether nothing new has come to a stack for this long. A build that goes on makes new things: the newest tells when
/// somebody was at it.
pub(super) fn is_idle(now: Timestamp, last_made_at: Timestamp, lately: Duration) -> bool {
    // What a clock ahead of ours made was made just now.
    now.as_second() - last_made_at.as_second() >= lately.as_secs().cast_signed()
}

/// What a stack costs an hour, as far as its tags tell.
pub(super) fn hourly_of(provider: &dyn Provider, seen: &StackSeen) -> Option<f64> {
    let plan = provider.plan(seen.spec.as_ref()?, &seen.stack, std::collections::BTreeMap::new()).ok()?;
    money::sum(plan.steps.iter().map(money::of_step))
}

/// What is to be done, and what the cluster has made beside it.
struct Work {
    teardown: Teardown,
    objects: usize,
    usd_per_hour: Option<f64>,
    said: Said,
}

/// What the cloud's objects say of the stack; nothing where they could not be looked at.
#[derive(Debug, Clone, Default)]
struct Said {
    /// An object of the stack whose tags forbid its removal.
    protected_by: Option<ResourceRef>,
    /// The latest expiry that the tags of any object tell.
    expires_at: Option<Timestamp>,
    /// When the newest of its objects was made, as far as they tell.
    last_made_at: Option<Timestamp>,
}

/// Whether what the cloud's objects say must be known before any goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Nobody is asked: they alone can say that it is not to go.
    Needed,
    /// Whoever has a journal and was asked for the name goes by that, should a search not work today.
    Wanted,
}

async fn gather(env: &Env, target: &Target, volumes: VolumeFate, sight: Sight) -> Result<Work, CliError> {
    let backend = target.provider.backend_for(volumes);
    let plan = target.plan().map(AsRef::as_ref);
    let swept = match sweep(target, backend.as_ref(), plan).await {
        Err(error) if sight == Sight::Needed => return Err(error),
        swept => swept,
    };
    let said = swept.as_ref().map(|swept| swept.said.clone()).unwrap_or_default();
    match (&target.known, target.plan()) {
        (Some(known), Some(plan)) => {
            let mut teardown = Teardown::from_plan(plan, &known.state);
            match swept {
                // What carries our tags and is not in the journal goes too.
                Ok(found) => teardown = teardown.union(found.teardown),
                Err(error) => env.ui.detail(&format!("cannot look by tags now: {}", error.message)),
            }
            let standing = plan.steps.iter().filter(|step| step.identity.is_undone());
            let objects = standing.filter(|step| !known.state.step(&step.id).is_unmade()).count();
            let usd_per_hour = outcome::hourly(plan, &known.state);
            Ok(Work { teardown, objects, usd_per_hour, said })
        }
        _ => {
            let Sweep { objects, teardown, .. } = swept?;
            let usd_per_hour = target.seen.as_ref().and_then(|seen| hourly_of(target.provider.as_ref(), seen));
            Ok(Work { teardown, objects, usd_per_hour, said })
        }
    }
}

/// What a look by tags found.
struct Sweep {
    objects: usize,
    teardown: Teardown,
    said: Said,
}

async fn sweep(target: &Target, backend: &dyn Backend, plan: Option<&Plan>) -> Result<Sweep, CliError> {
    let stack = &target.stack;
    let mut swept = backend.sweep(stack).await?;
    let protected_by = spread::speakers(stack, &swept)
        .find(|(owned, tags)| target.provider.retags(&owned.reference().kind) && proof::protects(tags))
        .map(|(owned, _)| owned.reference().clone());
    let expires_at = spread::speakers(stack, &swept).filter_map(|(_, tags)| proof::expires_at(tags)).max();
    let last_made_at = swept.iter().filter_map(|item| item.seen.created_at).max();
    let said = Said { protected_by, expires_at, last_made_at };
    // With the plan at hand, what hangs on its objects without tags of its own (routes, attachments) is in the plan
    // under its own name; a search can only name it anew and would delete it twice.
    let known = |step: &StepId| plan.is_some_and(|plan| plan.step(step).is_some());
    let tagged = |item: &Swept| item.seen.evidence.tags.contains_key(TAG_STEP);
    if plan.is_some() && swept.iter().filter(|item| tagged(item)).all(|item| known(&item.step.id)) {
        swept.retain(tagged);
        let left: BTreeSet<StepId> = swept.iter().map(|item| item.step.id.clone()).collect();
        for item in &mut swept {
            item.after.retain(|step| left.contains(step));
        }
    }
    let points = backend.sweep_points(&swept);
    let objects = swept.len();
    let teardown = Teardown::from_swept(stack, swept, points);
    Ok(Sweep { objects, teardown, said })
}

async fn show(env: &Env, request: &DestroyRequest, target: &Target, work: &Work) -> Result<(), CliError> {
    let since = target
        .known
        .as_ref()
        .and_then(|known| known.state.started_at())
        .or_else(|| target.seen.as_ref().and_then(|seen| seen.created_at))
        .map_or_else(String::new, |at| format!(", begun {}", at.strftime("%Y-%m-%d %H:%MZ")));
    env.ui.say(&format!(
        "destroy {}: {} in {}/{}{since}; {} today",
        target.stack,
        crate::ui::style::count(work.objects, "object"),
        target.account.as_deref().unwrap_or("?"),
        target.place.region,
        crate::ui::style::hourly(work.usd_per_hour)
    ));
    let volumes = match request.volumes {
        VolumeFate::ByPolicy => "each by its reclaim policy (--volumes keep|delete)",
        VolumeFate::Keep => "all kept, and billed on",
        VolumeFate::Delete => "ALL deleted with their data",
    };
    env.ui.say_at_length(&format!(
        "  the cluster, everything that runs on it, and the load balancers it made go with it; volumes: {volumes}"
    ));
    let cluster = target.provider.cluster_name(&target.stack);
    match env.reading(async { Ok(inside::look(target.provider.as_ref(), &cluster).await) }).await? {
        Ok(None) => {}
        Ok(Some(made)) => inside::lines(&made, request.volumes).iter().for_each(|line| env.ui.say_at_length(line)),
        Err(why) => env.ui.say_at_length(&format!("  what runs in it cannot be listed now: {why}")),
    }
    Ok(())
}

async fn confirm(env: &Env, request: &DestroyRequest) -> Result<(), CliError> {
    // `--yes` never answers this.
    if request.confirm.is_some() {
        return Ok(());
    }
    let name = request.name.as_str();
    let (question, flag) = (format!("Type `{name}` to destroy it"), format!("--confirm {name}"));
    match env.reading(env.ui.ask_name(&question, name, &flag)).await? {
        Answer::Yes => Ok(()),
        Answer::No => Err(CliError::new("KW-DECLINED", "declined; nothing was deleted")),
    }
}

async fn execute(
    env: &Env,
    held: stacks::Held,
    target: Target,
    work: Work,
    volumes: VolumeFate,
) -> Result<(Destroy, Option<CliError>), CliError> {
    let (journal, mut state) = match &target.known {
        Some(known) => stacks::open_for_writing(env, &held, Some(known))?,
        None => stacks::begin_removal(env, &held)?,
    };
    let plan = target.plan().cloned();
    let gone = state.steps().filter(|(_, step)| step.is_unmade()).map(|(id, _)| id.clone()).collect();
    let shown = plan.as_deref().cloned().unwrap_or_else(|| swept(&target, &work.teardown));
    let mut session = Session {
        backend: target.provider.backend_for(volumes),
        journal,
        clock: Arc::clone(&env.clock),
        ids: Arc::clone(&env.ids),
        observer: durations::observer(env, &shown, gone, Mode::Destroy),
        stop: env.stop.receiver(),
        options: Options { timeout: env.time_left(), ..Options::default() },
        gate: env.auth_gate(&target.provider),
    };
    let report = session.teardown(work.teardown, &mut state, env.run_info()).await;
    drop(session);
    durations::learn(env, &target.stack, &report.run);
    if report.outcome == Outcome::Done {
        let cluster = target.provider.cluster_name(&target.stack);
        let account = target.account.as_deref().unwrap_or_default();
        kubeconfig::forget_destroyed(env, target.provider.as_ref(), account, &cluster).await;
    }
    Ok(conclude(env, &target, plan.as_deref(), &state, &report))
}

/// What the search found, as a plan by which a teardown without one can be watched.
fn swept(target: &Target, work: &Teardown) -> Plan {
    Plan {
        version: 1,
        stack: target.stack.clone(),
        provider: target.place.cloud,
        account: target.account.clone().unwrap_or_default(),
        region: target.place.region.clone(),
        spec: serde_json::Value::Null,
        tags: std::collections::BTreeMap::new(),
        steps: work.steps().cloned().collect(),
        sweeps: Vec::new(),
    }
}

fn named(stack: &Stack, plan: Option<&Plan>, place: Option<(&Place, Option<&str>)>) -> doc::Stack {
    doc::Stack {
        name: stack.name.to_string(),
        id: Some(stack.id.to_string()),
        provider: plan
            .map(|plan| plan.provider.to_string())
            .or(place.map(|(place, _)| place.cloud.to_string()))
            .unwrap_or_default(),
        account: plan.map(|plan| plan.account.clone()).or(place.and_then(|(_, account)| account.map(str::to_owned))),
        region: plan
            .map(|plan| plan.region.to_string())
            .or(place.map(|(place, _)| place.region.to_string()))
            .unwrap_or_default(),
    }
}

fn document(target: &Target, outcome: DestroyOutcome) -> Destroy {
    let plan = target.plan().map(AsRef::as_ref);
    let stack = named(&target.stack, plan, Some((&target.place, target.account.as_deref())));
    Destroy { outcome, usd_per_hour_remaining: None, ..nothing(stack) }
}

/// What is said where nothing stood.
fn nothing(stack: doc::Stack) -> Destroy {
    Destroy {
        stack,
        outcome: DestroyOutcome::Nothing,
        deleted: Vec::new(),
        kept: Vec::new(),
        remaining: Vec::new(),
        usd_per_hour_remaining: Some(0.0),
        mutating_calls: 0,
        audit: None,
    }
}

fn conclude(
    env: &Env,
    target: &Target,
    plan: Option<&Plan>,
    state: &StackState,
    report: &Report,
) -> (Destroy, Option<CliError>) {
    let mut doc = document(target, DestroyOutcome::Destroyed);
    let why = |item: &Item| {
        report
            .failures
            .iter()
            .find(|failure| failure.step.as_ref() == Some(&item.step))
            .map(|failure| failure.error.message.clone())
    };
    doc.deleted = report
        .deleted
        .iter()
        .map(|item| Gone {
            step: item.step.to_string(),
            kind: item.resource.kind.clone(),
            id: Some(item.resource.id.clone()),
        })
        .collect();
    let for_good = |item: &Item| {
        let step = plan.and_then(|plan| plan.step(&item.step));
        step.is_some_and(|step| matches!(step.identity, Identity::OneWay { .. })).then(|| ONE_WAY.to_owned())
    };
    doc.kept = report.kept.iter().map(|item| outcome::remaining(item, plan, for_good(item))).collect();
    doc.remaining = report.remaining.iter().map(|item| outcome::remaining(item, plan, why(item))).collect();
    doc.mutating_calls = report.mutating_calls;
    doc.audit = report.audit.as_ref().map(outcome::audit);
    doc.usd_per_hour_remaining = money::sum(doc.remaining.iter().map(|item: &Remaining| item.usd_per_hour));
    let stopped = env.stop.cause().or_else(|| (report.outcome == Outcome::TimedOut).then_some(StopCause::Timeout));
    let Some(error) = outcome::cause(report, stopped) else {
        doc.usd_per_hour_remaining = Some(0.0);
        return (doc, None);
    };
    doc.outcome = DestroyOutcome::Incomplete;
    let in_doubt = state.steps().any(|(_, step)| !step.is_unmade() && !matches!(step, StepState::Ready { .. }));
    let stands = !doc.remaining.is_empty()
        || in_doubt
        || plan.is_some_and(|plan| super::provision::something_stands(plan, state));
    let mut error = outcome::settle(error, stopped, stands);
    for item in &report.blockers {
        let owner = item.note.as_deref().unwrap_or("not ours");
        error
            .details
            .push(format!("in the way: {} {} ({owner}); it is never touched", item.resource.kind, item.resource.id));
    }
    if stands {
        error.details.push(format!(
            "still there: {} of ours, {}",
            crate::ui::style::count(doc.remaining.len(), "object"),
            crate::ui::style::hourly_short(doc.usd_per_hour_remaining)
        ));
        let again = if plan.is_some() { target.place.commands().destroy } else { target.place.by_tags() };
        error.hints.push(format!("go on with  {again}"));
        if plan.is_some() && report.failures.iter().any(|failure| failure.error.id == "KW-NOT-OURS") {
            let stack = &target.stack;
            error.hints.push(format!(
                "is it yours? give it its tags back ({TAG_STACK}={stack}, {TAG_STEP}), or remove it by hand; then again"
            ));
        }
    }
    (doc, Some(error))
}
