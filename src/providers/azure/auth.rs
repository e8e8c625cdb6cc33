//! Who we are to Azure: one chain of sources, and the tokens that come from it.
//!
//! The order is that of Azure's other tools: a secret, a certificate or a federated token that variables name, the
//! machine's managed identity, then whoever is signed in through `az` or `azd`. What variables name decides: where it is
//! refused, nobody else is tried. Tokens are kept while they last, told to [`Secrets`], and never shown; of errors only
//! the words are.

use super::certificate::{Certificate, Whose};
use super::error::{self, AUTH, EXPIRED};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::{Secret, Secrets};
use crate::providers::{OpenOptions, patience::UNREACHABLE};
use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret as AzureSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Method, Request, RetryOptions, Transport, Url,
};
use azure_core::time::{Duration as Span, OffsetDateTime};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What Resource Manager's tokens are for.
pub const ARM_SCOPE: &str = "https://management.azure.com/.default";
/// What the tokens of every AKS cluster's API server are for: Microsoft's own server application.
pub const AKS_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
/// Where Entra listens unless told otherwise.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// A machine without an identity has nobody who answers: nothing is waited for long.
const METADATA_WITHIN: Duration = Duration::from_secs(3);
/// `az` starts slowly, and may have to ask somebody.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(60);
/// Tokens that end sooner are asked for anew.
const ABOUT_TO_END: Span = Span::minutes(5);

/// One source of tokens.
struct Source {
    /// In the user's words.
    label: String,
    credential: Arc<dyn TokenCredential>,
    /// A variable names it: if it gives none, nobody else is asked.
    named: bool,
    within: Duration,
}

/// The chain, and what it gave.
pub struct Tokens {
    chain: Result<Vec<Source>, StepError>,
    secrets: Secrets,
    /// By scope; and which source gave the last one.
    kept: tokio::sync::Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tokens: BTreeMap<String, (Secret<String>, OffsetDateTime)>,
    source: Option<usize>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// A token with its end.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub token: Secret<String>,
    /// When it ends, in real time.
    pub expires_at: Timestamp,
}

impl Tokens {
    /// The chain that the variables of these options make. Asks nobody yet: what is wrong with the variables is told at
    /// the first token.
    pub fn new(options: &OpenOptions, http: reqwest::Client) -> Self {
        let secrets = options.secrets.clone();
        Self { chain: chain(options, http), secrets, kept: tokio::sync::Mutex::default() }
    }

    /// A token that is given: for tests.
    #[cfg(test)]
    pub(super) fn fixed(token: &str) -> Self {
        let made = Self { chain: Ok(Vec::new()), secrets: Secrets::default(), kept: tokio::sync::Mutex::default() };
        let for_ever = OffsetDateTime::now_utc() + Span::weeks(5000);
        if let Ok(mut kept) = made.kept.try_lock() {
            kept.tokens.insert(ARM_SCOPE.to_owned(), (Secret::new(token.to_owned()), for_ever));
        }
        made
    }

    /// A token for Resource Manager.
    ///
    /// # Errors
    /// `Auth` when there are no credentials or they are refused, `Transient` when their source does not answer.
    pub async fn arm(&self) -> Result<Secret<String>, StepError> {
        Ok(self.token(ARM_SCOPE).await?.token)
    }

    /// A token for this scope, kept or new.
    ///
    /// # Errors
    /// As [`Self::arm`].
    pub async fn token(&self, scope: &str) -> Result<Token, StepError> {
        // One at a time: thirty steps that begin together must not start `az` thirty times.
        let mut kept = self.kept.lock().await;
        if let Some((token, end)) = kept.tokens.get(scope)
            && *end > OffsetDateTime::now_utc() + ABOUT_TO_END
        {
            return Ok(Token { token: token.clone(), expires_at: time(*end) });
        }
        let (given, source) = self.ask(scope, kept.source).await?;
        let token = given.token.secret().to_owned();
        self.secrets.learn(&token);
        let token = Secret::new(token);
        kept.source = Some(source);
        kept.tokens.insert(scope.to_owned(), (token.clone(), given.expires_on));
        Ok(Token { token, expires_at: time(given.expires_on) })
    }

    /// Where the tokens come from, once there was one.
    pub async fn source(&self) -> Option<String> {
        let at = self.kept.lock().await.source?;
        self.chain.as_ref().ok()?.get(at).map(|source| source.label.clone())
    }

    /// Azure takes this token no more: the next call asks for another.
    pub(super) async fn forget(&self, refused: &Secret<String>) {
        self.kept.lock().await.tokens.retain(|_, (token, _)| token != refused);
    }

    async fn ask(&self, scope: &str, before: Option<usize>) -> Result<(AccessToken, usize), StepError> {
        let chain = self.chain.as_ref().map_err(Clone::clone)?;
        let mut silent = Vec::new();
        for (at, source) in chain.iter().enumerate() {
            // Whoever gave one before is who we are: another one would be somebody else.
            if before.is_some_and(|before| before != at) {
                continue;
            }
            let asked = tokio::time::timeout(source.within, source.credential.get_token(&[scope], None)).await;
            match asked {
                Ok(Ok(token)) => return Ok((token, at)),
                Ok(Err(why)) if source.named || before.is_some() => return Err(refused(source, &why)),
                Ok(Err(why)) => silent.push(format!("{}: {}", source.label, first_line(&why))),
                Err(_) if source.named || before.is_some() => {
                    return Err(late(&format!("{} does not answer", source.label)));
                }
                Err(_) => silent.push(format!("{}: no answer", source.label)),
            }
        }
        Err(error::no_credentials(&silent.join("; ")))
    }
}

fn time(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_second(at.unix_timestamp()).unwrap_or(Timestamp::MAX)
}

/// The sources that these variables make, in order.
fn chain(opened: &OpenOptions, http: reqwest::Client) -> Result<Vec<Source>, StepError> {
    let said = |name: &str| opened.vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let authority = said("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY);
    let options = options(authority, http)?;
    let (tenant, client) = (said("AZURE_TENANT_ID"), said("AZURE_CLIENT_ID"));
    let both = |with: &str| match (tenant, client) {
        (Some(tenant), Some(client)) => Ok((tenant.to_owned(), client.to_owned())),
        (None, _) => Err(incomplete(with, "AZURE_TENANT_ID")),
        (_, None) => Err(incomplete(with, "AZURE_CLIENT_ID")),
    };
    let named = |label: String, credential: Arc<dyn TokenCredential>| {
        vec![Source { label, credential, named: true, within: CREDENTIALS_WITHIN }]
    };
    if let Some(secret) = said("AZURE_CLIENT_SECRET") {
        let (tenant, client) = both("AZURE_CLIENT_SECRET")?;
        let label = format!("service principal {client} of the environment");
        let options = ClientSecretCredentialOptions { client_options: options };
        let made = ClientSecretCredential::new(&tenant, client, AzureSecret::new(secret.to_owned()), Some(options));
        return Ok(named(label, made.map_err(|why| unusable(&why))?));
    }
    if let Some(file) = said("AZURE_CLIENT_CERTIFICATE_PATH") {
        let (tenant, client) = both("AZURE_CLIENT_CERTIFICATE_PATH")?;
        let label = format!("certificate of service principal {client}");
        let text = (opened.read_file)(Path::new(file));
        let whose = Whose { client: client.clone(), audience: endpoint(authority, &tenant) };
        let certificate = Certificate::read(file, text, whose, Arc::clone(&opened.wall))?;
        let options = ClientAssertionCredentialOptions { client_options: options };
        let made = ClientAssertionCredential::new(tenant, client, certificate, Some(options));
        return Ok(named(label, made.map_err(|why| unusable(&why))?));
    }
    if let Some(file) = said("AZURE_FEDERATED_TOKEN_FILE") {
        let (tenant, client) = both("AZURE_FEDERATED_TOKEN_FILE")?;
        let label = format!("federated token of service principal {client}");
        let credential_options = ClientAssertionCredentialOptions { client_options: options };
        let options = WorkloadIdentityCredentialOptions {
            credential_options,
            client_id: Some(client),
            tenant_id: Some(tenant),
            token_file_path: Some(file.into()),
        };
        let made = WorkloadIdentityCredential::new(Some(options)).map_err(|why| unusable(&why))?;
        return Ok(named(label, made));
    }
    let mut sources = Vec::new();
    // A host that gives identities to what runs on it says so; the address of a machine's metadata has to be tried.
    let hosted = ["IDENTITY_ENDPOINT", "MSI_ENDPOINT"].into_iter().any(|name| said(name).is_some());
    let identity = ManagedIdentityCredentialOptions {
        user_assigned_id: client.map(|client| UserAssignedId::ClientId(client.to_owned())),
        client_options: options,
    };
    if let Ok(credential) = ManagedIdentityCredential::new(Some(identity)) {
        let within = if hosted { CREDENTIALS_WITHIN } else { METADATA_WITHIN };
        sources.push(Source { label: "managed identity".to_owned(), credential, named: hosted, within });
    }
    let subscription = said("AZURE_SUBSCRIPTION_ID").map(str::to_owned);
    let tenant_id = tenant.map(str::to_owned);
    // `az` takes a tenant or a subscription, not both.
    let subscription = subscription.filter(|_| tenant_id.is_none());
    let az = AzureCliCredentialOptions { subscription, tenant_id: tenant_id.clone(), executor: None };
    if let Ok(credential) = AzureCliCredential::new(Some(az)) {
        sources.push(Source { label: "az login".to_owned(), credential, named: false, within: CREDENTIALS_WITHIN });
    }
    let azd = AzureDeveloperCliCredentialOptions { tenant_id, executor: None };
    if let Ok(credential) = AzureDeveloperCliCredential::new(Some(azd)) {
        let label = "azd auth login".to_owned();
        sources.push(Source { label, credential, named: false, within: CREDENTIALS_WITHIN });
    }
    Ok(sources)
}

/// Where the library asks for a tenant's tokens: as it puts the address together itself, for an assertion is for that very
/// address.
fn endpoint(authority: &str, tenant: &str) -> String {
    let path = format!("/{tenant}/oauth2/v2.0/token");
    let joined = Url::parse(authority).and_then(|authority| authority.join(&path));
    joined.map_or_else(|_| format!("{authority}{path}"), |url| url.to_string())
}

/// How the credentials' own calls go: through our client, once, to the authority that a variable names.
fn options(authority: &str, http: reqwest::Client) -> Result<ClientOptions, StepError> {
    if !authority.starts_with("https://") {
        let message = format!("AZURE_AUTHORITY_HOST `{authority}` is not an https address");
        return Err(StepError::new(ErrorClass::Permanent, "KW-USAGE", message)
            .with_residue(Residue::None)
            .with_hint(format!("write it like {AUTHORITY}")));
    }
    let mut custom = CustomConfiguration::default();
    authority.clone_into(&mut custom.authority_host);
    Ok(ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(Through(http)))),
        cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
        ..ClientOptions::default()
    })
}

fn incomplete(with: &str, lacks: &str) -> StepError {
    StepError::new(ErrorClass::Auth, AUTH, format!("{with} is set, but {lacks} is not"))
        .with_residue(Residue::None)
        .with_hint(format!("set {lacks}, or unset {with} to sign in another way"))
}

fn unusable(why: &azure_core::Error) -> StepError {
    StepError::new(ErrorClass::Auth, AUTH, format!("the Azure credentials cannot be used: {}", first_line(why)))
        .with_residue(Residue::None)
}

/// Entra or a helper gave no token.
fn refused(source: &Source, why: &azure_core::Error) -> StepError {
    let words = first_line(why);
    let unanswered = matches!(why.kind(), ErrorKind::Io | ErrorKind::Connection);
    if unanswered || sources(why).any(|cause| cause.to_string().starts_with(UNANSWERED)) {
        return late(&format!("{} gives none: {words}", source.label));
    }
    let ended = ["AADSTS7000222", "AADSTS700082", "AADSTS50173", "AADSTS70043", "expired"];
    let id = if ended.iter().any(|code| words.contains(code)) { EXPIRED } else { AUTH };
    let made = StepError::new(ErrorClass::Auth, id, format!("{} is not accepted: {words}", source.label));
    let made = made.with_residue(Residue::None);
    if source.named {
        made.with_hint(
            "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret, certificate or token that goes with them",
        )
    } else {
        made.with_hint("sign in again: az login")
    }
}

/// The source of the credentials did not answer; nothing was sent.
fn late(why: &str) -> StepError {
    let message = format!("the source of the Azure credentials is silent: {why}");
    StepError::new(ErrorClass::Transient, UNREACHABLE, message).with_residue(Residue::None)
}

/// What an error says, without the links and traces that follow. Its `Debug` form holds whole responses.
fn first_line(why: &azure_core::Error) -> String {
    let text = why.to_string();
    let text = text.split("\nTo troubleshoot").next().unwrap_or_default();
    let text = text.split("Trace ID:").next().unwrap_or_default();
    error::clean(text)
}

fn sources<'a>(
    why: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(why), |cause| cause.source())
}

/// What [`Through`] says where no answer came.
const UNANSWERED: &str = "no answer came";

/// The library's calls over our own client.
#[derive(Debug)]
struct Through(reqwest::Client);

#[async_trait]
impl HttpClient for Through {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let method = match request.method() {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
            Method::Head => reqwest::Method::HEAD,
            _ => reqwest::Method::GET,
        };
        let mut call = self.0.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            call = call.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body().clone() {
            call = call.body(bytes);
        }
        let unanswered = |_| azure_core::Error::with_message(ErrorKind::Io, UNANSWERED);
        let answer = call.send().await.map_err(unanswered)?;
        let status = answer.status().as_u16();
        // The library reads any answer that holds no token as a refusal, and keeps the status to itself.
        if matches!(status, 408 | 429 | 500..) {
            return Err(azure_core::Error::with_message(ErrorKind::Io, format!("{UNANSWERED}: HTTP {status}")));
        }
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            headers.insert(name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        let body = answer.bytes().await.map_err(unanswered)?;
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}
