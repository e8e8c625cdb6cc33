//! The cluster's steps: control plane, access, add-ons, node pools.

use super::{
    AGENT_ADDON, Build, CLUSTER, EBS_CSI, Habits, Net, POD_IDENTITY_AGENT, Roles, cluster_name, ec2, eks, timing,
};
use crate::engine::{Creation, Identity, Input, StepId};
use crate::model::spec::ResolvedPool;
use crate::model::{Cloud, PriceKey, Unit, Usage};
use crate::providers::aws::client::partition;
use crate::providers::aws::manifests::ACCELERATOR;
use crate::providers::aws::names::LAUNCH_TEMPLATE_MAX;
use crate::providers::aws::steps::{
    self,
    refs::{EksName, RoleArn},
};
use std::collections::{BTreeMap, BTreeSet};

impl Build<'_> {
    pub(super) fn control_plane(&mut self, roles: &Roles, net: &Net, needs: Vec<StepId>) {
        let name = cluster_name(self.stack);
        let has = |wanted: &str| self.aws.addons.iter().any(|addon| addon == wanted);
        let params = steps::Cluster {
            name: EksName(name.clone()),
            version: self.spec.version.clone(),
            role: roles.cluster.clone(),
            subnets: net.control.clone(),
            security_groups: vec![net.group.clone()],
            public_access_cidrs: self.spec.network.api_allow.clone(),
            private_access: true,
            logs: Vec::new(),
            // An entry of our own is better: it goes with the stack and shows in the plan. Both at once collide.
            creator_is_admin: self.aws.admin_principal_arn.is_none(),
            self_managed_addons: !(has("vpc-cni") && has("kube-proxy") && has("coredns")),
            extra_tags: self.anchor.clone(),
        };
        let habits = eks(Creation::Token, true, timing(540, 840, 2700, 300, 2400));
        self.steps.add(CLUSTER, steps::cluster::KIND, &params, Identity::Name { name }, habits, needs);
        let key = self.steps.component("eks-cluster");
        self.steps.bill([Usage::fixed(key, Unit::Hour, 1.0)]);
    }

    /// Who gets in. What comes back is what has to stand before we do.
    pub(super) fn access(&mut self) -> Vec<StepId> {
        let mut ways_in = vec![StepId::new(CLUSTER)];
        let arns: Vec<String> = self.aws.admin_principal_arn.iter().chain(&self.spec.admins).cloned().collect();
        let habits = eks(Creation::Token, true, timing(2, 10, 180, 2, 300));
        let policy_arn = steps::access_policy::CLUSTER_ADMIN.replacen(
            "arn:aws:",
            &format!("arn:{}:", partition(self.spec.region.as_str())),
            1,
        );
        let mut taken = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for principal_arn in arns {
            if !seen.insert(principal_arn.clone()) {
                continue;
            }
            let id = unique(&mut taken, slug(&principal_arn));
            let params =
                steps::AccessEntry { cluster: steps::cluster::NAME.of(CLUSTER), principal_arn: principal_arn.clone() };
            let identity = Identity::Child { parent: CLUSTER.into(), key: principal_arn.clone() };
            let entry = self.steps.add(
                format!("access/{id}").as_str(),
                steps::access_entry::KIND,
                &params,
                identity,
                habits,
                vec![],
            );
            let ours = self.aws.admin_principal_arn.as_ref() == Some(&principal_arn);
            let params = steps::AccessPolicy {
                cluster: steps::cluster::NAME.of(CLUSTER),
                principal_arn,
                policy_arn: policy_arn.clone(),
            };
            let identity = Identity::Child { parent: entry, key: policy_arn.clone() };
            let habits = Habits { creation: Creation::ByName, tagged: false, ..habits };
            let policy = self.steps.add(
                format!("access/{id}/policy").as_str(),
                steps::access_policy::KIND,
                &params,
                identity,
                habits,
                vec![],
            );
            ways_in.extend(ours.then_some(policy));
        }
        ways_in
    }

    pub(super) fn addons<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        roles: &Roles,
        after: &[StepId],
    ) -> Vec<StepId> {
        let mut made = Vec::new();
        for name in names {
            if !self.aws.addons.iter().any(|addon| addon == name) {
                continue;
            }
            let mut needs = after.to_vec();
            if let (EBS_CSI, Some(role)) = (name, &roles.ebs) {
                let id = format!("addons/{name}/identity");
                needs.push(self.pod_identity(
                    &id,
                    "kube-system",
                    "ebs-csi-controller-sa",
                    role.clone(),
                    &roles.ebs_ready,
                ));
                if self.aws.addons.iter().any(|addon| addon == POD_IDENTITY_AGENT) {
                    needs.push(AGENT_ADDON.into());
                }
            }
            let params = steps::Addon {
                cluster: steps::cluster::NAME.of(CLUSTER),
                name: name.to_owned(),
                version: None,
                identities: Vec::new(),
                configuration: (name == EBS_CSI).then(|| steps::addon::storage_tags(self.stack)),
            };
            let identity = Identity::Child { parent: CLUSTER.into(), key: name.to_owned() };
            let timing = if after.is_empty() { timing(20, 60, 900, 20, 600) } else { timing(50, 120, 1500, 30, 900) };
            made.push(self.steps.add(
                format!("addons/{name}").as_str(),
                steps::addon::KIND,
                &params,
                identity,
                eks(Creation::Token, true, timing),
                needs,
            ));
        }
        made
    }

    pub(super) fn pod_identity(
        &mut self,
        id: &str,
        namespace: &str,
        service_account: &str,
        role: Input<RoleArn>,
        ready: &[StepId],
    ) -> StepId {
        let (namespace, service_account) = (namespace.to_owned(), service_account.to_owned());
        let key = format!("{namespace}/{service_account}");
        let params = steps::PodIdentity { cluster: steps::cluster::NAME.of(CLUSTER), namespace, service_account, role };
        let identity = Identity::Child { parent: CLUSTER.into(), key };
        let habits = eks(Creation::Token, true, timing(2, 10, 180, 2, 300));
        self.steps.add(id, steps::pod_identity::KIND, &params, identity, habits, ready.to_vec())
    }

    pub(super) fn pools(&mut self, roles: &Roles, net: &Net, early: &[StepId]) -> Vec<StepId> {
        let spec = self.spec;
        let mut made = Vec::new();
        for pool in &spec.node_pools {
            let template = self.launch_template(pool);
            let name = self.group_name(&pool.name);
            let params = steps::NodeGroup {
                cluster: steps::cluster::NAME.of(CLUSTER),
                name: name.clone(),
                version: spec.version.clone(),
                role: roles.node.clone(),
                subnets: net.nodes.clone(),
                launch_template: steps::launch_template::ID.of(template.clone()),
                launch_template_version: steps::launch_template::VERSION.of(template),
                instance_types: pool.types().map(str::to_owned).collect(),
                ami_type: ami_type(pool).to_owned(),
                spot: pool.spot,
                min: pool.min,
                desired: pool.count,
                max: pool.max,
                labels: labels(pool),
                taints: pool.taints.clone(),
            };
            let mut needs = roles.node_ready.clone();
            needs.extend_from_slice(&net.egress);
            needs.extend_from_slice(early);
            let identity = Identity::Child { parent: CLUSTER.into(), key: name };
            let habits = eks(Creation::Token, true, timing(150, 300, 2400, 240, 2400));
            made.push(self.steps.add(
                format!("nodes/pool/{}", pool.name).as_str(),
                steps::node_group::KIND,
                &params,
                identity,
                habits,
                needs,
            ));
            let usage = self.pool_usage(pool, net.public_nodes);
            self.steps.bill(usage);
        }
        made
    }

    fn launch_template(&mut self, pool: &ResolvedPool) -> StepId {
        let params = steps::LaunchTemplate {
            name: self.named(&format!("pool-{}", pool.name), LAUNCH_TEMPLATE_MAX),
            node_name: format!("{}-{}", self.stack.name, pool.name),
            disk_gib: pool.disk_gib,
            root_device: "/dev/xvda".to_owned(),
        };
        let habits = ec2(Creation::Token, true, timing(2, 10, 180, 2, 300));
        self.steps.add(
            format!("nodes/pool/{}/template", pool.name).as_str(),
            steps::launch_template::KIND,
            &params,
            Identity::Tags,
            habits,
            vec![],
        )
    }

    fn pool_usage(&self, pool: &ResolvedPool, public: bool) -> Vec<Usage> {
        let scaled = |key: PriceKey, unit: Unit, each: f64| Usage {
            key,
            unit,
            min: f64::from(pool.min) * each,
            desired: f64::from(pool.count) * each,
            max: f64::from(pool.max) * each,
        };
        let machine = PriceKey::Instance {
            cloud: Cloud::Aws,
            region: self.spec.region.clone(),
            instance_type: pool.billed_type.as_ref().unwrap_or(&pool.instance_type).clone(),
            spot: pool.spot,
        };
        let mut usage = vec![
            scaled(machine, Unit::Hour, 1.0),
            scaled(self.steps.component("ebs-gp3"), Unit::GbMonth, f64::from(pool.disk_gib)),
        ];
        if public {
            usage.push(scaled(self.steps.component("public-ipv4"), Unit::Hour, 1.0));
        }
        usage
    }
}

/// The pool's own labels; nodes with GPUs say so from the start, or the autoscaler would take one whose plugin is still
/// starting for one without, and start another.
fn labels(pool: &ResolvedPool) -> BTreeMap<String, String> {
    let mut labels = pool.labels.clone();
    if let Some((gpu, _)) = &pool.gpu {
        labels.entry(ACCELERATOR.to_owned()).or_insert_with(|| format!("nvidia-{}", gpu.to_ascii_lowercase()));
    }
    labels
}

/// EKS's word for the image that fits a pool.
pub fn ami_type(pool: &ResolvedPool) -> &'static str {
    match (pool.arch.as_str(), pool.gpu.is_some()) {
        ("arm64", false) => "AL2023_ARM_64_STANDARD",
        ("arm64", true) => "AL2023_ARM_64_NVIDIA",
        (_, true) => "AL2023_x86_64_NVIDIA",
        _ => "AL2023_x86_64_STANDARD",
    }
}

/// The last part of an ARN as a step id: `role-platform`.
fn slug(arn: &str) -> String {
    let resource = arn.splitn(6, ':').last().unwrap_or(arn);
    let kind = resource.split('/').next().unwrap_or_default();
    let name = resource.rsplit('/').next().unwrap_or_default();
    let joined = if kind == name { name.to_owned() } else { format!("{kind}-{name}") };
    let clean: String =
        joined.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    clean.trim_matches('-').chars().take(60).collect()
}

fn unique(taken: &mut BTreeSet<String>, wanted: String) -> String {
    let wanted = if wanted.is_empty() { "principal".to_owned() } else { wanted };
    let free = std::iter::once(wanted.clone()).chain((2..).map(|n| format!("{wanted}-{n}")));
    let found = free.into_iter().find(|id| !taken.contains(id)).expect("the numbers do not end");
    taken.insert(found.clone());
    found
}
