//! The questions of `init`, in their order. Each has a default that works, and is not asked where a flag has answered.

use super::{
    ask::{Ask, Choice, declined},
    desk::Desk,
};
use crate::app::{places, provision::Overrides, stacks};
use crate::config::spec::{self, SpecProblem};
use crate::cost::{catalogue, reference_region};
use crate::error::CliError;
use crate::model::spec::Nat;
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, time::parse_span};
use crate::providers::{USUAL, suggested_machines, usual_machine};
use crate::ui::style::hourly;
use std::path::Path;

/// Taken for an answer that sets nothing.
const NONE: &str = "none";
/// How many regions are listed before anybody searched.
const REGIONS_SHOWN: usize = 8;
/// How many names are tried for one that is free.
const NAMES: u32 = 100;

/// What was answered, as the flags that say the same.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) name: Option<ClusterName>,
    pub(super) overrides: Overrides,
}

impl Answers {
    /// With what flags have said; what is wrong with them is told before the first question about them.
    pub(super) fn begin(desk: &Desk, overrides: Overrides) -> Result<Self, CliError> {
        let answers = Self { name: None, overrides };
        let spec = answers.named().spec(desk).map_err(super::refused)?;
        let named = spec.network.as_ref().and_then(|network| network.zones.as_deref()).unwrap_or_default();
        // Letters differ between accounts, so only the cloud's own list refuses one.
        let there = desk.offers.zones.as_deref().filter(|_| desk.is_live());
        let unknown = named.iter().filter_map(|name| zone(name, there).err());
        let mut problems = unknown.chain(desk.problems(&spec));
        let Some(first) = problems.next() else { return Ok(answers) };
        let mut error = CliError::new("KW-SPEC", first);
        error.details = problems.collect();
        Err(error.hint("kubewright help init lists the flags"))
    }

    /// With a name in any case: what is judged or priced before there is one needs one.
    fn named(&self) -> Self {
        Self { name: self.name.clone().or_else(|| "demo".parse().ok()), ..self.clone() }
    }

    /// The spec they make, judged by the rules of the file it will be.
    pub(super) fn spec(&self, desk: &Desk) -> Result<ClusterSpec, Vec<SpecProblem>> {
        let mut spec = self.overrides.spec(Some(desk.cloud))?;
        spec.name.clone_from(&self.name);
        spec.region = Some(desk.region.clone());
        spec::parse(&spec::write(&spec), "cluster.yaml")
    }

    /// The same with one more answer, or why that cannot be.
    fn with(&self, desk: &Desk, answer: impl FnOnce(&mut Overrides)) -> Result<Self, String> {
        let mut tried = self.clone();
        answer(&mut tried.overrides);
        let words = |problem: SpecProblem| SpecProblem { place: None, key: String::new(), ..problem }.to_string();
        let judged = tried.named().spec(desk);
        let spec = judged.map_err(|problems| problems.into_iter().map(words).collect::<Vec<_>>().join("; "))?;
        let problems = desk.problems(&spec);
        if problems.is_empty() { Ok(tried) } else { Err(problems.join("; ")) }
    }

    fn said(&self, desk: &Desk) -> ClusterSpec {
        self.spec(desk).unwrap_or_default()
    }
}

pub(super) fn says_zones(spec: &ClusterSpec) -> bool {
    spec.network
        .as_ref()
        .is_some_and(|network| network.zone_count.is_some() || network.zones.is_some() || network.existing.is_some())
}

pub(super) fn says_nat(spec: &ClusterSpec) -> bool {
    spec.network.as_ref().is_some_and(|network| network.nat.is_some() || network.existing.is_some())
}

/// Whoever brings pools of other names has said all there is to say about them.
fn brings_pools(spec: &ClusterSpec) -> bool {
    spec.node_pools.iter().flatten().any(|pool| pool.name != "default")
}

pub(super) fn says_machine(spec: &ClusterSpec) -> bool {
    brings_pools(spec) || spec.node_pools.iter().flatten().any(|pool| pool.instance_type.is_some())
}

pub(super) fn says_nodes(spec: &ClusterSpec) -> bool {
    let sized = spec.node_pools.iter().flatten().any(|pool| pool.count.is_some() || pool.max.is_some());
    brings_pools(spec) || sized
}

/// Which cloud.
pub(super) async fn cloud(ask: &Ask<'_>) -> Result<Cloud, CliError> {
    let named = super::configured_cloud(ask.env)?;
    if let Some(cloud) = named.filter(|_| ask.env.settings.typed.provider || !ask.asks()) {
        return Ok(cloud);
    }
    let clouds = super::clouds(ask.env);
    let choices: Vec<Choice> = clouds
        .iter()
        .map(|(cloud, found)| Choice::new(cloud.as_str(), if *found { "credentials found" } else { "no credentials" }))
        .collect();
    // Nobody spends in a cloud that they did not choose: with several there is a default only for whoever can see it.
    let seen = || clouds.iter().find(|(_, found)| *found).or_else(|| clouds.first()).map(|(cloud, _)| *cloud);
    let default = named.or_else(|| (ask.asks() || clouds.len() == 1).then(seen).flatten());
    let judge = |said: &str| said.parse::<Cloud>().map_err(|why| why.to_string()).and_then(built);
    let default = default.map(Cloud::as_str);
    let taken =
        ask.choose("Cloud", &choices, choices.len(), default, "--provider", |said| judge(said).map(drop)).await?;
    judge(&taken).map_err(CliError::usage)
}

fn built(cloud: Cloud) -> Result<Cloud, String> {
    if places::BUILT.contains(&cloud) { Ok(cloud) } else { Err(format!("{cloud} is not in this build")) }
}

/// Which region.
pub(super) async fn region(ask: &Ask<'_>, cloud: Cloud) -> Result<Region, CliError> {
    let judge = |said: &str| {
        let region = Region(said.to_owned());
        places::check_region(cloud, &region).map_err(|error| error.message)
    };
    let typed = ask.env.settings.typed.region || !ask.asks();
    if let Some(region) = ask.env.settings.region.as_ref().filter(|_| typed) {
        places::check_region(cloud, region)?;
        return Ok(region.clone());
    }
    let configured = super::configured_region(ask.env, cloud).await?;
    let mut choices: Vec<Choice> =
        super::regions(cloud).into_iter().map(|(region, about)| Choice::new(region.to_string(), about)).collect();
    // Where nobody sees it, no region is guessed.
    let usual = || ask.asks().then(|| reference_region(cloud).to_owned());
    let default = configured.map(|region| region.to_string()).or_else(usual);
    if let Some(at) = choices.iter().position(|choice| Some(&choice.value) == default.as_ref()) {
        let first = choices.remove(at);
        choices.insert(0, first);
    }
    let taken = ask.choose("Region", &choices, REGIONS_SHOWN, default.as_deref(), "--region", judge).await?;
    Ok(Region(taken))
}

/// What it is called.
pub(super) async fn name(ask: &Ask<'_>) -> Result<ClusterName, CliError> {
    let is_live = |name: &ClusterName| stacks::is_live(ask.env, name).unwrap_or(false);
    let numbered = (2..NAMES).map(|number| format!("demo{number}"));
    let mut free = std::iter::once("demo".to_owned()).chain(numbered);
    let free = free.find(|name| name.parse().is_ok_and(|name| !is_live(&name)));
    ask.until("Name", free.as_deref(), "--name", |said| {
        let name: ClusterName = said.parse().map_err(|why: crate::model::NameError| why.to_string())?;
        if is_live(&name) {
            return Err(format!("a stack `{name}` stands already; choose another name"));
        }
        Ok(name)
    })
    .await
}

/// Everything about the cluster itself.
pub(super) async fn everything_else(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let said = answers.said(desk);
    if said.version.is_none() {
        version(ask, desk, answers).await?;
    }
    if !says_zones(&said) {
        zones(ask, desk, answers).await?;
    }
    if !says_machine(&said) {
        machine(ask, desk, answers).await?;
    }
    if !says_nodes(&said) {
        nodes(ask, desk, answers).await?;
    }
    if !says_nat(&said) {
        nat(ask, desk, answers).await?;
    }
    if said.ttl_secs.is_none() {
        ttl(ask, desk, answers).await?;
    }
    if said.budget.is_none() {
        budget(ask, desk, answers).await?;
    }
    Ok(())
}

async fn version(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let Some(versions) = &desk.offers.versions else { return Ok(()) };
    let choices: Vec<Choice> = versions
        .iter()
        .map(|version| {
            let ends = version.ends.as_ref().map_or_else(String::new, |day| format!("supported until {day}"));
            Choice::new(&version.name, ends)
        })
        .collect();
    let preferred = versions.iter().find(|version| version.preferred).map(|version| version.name.as_str());
    let judge = |said: &str| {
        let tried = answers.with(desk, |flags| flags.version = Some(said.to_owned()))?;
        // Only the cloud's own list is the last word: this build's may be older than a version.
        if desk.is_live() && !versions.iter().any(|version| version.name == said) {
            let names: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
            return Err(format!(
                "{} does not offer {said} at the usual price; there are {}",
                desk.cloud,
                names.join(", ")
            ));
        }
        Ok(tried)
    };
    let taken = ask
        .choose("Kubernetes version", &choices, choices.len(), preferred, "--version", |said| judge(said).map(drop))
        .await?;
    *answers = judge(&taken).map_err(CliError::usage)?;
    Ok(())
}

async fn zones(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let there = desk.offers.zones.as_deref();
    // A region without zones has nothing to choose.
    if there.is_some_and(<[String]>::is_empty) {
        return Ok(());
    }
    if let Some(there) = there {
        ask.tell(&format!("  {}", there.join(" ")));
    }
    let usual = USUAL.zones.to_string();
    let taken = ask
        .until("Zones, how many or which", Some(&usual), "--zone-count", |said| {
            if let Ok(count) = said.parse::<u8>() {
                if let Some(there) = there.filter(|there| usize::from(count) > there.len()) {
                    return Err(format!("{} has {} zones", desk.region, there.len()));
                }
                return answers.with(desk, |flags| flags.zone_count = Some(count));
            }
            let words = said.split([',', ' ']).filter(|word| !word.is_empty());
            let named = words.map(|word| zone(word, there)).collect::<Result<Vec<String>, String>>()?;
            answers.with(desk, |flags| flags.zones = Some(named))
        })
        .await?;
    *answers = taken;
    Ok(())
}

/// A zone by its name or by the end of it.
fn zone(word: &str, there: Option<&[String]>) -> Result<String, String> {
    let Some(there) = there else { return Ok(word.to_owned()) };
    let fits = |zone: &&String| *zone == word || zone.ends_with(word);
    let mut found = there.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(zone), None) => Ok(zone.clone()),
        _ => Err(format!("no zone {word}; there are {}", there.join(", "))),
    }
}

async fn machine(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let network = answers.said(desk).network.unwrap_or_default();
    let named = network.zones.as_deref();
    let among = named.or(desk.offers.zones.as_deref()).unwrap_or_default();
    let needed = named.map_or_else(|| usize::from(network.zone_count.unwrap_or(USUAL.zones)), <[String]>::len);
    // Where zones are not known neither is who has what.
    let offered = |name: &str| among.is_empty() || desk.offers.zones_with(name, among).len() >= needed;
    let suggested: Vec<String> =
        suggested_machines(desk.cloud, &desk.region).into_iter().filter(|name| offered(name)).collect();
    let mut all: Vec<(usize, Choice)> = catalogue()
        .instances_in(desk.cloud, &desk.region)
        .filter(|it| offered(it.machine.name))
        .map(|it| {
            let rank = suggested.iter().position(|name| name == it.machine.name).unwrap_or(usize::MAX);
            let about = format!("{} ${:.4}/h", places::shape(&it.machine), it.on_demand);
            (rank, Choice::new(it.machine.name, about))
        })
        .collect();
    // The sort is stable: behind the suggested ones they stay in the order of their names.
    all.sort_by_key(|(rank, _)| *rank);
    let choices: Vec<Choice> = all.into_iter().map(|(_, choice)| choice).collect();
    let judge = |said: &str| {
        if !offered(said) {
            let has = desk.offers.zones_with(said, among);
            return Err(if has.is_empty() {
                format!("{} has no {said}", desk.region)
            } else {
                format!("{said} is only in {}; {needed} zones are needed", has.join(", "))
            });
        }
        if !desk.is_live() && catalogue().machine_type(desk.cloud, said).is_none() {
            return Err(format!("this build knows no {said} in {}", desk.region));
        }
        answers.with(desk, |flags| flags.node_type = Some(said.to_owned()))
    };
    // A region younger than the price table has what the others have, as far as anybody knows.
    let elsewhere = || usual_machine(desk.cloud, &Region(reference_region(desk.cloud).to_owned()));
    let default = suggested.first().cloned().or_else(elsewhere);
    let default = default.as_deref();
    let taken = ask
        .choose("Machine type", &choices, suggested.len(), default, "--node-type", |said| judge(said).map(drop))
        .await?;
    *answers = judge(&taken).map_err(CliError::usage)?;
    Ok(())
}

async fn nodes(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    ask.tell("  nodes in all; 1-4 for a pool that scales");
    let usual = USUAL.nodes.to_string();
    let taken = ask
        .until("Nodes", Some(&usual), "--nodes", |said| {
            let number = |text: &str| {
                let whole = text.trim().parse::<u32>();
                whole.map_err(|_| format!("`{said}` is not a number of nodes; write 3, or 1-4 for a pool that scales"))
            };
            match said.split_once('-') {
                Some((min, max)) => {
                    let (min, max) = (number(min)?, number(max)?);
                    answers.with(desk, |flags| {
                        flags.set.push(format!("nodePools.default.min={min}"));
                        flags.set.push(format!("nodePools.default.max={max}"));
                    })
                }
                None => {
                    let count = number(said)?;
                    answers.with(desk, |flags| flags.nodes = Some(count))
                }
            }
        })
        .await?;
    *answers = taken;
    Ok(())
}

async fn nat(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    // What has no counterpart in the cloud is no choice.
    let choice = |nat: Nat, words: &str| {
        let tried = answers.with(desk, |flags| flags.nat = Some(nat)).ok()?;
        let usd = tried.named().spec(desk).ok().and_then(|spec| desk.estimate(&spec));
        let price = usd.map_or_else(String::new, |priced| format!("; {} in all", hourly(Some(priced.usd_per_hour()))));
        Some(Choice::new(nat.as_str(), format!("{words}{price}")))
    };
    let without = desk.cloud.terms().without_nat;
    let all = [(Nat::Single, "one for all zones"), (Nat::PerZone, "outlives a zone"), (Nat::None, without)];
    let choices: Vec<Choice> = all.into_iter().filter_map(|(nat, words)| choice(nat, words)).collect();
    let judge = |said: &str| {
        let nat = match said {
            "single" => Nat::Single,
            "per-zone" => Nat::PerZone,
            "none" => Nat::None,
            other => return Err(format!("`{other}` is not one of single, per-zone, none")),
        };
        answers.with(desk, |flags| flags.nat = Some(nat))
    };
    ask.tell("  how private nodes reach the internet");
    let taken = ask
        .choose("NAT gateway", &choices, choices.len(), Some("single"), "--nat", |said| judge(said).map(drop))
        .await?;
    *answers = judge(&taken).map_err(CliError::usage)?;
    Ok(())
}

async fn ttl(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let taken = ask
        .until("Life time, 8h or 2d", Some(NONE), "--ttl", |said| {
            if said == NONE {
                return Ok(answers.clone());
            }
            let span = parse_span(said).map_err(|why| why.to_string())?;
            answers.with(desk, |flags| flags.ttl = Some(span))
        })
        .await?;
    *answers = taken;
    Ok(())
}

async fn budget(ask: &Ask<'_>, desk: &Desk, answers: &mut Answers) -> Result<(), CliError> {
    let priced = answers.spec(desk).ok().and_then(|spec| desk.estimate(&spec));
    if let Some(priced) = &priced {
        ask.tell(&format!("  it costs {} so far", hourly(Some(priced.usd_per_hour()))));
    }
    let flag = "--set budget.hourlyUsd=USD";
    let taken = ask
        .until("Budget, USD an hour", Some(NONE), flag, |said| {
            if said == NONE {
                return Ok(answers.clone());
            }
            let usd: f64 = said
                .trim_start_matches('$')
                .parse()
                .map_err(|_| format!("`{said}` is not an amount in USD, such as 1.50"))?;
            if let Some(priced) = priced.as_ref().filter(|priced| priced.at_most() > usd) {
                return Err(format!("that is less than it costs: {} at most", hourly(Some(priced.at_most()))));
            }
            answers.with(desk, |flags| flags.set.push(format!("budget.hourlyUsd={usd}")))
        })
        .await?;
    *answers = taken;
    Ok(())
}

/// The last question.
pub(super) async fn write(ask: &Ask<'_>, file: &Path) -> Result<(), CliError> {
    let yes = ask
        .until(&format!("Write {}", file.display()), Some("yes"), "--yes", |said| {
            match said.to_ascii_lowercase().as_str() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err("yes or no".to_owned()),
            }
        })
        .await?;
    if yes { Ok(()) } else { Err(declined()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_go_by_name_or_by_their_end() {
        let there = ["us-east-1a".to_owned(), "us-east-1b".to_owned()];
        assert_eq!(zone("us-east-1b", Some(&there)).as_deref(), Ok("us-east-1b"));
        assert_eq!(zone("a", Some(&there)).as_deref(), Ok("us-east-1a"));
        assert!(zone("c", Some(&there)).unwrap_err().contains("us-east-1a, us-east-1b"));
        assert_eq!(zone("moon-1a", None).as_deref(), Ok("moon-1a"));
    }
}
