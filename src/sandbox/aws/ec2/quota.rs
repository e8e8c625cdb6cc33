//! Codes of the quotas EC2 itself enforces; their values are Service Quotas' to know.

/// A quota: service and code.
pub(crate) type Quota = (&'static str, &'static str);

/// VPCs per region.
pub(crate) const VPCS: Quota = ("vpc", "L-F678F1CE");
/// Internet gateways per region.
pub(crate) const INTERNET_GATEWAYS: Quota = ("vpc", "L-A4707A72");
/// NAT gateways per zone.
pub(crate) const NAT_GATEWAYS_PER_ZONE: Quota = ("vpc", "L-FE5A380F");
/// Subnets per VPC.
pub(crate) const SUBNETS_PER_VPC: Quota = ("vpc", "L-407747CB");
/// Route tables per VPC.
pub(crate) const ROUTE_TABLES_PER_VPC: Quota = ("vpc", "L-589F43AA");
/// Rules per security group and direction.
pub(crate) const RULES_PER_GROUP: Quota = ("vpc", "L-0EA8095F");
/// Network interfaces per region.
pub(crate) const INTERFACES: Quota = ("vpc", "L-DF5E4CA3");
/// Elastic IPs per region.
pub(crate) const ADDRESSES: Quota = ("ec2", "L-0263D0A3");
