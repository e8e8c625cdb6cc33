//! Lays what an API said over the table: all of a vendor's regions that were asked for, or nothing.

use super::{Fresh, Unreadable};
use crate::cost::table::{ComponentRow, PriceTable, RowPrice, UNITS_PER_USD, Units, units};
use std::collections::BTreeMap;

/// A price moves slowly: one that is more than this much larger or smaller than the known one is not believed.
const BELIEVED: std::ops::RangeInclusive<f64> = 1.0 / 3.0..=3.0;
/// No machine goes for less on spot, as a share of its price on demand: of 79,000 known ones the least is 0.089.
const LEAST_SPOT: f64 = 0.04;

/// A price that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// Region.
    pub region: String,
    /// Machine type or component.
    pub name: String,
    /// USD in the table.
    pub known: f64,
    /// USD in the answer; none where it contradicts itself.
    pub said: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Merged {
    /// Machine prices that now stand, by region.
    pub taken: BTreeMap<String, usize>,
    /// How many of them differ from what stood there.
    pub changed: usize,
    /// Spot prices that now stand.
    pub spot: usize,
    /// Components that now stand.
    pub components: usize,
    /// Prices of types that the table does not know.
    pub unknown: usize,
    /// Prices that were not believed.
    pub doubtful: Vec<Doubt>,
}

/// Lays `fresh` over the table for the regions that were asked for. `at` is today, `2026-11-27`.
///
/// # Errors
/// On-demand prices for less than half of what a region is known to sell: the table must not be touched then.
pub fn merge(
    table: &mut PriceTable,
    vendor: &str,
    fresh: &Fresh,
    regions: &[String],
    at: &str,
) -> Result<Merged, Unreadable> {
    let mut merged = Merged::default();
    let date = at.to_owned();
    let own = table.vendor_mut(vendor);
    let names: BTreeMap<String, String> = own.types.keys().map(|name| (name.to_lowercase(), name.clone())).collect();
    let readable = |name: &String| fresh.readable.as_ref().is_none_or(|names| names.contains(name));
    let sold = |region: &String| {
        own.types.iter().filter(|(name, it)| readable(name) && it.prices.contains_key(region)).count()
    };
    let known: BTreeMap<&String, usize> = regions.iter().map(|region| (region, sold(region))).collect();
    for region in regions {
        merged.taken.insert(region.clone(), 0);
        // What an earlier refresh read and this one does not must not get this one's date.
        let spot_too = fresh.machines.iter().any(|((at, _), read)| at == region && read.spot.is_some());
        for price in own.types.values_mut().filter_map(|it| it.prices.get_mut(region)) {
            price.fresh = false;
            price.fresh_spot &= !spot_too;
        }
    }
    let mut spotted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cheap = Vec::new();
    for ((region, name), read) in fresh.machines.iter().filter(|((region, _), _)| regions.contains(region)) {
        let Some(name) = names.get(&name.to_lowercase()) else {
            merged.unknown += 1;
            continue;
        };
        let prices = &mut own.types.get_mut(name).expect("taken from its keys").prices;
        let mut price = prices.get(region).copied().unwrap_or_default();
        if let Some(usd) = read.on_demand {
            let known = if price.on_demand == 0 { usual(prices) } else { price.on_demand };
            let Some(said) = believed(known, usd) else {
                let said = usd.is_finite().then_some(usd);
                merged.doubtful.push(Doubt {
                    region: region.clone(),
                    name: name.clone(),
                    known: known as f64 / UNITS_PER_USD,
                    said,
                });
                continue;
            };
            merged.changed += usize::from(price.on_demand != said);
            (price.on_demand, price.estimated, price.fresh) = (said, false, true);
            *merged.taken.entry(region.clone()).or_default() += 1;
        }
        // Without a price on demand nothing says what spot saves, or whether it can be right.
        if price.on_demand == 0 {
            continue;
        }
        if let Some(usd) = read.spot {
            match units(usd).filter(|spot| *spot as f64 >= price.on_demand as f64 * LEAST_SPOT) {
                Some(spot) => {
                    (price.spot, price.fresh_spot) = (spot, true);
                    *spotted.entry(region).or_default() += 1;
                    merged.spot += 1;
                }
                None => cheap.push(Doubt {
                    region: region.clone(),
                    name: format!("{name} on spot"),
                    known: price.spot as f64 / UNITS_PER_USD,
                    said: usd.is_finite().then_some(usd),
                }),
            }
        }
        // A market price above the list's is one nobody would pay.
        price.spot = price.spot.min(price.on_demand);
        prices.insert(region.clone(), price);
    }
    let refused = |region: &str| merged.doubtful.iter().filter(|it| it.region == region).count();
    for (region, known) in known {
        let read = merged.taken[region];
        if read + refused(region) < known.div_ceil(2) {
            return Err(Unreadable::Cut(format!("{read} machine prices in {region}, where {known} are known")));
        }
        let spot = spotted.contains_key(region.as_str());
        let dates = own.refreshed.entry(region.clone()).or_default();
        dates.0.clone_from(&date);
        if spot {
            dates.1 = date.clone();
        }
    }
    merged.doubtful.extend(cheap);
    for read in fresh.components.iter().filter(|it| regions.contains(&it.region)) {
        merged.components += usize::from(lay_component(table, vendor, read, at, &mut merged.doubtful));
    }
    table.date = table.date.clone().max(date);
    Ok(merged)
}

/// What a machine costs in the middle one of its regions; none has no regions yet.
fn usual(prices: &BTreeMap<String, RowPrice>) -> Units {
    let mut all: Vec<Units> = prices.values().map(|it| it.on_demand).filter(|usd| *usd > 0).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Estimates are held to like list prices: what vendors publish by mistake is what they were made for.
fn believed(known: Units, usd: f64) -> Option<Units> {
    let said = units(usd)?;
    (known == 0 || BELIEVED.contains(&(said as f64 / known as f64))).then_some(said)
}

fn lay_component(
    table: &mut PriceTable,
    vendor: &str,
    read: &super::ReadComponent,
    at: &str,
    doubtful: &mut Vec<Doubt>,
) -> bool {
    let source = table.vendor_mut(vendor).source.clone();
    let of_name = |row: &&mut ComponentRow| row.cloud == vendor && row.name == read.name && row.unit == read.unit;
    let mut rows = table.components.iter_mut().filter(of_name).collect::<Vec<_>>();
    // A region's own price is what it is held to; one that has none, to the nearest that any has.
    let own = rows.iter().find(|row| row.region == read.region).map(|row| row.usd);
    let far = |usd: &f64| (read.usd / usd).ln().abs();
    let nearest = || rows.iter().map(|row| row.usd).min_by(|one, other| far(one).total_cmp(&far(other)));
    // What no region had before is not known to mean the same.
    let Some(known) = own.or_else(nearest) else { return false };
    if !BELIEVED.contains(&(read.usd / known)) {
        let (region, name) = (read.region.clone(), read.name.clone());
        doubtful.push(Doubt { region, name, known, said: Some(read.usd) });
        return false;
    }
    match rows.iter_mut().find(|row| row.region == read.region) {
        Some(row) => (row.usd, row.as_of, row.source) = (read.usd, at.to_owned(), source),
        None => {
            let like = (*rows[0]).clone();
            let row = ComponentRow { region: read.region.clone(), usd: read.usd, as_of: at.to_owned(), source, ..like };
            table.components.push(row);
        }
    }
    true
}

/// Carries what an older refreshed table has read over to a newer embedded one, where it is younger than what stands there.
pub fn carry(old: &PriceTable, new: &mut PriceTable) {
    for theirs in &old.vendors {
        let Some(ours) = new.vendors.iter_mut().find(|table| table.vendor == theirs.vendor) else { continue };
        let younger: BTreeMap<&String, &(String, String)> =
            theirs.refreshed.iter().filter(|(_, dates)| dates.0 > ours.on_demand_as_of).collect();
        for (name, it) in &theirs.types {
            let Some(own) = ours.types.get_mut(name) else { continue };
            for (region, price) in it.prices.iter().filter(|(region, _)| younger.contains_key(region)) {
                let slot = own.prices.entry(region.clone()).or_default();
                if price.fresh {
                    (slot.on_demand, slot.estimated, slot.fresh) = (price.on_demand, false, true);
                }
                if price.fresh_spot && younger[region].1 > ours.spot_as_of {
                    (slot.spot, slot.fresh_spot) = (price.spot, true);
                }
                slot.spot = slot.spot.min(slot.on_demand);
                if slot.on_demand == 0 {
                    own.prices.remove(region);
                }
            }
        }
        ours.refreshed.extend(younger.into_iter().map(|(region, dates)| (region.clone(), dates.clone())));
    }
    for row in old.components.iter().filter(|row| !row.as_of.is_empty() && row.as_of > new.date) {
        let key = |it: &ComponentRow| (it.cloud.clone(), it.region.clone(), it.name.clone(), it.unit.clone());
        match new.components.iter_mut().find(|own| key(own) == key(row)) {
            Some(own) => *own = row.clone(),
            None => new.components.push(row.clone()),
        }
    }
    new.date = new.date.clone().max(old.date.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::refresh::{Read, ReadComponent};
    use crate::cost::{Catalogue, catalogue};
    use crate::model::{Cloud, Region};

    /// Everything as it is in one region, with a change.
    fn as_it_is(region: &str, change: impl Fn(&str, &mut Read)) -> Fresh {
        let mut fresh = Fresh::default();
        for price in catalogue().instances_in(Cloud::Aws, &Region(region.into())) {
            let mut read = Read { on_demand: Some(price.on_demand), spot: price.spot };
            change(price.machine.name, &mut read);
            fresh.machines.insert((region.to_owned(), price.machine.name.to_owned()), read);
        }
        fresh
    }

    fn merged(fresh: &Fresh) -> (Catalogue, Merged) {
        let mut table = catalogue().unpack();
        let merged = merge(&mut table, "aws", fresh, &["us-east-1".to_owned()], "2026-11-27").unwrap();
        (Catalogue::read(table.pack().unwrap()).unwrap(), merged)
    }

    #[test]
    fn what_was_read_stands_with_its_date_and_the_rest_as_it_was() {
        let (table, merged) = merged(&as_it_is("us-east-1", |name, read| {
            if name == "m6a.large" {
                *read = Read { on_demand: Some(0.09), spot: Some(0.5) };
            }
        }));
        assert_eq!((merged.changed, merged.doubtful.len(), merged.unknown), (1, 0, 0));
        let price = table.instance(Cloud::Aws, &Region("us-east-1".into()), "m6a.large").unwrap();
        assert_eq!((price.on_demand, price.spot), (0.09, Some(0.09)), "spot is never dearer");
        assert_eq!((price.as_of, price.spot_as_of, price.estimated), ("2026-11-27", "2026-11-27", false));
        let other = table.instance(Cloud::Aws, &Region("eu-west-1".into()), "m6a.large").unwrap();
        let before = catalogue().instance(Cloud::Aws, &Region("eu-west-1".into()), "m6a.large").unwrap();
        assert_eq!(other, before);
        assert_eq!(table.date(), "2026-11-27");
    }

    #[test]
    fn what_only_an_earlier_refresh_read_has_not_the_date_of_a_later_one() {
        let here = ["us-east-1".to_owned()];
        let mut table = catalogue().unpack();
        merge(&mut table, "aws", &as_it_is("us-east-1", |_, _| {}), &here, "2026-11-01").unwrap();
        let mut later = as_it_is("us-east-1", |name, read| {
            if name == "m5.large" {
                read.on_demand = Some(9.0);
            }
        });
        later.machines.remove(&("us-east-1".to_owned(), "m6a.large".to_owned()));
        merge(&mut table, "aws", &later, &here, "2026-11-27").unwrap();
        let table = Catalogue::read(table.pack().unwrap()).unwrap();
        let as_of = |name| table.instance(Cloud::Aws, &Region("us-east-1".into()), name).unwrap().as_of;
        let list = catalogue().as_of(Cloud::Aws, false);
        assert_eq!((as_of("m6a.large"), as_of("m5.large"), as_of("t3.medium")), (list, list, "2026-11-27"));
        let nat = table.component(Cloud::Aws, &Region("us-east-1".into()), "nat-gateway").unwrap();
        assert_eq!(nat.as_of, catalogue().date(), "what nobody read keeps its date");
    }

    #[test]
    fn a_price_that_jumps_is_not_believed_and_one_that_contradicts_itself_neither() {
        let (table, merged) = merged(&as_it_is("us-east-1", |name, read| match name {
            "m6a.large" => read.on_demand = Some(0.008_64),
            "m5.large" => read.on_demand = Some(f64::NAN),
            _ => {}
        }));
        let doubts: Vec<_> = merged.doubtful.iter().map(|it| (it.name.as_str(), it.said)).collect();
        assert_eq!(doubts, [("m5.large", None), ("m6a.large", Some(0.008_64))]);
        let price = table.instance(Cloud::Aws, &Region("us-east-1".into()), "m6a.large").unwrap();
        assert_eq!((price.on_demand, price.as_of), (0.0864, catalogue().as_of(Cloud::Aws, false)));
    }

    #[test]
    fn half_an_answer_is_none() {
        let mut fresh = as_it_is("us-east-1", |_, _| {});
        let few: Vec<_> = fresh.machines.keys().take(20).cloned().collect();
        fresh.machines.retain(|key, _| few.contains(key));
        let mut table = catalogue().unpack();
        let error = merge(&mut table, "aws", &fresh, &["us-east-1".to_owned()], "2026-11-27").unwrap_err();
        assert!(error.to_string().starts_with("20 machine prices in us-east-1, where "), "{error}");
        assert!(merge(&mut table, "aws", &Fresh::default(), &["us-east-1".to_owned()], "2026-11-27").is_err());
    }

    /// Azure publishes Standard_F16ams_v6 at a sixth of its price in one region, and spot prices of next to nothing.
    #[test]
    fn what_cannot_be_right_stays_out_where_an_estimate_or_nothing_stood() {
        let said = |region: &str, name: &str, on_demand: f64, spot: Option<f64>| {
            let mut table = catalogue().unpack();
            let rows = table.vendors.iter().find(|it| it.vendor == "azure").unwrap();
            let machines = rows.types.iter().filter_map(|(name, it)| {
                let price = it.prices.get(region).filter(|price| price.on_demand > 0)?;
                let read = Read { on_demand: Some(price.on_demand as f64 / UNITS_PER_USD), spot: None };
                Some(((region.to_owned(), name.clone()), read))
            });
            let mut fresh = Fresh { machines: machines.collect(), ..Fresh::default() };
            fresh.machines.insert((region.into(), name.into()), Read { on_demand: Some(on_demand), spot });
            let merged = merge(&mut table, "azure", &fresh, &[region.to_owned()], "2026-11-27").unwrap();
            let row = table.vendor_mut("azure").types[name].prices.get(region).copied();
            (row.unwrap_or_default(), merged.doubtful)
        };
        let (row, doubts) = said("newzealandnorth", "Standard_F16ams_v6", 0.18, None);
        assert!(row.estimated && row.on_demand > 50_000 && doubts.len() == 1, "{row:?} {doubts:?}");
        let (row, doubts) = said("eastus", "Standard_D4s_v5", 0.192, Some(0.00001));
        assert!(row.spot > 1_000 && doubts.len() == 1, "{row:?} {doubts:?}");
        let (row, doubts) = said("eastus", "Standard_D4s_v5", 0.192, Some(0.03));
        assert!(row.spot == 3_000 && doubts.is_empty(), "{row:?} {doubts:?}");
    }

    #[test]
    fn components_are_taken_where_their_meaning_is_known() {
        let mut fresh = as_it_is("us-east-1", |_, _| {});
        let read = |region: &str, name: &str, unit: &str, usd: f64| ReadComponent {
            region: region.into(),
            name: name.into(),
            unit: unit.into(),
            usd,
        };
        fresh.components = vec![
            read("us-east-1", "nat-gateway", "hour", 0.048),
            read("us-east-1", "eks-cluster", "hour", 10.0),
            read("us-east-1", "moon-gateway", "hour", 1.0),
            read("eu-west-1", "nat-gateway", "hour", 0.09),
        ];
        let (table, merged) = merged(&fresh);
        assert_eq!((merged.components, merged.doubtful.len()), (1, 1));
        let nat = table.component(Cloud::Aws, &Region("us-east-1".into()), "nat-gateway").unwrap();
        assert_eq!((nat.usd, nat.as_of, nat.estimated), (0.048, "2026-11-27", false));
        assert_eq!(nat.source, "AWS list prices");
        let eks = table.component(Cloud::Aws, &Region("us-east-1".into()), "eks-cluster").unwrap();
        assert_eq!(eks.usd, 0.1);
    }

    #[test]
    fn a_newer_binary_keeps_what_was_read_after_its_own_date() {
        let fresh = as_it_is("us-east-1", |name, read| {
            if name == "m6a.large" {
                read.on_demand = Some(0.09);
            }
        });
        let (read, _) = merged(&fresh);
        let price = |table: &PriceTable| table.vendors[0].types["m6a.large"].prices["us-east-1"];
        let mut newer = catalogue().unpack();
        carry(&read.unpack(), &mut newer);
        assert_eq!((price(&newer).on_demand, price(&newer).fresh), (9_000, true));
        let mut newest = catalogue().unpack();
        newest.vendors[0].on_demand_as_of = "2026-12-24".into();
        carry(&read.unpack(), &mut newest);
        assert_eq!((price(&newest).on_demand, price(&newest).fresh), (8_640, false));
    }
}
