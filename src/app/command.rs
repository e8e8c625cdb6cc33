//! Commands to paste: what the user would type to go on or to take it down.

use crate::env::Env;
use crate::model::doc::Commands;
use crate::model::{Cloud, ClusterName, Region};
use crate::providers::Provider;

/// Where a stack is, as far as a command must say it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: ClusterName,
    pub(super) cloud: Cloud,
    pub(super) region: Region,
    pub(super) sandbox: bool,
    pub(super) yes: bool,
}

impl Place {
    /// Where `name` is, once its cloud is open.
    pub(super) fn of(env: &Env, name: &ClusterName, provider: &dyn Provider) -> Self {
        Self {
            name: name.clone(),
            cloud: provider.cloud(),
            region: provider.region().clone(),
            sandbox: env.sandbox,
            yes: env.settings.yes,
        }
    }

    fn program(&self) -> &'static str {
        if self.sandbox { "kubewright --sandbox" } else { "kubewright" }
    }

    /// Both ways on. With a journal the name is enough.
    pub(super) fn commands(&self) -> Commands {
        let yes = if self.yes { " --yes" } else { "" };
        Commands {
            resume: format!("{} provision {}{yes}", self.program(), self.name),
            destroy: format!("{} destroy {name} --confirm {name}", self.program(), name = self.name),
        }
    }

    /// Rebuilds the journal.
    pub(super) fn recover(&self) -> String {
        format!("{} recover {} --provider {} --region {}", self.program(), self.name, self.cloud, self.region)
    }

    /// Removes it where there is no journal to go by.
    pub(super) fn from_tags(&self) -> String {
        let Self { name, cloud, region, .. } = self;
        format!("{} destroy {name} --from-tags --confirm {name} --provider {cloud} --region {region}", self.program())
    }

    /// Any other verb about it.
    pub(super) fn verb(&self, rest: &str) -> String {
        format!("{} {rest}", self.program())
    }
}
