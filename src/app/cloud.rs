//! Which cloud, which region, and who we are there.

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

/// For building: somebody must have said which cloud.
pub(super) fn chosen(env: &Env, in_spec: Option<Cloud>, name: &str) -> Result<Cloud, CliError> {
    if let Some(cloud) = named(env, in_spec)? {
        return Ok(cloud);
    }
    let found = |cloud: &Cloud| if env.has_credentials(*cloud) { "credentials found" } else { "no credentials" };
    Err(CliError::usage(format!(
        "which cloud? nothing chooses one for `{name}`: no --provider, no cluster.yaml, no default"
    ))
    .detail(BUILT.iter().map(|cloud| format!("{cloud}: {}", found(cloud))).collect::<Vec<_>>().join(" · "))
    .hint(format!(
        "rehearse free and offline   kubewright --sandbox provision {name} --provider aws --region us-east-1"
    ))
    .hint(format!(
        "price first, build nothing  kubewright provision {name} --provider aws --region us-east-1 --dry-run"
    )))
}

/// For looking: where only one cloud can be meant, it need not be said.
pub(super) fn implied(env: &Env) -> Result<Cloud, CliError> {
    match (named(env, None)?, BUILT) {
        (Some(cloud), _) => Ok(cloud),
        (None, [cloud]) => Ok(*cloud),
        (None, _) => Err(CliError::usage("which cloud? --provider says it")),
    }
}

/// Opens a cloud and asks who we are there. `region` is what spec or journal say; flag and variable beat it.
pub(super) async fn connect(
    env: &Env,
    cloud: Cloud,
    region: Option<Region>,
    pin: Option<&str>,
) -> Result<Connected, CliError> {
    connect_at(env, cloud, env.settings.region.clone().or(region), pin).await
}

/// Opens a cloud for a look at all its regions, and asks who we are: where nothing names a region, any one will do.
pub(super) async fn connect_anywhere(env: &Env, cloud: Cloud) -> Result<Connected, CliError> {
    let region = env.settings.region.clone();
    if region.is_some() || env.open_provider(&ProviderChoice { cloud, region: None }).await?.is_some() {
        return connect_at(env, cloud, region, None).await;
    }
    connect_at(env, cloud, first_region(cloud), None).await
}

/// Opens a cloud exactly there: for stacks whose journal knows where they are.
pub(super) async fn connect_at(
    env: &Env,
    cloud: Cloud,
    region: Option<Region>,
    pin: Option<&str>,
) -> Result<Connected, CliError> {
    if let Some(region) = &region {
        check_region(cloud, region)?;
    }
    let choice = ProviderChoice { cloud, region };
    let provider = env.open_provider(&choice).await?.ok_or_else(|| region_missing(cloud))?;
    check_region(cloud, provider.region())?;
    let who = provider.whoami().await.map_err(|error| signed_out(error, env))?;
    if let Some(pin) = pin
        && pin != who.account
    {
        return Err(CliError::new(
            "KW-ACCOUNT",
            format!("these credentials are of account {}, the cluster belongs to {pin}; nothing was done", who.account),
        )
        .detail(format!("caller: {} · {}", who.principal, who.source))
        .hint(format!("AWS_PROFILE or --profile with credentials of {pin}")));
    }
    Ok(Connected { provider, who })
}

/// Without credentials the way out is the rehearsal, never a silent one.
fn signed_out(error: StepError, env: &Env) -> CliError {
    let auth = error.class == ErrorClass::Auth;
    let mut error: CliError = error.into();
    if auth && !env.sandbox && !error.hints.iter().any(|hint| hint.contains("--sandbox")) {
        error.hints.push("rehearse free and offline: the same command with --sandbox".to_owned());
    }
    error
}
