//! `provision`: plan → preflight → price → ask → build → wait for nodes. Again on an unfinished stack: continue; on a
//! finished one: nothing to do.

mod prepare;
mod report;
mod run;

pub use super::money::Limits;
pub(super) use prepare::wished;
pub(super) use report::{host_and_port, something_stands};

use super::stacks;
use crate::config::spec::{self, SpecProblem};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::spec::Nat;
use crate::model::{Cloud, ClusterName, ClusterSpec};
use ipnet::Ipv4Net;
use std::{path::PathBuf, time::Duration};

/// What a finished provision waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Nodes are Ready.
    Nodes,
    /// The cloud's objects are.
    Cloud,
}

/// What happens to a failed build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays.
    Keep,
    /// It is removed again.
    Rollback,
}

/// Flags that overlay the cluster file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--ttl`.
    pub ttl: Option<Duration>,
    /// `--version`.
    pub version: Option<String>,
    /// `--nodes`.
    pub nodes: Option<u32>,
    /// `--node-type`.
    pub node_type: Option<String>,
    /// `--pool`.
    pub pools: Vec<String>,
    /// `--zones`.
    pub zones: Option<Vec<String>>,
    /// `--zone-count`.
    pub zone_count: Option<u8>,
    /// `--nat`.
    pub nat: Option<Nat>,
    /// `--network-cidr`.
    pub network_cidr: Option<Ipv4Net>,
    /// `--api-allow`.
    pub api_allow: Vec<Ipv4Net>,
    /// `--set`.
    pub set: Vec<String>,
}

impl Overrides {
    /// The spec that these flags ask for by themselves.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn spec(&self, cloud: Option<Cloud>) -> Result<ClusterSpec, Vec<SpecProblem>> {
        spec::load(None, &prepare::overlays(self), cloud)
    }

    /// The words of the command line that say the same.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([flag.to_owned(), value]);
            }
        };
        flag("--version", self.version.clone());
        flag("--zones", self.zones.as_ref().map(|zones| zones.join(",")));
        flag("--zone-count", self.zone_count.map(|count| count.to_string()));
        flag("--node-type", self.node_type.clone());
        flag("--nodes", self.nodes.map(|count| count.to_string()));
        flag("--nat", self.nat.map(|nat| nat.as_str().to_owned()));
        flag("--network-cidr", self.network_cidr.map(|cidr| cidr.to_string()));
        for range in &self.api_allow {
            flag("--api-allow", Some(range.to_string()));
        }
        flag("--ttl", self.ttl.map(|span| spec::write_span(span.as_secs())));
        for pool in &self.pools {
            flag("--pool", Some(pool.clone()));
        }
        for set in &self.set {
            flag("--set", Some(set.clone()));
        }
        words
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct ProvisionRequest {
    /// NAME.
    pub name: Option<ClusterName>,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// `--dry-run`.
    pub dry_run: bool,
    /// `--expect-plan`.
    pub expect_plan: Option<String>,
    /// `--beside`: clusters of the same file that may go on standing.
    pub beside: Vec<ClusterName>,
    /// Cost limits.
    pub limits: Limits,
    /// `--wait`.
    pub wait: WaitFor,
    /// `--on-failure`.
    pub on_failure: OnFailure,
    /// Flags that overlay the file.
    pub overrides: Overrides,
}

/// Runs the verb.
pub async fn run(env: &Env, request: ProvisionRequest) -> Result<Exit, CliError> {
    let wish = prepare::Wish::read(env, &request)?;
    stacks::take_turn(env, &wish.name, "provision").await?;
    let prepared = env.reading(prepare::prepare(env, &request, wish)).await?;
    run::decide(env, &request, prepared).await
}
