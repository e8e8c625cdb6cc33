//! The embedded price table: every machine type of every region, and the components billed beside machines.
//!
//! `catalogue.bin` is written by `cargo run --example build_catalogue -- DIR` from CSV tables of list prices and read
//! in place: nothing is unpacked, and only a command that asks for a price reads the header.
//!
//! Layout, little endian: `KWPRICE2`, u32 length of the header, the header (JSON: [`Header`]), then one block per
//! machine type. A block is a count of rows and the rows by rising price, each `region: u8`, `varint(price rise << 3 |
//! marks)`, `varint(spot price, 0 = none)`; prices in units of 1e-5 USD; marks: 1 estimated, 2 on-demand price read by a
//! refresh, 4 spot price read by a refresh. What a refresh keeps is the same form with its rows in place of older ones.

use super::table::{ComponentRow, RowPrice, UNITS_PER_USD};
use super::{adjust, attach};
use crate::model::{Adjustments, Cloud, Region};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock};

static BYTES: &[u8] = include_bytes!("catalogue.bin");
pub(super) const MAGIC: &[u8] = b"KWPRICE2";

/// The part that is parsed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// Newest date of any table: what people see as the catalogue's date.
    pub(super) date: String,
    /// Of a refreshed table: the fingerprint of the embedded one under it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) base: String,
    /// How many bytes of blocks follow: a table that is cut is none.
    pub(super) blocks: u64,
    pub(super) clouds: Vec<CloudTable>,
    pub(super) components: Vec<ComponentRow>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CloudTable {
    pub(super) cloud: String,
    pub(super) on_demand_as_of: String,
    pub(super) spot_as_of: String,
    pub(super) source: String,
    pub(super) regions: Vec<String>,
    /// Sorted by name.
    pub(super) types: Vec<TypeRow>,
    /// Regions that a refresh has read, with the dates of their on-demand and spot prices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) refreshed: BTreeMap<String, (String, String)>,
}

/// name, vCPUs, GiB, accelerator, how many, offset of the block behind the header.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TypeRow(
    pub(super) String,
    pub(super) f64,
    pub(super) f64,
    pub(super) String,
    pub(super) f64,
    pub(super) u32,
);

/// Whose prices: a cloud that clusters are built on, or one that only rents machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// With managed clusters.
    Cloud(Cloud),
    /// Machines with GPUs.
    Lambda,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Cloud(Cloud::Aws), Self::Cloud(Cloud::Gcp), Self::Cloud(Cloud::Azure), Self::Lambda];

    /// The word users type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud(cloud) => cloud.as_str(),
            Self::Lambda => "lambda",
        }
    }
}

impl From<Cloud> for Vendor {
    fn from(cloud: Cloud) -> Self {
        Self::Cloud(cloud)
    }
}

impl std::str::FromStr for Vendor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| format!("`{text}` is none of {}", known()))
    }
}

/// A machine type, the same in every region.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineType<'a> {
    /// The vendor's name.
    pub name: &'a str,
    /// Virtual CPUs; shared-core types have fractions.
    pub vcpus: f64,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Accelerator and how many, `("T4", 1.0)`; fractions are slices of one.
    pub accelerator: Option<(&'a str, f64)>,
}

/// What a machine costs in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePrice<'a> {
    /// The machine.
    pub machine: MachineType<'a>,
    /// The region.
    pub region: &'a str,
    /// USD an hour on demand.
    pub on_demand: f64,
    /// USD an hour on the spot market, cheapest zone, as of the catalogue; none where there is no such market.
    pub spot: Option<f64>,
    /// Estimated from the nearest family's regional ratio, not read from a price list.
    pub estimated: bool,
    /// Date of the on-demand price.
    pub as_of: &'a str,
    /// Date of the spot price.
    pub spot_as_of: &'a str,
    /// What the user's discounts and prices made of the on-demand price, with their line: `cost.yaml:3: instead of 0.096`.
    pub adjusted: Option<String>,
    /// The same of the spot price.
    pub spot_adjusted: Option<String>,
}

impl<'a> InstancePrice<'a> {
    /// USD an hour on a market; none where there is no such market.
    pub const fn usd(&self, spot: bool) -> Option<f64> {
        if spot { self.spot } else { Some(self.on_demand) }
    }

    /// What the user's discounts and prices made of the price on a market.
    pub const fn adjusted_on(&self, spot: bool) -> Option<&String> {
        if spot { self.spot_adjusted.as_ref() } else { self.adjusted.as_ref() }
    }

    /// Date of the price on a market.
    pub const fn as_of_on(&self, spot: bool) -> &'a str {
        if spot { self.spot_as_of } else { self.as_of }
    }
}

/// What a component costs.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentPrice<'a> {
    /// USD per unit.
    pub usd: f64,
    /// `hour`, `GB-month`, `GB`, `month` …
    pub unit: &'a str,
    /// Where the price was read.
    pub source: &'a str,
    /// The price of another region stands in, because this one's is not in the table.
    pub estimated: bool,
    /// Date of the price.
    pub as_of: &'a str,
    /// As [`InstancePrice::adjusted`].
    pub adjusted: Option<String>,
}

/// The price table.
#[derive(Debug)]
pub struct Catalogue {
    pub(super) header: Header,
    bytes: Cow<'static, [u8]>,
    /// Where the blocks begin.
    blocks: usize,
    adjustments: Adjustments,
}

/// The embedded table; its header is parsed at the first call.
pub fn catalogue() -> &'static Catalogue {
    static TABLE: OnceLock<Catalogue> = OnceLock::new();
    TABLE.get_or_init(|| {
        Catalogue::read(BYTES).expect("the embedded table was written by our own builder and is tested")
    })
}

/// Makes the table in force; none means the embedded one.
type Loader = Box<dyn Fn() -> Option<Catalogue> + Send + Sync>;

static LOADER: OnceLock<Loader> = OnceLock::new();

/// Says how the table in force is made. It is made when the first price is asked for, once a process; the first word
/// stands.
pub fn load_prices_with(loader: Loader) {
    let _ = LOADER.set(loader);
}

/// The table in force: the embedded one, with what a refresh has read and with the user's discounts and prices over it.
/// What is chosen by price is chosen by the embedded one, so that a spec is the same on every machine.
pub fn prices() -> &'static Catalogue {
    static IN_FORCE: OnceLock<Option<Catalogue>> = OnceLock::new();
    match LOADER.get() {
        Some(load) => IN_FORCE.get_or_init(load).as_ref().unwrap_or_else(|| catalogue()),
        None => catalogue(),
    }
}

impl Catalogue {
    /// Reads a packed table; none for anything else, cut ones included.
    pub fn read(bytes: impl Into<Cow<'static, [u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        let rest = bytes.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (header, blocks) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let blocks = (blocks.len() as u64 == header.blocks).then_some(bytes.len() - blocks.len())?;
        Some(Self { header, bytes, blocks, adjustments: Adjustments::default() })
    }

    /// The same with discounts and prices of the user's.
    #[must_use]
    pub fn adjusted(self, adjustments: Adjustments) -> Self {
        Self { adjustments, ..self }
    }

    /// The embedded table with discounts and prices of the user's.
    pub fn embedded(adjustments: Adjustments) -> Self {
        let read = Self::read(BYTES).expect("the embedded table was written by our own builder and is tested");
        read.adjusted(adjustments)
    }

    /// Of a refreshed table: the fingerprint of the embedded one it was laid over; otherwise empty.
    pub fn base(&self) -> &str {
        &self.header.base
    }

    /// The packed form that it was read from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Another table, another fingerprint: SHA-256 in hex.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The regions of a vendor that a refresh has read, with the dates of their on-demand and spot prices.
    pub fn refreshed(&self, vendor: impl Into<Vendor>) -> impl Iterator<Item = (&str, &str, &str)> {
        let tables = self.table(vendor).into_iter();
        tables.flat_map(|it| {
            it.refreshed.iter().map(|(region, (price, spot))| (region.as_str(), price.as_str(), spot.as_str()))
        })
    }

    fn table(&self, vendor: impl Into<Vendor>) -> Option<&CloudTable> {
        let vendor = vendor.into();
        self.header.clouds.iter().find(|table| table.cloud == vendor.as_str())
    }

    /// The date people see.
    pub fn date(&self) -> &str {
        &self.header.date
    }

    /// Where a cloud's machine prices come from, in words.
    pub fn source(&self, cloud: impl Into<Vendor>) -> &str {
        self.table(cloud).map_or("", |table| &table.source)
    }

    /// The date of a cloud's machine prices.
    pub fn as_of(&self, cloud: impl Into<Vendor>, spot: bool) -> &str {
        self.table(cloud).map_or("", |table| if spot { &table.spot_as_of } else { &table.on_demand_as_of })
    }

    /// Every region of a cloud that has a price.
    pub fn regions(&self, cloud: impl Into<Vendor>) -> &[String] {
        self.table(cloud).map_or(&[], |table| &table.regions)
    }

    /// Every machine type of a cloud, by name.
    pub fn machine_types(&self, cloud: Cloud) -> impl Iterator<Item = MachineType<'_>> {
        self.table(cloud).into_iter().flat_map(|table| table.types.iter().map(TypeRow::machine))
    }

    /// One machine type by its exact name.
    pub fn machine_type(&self, cloud: Cloud, name: &str) -> Option<MachineType<'_>> {
        Some(self.row(cloud, name)?.1.machine())
    }

    /// The price of a machine in a region.
    pub fn instance(&self, cloud: Cloud, region: &Region, name: &str) -> Option<InstancePrice<'_>> {
        let (table, row) = self.row(cloud, name)?;
        self.prices(table, row).find(|price| price.region == region.as_str())
    }

    /// Every machine type of a region with its price, by name.
    pub fn instances_in(&self, cloud: Cloud, region: &Region) -> impl Iterator<Item = InstancePrice<'_>> {
        let region = region.clone();
        self.table(cloud).into_iter().flat_map(move |table| {
            let region = region.clone();
            table
                .types
                .iter()
                .filter_map(move |row| self.prices(table, row).find(|price| price.region == region.as_str()))
        })
    }

    /// Every machine type of a vendor with its prices, each in all its regions by rising price.
    pub fn prices_of(
        &self,
        vendor: impl Into<Vendor>,
    ) -> impl Iterator<Item = (MachineType<'_>, impl Iterator<Item = InstancePrice<'_>>)> {
        self.table(vendor)
            .into_iter()
            .flat_map(move |table| table.types.iter().map(move |row| (row.machine(), self.prices(table, row))))
    }

    /// The names of a vendor's components, each in every region that has it.
    pub fn component_names(&self, vendor: impl Into<Vendor>) -> impl Iterator<Item = &str> {
        let vendor = vendor.into().as_str();
        self.header.components.iter().filter(move |row| row.cloud == vendor).map(|row| row.name.as_str())
    }

    /// The names of all accelerators, sorted: those that come with machines, and those that are attached to them.
    pub fn accelerators(&self) -> Vec<&str> {
        let all = self.header.clouds.iter().flat_map(|table| table.types.iter().map(|row| row.3.as_str()));
        let mut names: Vec<&str> =
            all.filter(|name| !name.is_empty()).chain(attach::ATTACHED.iter().map(|(name, _)| *name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The price of a component. Where the region is not in the table the cloud's reference region stands in, marked.
    pub fn component(&self, cloud: Cloud, region: &Region, name: &str) -> Option<ComponentPrice<'_>> {
        let mut other = None;
        for row in self.header.components.iter().filter(|row| row.cloud == cloud.as_str() && row.name == name) {
            if row.region == region.as_str() {
                return Some(self.component_price(cloud, region, row, false));
            }
            if other.is_none() || row.region == reference_region(cloud) {
                other = Some(row);
            }
        }
        other.map(|row| self.component_price(cloud, region, row, true))
    }

    fn component_price<'a>(
        &'a self,
        cloud: Cloud,
        region: &Region,
        row: &'a ComponentRow,
        estimated: bool,
    ) -> ComponentPrice<'a> {
        let as_of = if row.as_of.is_empty() { &self.header.date } else { &row.as_of };
        let price =
            ComponentPrice { usd: row.usd, unit: &row.unit, source: &row.source, estimated, as_of, adjusted: None };
        if self.adjustments.is_empty() {
            return price;
        }
        let (usd, adjusted) = adjust::component(&self.adjustments, cloud.into(), region.as_str(), &row.name, row.usd);
        ComponentPrice { usd, adjusted, ..price }
    }

    fn row(&self, cloud: Cloud, name: &str) -> Option<(&CloudTable, &TypeRow)> {
        let table = self.table(cloud)?;
        let at = table.types.binary_search_by(|row| row.0.as_str().cmp(name)).ok()?;
        Some((table, &table.types[at]))
    }

    /// The rows of a type as they are packed, by rising price.
    pub(super) fn rows<'a>(
        &'a self,
        table: &'a CloudTable,
        row: &'a TypeRow,
    ) -> impl Iterator<Item = (&'a str, RowPrice)> + use<'a> {
        let mut reader = Reader(self.bytes.get(self.blocks.saturating_add(row.5 as usize)..).unwrap_or(&[]));
        let mut left = reader.varint().unwrap_or(0);
        let mut price = 0;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let region = table.regions.get(usize::from(reader.byte()?))?;
            let step = reader.varint()?;
            let spot = reader.varint()?;
            price += step >> 3;
            let marks = RowPrice {
                on_demand: price,
                spot,
                estimated: step & 1 != 0,
                fresh: step & 2 != 0,
                fresh_spot: step & 4 != 0,
            };
            Some((region.as_str(), marks))
        })
    }

    fn prices<'a>(&'a self, table: &'a CloudTable, row: &'a TypeRow) -> impl Iterator<Item = InstancePrice<'a>> {
        let vendor = Vendor::ALL.into_iter().find(|vendor| vendor.as_str() == table.cloud);
        let adjusting = vendor.filter(|_| !self.adjustments.is_empty());
        self.rows(table, row).map(move |(region, price)| {
            let read = if price.fresh || price.fresh_spot { table.refreshed.get(region) } else { None };
            let dated = |fresh: bool, usual: &'a str, at: Option<&'a String>| {
                at.filter(|_| fresh).map_or(usual, String::as_str)
            };
            let mut found = InstancePrice {
                machine: row.machine(),
                region,
                on_demand: usd(price.on_demand),
                spot: (price.spot > 0).then(|| usd(price.spot)),
                estimated: price.estimated,
                as_of: dated(price.fresh, &table.on_demand_as_of, read.map(|dates| &dates.0)),
                spot_as_of: dated(price.fresh_spot, &table.spot_as_of, read.map(|dates| &dates.1)),
                adjusted: None,
                spot_adjusted: None,
            };
            if let Some(vendor) = adjusting {
                adjust::machine(&self.adjustments, vendor, &mut found);
            }
            found
        })
    }
}

impl TypeRow {
    fn machine(&self) -> MachineType<'_> {
        let accelerator = (!self.3.is_empty()).then_some((self.3.as_str(), self.4));
        MachineType { name: &self.0, vcpus: self.1, memory_gib: self.2, accelerator }
    }
}

/// Whose component prices stand in where a region has none of its own: the one that a cloud's own examples speak of.
pub const fn reference_region(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Aws => "us-east-1",
        Cloud::Gcp => "us-central1",
        Cloud::Azure => "eastus",
    }
}

fn usd(units: u64) -> f64 {
    // Divide rather than multiply: 8640 / 1e5 is the double nearest to 0.0864, 8640 * 1e-5 is not.
    units as f64 / UNITS_PER_USD
}

pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(region: &str, name: &str) -> Option<InstancePrice<'static>> {
        catalogue().instance(Cloud::Aws, &Region(region.into()), name)
    }

    #[test]
    fn list_prices_that_anyone_can_look_up() {
        let price = |region, name| aws(region, name).map(|price| price.on_demand);
        assert_eq!(price("us-east-1", "t3.medium"), Some(0.0416));
        assert_eq!(price("us-east-1", "m5.large"), Some(0.096));
        assert_eq!(price("ap-southeast-2", "m7i.xlarge"), Some(0.252));
        let gcp = catalogue().instance(Cloud::Gcp, &Region("us-central1".into()), "e2-standard-4");
        assert_eq!(gcp.map(|price| price.on_demand), Some(0.13402));
        let azure = catalogue().instance(Cloud::Azure, &Region("eastus".into()), "Standard_D4s_v5");
        assert_eq!(azure.map(|price| price.on_demand), Some(0.192));
        assert_eq!(price("us-east-1", "m5.huge"), None);
        assert_eq!(price("moon-1", "m5.large"), None);
    }

    #[test]
    fn a_component_of_another_region_is_marked() {
        let nat = |region: &str| catalogue().component(Cloud::Aws, &Region(region.into()), "nat-gateway");
        assert_eq!(nat("us-east-1").map(|price| (price.usd, price.estimated)), Some((0.045, false)));
        assert_eq!(nat("eu-west-1").map(|price| price.estimated), Some(true));
        assert_eq!(catalogue().component(Cloud::Aws, &Region("us-east-1".into()), "no-such-thing"), None);
    }

    #[test]
    fn every_row_reads_and_no_price_is_zero() {
        let mut rows = 0;
        for cloud in [Cloud::Aws, Cloud::Gcp, Cloud::Azure] {
            for region in catalogue().regions(cloud) {
                for price in catalogue().instances_in(cloud, &Region(region.clone())) {
                    assert!(price.on_demand > 0.0 && price.machine.memory_gib > 0.0, "{price:?}");
                    rows += 1;
                }
            }
        }
        assert!(rows > 90_000, "{rows}");
    }
}
