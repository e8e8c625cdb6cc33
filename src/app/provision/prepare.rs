//! What would be done: wish → spec → plan, price, preflight. Reads only.

use super::{Overrides, ProvisionRequest};
use crate::app::cloud::{self, Connected};
use crate::app::command::{Place, program};
use crate::app::{money, respec, stacks, tags};
use crate::config::spec::{self, Overlay, SpecProblem};
use crate::cost::Estimate;
use crate::engine::{Plan, PlannedStep, Standing, StepState, proof};
use crate::env::{Env, after};
use crate::error::CliError;
use crate::model::doc::BudgetVerdict;
use crate::model::{ClusterName, ClusterSpec, ResolvedSpec, Stack, StackId};
use crate::providers::{Check, StackSeen, differ_in_tags_only};
use crate::store;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest cluster file worth reading.
const FILE_LIMIT: u64 = 1 << 20;
/// Read where neither a name nor a file is given.
const DEFAULT_FILE: &str = "cluster.yaml";

/// What the words and the file ask for, before any cloud is asked.
pub(super) struct Wish {
    pub(super) name: ClusterName,
    file: Option<(String, String)>,
    /// The file's full path.
    path: Option<PathBuf>,
    /// The name is the file's own, not one that was typed for this build.
    named_by_file: bool,
    overlays: Vec<Overlay>,
    spec: ClusterSpec,
}

impl Wish {
    pub(super) fn read(env: &Env, request: &ProvisionRequest) -> Result<Self, CliError> {
        let file = match (&request.file, &request.name) {
            (Some(path), _) => Some((read(&env.here.join(path))?, path.display().to_string())),
            (None, Some(_)) => None,
            (None, None) => {
                let text = store::read_text_if_there(&env.here.join(DEFAULT_FILE), FILE_LIMIT)?;
                let text = text.ok_or_else(|| {
                    CliError::usage("which cluster? no NAME, no -f FILE, and no ./cluster.yaml here")
                        .hint(format!("{} provision demo --provider aws --region us-east-1", program(env)))
                })?;
                Some((text, DEFAULT_FILE.to_owned()))
            }
        };
        let overlays = overlays(&request.overrides);
        let sets = &request.overrides.set;
        said_once(sets, "provider", "--provider", env.settings.provider.map(|cloud| cloud.to_string()))?;
        said_once(sets, "region", "--region", env.settings.region.as_ref().map(ToString::to_string))?;
        said_once(sets, "name", "NAME", request.name.as_ref().map(ToString::to_string))?;
        let as_pair = file.as_ref().map(|(text, name)| (text.as_str(), name.as_str()));
        let begun = match (&file, &request.name) {
            (None, Some(name)) => stacks::is_live(env, name)?,
            _ => false,
        };
        let spec = if begun {
            // The flags may speak of what only the recorded spec has; they are judged once they are laid over it.
            ClusterSpec::default()
        } else {
            spec::load(as_pair, &overlays, env.settings.provider).map_err(refused)?
        };
        let name = request.name.clone().or_else(|| spec.name.clone()).ok_or_else(|| {
            CliError::usage("the cluster has no name").hint("give one on the command line, or `name:` in the file")
        })?;
        let path = match (&request.file, &file) {
            (Some(path), _) => Some(env.here.join(path)),
            (None, Some(_)) => Some(env.here.join(DEFAULT_FILE)),
            (None, None) => None,
        };
        Ok(Self { name, file, path, named_by_file: request.name.is_none(), overlays, spec })
    }

    /// The recorded spec with the file and then the flags over it.
    fn over(&self, env: &Env, request: &ProvisionRequest, recorded: &ClusterSpec) -> Result<ClusterSpec, CliError> {
        let mut base = recorded.clone();
        if let Some((text, name)) = &self.file {
            let mut file = spec::load(Some((text, name)), &[], env.settings.typed_provider()).map_err(refused)?;
            file.name = None;
            base = respec::merge(&base, &file)?;
        }
        // Recorded zones are exact; a count of them only says the same or something new.
        if let (Some(count), Some(network)) = (request.overrides.zone_count, base.network.as_mut())
            && network.zones.as_ref().is_some_and(|zones| zones.len() != usize::from(count))
        {
            network.zones = None;
        }
        let keep_zones = base.network.as_ref().is_some_and(|network| network.zones.is_some());
        let overlays: Vec<Overlay> = if keep_zones && request.overrides.zone_count.is_some() {
            overlays(&Overrides { zone_count: None, ..request.overrides.clone() })
        } else {
            self.overlays.clone()
        };
        let mut merged = spec::overlaid(&base, &overlays, env.settings.typed_provider()).map_err(refused)?;
        merged.name.clone_from(&recorded.name);
        if let Some(region) = env.settings.typed_region() {
            merged.region = Some(region.clone());
        }
        Ok(merged)
    }
}

/// What NAME, file and flags come to without asking any cloud; for a stack begun here they lie over what is recorded.
pub(in crate::app) fn wished(env: &Env, request: &ProvisionRequest) -> Result<ClusterSpec, CliError> {
    let wish = Wish::read(env, request)?;
    let recorded = stacks::live(env, &wish.name)?.and_then(|known| known.state.plan().cloned());
    let recorded = recorded.and_then(|plan| serde_json::from_value::<ResolvedSpec>(plan.spec.clone()).ok());
    let mut spec = match recorded {
        Some(recorded) => wish.over(env, request, &respec::as_wished(&recorded))?,
        None => wish.spec.clone(),
    };
    spec.name = Some(wish.name);
    Ok(spec)
}

/// What has a flag of its own beats the file, but not another word of the same command line.
fn said_once(sets: &[String], key: &str, flag: &str, given: Option<String>) -> Result<(), CliError> {
    let set = sets.iter().filter_map(|set| set.split_once('=')).find(|(path, _)| *path == key);
    match (set, given) {
        (Some((_, value)), Some(given)) if value != given => {
            Err(CliError::usage(format!("--set {key}={value}: {flag} says `{given}`; leave one of the two out")))
        }
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    store::read_text(path, FILE_LIMIT).map_err(|error| {
        let mut error: CliError = error.into();
        // A file the user named is the command line's business, not our state's.
        error.id = "KW-USAGE".to_owned();
        error.class = crate::error::Class::Usage;
        error.exit = error.class.exit();
        error.hints.clear();
        error
    })
}

pub(super) fn overlays(flags: &Overrides) -> Vec<Overlay> {
    let mut list = Vec::new();
    let mut flag = |name: &str, path: &str, value: String| list.push(Overlay::flag(name, path, &value));
    if let Some(ttl) = flags.ttl {
        flag("--ttl", "ttl", spec::write_span(ttl.as_secs()));
    }
    if let Some(version) = &flags.version {
        flag("--version", "version", format!("{version:?}"));
    }
    if let Some(zones) = &flags.zones {
        flag("--zones", "network.zones", format!("[{}]", zones.join(", ")));
    }
    if let Some(count) = flags.zone_count {
        flag("--zone-count", "network.zoneCount", count.to_string());
    }
    if let Some(nat) = flags.nat {
        flag("--nat", "network.nat", nat.as_str().to_owned());
    }
    if let Some(cidr) = flags.network_cidr {
        flag("--network-cidr", "network.cidr", cidr.to_string());
    }
    if !flags.api_allow.is_empty() {
        let ranges: Vec<String> = flags.api_allow.iter().map(ToString::to_string).collect();
        flag("--api-allow", "network.apiAllow", format!("[{}]", ranges.join(", ")));
    }
    if let Some(nodes) = flags.nodes {
        list.push(Overlay::first_pool("--nodes", "count", &nodes.to_string()));
    }
    if let Some(node_type) = &flags.node_type {
        list.push(Overlay::first_pool("--node-type", "instanceType", node_type));
    }
    list.extend(flags.pools.iter().map(|pool| Overlay::pool(pool)));
    list.extend(flags.set.iter().map(|set| Overlay::set(set)));
    list
}

fn refused(problems: Vec<SpecProblem>) -> CliError {
    let count = problems.len();
    let mut lines = problems.iter().map(ToString::to_string);
    let first = lines.next().unwrap_or_else(|| "it cannot be read".to_owned());
    if count == 1 {
        return CliError::new("KW-SPEC", first);
    }
    let mut error = CliError::new("KW-SPEC", format!("{count} problems in what was asked for; nothing was created"));
    error.details = std::iter::once(first).chain(lines).collect();
    error
}

/// Everything that is known before the question.
pub(super) struct Prepared {
    pub(super) cloud: Connected,
    pub(super) spec: ResolvedSpec,
    pub(super) plan: Plan,
    pub(super) hash: String,
    pub(super) cost: Estimate,
    pub(super) verdict: BudgetVerdict,
    pub(super) over_budget: Option<CliError>,
    pub(super) checks: Vec<Check>,
    pub(super) advice: Vec<String>,
    /// What the journal holds, for a stack that was begun before.
    pub(super) known: Option<stacks::Known>,
    /// What changed against the journal, in words.
    pub(super) changes: Vec<String>,
    pub(super) place: Place,
    /// Clusters that the same file built under other names and that still stand.
    pub(super) beside: Vec<stacks::Beside>,
    /// The file that a new stack is built from.
    pub(super) path: Option<PathBuf>,
}

impl Prepared {
    /// Whether it was finished before and nothing is asked to change.
    pub(super) fn is_finished(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.state.standing() == Standing::Ready)
    }
}

/// Plans.
pub(super) async fn prepare(env: &Env, request: &ProvisionRequest, wish: Wish) -> Result<Prepared, CliError> {
    match stacks::live(env, &wish.name)? {
        Some(known) => again(env, request, wish, known).await,
        None => fresh(env, request, wish).await,
    }
}

async fn fresh(env: &Env, request: &ProvisionRequest, wish: Wish) -> Result<Prepared, CliError> {
    let Wish { name, mut spec, path, named_by_file, .. } = wish;
    let beside = match &path {
        Some(path) if named_by_file => stacks::built_from(env, path, &name)?,
        _ => Vec::new(),
    };
    let cloud = cloud::chosen(env, spec.provider, name.as_str())?;
    let connected = cloud::connect(env, cloud, spec.region.clone(), spec.account.as_deref()).await?;
    let provider = &connected.provider;
    spec.name = Some(name.clone());
    spec.provider = Some(cloud);
    spec.region = Some(provider.region().clone());
    let place = Place::of(env, &name, provider.as_ref());
    let seen = provider.stacks(Some(&name)).await?;
    if let Some(error) = taken(&seen, &connected, &place) {
        return Err(error);
    }
    let resolved = provider.resolve(&spec, &connected.who).await.map_err(CliError::of_many)?;
    #[expect(clippy::cast_possible_truncation, reason = "32 of 64 random bits are 32 random bits")]
    let stack = Stack { name, id: StackId::from_bits(env.ids.bits() as u32) };
    let tags = fresh_tags(env, &resolved);
    let plan = checked(provider.plan(&resolved, &stack, tags)?)?;
    let advice = spec::advice(&spec);
    let prepared = finish(env, request, connected, resolved, plan, advice, None, Vec::new(), place).await?;
    Ok(Prepared { beside, path, ..prepared })
}

async fn again(env: &Env, request: &ProvisionRequest, wish: Wish, known: stacks::Known) -> Result<Prepared, CliError> {
    let name = wish.name.clone();
    let standing = known.state.standing();
    if standing == Standing::Destroying {
        return Err(CliError::new(
            "KW-DELETING",
            format!("the removal of `{name}` has begun and must be finished first"),
        )
        .hint(format!("{} destroy {name} --confirm {name}", program(env))));
    }
    let Some(recorded_plan) = known.state.plan().cloned() else {
        return Err(CliError::new("KW-JOURNAL", format!("the journal of `{name}` holds no plan"))
            .hint(format!("{} destroy {name} --from-tags --confirm {name}", program(env))));
    };
    let recorded: ResolvedSpec = serde_json::from_value(recorded_plan.spec.clone()).map_err(|cause| {
        CliError::new("KW-JOURNAL", format!("the journal of `{name}` holds a spec that cannot be read: {cause}"))
    })?;
    let base = respec::as_wished(&recorded);
    let mut merged = wish.over(env, request, &base)?;
    // A recorded account that the file pins otherwise is the wrong account, not a change.
    let pin = std::mem::replace(&mut merged.account, base.account.clone());
    let changes = respec::differences(&base, &merged);
    if standing == Standing::Ready && !changes.is_empty() {
        return Err(day2(env, &name, &changes));
    }
    if let Some(moved) = changes.iter().find(|line| line.starts_with("provider ") || line.starts_with("region ")) {
        return Err(CliError::new("KW-DAY2", format!("`{name}` was begun elsewhere: {moved}; nothing was done"))
            .hint(format!("continue where it is: {} provision {name}", program(env)))
            .hint(format!("or remove it: {} destroy {name} --confirm {name}", program(env))));
    }
    let pin = pin.unwrap_or_else(|| recorded.account.clone());
    // The journal knows the region: a variable for other commands must not lead elsewhere.
    let connected = cloud::connect_at(env, recorded.provider, Some(recorded.region.clone()), Some(&pin)).await?;
    let place = Place::of(env, &name, connected.provider.as_ref());
    let (resolved, plan) = if changes.is_empty() {
        let mut plan = (*recorded_plan).clone();
        // What is still to be made says what `protect` said since; a finished stack keeps its plan to the letter.
        if standing == Standing::Unfinished {
            tags::set_protection(&mut plan.tags, known.is_protected());
            if let Some(at) = known.expires_at() {
                tags::set_expiry(&mut plan.tags, at);
            }
        }
        (recorded, plan)
    } else {
        let mut resolved = connected.provider.resolve(&merged, &connected.who).await.map_err(CliError::of_many)?;
        resolved.defaults.clone_from(&recorded.defaults);
        let mut carried = fresh_tags(env, &resolved);
        for key in [tags::TAG_BUILDER, tags::TAG_CREATED_AT, proof::TAG_EXPIRES_AT] {
            // Whoever began it and when does not change; the expiry only with the life time.
            if key == proof::TAG_EXPIRES_AT && resolved.ttl_secs != recorded.ttl_secs {
                continue;
            }
            if let Some(value) = recorded_plan.tags.get(key) {
                carried.insert(key.to_owned(), value.clone());
            }
        }
        tags::set_protection(&mut carried, known.protection_noted().unwrap_or(resolved.protect));
        let mut plan = connected.provider.plan(&resolved, &recorded_plan.stack, carried)?;
        // What stands is as it was made; the spec in its tags is brought up to date by itself, under the lock.
        for step in &mut plan.steps {
            if let Some(made) = recorded_plan.step(&step.id).filter(|_| !known.state.step(&step.id).is_unmade())
                && differ_in_tags_only(made, step)
            {
                step.params.clone_from(&made.params);
            }
        }
        let plan = checked(plan)?;
        known.state.fits(&plan).map_err(|why| {
            let mut error = CliError::new("KW-DAY2", format!("`{name}` cannot be continued like that: {why}"));
            error.details.clone_from(&changes);
            error
                .hint(format!("continue as it was: {}", place.verb(&format!("provision {name}"))))
                .hint(format!("or start over: {}", place.verb(&format!("destroy {name} --confirm {name}"))))
        })?;
        (resolved, plan)
    };
    let advice = if changes.is_empty() { Vec::new() } else { spec::advice(&merged) };
    finish(env, request, connected, resolved, plan, advice, Some(known), changes, place).await
}

#[expect(clippy::too_many_arguments, reason = "the two ways to a plan meet here and nowhere else")]
async fn finish(
    env: &Env,
    request: &ProvisionRequest,
    cloud: Connected,
    spec: ResolvedSpec,
    plan: Plan,
    advice: Vec<String>,
    known: Option<stacks::Known>,
    changes: Vec<String>,
    place: Place,
) -> Result<Prepared, CliError> {
    let cost = money::price(&plan, &spec);
    let budget = money::in_force(&spec.budget, env.vars.layers.budget());
    let (verdict, mut over_budget) = money::judge(&cost, &budget, &request.limits);
    if let (Some(error), Some(limit)) = (&mut over_budget, verdict.limit_usd_per_hour) {
        let fits = money::fitting(cloud.provider.as_ref(), &plan, &spec, limit);
        let smaller = if fits.is_empty() { vec!["smaller: --node-type, --nat none".to_owned()] } else { fits };
        error.message.push_str("; nothing was created");
        error.hints.extend(smaller);
        error
            .hints
            .push("--override-budget passes every limit and is written to the journal; --yes does not".to_owned());
    }
    let fresh: Vec<&PlannedStep> = plan
        .steps
        .iter()
        .filter(|step| {
            !known.as_ref().is_some_and(|known| matches!(known.state.step(&step.id), StepState::Ready { .. }))
        })
        .collect();
    let checks = if fresh.is_empty() { Vec::new() } else { cloud.provider.preflight(&plan, &fresh).await };
    let hash = plan.hash();
    Ok(Prepared {
        cloud,
        spec,
        hash,
        cost,
        verdict,
        over_budget,
        checks,
        advice,
        known,
        changes,
        place,
        plan,
        beside: Vec::new(),
        path: None,
    })
}

fn checked(plan: Plan) -> Result<Plan, CliError> {
    plan.checked().map_err(|fault| {
        let mut error = CliError::new("KW-PLAN", "the plan does not hold together");
        error.details = fault.0;
        error
    })
}

/// The tags of a stack that begins now.
fn fresh_tags(env: &Env, spec: &ResolvedSpec) -> BTreeMap<String, String> {
    let expires = spec.ttl_secs.map(|secs| after(env.now(), Duration::from_secs(secs)));
    tags::of(spec, Some(&env.builder()), Some(env.now()), expires)
}

/// Somebody else's live stack of that name, or ours without its journal.
fn taken(seen: &[StackSeen], cloud: &Connected, place: &Place) -> Option<CliError> {
    let seen = seen.first()?;
    let builder = seen.builder.as_deref().map_or_else(String::new, |builder| format!(", built by {builder}"));
    Some(
        CliError::new(
            "KW-NAME-TAKEN",
            format!(
                "`{}` exists in {}/{}{builder} (stack {}, {} objects), and there is no journal of it here",
                place.name, cloud.who.account, place.region, seen.stack, seen.objects
            ),
        )
        .hint(format!("take over   {}", place.recover()))
        .hint(format!("remove it   {}", place.by_tags()))
        .hint("or choose another name"),
    )
}

fn day2(env: &Env, name: &ClusterName, changes: &[String]) -> CliError {
    let mut error = CliError::new(
        "KW-DAY2",
        format!("`{name}` is finished and differs from what is asked for; nothing was changed"),
    );
    error.details = changes.iter().map(|line| format!("{line}   verb: {}", respec::day2_verb(line))).collect();
    error.hint(format!("keep it as it is: {} provision {name}", program(env)))
}
