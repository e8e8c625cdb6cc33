//! The kinds of EC2 objects: how each is called, what its ids look like, what the service says when there is none.
//! One row per type that can carry tags.

use super::{
    Ec2, Thing, address, endpoint, fail, gateway, group, instance, interface, links, nat, route, subnet, template,
    volume, vpc,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Kind, Object, Scope, Tx},
};

/// A type as tags and `DescribeTags` know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Kind in the world.
    pub(crate) kind: Kind,
    /// The word of `TagSpecification` and `DescribeTags`.
    pub(crate) resource_type: &'static str,
    prefix: &'static str,
    not_found: &'static str,
    absent: fn(&str) -> String,
}

const fn row<T: Thing>(resource_type: &'static str) -> Row {
    Row { kind: T::KIND, resource_type, prefix: T::PREFIX, not_found: T::NOT_FOUND, absent: T::absent }
}

/// Every type that can carry tags.
pub(crate) const ALL: &[Row] = &[
    row::<vpc::Vpc>("vpc"),
    row::<subnet::Subnet>("subnet"),
    row::<gateway::Gateway>("internet-gateway"),
    row::<address::Address>("elastic-ip"),
    row::<nat::NatGateway>("natgateway"),
    row::<route::RouteTable>("route-table"),
    row::<group::Group>("security-group"),
    row::<group::Rule>("security-group-rule"),
    row::<interface::Interface>("network-interface"),
    row::<endpoint::Endpoint>("vpc-endpoint"),
    row::<template::Template>("launch-template"),
    row::<instance::Instance>("instance"),
    row::<volume::Volume>("volume"),
    row::<volume::Snapshot>("snapshot"),
    row::<links::Peering>("vpc-peering-connection"),
    row::<links::Transit>("transit-gateway"),
    row::<links::TransitAttachment>("transit-gateway-attachment"),
    row::<links::VpnGateway>("vpn-gateway"),
    row::<links::EgressGateway>("egress-only-internet-gateway"),
];

/// The row of ids like this one.
pub(crate) fn of_id(id: &str) -> Option<Row> {
    let prefix = id.rsplit_once('-').map(|(prefix, _)| prefix)?;
    ALL.iter().find(|row| row.prefix == prefix).copied()
}

/// The route table that an association is part of.
pub(crate) fn table_of(tx: &Tx<'_>, scope: &Scope, association: &str) -> Option<String> {
    let holds = |object: &&Object| {
        let table: route::RouteTable = object.read();
        table.main.as_deref() == Some(association) || table.associations.iter().any(|bound| bound.id == association)
    };
    tx.list(scope, route::RouteTable::KIND).find(holds).map(|object| object.id.clone())
}

/// The row of the object with this id; refused when nothing of that id stands.
pub(crate) fn lookup(cx: &Ec2<'_, '_>, id: &str) -> Result<Row, ApiError> {
    let Some(row) = of_id(id) else {
        return Err(fail("InvalidID", format!("The ID '{id}' is not valid")));
    };
    match cx.tx.live(&cx.scope, row.kind, id) {
        Some(_) => Ok(row),
        None => Err(fail(row.not_found, (row.absent)(id))),
    }
}

/// Declares a [`Thing`].
macro_rules! thing {
    ($type:ty, $kind:literal, $prefix:literal, $not_found:literal, $malformed:literal, $absent:literal) => {
        impl $crate::sandbox::aws::ec2::Thing for $type {
            const KIND: $crate::sandbox::world::Kind = $crate::sandbox::world::Kind::new("ec2", $kind);
            const PREFIX: &'static str = $prefix;
            const NOT_FOUND: &'static str = $not_found;
            const MALFORMED: &'static str = $malformed;

            fn absent(id: &str) -> String {
                format!($absent, id)
            }
        }
    };
}
pub(crate) use thing;
