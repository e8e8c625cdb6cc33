//! `token`: the credential plugin that kubeconfigs call.
//!
//! kubectl calls it for every command, so two ways are short, without runtime, TLS or network: keys in the environment
//! whose account is known, and a token that is still good. Everything else opens the cloud as other verbs do, and
//! leaves both behind for the next call. Never prompts, prints exactly one JSON object.

use super::cloud;
use crate::env::{Env, Variables, Vars};
use crate::error::{CliError, Exit};
use crate::model::{Cloud, Region, Secret};
use crate::providers::{self, BUILT, ClusterToken, Plugin};
use crate::store;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a kubeconfig asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenRequest {
    /// Its cloud; none where only one can be meant.
    pub cloud: Option<Cloud>,
    /// The cluster's name in its cloud.
    pub cluster: String,
    /// Its region.
    pub region: Option<String>,
    /// Its account: credentials of another are refused.
    pub account: Option<String>,
    /// A profile by flag or our own variable.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
}

impl TokenRequest {
    /// What may be known of the cloud without opening it.
    fn plugin(&self) -> Option<&'static dyn Plugin> {
        let only = || <[Cloud; 1]>::try_from(BUILT).ok().map(|[cloud]| cloud);
        providers::plugin(self.cloud.or_else(only)?)
    }
}

/// A token that ends sooner is not handed out: kubectl may still be starting.
const MARGIN: Duration = Duration::from_secs(60);
/// Longest cached file that is read.
const CACHE_LIMIT: u64 = 64 * 1024;
/// The directory of what may be handed out again, in the state directory.
const CACHE: &str = "tokens";

/// A token as it is kept, 0600.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    expires_at: Timestamp,
}

/// Answers at once where nothing must be asked; `None` where the long way must be taken.
pub fn quick(vars: &Variables, request: &TokenRequest, now: Timestamp) -> Option<String> {
    let set = |name: &str| vars.get(name).filter(|value| !value.is_empty());
    let home = crate::env::home(vars).ok()?;
    // Of which cloud a token is decides which variables and files make it another's.
    request.plugin()?;
    let token = quick_static(vars, request, &home, now).or_else(|| {
        let kept: Kept = serde_json::from_str(&kept_text(&home, &token_file(vars, request))?).ok()?;
        let token = ClusterToken { token: Secret::new(kept.token), expires_at: kept.expires_at };
        (token.expires_at > now + MARGIN).then_some(token)
    })?;
    Some(exec_credential(&token, set("KUBERNETES_EXEC_INFO").map(String::as_str)))
}

/// Keys of the environment sign by themselves. The account they are of must be known from an earlier call where the
/// kubeconfig pins one.
fn quick_static(vars: &Variables, request: &TokenRequest, home: &Path, now: Timestamp) -> Option<ClusterToken> {
    let plugin = request.plugin()?;
    let id = plugin.key_id(vars)?;
    if request.profile.is_some() || request.role_arn.is_some() {
        return None;
    }
    // Our own files may name a profile or a role: weighing them is for the long way.
    if own_files(vars).iter().any(|path| store::stamp(path).is_some()) {
        return None;
    }
    if let Some(account) = &request.account {
        let known = kept_text(home, &account_file(id))?;
        if known.trim() != account {
            return None;
        }
    }
    plugin.sign(vars, request.region.as_deref()?, &request.cluster, now)
}

/// Runs the verb the long way.
pub async fn run(env: &Env, request: &TokenRequest) -> Result<Exit, CliError> {
    let region = request.region.clone().map(Region);
    let work = async {
        let cloud = cloud::implied(env)?;
        let connected = cloud::connect_at(env, cloud, region, request.account.as_deref()).await?;
        let token = connected.provider.token(&request.cluster).await?;
        Ok((token, cloud, connected.who.account))
    };
    let (token, cloud, account) = env.reading(work).await.map_err(|error| plugin_error(error, request))?;
    remember(env, request, &token, cloud, &account);
    let info = env.vars.all.get("KUBERNETES_EXEC_INFO").map(String::as_str);
    env.ui.raw(&exec_credential(&token, info));
    Ok(Exit::DONE)
}

/// kubectl shows what we say on stderr and nothing else of us.
fn plugin_error(error: CliError, request: &TokenRequest) -> CliError {
    CliError { message: format!("no token for cluster `{}`: {}", request.cluster, error.message), ..error }
}

/// Keeps the token and whose the keys are. A cache that cannot be written costs time, nothing else.
fn remember(env: &Env, request: &TokenRequest, token: &ClusterToken, cloud: Cloud, account: &str) {
    remember_account(env, cloud, account);
    let kept = Kept { token: token.token.reveal().clone(), expires_at: token.expires_at };
    if let Some(file) = kept_as(&env.vars, request)
        && let Ok(text) = serde_json::to_vec(&kept)
    {
        keep(env, &file, &text);
    }
    sweep_old(env);
}

/// Keys of the environment belong to one account for ever: the next token needs no call.
pub(super) fn remember_account(env: &Env, cloud: Cloud, account: &str) {
    if let Some(id) = providers::plugin(cloud).and_then(|plugin| plugin.key_id(env.vars.layers.environment()))
        && env.settings.profile.is_none()
        && env.settings.role_arn.is_none()
    {
        keep(env, &account_file(id), account.as_bytes());
    }
}

fn keep(env: &Env, file: &str, bytes: &[u8]) {
    let dir = env.home.join(CACHE);
    let kept = store::make_private_dir(&dir).and_then(|()| store::write_private(&dir.join(file), bytes));
    if let Err(error) = kept {
        env.ui.detail(&format!("not kept for the next call: {error}"));
    }
}

/// Tokens nobody can use any more go.
fn sweep_old(env: &Env) {
    let dir = env.home.join(CACHE);
    for name in store::file_names(&dir) {
        let read = name.starts_with("token-").then(|| kept_text(&env.home, &name)).flatten();
        let dead = read.is_some_and(|text| {
            serde_json::from_str::<Kept>(&text).map_or(true, |kept| kept.expires_at <= env.wall.now())
        });
        if dead {
            // Somebody else may have done so already.
            let _ = store::remove_if_there(&dir.join(name));
        }
    }
}

fn kept_text(home: &Path, file: &str) -> Option<String> {
    store::read_text_if_there(&home.join(CACHE).join(file), CACHE_LIMIT).ok().flatten()
}

fn account_file(key_id: &str) -> String {
    format!("account-{}", digest(&[key_id]))
}

/// Named after everything that decides whose token it is: what was asked, every variable of the cloud, and the state
/// of the files that credentials come from.
fn token_file(vars: &Variables, request: &TokenRequest) -> String {
    let TokenRequest { cloud, cluster, region, account, profile, role_arn } = request;
    let plugin = request.plugin();
    let mut parts: Vec<String> = vec![format!("{cloud:?}"), cluster.clone()];
    for part in [region, account, profile, role_arn] {
        parts.push(format!("{part:?}"));
    }
    let of_cloud = |name: &str| plugin.is_some_and(|plugin| plugin.decides(name));
    let relevant = |name: &str| of_cloud(name) || name.starts_with("KUBEWRIGHT_") || name == "HOME";
    parts.extend(vars.iter().filter(|(name, _)| relevant(name)).map(|(name, value)| format!("{name}={value}")));
    for path in own_files(vars).into_iter().chain(plugin.map(|plugin| files_of(plugin, vars)).unwrap_or_default()) {
        parts.push(format!("{}:{:?}", path.display(), store::stamp(&path)));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    format!("token-{}", digest(&parts))
}

/// The files that decide whose token it is, those included that are only named in others.
fn files_of(plugin: &dyn Plugin, vars: &Variables) -> Vec<PathBuf> {
    let text = |path: &Path| store::read_text_if_there(path, CACHE_LIMIT).ok().flatten();
    let mut files = plugin.files(vars);
    files.extend(plugin.led_to(vars, &text));
    files
}

/// What a token is kept as, so that the short way finds it: that one knows the process's variables and sees whether our
/// own files have changed, and nothing else. None where the token hangs on more: a `.env` that was named for this call
/// alone, or credentials that lie where our own `.env` says.
fn kept_as(vars: &Vars, request: &TokenRequest) -> Option<String> {
    let plugin = request.plugin()?;
    let environment = vars.layers.environment();
    let usual = |file: &str| own_files(environment).iter().any(|own| own == Path::new(file));
    let seen =
        vars.layers.dotenv_file().is_none_or(usual) && files_of(plugin, &vars.all) == files_of(plugin, environment);
    seen.then(|| token_file(environment, request))
}

/// `.env` and the user's configuration.
fn own_files(vars: &Variables) -> [PathBuf; 2] {
    let config = crate::env::config_home(vars).unwrap_or_default();
    [config.join(".env"), config.join("config.yaml")]
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The answer kubectl reads, in the version it asked for.
fn exec_credential(token: &ClusterToken, info: Option<&str>) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        api_version: String,
    }
    const V1: &str = "client.authentication.k8s.io/v1";
    const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";
    let asked = info.and_then(|text| serde_json::from_str::<Info>(text).ok()).map(|info| info.api_version);
    let version = if asked.as_deref() == Some(V1BETA1) { V1BETA1 } else { V1 };
    let expires = token.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let answer = serde_json::json!({
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": { "expirationTimestamp": expires, "token": token.token.reveal() },
    });
    format!("{answer}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Layers;

    fn vars(home: &Path, more: &[(&str, &str)]) -> Variables {
        let home = home.display().to_string();
        let base = [("HOME", home.as_str()), ("KUBEWRIGHT_HOME", home.as_str())];
        base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn request(account: Option<&str>) -> TokenRequest {
        TokenRequest {
            cloud: Some(Cloud::Aws),
            cluster: "demo".to_owned(),
            region: Some("us-east-1".to_owned()),
            account: account.map(str::to_owned),
            ..TokenRequest::default()
        }
    }

    fn put(home: &Path, file: &str, text: &str) {
        store::make_private_dir(&home.join(CACHE)).unwrap();
        store::write_private(&home.join(CACHE).join(file), text.as_bytes()).unwrap();
    }

    const KEYS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];

    #[test]
    #[cfg(feature = "aws")]
    fn keys_of_the_environment_answer_at_once_where_their_account_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let env = vars(dir.path(), KEYS);
        assert!(quick(&env, &request(Some("1")), now).is_none(), "whose keys they are is not known yet");
        put(dir.path(), &account_file("AKIDEXAMPLE"), "1");
        let answer = quick(&env, &request(Some("1")), now).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1");
        assert_eq!(answer["status"]["expirationTimestamp"], "2026-11-20T12:14:00Z");
        assert!(answer["status"]["token"].as_str().unwrap().starts_with("k8s-aws-v1."));
        assert!(quick(&env, &request(Some("2")), now).is_none(), "another account is never answered");
        assert!(quick(&env, &request(None), now).is_some());
        store::make_private_dir(&dir.path().join(".config/kubewright")).unwrap();
        let dotenv = dir.path().join(".config/kubewright/.env");
        store::write_private(&dotenv, b"KUBEWRIGHT_PROFILE=p").unwrap();
        assert!(quick(&env, &request(Some("1")), now).is_none(), "a file of ours may name a profile");
        store::remove_if_there(&dotenv).unwrap();
        let profiled = TokenRequest { profile: Some("p".to_owned()), ..request(Some("1")) };
        assert!(quick(&env, &profiled, now).is_none(), "a named profile beats the environment");
    }

    #[test]
    #[cfg(feature = "aws")]
    fn a_kept_token_is_handed_out_while_it_lasts_and_for_the_same_question_only() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let env = vars(dir.path(), &[("AWS_PROFILE", "p")]);
        let kept = Kept { token: "t".to_owned(), expires_at: now + Duration::from_secs(300) };
        put(dir.path(), &token_file(&env, &request(Some("1"))), &serde_json::to_string(&kept).unwrap());
        let beta = vars(
            dir.path(),
            &[
                ("AWS_PROFILE", "p"),
                ("KUBERNETES_EXEC_INFO", r#"{"apiVersion":"client.authentication.k8s.io/v1beta1"}"#),
            ],
        );
        let answer = quick(&beta, &request(Some("1")), now).unwrap();
        assert!(answer.contains("/v1beta1\"") && answer.contains("\"t\""), "{answer}");
        assert!(quick(&env, &request(Some("1")), now + Duration::from_secs(241)).is_none(), "too short a rest");
        assert!(quick(&env, &request(Some("2")), now).is_none());
        assert!(quick(&vars(dir.path(), &[("AWS_PROFILE", "q")]), &request(Some("1")), now).is_none());
        store::make_private_dir(&dir.path().join(".aws")).unwrap();
        store::write_private(&dir.path().join(".aws/credentials"), b"[p]").unwrap();
        assert!(quick(&env, &request(Some("1")), now).is_none(), "the credentials may be others now");
    }

    #[test]
    #[cfg(feature = "aws")]
    fn a_token_is_kept_where_the_short_way_looks_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let environment = vars(dir.path(), &[]);
        let own = dir.path().join(".config/kubewright/.env").display().to_string();
        let with = |pairs: &[(&str, &str)], file: &str| {
            let told = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let layers = Layers::new(environment.clone()).with_dotenv(told, file);
            kept_as(&Vars { all: layers.variables(), layers }, &request(Some("1")))
        };
        let usual = Some(token_file(&environment, &request(Some("1"))));
        let bare = Vars { all: environment.clone(), layers: Layers::new(environment.clone()) };
        assert_eq!(kept_as(&bare, &request(Some("1"))), usual);
        assert_eq!(with(KEYS, &own), usual, "the file's stamp stands for what is in it");
        assert_eq!(
            with(KEYS, "/elsewhere/.env"),
            None,
            "the short way would hand it to whoever does not name that file"
        );
        let moved = [("AWS_SHARED_CREDENTIALS_FILE", "/elsewhere/credentials")];
        assert_eq!(with(&moved, &own), None, "the short way does not see that file change");
    }

    #[test]
    #[cfg(feature = "gcp")]
    fn another_project_in_gclouds_active_configuration_is_another_token() {
        let dir = tempfile::tempdir().unwrap();
        let gcloud = dir.path().join(".config/gcloud");
        store::make_private_dir(&gcloud.join("configurations")).unwrap();
        store::write_private(&gcloud.join("active_config"), b"work").unwrap();
        let (env, request) = (vars(dir.path(), &[]), TokenRequest { cloud: Some(Cloud::Gcp), ..request(None) });
        let write = |name: &str, text: &str| {
            store::write_private(&gcloud.join("configurations").join(name), text.as_bytes()).unwrap();
            token_file(&env, &request)
        };
        let before = write("config_work", "[core]\naccount = ana@example.com\n");
        assert_eq!(write("config_default", "[core]\naccount = nobody\n"), before, "that one is not active");
        assert_ne!(write("config_work", "[core]\naccount = robert@example.com\n"), before);
    }
}
