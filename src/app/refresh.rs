//! `cost refresh`: today's prices from the vendors' own APIs. Each vendor is taken whole or not at all; what one of them
//! fails to say stays as it was, and what the others say is kept.

use super::{command::program, cost::known_regions, prices, stacks};
use crate::cost::{self, Vendor, catalogue, reference_region, refresh::merge};
use crate::engine::{ErrorClass, StepError};
use crate::env::{Env, ProviderChoice};
use crate::error::{CliError, Exit};
use crate::model::doc::{CostRefresh, DoubtfulPrice, VendorRefresh};
use crate::model::{Cloud, Region};
use crate::providers::prices::{self as apis, Asked, UNUSABLE};
use std::path::Path;

/// Runs `cost refresh`. No vendor named: all that may be asked; no region: where clusters are, and the region in use.
pub async fn refresh(env: &Env, vendors: &[Vendor], patterns: &[String]) -> Result<Exit, CliError> {
    let named = !vendors.is_empty();
    let vendors = if named { vendors.to_vec() } else { Vendor::ALL.to_vec() };
    known_regions(patterns, &vendors)?;
    let path = prices::file(env).ok_or_else(|| {
        CliError::new("KW-STATE", "there is no home directory to keep prices in").hint("set XDG_CACHE_HOME")
    })?;
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
        match env.reading(one(env, vendor, &regions, &path)).await {
            Ok(it) => done.push(it),
            Err(error) if error.class == crate::error::Class::Interrupted => return Err(error),
            Err(error) => {
                done.push(VendorRefresh { reason: Some(error.message.clone()), ..report(vendor, "failed", &regions) });
                first.get_or_insert(error);
            }
        }
    }
    let kept = prices::kept(&path, &env.ui);
    let date = kept.as_ref().unwrap_or_else(|| catalogue()).date().to_owned();
    let failed: Vec<&str> = done.iter().filter(|it| it.outcome == "failed").map(|it| it.provider.as_str()).collect();
    let error = first.map(|error| {
        let again = format!("{} cost refresh --providers {}", program(env), failed.join(","));
        error.hint(format!("prices of up to {date} are in force, and need no network; try again: {again}"))
    });
    let body = CostRefresh { vendors: done, catalogue_date: date, file: path.display().to_string() };
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

/// Asks one vendor, and keeps what it says; what was kept is untouched where that fails.
async fn one(env: &Env, vendor: Vendor, regions: &[String], path: &Path) -> Result<VendorRefresh, CliError> {
    let cloud = match vendor {
        Vendor::Cloud(cloud) => cloud,
        // Whose variables count besides does not matter: its key is nobody else's.
        Vendor::Lambda => Cloud::Aws,
    };
    let region = regions.first().map(|name| Region(name.clone()));
    let options = env.open_options(&ProviderChoice { cloud, region, account: None });
    let place = if let [region] = regions { region.clone() } else { format!("{} regions", regions.len()) };
    env.ui.say(&format!("asking {} for its prices in {place}", vendor.as_str()));
    let told = |page: usize| {
        if page.is_multiple_of(10) {
            env.ui.say(&format!("{}: {page} pages of prices so far", vendor.as_str()));
        }
    };
    let mut fresh = apis::read(Asked { vendor, regions, table: catalogue() }, &options, &told).await?;
    let date = env.now().strftime("%Y-%m-%d").to_string();
    let merged = prices::change(env, path, |table| {
        merge(table, vendor.as_str(), &fresh, regions, &date).map_err(|why| {
            let message = format!("prices of {}: {why}", vendor.as_str());
            StepError::new(ErrorClass::Permanent, UNUSABLE, message).into()
        })
    })
    .await?;
    if merged.unknown > 0 {
        fresh.dropped.insert("machine types that this build does not know", merged.unknown);
    }
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
