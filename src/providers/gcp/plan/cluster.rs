//! The cluster's steps: control plane with its first pool, the other pools, who gets in.

use super::{ADMIN_ROLE, Account, Build, CLUSTER, Net, anchor, container, refuse, timing};
use crate::engine::{Identity, Input, StepError, StepId};
use crate::model::spec::{ReleaseChannel, ResolvedPool};
use crate::model::{Cloud, PriceKey, Unit, Usage};
use crate::providers::gcp::labels::Anchor;
use crate::providers::gcp::steps::{self, Pool};
use crate::providers::gcp::{instances, layout, names};
use std::collections::BTreeSet;

impl Build<'_> {
    /// The control plane; which pool is made with it, comes back.
    pub(super) fn control_plane(&mut self, net: &Net, account: &Account) -> Result<Option<usize>, StepError> {
        let first = if self.gcp.autopilot { None } else { Some(self.first_pool()?) };
        let name = names::cluster(self.stack);
        let pool = first.map(|at| self.pool(&self.spec.node_pools[at], net, account));
        let params = steps::Cluster {
            name: name.clone(),
            description: self.sentence("control plane"),
            location: self.gcp.location.clone(),
            zones: self.spec.network.zones.clone(),
            channel: self.gcp.release_channel,
            version: self.gcp.initial_version.clone(),
            network: net.network.clone(),
            subnetwork: net.subnetwork.clone(),
            pods: net.pods.clone(),
            services: net.services.clone(),
            private_nodes: net.private,
            api_allow: self.spec.network.api_allow.clone(),
            workload_pool: format!("{}.svc.id.goog", self.spec.account),
            addons: self.gcp.addons.clone(),
            pool,
            autopilot: self.gcp.autopilot.then(|| (account.address.clone(), self.gcp.oauth_scopes.clone())),
            extra_tags: anchor(self.spec, Anchor::Cluster),
        };
        let zonal = self.spec.network.zones.contains(&self.gcp.location);
        let timing = if zonal { timing(300, 420, 2700, 240, 2400) } else { timing(420, 660, 2700, 300, 2400) };
        let mut needs = net.ready.clone();
        needs.extend_from_slice(&account.ready);
        needs.push(self.service("container"));
        self.steps.add(CLUSTER, steps::cluster::KIND, &params, Identity::Name { name }, container(timing), needs);
        let fee = Usage::fixed(self.steps.component("gke-cluster"), Unit::Hour, 1.0);
        self.steps.bill([fee]);
        if let Some(at) = first {
            let usage = self.pool_usage(&self.spec.node_pools[at], net.private);
            self.steps.bill(usage);
        }
        Ok(first)
    }

    /// The pool that is least likely to fail: a cluster does not come up without it.
    fn first_pool(&self) -> Result<usize, StepError> {
        let pools = &self.spec.node_pools;
        let with_nodes = || pools.iter().enumerate().filter(|(_, pool)| pool.count > 0);
        let plain = with_nodes().find(|(_, pool)| pool.gpu.is_none() && !pool.spot);
        let found = plain.or_else(|| with_nodes().find(|(_, pool)| pool.gpu.is_none())).or_else(|| with_nodes().next());
        found.map(|(at, _)| at).ok_or_else(|| {
            refuse("a GKE cluster begins with a node: give one pool `count: 1`, or `gcp.autopilot: true`")
        })
    }

    pub(super) fn pools(&mut self, net: &Net, account: &Account, first: Option<usize>) {
        let mut before: Vec<StepId> = Vec::new();
        let rest: Vec<&ResolvedPool> = match first {
            Some(first) => {
                let others = self.spec.node_pools.iter().enumerate().filter(|(at, _)| *at != first);
                others.map(|(_, pool)| pool).collect()
            }
            None => Vec::new(),
        };
        for pool in rest {
            let params = steps::NodePool {
                cluster: steps::cluster::NAME.of(CLUSTER),
                location: self.gcp.location.clone(),
                pool: self.pool(pool, net, account),
            };
            let identity = Identity::Child { parent: CLUSTER.into(), key: pool.name.clone() };
            let habits = container(timing(90, 180, 2700, 150, 2400));
            let id = format!("nodes/pool/{}", pool.name);
            before = vec![self.steps.add(id.as_str(), steps::node_pool::KIND, &params, identity, habits, before)];
            let usage = self.pool_usage(pool, net.private);
            self.steps.bill(usage);
        }
    }

    fn pool(&self, pool: &ResolvedPool, net: &Net, account: &Account) -> Pool {
        let all = &self.spec.network.zones;
        let share = |zones: &[String]| pool.count / u32::try_from(zones.len().max(1)).unwrap_or(u32::MAX);
        let even = |zones: &[String]| share(zones) * u32::try_from(zones.len()).unwrap_or(0) == pool.count;
        // Counts are totals: what cannot be shared out evenly stands in fewer zones.
        let wide = layout::pool_zones(all, pool.count, pool.scales());
        let zones = if even(wide) { wide } else { layout::pool_zones(all, pool.count, false) };
        let accelerator =
            pool.gpu.as_ref().and_then(|(gpu, count)| Some((instances::accelerator_type(gpu)?.to_owned(), *count)));
        Pool {
            name: pool.name.clone(),
            machine_type: pool.instance_type.clone(),
            disk_type: instances::disk_type(&pool.instance_type).to_owned(),
            disk_gib: pool.disk_gib,
            spot: pool.spot,
            account: account.address.clone(),
            scopes: self.gcp.oauth_scopes.clone(),
            zones: zones.to_vec(),
            nodes_per_zone: share(zones),
            bounds: pool.scales().then_some((pool.min, pool.max)),
            accelerator,
            labels: pool.labels.clone(),
            taints: pool.taints.clone(),
            private: net.private,
            upgraded: self.gcp.release_channel != ReleaseChannel::None,
        }
    }

    fn pool_usage(&self, pool: &ResolvedPool, private: bool) -> Vec<Usage> {
        let scaled = |key: PriceKey, unit: Unit, each: f64| Usage {
            key,
            unit,
            min: f64::from(pool.min) * each,
            desired: f64::from(pool.count) * each,
            max: f64::from(pool.max) * each,
        };
        let machine = PriceKey::Instance {
            cloud: Cloud::Gcp,
            region: self.spec.region.clone(),
            instance_type: pool.billed_type.as_ref().unwrap_or(&pool.instance_type).clone(),
            spot: pool.spot,
        };
        let disk = self.steps.component(instances::disk_type(&pool.instance_type));
        let mut usage = vec![scaled(machine, Unit::Hour, 1.0), scaled(disk, Unit::GbMonth, f64::from(pool.disk_gib))];
        if let Some((gpu, count)) = pool.gpu.as_ref().filter(|_| instances::takes_gpus(&pool.instance_type))
            && let Some(name) = instances::gpu_component(gpu, pool.spot)
        {
            usage.push(scaled(self.steps.component(&name), Unit::Hour, f64::from(*count)));
        }
        if !private {
            usage.push(scaled(self.steps.component("ip-vm"), Unit::Hour, 1.0));
        }
        usage
    }

    /// Who else gets in: a role in the project, under a condition whose title says that it is ours.
    pub(super) fn admins(&mut self) {
        let title = steps::role_binding::title(self.stack);
        let mut taken = BTreeSet::new();
        // One after another: all of them write the same policy.
        let mut needs = vec![self.service("cloudresourcemanager"), StepId::new(CLUSTER)];
        for admin in self.spec.admins.clone() {
            let member = member(&admin);
            let id = format!("access/{}", unique(&mut taken, slug(&member)));
            let given = Input::Given(member.clone());
            needs = vec![self.binding(&id, ADMIN_ROLE, given, &member, Some(title.clone()), needs)];
        }
    }
}

/// A whole member for an address: robots have theirs, whoever else is a person.
fn member(admin: &str) -> String {
    if admin.contains(':') {
        admin.to_owned()
    } else if admin.ends_with(".gserviceaccount.com") {
        format!("serviceAccount:{admin}")
    } else {
        format!("user:{admin}")
    }
}

/// A member as a step id: `user-ana`.
fn slug(member: &str) -> String {
    let before = member.split('@').next().unwrap_or(member);
    let clean: String =
        before.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    clean.trim_matches('-').chars().take(60).collect()
}

fn unique(taken: &mut BTreeSet<String>, wanted: String) -> String {
    let wanted = if wanted.is_empty() { "member".to_owned() } else { wanted };
    let free = std::iter::once(wanted.clone()).chain((2..).map(|n| format!("{wanted}-{n}")));
    let found = free.into_iter().find(|id| !taken.contains(id)).expect("the numbers do not end");
    taken.insert(found.clone());
    found
}
