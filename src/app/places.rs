//! Regions as the price table knows them: enough to catch a typing error without asking anybody.

use crate::cost::{MachineType, catalogue};
use crate::error::CliError;
use crate::model::{Cloud, Region};

pub use crate::providers::BUILT;

/// The regions of a cloud, from the embedded table.
pub fn regions(cloud: Cloud) -> &'static [String] {
    catalogue().regions(cloud)
}

/// What a machine has, `4 vCPU 16 GiB 1xA10G`.
pub fn shape(machine: &MachineType<'_>) -> String {
    let mut text = format!("{} vCPU {} GiB", machine.vcpus, machine.memory_gib);
    if let Some((name, count)) = machine.accelerator {
        text.push_str(&format!(" {count}x{name}"));
    }
    text
}

/// Machine types that are wanted, with what they have and, where the region is known and has them, what they cost
/// there. By name.
pub fn machines(cloud: Cloud, region: Option<&Region>, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
    match region.filter(|region| regions(cloud).iter().any(|name| name == region.as_str())) {
        Some(region) => catalogue()
            .machine_types(cloud)
            .filter(|machine| wanted(machine.name))
            .filter_map(|machine| catalogue().instance(cloud, region, machine.name))
            .map(|it| (it.machine.name.to_owned(), format!("{} ${:.4}/h", shape(&it.machine), it.on_demand)))
            .collect(),
        None => catalogue()
            .machine_types(cloud)
            .filter(|machine| wanted(machine.name))
            .map(|machine| (machine.name.to_owned(), shape(&machine)))
            .collect(),
    }
}

/// Refuses a region that is certainly a mistake; one that the table does not know may still be new.
pub(super) fn check_region(cloud: Cloud, region: &Region) -> Result<(), CliError> {
    let known = regions(cloud);
    let text = region.as_str();
    if known.iter().any(|name| name == text) {
        return Ok(());
    }
    if let Some(other) =
        Cloud::ALL.into_iter().find(|other| *other != cloud && regions(*other).iter().any(|name| name == text))
    {
        return Err(CliError::usage(format!("`{text}` is a region of {other}, not of {cloud}"))
            .hint(format!("regions of {cloud}: {}", known.join(", "))));
    }
    match nearest(text, known) {
        Some(near) => Err(CliError::usage(format!("no {cloud} region `{text}`; did you mean `{near}`?"))),
        // One of a plausible shape may be younger than the table: the cloud is asked.
        None if is_plausible(cloud, text) => Ok(()),
        None => {
            Err(CliError::usage(format!("no {cloud} region `{text}`")).hint(format!("there are {}", known.join(", "))))
        }
    }
}

/// Whether a region could be called so: after a point of the compass, each cloud in its own way.
fn is_plausible(cloud: Cloud, text: &str) -> bool {
    const POINTS: [&str; 5] = ["north", "south", "east", "west", "central"];
    let numbered = text.ends_with(|c: char| c.is_ascii_digit());
    let bare = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let at_a_point = POINTS.iter().any(|point| bare.ends_with(point));
    match cloud {
        Cloud::Aws => text.matches('-').count() >= 2,
        Cloud::Gcp => text.matches('-').count() == 1 && numbered && at_a_point,
        Cloud::Azure => !text.contains('-') && at_a_point && bare.len() > "central".len(),
    }
}

/// No region was chosen anywhere.
pub(super) fn region_missing(cloud: Cloud) -> CliError {
    CliError::usage(format!("which region? neither flag, variable, file nor the configuration of {cloud} names one"))
        .hint(format!("--region with one of {}", regions(cloud).join(", ")))
}

/// Swapped or doubled letters, one wrong one: a typing error, not another region. Digits never count as typing errors:
/// `ap-east-2` beside `ap-east-1` is a place of its own.
fn nearest<'a>(text: &str, known: &'a [String]) -> Option<&'a str> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&text.to_ascii_lowercase(), name), name.as_str()))
        .filter(|(distance, name)| *distance <= 2 && (digits(name) == digits(text) || digits(text).is_empty()))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cloud: Cloud, region: &str) -> String {
        check_region(cloud, &Region(region.to_owned())).expect_err("refused").message
    }

    #[test]
    fn typing_errors_and_other_clouds_are_caught() {
        assert!(refused(Cloud::Aws, "us-esat-1").contains("did you mean `us-east-1`?"));
        assert!(refused(Cloud::Aws, "useast1").contains("did you mean `us-east-1`?"));
        assert!(refused(Cloud::Aws, "US-EAST-1").contains("did you mean `us-east-1`?"));
        assert!(refused(Cloud::Aws, "eastus").contains("a region of azure"));
        assert!(refused(Cloud::Aws, "nowhere").contains("no aws region"));
        assert!(refused(Cloud::Gcp, "us-central-1").contains("did you mean `us-central1`?"));
        assert!(refused(Cloud::Gcp, "us-central1-a").contains("did you mean `us-central1`?"));
        assert!(refused(Cloud::Gcp, "us-east-1").contains("a region of aws"));
        assert!(refused(Cloud::Azure, "us-east1").contains("a region of gcp"));
        assert!(refused(Cloud::Azure, "nowhere").contains("no azure region"));
    }

    #[test]
    fn known_and_plausibly_new_ones_pass() {
        assert!(check_region(Cloud::Aws, &Region("us-east-1".into())).is_ok());
        assert!(check_region(Cloud::Aws, &Region("ap-east-9".into())).is_ok());
        assert!(check_region(Cloud::Gcp, &Region("antarctica-central1".into())).is_ok());
        assert!(check_region(Cloud::Azure, &Region("portugalwest".into())).is_ok());
    }
}
