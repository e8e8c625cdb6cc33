//! Prices that cannot be right: far from what the same machine costs in all other regions. Pure.
//!
//! A region is dearer or cheaper than others by about the same share for everything it sells. A price that is less than
//! half, or more than twice, of what the type's usual price and the region's usual share lead to is an error of whoever
//! published it (a placeholder, a slipped decimal, another meter), and would be the first that a comparison finds.

use super::table::{Units, VendorTable};
use std::collections::BTreeMap;

/// Fewest regions that say what a type costs.
const ENOUGH: usize = 4;
/// How far from what is to be expected a price may be.
const BOUNDS: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// A price that cannot be right.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlier {
    /// The machine type.
    pub name: String,
    /// The region.
    pub region: String,
    /// What the table says.
    pub price: Units,
    /// What the type's price elsewhere and the region's usual share lead to.
    pub expected: Units,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

/// All of a vendor's, by type and region. Types that few regions have are not judged.
pub fn outliers(table: &VendorTable) -> Vec<Outlier> {
    let judged = || table.types.iter().filter(|(_, it)| it.prices.len() >= ENOUGH);
    let usual: BTreeMap<&str, f64> = judged()
        .filter_map(|(name, it)| {
            let all = it.prices.values().map(|price| price.on_demand as f64);
            Some((name.as_str(), median(all.collect())?))
        })
        .collect();
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, it) in judged() {
        for (region, price) in &it.prices {
            shares.entry(region).or_default().push(price.on_demand as f64 / usual[name.as_str()]);
        }
    }
    let shares: BTreeMap<&str, f64> =
        shares.into_iter().filter_map(|(region, all)| Some((region, median(all)?))).collect();
    let mut found = Vec::new();
    for (name, it) in judged() {
        for (region, price) in &it.prices {
            let expected = usual[name.as_str()] * shares[region.as_str()];
            if !BOUNDS.contains(&(price.on_demand as f64 / expected)) {
                let (name, region) = (name.clone(), region.clone());
                found.push(Outlier { name, region, price: price.on_demand, expected: expected.round() as Units });
            }
        }
    }
    found
}

/// Puts what is to be expected in place of every outlier, marked as an estimate, and forgets its spot price. Returns them.
/// What is corrected moves the medians a little: it looks again until nothing that was read stands out.
pub fn correct(table: &mut VendorTable) -> Vec<Outlier> {
    let mut all: Vec<Outlier> = Vec::new();
    loop {
        let corrected = |it: &Outlier| all.iter().any(|old| old.name == it.name && old.region == it.region);
        let found: Vec<Outlier> = outliers(table).into_iter().filter(|it| !corrected(it)).collect();
        if found.is_empty() {
            return all;
        }
        for it in found {
            let price = table.types.get_mut(&it.name).and_then(|types| types.prices.get_mut(&it.region));
            let price = price.expect("an outlier was found in the table");
            (price.on_demand, price.spot, price.estimated) = (it.expected, 0, true);
            all.push(it);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{
        catalogue,
        table::{RowPrice, TypePrices},
    };

    #[test]
    fn the_embedded_table_has_none_that_is_not_marked() {
        for table in &catalogue().unpack().vendors {
            let wrong: Vec<_> =
                outliers(table).into_iter().filter(|it| !table.types[&it.name].prices[&it.region].estimated).collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", table.vendor);
        }
        let odd = crate::model::Region("newzealandnorth".to_owned());
        let price = catalogue().instance(crate::model::Cloud::Azure, &odd, "Standard_F16ams_v6").unwrap();
        assert!(price.estimated && price.spot.is_none() && price.on_demand > 1.0, "{price:?}");
    }

    #[test]
    fn a_slipped_decimal_is_found_and_a_dear_region_is_not() {
        let mut table = VendorTable::default();
        for (name, size) in [("small", 1_000), ("large", 4_000), ("medium", 2_000), ("huge", 8_000)] {
            let regions = [("a", 10), ("b", 11), ("c", 9), ("d", 10), ("dear", 18)];
            let price = |share: u64| RowPrice { on_demand: size * share, spot: size, ..RowPrice::default() };
            let prices = regions.iter().map(|(region, share)| ((*region).to_owned(), price(*share)));
            table.types.insert(name.to_owned(), TypePrices { prices: prices.collect(), ..TypePrices::default() });
        }
        assert_eq!(outliers(&table), []);
        let slip = |table: &mut VendorTable, region: &str, price: Units| {
            table.types.get_mut("large").unwrap().prices.get_mut(region).unwrap().on_demand = price;
        };
        slip(&mut table, "b", 4_400);
        let found = correct(&mut table);
        assert_eq!(found.iter().map(|it| (it.region.as_str(), it.price)).collect::<Vec<_>>(), [("b", 4_400)]);
        let price = table.types["large"].prices["b"];
        assert!(price.estimated && price.spot == 0 && (39_000..45_000).contains(&price.on_demand), "{price:?}");
        assert_eq!(outliers(&table), []);
    }
}
