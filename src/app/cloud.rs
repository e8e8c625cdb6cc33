//! Which cloud, which region, and who we are there.

use super::command::program;
use super::places::{BUILT, check_region, region_missing};
use crate::engine::{ErrorClass, StepError};
use crate::env::{Env, ProviderChoice};
use crate::error::CliError;
use crate::model::{Cloud, Region};
use crate::providers::{Identity, Provider, first_region};
use std::sync::Arc;

/// A cloud that has answered.
pub(super) struct Connected {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) who: Identity,
}

/// The cloud that flag, variable or spec names.
pub(super) fn named(env: &Env, in_spec: Option<Cloud>) -> Result<Option<Cloud>, CliError> {
    let cloud = env.settings.provider.or(in_spec);
    match cloud {
        Some(cloud) if !BUILT.contains(&cloud) => {
            Err(CliError::usage(format!("provider {cloud} is not in this build"))
                .hint(format!("there is {}", BUILT.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))))
        }
        other => Ok(other),
    }
}

/// The clouds whose credentials are in sight.
fn in_sight(env: &Env) -> Vec<Cloud> {
    BUILT.iter().copied().filter(|cloud| env.has_credentials(*cloud)).collect()
}

/// For building: flag, variable, file or configuration name the cloud, or there are credentials of one alone.
pub(super) fn chosen(env: &Env, in_spec: Option<Cloud>, name: &str) -> Result<Cloud, CliError> {
    if let Some(cloud) = named(env, in_spec)? {
        return Ok(cloud);
    }
    let found = in_sight(env);
    if let [cloud] = found[..] {
        env.ui.say_at_length(&format!("{cloud}: the only cloud whose credentials are here (--provider says another)"));
        return Ok(cloud);
    }
    let list = BUILT.iter().map(|cloud| {
        let word = if found.contains(cloud) { "credentials found" } else { "no credentials" };
        format!("{cloud}: {word}")
    });
    let mut error = CliError::usage(format!(
        "which cloud? nothing chooses one for `{name}`: no --provider, no cluster.yaml, no default"
    ))
    .detail(list.collect::<Vec<_>>().join(" · "));
    let like = found.first().or(BUILT.first()).copied().unwrap_or(Cloud::Aws);
    let there = format!("provision {name} --provider {like} --region {}", like.terms().example_region);
    if !env.sandbox {
        error = error.hint(format!("rehearse free and offline   kubewright --sandbox {there}"));
    }
    Err(error.hint(format!("price first, build nothing  {} {there} --dry-run", program(env))))
}

/// For looking: where only one cloud can be meant, it need not be said. The stacks of this machine count, too.
pub(super) fn implied(env: &Env) -> Result<Cloud, CliError> {
    match (named(env, None)?, BUILT) {
        (Some(cloud), _) => return Ok(cloud),
        (None, [cloud]) => return Ok(*cloud),
        (None, _) => {}
    }
    let mut journals: Vec<Cloud> = super::stacks::clouds(env);
    journals.retain(|cloud| BUILT.contains(cloud));
    let found = in_sight(env);
    match (&journals[..], &found[..]) {
        ([cloud], _) | ([], [cloud]) => Ok(*cloud),
        ([], []) => Err(which("no stack of this machine and no credentials tell", BUILT)),
        ([], several) => Err(which("there are credentials of several", several)),
        (several, _) => Err(which("this machine has stacks in several", several)),
    }
}

fn which(why: &str, clouds: &[Cloud]) -> CliError {
    let names: Vec<String> = clouds.iter().map(ToString::to_string).collect();
    CliError::usage(format!("which cloud? {why}")).hint(format!("--provider with one of {}", names.join(", ")))
}

/// Opens a cloud and asks who we are there. `region` is what spec or journal say; flag and variable beat it. `pin` is the
/// account that a file insists on.
pub(super) async fn connect(
    env: &Env,
    cloud: Cloud,
    region: Option<Region>,
    pin: Option<&str>,
) -> Result<Connected, CliError> {
    let choice = ProviderChoice { cloud, region: env.settings.region.clone().or(region), account: None };
    open(env, choice, pin).await
}

/// Opens a cloud for a look at all its regions, and asks who we are: where nothing names a region, any one will do.
pub(super) async fn connect_anywhere(env: &Env, cloud: Cloud, account: Option<&str>) -> Result<Connected, CliError> {
    let choice = |region| ProviderChoice { cloud, region, account: account.map(str::to_owned) };
    let region = env.settings.region.clone().filter(|region| check_region(cloud, region).is_ok());
    if region.is_some() || env.open_provider(&choice(None)).await?.is_some() {
        return open(env, choice(region), account).await;
    }
    open(env, choice(first_region(cloud)), account).await
}

/// Opens a cloud exactly there: for stacks whose journal knows where they are, account included.
pub(super) async fn connect_at(
    env: &Env,
    cloud: Cloud,
    region: Option<Region>,
    account: Option<&str>,
) -> Result<Connected, CliError> {
    open(env, ProviderChoice { cloud, region, account: account.map(str::to_owned) }, account).await
}

async fn open(env: &Env, choice: ProviderChoice, pin: Option<&str>) -> Result<Connected, CliError> {
    let cloud = choice.cloud;
    if let Some(region) = &choice.region {
        check_region(cloud, region)?;
    }
    let provider = env.open_provider(&choice).await?.ok_or_else(|| region_missing(cloud))?;
    check_region(cloud, provider.region())?;
    let who = provider.whoami().await.map_err(|error| signed_out(error, env, cloud))?;
    match pin {
        // Ids of subscriptions are the same in any case of letters.
        Some(pin) if !pin.eq_ignore_ascii_case(&who.account) => Err(elsewhere(cloud, &who, pin)),
        _ => Ok(Connected { provider, who }),
    }
}

/// What was opened is not the account that something belongs to.
fn elsewhere(cloud: Cloud, who: &Identity, pin: &str) -> CliError {
    let terms = cloud.terms();
    let (account, other) = (terms.account, &who.account);
    let error = match terms.account_flag {
        None => CliError::new(
            "KW-ACCOUNT",
            format!("these credentials are of {account} {other}, the cluster belongs to {pin}; nothing was done"),
        )
        .hint(format!("{} with credentials of {pin}", terms.other_account)),
        Some(flag) => CliError::new(
            "KW-ACCOUNT",
            format!("the {account} chosen here is {other}, the cluster belongs to {pin}; nothing was done"),
        )
        .hint(format!("{flag} {pin}")),
    };
    error.detail(format!("caller: {} · {}", who.principal, who.source))
}

/// Without credentials the way out is the rehearsal, never a silent one.
fn signed_out(error: StepError, env: &Env, cloud: Cloud) -> CliError {
    let auth = error.class == ErrorClass::Auth;
    let mut error: CliError = error.into();
    if auth && !env.sandbox && !error.hints.iter().any(|hint| hint.contains("--sandbox")) {
        if error.hints.is_empty() {
            error.hints.push(format!("sign in: {}", cloud.terms().sign_in));
        }
        error.hints.push("rehearse free and offline: the same command with --sandbox".to_owned());
    }
    error
}
