//! `policy`: the least that a cluster's life needs to be allowed, before anybody is allowed anything. No network, no
//! credentials.

use super::provision::{self, Limits, OnFailure, Overrides, ProvisionRequest, WaitFor};
use super::{cloud, places};
use crate::config::spec::validate_for_provider;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{self, Stack};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region};
use crate::providers::{self, Purpose};
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct PolicyRequest {
    /// NAME.
    pub name: Option<ClusterName>,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// `--for`.
    pub purpose: Purpose,
    /// `--account`.
    pub account: Option<String>,
    /// Flags that overlay the file.
    pub overrides: Overrides,
}

/// Runs the verb.
pub fn run(env: &Env, request: PolicyRequest) -> Result<Exit, CliError> {
    let PolicyRequest { name, file, purpose, account, overrides } = request;
    let wish = ProvisionRequest {
        name,
        file,
        dry_run: true,
        expect_plan: None,
        beside: Vec::new(),
        limits: Limits::default(),
        wait: WaitFor::Cloud,
        on_failure: OnFailure::Keep,
        overrides,
    };
    let mut spec = provision::wished(env, &wish)?;
    let cloud = match cloud::named(env, spec.provider)? {
        Some(cloud) => cloud,
        None => cloud::implied(env)?,
    };
    let region = region(env, cloud, spec.region.take()).ok_or_else(|| places::region_missing(cloud))?;
    places::check_region(cloud, &region)?;
    let chosen = || env.settings.account_at(cloud, None).map(str::to_owned);
    let account = account.or_else(chosen).or_else(|| spec.account.clone());
    spec.account.clone_from(&account);
    let asked = ClusterSpec { account: account.clone(), ..ClusterSpec::default() };
    if let Some(problem) = validate_for_provider(&asked, cloud).into_iter().find(|problem| problem.key == "account") {
        return Err(CliError::usage(problem.to_string()));
    }
    let made = providers::policies(cloud, &spec, &region, account.as_deref(), purpose).map_err(CliError::of_many)?;
    let name = spec.name.as_ref().map(ToString::to_string).unwrap_or_default();
    for note in &made.wide {
        env.ui.say(&format!("wide: {note}"));
    }
    if !made.optional.is_empty() {
        env.ui.say(&format!("can be left out, then less is known beforehand: {}", made.optional.join(", ")));
    }
    if made.documents.len() > 1 {
        let count = made.documents.len();
        env.ui.say(&format!("{count} documents; all of them are needed"));
    }
    let document = |it: providers::PolicyDocument| doc::PolicyDocument {
        name: it.name,
        characters: it.characters,
        document: it.document,
    };
    let body = doc::Policy {
        stack: Stack { name, id: None, provider: cloud.to_string(), account, region: region.to_string() },
        purpose: word(purpose).to_owned(),
        policies: made.documents.into_iter().map(document).collect(),
        actions: made.actions,
        optional: made.optional,
        wide: made.wide,
    };
    env.ui.show(env.now(), &body, None);
    Ok(Exit::DONE)
}

/// Flag and variable before the file, then what the cloud's own tools would take from the environment.
fn region(env: &Env, cloud: Cloud, in_spec: Option<Region>) -> Option<Region> {
    env.settings.region.clone().or(in_spec).or_else(|| cloud.region_in(&env.vars.all))
}

const fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::All => "all",
        Purpose::Build => "build",
        Purpose::Operate => "operate",
        Purpose::Destroy => "destroy",
    }
}
