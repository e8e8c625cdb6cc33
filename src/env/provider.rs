//! The clouds' clients, made from flags and variables.

use super::Env;
use crate::engine::AuthGate;
use crate::engine::{ErrorClass, StepError};
use crate::error::CliError;
use crate::model::{Cloud, Region};
use crate::providers::{self, OpenOptions, Provider};
use async_trait::async_trait;
use std::sync::Arc;

/// Which cloud to open, and where.
#[derive(Debug, Clone)]
pub struct ProviderChoice {
    /// The cloud.
    pub cloud: Cloud,
    /// The region; none means the provider's own configuration says.
    pub region: Option<Region>,
    /// The project or subscription that a journal knows: beats variables, but not a flag.
    pub account: Option<String>,
}

impl Env {
    /// Opens a cloud; none when no region could be found.
    pub async fn open_provider(&self, choice: &ProviderChoice) -> Result<Option<Arc<dyn Provider>>, CliError> {
        Ok(providers::open(choice.cloud, self.open_options(choice)).await?)
    }

    /// How a cloud would be opened.
    pub fn open_options(&self, choice: &ProviderChoice) -> OpenOptions {
        let profile = self.vars.layers.profile_that_counts(self.settings.profile.as_deref());
        let dotenv = self.vars.layers.dotenv_of(choice.cloud, profile.is_some());
        let mut vars = dotenv.clone();
        vars.extend(self.vars.layers.environment().clone());
        let account = self.settings.account_at(choice.cloud, choice.account.as_deref()).map(str::to_owned);
        OpenOptions {
            region: choice.region.clone(),
            role_arn: self.settings.role_arn.clone(),
            account,
            dotenv,
            vars,
            http: Arc::new(http_client),
            read_file: Arc::new(|path| {
                crate::store::read_text_if_there(path, CREDENTIALS_LIMIT).map_err(|error| error.message)
            }),
            profile,
            clock: Arc::clone(&self.clock),
            wall: Arc::clone(&self.wall),
            secrets: self.ui.secrets().clone(),
        }
    }

    /// Whether credentials of a cloud are in sight, without trying them.
    pub fn has_credentials(&self, cloud: Cloud) -> bool {
        providers::credentials_in_sight(cloud, &self.vars.all, &|file| file.exists())
    }

    /// At a terminal a run waits for credentials to come back; elsewhere it ends.
    pub fn auth_gate(&self, provider: &Arc<dyn Provider>) -> Option<Arc<dyn AuthGate>> {
        self.ui.options().can_ask.then(|| Arc::new(Gate(Arc::clone(provider))) as Arc<dyn AuthGate>)
    }
}

/// Longest file of credentials that is read.
const CREDENTIALS_LIMIT: u64 = 1 << 20;

/// The client of clouds that are spoken to in plain REST. Redirects are no answer of theirs; only the engine retries.
fn http_client() -> Result<reqwest::Client, StepError> {
    reqwest::Client::builder()
        .user_agent(concat!("kubewright/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(std::time::Duration::from_secs(5))
        .timeout(std::time::Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|cause| StepError::new(ErrorClass::Permanent, "KW-BUG", format!("no HTTP client: {cause}")))
}

struct Gate(Arc<dyn Provider>);

#[async_trait]
impl AuthGate for Gate {
    async fn is_open(&self) -> bool {
        self.0.whoami().await.is_ok()
    }
}
