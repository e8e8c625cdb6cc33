//! What can stand at each place: clusters, clouds, regions, zones, versions, machines, pools, topics of help.

use super::words;
use crate::app::cost::Vendor;
use crate::app::{AtHand, at_hand, places};
use crate::cli::Cli;
use crate::error::CATALOGUE;
#[cfg(test)]
use crate::model::Cloud;
use crate::model::places::city;
use crate::providers::{embedded_offers, suggested_machines};
use clap::CommandFactory;
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use std::ffi::OsStr;

fn candidate(value: impl Into<std::ffi::OsString>, about: impl Into<String>) -> CompletionCandidate {
    let about: String = about.into();
    CompletionCandidate::new(value).help((!about.is_empty()).then(|| about.into()))
}

/// Own stacks.
pub(in crate::cli) fn stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(|stack| stack.live))
}

/// Own stacks that `destroy` would take.
pub(in crate::cli) fn destroyable_stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(|stack| stack.live && !stack.protect))
}

/// Own stacks, also those of which only the journal is left.
pub(in crate::cli) fn recorded_stacks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names(|_| true))
}

/// The ids of the stacks that bear the name in the words.
pub(in crate::cli) fn stack_ids() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let typed = words::typed();
        let named = known().into_iter().filter(|stack| typed.contains(&stack.name));
        named.map(|stack| candidate(stack.id, stack.about)).collect()
    })
}

fn known() -> Vec<AtHand> {
    let vars = crate::env::variables();
    let pretend = words::typed().iter().any(|word| word == "--sandbox")
        || vars.get("KUBEWRIGHT_SANDBOX").is_some_and(|text| !text.is_empty());
    let home = if pretend { crate::env::sandbox_home(&vars) } else { crate::env::home(&vars) };
    // Pretend time runs by itself: there nothing is called expired by ours.
    let now = (!pretend).then(crate::env::wall_now);
    home.map(|home| at_hand(&home, now)).unwrap_or_default()
}

fn names(wanted: impl Fn(&AtHand) -> bool) -> Vec<CompletionCandidate> {
    let mut found: Vec<AtHand> = known().into_iter().filter(wanted).collect();
    // Several stacks of one name are one word; the living one describes it.
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.live.cmp(&a.live)));
    found.dedup_by(|later, first| later.name == first.name);
    found.into_iter().map(|stack| candidate(stack.name, stack.about)).collect()
}

/// Clouds of this build.
pub(in crate::cli) fn providers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| places::BUILT.iter().map(|cloud| CompletionCandidate::new(cloud.as_str())).collect())
}

/// Whose prices there are.
pub(in crate::cli) fn vendors() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Vendor::ALL.iter().map(|it| CompletionCandidate::new(it.as_str())).collect())
}

/// Regions, of the cloud that the words name.
pub(in crate::cli) fn regions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let cloud = words::cloud(&words::typed(), &crate::env::variables());
        let about = |name: &String| city(cloud, &crate::model::Region(name.clone())).unwrap_or_default();
        places::regions(cloud).iter().map(|name| candidate(name, about(name))).collect()
    })
}

/// Zones of the region that the words name.
pub(in crate::cli) fn zones() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let (typed, vars) = (words::typed(), crate::env::variables());
        let Some(region) = words::region(&typed, &vars) else { return Vec::new() };
        let offers = embedded_offers(words::cloud(&typed, &vars), &region, crate::env::wall_now());
        offers.zones.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Kubernetes versions.
pub(in crate::cli) fn versions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let (typed, vars) = (words::typed(), crate::env::variables());
        let region = words::region(&typed, &vars).unwrap_or_else(|| crate::model::Region(String::new()));
        let offers = embedded_offers(words::cloud(&typed, &vars), &region, crate::env::wall_now());
        let about = |ends: Option<String>| ends.map_or_else(String::new, |day| format!("supported until {day}"));
        offers.versions.unwrap_or_default().into_iter().map(|it| candidate(it.name, about(it.ends))).collect()
    })
}

/// Machine types that begin so, with what they have and cost in the region that the words name.
pub(in crate::cli) fn machines() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| machines_like(&current.to_string_lossy()))
}

fn machines_like(current: &str) -> Vec<CompletionCandidate> {
    let (typed, vars) = (words::typed(), crate::env::variables());
    let (cloud, region) = (words::cloud(&typed, &vars), words::region(&typed, &vars));
    // Hundreds of names are no help to whoever has typed none of them.
    let first = match (current, &region) {
        ("", Some(region)) => suggested_machines(cloud, region),
        _ => Vec::new(),
    };
    let rank = |name: &str| first.iter().position(|it| it == name);
    let wanted = |name: &str| if first.is_empty() { name.starts_with(current) } else { rank(name).is_some() };
    let mut found = places::machines(cloud, region.as_ref(), &wanted);
    found.sort_by_key(|(name, _)| rank(name));
    found.into_iter().map(|(name, about)| candidate(name, about)).collect()
}

const POOL_KEYS: &[(&str, &str)] = &[
    ("name=", "of the pool"),
    ("type=", "machine type"),
    ("count=", "nodes in all"),
    ("min=", "fewest nodes"),
    ("max=", "most nodes"),
    ("spot", "spot machines"),
    ("disk=", "GiB"),
    ("cpu=", "vCPUs at least, instead of a type"),
    ("memory=", "GiB at least, instead of a type"),
    ("gpu=", "accelerators, T4:1, instead of a type"),
    ("label.", "a Kubernetes label: label.KEY=VALUE"),
    ("taint=", "a Kubernetes taint: KEY=VALUE:NoSchedule"),
];

/// `name=gpu,type=g5.xlarge,spot,max=4`: keys, and machine types behind `type=`.
pub(in crate::cli) fn pools() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| pool(&current.to_string_lossy()))
}

fn pool(current: &str) -> Vec<CompletionCandidate> {
    let at = current.rfind(',').map_or(0, |at| at + 1);
    let (before, part) = current.split_at(at);
    if let Some(machine) = part.strip_prefix("type=") {
        return machines_like(machine).into_iter().map(|it| it.add_prefix(format!("{before}type="))).collect();
    }
    let given = |key: &str| {
        let repeats = key == "label." || key == "taint=";
        !repeats && before.split(',').any(|said| said.starts_with(key))
    };
    let fits = POOL_KEYS.iter().filter(|(key, _)| key.starts_with(part) && *key != part && !given(key));
    fits.map(|(key, about)| candidate(format!("{before}{key}"), *about)).collect()
}

/// Verbs, nested ones too, and what else `help` explains.
pub(in crate::cli) fn topics() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = words::typed();
        let path = typed.iter().skip_while(|word| *word != "help").skip(1);
        let path: Vec<&String> = path.filter(|word| !word.is_empty() && !word.starts_with('-')).collect();
        let current = current.to_string_lossy();
        let path = match path.split_last() {
            Some((last, before)) if *last == current.as_ref() && !current.is_empty() => before.to_vec(),
            _ => path,
        };
        topics_below(&path, &current)
    })
}

fn topics_below(path: &[&String], current: &str) -> Vec<CompletionCandidate> {
    let mut command = Cli::command();
    command.build();
    let mut here = &command;
    for word in path {
        match here.find_subcommand(word) {
            Some(below) => here = below,
            None => return Vec::new(),
        }
    }
    let verbs = here.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let verbs = verbs.map(|verb| {
        candidate(verb.get_name().to_owned(), verb.get_about().map(ToString::to_string).unwrap_or_default())
    });
    let mut all: Vec<CompletionCandidate> = verbs.collect();
    if path.is_empty() {
        all.push(candidate("exit-codes", "what each exit code means"));
        all.push(candidate("errors", "every error id"));
        // The ids are many: they are for whoever began one.
        if current.to_ascii_uppercase().starts_with('K') {
            let like = current.to_ascii_uppercase();
            let ids = CATALOGUE.iter().filter(|entry| entry.id.starts_with(&like));
            return ids
                .map(|entry| candidate(entry.id, entry.meaning))
                .chain(all)
                .filter(|it| begins(it, current))
                .collect();
        }
    }
    all.retain(|it| begins(it, current));
    all
}

fn begins(candidate: &CompletionCandidate, current: &str) -> bool {
    let value = candidate.get_value().to_string_lossy();
    value.get(..current.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(current))
}

/// Which clouds this build's tables know; a test holds that completion needs nothing else.
#[cfg(test)]
const TABLES: [Cloud; 3] = [Cloud::Aws, Cloud::Gcp, Cloud::Azure];

#[cfg(test)]
mod tests {
    use super::*;

    fn values(found: &[CompletionCandidate]) -> Vec<String> {
        found.iter().map(|it| it.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn pools_complete_keys_then_machines() {
        assert_eq!(values(&pool("na")), ["name="]);
        let after = values(&pool("name=gpu,"));
        assert!(after.contains(&"name=gpu,type=".to_owned()) && !after.contains(&"name=gpu,name=".to_owned()));
        let machines = values(&pool("name=gpu,type=g5.x"));
        assert_eq!(machines, ["name=gpu,type=g5.xlarge"]);
        assert!(values(&pool("label.a=b,la")).contains(&"label.a=b,label.".to_owned()));
        assert!(pool("name=x,type=m6a.large,count=").is_empty());
    }

    #[test]
    fn help_completes_verbs_ids_and_what_is_below() {
        let below = |path: &[&str], current: &str| {
            let path: Vec<String> = path.iter().map(|word| (*word).to_owned()).collect();
            values(&topics_below(&path.iter().collect::<Vec<_>>(), current))
        };
        assert_eq!(below(&[], "provis"), ["provision"]);
        assert_eq!(below(&[], "kw-lock"), ["KW-LOCKED"]);
        assert!(below(&[], "KW-AWS-").len() > 5);
        assert_eq!(below(&["sandbox"], "s"), ["serve", "show"]);
        assert!(below(&[], "").iter().all(|topic| !topic.starts_with("KW-")));
        assert!(below(&["nonsense"], "").is_empty());
    }

    #[test]
    fn every_cloud_has_regions_to_offer() {
        for cloud in TABLES {
            assert!(places::regions(cloud).len() > 20, "{cloud}");
        }
    }
}
