//! What can be decided without the cloud: defaults, names, numbers, and what contradicts itself.

use super::super::refs::ArmId;
use super::super::tags::{MAX_KEY, MAX_VALUE, NOT_IN_KEYS};
use super::{Aks, NODES, Work};
use crate::model::ClusterSpec;
use crate::model::spec::{AksNetwork, AksTier, PoolSpec, ResolvedNetwork};
use crate::providers::work::PoolLimits;
use std::collections::{BTreeMap, BTreeSet};

/// AKS: nodes in one pool, pools in one cluster, nodes in all (AKS documentation, "Quotas, VM size restrictions, and
/// region availability", read 2026-11). The node image itself needs 30 GiB.
const LIMITS: PoolLimits =
    PoolLimits { whose: "AKS", place: "one pool", usual: NODES, nodes: 1_000, disk_gib: 30..=2_048 };
const MAX_POOLS: usize = 100;
const MAX_ALL_NODES: u32 = 5_000;
/// Azure takes 50 tags; the rest is ours (stored spec, ownership, shown names).
const MAX_USER_TAGS: usize = 12;
/// Beginnings of tag keys that belong to Azure or to us.
const RESERVED_TAGS: [&str; 6] = ["microsoft", "azure", "windows", "kubewright-", "aks-managed", "hidden-"];
/// Groups that may be named as admins of one cluster.
const MAX_ADMIN_GROUPS: usize = 20;

impl Work {
    pub(super) fn tags(&mut self, tags: &BTreeMap<String, String>) {
        if tags.len() > MAX_USER_TAGS {
            let count = tags.len();
            self.problem(
                "KW-SPEC",
                format!("{count} tags: Azure leaves room for {MAX_USER_TAGS} beside kubewright's own"),
            );
        }
        let mut seen = BTreeMap::new();
        for (key, value) in tags {
            let plain = key.to_lowercase();
            let reserved = RESERVED_TAGS.iter().any(|start| plain.starts_with(start));
            if let Some(other) = seen.insert(plain, key) {
                self.problem("KW-SPEC", format!("tags `{other}` and `{key}`: Azure takes them for one and the same"));
            }
            if reserved {
                self.problem("KW-SPEC", format!("tag `{key}` is reserved"));
            } else if key.is_empty() || key.chars().count() > MAX_KEY || value.chars().count() > MAX_VALUE {
                let limits = format!("keys of 1 to {MAX_KEY} and values of up to {MAX_VALUE} characters");
                self.problem("KW-SPEC", format!("tag `{key}`: Azure takes {limits}"));
            } else if let Some(bad) = key.chars().find(|c| NOT_IN_KEYS.contains(*c) || c.is_control()) {
                self.problem("KW-SPEC", format!("tag `{key}`: Azure does not take {bad:?} in the keys of tags"));
            }
        }
    }

    /// Directory objects are named by id: names of people and groups are not unique, and looking them up is another right.
    pub(super) fn object_id(&mut self, key: &str, text: &str) {
        if !is_guid(text) {
            self.hinted(
                "KW-SPEC",
                format!("{key} `{text}` is not the object id of a user, a group or an application in Entra"),
                "az ad user show --id NAME --query id, or az ad group show --group NAME --query id",
            );
        }
    }

    pub(super) fn azure(&mut self, spec: &ClusterSpec, network: &ResolvedNetwork) -> Aks {
        let asked = spec.azure.clone().unwrap_or_default();
        let protected = spec.protect == Some(true);
        let usual = if protected { AksTier::Standard } else { AksTier::Free };
        let tier = self.or(asked.tier, "azure.tier", usual);
        let pods = self.or(asked.network, "azure.network", AksNetwork::Overlay);
        if pods == AksNetwork::Kubenet && network.existing.is_some() {
            self.hinted(
                "KW-NET",
                "azure.network: kubenet writes routes into the subnet's route table, and a network brought along is never changed",
                "network: overlay",
            );
        }
        let groups = asked.admin_groups.as_deref().unwrap_or_default();
        groups.iter().for_each(|group| self.object_id("azure.adminGroups:", group));
        if groups.len() > MAX_ADMIN_GROUPS {
            self.problem(
                "KW-SPEC",
                format!("azure.adminGroups names {} groups, AKS takes {MAX_ADMIN_GROUPS}", groups.len()),
            );
        }
        if let Some(text) = &asked.identity {
            let kind = ArmId(text.clone()).kind();
            if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities")) {
                self.hinted(
                    "KW-SPEC",
                    format!("azure.identity `{text}` is not the id of a user-assigned identity"),
                    "az identity show --name NAME --resource-group GROUP --query id",
                );
            }
        }
        let nobody = asked.azure_rbac == Some(false) && groups.is_empty() && asked.local_accounts != Some(true);
        if nobody {
            self.hinted(
                "KW-SPEC",
                "azure.azureRbac: false without adminGroups or localAccounts: nobody could get into the cluster",
                "azure.adminGroups: [OBJECT-ID], or azure.localAccounts: true",
            );
        }
        if asked.azure_rbac == Some(false) && !spec.admins.is_empty() {
            self.hinted(
                "KW-SPEC",
                "admins get in by Azure roles, which azure.azureRbac: false switches off",
                "name their group in azure.adminGroups",
            );
        }
        Aks { asked, tier, network: pods }
    }

    /// The pools as asked for, with the checks that need no cloud.
    pub(super) fn wishes(&mut self, pools: Option<&[PoolSpec]>) -> Vec<PoolSpec> {
        let Some(pools) = pools else {
            self.defaults.push("nodePools".to_owned());
            return vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }];
        };
        if pools.is_empty() {
            self.problem("KW-SPEC", "nodePools is empty: a cluster without nodes runs nothing");
        }
        if pools.len() > MAX_POOLS {
            self.problem("KW-SPEC", format!("{} node pools, AKS takes {MAX_POOLS}", pools.len()));
        }
        let mut names = BTreeSet::new();
        for pool in pools {
            let name = &pool.name;
            let valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 40;
            if !valid || !name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
                self.problem(
                    "KW-SPEC",
                    format!("pool name `{name}`: up to 40 of a-z, 0-9 and `-`, a letter first, no `-` last"),
                );
            }
            if !names.insert(name) {
                self.problem("KW-SPEC", format!("two node pools are called `{name}`"));
            }
            if pool.instance_types.len() > 1 {
                self.hinted(
                    "KW-AZURE-SIZE",
                    format!("pool `{name}`: several instance types in one pool have no counterpart on AKS"),
                    "give each type a pool of its own",
                );
            }
            self.pool_numbers(pool, &LIMITS);
            for key in pool.labels.keys().filter(|key| is_reserved_label(key)) {
                self.problem("KW-SPEC", format!("pool `{name}`: label {key} is reserved, AKS refuses it"));
            }
        }
        let all = pools.iter().map(|pool| pool.sizes().map_or(NODES, |(.., max)| max)).fold(0, u32::saturating_add);
        if all > MAX_ALL_NODES {
            self.problem("KW-SPEC", format!("{all} nodes in all, AKS takes {MAX_ALL_NODES}"));
        }
        pools.to_vec()
    }

    /// AKS's own pods need a node that is always there.
    pub(super) fn scaling(&mut self, pools: &[PoolSpec]) {
        let holds = |pool: &PoolSpec| pool.is_steady() && pool.spot != Some(true);
        if !pools.is_empty() && !pools.iter().any(holds) {
            self.hinted(
                "KW-SPEC",
                "AKS's own pods would have no node to run on: every pool may be empty, is spot, or has a taint that keeps them off",
                "give one pool without taints and without spot `min: 1` or a fixed `count`",
            );
        }
    }
}

/// Eight, four, four, four and twelve hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Prefixes that belong to Kubernetes and AKS; the `node-restriction` one exists for users.
fn is_reserved_label(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let system = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    prefix != "node-restriction.kubernetes.io"
        && (system("kubernetes.io") || system("k8s.io") || system("kubernetes.azure.com"))
}
