//! The account as IAM sums it up: what is there and what may be, by which tools check quotas where Service Quotas is not
//! open to them.

use super::{ApiError, CallCx, Xml, policies::POLICY, profiles::PROFILE, providers::PROVIDER, roles::ROLE};
use crate::sandbox::{aws::servicequotas, world::Kind};

pub(super) fn summary(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let scope = cx.global();
    let count = |kind: Kind| cx.tx.list(&scope, kind).count() as f64;
    let quota = |code: &str| servicequotas::quota(cx.tx, "iam", code);
    let entries = [
        ("Users", 1.0),
        ("UsersQuota", 5_000.0),
        ("Groups", 0.0),
        ("GroupsQuota", 300.0),
        ("Roles", count(ROLE)),
        ("RolesQuota", quota("L-FE177D64")),
        ("InstanceProfiles", count(PROFILE)),
        ("InstanceProfilesQuota", quota("L-6E65F664")),
        ("Policies", count(POLICY)),
        ("PoliciesQuota", 1_500.0),
        ("Providers", count(PROVIDER)),
        ("AttachedPoliciesPerRoleQuota", quota("L-0DA4ABF3")),
        ("AssumeRolePolicySizeQuota", 2_048.0),
        ("PolicySizeQuota", 6_144.0),
        ("RolePolicySizeQuota", 10_240.0),
    ];
    let entry = |(key, value): (&str, f64)| Xml::new().text("key", key).text("value", value);
    Ok(Xml::new().list("SummaryMap", "entry", entries.map(entry)))
}
