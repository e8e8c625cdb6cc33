//! The cluster's steps: control plane, access, node pools, what pools need inside.

use super::{Build, CLUSTER, GROUP, Net, arm, cluster_id, cluster_name, timing};
use crate::engine::{Identity, Input, StepId};
use crate::k8s::manifest::called;
use crate::model::spec::{AksOutbound, AksTier, ResolvedPool, Taint, TaintEffect};
use crate::model::{Cloud, PriceKey, ResolvedSpec, Unit, Usage};
use crate::providers::azure::names::POOL_LABEL;
use crate::providers::azure::refs::{ArmId, PrincipalId};
use crate::providers::azure::steps::{
    self, PoolParams, agent_pool,
    cluster::{self, KIND},
    role_assignment::{self, CLUSTER_ADMIN},
};
use crate::providers::azure::{instances, names, ranges};
use crate::providers::cluster_object::{ClusterObject, kind_of};
use crate::providers::device_plugin::{self, on_nodes};
use std::collections::BTreeMap;

/// The place of the pool that takes AKS's own pods: the first without GPUs that always has a node, on demand, large
/// enough, that pods without tolerations may use; else the first with.
pub fn system_pool(spec: &ResolvedSpec) -> Option<usize> {
    let fits = |pool: &ResolvedPool| {
        let size = instances::from_catalogue(&pool.instance_type);
        let room = size.is_none_or(|size| size.unfit_for_system().is_none());
        pool.holds_the_autoscaler() && !pool.spot && room
    };
    let place = |with_gpu: bool| spec.node_pools.iter().position(|pool| fits(pool) && pool.gpu.is_some() == with_gpu);
    place(false).or_else(|| place(true))
}

impl Build<'_> {
    fn pool_names(&self) -> BTreeMap<String, String> {
        names::pools(self.spec.node_pools.iter().map(|pool| pool.name.as_str()))
    }

    fn pool_params(&self, pool: &ResolvedPool) -> PoolParams {
        PoolParams {
            name: self.pool_names()[&pool.name].clone(),
            vm_size: pool.instance_type.clone(),
            disk_gib: pool.disk_gib,
            count: pool.count,
            min: pool.min,
            max: pool.max,
            spot: pool.spot,
            gpu: pool.gpu.is_some(),
            version: self.spec.version.clone(),
            zones: self.spec.network.zones.clone(),
            labels: pool.labels.clone(),
            taints: pool.taints.clone(),
        }
    }

    pub(super) fn control_plane(&mut self, net: &Net, identity: Input<ArmId>, role: Option<StepId>, system: usize) {
        let open = self.spec.network.api_allow.iter().any(|range| range.prefix_len() == 0);
        let api_allow = if open { Vec::new() } else { self.spec.network.api_allow.clone() };
        let first = &self.spec.node_pools[system];
        let params = steps::Cluster {
            id: cluster_id(&self.spec.account, self.stack),
            location: self.location(),
            node_group: names::node_group(self.stack),
            dns_prefix: names::dns_prefix(self.stack),
            version: self.spec.version.clone(),
            tier: self.azure.tier,
            identity,
            subnet: net.subnet.clone(),
            network: self.azure.network,
            pod_cidr: self.azure.pod_cidr,
            service_cidr: self.azure.service_cidr,
            dns_ip: ranges::dns_ip(&self.azure.service_cidr).unwrap_or_else(|| self.azure.service_cidr.addr()),
            outbound: self.azure.outbound,
            egress: net.egress.clone().filter(|_| !api_allow.is_empty()),
            api_allow,
            tenant: self.azure.tenant.clone(),
            azure_rbac: self.azure.azure_rbac,
            admin_groups: self.azure.admin_groups.clone(),
            local_accounts: self.azure.local_accounts,
            system_pool: self.pool_params(first),
        };
        let identity = Identity::Name { name: cluster_name(self.stack) };
        let habits = arm("containerservice", true, timing(270, 480, 2700, 300, 3600));
        let needs = role.into_iter().chain([StepId::new(GROUP)]).collect();
        self.steps.add(CLUSTER, KIND, &params, identity, habits, needs);
        let tier = match self.azure.tier {
            AksTier::Free => "aks-free",
            AksTier::Standard => "aks-standard",
            AksTier::Premium => "aks-premium",
        };
        let mut usage = vec![Usage::fixed(self.steps.component(tier), Unit::Hour, 1.0)];
        if self.azure.outbound == AksOutbound::LoadBalancer {
            // The cluster's own balancer stands from the start, with an address of its own.
            usage.push(Usage::fixed(self.steps.component("public-ip-standard-static"), Unit::Hour, 1.0));
        }
        usage.extend(self.pool_usage(&self.spec.node_pools[system]));
        self.steps.bill(usage);
    }

    /// Who gets in. What comes back is what has to stand before we do.
    pub(super) fn access(&mut self) -> Vec<StepId> {
        let mut ways_in = vec![StepId::new(CLUSTER)];
        if !self.azure.azure_rbac {
            return ways_in;
        }
        let caller = self.azure.admin.clone().map(|(object, kind)| ("admin".to_owned(), object, Some(kind)));
        let mut all: Vec<(String, String, Option<String>)> = caller.into_iter().collect();
        for object in &self.spec.admins {
            if !all.iter().any(|(_, known, _)| known.eq_ignore_ascii_case(object)) {
                all.push((object.to_ascii_lowercase(), object.clone(), None));
            }
        }
        for (at, (who, object, kind)) in all.into_iter().enumerate() {
            let step = StepId::new(format!("access/{who}"));
            let name = names::assignment(self.stack, &step);
            let params = steps::RoleAssignment {
                scope: cluster::ID.of(CLUSTER),
                name: name.clone(),
                role: CLUSTER_ADMIN.to_owned(),
                principal: Input::Given(PrincipalId(object)),
                principal_type: kind,
            };
            let identity = Identity::Child { parent: CLUSTER.into(), key: name };
            let habits = arm("authorization", false, timing(2, 20, 600, 2, 600));
            let made = self.steps.add(step, role_assignment::KIND, &params, identity, habits, vec![]);
            ways_in.extend((at == 0 && self.azure.admin.is_some()).then_some(made));
        }
        ways_in
    }

    /// The pools that are not made with the cluster, each behind the one before.
    pub(super) fn pools(&mut self, net: &Net, system: usize) {
        let spec = self.spec;
        let mut before = StepId::new(CLUSTER);
        for (_, pool) in spec.node_pools.iter().enumerate().filter(|(at, _)| *at != system) {
            let params = steps::AgentPool {
                cluster: cluster::ID.of(CLUSTER),
                subnet: net.subnet.clone(),
                pool: self.pool_params(pool),
            };
            let identity = Identity::Child { parent: CLUSTER.into(), key: params.pool.name.clone() };
            let habits = arm("containerservice", true, timing(150, 300, 2400, 150, 2400));
            let step = format!("nodes/pool/{}", pool.name);
            before = self.steps.add(step.as_str(), agent_pool::KIND, &params, identity, habits, vec![before]);
            let usage = self.pool_usage(pool);
            self.steps.bill(usage);
        }
    }

    fn pool_usage(&self, pool: &ResolvedPool) -> Vec<Usage> {
        let scaled = |key: PriceKey, unit: Unit, each: f64| Usage {
            key,
            unit,
            min: f64::from(pool.min) * each,
            desired: f64::from(pool.count) * each,
            max: f64::from(pool.max) * each,
        };
        let machine = PriceKey::Instance {
            cloud: Cloud::Azure,
            region: self.spec.region.clone(),
            instance_type: pool.instance_type.clone(),
            spot: pool.spot,
        };
        vec![
            scaled(machine, Unit::Hour, 1.0),
            scaled(self.steps.component(disk_component(pool.disk_gib)), Unit::Month, 1.0),
        ]
    }

    /// The device plugin, where a pool has GPUs: AKS installs the driver alone. It waits for no node: it is there when
    /// the first one comes.
    pub(super) fn device_plugin(&mut self, access: &[StepId]) {
        let pools: Vec<&ResolvedPool> = self.spec.node_pools.iter().filter(|pool| pool.gpu.is_some()).collect();
        if pools.is_empty() {
            return;
        }
        let names = self.pool_names();
        let values: Vec<String> = pools.iter().map(|pool| names[&pool.name].clone()).collect();
        let taints = pools.iter().flat_map(|pool| &pool.taints);
        let spot = pools.iter().any(|pool| pool.spot).then(spot_taint);
        let manifest = device_plugin::manifest(&on_nodes(POOL_LABEL, &values), taints.chain(&spot));
        let identity = Identity::Child { parent: CLUSTER.into(), key: called(&manifest) };
        let habits = arm("k8s", true, timing(3, 15, 900, 2, 300));
        let kind = kind_of(&manifest);
        let params = ClusterObject { cluster: cluster::PLAIN_ID.of(CLUSTER), manifest };
        self.steps.add("in-cluster/device-plugin", kind, &params, identity, habits, access.to_vec());
        self.steps.last().dies_with = Some(CLUSTER.into());
    }
}

/// What a managed disk is billed as: by tiers of size, whatever is used of it. P6 (64 GiB) is not in the price table; the
/// next one up stands in, so the price is never too low.
pub fn disk_component(gib: u32) -> &'static str {
    match gib {
        0..=32 => "disk-P4-32GiB",
        33..=128 => "disk-P10-128GiB",
        129..=256 => "disk-P15-256GiB",
        257..=512 => "disk-P20-512GiB",
        _ => "disk-P30-1TiB",
    }
}

/// What AKS puts on the nodes of spot pools, so that only who asks for them gets them.
fn spot_taint() -> Taint {
    Taint {
        key: "kubernetes.azure.com/scalesetpriority".to_owned(),
        value: Some("spot".to_owned()),
        effect: TaintEffect::NoSchedule,
    }
}
