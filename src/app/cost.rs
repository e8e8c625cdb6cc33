//! `cost`: what a cluster will cost, where it would cost less, what it has cost, and what it is going to. Asks no cloud:
//! prices come from the embedded table, what stands from the journals.

use super::accrual::{accrued, accrued_range, metered};
use super::guess::guessed;
use super::provision::{self, Limits, OnFailure, Overrides, ProvisionRequest, WaitFor};
use super::{cloud, money, outcome, places, stacks};
pub use crate::cost::Vendor;
use crate::cost::{self, Estimate, HOURS_PER_MONTH, Need, Offer, attach, prices};
use crate::engine::Standing;
use crate::env::{Env, ProviderChoice, after};
use crate::error::{CliError, Exit};
use crate::model::doc::{
    Accrued, CostCompare, CostForecast, CostList, CostListed, CostShow, Needed, OfferPrice, Offered, Stack, shown,
};
use crate::model::{Cloud, ClusterName, PriceKey, StackId};
use crate::providers::BUILT;
use crate::ui::EstimateView;
use jiff::Timestamp;
use std::{path::PathBuf, time::Duration};

/// `cost estimate`.
#[derive(Debug, Clone)]
pub struct EstimateRequest {
    /// NAME.
    pub name: Option<ClusterName>,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// Cost limits.
    pub limits: Limits,
    /// Flags that overlay the file.
    pub overrides: Overrides,
}

/// `cost compare`.
#[derive(Debug, Clone)]
pub struct CompareRequest {
    /// `--need`.
    pub need: String,
    /// `--spot`.
    pub spot: bool,
    /// `--providers`; none means all.
    pub providers: Vec<Vendor>,
    /// `--regions`; none means all.
    pub regions: Vec<String>,
    /// `--arm`.
    pub arm: bool,
    /// `--raw`.
    pub raw: bool,
    /// `--top`; none means all.
    pub top: Option<usize>,
    /// `--cheapest`: nothing but the flags that build it.
    pub cheapest: bool,
}

/// What no price table can know.
const EXCLUDED: [&str; 2] = ["traffic", "load balancers and volumes that workloads make"];
/// A name for a cluster that is only priced.
const UNNAMED: &str = "cluster";

/// Runs `cost estimate`.
pub async fn estimate(env: &Env, request: EstimateRequest) -> Result<Exit, CliError> {
    let EstimateRequest { name, file, limits, overrides } = request;
    let from_nothing = name.is_none() && file.is_none() && !env.here.join("cluster.yaml").exists();
    let name = if from_nothing { Some(UNNAMED.parse().expect("a valid name")) } else { name };
    let wish = ProvisionRequest {
        name,
        file,
        dry_run: true,
        expect_plan: None,
        beside: Vec::new(),
        limits: limits.clone(),
        wait: WaitFor::Cloud,
        on_failure: OnFailure::Keep,
        overrides,
    };
    let mut spec = provision::wished(env, &wish)?;
    let cloud = match cloud::named(env, spec.provider)? {
        Some(cloud) => cloud,
        None => cloud::implied(env)?,
    };
    let region = env.settings.region.clone().or_else(|| spec.region.take());
    if let Some(region) = &region {
        places::check_region(cloud, region)?;
    }
    let provider = env.open_provider(&ProviderChoice { cloud, region, account: spec.account.clone() }).await?;
    let provider = provider.ok_or_else(|| places::region_missing(cloud))?;
    let region = provider.region().clone();
    if !places::regions(cloud).contains(&region.0) {
        let message = format!("no price is known in {region}: the table of {} has no such region", prices().date());
        return Err(CliError::usage(message));
    }
    spec.region = Some(region);
    let resolved = guessed(provider.as_ref(), &spec, None).map_err(CliError::of_many)?;
    let stack = crate::model::Stack { name: resolved.name.clone(), id: StackId::from_bits(0) };
    let plan = provider.plan(&resolved, &stack, Default::default())?;
    let cost = money::price(&plan, &resolved);
    let budget = money::in_force(&resolved.budget, env.vars.layers.budget());
    let (verdict, refusal) = money::judge(&cost, &budget, &limits);
    if let Some(words) = verdict.warning(cost.totals.usd_per_hour.max) {
        env.ui.warn(&words);
    }
    env.ui.show(env.now(), &EstimateView { cost }, refusal.as_ref());
    refusal.map_or(Ok(Exit::DONE), Err)
}

/// Runs `cost compare`.
pub fn compare(env: &Env, request: CompareRequest) -> Result<Exit, CliError> {
    let need = Need::parse(&request.need, prices()).map_err(|problems| {
        let mut error = CliError::usage(format!("--need {}: {}", request.need, problems[0]));
        error.details = problems.into_iter().skip(1).collect();
        error.hint("--need 8vcpu,32gib · --need '8vcpu,32gib x3' · --need A100:1")
    })?;
    let vendors = if request.providers.is_empty() { Vendor::ALL.to_vec() } else { request.providers };
    known_regions(&request.regions, &vendors)?;
    let wish =
        cost::Wish { need, spot: request.spot, vendors, regions: request.regions, arm: request.arm, raw: request.raw };
    let found = cost::compare(prices(), &wish);
    let Some(cheapest) = found.first() else { return Err(nothing_fits(&wish)) };
    if request.cheapest {
        let buildable = found.iter().find_map(|offer| flags(&wish, offer));
        let line = buildable.ok_or_else(|| {
            let place = format!("{}/{}", cheapest.vendor.as_str(), cheapest.region);
            CliError::new(
                "KW-NO-MATCH",
                format!("the cheapest is {} in {place}, which this version cannot build", cheapest.machine.name),
            )
        })?;
        env.ui.raw(&format!("{line}\n"));
        return Ok(Exit::DONE);
    }
    let shown = request.top.unwrap_or(found.len());
    let body = CostCompare {
        need: needed(&wish.need),
        spot: wish.spot,
        catalogue_date: prices().date().to_owned(),
        found: found.len(),
        offers: found.iter().take(shown).map(|offer| offered(&wish, offer)).collect(),
        excluded: EXCLUDED.iter().chain(&["disks", "address translation"]).map(|it| (*it).to_owned()).collect(),
    };
    env.ui.show(env.now(), &body, None);
    if wish.spot {
        env.ui.say(&format!("spot prices move; these are of {}", spot_dates(&found)));
    }
    Ok(Exit::DONE)
}

/// From when to when a vendor's spot prices are: what a refresh has read is younger than the rest.
fn spot_dates(offers: &[Offer<'_>]) -> String {
    let of = |vendor: &Vendor| {
        let dates = || offers.iter().filter(|offer| offer.vendor == *vendor).map(|offer| offer.as_of);
        let (first, last) = (dates().min()?, dates().max()?);
        let span = if first == last { first.to_owned() } else { format!("{first} to {last}") };
        Some(format!("{span} ({})", vendor.as_str()))
    };
    Vendor::ALL.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// A pattern that no region meets is a typing error.
pub(super) fn known_regions(patterns: &[String], vendors: &[Vendor]) -> Result<(), CliError> {
    let all: Vec<&str> = vendors.iter().flat_map(|vendor| prices().regions(*vendor)).map(String::as_str).collect();
    for pattern in patterns.iter().filter(|pattern| *pattern != "all") {
        if !all.iter().any(|name| cost::is_region(pattern, name)) {
            let near = all.iter().min_by_key(|name| strsim::damerau_levenshtein(name, pattern)).copied();
            let error = CliError::usage(format!("--regions {pattern}: no region is called so"));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean {near}? `us-*` and `all` are understood")),
                None => error,
            });
        }
    }
    Ok(())
}

fn nothing_fits(wish: &cost::Wish) -> CliError {
    let error = CliError::new("KW-NO-MATCH", "no machine in these regions has what is asked for".to_owned());
    let elsewhere =
        cost::compare(prices(), &cost::Wish { vendors: Vendor::ALL.to_vec(), regions: Vec::new(), ..wish.clone() });
    if let Some(offer) = elsewhere.first() {
        return error.hint(format!("there is one in {}/{}", offer.vendor.as_str(), offer.region));
    }
    let anyhow = cost::compare(
        prices(),
        &cost::Wish {
            vendors: Vendor::ALL.to_vec(),
            regions: Vec::new(),
            arm: true,
            raw: true,
            spot: false,
            ..wish.clone()
        },
    );
    match anyhow.first() {
        Some(offer) => error.hint(format!(
            "{} in {}/{} has it by its own figures: --raw --arm, without --spot",
            offer.machine.name,
            offer.vendor.as_str(),
            offer.region
        )),
        None => error,
    }
}

fn needed(need: &Need) -> Needed {
    Needed {
        vcpus: need.vcpus,
        memory_gib: need.memory_gib,
        gpu: need.gpu.as_ref().map(|(name, count)| format!("{name}:{count}")),
        nodes: need.nodes,
    }
}

fn offered(wish: &cost::Wish, offer: &Offer<'_>) -> Offered {
    let saving = (1.0 - offer.machine_usd / offer.on_demand_usd) * 100.0;
    Offered {
        provider: offer.vendor.as_str().to_owned(),
        region: offer.region.to_owned(),
        instance_type: offer.machine.name.to_owned(),
        vcpus: offer.machine.vcpus,
        memory_gib: offer.machine.memory_gib,
        gpu: offer.machine.accelerator.map(|(name, count)| format!("{name}:{count}")),
        allocatable_vcpus: hundredths(offer.allocatable.0),
        allocatable_gib: hundredths(offer.allocatable.1),
        usd_per_hour: OfferPrice {
            machine: offer.machine_usd,
            on_demand: offer.on_demand_usd,
            control_plane: offer.control_plane_usd,
            total: offer.usd_per_hour,
        },
        usd_per_month: hundredths(offer.usd_per_hour * HOURS_PER_MONTH),
        saving_percent: wish.spot.then_some((saving * 10.0).round() / 10.0),
        extrapolated: offer.estimated,
        as_of: offer.as_of.to_owned(),
        adjusted: offer.adjusted.clone(),
        flags: flags(wish, offer),
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The flags of `provision` that build it.
fn flags(wish: &cost::Wish, offer: &Offer<'_>) -> Option<String> {
    let Vendor::Cloud(cloud) = offer.vendor else { return None };
    let (region, machine, nodes) = (offer.region, offer.machine.name, wish.need.nodes);
    let place = format!("--provider {cloud} --region {region}");
    if !BUILT.contains(&cloud) {
        return None;
    }
    // No pool of ours is made with TPUs.
    if offer.machine.accelerator.is_some_and(|(name, _)| name.starts_with("tpu")) {
        return None;
    }
    // What is attached to a machine has no machine type that stands for it: it is asked for by what it has.
    let gpu = offer.machine.accelerator.filter(|_| cloud == Cloud::Gcp && attach::takes_gpus(machine));
    if let Some((gpu, count)) = gpu {
        let (cpu, memory, spot) = (offer.machine.vcpus, offer.machine.memory_gib, if wish.spot { ",spot" } else { "" });
        let needs = format!("cpu={cpu},memory={memory},gpu={gpu}:{count}");
        return Some(format!("{place} --pool name=gpu,{needs},count={nodes}{spot}"));
    }
    Some(match wish.spot {
        false => format!("{place} --nodes {nodes} --node-type {machine}"),
        // System pods want machines that stay: the spot pool stands beside the default one.
        true => format!("{place} --pool name=spot,type={machine},count={nodes},spot"),
    })
}

/// Runs `cost show`.
pub fn show(env: &Env, name: &ClusterName, id: Option<StackId>) -> Result<Exit, CliError> {
    let known = recorded(env, name, id)?;
    let now = env.now();
    let (hourly, expires_at) = (standing(&known), known.expires_at());
    let lines = metered(&known, now);
    let spent = accrued_range(&known, now);
    let body = CostShow {
        stack: stack_of(&known),
        since: known.state.started_at(),
        destroyed_at: known.destroyed_at(),
        lines: lines
            .iter()
            .map(|it| Accrued {
                step: it.step.id.to_string(),
                components: it.step.usage.iter().map(|usage| component(&usage.key)).collect(),
                hours: (it.hours * 1e3).round() / 1e3,
                usd_per_hour: it.usd_per_hour(),
                usd: it.usd().map(|usd| shown(usd.desired)),
                running: it.running,
            })
            .collect(),
        accrued_usd: spent.map(|usd| usd.desired),
        accrued_min_usd: spent.map(|usd| usd.min),
        accrued_max_usd: spent.map(|usd| usd.max),
        usd_per_hour: hourly,
        usd_per_month: monthly(&known),
        expires_at,
        until_expiry_usd: expires_at.and_then(|at| Some(hundredths(hourly? * hours_between(now, at)))),
        excluded: EXCLUDED.iter().map(|it| (*it).to_owned()).collect(),
    };
    env.ui.show(now, &body, None);
    Ok(Exit::DONE)
}

/// Runs `cost list`.
pub fn list(env: &Env) -> Result<Exit, CliError> {
    let now = env.now();
    let (mut stacks, mut complete) = (Vec::new(), true);
    for known in stacks::all_live(env)? {
        let known = match known {
            Ok(known) => known,
            Err((stack, error)) => {
                env.ui.warn(&format!("{stack}: {}", error.message));
                complete = false;
                continue;
            }
        };
        let usd_per_hour = standing(&known);
        stacks.push(CostListed {
            stack: stack_of(&known),
            usd_per_hour,
            usd_per_month: monthly(&known),
            accrued_usd: accrued(&known, now),
            expires_at: known.expires_at(),
        });
    }
    stacks.sort_by(|a, b| {
        let dearest = |it: &CostListed| it.usd_per_hour.unwrap_or(f64::MAX);
        dearest(b).total_cmp(&dearest(a)).then_with(|| a.stack.name.cmp(&b.stack.name))
    });
    complete &= stacks.iter().all(|it| it.usd_per_hour.is_some() && it.accrued_usd.is_some());
    let total = |part: fn(&CostListed) -> Option<f64>| money::sum(stacks.iter().map(part).filter(Option::is_some));
    let hourly = total(|it| it.usd_per_hour).unwrap_or_default();
    let body = CostList {
        usd_per_hour: hourly,
        usd_per_month: hundredths(total(|it| it.usd_per_month).unwrap_or_default()),
        accrued_usd: total(|it| it.accrued_usd).unwrap_or_default(),
        complete,
        stacks,
    };
    env.ui.show(now, &body, None);
    Ok(Exit::DONE)
}

/// Runs `cost forecast`.
pub fn forecast(env: &Env, name: &ClusterName, id: Option<StackId>, span: Duration) -> Result<Exit, CliError> {
    let known = recorded(env, name, id)?;
    let now = env.now();
    let until = after(now, span);
    let expires_at = known.expires_at().filter(|at| *at < until);
    let hours = hours_between(now, expires_at.unwrap_or(until));
    let range = priced(&known);
    let usd = |part: fn(&cost::Range) -> f64| range.as_ref().map(|range| hundredths(part(range) * hours));
    let body = CostForecast {
        stack: stack_of(&known),
        days: hundredths(span.as_secs_f64() / 86_400.0),
        until,
        accrued_usd: accrued(&known, now),
        min_usd: usd(|range| range.min),
        desired_usd: usd(|range| range.desired),
        max_usd: usd(|range| range.max),
        expires_at,
    };
    env.ui.show(now, &body, None);
    Ok(Exit::DONE)
}

/// What of the stack stands, by the hour: at the smallest, as ordered, at the largest. None when a price is unknown.
fn priced(known: &stacks::Known) -> Option<cost::Range> {
    let plan = known.state.plan()?;
    let standing = plan.steps.iter().filter(|step| known.state.step(&step.id).resource().is_some());
    let all: Estimate = cost::estimate(standing.map(|step| (step.id.as_str(), step.usage.as_slice())), prices(), None);
    all.complete.then_some(all.totals.usd_per_hour)
}

fn recorded(env: &Env, name: &ClusterName, id: Option<StackId>) -> Result<stacks::Known, CliError> {
    let known = stacks::any(env, name, id)?.filter(|known| known.state.plan().is_some());
    known.ok_or_else(|| {
        CliError::new(
            "KW-NOTHING-RECORDED",
            format!("there is no journal of `{name}` here, so nothing tells what ran when"),
        )
        .hint(format!("kubewright recover {name}   rebuilds it from the cloud"))
        .hint("kubewright status --all   prices what stands, whoever made it")
    })
}

fn standing(known: &stacks::Known) -> Option<f64> {
    if known.state.standing() == Standing::Destroyed {
        return Some(0.0);
    }
    outcome::hourly(known.state.plan()?, &known.state)
}

/// A month of what stands: of what it costs to the last decimal, not of an hour that was rounded.
fn monthly(known: &stacks::Known) -> Option<f64> {
    let hourly = outcome::rate(known.state.plan()?, &known.state)?;
    Some(hundredths(hourly * HOURS_PER_MONTH))
}

fn hours_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_second() - from.as_second()).max(0) as f64 / 3_600.0
}

fn component(key: &PriceKey) -> String {
    match key {
        PriceKey::Instance { instance_type, spot: true, .. } => format!("{instance_type} spot"),
        PriceKey::Instance { instance_type, .. } => instance_type.clone(),
        PriceKey::Component { name, .. } => name.clone(),
    }
}

fn stack_of(known: &stacks::Known) -> Stack {
    let plan = known.state.plan();
    Stack {
        name: known.stack.name.to_string(),
        id: Some(known.stack.id.to_string()),
        provider: plan.map_or_else(String::new, |plan| plan.provider.to_string()),
        account: plan.map(|plan| plan.account.clone()),
        region: plan.map_or_else(String::new, |plan| plan.region.to_string()),
    }
}
