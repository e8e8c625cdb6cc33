//! The steps of what pools need inside the cluster: the autoscaler with its identity, the GPUs' device plugin.

use super::{AGENT_ADDON, Build, CLUSTER, Habits, Roles, iam, timing};
use crate::engine::{Creation, Identity, StepId};
use crate::k8s::manifest::called;
use crate::providers::aws::client::partition;
use crate::providers::aws::manifests::{self, AUTOSCALER, GROUP_LABEL};
use crate::providers::aws::steps::{self, ExtraTags, iam_role::Trusts};
use crate::providers::cluster_object::{self, ClusterObject};
use crate::providers::device_plugin::{self, NAMESPACE, on_nodes};
use serde_json::Value;

const AUTOSCALER_ROLE: &str = "iam/autoscaler-role";

impl Build<'_> {
    /// The autoscaler's role with its policy, where a pool scales.
    pub(super) fn autoscaler_role(&mut self, roles: &mut Roles) {
        if !self.spec.node_pools.iter().any(|pool| pool.scales()) {
            return;
        }
        let (arn, _) =
            self.role(AUTOSCALER_ROLE, "autoscaler", Trusts::Pods, "cluster autoscaler", ExtraTags::new(), &[]);
        let name = "scale-node-groups".to_owned();
        let region = self.spec.region.as_str();
        let params = steps::InlinePolicy {
            role: steps::iam_role::NAME.of(AUTOSCALER_ROLE),
            name: name.clone(),
            document: manifests::scaling_policy(partition(region), region, &self.spec.account, &self.cluster_name()),
        };
        let identity = Identity::Child { parent: AUTOSCALER_ROLE.into(), key: name };
        let id = format!("{AUTOSCALER_ROLE}/policy/scale");
        let policy = self.steps.add(id.as_str(), steps::inline_policy::KIND, &params, identity, iam(false), vec![]);
        roles.autoscaler = Some(arn);
        roles.autoscaler_ready = vec![policy];
    }

    /// The device plugin, where a pool has GPUs. It waits for no node: it is there when the first one comes.
    pub(super) fn device_plugin(&mut self, access: &[StepId]) {
        let pools: Vec<_> = self.spec.node_pools.iter().filter(|pool| pool.gpu.is_some()).collect();
        if pools.is_empty() {
            return;
        }
        let groups: Vec<String> = pools.iter().map(|pool| self.group_name(&pool.name)).collect();
        let manifest =
            device_plugin::manifest(&on_nodes(GROUP_LABEL, &groups), pools.iter().flat_map(|pool| &pool.taints));
        self.object("in-cluster/device-plugin", manifest, access.to_vec());
    }

    /// The autoscaler, where a pool scales. It stands once the pools do, and goes before them: alive, it would start
    /// machines in place of those that go.
    pub(super) fn autoscaler(&mut self, roles: &Roles, access: &[StepId], pools: &[StepId]) {
        let Some(role) = roles.autoscaler.clone() else { return };
        let id = |what: &str| format!("in-cluster/autoscaler/{what}");
        let identity = self.pod_identity(&id("identity"), NAMESPACE, AUTOSCALER, role, &roles.autoscaler_ready);
        let account = self.object(&id("service-account"), manifests::service_account(), access.to_vec());
        let mut ready = vec![identity, account.clone(), StepId::new(AGENT_ADDON)];
        for (role, binding, place) in
            [("cluster-role", "cluster-role-binding", None), ("role", "role-binding", Some(NAMESPACE))]
        {
            let made = self.object(&id(role), manifests::autoscaler_role(place), access.to_vec());
            let bound = manifests::autoscaler_binding(place);
            ready.push(self.object(&id(binding), bound, vec![made, account.clone()]));
        }
        ready.extend_from_slice(pools);
        let steady: Vec<String> = self
            .spec
            .node_pools
            .iter()
            .filter(|pool| pool.holds_the_autoscaler())
            .map(|pool| self.group_name(&pool.name))
            .collect();
        let manifest =
            manifests::autoscaler(&self.cluster_name(), self.spec.region.as_str(), &self.spec.version, &steady);
        self.object(&id("deployment"), manifest, ready);
    }

    fn object(&mut self, id: &str, manifest: Value, needs: Vec<StepId>) -> StepId {
        let kind = cluster_object::kind_of(&manifest);
        let identity = Identity::Child { parent: CLUSTER.into(), key: called(&manifest) };
        // The API server reads what it wrote; a request on its way lives half a minute.
        let habits = Habits {
            service: "k8s",
            creation: Creation::ByName,
            tagged: true,
            settle_secs: 30,
            timing: if kind == cluster_object::DEPLOYMENT {
                timing(25, 60, 900, 3, 60)
            } else {
                timing(2, 10, 300, 3, 60)
            },
        };
        let params = ClusterObject { cluster: steps::cluster::ID.of(CLUSTER), manifest };
        let made = self.steps.add(id, kind, &params, identity, habits, needs);
        self.steps.last().dies_with = Some(CLUSTER.into());
        made
    }
}
