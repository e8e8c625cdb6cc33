//! cluster.yaml and the flags that overlay it, read into a [`ClusterSpec`] with all problems at once.
//!
//! File and flags become one tree, in which every value knows its line or its flag, and one reader checks that tree:
//! a value is judged by the same rule wherever it comes from. Nothing here fills in defaults: omitted stays omitted.

mod clouds;
mod overlay;
mod problem;
mod read;
mod rules;
mod schema;
mod syntax;
pub(super) mod walk;
mod write;

pub use overlay::Overlay;
pub use problem::{Place, SpecProblem};
pub(super) use read::budget as read_budget;
pub use rules::{advice, validate_for_provider};
pub use schema::schema;
pub use write::{write, write_span};

use crate::config::yaml::{self, Entry, Kind, Node};
use crate::model::{Cloud, ClusterSpec};

/// The only version of the format so far.
pub const API_VERSION: &str = "kubewright/v1";
/// The only kind so far.
pub const KIND: &str = "Cluster";

/// Reads cluster.yaml. `filename` is for the messages.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse(text: &str, filename: &str) -> Result<ClusterSpec, Vec<SpecProblem>> {
    load(Some((text, filename)), &[], None)
}

/// Reads cluster.yaml, if there is one, with flags laid over it in their order. With a provider, given here or in the
/// file, its own rules are checked too; a provider given here beats the file's.
///
/// # Errors
/// Everything that is wrong with the file and the flags.
pub fn load(
    file: Option<(&str, &str)>,
    overlays: &[Overlay],
    provider: Option<Cloud>,
) -> Result<ClusterSpec, Vec<SpecProblem>> {
    let mut root = match file {
        Some((text, filename)) => {
            let place = |mark| Place::File { name: filename.to_owned(), mark };
            yaml::parse(text).map(|root| root.map_places(&place)).map_err(|error| {
                vec![SpecProblem { place: Some(place(error.at)), ..SpecProblem::new("", error.message) }]
            })?
        }
        None => header(),
    };
    let mut problems = overlay::apply(&mut root, overlays);
    let read = read::read(&root);
    problems.extend(read.problems);
    let mut spec = read.spec;
    if provider.is_some() {
        spec.provider = provider;
    }
    let mut crossed = rules::across(&spec, &problems);
    if let Some(cloud) = spec.provider {
        crossed.extend(validate_for_provider(&spec, cloud));
    }
    for mut problem in crossed {
        // One message for one value: what could not be read is not judged as well.
        if problems.iter().any(|known| known.key == problem.key) {
            continue;
        }
        problem.place = read.places.find(&problem.key);
        problems.push(problem);
    }
    if problems.is_empty() {
        return Ok(spec);
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems.dedup();
    Err(problems)
}

/// A recorded spec with flags laid over it: what was omitted stays as recorded.
///
/// # Errors
/// Everything that is wrong with the outcome; what is wrong in the recorded part is placed in `recorded spec`.
pub fn overlaid(
    recorded: &ClusterSpec,
    overlays: &[Overlay],
    provider: Option<Cloud>,
) -> Result<ClusterSpec, Vec<SpecProblem>> {
    load(Some((&write(recorded), "recorded spec")), overlays, provider)
}

/// The empty document that flags are laid over when there is no file.
fn header() -> Node<Place> {
    let at = || Place::Flag(overlay::NO_FILE.to_owned());
    let entry = |key: &str, text: &str| Entry {
        at: at(),
        key: key.to_owned(),
        value: Node { at: at(), kind: Kind::Scalar { text: text.to_owned(), plain: true } },
    };
    Node { at: at(), kind: Kind::Map(vec![entry("apiVersion", API_VERSION), entry("kind", KIND)]) }
}

#[cfg(test)]
mod tests;
