//! The provider and its backend: how the rest of kubewright sees this cloud.

use super::client::{self, AwsCx, AwsOptions};
use super::{
    clusters, error, kinds, leftovers, manifests, offers, plan, preflight, resolve, retag, stages, survey, sweep, tags,
    token,
};
use crate::engine::{
    AnyStep, Backend, Clock, Leftover, Observed, Owned, Plan, PlannedStep, RateLimit, StepError, StepId, SweepPoint,
    Swept,
};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Stack};
use crate::providers::device_plugin;
use crate::providers::patience::patient;
use crate::providers::{
    Check, CloudCluster, ClusterToken, Identity, Offers, PodsAt, Provider, StackSeen, Survey, VolumeFate,
};
use async_trait::async_trait;
use aws_types::SdkConfig;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// EKS in one account and region.
pub struct Aws {
    cx: Arc<AwsCx>,
    clock: Arc<dyn Clock>,
    options: AwsOptions,
    /// The same configuration, for other regions.
    wide: SdkConfig,
}

impl Aws {
    /// Loads the configuration; makes no call unless the credentials ask for one. None when nothing names a region.
    pub async fn open(options: AwsOptions, clock: Arc<dyn Clock>) -> Option<Self> {
        let (config, region) = client::load(&options).await?;
        let wide = client::with_kept_credentials(&config);
        Some(Self { cx: Arc::new(AwsCx::new(&config, region)), clock, options, wide })
    }

    /// Where the credentials come from, in the user's words.
    fn source(&self) -> String {
        let dotenv = &self.options.dotenv;
        let base = match (&self.options.profile, dotenv.contains_key("AWS_ACCESS_KEY_ID"), dotenv.get("AWS_PROFILE")) {
            (Some(profile), ..) => format!("profile {profile}"),
            (None, true, _) => "keys of the .env file".to_owned(),
            (None, false, Some(profile)) => format!("profile {profile}, which the .env file names"),
            (None, false, None) => "default credential chain".to_owned(),
        };
        match &self.options.role_arn {
            Some(role) => format!("{role} through {base}"),
            None => base,
        }
    }
}

#[async_trait]
impl Provider for Aws {
    fn cloud(&self) -> Cloud {
        Cloud::Aws
    }

    fn region(&self) -> &Region {
        &self.cx.region
    }

    async fn whoami(&self) -> Result<Identity, StepError> {
        let credentials = self.cx.credentials().await?;
        let read = || async {
            let call = self.cx.sts.get_caller_identity().send().await;
            call.map_err(|err| error::fail("sts:GetCallerIdentity", "who we are", err))
        };
        let who = patient(&*self.clock, read).await?;
        let account = who.account().unwrap_or_default().to_owned();
        self.cx.set_account(&account);
        let expires_at = credentials.expiry().and_then(|end| Timestamp::try_from(end).ok());
        Ok(Identity { account, principal: who.arn().unwrap_or_default().to_owned(), source: self.source(), expires_at })
    }

    async fn resolve(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::resolve(&self.cx, &*self.clock, spec, who).await
    }

    async fn offers(&self) -> Result<Offers, StepError> {
        offers::live(&self.cx, &*self.clock).await
    }

    fn guess(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::guess(&self.cx, &*self.clock, spec, who)
    }

    fn plan(&self, spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
        plan::plan(spec, stack, tags)
    }

    async fn preflight(&self, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
        preflight::preflight(&self.cx, &*self.clock, plan, fresh).await
    }

    fn backend_for(&self, volumes: VolumeFate) -> Arc<dyn Backend> {
        Arc::new(AwsBackend { cx: Arc::clone(&self.cx), clock: Arc::clone(&self.clock), volumes })
    }

    async fn stacks(&self, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
        clusters::stacks(&self.cx, &*self.clock, name).await
    }

    async fn regions(&self) -> Result<Vec<Region>, StepError> {
        survey::regions(&self.cx, &*self.clock).await
    }

    fn elsewhere(&self, region: &Region) -> Arc<dyn Provider> {
        let config = client::in_region(&self.wide, region);
        let cx = AwsCx::new(&config, region.clone());
        if let Some(account) = self.cx.account() {
            cx.set_account(account);
        }
        let (clock, options, wide) = (Arc::clone(&self.clock), self.options.clone(), self.wide.clone());
        Arc::new(Self { cx: Arc::new(cx), clock, options, wide })
    }

    async fn survey(&self) -> Result<Survey, StepError> {
        survey::survey(&self.cx, &*self.clock).await
    }

    async fn traces(&self) -> Result<Vec<(Region, StackSeen)>, StepError> {
        survey::traces(&self.cx, &*self.clock).await
    }

    async fn retag(&self, stack: &Stack, owned: &[Owned], tags: &BTreeMap<String, String>) -> Result<(), StepError> {
        patient(&*self.clock, || retag::retag(&self.cx, stack, owned, tags)).await
    }

    fn anchor_tags(&self, spec: &ResolvedSpec) -> BTreeMap<String, String> {
        tags::spec_chunks(spec).unwrap_or_else(tags::no_spec)
    }

    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError> {
        patient(&*self.clock, || clusters::cluster(&self.cx, name)).await
    }

    fn cluster_name(&self, stack: &Stack) -> String {
        plan::cluster_name(stack)
    }

    fn pool_label(&self) -> &'static str {
        manifests::GROUP_LABEL
    }

    fn balancer_finalizers(&self) -> &'static [&'static str] {
        &super::in_cluster::BALANCER_FINALIZERS
    }

    fn device_plugin(&self) -> Option<PodsAt> {
        Some(device_plugin::PODS)
    }

    async fn token(&self, cluster: &str) -> Result<ClusterToken, StepError> {
        token::token(&self.cx, cluster).await
    }
}

/// The engine's view of one account and region.
struct AwsBackend {
    cx: Arc<AwsCx>,
    clock: Arc<dyn Clock>,
    volumes: VolumeFate,
}

#[async_trait]
impl Backend for AwsBackend {
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        kinds::step(&self.cx, planned)
    }

    async fn sweep(&self, stack: &Stack) -> Result<Vec<Swept>, StepError> {
        sweep::sweep(&self.cx, &*self.clock, stack).await
    }

    async fn leftovers(&self, stage: &str, stack: &Stack, known: &[Observed]) -> Result<Vec<Leftover>, StepError> {
        let look = leftovers::Look { stack, known, volumes: self.volumes };
        leftovers::leftovers(&self.cx, &*self.clock, stage, look).await
    }

    fn sweep_points(&self, swept: &[Swept]) -> Vec<SweepPoint> {
        let found: Vec<(StepId, &str)> = swept.iter().map(|it| (it.step.id.clone(), it.step.kind.as_str())).collect();
        stages::points(&found)
    }

    /// Well below what AWS publishes for new accounts, so that others in the account get their share: EC2 refills 20
    /// reads and 5 writes a second per action, EKS and IAM take about 10 a second in all.
    fn limit(&self, service: &str) -> RateLimit {
        match service {
            "ec2" => RateLimit { per_second: 12.0, burst: 40 },
            "iam" => RateLimit { per_second: 8.0, burst: 20 },
            "elb" | "elbv2" => RateLimit { per_second: 6.0, burst: 15 },
            _ => RateLimit { per_second: 5.0, burst: 15 },
        }
    }

    fn mutating_calls(&self) -> u64 {
        self.cx.mutating_calls()
    }
}
