//! The provider: how the rest of kubewright sees this cloud.

use super::backend::GcpBackend;
use super::client::GcpCx;
use super::labels::{self, LABEL_SPEC};
use super::zones::region_of;
use super::{clusters, gcloud, names, offers, plan, preflight, project, resolve, retag, survey, token};
use crate::engine::{Backend, Clock, Owned, Plan, PlannedStep, StepError};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Stack};
use crate::providers::patience::patient;
use crate::providers::{
    Check, CloudCluster, ClusterToken, Identity, Offers, OpenOptions, Provider, StackSeen, Survey, VolumeFate,
};
use async_trait::async_trait;
use std::{collections::BTreeMap, sync::Arc};

/// The label on every node of a pool.
const POOL_LABEL: &str = "cloud.google.com/gke-nodepool";

/// GKE in one project and region.
pub struct Gcp {
    cx: Arc<GcpCx>,
    clock: Arc<dyn Clock>,
    wall: Arc<dyn Clock>,
}

impl Gcp {
    /// Chooses credentials, project and region; makes no call. None when nothing names a region.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn open(options: &OpenOptions) -> Result<Option<Self>, StepError> {
        let Some(region) = region(options) else { return Ok(None) };
        let cx = Arc::new(GcpCx::open(options, region)?);
        Ok(Some(Self { cx, clock: Arc::clone(&options.clock), wall: Arc::clone(&options.wall) }))
    }
}

/// The region that is named, else the one that gcloud works in, else that of its zone.
fn region(options: &OpenOptions) -> Option<Region> {
    let settings = || gcloud::settings(&options.vars, &options.read_file);
    let of_gcloud = |it: gcloud::Config| it.region.or_else(|| it.zone.map(|zone| region_of(&zone).to_owned()));
    options.region.clone().or_else(|| of_gcloud(settings()).map(Region))
}

#[async_trait]
impl Provider for Gcp {
    fn cloud(&self) -> Cloud {
        Cloud::Gcp
    }

    fn region(&self) -> &Region {
        &self.cx.region
    }

    async fn whoami(&self) -> Result<Identity, StepError> {
        let found = patient(&*self.clock, || project::read(&self.cx)).await?;
        let tokens = self.cx.tokens();
        let principal = tokens.principal().unwrap_or("the signed-in user").to_owned();
        // What ends is made anew by its source; a token that was handed to us says nothing of its end.
        Ok(Identity { account: found.project_id, principal, source: tokens.words().to_owned(), expires_at: None })
    }

    async fn resolve(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::resolve(&self.cx, &*self.clock, spec, who).await
    }

    async fn offers(&self) -> Result<Offers, StepError> {
        offers::live(&self.cx, &*self.clock).await
    }

    fn guess(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::guess(&self.cx.region, &*self.clock, spec, who)
    }

    fn plan(&self, spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
        plan::plan(spec, stack, tags)
    }

    async fn preflight(&self, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
        preflight::preflight(&self.cx, &*self.clock, plan, fresh).await
    }

    fn backend_for(&self, volumes: VolumeFate) -> Arc<dyn Backend> {
        Arc::new(GcpBackend::new(&self.cx, Arc::clone(&self.clock), volumes))
    }

    async fn stacks(&self, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
        clusters::stacks(&self.cx, &*self.clock, name).await
    }

    async fn accounts(&self) -> Result<Vec<String>, StepError> {
        survey::projects(&self.cx, &*self.clock).await
    }

    async fn regions(&self) -> Result<Vec<Region>, StepError> {
        survey::regions(&self.cx, &*self.clock).await
    }

    fn elsewhere(&self, region: &Region) -> Arc<dyn Provider> {
        let cx = Arc::new(self.cx.in_region(region.clone()));
        Arc::new(Self { cx, clock: Arc::clone(&self.clock), wall: Arc::clone(&self.wall) })
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

    fn retags(&self, kind: &str) -> bool {
        retag::changes(kind)
    }

    fn anchor_tags(&self, spec: &ResolvedSpec) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL_SPEC.to_owned(), labels::digest(spec))])
    }

    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError> {
        patient(&*self.clock, || clusters::cluster(&self.cx, name)).await
    }

    fn cluster_name(&self, stack: &Stack) -> String {
        names::cluster(stack)
    }

    fn pool_label(&self) -> &'static str {
        POOL_LABEL
    }

    fn balancer_finalizers(&self) -> &'static [&'static str] {
        &super::way_in::BALANCER_FINALIZERS
    }

    async fn token(&self, _: &str) -> Result<ClusterToken, StepError> {
        patient(&*self.clock, || token::token(&self.cx, &*self.wall)).await
    }
}
