//! Discounts and prices of the user's own, laid over the table as it is read. Pure.
//!
//! A price of one's own stands for itself: no discount is taken from it. Spot is discounted only where that was said: what
//! was agreed for machines on demand may be less than the spot market asks.

use super::{InstancePrice, Vendor, table::UNITS_PER_USD};
use crate::model::{Adjustments, Discount, OwnPrice};

/// What a discount leaves, rounded to so many parts of a dollar; what costs anything never costs nothing.
fn less(usd: f64, share: f64, parts: f64) -> f64 {
    let least = if usd > 0.0 { 1.0 } else { 0.0 };
    (usd * (1.0 - share) * parts).round().max(least) / parts
}

fn discount(all: &Adjustments, vendor: Vendor) -> Option<&Discount> {
    all.discounts.iter().find(|it| it.provider == vendor.as_str())
}

/// The one that fits best: a region that is named beats one that is not.
fn own<'a>(all: &'a Adjustments, vendor: Vendor, region: &str, name: &str) -> Option<&'a OwnPrice> {
    let fits = |it: &&OwnPrice| {
        it.provider == vendor.as_str() && it.name == name && it.region.as_deref().is_none_or(|own| own == region)
    };
    all.prices.iter().filter(fits).max_by_key(|it| it.region.is_some())
}

/// A machine's prices.
pub(super) fn machine(all: &Adjustments, vendor: Vendor, price: &mut InstancePrice<'_>) {
    let (on_demand, spot) = (price.on_demand, price.spot);
    if let Some(cut) = discount(all, vendor) {
        if cut.on_demand > 0.0 {
            price.on_demand = less(on_demand, cut.on_demand, UNITS_PER_USD);
            price.adjusted = Some(format!("{}: {} % off {on_demand}", cut.at, percent(cut.on_demand)));
        }
        if let Some(usd) = spot.filter(|_| cut.spot > 0.0) {
            price.spot = Some(less(usd, cut.spot, UNITS_PER_USD));
            price.spot_adjusted = Some(format!("{}: {} % off {usd}", cut.at, percent(cut.spot)));
        }
    }
    let Some(own) = own(all, vendor, price.region, price.machine.name) else { return };
    if let Some(usd) = own.usd {
        price.on_demand = usd;
        price.adjusted = Some(format!("{}: instead of {on_demand}", own.at));
    }
    if let Some(usd) = own.spot_usd {
        let list = spot.map_or_else(|| "none".to_owned(), |usd| usd.to_string());
        price.spot = Some(usd);
        price.spot_adjusted = Some(format!("{}: instead of {list}", own.at));
    }
}

/// A component's price.
pub(super) fn component(
    all: &Adjustments,
    vendor: Vendor,
    region: &str,
    name: &str,
    usd: f64,
) -> (f64, Option<String>) {
    if let Some(price) = own(all, vendor, region, name)
        && let Some(own) = price.usd
    {
        return (own, Some(format!("{}: instead of {usd}", price.at)));
    }
    // An attached GPU of a spot machine is of the spot market as its machine is, the others are components.
    let share = |cut: &Discount| if name.ends_with("-spot") { cut.spot } else { cut.components };
    match discount(all, vendor).map(|cut| (cut, share(cut))).filter(|(_, share)| *share > 0.0) {
        Some((cut, share)) => {
            let note = format!("{}: {} % off {usd}", cut.at, percent(share));
            // Months of gigabytes have more decimals than five.
            (less(usd, share, 1e7), Some(note))
        }
        None => (usd, None),
    }
}

fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::MachineType;
    use crate::model::Cloud;

    const AWS: Vendor = Vendor::Cloud(Cloud::Aws);

    fn discounted(on_demand: f64, spot: f64) -> Adjustments {
        let cut =
            Discount { provider: "aws".to_owned(), on_demand, spot, components: 0.0, at: "cost.yaml:2".to_owned() };
        Adjustments { discounts: vec![cut], prices: Vec::new() }
    }

    fn own_price(region: Option<&str>, usd: Option<f64>, spot_usd: Option<f64>, line: u32) -> OwnPrice {
        OwnPrice {
            provider: "aws".to_owned(),
            region: region.map(str::to_owned),
            name: "m5.large".to_owned(),
            is_component: false,
            usd,
            spot_usd,
            at: format!("cost.yaml:{line}"),
        }
    }

    /// What becomes of 0.096 on demand and 0.04 on spot, and what is said of either.
    fn adjusted(all: &Adjustments) -> (f64, Option<f64>, Option<String>, Option<String>) {
        let machine = MachineType { name: "m5.large", vcpus: 2.0, memory_gib: 8.0, accelerator: None };
        let mut price = InstancePrice {
            machine,
            region: "us-east-1",
            on_demand: 0.096,
            spot: Some(0.04),
            estimated: false,
            as_of: "",
            spot_as_of: "",
            adjusted: None,
            spot_adjusted: None,
        };
        super::machine(all, AWS, &mut price);
        (price.on_demand, price.spot, price.adjusted, price.spot_adjusted)
    }

    #[test]
    fn a_discount_touches_its_own_market_and_says_so_there() {
        let note = |text: &str| Some(format!("cost.yaml:{text}"));
        assert_eq!(adjusted(&discounted(0.6, 0.0)), (0.0384, Some(0.04), note("2: 60 % off 0.096"), None));
        assert_eq!(adjusted(&discounted(0.0, 0.1)), (0.096, Some(0.036), None, note("2: 10 % off 0.04")));
    }

    #[test]
    fn what_costs_anything_never_costs_nothing() {
        assert_eq!(
            (adjusted(&discounted(0.999_999, 0.0)).0, adjusted(&discounted(0.0, 0.999_999)).1),
            (1e-5, Some(1e-5))
        );
        let mut all = discounted(0.0, 0.2);
        all.discounts[0].components = 0.999_999_99;
        assert_eq!(component(&all, AWS, "us-east-1", "nat-gateway", 0.045).0, 1e-7);
        assert_eq!(component(&all, AWS, "us-east-1", "aks-free", 0.0).0, 0.0);
        // A GPU beside a spot machine is of the spot market.
        let (usd, said) = component(&all, AWS, "us-east-1", "gpu-t4-spot", 0.16);
        assert_eq!((usd, said.as_deref()), (0.128, Some("cost.yaml:2: 20 % off 0.16")));
    }

    #[test]
    fn a_price_of_ones_own_stands_for_itself() {
        let note = |text: &str| Some(format!("cost.yaml:{text}"));
        let mut all = discounted(0.5, 0.1);
        all.prices =
            vec![own_price(None, Some(0.03), None, 4), own_price(Some("us-east-1"), Some(0.02), Some(0.05), 5)];
        let here = (0.02, Some(0.05), note("5: instead of 0.096"), note("5: instead of 0.04"));
        assert_eq!(adjusted(&all), here, "the region that is named beats the one that is not");
        all.prices.pop();
        assert_eq!(adjusted(&all), (0.03, Some(0.036), note("4: instead of 0.096"), note("2: 10 % off 0.04")));
        let (usd, said) = component(&all, AWS, "us-east-1", "nat-gateway", 0.045);
        assert_eq!((usd, said), (0.045, None));
    }
}
