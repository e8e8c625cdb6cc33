//! From what a plan's steps use to what they cost. Pure: the same usage and table give the same estimate.

use super::Catalogue;
use crate::model::{
    Cloud, PriceKey, Region, Unit, Usage,
    doc::{Estimate, HOURS_PER_MONTH, Line, Range, Totals, shown},
};

/// Prices the usage of each step, in the order given; `ttl_hours` is the life time if one is set.
pub fn estimate<'a>(
    steps: impl IntoIterator<Item = (&'a str, &'a [Usage])>,
    table: &Catalogue,
    ttl_hours: Option<f64>,
) -> Estimate {
    let lines: Vec<Line> =
        steps.into_iter().flat_map(|(step, usage)| usage.iter().map(move |usage| line(step, usage, table))).collect();
    let sum = lines.iter().filter_map(|line| line.usd_per_hour).fold(Range::default(), Range::plus);
    let mut unknown: Vec<String> =
        lines.iter().filter(|line| line.usd_per_hour.is_none()).map(|line| line.component.clone()).collect();
    unknown.sort();
    unknown.dedup();
    Estimate {
        currency: "USD".to_owned(),
        catalogue_date: table.date().to_owned(),
        hours_per_month: HOURS_PER_MONTH,
        totals: Totals {
            usd_per_hour: sum.map(shown),
            usd_per_day: shown(sum.desired * 24.0),
            usd_per_month: shown(sum.desired * HOURS_PER_MONTH),
            until_ttl_usd: ttl_hours.map(|hours| shown(sum.desired * hours)),
        },
        complete: unknown.is_empty(),
        unknown,
        excluded: vec!["traffic".to_owned(), "load balancers and volumes that workloads make".to_owned()],
        lines,
    }
}

/// What these usages cost an hour as ordered, to be shown; none if any price is unknown.
pub fn usd_per_hour(usage: &[Usage], table: &Catalogue) -> Option<f64> {
    range_per_hour(usage, table).map(|range| shown(range.desired))
}

/// What these usages cost an hour to the last decimal, to be multiplied by hours; none if any price is unknown.
pub fn range_per_hour(usage: &[Usage], table: &Catalogue) -> Option<Range> {
    let lines = usage.iter().map(|usage| line("", usage, table).usd_per_hour);
    let nothing = Some(Range::default());
    lines.fold(nothing, |sum, range| Some(sum?.plus(range?)))
}

fn line(step: &str, usage: &Usage, table: &Catalogue) -> Line {
    let priced = match &usage.key {
        PriceKey::Instance { cloud, region, instance_type, spot } => {
            let found = table.instance(*cloud, region, instance_type);
            let (date, estimated) = (table.as_of(*cloud, *spot), found.as_ref().is_some_and(|price| price.estimated));
            Priced {
                place: (*cloud, region),
                component: instance_type,
                sku: if *spot { "spot" } else { "on-demand" },
                usd: found.as_ref().and_then(|price| price.usd(*spot)),
                source: table.source(*cloud),
                as_of: found.as_ref().map_or(date, |price| price.as_of_on(*spot)),
                extrapolated: estimated,
                adjusted: found.as_ref().and_then(|price| price.adjusted_on(*spot)).cloned(),
            }
        }
        PriceKey::Component { cloud, region, name } => {
            let found = table.component(*cloud, region, name);
            Priced {
                place: (*cloud, region),
                component: name,
                sku: "list",
                usd: found.as_ref().map(|price| price.usd),
                source: found.as_ref().map_or("", |price| price.source),
                as_of: found.as_ref().map_or(table.date(), |price| price.as_of),
                extrapolated: found.as_ref().is_some_and(|price| price.estimated),
                adjusted: found.and_then(|price| price.adjusted),
            }
        }
    };
    let price = priced.usd;
    let hours = match usage.unit {
        Unit::Hour => 1.0,
        Unit::GbMonth | Unit::Month => 1.0 / HOURS_PER_MONTH,
    };
    Line {
        step: step.to_owned(),
        component: priced.component.to_owned(),
        provider: priced.place.0.to_string(),
        region: priced.place.1.to_string(),
        sku: priced.sku.to_owned(),
        quantity: usage.desired,
        unit: match usage.unit {
            Unit::Hour => "hour".to_owned(),
            Unit::GbMonth => "GB-month".to_owned(),
            Unit::Month => "month".to_owned(),
        },
        unit_price: price,
        usd_per_hour: price.map(|price| Range {
            min: price * usage.min * hours,
            desired: price * usage.desired * hours,
            max: price * usage.max * hours,
        }),
        source: priced.source.to_owned(),
        as_of: priced.as_of.to_owned(),
        extrapolated: priced.extrapolated,
        adjusted: priced.adjusted,
    }
}

/// What the table says of one usage.
struct Priced<'a> {
    place: (Cloud, &'a Region),
    component: &'a str,
    sku: &'static str,
    usd: Option<f64>,
    source: &'a str,
    as_of: &'a str,
    extrapolated: bool,
    adjusted: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::catalogue;

    fn usage(name: &str, quantity: f64) -> Usage {
        let region = Region("us-east-1".into());
        match name.split_once('.') {
            Some(_) => Usage::fixed(
                PriceKey::Instance { cloud: Cloud::Aws, region, instance_type: name.into(), spot: false },
                Unit::Hour,
                quantity,
            ),
            None => Usage::fixed(
                PriceKey::Component { cloud: Cloud::Aws, region, name: name.into() },
                if name.starts_with("ebs") { Unit::GbMonth } else { Unit::Hour },
                quantity,
            ),
        }
    }

    #[test]
    fn the_default_cluster_costs_what_its_parts_cost() {
        let parts = [
            usage("eks-cluster", 1.0),
            usage("m6a.large", 2.0),
            usage("ebs-gp3", 100.0),
            usage("nat-gateway", 1.0),
            usage("public-ipv4", 1.0),
        ];
        let all = estimate([("all", parts.as_slice())], catalogue(), Some(8.0));
        assert_eq!(all.totals.usd_per_hour.desired, 0.3338);
        // 73 + 126.144 + 8 + 32.85 + 3.65: of the parts, not of a sum that was rounded first.
        assert_eq!(all.totals.usd_per_month, 243.644);
        assert_eq!(all.totals.until_ttl_usd, Some(2.6701));
        assert!(all.complete);
        let two_small = [usage("eks-cluster", 1.0), usage("t3.medium", 2.0)];
        assert_eq!(usd_per_hour(&two_small, catalogue()), Some(0.1832));
    }

    #[test]
    fn unknown_is_not_zero() {
        let parts = [usage("m99.huge", 1.0), usage("eks-cluster", 1.0)];
        let all = estimate([("all", parts.as_slice())], catalogue(), None);
        assert!(!all.complete);
        assert_eq!(all.unknown, ["m99.huge"]);
        assert_eq!(all.lines[0].usd_per_hour, None);
        assert_eq!(usd_per_hour(&parts, catalogue()), None);
    }
}
