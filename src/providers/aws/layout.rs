//! Which addresses the subnets of a new network get.

use crate::model::spec::Nat;
use ipnet::Ipv4Net;

/// Zones that the address layout of a new network has room for.
pub const MAX_ZONES: usize = 6;

/// `a`, `b`, `c` … for the zone at this place.
pub fn letter(at: usize) -> char {
    char::from(b'a' + u8::try_from(at.min(25)).expect("at most 25"))
}

/// Which addresses each subnet gets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Layout {
    /// One per zone.
    pub public: Vec<Ipv4Net>,
    /// One per zone, or none where nodes are public.
    pub private: Vec<Ipv4Net>,
}

impl Layout {
    /// Six eighths of the range hold what nodes and pods use, a small part of the last quarter the rest: load
    /// balancers and NAT gateways need few addresses.
    ///
    /// # Errors
    /// In words, when the range or the number of zones does not fit.
    pub fn of(cidr: Ipv4Net, zones: usize, nat: Nat) -> Result<Self, String> {
        if !(2..=MAX_ZONES).contains(&zones) {
            return Err(format!("a cluster stands in 2 to {MAX_ZONES} zones, not {zones}"));
        }
        if !(16..=23).contains(&cidr.prefix_len()) {
            return Err(format!(
                "network.cidr {cidr} must be between /16 and /23: AWS takes no larger one, and a smaller one has no room for its subnets"
            ));
        }
        let part = |prefix: u8, skip: usize| -> Vec<Ipv4Net> {
            let parts = cidr.subnets(cidr.prefix_len() + prefix).expect("at most /28, checked above");
            parts.skip(skip).take(zones).collect()
        };
        let large = part(3, 0);
        Ok(match nat {
            Nat::None => Self { public: large, private: Vec::new() },
            // 24 of 32 parts are the six large ones.
            Nat::Single | Nat::PerZone => Self { public: part(5, 24), private: large },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_fit_is_refused_in_words() {
        let cidr = |text: &str| text.parse().unwrap();
        assert!(Layout::of(cidr("10.0.0.0/24"), 2, Nat::Single).unwrap_err().contains("/23"));
        assert!(Layout::of(cidr("10.0.0.0/8"), 2, Nat::Single).unwrap_err().contains("/16"));
        assert!(Layout::of(cidr("10.0.0.0/16"), 1, Nat::Single).unwrap_err().contains("not 1"));
        assert!(Layout::of(cidr("10.0.0.0/16"), 7, Nat::Single).is_err());
    }

    proptest! {
        #[test]
        fn subnets_stay_inside_and_apart(prefix in 16u8..=23, zones in 2usize..=MAX_ZONES, nat in 0..3) {
            let cidr: Ipv4Net = format!("10.64.0.0/{prefix}").parse().unwrap();
            let nat = [Nat::None, Nat::Single, Nat::PerZone][usize::try_from(nat).unwrap()];
            let layout = Layout::of(cidr, zones, nat).unwrap();
            let all: Vec<Ipv4Net> = layout.public.iter().chain(&layout.private).copied().collect();
            prop_assert_eq!(layout.public.len(), zones);
            for (at, one) in all.iter().enumerate() {
                prop_assert!(cidr.contains(one) && one.prefix_len() <= 28);
                for other in &all[at + 1..] {
                    prop_assert!(!one.contains(other) && !other.contains(one));
                }
            }
        }
    }
}
