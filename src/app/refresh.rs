//! `cost refresh`: today's prices from the vendors' own APIs. Each vendor is taken whole or not at all; what one of them
//! fails to say stays as it was, and what the others say is kept.

use super::{cost::known_regions, prices, stacks};
use crate::cost::{self, Vendor, catalogue, reference_region, refresh::merge, table::PriceTable};
use crate::engine::{ErrorClass, StepError};
use crate::env::{Env, ProviderChoice};
use crate::error::{CliError, Exit};
use crate::model::doc::{CostRefresh, DoubtfulPrice, VendorRefresh};
use crate::model::{Cloud, Region};
use crate::providers::prices::{self as apis, Asked, UNUSABLE};

/// Runs `cost refresh`. No vendor named: all that may be asked; no region: where clusters are, and the region in use.
pub async fn refresh(env: &Env, vendors: &[Vendor], patterns: &[String]) -> Result<Exit, CliError> {
    let named = !vendors.is_empty();
    let vendors = if named { vendors.to_vec() } else { Vendor::ALL.to_vec() };
    known_regions(patterns, &vendors)?;
    let path = prices::file(env).ok_or_else(|| {
        CliError::new("KW-STATE", "there is no home directory to keep prices in").hint("set XDG_CACHE_HOME")
    })?;
    let kept = prices::kept(&path, &env.ui);
    let mut table = kept.as_ref().unwrap_or_else(|| catalogue()).unpack();
    catalogue().date().clone_into(&mut table.base);
    let mut done = Vec::new();
    let mut first: Option<CliError> = None;
    for vendor in vendors {
        let regions = regions(env, vendor, patterns);
        if regions.is_empty() {
            continue;
        }
        let is_there = |file: &std::path::Path| file.exists();
        if !named && !apis::may_ask(vendor, &env.vars.all, &is_there) {
            done.push(VendorRefresh {
                reason: Some("nobody is signed in".to_owned()),
                ..report(vendor, "skipped", &[])
            });
            continue;
        }
        match env.reading(one(env, vendor, &regions, &mut table)).await {
            Ok(it) => done.push(it),
            Err(error) if error.class == crate::error::Class::Interrupted => return Err(error),
            Err(error) => {
                done.push(VendorRefresh { reason: Some(error.message.clone()), ..report(vendor, "failed", &regions) });
                first.get_or_insert(error);
            }
        }
    }
    if done.iter().any(|it| it.outcome == "read") {
        let bytes = table.pack().map_err(|why| CliError::new("KW-BUG", why.to_string()))?;
        prices::keep(&path, &bytes)?;
    }
    let body = CostRefresh { vendors: done, catalogue_date: table.date.clone(), file: path.display().to_string() };
    let error = first.map(|error| {
        let date = kept.as_ref().unwrap_or_else(|| catalogue()).date();
        error.hint(format!(
            "what it did not say stays as it was: prices of up to {date} are in force, and need no network"
        ))
    });
    env.ui.show(env.now(), &body, error.as_ref());
    error.map_or(Ok(Exit::DONE), Err)
}

/// Where a vendor is asked.
fn regions(env: &Env, vendor: Vendor, patterns: &[String]) -> Vec<String> {
    let known = catalogue().regions(vendor);
    let meant = |name: &String| patterns.iter().any(|pattern| pattern == "all" || cost::is_region(pattern, name));
    if !patterns.is_empty() {
        return known.iter().filter(|name| meant(name)).cloned().collect();
    }
    // One answer holds them all.
    let Vendor::Cloud(cloud) = vendor else { return known.to_vec() };
    let mut found: Vec<Region> = env.settings.region.iter().cloned().chain(cloud.region_in(&env.vars.all)).collect();
    let stacks = stacks::all_live(env).unwrap_or_default();
    let plans = stacks.iter().filter_map(|known| known.as_ref().ok()?.state.plan());
    found.extend(plans.filter(|plan| plan.provider == cloud).map(|plan| plan.region.clone()));
    let mut names: Vec<String> = found.into_iter().map(|region| region.0).filter(|name| known.contains(name)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { vec![reference_region(cloud).to_owned()] } else { names }
}

/// Asks one vendor and lays what it says over the table, which is untouched where that fails.
async fn one(env: &Env, vendor: Vendor, regions: &[String], table: &mut PriceTable) -> Result<VendorRefresh, CliError> {
    let cloud = match vendor {
        Vendor::Cloud(cloud) => cloud,
        // Whose variables count besides does not matter: its key is nobody else's.
        Vendor::Lambda => Cloud::Aws,
    };
    let region = regions.first().map(|name| Region(name.clone()));
    let options = env.open_options(&ProviderChoice { cloud, region, account: None });
    let told = |page: usize| {
        if page.is_multiple_of(10) {
            env.ui.say(&format!("{}: {page} pages of prices so far", vendor.as_str()));
        }
    };
    let fresh = apis::read(Asked { vendor, regions, table: catalogue() }, &options, &told).await?;
    let mut changed = table.clone();
    let date = env.now().strftime("%Y-%m-%d").to_string();
    let merged = merge(&mut changed, vendor.as_str(), &fresh, regions, &date).map_err(|why| {
        StepError::new(ErrorClass::Permanent, UNUSABLE, format!("prices of {}: {why}", vendor.as_str()))
    })?;
    *table = changed;
    Ok(VendorRefresh {
        prices: merged.taken.values().sum(),
        changed: merged.changed,
        spot: merged.spot,
        components: merged.components,
        dropped: fresh.dropped.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect(),
        doubtful: merged
            .doubtful
            .into_iter()
            .map(|it| DoubtfulPrice { region: it.region, name: it.name, known: it.known, said: it.said })
            .collect(),
        ..report(vendor, "read", regions)
    })
}

fn report(vendor: Vendor, outcome: &str, regions: &[String]) -> VendorRefresh {
    VendorRefresh {
        provider: vendor.as_str().to_owned(),
        outcome: outcome.to_owned(),
        regions: regions.to_vec(),
        prices: 0,
        changed: 0,
        spot: 0,
        components: 0,
        dropped: Default::default(),
        doubtful: Vec::new(),
        reason: None,
    }
}
