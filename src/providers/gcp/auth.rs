//! Who we are to Google: one source of access tokens, chosen by what is there and never by trial.
//!
//! In this order, as Google's own clients look: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, gcloud's overrides
//! (`CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE`, `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE`), the application default credentials in
//! gcloud's folder (`CLOUDSDK_CONFIG` moves it), the account gcloud is signed in with, the machine's metadata server.
//! A credential file's `type` says who reads it: keys of service accounts (`gcp_auth` signs with them) and signed-in users
//! are exchanged for tokens here, gcloud and metadata are `gcp_auth`'s, federated identities and impersonation
//! `google-cloud-auth`'s.
//!
//! Nothing is asked before the first token is wanted, so a broken file is an error of the first call, not of the
//! opening. No token and no key is ever logged or put into an error.

use super::error::{self, clean, no_credentials};
use super::exchange::{Exchange, Grant, TOKENS};
use super::gcloud::Folder;
use crate::engine::{Clock, StepError};
use crate::model::{Secret, Secrets};
use crate::providers::{FileReader, OpenOptions};
use gcp_auth::TokenProvider;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, external_account, external_account_authorized_user, impersonated, mds,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The one scope that all of it needs.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a metadata server or gcloud may take to answer.
const WITHIN: Duration = Duration::from_secs(30);

/// A bearer token for Google's APIs, and for the API servers of its clusters.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret<String>,
    /// When it ends, where its issuer says so.
    pub expires_at: Option<Timestamp>,
}

/// Where tokens come from.
pub struct TokenSource {
    source: Source,
    /// In the user's words: `key of builder@acme.iam.gserviceaccount.com`.
    words: String,
    principal: Option<String>,
    project: Option<String>,
    quota_project: Option<String>,
    secrets: Secrets,
}

#[expect(clippy::large_enum_variant, reason = "one a process; a box would only be noise")]
enum Source {
    Exchange(Exchange),
    Google(AccessTokenCredentials),
    Given(Secret<String>),
    Gcloud(OnceCell<Arc<gcp_auth::GCloudAuthorizedUser>>),
    Metadata(OnceCell<gcp_auth::MetadataServiceAccount>),
    Broken(Box<StepError>),
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSource").field("words", &self.words).finish_non_exhaustive()
    }
}

/// A credential file as found: where it is and how it was named.
struct Named {
    path: PathBuf,
    by: &'static str,
}

/// What credentials are found and used with.
pub struct Means<'a> {
    /// Reads files.
    pub read: &'a FileReader,
    /// Asks the token endpoint.
    pub http: reqwest::Client,
    /// Real time: what is signed and what is given end by it.
    pub wall: Arc<dyn Clock>,
    /// Learns what must never be seen.
    pub secrets: Secrets,
}

impl<'a> Means<'a> {
    /// Those a provider is opened with, over this client.
    pub fn of(options: &'a OpenOptions, http: &reqwest::Client) -> Self {
        Self {
            read: &options.read_file,
            http: http.clone(),
            wall: Arc::clone(&options.wall),
            secrets: options.secrets.clone(),
        }
    }
}

impl TokenSource {
    /// Chooses the source. Makes no call.
    pub fn choose(vars: &BTreeMap<String, String>, means: &Means<'_>) -> Self {
        let (read, secrets) = (means.read, means.secrets.clone());
        let said = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        let quota = said("GOOGLE_CLOUD_QUOTA_PROJECT").cloned();
        let named = ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"];
        for by in named {
            if let Some(path) = said(by) {
                return Self::of_file(&Named { path: path.into(), by }, quota, means);
            }
        }
        if let Some(path) = said("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE") {
            return Self::of_token_file(Path::new(path), read, secrets);
        }
        let folder = Folder::of(vars);
        if let Some(folder) = &folder {
            let path = folder.default_credentials();
            if !matches!(read(&path), Ok(None)) {
                let named = Named { path, by: "gcloud's application default credentials" };
                return Self::of_file(&named, quota, means);
            }
        }
        let signed_in = folder.and_then(|folder| folder.read(vars, read)).filter(|config| config.account.is_some());
        if let Some(config) = signed_in {
            let account = config.account.unwrap_or_default();
            let words = format!("gcloud, signed in as {account}");
            let made = Self::new(Source::Gcloud(OnceCell::new()), words, secrets);
            return Self { principal: Some(account), project: config.project, quota_project: quota, ..made };
        }
        if let Some(host) = said("GCE_METADATA_HOST") {
            // gcp_auth knows one address only.
            let built = mds::Builder::default().with_endpoint(with_scheme(host)).with_scopes([SCOPE]);
            let source = match built.build_access_token_credentials() {
                Ok(credentials) => Source::Google(credentials),
                Err(why) => Source::Broken(Box::new(no_credentials(format!("the metadata server {host}: {why}")))),
            };
            return Self::new(source, format!("the metadata server {host}"), secrets);
        }
        Self::new(Source::Metadata(OnceCell::new()), "this machine's service account".to_owned(), secrets)
    }

    fn new(source: Source, words: String, secrets: Secrets) -> Self {
        Self { source, words, principal: None, project: None, quota_project: None, secrets }
    }

    fn broken(why: StepError, words: String, secrets: Secrets) -> Self {
        Self::new(Source::Broken(Box::new(why)), words, secrets)
    }

    fn of_token_file(path: &Path, read: &FileReader, secrets: Secrets) -> Self {
        let words = format!("the access token in {}", path.display());
        match contents(path, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", read) {
            Ok(text) => {
                let token = text.trim().to_owned();
                secrets.learn(&token);
                Self::new(Source::Given(Secret::new(token)), words, secrets)
            }
            Err(why) => Self::broken(why, words, secrets),
        }
    }

    fn of_file(named: &Named, quota: Option<String>, means: &Means<'_>) -> Self {
        let secrets = means.secrets.clone();
        let words = format!("{} ({})", named.path.display(), named.by);
        let text = match contents(&named.path, named.by, means.read) {
            Ok(text) => text,
            Err(why) => return Self::broken(why, words, secrets),
        };
        let file: Value = match serde_json::from_str(&text) {
            Ok(file @ Value::Object(_)) => file,
            Ok(_) | Err(_) => return Self::broken(unusable(named, "it is not a JSON credential file"), words, secrets),
        };
        learn(&file, &secrets);
        let field =
            |key: &str| file.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let kind = field("type").unwrap_or_default();
        let source = match source_of(named, &kind, &text, &file, means) {
            Ok(source) => source,
            Err(why) => return Self::broken(why, words, secrets),
        };
        let impersonated = field("service_account_impersonation_url").as_deref().and_then(impersonated_account);
        let principal = field("client_email").or(impersonated).or_else(|| field("account")).or_else(|| {
            // A federated identity has no address; the pool it comes through says the most.
            field("audience").map(|audience| audience.trim_start_matches("//iam.googleapis.com/").to_owned())
        });
        let words = match (&kind[..], &principal) {
            ("service_account", Some(who)) => format!("key of {who}"),
            ("impersonated_service_account", Some(who)) => format!("impersonating {who}"),
            ("external_account", Some(who)) => format!("workload identity federation, {who}"),
            ("authorized_user", _) => format!("application default credentials ({})", named.path.display()),
            _ => words,
        };
        let of_user = kind.ends_with("authorized_user");
        let quota_project = quota.or_else(|| field("quota_project_id")).filter(|_| of_user);
        let project = field("project_id").or_else(|| field("quota_project_id"));
        Self { source, words, principal, project, quota_project, secrets }
    }

    /// A token that lasts a while yet. The libraries keep it until it is about to end.
    ///
    /// # Errors
    /// `Auth` where there are no credentials or they are not accepted, `Transient` where their issuer does not answer.
    pub async fn token(&self) -> Result<AccessToken, StepError> {
        let made = match &self.source {
            Source::Broken(why) => return Err(why.as_ref().clone()),
            Source::Given(token) => AccessToken { token: token.clone(), expires_at: None },
            Source::Exchange(exchange) => exchange.token(&self.words).await?,
            Source::Google(credentials) => {
                let answer = credentials.access_token().await.map_err(|err| self.of_google(&err))?;
                AccessToken { token: Secret::new(answer.token), expires_at: None }
            }
            Source::Gcloud(kept) => {
                let user = kept.get_or_try_init(|| ask_gcloud(&self.words)).await?;
                of_gcp_auth(&self.words, user.token(&[SCOPE]).await)?
            }
            Source::Metadata(kept) => {
                let machine = kept.get_or_try_init(ask_machine).await?;
                of_gcp_auth(&self.words, machine.token(&[SCOPE]).await)?
            }
        };
        self.secrets.learn(made.token.reveal());
        Ok(made)
    }

    fn of_google(&self, err: &google_cloud_auth::errors::CredentialsError) -> StepError {
        let why = format!("{}: {}", self.words, causes(err));
        if err.is_transient() { error::credentials_late(&why) } else { error::credentials_refused(&why) }
    }

    /// Where they come from, in the user's words.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whose they are, where the credentials themselves say so.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// The project that the credentials name.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The project whose quotas a user's calls count against.
    pub fn quota_project(&self) -> Option<&str> {
        self.quota_project.as_deref()
    }
}

fn contents(path: &Path, by: &str, read: &FileReader) -> Result<String, StepError> {
    let shown = path.display();
    match read(path) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(no_credentials(format!("{shown}, which {by} names, is not there"))),
        Err(why) => Err(no_credentials(format!("{shown}, which {by} names, cannot be read: {why}"))),
    }
}

fn unusable(named: &Named, why: impl std::fmt::Display) -> StepError {
    no_credentials(format!("{}, which {} names, cannot be used: {why}", named.path.display(), named.by))
}

/// What reads a file of this type.
fn source_of(named: &Named, kind: &str, text: &str, file: &Value, means: &Means<'_>) -> Result<Source, StepError> {
    let field = |key: &str| file[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let needed = |key: &str| field(key).ok_or_else(|| unusable(named, format!("it has no `{key}`")));
    let exchange = |grant: Grant| {
        let url = field("token_uri").unwrap_or_else(|| TOKENS.to_owned());
        Ok(Source::Exchange(Exchange::new(grant, url, means.http.clone(), Arc::clone(&means.wall))))
    };
    let built = match kind {
        "service_account" => {
            let key =
                gcp_auth::CustomServiceAccount::from_json(text).map_err(|why| unusable(named, key_fault(&why)))?;
            let (key, email, id) = (Box::new(key), needed("client_email")?, field("private_key_id"));
            return exchange(Grant::Key { key, email, id });
        }
        "authorized_user" => {
            let client = needed("client_id")?;
            let (secret, refresh) = (Secret::new(needed("client_secret")?), Secret::new(needed("refresh_token")?));
            return exchange(Grant::User { client, secret, refresh });
        }
        "external_account" => {
            external_account::Builder::new(file.clone()).with_scopes([SCOPE]).build_access_token_credentials()
        }
        "external_account_authorized_user" => {
            external_account_authorized_user::Builder::new(file.clone()).build_access_token_credentials()
        }
        "impersonated_service_account" => {
            impersonated::Builder::new(file.clone()).with_scopes([SCOPE]).build_access_token_credentials()
        }
        "" if file.get("installed").is_some() || file.get("web").is_some() => {
            return Err(unusable(named, "it is an OAuth client, not somebody's credentials"));
        }
        "" => return Err(unusable(named, "it says no `type`")),
        other => {
            return Err(unusable(named, format!("its type `{}` is not known", clean(other))).with_hint(
                "known are service_account, authorized_user, external_account, external_account_authorized_user and impersonated_service_account",
            ));
        }
    };
    built.map(Source::Google).map_err(|why| unusable(named, clean(&causes(&why))))
}

/// What is wrong with a key file: never more of it than the name of a field.
fn key_fault(why: &gcp_auth::Error) -> String {
    match why {
        gcp_auth::Error::Json(_, fault) => {
            let text = fault.to_string();
            let field = text.split('`').nth(1).filter(|_| text.starts_with("missing field"));
            field.map_or_else(|| "it is not a whole key".to_owned(), |field| format!("it has no `{field}`"))
        }
        gcp_auth::Error::Other(..) | gcp_auth::Error::Str(_) => "its private key is damaged".to_owned(),
        other => clean(&causes(other)),
    }
}

/// What a credential file holds that must never be seen.
fn learn(file: &Value, secrets: &Secrets) {
    const KEYS: [&str; 4] = ["private_key", "client_secret", "refresh_token", "private_key_id"];
    for key in KEYS {
        if let Some(value) = file.get(key).and_then(Value::as_str) {
            secrets.learn(value);
        }
    }
    if let Some(inner) = file.get("source_credentials") {
        learn(inner, secrets);
    }
}

/// `…/serviceAccounts/builder@acme.iam.gserviceaccount.com:generateAccessToken`
fn impersonated_account(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("/serviceAccounts/")?;
    rest.split(':').next().filter(|who| who.contains('@')).map(str::to_owned)
}

fn with_scheme(host: &str) -> String {
    if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
}

async fn ask_gcloud(words: &str) -> Result<Arc<gcp_auth::GCloudAuthorizedUser>, StepError> {
    // It runs the program and blocks until that ends.
    let runtime = tokio::runtime::Handle::current();
    let asked = tokio::task::spawn_blocking(move || runtime.block_on(gcp_auth::GCloudAuthorizedUser::new()));
    match tokio::time::timeout(WITHIN, asked).await {
        Ok(Ok(Ok(user))) => Ok(Arc::new(user)),
        Ok(Ok(Err(why))) => Err(error::credentials_refused(&format!("{words}: {}", causes(&why)))),
        Ok(Err(_)) | Err(_) => Err(error::credentials_late(&format!("{words}: gcloud does not answer"))),
    }
}

async fn ask_machine() -> Result<gcp_auth::MetadataServiceAccount, StepError> {
    match tokio::time::timeout(WITHIN, gcp_auth::MetadataServiceAccount::new()).await {
        Ok(Ok(machine)) => Ok(machine),
        // Nowhere but on Google's machines is there such a server: this is the usual way of having no credentials.
        Ok(Err(_)) | Err(_) => Err(no_credentials(
            "no credential file is named, gcloud is not signed in, and this machine has no service account",
        )),
    }
}

fn of_gcp_auth(words: &str, answer: Result<Arc<gcp_auth::Token>, gcp_auth::Error>) -> Result<AccessToken, StepError> {
    match answer {
        Ok(token) => Ok(AccessToken {
            token: Secret::new(token.as_str().to_owned()),
            expires_at: Timestamp::from_second(token.expires_at().timestamp()).ok(),
        }),
        // A machine's metadata server, which has a bad hour or no account: it says no more than this.
        Err(gcp_auth::Error::Str("token request failed")) => {
            Err(error::credentials_late(&format!("{words}: the metadata server gives no token")))
        }
        Err(why @ (gcp_auth::Error::Http(..) | gcp_auth::Error::Other(..))) => {
            Err(error::credentials_late(&format!("{words}: {}", causes(&why))))
        }
        Err(why) => Err(error::credentials_refused(&format!("{words}: {}", causes(&why)))),
    }
}

/// An error with what caused it, each said once.
fn causes(err: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(err), |cause: &&(dyn std::error::Error + 'static)| (*cause).source());
    let mut words: Vec<String> = Vec::new();
    for cause in chain.map(ToString::to_string) {
        if !words.iter().any(|known| known.contains(&cause)) {
            words.push(cause);
        }
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorClass;
    use crate::providers::testing::Stands;
    use serde_json::json;

    fn files(all: &[(&str, String)]) -> FileReader {
        let all: BTreeMap<PathBuf, String> = all.iter().map(|(path, text)| (path.into(), text.clone())).collect();
        Arc::new(move |path: &Path| Ok(all.get(path).cloned()))
    }

    fn vars(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    async fn refusal(text: &str) -> StepError {
        let read = files(&[("/c.json", text.to_owned())]);
        let named = vars(&[("GOOGLE_APPLICATION_CREDENTIALS", "/c.json"), ("HOME", "/home")]);
        choose(&named, &read).token().await.unwrap_err()
    }

    fn choose(vars: &BTreeMap<String, String>, read: &FileReader) -> TokenSource {
        let (http, wall, secrets) = (reqwest::Client::new(), Arc::new(Stands), Secrets::default());
        TokenSource::choose(vars, &Means { read, http, wall, secrets })
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_says_why_and_shows_nothing_of_itself() {
        let pem = "-----BEGIN PRIVATE KEY-----\\nhunter2hunter2\\n-----END PRIVATE KEY-----";
        let key =
            json!({"type": "service_account", "private_key": pem, "client_email": "a@b", "token_uri": "http://x"});
        for (text, words) in [
            ("<html>".to_owned(), "not a JSON credential file"),
            ("{}".to_owned(), "no `type`"),
            (json!({"installed": {"client_id": "x"}}).to_string(), "OAuth client"),
            (json!({"type": "gdch_service_account"}).to_string(), "`gdch_service_account` is not known"),
            (json!({"type": "service_account", "client_email": "a@b"}).to_string(), "no `private_key`"),
            (key.to_string(), "private key is damaged"),
            (json!({"type": "authorized_user", "client_secret": "hunter2"}).to_string(), "client_id"),
        ] {
            let error = refusal(&text).await;
            assert_eq!(error.class, ErrorClass::Auth, "{text}");
            assert!(error.message.contains(words), "{text}: {}", error.message);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        let missing = vars(&[("GOOGLE_APPLICATION_CREDENTIALS", "/none.json")]);
        let error = choose(&missing, &files(&[])).token().await.unwrap_err();
        assert!(error.message.contains("/none.json") && error.message.contains("is not there"), "{}", error.message);
    }

    #[tokio::test]
    async fn the_first_source_in_order_is_taken() {
        let user = json!({"type": "authorized_user", "client_id": "a", "client_secret": "bbbbbbbb",
            "refresh_token": "cccccccc", "quota_project_id": "pays"});
        let read = files(&[
            ("/home/.config/gcloud/application_default_credentials.json", user.to_string()),
            ("/moved/application_default_credentials.json", json!({}).to_string()),
            ("/token", "abcdefgh\n".to_owned()),
        ]);
        let choose = |all: &[(&str, &str)]| choose(&vars(all), &read);
        let home = choose(&[("HOME", "/home")]);
        assert!(home.words().contains("application default credentials"), "{}", home.words());
        assert_eq!((home.quota_project(), home.project()), (Some("pays"), Some("pays")));
        let moved = choose(&[("HOME", "/home"), ("CLOUDSDK_CONFIG", "/moved")]);
        assert!(moved.token().await.unwrap_err().message.contains("/moved/"));
        let given = choose(&[("HOME", "/home"), ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/token")]);
        assert_eq!(given.token().await.unwrap().token.reveal(), "abcdefgh");
        assert!(!format!("{given:?}").contains("abcdefgh"));
    }

    #[test]
    fn an_impersonated_account_is_in_the_url() {
        let url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/ci@acme.iam.gserviceaccount.com:generateAccessToken";
        assert_eq!(impersonated_account(url).as_deref(), Some("ci@acme.iam.gserviceaccount.com"));
    }
}
