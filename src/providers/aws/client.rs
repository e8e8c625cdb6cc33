//! The way to AWS: one context with every service's client, built on the SDK's own configuration chain.
//!
//! Retries are off (only the engine repeats calls), timeouts are short enough to be judged by a person, and every
//! mutating operation is counted as it is sent. TLS roots are loaded with the first `https` request and not before.

use super::{error, profiles};
use crate::engine::StepError;
use crate::model::{Region, Secrets};
use aws_config::{
    BehaviorVersion, ConfigLoader, SdkConfig,
    identity::IdentityCache,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector, proxy::ProxyConfig, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::sdk_config::SharedTimeSource;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime};

/// How to reach the account, from flags, environment and files, in that order.
#[derive(Debug, Clone, Default)]
pub struct AwsOptions {
    /// Region by flag, file or environment; none means the profile's own.
    pub region: Option<Region>,
    /// A profile named by flag or environment: keys of `.env` are then ignored.
    pub profile: Option<String>,
    /// A role to assume on top.
    pub role_arn: Option<String>,
    /// Variables from a `.env` file that the process environment does not set.
    pub dotenv: BTreeMap<String, String>,
    /// Learns the credentials in use, wherever they come from.
    pub secrets: Secrets,
}

/// Clients, region and counters: the `Cx` of every AWS step.
#[derive(Debug, Clone)]
pub struct AwsCx {
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// EKS.
    pub eks: aws_sdk_eks::Client,
    /// IAM, the partition's one endpoint.
    pub iam: aws_sdk_iam::Client,
    /// STS, regional.
    pub sts: aws_sdk_sts::Client,
    /// Classic load balancers.
    pub elb: aws_sdk_elasticloadbalancing::Client,
    /// Network and application load balancers.
    pub elbv2: aws_sdk_elasticloadbalancingv2::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Service Quotas.
    pub quotas: aws_sdk_servicequotas::Client,
    /// Where it all happens.
    pub region: Region,
    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub partition: &'static str,
    /// Known after the first look at who we are.
    account: Arc<OnceLock<String>>,
    counter: Arc<AtomicU64>,
    credentials: Option<SharedCredentialsProvider>,
    time: SharedTimeSource,
}

impl AwsCx {
    /// The context for a loaded configuration.
    pub fn new(config: &SdkConfig, region: Region) -> Self {
        let counter = Arc::new(AtomicU64::new(0));
        let count = CountCalls { counter: counter.clone() };
        macro_rules! client {
            ($service:ident) => {
                $service::Client::from_conf($service::config::Builder::from(config).interceptor(count.clone()).build())
            };
        }
        Self {
            ec2: client!(aws_sdk_ec2),
            eks: client!(aws_sdk_eks),
            iam: client!(aws_sdk_iam),
            sts: client!(aws_sdk_sts),
            elb: client!(aws_sdk_elasticloadbalancing),
            elbv2: client!(aws_sdk_elasticloadbalancingv2),
            logs: client!(aws_sdk_cloudwatchlogs),
            quotas: client!(aws_sdk_servicequotas),
            partition: partition(region.as_str()),
            region,
            account: Arc::default(),
            counter,
            credentials: config.credentials_provider(),
            time: config.time_source().unwrap_or_default(),
        }
    }

    /// The account, once [`Self::set_account`] has been told it.
    pub fn account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    /// Remembers whose account this is; the first word stands.
    pub fn set_account(&self, account: &str) {
        self.account.get_or_init(|| account.to_owned());
    }

    /// Counts a mutating call that goes to a cluster's own API server, past the SDK.
    pub(super) fn count_call(&self) {
        self.counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Mutating calls sent so far.
    pub fn mutating_calls(&self) -> u64 {
        self.counter.load(Ordering::Relaxed)
    }

    /// An ARN of AWS's own, such as a managed policy: `aws_arn("iam", "policy/AmazonEKSClusterPolicy")`.
    pub fn aws_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::aws:{resource}", self.partition)
    }

    /// Wall time, as the SDK signs with it: signatures live in real time even where the rest does not.
    pub fn wall_time(&self) -> SystemTime {
        self.time.now()
    }

    /// The credentials in use, resolved now.
    ///
    /// # Errors
    /// `Auth` when there are none, or they have expired.
    pub async fn credentials(&self) -> Result<Credentials, StepError> {
        credentials(self.credentials.as_ref()).await
    }
}

/// How long a source of credentials may take: single sign-on, a role to assume, a helper that waits for a finger.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(60);
/// The same within one call, which has 30 s in all.
const CREDENTIALS_IN_CALL: Duration = Duration::from_secs(25);

/// The credentials a configuration leads to.
///
/// # Errors
/// `Auth` when there are none, or they have expired; `Transient` when their source does not answer.
pub async fn credentials(provider: Option<&SharedCredentialsProvider>) -> Result<Credentials, StepError> {
    let Some(provider) = provider else {
        return Err(error::no_credentials("no source of credentials is configured"));
    };
    match tokio::time::timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await {
        Ok(answer) => answer.map_err(|err| error::credentials(&err)),
        Err(_) => Err(error::credentials(&CredentialsError::provider_timed_out(CREDENTIALS_WITHIN))),
    }
}

/// Loads the SDK's configuration: default chain (environment, profiles, SSO, web identity, metadata), endpoint
/// overrides and all, then the role to assume if one is named.
/// None when nothing names a region: no guess is made.
///
/// The SDK knows of the process's variables and of nothing between them and its files: what `.env` says is put in here.
pub async fn load(options: &AwsOptions) -> Option<(SdkConfig, Region)> {
    let said = |name: &str| options.dotenv.get(name).filter(|value| !value.is_empty());
    let first = |names: [&str; 2]| names.into_iter().find_map(said);
    let mut loader = loader();
    let region = options.region.as_ref().map(Region::as_str);
    if let Some(region) = region.or(first(["AWS_REGION", "AWS_DEFAULT_REGION"]).map(String::as_str)) {
        loader = loader.region(aws_config::Region::new(region.to_owned()));
    }
    let profile = options.profile.as_ref().or_else(|| first(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    let files = profiles::moved(said("AWS_CONFIG_FILE"), said("AWS_SHARED_CREDENTIALS_FILE"));
    if let Some(files) = &files {
        loader = loader.profile_files(files.clone());
    }
    if let Some(keys) = dotenv_keys(&options.dotenv) {
        loader = loader.credentials_provider(keys);
    }
    if let Some(url) = said("AWS_ENDPOINT_URL") {
        loader = loader.endpoint_url(url);
    }
    let mut config = loader.load().await;
    let region = config.region()?.clone();
    let known = || {
        let http = SharedHttpClient::new(ByScheme::default());
        ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http)
    };
    if let Some(profile) = &options.profile {
        // In the SDK's own chain keys of the environment come before any profile; here a profile was named above them.
        let mut named = ProfileFileCredentialsProvider::builder().configure(&known()).profile_name(profile);
        if let Some(files) = files {
            named = named.profile_files(files);
        }
        config = with_credentials(config, SharedCredentialsProvider::new(named.build()));
    } else if let (Some(role), Some(file)) = (said("AWS_ROLE_ARN"), said("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let session = said("AWS_ROLE_SESSION_NAME").map_or("kubewright", String::as_str);
        let token = StaticConfiguration {
            web_identity_token_file: file.into(),
            role_arn: role.clone(),
            session_name: session.to_owned(),
        };
        let web = WebIdentityTokenCredentialsProvider::builder().configure(&known()).static_configuration(token);
        config = with_credentials(config, SharedCredentialsProvider::new(web.build()));
    }
    config = in_confidence(config, &options.secrets);
    if let Some(role) = &options.role_arn {
        let assumed = aws_config::sts::AssumeRoleProvider::builder(role)
            .session_name("kubewright")
            .configure(&config)
            .build()
            .await;
        config = with_credentials(config, SharedCredentialsProvider::new(assumed));
        config = in_confidence(config, &options.secrets);
    }
    Some((config, Region(region.to_string())))
}

fn with_credentials(config: SdkConfig, provider: SharedCredentialsProvider) -> SdkConfig {
    config.into_builder().credentials_provider(provider).build()
}

/// The same configuration, whose credentials are known as secrets from their first use on.
fn in_confidence(config: SdkConfig, secrets: &Secrets) -> SdkConfig {
    let Some(inner) = config.credentials_provider() else { return config };
    let heard = InConfidence { inner, secrets: secrets.clone() };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(heard)).build()
}

/// The same configuration, whose credentials are asked for once and then kept while they last: one sign-on serves all
/// the clients that are made from it.
pub fn with_kept_credentials(config: &SdkConfig) -> SdkConfig {
    let Some(inner) = config.credentials_provider() else { return config.clone() };
    let kept = Kept { inner, last: Arc::default(), time: config.time_source().unwrap_or_default() };
    with_credentials(config.clone(), SharedCredentialsProvider::new(kept))
}

/// The same configuration for another region.
pub fn in_region(config: &SdkConfig, region: &Region) -> SdkConfig {
    config.clone().into_builder().region(aws_config::Region::new(region.to_string())).build()
}

/// Credentials that end sooner are asked for anew.
const ABOUT_TO_END: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
struct Kept {
    inner: SharedCredentialsProvider,
    last: Arc<tokio::sync::Mutex<Option<Credentials>>>,
    time: SharedTimeSource,
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let mut last = self.last.lock().await;
            let lasts = |it: &Credentials| it.expiry().is_none_or(|end| end > self.time.now() + ABOUT_TO_END);
            if let Some(kept) = last.as_ref().filter(|it| lasts(it)) {
                return Ok(kept.clone());
            }
            let found = self.inner.provide_credentials().await?;
            *last = Some(found.clone());
            Ok(found)
        })
    }
}

#[derive(Debug)]
struct InConfidence {
    inner: SharedCredentialsProvider,
    secrets: Secrets,
}

impl ProvideCredentials for InConfidence {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let found = self.inner.provide_credentials().await?;
            self.secrets.learn(found.secret_access_key());
            found.session_token().into_iter().for_each(|token| self.secrets.learn(token));
            Ok(found)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

fn loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(25))
        .operation_attempt_timeout(Duration::from_secs(30))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(20)).build(),
        )
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_IN_CALL).build())
        .http_client(SharedHttpClient::new(ByScheme::default()))
}

/// A context all of whose services are at this address, for tests.
#[cfg(test)]
pub(crate) fn cx_at(url: &str) -> AwsCx {
    let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "a-secret-of-a-test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .retry_config(RetryConfig::disabled())
        .http_client(SharedHttpClient::new(ByScheme::default()))
        .endpoint_url(url)
        .build();
    AwsCx::new(&config, Region("us-east-1".to_owned()))
}

fn dotenv_keys(dotenv: &BTreeMap<String, String>) -> Option<Credentials> {
    let (id, secret) = (dotenv.get("AWS_ACCESS_KEY_ID")?, dotenv.get("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(id, secret, dotenv.get("AWS_SESSION_TOKEN").cloned(), None, "dotenv"))
}

/// The partition of a region, by its prefix as AWS publishes them.
pub fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("eusc-") => "aws-eusc",
        r if r.starts_with("us-iso-") => "aws-iso",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        r if r.starts_with("eu-isoe-") => "aws-iso-e",
        r if r.starts_with("us-isof-") => "aws-iso-f",
        _ => "aws",
    }
}

/// The domain of a partition's endpoints.
pub fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    }
}

/// Who a caller's ARN speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user.
    User(String),
    /// A session of a role; the role's path is not in the ARN.
    Session {
        /// The role's name.
        role: String,
    },
    /// Root, federation: nothing an access entry could be for.
    Other,
}

impl Principal {
    /// Reads the ARN that STS gives.
    pub fn of(arn: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", _, "iam", _, _, resource] if resource.starts_with("user/") => Self::User(arn.to_owned()),
            ["arn", _, "sts", _, _, resource] => match resource.split('/').collect::<Vec<_>>()[..] {
                ["assumed-role", role, _] => Self::Session { role: role.to_owned() },
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Whether an operation changes anything, by its name. DryRun is not used anywhere.
pub fn is_mutating(operation: &str) -> bool {
    !["Describe", "Get", "List", "Simulate", "AssumeRole"].iter().any(|read| operation.starts_with(read))
}

/// Counts mutating operations as they go out on the wire.
#[derive(Debug, Clone)]
struct CountCalls {
    counter: Arc<AtomicU64>,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "kubewright-count-calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = config.load::<Metadata>() {
            let mutating = is_mutating(call.name());
            if mutating {
                self.counter.fetch_add(1, Ordering::Relaxed);
            }
            tracing::debug!(service = call.service(), operation = call.name(), mutating, "aws call");
        }
        Ok(())
    }
}

/// Plain HTTP for `http://` endpoints, TLS for the rest, made when first needed: reading the machine's root
/// certificates costs milliseconds that the credential plugin does not have. TLS goes through the proxy that
/// `HTTPS_PROXY` and `NO_PROXY` name, as with the vendor's other tools; the SDK itself would ignore them.
#[derive(Debug, Clone)]
struct ByScheme {
    plain: SharedHttpClient,
    tls: Arc<LazyLock<SharedHttpClient>>,
}

impl Default for ByScheme {
    fn default() -> Self {
        Self {
            plain: HttpBuilder::new().build_http(),
            tls: Arc::new(LazyLock::new(|| {
                HttpBuilder::new().build_with_connector_fn(|settings, components| {
                    let mut connector = Connector::builder();
                    connector.set_connector_settings(settings.cloned());
                    if let Some(components) = components {
                        connector.set_sleep_impl(components.sleep_impl());
                    }
                    connector
                        .proxy_config(ProxyConfig::from_env())
                        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
                        .build()
                })
            })),
        }
    }
}

impl HttpClient for ByScheme {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(ByScheme1 {
            client: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

#[derive(Debug)]
struct ByScheme1 {
    client: ByScheme,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for ByScheme1 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = if request.uri().starts_with("http://") { &self.client.plain } else { &**self.client.tls };
        client.http_connector(&self.settings, &self.components).call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_told_from_writes_by_name() {
        for read in ["DescribeVpcs", "GetCallerIdentity", "ListClusters", "SimulatePrincipalPolicy", "AssumeRole"] {
            assert!(!is_mutating(read), "{read}");
        }
        for write in [
            "CreateVpc",
            "AllocateAddress",
            "TagResource",
            "ModifyVpcAttribute",
            "AssociateRouteTable",
            "PutRolePolicy",
        ] {
            assert!(is_mutating(write), "{write}");
        }
    }

    #[test]
    fn callers_are_read_from_their_arn() {
        let session = Principal::of("arn:aws:sts::123456789012:assumed-role/Deploy/ci");
        assert_eq!(session, Principal::Session { role: "Deploy".to_owned() });
        let user = "arn:aws:iam::123456789012:user/team/ann";
        assert_eq!(Principal::of(user), Principal::User(user.to_owned()));
        for other in ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:federated-user/x", "", "nonsense"] {
            assert_eq!(Principal::of(other), Principal::Other, "{other}");
        }
    }

    #[test]
    fn partitions_follow_the_region() {
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("eu-central-1"), "aws");
    }
}
