//! Limits of the subscription in one region: how much the plan needs, how much is in use, how much there may be.
//!
//! Azure counts virtual CPUs three times: in all, by family, and those of spot machines together. Use and limit stand in
//! one answer. What a pool takes for a moment while it is upgraded is counted apart: too little of that breaks later, not
//! now.

use super::client::{AzureCx, Op, version};
use super::error::QUOTA;
use super::refs::ArmId;
use crate::engine::{Clock, ErrorClass, StepError};
use crate::providers::patience::patient;
use crate::providers::{Check, CheckStatus};
use serde::Deserialize;
use std::collections::BTreeMap;

const COMPUTE: Op = Op::new("compute:usage.list", version::COMPUTE);
const NETWORK: Op = Op::new("network:usages.list", version::NETWORK);
/// Usages' name for virtual CPUs of whatever family.
const CORES: &str = "cores";
/// Usages' name for virtual CPUs of spot machines, of whatever family.
const SPOT_CORES: &str = "lowPriorityCores";

/// Machines of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machines {
    /// Quota family, where it is known.
    pub family: Option<String>,
    /// Virtual CPUs of one.
    pub vcpus: u32,
    /// Most of them.
    pub nodes: u32,
    /// Spot machines.
    pub spot: bool,
}

/// What a plan takes of each limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// Pools.
    pub machines: Vec<Machines>,
    /// Public addresses.
    pub addresses: f64,
    /// Virtual networks.
    pub networks: f64,
    /// NAT gateways.
    pub gateways: f64,
    /// Load balancers: AKS makes one for what leaves or enters the cluster.
    pub balancers: f64,
}

/// One limit with its use.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    current_value: f64,
    limit: f64,
    name: Name,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    #[serde(default)]
    value: String,
    localized_value: Option<String>,
}

/// What is taken of one limit: for good, and for a moment besides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Take {
    steady: f64,
    surge: f64,
}

impl Demand {
    /// Virtual CPUs by the limits that they count against. AKS adds a tenth of a pool, at least one node, while it is
    /// upgraded (maxSurge 10%); of several pools one at a time. Spot pools do not surge.
    fn cores(&self) -> BTreeMap<String, Take> {
        let mut by_limit: BTreeMap<String, Take> = BTreeMap::new();
        for pool in &self.machines {
            let steady = f64::from(pool.nodes) * f64::from(pool.vcpus);
            let surge = if pool.spot { 0.0 } else { f64::from(pool.nodes.div_ceil(10)) * f64::from(pool.vcpus) };
            let limits = match pool.spot {
                true => vec![SPOT_CORES.to_owned()],
                false => pool.family.iter().cloned().chain([CORES.to_owned()]).collect(),
            };
            for limit in limits {
                let entry = by_limit.entry(limit).or_default();
                entry.steady += steady;
                entry.surge = entry.surge.max(surge);
            }
        }
        by_limit
    }

    fn network(&self) -> [(&'static str, f64); 5] {
        [
            ("VirtualNetworks", self.networks),
            ("PublicIPAddresses", self.addresses),
            ("StaticPublicIPAddresses", self.addresses),
            ("NatGateways", self.gateways),
            ("LoadBalancers", self.balancers),
        ]
    }

    /// Virtual CPUs of one node, where there is one pool: to say what would fit.
    fn per_node(&self) -> Option<f64> {
        match &self.machines[..] {
            [one] => Some(f64::from(one.vcpus)),
            _ => None,
        }
    }
}

/// One check for every limit that the plan takes from; those that cannot be read are one check together.
pub async fn checks(cx: &AzureCx, clock: &dyn Clock, demand: &Demand) -> Vec<Check> {
    let cores = demand.cores();
    let network: BTreeMap<String, Take> = demand
        .network()
        .into_iter()
        .filter(|(_, need)| *need > 0.0)
        .map(|(name, steady)| (name.to_owned(), Take { steady, surge: 0.0 }))
        .collect();
    let mut checks = Vec::new();
    let (compute, nets) = futures::join!(read(cx, clock, COMPUTE, &cores), read(cx, clock, NETWORK, &network));
    for (answer, takes, what) in [(compute, cores, "virtual CPUs"), (nets, network, "network")] {
        match answer {
            Ok(usages) => checks.extend(judged(&usages, &takes, demand, cx.region.as_str())),
            Err(err) => {
                let message = format!("limits of {what} cannot be read: {}", err.message);
                checks.push(Check::of("quotas", CheckStatus::Unknown, message));
            }
        }
    }
    checks
}

async fn read(
    cx: &AzureCx,
    clock: &dyn Clock,
    op: Op,
    takes: &BTreeMap<String, Take>,
) -> Result<Vec<Usage>, StepError> {
    if takes.is_empty() {
        return Ok(Vec::new());
    }
    let namespace = if op == COMPUTE { "Microsoft.Compute" } else { "Microsoft.Network" };
    let at = ArmId(format!("{}/providers/{namespace}/locations/{}/usages", cx.subscription_id()?, cx.region));
    patient(clock, || cx.list(op, "limits of the subscription", &at, &[])).await
}

/// A limit that the answer does not name is none that is judged.
fn judged(usages: &[Usage], takes: &BTreeMap<String, Take>, demand: &Demand, region: &str) -> Vec<Check> {
    let of = |name: &str| usages.iter().find(|it| it.name.value.eq_ignore_ascii_case(name));
    takes.iter().filter_map(|(name, take)| Some(judge(of(name)?, *take, demand, region))).collect()
}

fn judge(usage: &Usage, take: Take, demand: &Demand, region: &str) -> Check {
    let code = &usage.name.value;
    let name = usage.name.localized_value.as_ref().filter(|it| !it.is_empty()).unwrap_or(code);
    let (need, used, limit) = (take.steady, usage.current_value, usage.limit);
    let numbers = |id: &str, status, message: String| Check {
        need: Some(need),
        have: Some(used),
        limit: Some(limit),
        ..Check::of(id, status, message)
    };
    // A negative limit is how Azure writes "none".
    if limit < 0.0 || used + need + take.surge <= limit {
        return numbers("quota", CheckStatus::Ok, format!("{name}: {need} needed, {used} of {limit} in use"));
    }
    let is_cores = demand.cores().contains_key(code);
    let wanted = (used + need + take.surge).ceil();
    let raise = format!("raise \"{name}\" in {region} to {wanted}");
    let raise = match is_cores {
        true => format!("{raise}: https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"),
        false => format!("{raise}, which Azure's support does"),
    };
    let mut hints = vec![raise];
    if used + need <= limit {
        let message = format!(
            "{name}: {need} needed and {} more while a pool is upgraded, {used} of {limit} in use: upgrades would fail",
            take.surge
        );
        return Check { hints, ..numbers("quota-surge", CheckStatus::Warn, message) };
    }
    if let Some(each) = demand.per_node().filter(|each| is_cores && *each > 0.0) {
        let nodes = ((limit - used) / each).floor();
        if nodes >= 1.0 {
            hints.push(format!("fits today: --nodes {nodes}"));
        }
    }
    let message = format!("{need} needed, \"{name}\" allows {limit} in {region} and {used} are used");
    Check { class: Some(ErrorClass::Quota), hints, ..numbers(QUOTA, CheckStatus::Fail, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(value: &str, used: f64, limit: f64) -> Usage {
        let name = Name { value: value.to_owned(), localized_value: Some(format!("{value} vCPUs")) };
        Usage { current_value: used, limit, name }
    }

    fn pool(vcpus: u32, nodes: u32, spot: bool) -> Machines {
        Machines { family: Some("standardDASv5Family".to_owned()), vcpus, nodes, spot }
    }

    fn statuses(usages: &[Usage], demand: &Demand) -> Vec<(String, CheckStatus)> {
        let checks = judged(usages, &demand.cores(), demand, "eastus");
        checks.into_iter().map(|it| (it.id, it.status)).collect()
    }

    #[test]
    fn families_and_all_cores_are_judged_and_spot_apart() {
        let demand = Demand { machines: vec![pool(2, 3, false), pool(4, 2, true)], ..Demand::default() };
        let cores = demand.cores();
        assert_eq!(cores["cores"], Take { steady: 6.0, surge: 2.0 });
        assert_eq!(cores["standardDASv5Family"], Take { steady: 6.0, surge: 2.0 });
        assert_eq!(cores[SPOT_CORES], Take { steady: 8.0, surge: 0.0 });
    }

    #[test]
    fn a_limit_that_is_too_low_says_how_to_raise_it_and_what_fits() {
        let demand = Demand { machines: vec![pool(16, 20, false)], ..Demand::default() };
        let check = judge(&usage("standardDASv5Family", 41.0, 256.0), demand.cores()[CORES], &demand, "eastus");
        assert_eq!((check.status, check.class, check.id.as_str()), (CheckStatus::Fail, Some(ErrorClass::Quota), QUOTA));
        assert_eq!(check.message, "320 needed, \"standardDASv5Family vCPUs\" allows 256 in eastus and 41 are used");
        assert!(check.hints[0].contains("in eastus to 393"), "{:?}", check.hints);
        assert_eq!(check.hints[1], "fits today: --nodes 13");
    }

    #[test]
    fn too_little_for_upgrades_warns_and_none_at_all_stops() {
        let demand = Demand { machines: vec![pool(2, 2, false)], ..Demand::default() };
        let tight = [usage("cores", 0.0, 5.0), usage("standardDASv5Family", 0.0, 100.0)];
        assert_eq!(
            statuses(&tight, &demand),
            [("quota-surge".into(), CheckStatus::Warn), ("quota".into(), CheckStatus::Ok)]
        );
        let none = [usage("cores", 0.0, 100.0), usage("standarddasv5family", 0.0, 0.0)];
        assert_eq!(statuses(&none, &demand)[1], (QUOTA.into(), CheckStatus::Fail));
        assert!(statuses(&[], &demand).is_empty(), "what is not named is not judged");
    }
}
