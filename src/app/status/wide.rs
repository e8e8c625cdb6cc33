//! `status --all`: every cluster of every region of every account, project and subscription within reach, whoever made
//! it, at once.
//!
//! One cloud, account or region that does not answer hides nothing of the others: it is named, and the answer says that
//! it is not whole.

use super::{blank, caused_by, empty, from_journal, ours, place, unknown_here, unreadable, verify};
use crate::app::cloud::{self, Connected};
use crate::app::command::{Place, program};
use crate::app::{money, places, stacks};
use crate::engine::Plan;
use crate::env::Env;
use crate::error::CliError;
use crate::model::doc::{Phase, Regions, Stack, Status, StatusCluster, StatusFailure};
use crate::model::{self, Cloud, Region};
use crate::providers::{BUILT, Bill, CloudCluster, Provider, StackSeen, Survey};
use futures::stream::{self, StreamExt};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

/// Regions that are asked at once. Each keeps its own limits, so that only this machine's connections are shared.
const REGIONS_AT_ONCE: usize = 8;
/// Projects or subscriptions that are asked at once.
const ACCOUNTS_AT_ONCE: usize = 4;
/// Own stacks that are looked at in depth at once.
const STACKS_AT_ONCE: usize = 4;
/// Stands for the region where a whole account could not be read, or what in it knows no region.
const EVERYWHERE: &str = "global";

/// Looks at everything.
pub(super) async fn look(env: &Env) -> Result<Status, CliError> {
    let began = env.wall.now();
    let mut status = empty();
    let mut regions = Regions { read: 0, refused: 0 };
    let mut own = Vec::new();
    for known in stacks::all_live(env)? {
        match known {
            Ok(known) => own.push(known),
            Err((stack, error)) => status.failures.push(unreadable(env, &stack, &error)),
        }
    }
    let clouds = clouds(env, &own)?;
    let read = clouds.iter().map(|cloud| accounts(env, *cloud, &own));
    for found in futures::future::join_all(read).await.into_iter().flatten() {
        match found {
            Ok(account) => {
                regions.read += account.read();
                regions.refused += account.refused();
                let (here, elsewhere): (Vec<_>, Vec<_>) = own.into_iter().partition(|known| account.has(known));
                own = elsewhere;
                account.into_status(env, here, &mut status).await;
            }
            Err(failed) => status.failures.push(failed),
        }
    }
    for known in own {
        let cluster = from_journal(env, &known);
        if let Some(plan) = known.state.plan().filter(|plan| !failed_at(&status, &plan.provider, EVERYWHERE)) {
            status.failures.push(failure(
                plan.provider,
                Some(&plan.account),
                plan.region.as_str(),
                &not_looked_at(env, plan),
            ));
        }
        status.clusters.push(cluster);
    }
    let order = |it: &StatusCluster| (it.stack.provider.clone(), it.stack.region.clone(), it.stack.name.clone());
    status.clusters.sort_by_key(order);
    status.complete = status.failures.is_empty();
    status.regions = Some(regions);
    say(env, regions, env.wall.now().duration_since(began).try_into().unwrap_or_default());
    Ok(status)
}

fn say(env: &Env, regions: Regions, took: Duration) {
    let Regions { read, refused } = regions;
    let word = if read == 1 { "region" } else { "regions" };
    env.ui.say(&format!("{read} {word} read in {:.1} s; {refused} refused", took.as_secs_f64()));
}

fn failure(cloud: Cloud, account: Option<&str>, region: &str, error: &CliError) -> StatusFailure {
    let account = account.map(str::to_owned);
    StatusFailure { provider: cloud.to_string(), account, region: region.to_owned(), error: error.to_doc() }
}

/// The clouds to look at: the one that is named; else those with credentials or stacks of this machine; where nothing
/// is known at all, every one, so that each says what it lacks. One whose regions do not hold the one that was typed has
/// nothing to say.
pub(in crate::app) fn clouds(env: &Env, own: &[stacks::Known]) -> Result<Vec<Cloud>, CliError> {
    if let Some(cloud) = cloud::named(env, None)? {
        return Ok(vec![cloud]);
    }
    let has_stacks = |cloud: Cloud| own.iter().any(|known| known.state.plan().is_some_and(|it| it.provider == cloud));
    let mut clouds = BUILT.to_vec();
    clouds.retain(|cloud| env.has_credentials(*cloud) || has_stacks(*cloud));
    if clouds.is_empty() {
        clouds = BUILT.to_vec();
    }
    if let Some(region) = env.settings.typed_region() {
        let has_it = |cloud: &Cloud| places::check_region(*cloud, region).is_ok();
        match BUILT.iter().any(has_it) {
            true => clouds.retain(has_it),
            // Nobody's region: the first one says so.
            false => clouds.truncate(1),
        }
    }
    Ok(clouds)
}

/// Everything of one cloud within reach: the account that is configured, those that its credentials reach besides, and
/// those that journals of this machine know.
pub(in crate::app) async fn accounts(
    env: &Env,
    cloud: Cloud,
    own: &[stacks::Known],
) -> Vec<Result<Account, StatusFailure>> {
    let unread = |account: Option<&str>, error: &CliError| failure(cloud, account, EVERYWHERE, error);
    let first = cloud::connect_anywhere(env, cloud, None).await;
    let mut further: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    // Where credentials decide, there is one account, whatever journals know.
    let several = cloud.terms().account_flag.is_some() && !env.settings.typed.account();
    if several {
        let of = |known: &stacks::Known| {
            known.state.plan().filter(|plan| plan.provider == cloud).map(|plan| plan.account.clone())
        };
        further.extend(own.iter().filter_map(of));
    }
    match &first {
        Ok(connected) if several => match connected.provider.accounts().await {
            Ok(accounts) => further.extend(accounts),
            Err(error) => found.push(Err(unread(Some(&connected.who.account), &error.into()))),
        },
        Ok(_) => {}
        // With others to look at, the lack of a usual one is no fault.
        Err(error) if further.is_empty() || error.class != crate::error::Class::Usage => {
            found.push(Err(unread(None, error)));
        }
        Err(_) => {}
    }
    if let Ok(connected) = first {
        further.retain(|account| !account.eq_ignore_ascii_case(&connected.who.account));
        found.push(Ok(account(env, connected).await));
    }
    let rest = further.iter().map(|id| async move {
        match cloud::connect_anywhere(env, cloud, Some(id)).await {
            Ok(connected) => Ok(account(env, connected).await),
            Err(error) => Err(unread(Some(id), &error)),
        }
    });
    found.extend(stream::iter(rest).buffered(ACCOUNTS_AT_ONCE).collect::<Vec<_>>().await);
    found
}

/// Whether this place was not read already.
fn failed_at(status: &Status, cloud: &Cloud, region: &str) -> bool {
    let cloud = cloud.to_string();
    status.failures.iter().any(|failure| failure.provider == cloud && failure.region == region)
}

/// Why a stack of ours was not looked at, although its account's cloud was.
fn not_looked_at(env: &Env, plan: &Plan) -> CliError {
    let kind = plan.provider.terms().account;
    CliError::new("KW-ACCOUNT", format!("`{}` is in {kind} {}, which was not looked at", plan.stack.name, plan.account))
        .hint(format!("{} status {} with credentials of {}", program(env), plan.stack.name, plan.account))
}

/// One account with what was found in its regions.
pub(in crate::app) struct Account {
    connected: Connected,
    found: Vec<(Arc<dyn Provider>, Result<Survey, CliError>)>,
    /// What belongs to no region.
    traces: Vec<(Region, StackSeen)>,
    failures: Vec<StatusFailure>,
}

/// Reads one account.
async fn account(env: &Env, connected: Connected) -> Account {
    let home = &connected.provider;
    let cloud = home.cloud();
    let mut failures = Vec::new();
    let failure = |region: &str, error: &CliError| failure(cloud, Some(&connected.who.account), region, error);
    let regions: Vec<Region> = match env.settings.typed_region() {
        Some(region) => vec![region.clone()],
        None => match home.regions().await {
            Ok(regions) => regions,
            Err(error) => {
                // Who may not ask which regions are on may still look into each.
                failures.push(failure(home.region().as_str(), &error.into()));
                places::regions(cloud).iter().cloned().map(Region).collect()
            }
        },
    };
    let read = |region: Region| async move {
        let there = home.elsewhere(&region);
        let found = there.survey().await.map_err(CliError::from);
        (there, found)
    };
    let surveys = stream::iter(regions).map(read).buffered(REGIONS_AT_ONCE).collect::<Vec<_>>();
    let (found, traces) = futures::join!(surveys, home.traces());
    let traces = traces.unwrap_or_else(|error| {
        failures.push(failure(EVERYWHERE, &error.into()));
        Vec::new()
    });
    for (there, survey) in &found {
        let region = there.region().as_str();
        match survey {
            Ok(survey) => {
                failures.extend(survey.refused.iter().map(|error| failure(region, &error.clone().into())));
            }
            Err(error) => failures.push(failure(region, error)),
        }
    }
    Account { connected, found, traces, failures }
}

/// Whether this is the stack's cluster, and it is not being deleted.
pub(in crate::app) fn stands(cluster: &CloudCluster, stack: &model::Stack) -> bool {
    cluster.stack.as_ref() == Some(stack) && super::phase_of(cluster) != Phase::Deleting
}

/// A stack that objects tell of, and who reads its region.
struct Seen<'a> {
    there: &'a Arc<dyn Provider>,
    stack: StackSeen,
}

impl Account {
    /// How many regions were read whole.
    pub(in crate::app) fn read(&self) -> usize {
        self.found.len() - self.refused()
    }

    fn refused(&self) -> usize {
        self.found.iter().filter(|(_, found)| !found.as_ref().is_ok_and(|found| found.refused.is_empty())).count()
    }

    /// Its id.
    pub(in crate::app) fn id(&self) -> &str {
        &self.connected.who.account
    }

    /// The places that were not read.
    pub(in crate::app) fn failures(&self) -> &[StatusFailure] {
        &self.failures
    }

    /// The stacks of ours that objects tell of, each once, with a provider for its region.
    pub(in crate::app) fn stacks(&self) -> impl Iterator<Item = (Arc<dyn Provider>, StackSeen)> {
        let mut all = BTreeMap::<(&Region, &model::Stack), Seen<'_>>::new();
        let read = || self.found.iter().filter_map(|(there, found)| Some((there, found.as_ref().ok()?)));
        let by_region = read().flat_map(|(there, found)| found.stacks.iter().map(move |seen| (there, seen)));
        let by_traces = self.traces.iter().filter_map(|(region, seen)| {
            let (there, _) = read().find(|(there, _)| there.region() == region)?;
            Some((there, seen))
        });
        for (there, seen) in by_region.chain(by_traces) {
            match all.entry((there.region(), &seen.stack)) {
                Entry::Vacant(free) => drop(free.insert(Seen { there, stack: seen.clone() })),
                Entry::Occupied(mut known) => known.get_mut().stack.absorb(seen.clone()),
            }
        }
        let all: Vec<_> = all.into_values().map(|seen| (Arc::clone(seen.there), seen.stack)).collect();
        all.into_iter()
    }

    fn clusters_of<'a>(&'a self, stack: &'a model::Stack) -> impl Iterator<Item = &'a CloudCluster> {
        let all = self.found.iter().flat_map(|(_, found)| found.iter().flat_map(|found| &found.clusters));
        all.filter(move |it| it.stack.as_ref() == Some(stack))
    }

    /// Whether a cluster of this stack of this region stands and is not being deleted; none where something of the
    /// region could not be read, for that may have been it.
    pub(in crate::app) fn has_cluster(&self, region: &Region, stack: &model::Stack) -> Option<bool> {
        if self.clusters_of(stack).any(|it| stands(it, stack)) {
            return Some(true);
        }
        let mut there = self.found.iter().filter(|(there, _)| there.region() == region);
        let whole = there.next().is_some_and(|(_, found)| found.as_ref().is_ok_and(|found| found.refused.is_empty()));
        whole.then_some(false)
    }

    /// Whether this stack is in this account.
    fn has(&self, known: &stacks::Known) -> bool {
        known.state.plan().is_some_and(|plan| {
            plan.provider == self.connected.provider.cloud()
                && plan.account.eq_ignore_ascii_case(&self.connected.who.account)
        })
    }

    /// Joins what was found with the journals of this account.
    async fn into_status(self, env: &Env, own: Vec<stacks::Known>, status: &mut Status) {
        let cloud = self.connected.provider.cloud();
        let in_account = self.connected.who.account.clone();
        let failure = |region: &str, error: &CliError| failure(cloud, Some(&in_account), region, error);
        let told: BTreeMap<(Region, model::Stack), StackSeen> =
            self.stacks().map(|(there, seen)| ((there.region().clone(), seen.stack.clone()), seen)).collect();
        status.failures.extend(self.failures.iter().cloned());
        let answered: BTreeMap<&Region, &Arc<dyn Provider>> =
            self.found.iter().filter(|(_, found)| found.is_ok()).map(|(there, _)| (there.region(), there)).collect();
        let known: BTreeSet<model::Stack> = own.iter().map(|known| known.stack.clone()).collect();
        let look = |known: stacks::Known| {
            let there = known.state.plan().and_then(|plan| answered.get(&plan.region).copied());
            async move {
                let mut cluster = from_journal(env, &known);
                let verified = match there {
                    Some(there) => Some(verify(env, there, &known, &mut cluster).await),
                    None => None,
                };
                (cluster, verified)
            }
        };
        let looked: Vec<_> = stream::iter(own).map(look).buffered(STACKS_AT_ONCE).collect().await;
        for (cluster, verified) in looked {
            let region = cluster.stack.region.clone();
            match verified {
                Some(Ok(())) => {}
                Some(Err(error)) => status.failures.push(failure(&region, &error)),
                // The region has said why not, unless nobody asked it: it is off, or not the one that was typed.
                None if failed_at(status, &cloud, &region) => {}
                None if env.settings.typed_region().is_some() => continue,
                None => {
                    let error = CliError::new("KW-UNREACHABLE", format!("{region} is not among the account's regions"));
                    status.failures.push(failure(&region, &error));
                }
            }
            status.clusters.push(cluster);
        }
        let account = &self.connected.who.account;
        for (there, found) in &self.found {
            let Ok(found) = found else { continue };
            for seen in found.clusters.iter().filter(|seen| seen.stack.as_ref().is_none_or(|it| !known.contains(it))) {
                let mut cluster = unknown_here(account, there.as_ref(), seen);
                (cluster.usd_per_hour, cluster.usd_per_hour_at_least) = priced(&seen.bill);
                if let Some(told) = seen.stack.as_ref().and_then(|it| told.get(&(there.region().clone(), it.clone()))) {
                    cluster.expires_at = cluster.expires_at.max(told.expires_at);
                    cluster.protect |= told.protect;
                    cluster.created_at = [cluster.created_at, told.created_at].into_iter().flatten().min();
                }
                status.clusters.push(cluster);
            }
        }
        for ((region, stack), seen) in told {
            if !known.contains(&stack) && self.clusters_of(&stack).next().is_none() {
                let lacks_it = self.has_cluster(&region, &stack) == Some(false);
                status.clusters.push(leftover(env, cloud, account, region, &seen, lacks_it));
            }
        }
    }
}

/// What it costs, and how much of that is known.
fn priced(bill: &Bill) -> (Option<f64>, Option<f64>) {
    let prices: Vec<Option<f64>> =
        bill.usage.iter().map(|usage| money::of_usage(std::slice::from_ref(usage))).collect();
    let known = prices.iter().any(Option::is_some);
    let least = money::sum(prices.iter().copied().filter(Option::is_some)).filter(|_| known);
    let whole = money::sum(prices).filter(|_| known && bill.complete);
    (whole, if whole.is_some() { None } else { least })
}

/// Objects of a stack of ours whose cluster was not seen: half built, or half removed, by another machine or by one that
/// forgot. `lacks_it` is whether it is known that there is none.
fn leftover(env: &Env, cloud: Cloud, account: &str, region: Region, seen: &StackSeen, lacks_it: bool) -> StatusCluster {
    let stack = Stack {
        name: seen.stack.name.to_string(),
        id: Some(seen.stack.id.to_string()),
        provider: cloud.to_string(),
        account: Some(account.to_owned()),
        region: region.to_string(),
    };
    let mut row = blank(stack, Phase::Incomplete);
    row.cloud_status = Some(if lacks_it { "ABSENT" } else { "UNKNOWN" }.to_owned());
    row.owner = Some(ours(seen.builder.clone(), Some(crate::engine::proof::TAG_STACK)));
    row.created_at = seen.created_at;
    row.expires_at = seen.expires_at;
    row.protect = seen.protect;
    let objects = crate::ui::style::count(seen.objects, "object");
    row.issues.push(if lacks_it {
        let place = Place::at(env, seen.stack.name.clone(), cloud, region).in_account(account);
        format!("{objects} with its tag and no cluster; to remove: {} --stack {}", place.by_tags(), seen.stack.id)
    } else {
        format!("{objects} with its tag; whether its cluster stands could not be read")
    });
    row
}

/// The error of an answer that is not whole: that is exit 11. 3 only where credentials are all there is to it: a policy
/// that keeps some regions out is not, as long as others answered.
pub(in crate::app) fn incomplete(failures: &[StatusFailure], regions_read: usize) -> Option<CliError> {
    let first = failures.first()?;
    let count = failures.len();
    let what = if count == 1 { "one place was".to_owned() } else { format!("{count} places were") };
    let mut error = CliError::new("KW-UNREACHABLE", format!("the answer is not whole: {what} not read"));
    let signed_out = |failure: &StatusFailure| {
        failure.error.class == "auth" && (regions_read == 0 || !failure.error.id.ends_with("-DENIED"))
    };
    if failures.iter().all(signed_out) {
        caused_by(&mut error, first);
    }
    for failure in failures {
        error.details.push(format!("{}: {}", place(failure), failure.error.message));
        for hint in &failure.error.hints {
            if !error.hints.contains(hint) {
                error.hints.push(hint.clone());
            }
        }
    }
    Some(error)
}
