//! Addresses and ranges: parsing as EC2 does it, and picking free ones.

use super::{Ec2, fail, interface::Interface};
use crate::sandbox::aws::ApiError;
use ipnet::Ipv4Net;
use std::{collections::BTreeSet, net::Ipv4Addr};

/// A range as EC2 takes it: host bits are cleared, anything else is refused.
pub(crate) fn range(text: &str, parameter: &str) -> Result<Ipv4Net, ApiError> {
    let parsed: Result<Ipv4Net, _> = text.parse();
    parsed.map(|net| net.trunc()).map_err(|_| {
        let message = format!("Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block.");
        fail("InvalidParameterValue", message)
    })
}

/// Whether the two share an address.
pub(crate) fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// Addresses of a subnet nobody holds. EC2 keeps the first four and the last for itself.
pub(crate) fn free_count(cx: &Ec2<'_, '_>, subnet: &str, range: &Ipv4Net) -> usize {
    let size = 1_usize << (32 - usize::from(range.prefix_len()));
    size.saturating_sub(5 + taken(cx, subnet).len())
}

fn taken(cx: &Ec2<'_, '_>, subnet: &str) -> BTreeSet<Ipv4Addr> {
    let interfaces = cx.all::<Interface>().into_iter().filter(|eni| eni.doc.subnet == subnet);
    interfaces.flat_map(|eni| eni.doc.private_ips).collect()
}

/// A free address of the subnet, somewhere in it.
pub(crate) fn free_address(cx: &mut Ec2<'_, '_>, subnet: &str, range: &Ipv4Net) -> Result<Ipv4Addr, ApiError> {
    let taken = taken(cx, subnet);
    let usable = (1_u32 << (32 - u32::from(range.prefix_len()))).saturating_sub(5);
    let start = cx.tx.below(u64::from(usable.max(1))) as u32;
    let first = u32::from(range.network()) + 4;
    let candidates = (0..usable).map(|step| Ipv4Addr::from(first + (start + step) % usable));
    candidates.into_iter().find(|address| !taken.contains(address)).ok_or_else(|| {
        let message = format!("insufficient free addresses in subnet '{subnet}'");
        fail("InsufficientFreeAddressesInSubnet", message)
    })
}

/// A public address out of Amazon's pool.
pub(crate) fn public_address(cx: &mut Ec2<'_, '_>) -> Ipv4Addr {
    let bits = cx.tx.bits();
    let [a, b, c, ..] = bits.to_be_bytes();
    Ipv4Addr::new([3, 18, 34, 44, 52, 54][usize::from(a % 6)], b.max(1), c, (bits as u8).clamp(1, 254))
}
