//! The clouds' clients, made from flags and variables.

use super::Env;
use crate::engine::AuthGate;
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
}

impl Env {
    /// Opens a cloud; none when no region could be found.
    pub async fn open_provider(&self, choice: &ProviderChoice) -> Result<Option<Arc<dyn Provider>>, CliError> {
        let profile = self.vars.layers.profile_that_counts(self.settings.profile.as_deref());
        let options = OpenOptions {
            region: choice.region.clone(),
            role_arn: self.settings.role_arn.clone(),
            dotenv: self.vars.layers.dotenv_of(choice.cloud, profile.is_some()),
            profile,
            clock: Arc::clone(&self.clock),
            secrets: self.ui.secrets().clone(),
        };
        Ok(providers::open(choice.cloud, options).await?)
    }

    /// Whether AWS credentials are in sight, without trying them.
    pub fn has_aws_credentials(&self) -> bool {
        let set = |name: &str| self.vars.all.get(name).is_some_and(|value| !value.is_empty());
        let file = |name: &str| {
            self.vars.all.get("HOME").is_some_and(|home| std::path::Path::new(home).join(".aws").join(name).exists())
        };
        set("AWS_ACCESS_KEY_ID")
            || set("AWS_PROFILE")
            || set("AWS_WEB_IDENTITY_TOKEN_FILE")
            || file("credentials")
            || file("config")
    }

    /// At a terminal a run waits for credentials to come back; elsewhere it ends.
    pub fn auth_gate(&self, provider: &Arc<dyn Provider>) -> Option<Arc<dyn AuthGate>> {
        self.ui.options().can_ask.then(|| Arc::new(Gate(Arc::clone(provider))) as Arc<dyn AuthGate>)
    }
}

struct Gate(Arc<dyn Provider>);

#[async_trait]
impl AuthGate for Gate {
    async fn is_open(&self) -> bool {
        self.0.whoami().await.is_ok()
    }
}
