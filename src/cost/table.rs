//! The price table unpacked, to be built or changed and packed again: what the builder of the embedded table, a refresh
//! and a test have in common. Pure. The packed form is described in `catalogue.rs`.

use super::catalogue::{Catalogue, CloudTable, Header, MAGIC, TypeRow, varint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A price in units of a thousandth of a cent, USD; 0 is none.
pub type Units = u64;

/// Prices are kept to this: a thousandth of a cent.
pub const UNITS_PER_USD: f64 = 1e5;

/// USD in units; none for what is no price: zero, less, or not a number.
pub fn units(usd: f64) -> Option<Units> {
    let scaled = (usd * UNITS_PER_USD).round();
    (1.0..1e13).contains(&scaled).then_some(scaled as Units)
}

/// The whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    /// Newest date of any row: what people see.
    pub date: String,
    /// For a table that a refresh made: the fingerprint of the embedded one it was laid over.
    pub base: String,
    /// Vendors.
    pub vendors: Vec<VendorTable>,
    /// What is billed beside machines.
    pub components: Vec<ComponentRow>,
}

/// One vendor's machines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VendorTable {
    /// `aws`.
    pub vendor: String,
    /// Date of the on-demand prices.
    pub on_demand_as_of: String,
    /// Date of the spot prices; empty where there is no such market.
    pub spot_as_of: String,
    /// Where prices were read, in words.
    pub source: String,
    /// By name.
    pub types: BTreeMap<String, TypePrices>,
    /// Regions that were read since, with the dates of their on-demand and spot prices.
    pub refreshed: BTreeMap<String, (String, String)>,
}

/// A machine type with its prices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TypePrices {
    /// Virtual CPUs.
    pub vcpus: f64,
    /// GiB.
    pub memory_gib: f64,
    /// Accelerator; empty is none.
    pub accelerator: String,
    /// How many of them.
    pub accelerators: f64,
    /// By region.
    pub prices: BTreeMap<String, RowPrice>,
}

/// What one type costs in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowPrice {
    /// On demand, by the hour.
    pub on_demand: Units,
    /// On the spot market; 0 is none.
    pub spot: Units,
    /// Estimated rather than read.
    pub estimated: bool,
    /// Whether a refresh has read the on-demand price.
    pub fresh: bool,
    /// Whether a refresh has read the spot price.
    pub fresh_spot: bool,
}

/// One component in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentRow {
    /// `aws`.
    pub cloud: String,
    /// Region.
    pub region: String,
    /// `nat-gateway`.
    pub name: String,
    /// `hour`, `GB-month`.
    pub unit: String,
    /// USD per unit.
    pub usd: f64,
    /// Where it was read.
    pub source: String,
    /// When it was read; empty in the embedded table, whose date it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub as_of: String,
}

/// A table that cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the price table has too many {0}")]
pub struct TooMany(&'static str);

impl PriceTable {
    /// The packed form.
    ///
    /// # Errors
    /// More regions or rows than it has room for.
    pub fn pack(&self) -> Result<Vec<u8>, TooMany> {
        let mut blocks = Vec::new();
        let clouds = self.vendors.iter().map(|table| pack_vendor(table, &mut blocks)).collect::<Result<_, _>>()?;
        let header = Header {
            date: self.date.clone(),
            base: self.base.clone(),
            blocks: blocks.len() as u64,
            clouds,
            components: self.components.clone(),
        };
        let header = serde_json::to_vec(&header).expect("text and numbers are JSON");
        let mut out = MAGIC.to_vec();
        out.extend(u32::try_from(header.len()).map_err(|_| TooMany("names"))?.to_le_bytes());
        out.extend(header);
        out.extend(blocks);
        Ok(out)
    }

    /// The table of a vendor, made where there is none.
    pub fn vendor_mut(&mut self, vendor: &str) -> &mut VendorTable {
        let at = self.vendors.iter().position(|table| table.vendor == vendor).unwrap_or_else(|| {
            self.vendors.push(VendorTable { vendor: vendor.to_owned(), ..VendorTable::default() });
            self.vendors.len() - 1
        });
        &mut self.vendors[at]
    }
}

fn pack_vendor(table: &VendorTable, blocks: &mut Vec<u8>) -> Result<CloudTable, TooMany> {
    let mut regions: Vec<&String> = table.types.values().flat_map(|it| it.prices.keys()).collect();
    regions.sort();
    regions.dedup();
    let mut types = Vec::new();
    for (name, it) in &table.types {
        let offset = u32::try_from(blocks.len()).map_err(|_| TooMany("prices"))?;
        let mut sorted: Vec<(&String, &RowPrice)> = it.prices.iter().collect();
        sorted.sort_by_key(|(region, price)| (price.on_demand, *region));
        varint(blocks, sorted.len() as u64);
        let mut last = 0;
        for (region, price) in sorted {
            let at = regions.binary_search(&region).expect("collected above");
            blocks.push(u8::try_from(at).map_err(|_| TooMany("regions"))?);
            let marks = u64::from(price.estimated) | u64::from(price.fresh) << 1 | u64::from(price.fresh_spot) << 2;
            varint(blocks, (price.on_demand - last) << 3 | marks);
            varint(blocks, price.spot);
            last = price.on_demand;
        }
        let row = TypeRow(name.clone(), it.vcpus, it.memory_gib, it.accelerator.clone(), it.accelerators, offset);
        types.push(row);
    }
    Ok(CloudTable {
        cloud: table.vendor.clone(),
        on_demand_as_of: table.on_demand_as_of.clone(),
        spot_as_of: table.spot_as_of.clone(),
        source: table.source.clone(),
        regions: regions.into_iter().cloned().collect(),
        types,
        refreshed: table.refreshed.clone(),
    })
}

impl Catalogue {
    /// Everything in it, without discounts and prices of the user's. Components have their dates from here on: the table's
    /// own moves when something is laid over it.
    pub fn unpack(&self) -> PriceTable {
        let vendors = self.header.clouds.iter().map(|table| {
            let types = table.types.iter().map(|row| {
                let rows = self.rows(table, row);
                let prices = rows.map(|(region, price)| (region.to_owned(), price)).collect();
                let (vcpus, memory_gib, accelerators) = (row.1, row.2, row.4);
                (row.0.clone(), TypePrices { vcpus, memory_gib, accelerator: row.3.clone(), accelerators, prices })
            });
            VendorTable {
                vendor: table.cloud.clone(),
                on_demand_as_of: table.on_demand_as_of.clone(),
                spot_as_of: table.spot_as_of.clone(),
                source: table.source.clone(),
                types: types.collect(),
                refreshed: table.refreshed.clone(),
            }
        });
        let components = self.header.components.iter().map(|row| {
            let as_of = if row.as_of.is_empty() { &self.header.date } else { &row.as_of };
            ComponentRow { as_of: as_of.clone(), ..row.clone() }
        });
        PriceTable {
            date: self.header.date.clone(),
            base: self.header.base.clone(),
            vendors: vendors.collect(),
            components: components.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::catalogue;

    #[test]
    fn the_embedded_table_is_what_it_packs_to() {
        let table = catalogue().unpack();
        let packed = table.pack().unwrap();
        let again = Catalogue::read(packed.clone()).unwrap();
        assert_eq!(again.unpack(), table);
        assert_eq!(again.unpack().pack().unwrap(), packed);
        assert!(packed.len() < 1 << 20, "the table must add less than a megabyte: {}", packed.len());
    }

    #[test]
    fn a_table_that_is_cut_or_foreign_is_none() {
        let packed = catalogue().unpack().pack().unwrap();
        for cut in [0, 5, 11, 100, packed.len() / 2, packed.len() - 1] {
            assert!(Catalogue::read(packed[..cut].to_vec()).is_none(), "{cut}");
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert!(Catalogue::read(longer).is_none());
        assert!(Catalogue::read(b"<html>".to_vec()).is_none());
    }

    #[test]
    fn what_is_no_price_has_no_units() {
        assert_eq!(units(0.0416), Some(4_160));
        for usd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9] {
            assert_eq!(units(usd), None, "{usd}");
        }
    }
}
