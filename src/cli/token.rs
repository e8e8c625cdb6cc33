//! `kubewright token`: the credential plugin of clusters on every cloud, called by kubectl.

use crate::app::token::{self, TokenRequest};
use crate::env::{self, Env};
use crate::error::{CliError, Exit};
use std::ffi::OsString;

/// Print a token for a cluster, as kubectl's credential plugin
#[derive(clap::Args, Debug)]
pub struct TokenArgs {
    /// The cluster's name in its cloud
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// Refuse credentials of any other account; for GKE and AKS also --project and --subscription
    #[arg(long, value_name = "ID")]
    account: Option<String>,
}

/// Answers kubectl before the full parser where nothing has to be asked; `None` where it has to.
pub fn answer(words: &[OsString]) -> Option<u8> {
    if words.get(1)? != "token" {
        return None;
    }
    let vars = env::variables();
    let request = asked(&words[2..], &vars)?;
    let text = token::quick(&vars, &request, env::wall_now())?;
    env::plain_ui(crate::ui::Format::Table).raw(&text);
    Some(0)
}

/// Exactly the words that `kubeconfig` writes; anything else is the full parser's.
fn asked(words: &[OsString], vars: &env::Variables) -> Option<TokenRequest> {
    let set = |name: &str| vars.get(name).filter(|value| !value.is_empty()).cloned();
    // What these change is for the full parser to judge.
    for name in ["KUBEWRIGHT_SANDBOX", "KUBEWRIGHT_DOTENV", "KUBEWRIGHT_PROVIDER"] {
        if set(name).is_some() {
            return None;
        }
    }
    let mut request = TokenRequest::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next()?.to_str()?.to_owned();
        match word.to_str()? {
            "--cluster" => request.cluster = value,
            "--region" => request.region = Some(value),
            "--account" | "--project" | "--subscription" => request.account = Some(value),
            "--profile" => request.profile = Some(value),
            "--role-arn" => request.role_arn = Some(value),
            "--provider" => request.cloud = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    request.region = Some(request.region.or_else(|| set("KUBEWRIGHT_REGION"))?);
    request.profile = request.profile.or_else(|| set("KUBEWRIGHT_PROFILE"));
    request.role_arn = request.role_arn.or_else(|| set("KUBEWRIGHT_ROLE_ARN"));
    (!request.cluster.is_empty()).then_some(request)
}

/// Runs the verb.
pub(super) async fn run(env: &mut Env, args: TokenArgs) -> Result<Exit, CliError> {
    let settings = &env.settings;
    // What a variable says of other commands is no pin.
    let project = settings.project.clone().filter(|_| settings.typed.project);
    let subscription = settings.subscription.clone().filter(|_| settings.typed.subscription);
    let request = TokenRequest {
        cloud: settings.provider,
        cluster: args.cluster,
        region: settings.region.as_ref().map(ToString::to_string),
        account: args.account.or(project).or(subscription),
        profile: env.settings.profile.clone(),
        role_arn: env.settings.role_arn.clone(),
    };
    token::run(env, &request).await
}
