//! What stands in a subscription's way beside permissions: locks, and the policies that everybody uses.
//!
//! A policy can be anything; those of Azure's own that companies assign most are read here, so that what they would
//! refuse is known before the first write. The others are told by Azure itself when they refuse.

use super::client::{AzureCx, Op};
use super::error::{LOCKED, POLICY};
use super::refs::ArmId;
use crate::engine::{Clock, ErrorClass, StepError};
use crate::model::ResolvedSpec;
use crate::providers::patience::patient;
use crate::providers::{Check, CheckStatus};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

const LOCKS: Op = Op::new("authorization:locks.list", "2020-05-01");
const ASSIGNED: Op = Op::new("authorization:policyAssignments.list", "2024-05-01");

/// A lock of the subscription, or of something in it.
#[derive(Debug, Clone, Deserialize)]
pub struct Lock {
    id: String,
    name: String,
    properties: LockProperties,
}

#[derive(Debug, Clone, Deserialize)]
struct LockProperties {
    level: String,
}

/// A policy as it is assigned.
#[derive(Debug, Clone, Deserialize)]
pub struct Assignment {
    name: Option<String>,
    properties: AssignmentProperties,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    display_name: Option<String>,
    policy_definition_id: Option<String>,
    enforcement_mode: Option<String>,
    not_scopes: Option<Vec<String>>,
    parameters: Option<BTreeMap<String, Parameter>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Parameter {
    value: Option<Value>,
}

/// Azure's own policies that are understood here, by id (Azure Policy, "Built-in policy definitions", read 2026-11).
const LOCATIONS: &str = "e56962a6-4747-49cd-b67b-bf8b01975c4c";
const GROUP_LOCATIONS: &str = "e765b5de-1225-4ba3-bd56-1ac6695af988";
const SIZES: &str = "cccc23c7-8427-4f53-ad12-b6a63eb452b3";
const TAG_ON_GROUPS: &str = "96670d01-0a4d-4649-9c89-2d3abc0a5025";
const TAG_ON_RESOURCES: &str = "871b6d14-10aa-478d-b590-94f262ecfa99";

/// Asks for both.
pub async fn checks(cx: &AzureCx, clock: &dyn Clock, spec: &ResolvedSpec) -> Vec<Check> {
    let (locks, policies) = futures::join!(locks(cx, clock), assigned(cx, clock));
    let mut checks = Vec::new();
    match locks {
        Ok(found) => checks.extend(found.iter().filter_map(|lock| judge_lock(lock, spec))),
        Err(err) => tracing::debug!(error = %err, "locks cannot be read"),
    }
    match policies {
        Ok(found) => checks.extend(found.iter().filter_map(|it| judge_policy(it, spec))),
        Err(err) => tracing::debug!(error = %err, "policies cannot be read"),
    }
    checks
}

async fn locks(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Lock>, StepError> {
    let at = ArmId(format!("{}/providers/Microsoft.Authorization/locks", cx.subscription_id()?));
    patient(clock, || cx.list(LOCKS, "locks", &at, &[])).await
}

async fn assigned(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Assignment>, StepError> {
    let at = ArmId(format!("{}/providers/Microsoft.Authorization/policyAssignments", cx.subscription_id()?));
    patient(clock, || cx.list(ASSIGNED, "policies", &at, &[])).await
}

/// A lock of the whole subscription reaches what we make; one of a network that is brought along reaches the role we
/// give on it. Other groups' locks are none of our concern.
fn judge_lock(lock: &Lock, spec: &ResolvedSpec) -> Option<Check> {
    let on = lock.id.split("/providers/Microsoft.Authorization/locks").next().unwrap_or_default();
    let scope = ArmId(on.to_owned());
    let read_only = lock.properties.level.eq_ignore_ascii_case("ReadOnly");
    let whole = scope.segment("resourceGroups").is_none();
    let network = spec.network.existing.as_ref().is_some_and(|it| scope.holds(&it.vpc));
    let reaches_us = whole || network && read_only;
    if !reaches_us {
        return None;
    }
    let place = if whole { "the subscription" } else { "the network brought along" };
    if read_only {
        let message = format!("lock `{}` makes {place} read-only: nothing can be made in it", lock.name);
        return Some(Check {
            class: Some(ErrorClass::Permanent),
            hints: vec![format!("az lock delete --ids {}", lock.id)],
            ..Check::of(LOCKED, CheckStatus::Fail, message)
        });
    }
    let message =
        format!("lock `{}` keeps everything in {place} from being deleted: `destroy` could not finish", lock.name);
    let hints = vec![format!("before `destroy`: az lock delete --ids {}", lock.id)];
    Some(Check { hints, ..Check::of("locks", CheckStatus::Warn, message) })
}

fn judge_policy(it: &Assignment, spec: &ResolvedSpec) -> Option<Check> {
    let properties = &it.properties;
    let enforced = properties.enforcement_mode.as_deref() != Some("DoNotEnforce");
    let id = properties.policy_definition_id.as_deref()?.rsplit('/').next()?.to_ascii_lowercase();
    let listed = |name: &str| -> Option<Vec<String>> {
        let value = properties.parameters.as_ref()?.get(name)?.value.as_ref()?;
        Some(value.as_array()?.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect())
    };
    let tag = || properties.parameters.as_ref()?.get("tagName")?.value.as_ref()?.as_str().map(str::to_owned);
    let among = |all: &[String], one: &str| {
        let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
        all.iter().any(|it| plain(it) == plain(one))
    };
    let why = match id.as_str() {
        LOCATIONS | GROUP_LOCATIONS => {
            let allowed = listed("listOfAllowedLocations")?;
            let why = format!("it allows {}, not {}", allowed.join(", "), spec.region);
            (!among(&allowed, spec.region.as_str())).then_some(why)?
        }
        SIZES => {
            let allowed = listed("listOfAllowedSKUs")?;
            let bad = spec.node_pools.iter().find(|pool| !among(&allowed, &pool.instance_type))?;
            format!("it does not allow {} (pool `{}`)", bad.instance_type, bad.name)
        }
        TAG_ON_GROUPS | TAG_ON_RESOURCES => {
            let wanted = tag()?;
            let environment = wanted.eq_ignore_ascii_case("environment") && spec.environment.is_some();
            let has = environment || spec.tags.keys().any(|key| key.eq_ignore_ascii_case(&wanted));
            (!has).then(|| format!("it wants a tag `{wanted}`"))?
        }
        _ => return None,
    };
    // Where parts are left out of a policy, what we make may be among them.
    let sure = enforced && properties.not_scopes.as_ref().is_none_or(Vec::is_empty);
    let name = properties.display_name.clone().or_else(|| it.name.clone()).unwrap_or_default();
    let message = format!("policy `{name}` would refuse this: {why}");
    Some(match sure {
        true => Check { class: Some(ErrorClass::Permanent), ..Check::of(POLICY, CheckStatus::Fail, message) },
        false => Check::of("policy", CheckStatus::Warn, message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::azure::testing;
    use serde_json::json;

    fn lock(on: &str, level: &str) -> Option<CheckStatus> {
        let id = format!("{on}/providers/Microsoft.Authorization/locks/l");
        let lock: Lock =
            serde_json::from_value(json!({ "id": id, "name": "l", "properties": { "level": level } })).unwrap();
        judge_lock(&lock, &testing::spec("demo")).map(|it| it.status)
    }

    #[test]
    fn locks_of_the_subscription_count_and_those_of_others_do_not() {
        assert_eq!(lock("/subscriptions/s", "ReadOnly"), Some(CheckStatus::Fail));
        assert_eq!(lock("/subscriptions/s", "CanNotDelete"), Some(CheckStatus::Warn));
        assert_eq!(lock("/subscriptions/s/resourceGroups/other", "ReadOnly"), None);
    }

    fn policy(id: &str, parameters: Value, mode: &str) -> Option<Check> {
        let it = json!({ "name": "p", "properties": {
            "displayName": "P", "enforcementMode": mode, "parameters": parameters,
            "policyDefinitionId": format!("/providers/Microsoft.Authorization/policyDefinitions/{id}"),
        } });
        judge_policy(&serde_json::from_value(it).unwrap(), &testing::spec("demo"))
    }

    #[test]
    fn policies_that_everybody_uses_are_understood() {
        let locations = |all: &[&str]| json!({ "listOfAllowedLocations": { "value": all } });
        assert!(policy(LOCATIONS, locations(&["West Europe", "East US"]), "Default").is_none());
        let refused = policy(LOCATIONS, locations(&["westeurope"]), "Default").unwrap();
        assert_eq!((refused.status, refused.id.as_str()), (CheckStatus::Fail, POLICY));
        assert!(refused.message.contains("allows westeurope, not eastus"), "{}", refused.message);
        let noted = policy(LOCATIONS, locations(&["westeurope"]), "DoNotEnforce").unwrap();
        assert_eq!(noted.status, CheckStatus::Warn);
        let sizes = json!({ "listOfAllowedSKUs": { "value": ["Standard_D2s_v5"] } });
        assert!(policy(SIZES, sizes, "Default").unwrap().message.contains("pool `default`"));
        let tag = |name: &str| json!({ "tagName": { "value": name } });
        assert!(policy(TAG_ON_GROUPS, tag("team"), "Default").is_none());
        assert!(policy(TAG_ON_GROUPS, tag("costCenter"), "Default").is_some());
        assert!(policy("00000000-0000-0000-0000-000000000000", json!({}), "Default").is_none());
    }
}
