//! What EC2's objects are billed by.

use crate::{
    model::{Cloud, PriceKey, Region, Unit, Usage},
    sandbox::world::Scope,
};

fn region(scope: &Scope) -> Region {
    Region(scope.region.clone())
}

/// One piece of a component, by the hour.
pub(crate) fn component(scope: &Scope, name: &str) -> Usage {
    let key = PriceKey::Component { cloud: Cloud::Aws, region: region(scope), name: name.to_owned() };
    Usage::fixed(key, Unit::Hour, 1.0)
}

/// Gibibytes of a volume type, by the month.
pub(crate) fn storage(scope: &Scope, volume_type: &str, gib: u32) -> Usage {
    let key = PriceKey::Component { cloud: Cloud::Aws, region: region(scope), name: format!("ebs-{volume_type}") };
    Usage::fixed(key, Unit::GbMonth, f64::from(gib))
}

/// A running machine.
pub(crate) fn machine(scope: &Scope, instance_type: &str, spot: bool) -> Usage {
    let instance_type = instance_type.to_owned();
    let key = PriceKey::Instance { cloud: Cloud::Aws, region: region(scope), instance_type, spot };
    Usage::fixed(key, Unit::Hour, 1.0)
}
