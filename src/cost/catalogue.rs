//! The embedded price table: every machine type of every region, and the components billed beside machines.
//!
//! `catalogue.bin` is written by `cargo run --example build_catalogue -- DIR` from CSV tables of list prices and read
//! in place: nothing is unpacked, and only a command that asks for a price reads the header.
//!
//! Layout, little endian: `KWPRICE1`, u32 length of the header, the header (JSON: [`Header`]), then one block per
//! machine type. A block is a count of rows and the rows by rising price, each
//! `region: u8`, `varint(price rise << 1 | estimated)`, `varint(spot price, 0 = none)`; prices in units of 1e-5 USD.

use crate::model::{Cloud, Region};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

static BYTES: &[u8] = include_bytes!("catalogue.bin");
const MAGIC: &[u8] = b"KWPRICE1";
const UNIT_USD: f64 = 1e-5;

/// The part that is parsed.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// Newest date of any table: what people see as the catalogue's date.
    date: String,
    clouds: Vec<CloudTable>,
    components: Vec<Component>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CloudTable {
    cloud: String,
    on_demand_as_of: String,
    spot_as_of: String,
    source: String,
    regions: Vec<String>,
    /// Sorted by name.
    types: Vec<TypeRow>,
}

/// name, vCPUs, GiB, accelerator, how many, offset of the block behind the header.
#[derive(Debug, Serialize, Deserialize)]
struct TypeRow(String, f64, f64, String, f64, u32);

#[derive(Debug, Serialize, Deserialize)]
struct Component {
    cloud: String,
    region: String,
    name: String,
    unit: String,
    usd: f64,
    source: String,
}

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
}

/// The price table.
#[derive(Debug)]
pub struct Catalogue {
    header: Header,
    blocks: &'static [u8],
}

/// The embedded table; its header is parsed at the first call.
pub fn catalogue() -> &'static Catalogue {
    static TABLE: OnceLock<Catalogue> = OnceLock::new();
    TABLE.get_or_init(|| {
        Catalogue::read(BYTES).expect("the embedded table was written by our own builder and is tested")
    })
}

impl Catalogue {
    fn read(bytes: &'static [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (header, blocks) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { header: serde_json::from_slice(header).ok()?, blocks })
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

    /// The names of all accelerators, sorted.
    pub fn accelerators(&self) -> Vec<&str> {
        let all = self.header.clouds.iter().flat_map(|table| table.types.iter().map(|row| row.3.as_str()));
        let mut names: Vec<&str> = all.filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The price of a component. Where the region is not in the table the cloud's reference region stands in, marked.
    pub fn component(&self, cloud: Cloud, region: &Region, name: &str) -> Option<ComponentPrice<'_>> {
        let mut other = None;
        for row in self.header.components.iter().filter(|row| row.cloud == cloud.as_str() && row.name == name) {
            let price = ComponentPrice { usd: row.usd, unit: &row.unit, source: &row.source, estimated: false };
            if row.region == region.as_str() {
                return Some(price);
            }
            if other.is_none() || row.region == reference_region(cloud) {
                other = Some(ComponentPrice { estimated: true, ..price });
            }
        }
        other
    }

    fn row(&self, cloud: Cloud, name: &str) -> Option<(&CloudTable, &TypeRow)> {
        let table = self.table(cloud)?;
        let at = table.types.binary_search_by(|row| row.0.as_str().cmp(name)).ok()?;
        Some((table, &table.types[at]))
    }

    fn prices<'a>(&'a self, table: &'a CloudTable, row: &'a TypeRow) -> impl Iterator<Item = InstancePrice<'a>> {
        let mut reader = Reader(self.blocks.get(row.5 as usize..).unwrap_or(&[]));
        let mut left = reader.varint().unwrap_or(0);
        let mut price = 0;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let region = table.regions.get(usize::from(reader.byte()?))?;
            let step = reader.varint()?;
            let spot = reader.varint()?;
            price += step >> 1;
            Some(InstancePrice {
                machine: row.machine(),
                region,
                on_demand: usd(price),
                spot: (spot > 0).then(|| usd(spot)),
                estimated: step & 1 == 1,
            })
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
    units as f64 / (1.0 / UNIT_USD).round()
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
