//! The quotas EC2 itself enforces: their codes and the values a new account starts with (Service Quotas, 2026-11).

/// A quota by service and code, with the vendor's default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    /// `ec2` or `vpc`.
    pub(crate) service: &'static str,
    /// `L-…`.
    pub(crate) code: &'static str,
    /// What an account starts with.
    pub(crate) default: f64,
}

const fn quota(service: &'static str, code: &'static str, default: f64) -> Quota {
    Quota { service, code, default }
}

/// VPCs per region.
pub(crate) const VPCS: Quota = quota("vpc", "L-F678F1CE", 5.0);
/// Internet gateways per region.
pub(crate) const INTERNET_GATEWAYS: Quota = quota("vpc", "L-A4707A72", 5.0);
/// NAT gateways per zone.
pub(crate) const NAT_GATEWAYS_PER_ZONE: Quota = quota("vpc", "L-FE5A380F", 5.0);
/// Subnets per VPC.
pub(crate) const SUBNETS_PER_VPC: Quota = quota("vpc", "L-407747CB", 200.0);
/// Route tables per VPC.
pub(crate) const ROUTE_TABLES_PER_VPC: Quota = quota("vpc", "L-589F43AA", 200.0);
/// Rules per security group and direction.
pub(crate) const RULES_PER_GROUP: Quota = quota("vpc", "L-0EA8095F", 60.0);
/// Network interfaces per region.
pub(crate) const INTERFACES: Quota = quota("vpc", "L-DF5E4CA3", 5_000.0);
/// Elastic IPs per region.
pub(crate) const ADDRESSES: Quota = quota("ec2", "L-0263D0A3", 5.0);
