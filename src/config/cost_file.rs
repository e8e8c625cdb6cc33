//! The user's own prices, `~/.config/kubewright/cost.yaml`:
//!
//! ```yaml
//! discounts:
//!   aws: 20%                                  # machines on demand, and what is no machine
//!   gcp: { onDemand: 28%, spot: 5%, components: 0.1 }
//! prices:
//!   - { provider: aws, region: us-east-1, instanceType: m6a.large, usd: 0.07, spotUsd: 0.03 }
//!   - { provider: aws, component: nat-gateway, usd: 0.04 }   # every region
//! ```
//! Whether regions, types and components exist is for who has the price table.

use super::spec::{
    Place, SpecProblem,
    walk::{At, Fields, Walk},
};
use super::yaml;
use crate::model::{Adjustments, Discount, OwnPrice};

/// Longest file that is read.
pub const LIMIT: u64 = yaml::LIMIT as u64;

const PROVIDERS: [&str; 4] = ["aws", "gcp", "azure", "lambda"];
const PRICE_KEYS: [&str; 6] = ["provider", "region", "instanceType", "component", "usd", "spotUsd"];
const EXAMPLE: &str = "{ provider: aws, instanceType: m6a.large, usd: 0.07 }";
/// No unit of anything costs more an hour.
const MOST_USD: f64 = 100_000.0;

/// Reads the file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, filename: &str) -> Result<Adjustments, Vec<SpecProblem>> {
    let place = |mark| Place::File { name: filename.to_owned(), mark };
    let root = yaml::parse(text).map(|root| root.map_places(&place));
    let root = root.map_err(|error| vec![SpecProblem::new("", error.message).at(&place(error.at))])?;
    let mut walk = Walk::default();
    let mut all = Adjustments::default();
    let top = At { path: String::new(), node: &root };
    if let Some(fields) = walk.fields(&top, &["discounts", "prices"], "discounts: { aws: 20% }") {
        let discounts = fields.get("discounts").and_then(|at| walk.fields(&at, &PROVIDERS, "{ aws: 20% }"));
        for provider in PROVIDERS {
            let at = discounts.as_ref().and_then(|fields| fields.get(provider));
            all.discounts.extend(at.and_then(|at| discount(&mut walk, provider, &at)));
        }
        let rows = fields.get("prices").and_then(|at| walk.items(&at, EXAMPLE)).unwrap_or_default();
        for at in rows {
            let price = price(&mut walk, &at);
            let same = |it: &OwnPrice| {
                Some((&it.provider, &it.region, &it.name))
                    == price.as_ref().map(|it| (&it.provider, &it.region, &it.name))
            };
            match all.prices.iter().find(|it| same(it)) {
                Some(first) => walk.problem(&at, format!("this price is given twice, first at {}", first.at)),
                None => all.prices.extend(price),
            }
        }
    }
    if walk.problems.is_empty() { Ok(all) } else { Err(walk.problems) }
}

/// `cost.yaml:3`: the line is enough to find it.
fn line(at: &At<'_>) -> String {
    let place = at.node.at.to_string();
    let place = place.rsplit_once(':').map_or(place.as_str(), |(line, _)| line);
    place.rsplit('/').next().unwrap_or(place).to_owned()
}

fn discount(walk: &mut Walk, provider: &str, at: &At<'_>) -> Option<Discount> {
    let (provider, line) = (provider.to_owned(), line(at));
    if !matches!(at.node.kind, yaml::Kind::Map(_)) {
        let cut = share(walk, at)?;
        return Some(Discount { provider, on_demand: cut, spot: 0.0, components: cut, at: line });
    }
    let fields = walk.fields(at, &["onDemand", "spot", "components"], "{ onDemand: 20% }")?;
    let mut of = |key: &str| match fields.get(key) {
        Some(at) => share(walk, &at),
        None => Some(0.0),
    };
    let (on_demand, spot, components) = (of("onDemand"), of("spot"), of("components"));
    Some(Discount { provider, on_demand: on_demand?, spot: spot?, components: components?, at: line })
}

/// `20%` or `0.2`.
fn share(walk: &mut Walk, at: &At<'_>) -> Option<f64> {
    let text = walk.text(at, "20%")?;
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match number {
        Ok(share) if (0.0..1.0).contains(&share) => Some(share),
        Ok(_) => {
            walk.problem(at, format!("a discount is from 0 to less than the whole, not {text}; write 20% or 0.2"));
            None
        }
        Err(_) => {
            walk.expected(at, "a share", "20%");
            None
        }
    }
}

fn price(walk: &mut Walk, at: &At<'_>) -> Option<OwnPrice> {
    let fields = walk.fields(at, &PRICE_KEYS, EXAMPLE)?;
    let provider = word(walk, &fields, "provider");
    if let (Some(given), Some(at)) = (&provider, fields.get("provider"))
        && !PROVIDERS.contains(&given.as_str())
    {
        walk.problem(&at, format!("`{given}` is none of {}", PROVIDERS.join(", ")));
    }
    let (machine, component) = (word(walk, &fields, "instanceType"), word(walk, &fields, "component"));
    let region = word(walk, &fields, "region");
    let (usd, spot_usd) = (money(walk, &fields, "usd"), money(walk, &fields, "spotUsd"));
    if provider.is_none() {
        walk.problem(at, format!("it says no provider; write `{EXAMPLE}`"));
    }
    if machine.is_some() == component.is_some() {
        walk.problem(at, "it names either an instanceType or a component");
    }
    if fields.get("usd").is_none() && fields.get("spotUsd").is_none() {
        walk.problem(at, "it says no price: usd, or spotUsd");
    }
    if component.is_some() && fields.get("spotUsd").is_some() {
        walk.problem(at, "a component has no spot price");
    }
    let is_component = component.is_some();
    Some(OwnPrice {
        provider: provider?,
        region,
        name: machine.or(component)?,
        is_component,
        usd,
        spot_usd,
        at: line(at),
    })
}

fn word(walk: &mut Walk, fields: &Fields<'_>, key: &str) -> Option<String> {
    let at = fields.get(key)?;
    walk.text(&at, "m6a.large").map(str::to_owned)
}

fn money(walk: &mut Walk, fields: &Fields<'_>, key: &str) -> Option<f64> {
    let at = fields.get(key)?;
    let usd = walk.positive(&at, "0.07")?;
    if usd > MOST_USD {
        walk.problem(&at, format!("nothing costs {usd} USD; prices are by the hour or the GB-month"));
        return None;
    }
    Some(usd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discounts_and_prices_know_their_lines() {
        let text = "discounts:\n  aws: 20%\n  gcp: { onDemand: 0.28, spot: 5% }\nprices:\n  - { provider: aws, component: nat-gateway, usd: 0.04 }\n";
        let all = parse(text, "/home/me/.config/kubewright/cost.yaml").unwrap();
        let cuts: Vec<_> =
            all.discounts.iter().map(|it| (it.on_demand, it.spot, it.components, it.at.as_str())).collect();
        assert_eq!(cuts, [(0.2, 0.0, 0.2, "cost.yaml:2"), (0.28, 0.05, 0.0, "cost.yaml:3")]);
        assert_eq!((all.prices[0].name.as_str(), all.prices[0].at.as_str()), ("nat-gateway", "cost.yaml:5"));
        assert_eq!(parse("", "cost.yaml"), Ok(Adjustments::default()));
    }

    #[test]
    fn all_problems_come_at_once_with_their_lines() {
        let text = "discount: {}\ndiscounts: { aws: 120%, gcp: cheap, ibm: 1% }\nprices:\n  - { provider: ibm, instanceType: a, component: b, usd: -1 }\n  - { provider: aws, component: nat-gateway, spotUsd: 1 }\n  - { provider: aws, component: x, usd: 1 }\n  - { provider: aws, component: x, usd: 2 }\n  - { instanceType: a }\n";
        let problems = parse(text, "cost.yaml").unwrap_err();
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for part in [
            "cost.yaml:1:1: discount: unknown key; did you mean `discounts`?",
            "120%",
            "cheap",
            "ibm",
            "either an instanceType or a component",
            "-1",
            "no spot price",
            "given twice, first at cost.yaml:6",
            "it says no provider",
            "it says no price",
        ] {
            assert!(words.iter().any(|line| line.contains(part)), "{part} in {words:#?}");
        }
        assert!(words.iter().all(|line| line.starts_with("cost.yaml:")), "{words:#?}");
        // A key of cluster.yaml has no place to go to here.
        let foreign = parse("region: us-east-1", "cost.yaml").unwrap_err();
        assert_eq!(foreign[0].to_string(), "cost.yaml:1:1: region: unknown key; valid keys here: discounts, prices");
    }
}
