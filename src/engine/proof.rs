//! Ownership: what was seen in the cloud, the evidence for whose it is, and the proof that alone lets it be changed.
//!
//! [`Owned`] has no public constructor: [`prove`] makes one, and `converge` and `delete` take nothing else.

use super::{Identity, PlannedStep, StepId};
use crate::model::Stack;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The tag key that holds `name-id8` of the stack.
pub const TAG_STACK: &str = "kubewright-stack";
/// The tag key that holds the step id, `/` as `__`.
pub const TAG_STEP: &str = "kubewright-step";
/// The tag key that holds the run that made it.
pub const TAG_RUN: &str = "kubewright-run";
/// The tag key that holds the expiry in epoch seconds.
pub const TAG_EXPIRES_AT: &str = "kubewright-expires-at";
/// The tag key that says `destroy` and `reap` must not touch the stack.
pub const TAG_PROTECT: &str = "kubewright-protect";

/// The expiry that tags tell, if they tell one.
pub fn expires_at(tags: &BTreeMap<String, String>) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(tags.get(TAG_EXPIRES_AT)?.parse().ok()?).ok()
}

/// Whether these tags, found on an object of a stack, protect that stack.
pub fn protects(tags: &BTreeMap<String, String>) -> bool {
    tags.get(TAG_PROTECT).is_some_and(|value| value == "true" || value == "1")
}

/// One object of the cloud.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// The provider's kind, `aws/vpc`.
    pub kind: String,
    /// Its id there; what reads by id take.
    pub id: String,
    /// Its name there, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sub-objects made inside the same call, and what else a later read needs (an operation's name).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, String>,
}

impl ResourceRef {
    /// A reference by kind and id.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into(), name: None, parts: BTreeMap::new() }
    }
}

/// Why something the cluster made counts as ours although it carries no tag of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Caused {
    /// It stands inside a network or node resource group that is proven ours.
    InsideOwned {
        /// That network's id.
        container: String,
    },
    /// It was seen through our cluster's own API, and that sight was journalled.
    SeenInCluster {
        /// `namespace/name` of the object there.
        object: String,
    },
    /// The storage driver put our tag on it.
    StorageTag {
        /// `key=value` as seen.
        tag: String,
    },
}

/// What a read said about whose a thing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its tags or labels.
    pub tags: BTreeMap<String, String>,
    /// Its name there.
    pub name: Option<String>,
    /// The id of the object it is part of, for children.
    pub parent: Option<String>,
    /// Set by the provider's leftover search only.
    pub caused: Option<Caused>,
}

/// One object with its evidence, as read just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The object.
    pub reference: ResourceRef,
    /// Whose it seems to be.
    pub evidence: Evidence,
    /// When the cloud made it, where it says so; the oldest of several is kept.
    pub created_at: Option<Timestamp>,
    /// Something of ours is attached to it or in it; kept before an older, empty one.
    pub attached: bool,
}

/// Proven ours; the only thing `converge` and `delete` accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    reference: ResourceRef,
}

impl Owned {
    /// The object.
    pub fn reference(&self) -> &ResourceRef {
        &self.reference
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.reference.id
    }
}

/// Why a thing is not provably ours. Nothing is done to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{id}` is not provably ours: {why}")]
pub struct NotOurs {
    /// The provider's kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What was missing.
    pub why: String,
}

/// Proves that `seen` is what `step` of `stack` made, or says why not.
///
/// `parent_id` is the id of the proven parent for [`Identity::Child`] and [`Identity::Member`].
pub fn prove(stack: &Stack, step: &PlannedStep, parent_id: Option<&str>, seen: Observed) -> Result<Owned, NotOurs> {
    match claim(stack, step, parent_id, &seen) {
        Ok(()) => Ok(Owned { reference: seen.reference }),
        Err(why) => Err(NotOurs { kind: seen.reference.kind, id: seen.reference.id, why }),
    }
}

fn claim(stack: &Stack, step: &PlannedStep, parent_id: Option<&str>, seen: &Observed) -> Result<(), String> {
    let tagged = || tagged_for(stack, Some(&step.id), &seen.evidence.tags);
    match &step.identity {
        Identity::Tags => tagged(),
        // Where a kind carries tags and a name, the name alone is not enough: anyone can take a name.
        Identity::Name { name } => {
            if seen.evidence.name.as_deref() != Some(name) {
                Err(format!("its name is not `{name}`"))
            } else if step.tagged {
                tagged()
            } else if name.contains(&stack.id.to_string()) {
                Ok(())
            } else {
                Err("its name does not hold the stack id".to_owned())
            }
        }
        Identity::Child { key, .. } | Identity::Member { key, .. } => {
            let (Some(want), Some(have)) = (parent_id, seen.evidence.parent.as_deref()) else {
                return Err("its parent is not known".to_owned());
            };
            if want != have {
                Err(format!("it belongs to `{have}`, not to our `{want}`"))
            } else if seen.evidence.name.as_deref() != Some(key) {
                Err(format!("it is not entry `{key}` of `{want}`"))
            } else if step.tagged {
                // The parent may be known by a name alone, which anyone can take once it is free.
                tagged()
            } else {
                Ok(())
            }
        }
        Identity::OneWay { .. } => Err("it is shared by all and never ours".to_owned()),
        Identity::External { .. } => Err("it was brought along and is never ours".to_owned()),
    }
}

/// The key in [`ResourceRef::parts`] under which a delete intent journals where in our cluster a thing was seen.
pub const PART_SEEN: &str = "seen-in-cluster";

/// Proves something found without a plan: by both of our tags, or by caused evidence.
///
/// `ours` are ids of objects that were proven ours in this run: being inside anything else proves nothing.
/// `journalled` is the delete intent that made a sight in our cluster durable: once the cluster is gone, that line is
/// all that says why the thing was ours, so it has to come first.
pub fn prove_found(
    stack: &Stack,
    seen: Observed,
    ours: &BTreeSet<String>,
    journalled: Option<&ResourceRef>,
) -> Result<Owned, NotOurs> {
    let claim = match &seen.evidence.caused {
        Some(Caused::InsideOwned { container }) if ours.contains(container) => Ok(()),
        Some(Caused::InsideOwned { container }) => Err(format!("it is inside `{container}`, which is not proven ours")),
        Some(Caused::SeenInCluster { object }) => match journalled {
            Some(line)
                if (&line.kind, &line.id) == (&seen.reference.kind, &seen.reference.id)
                    && line.parts.get(PART_SEEN) == Some(object) =>
            {
                Ok(())
            }
            _ => Err(format!("its sight in the cluster as `{object}` is not journalled")),
        },
        Some(Caused::StorageTag { tag }) => match tag.split_once('=') {
            Some((key, value)) if seen.evidence.tags.get(key).is_some_and(|have| have == value) => Ok(()),
            _ => Err(format!("it does not carry the storage driver's tag `{tag}`")),
        },
        None => tagged_for(stack, None, &seen.evidence.tags),
    };
    match claim {
        Ok(()) => Ok(Owned { reference: seen.reference }),
        Err(why) => Err(NotOurs { kind: seen.reference.kind, id: seen.reference.id, why }),
    }
}

fn tagged_for(stack: &Stack, step: Option<&StepId>, tags: &BTreeMap<String, String>) -> Result<(), String> {
    match tags.get(TAG_STACK) {
        Some(value) if *value == stack.to_string() => {}
        Some(value) => return Err(format!("tag {TAG_STACK} says `{value}`, not `{stack}`")),
        None => return Err(format!("it carries no tag {TAG_STACK}")),
    }
    match (step, tags.get(TAG_STEP)) {
        (Some(step), Some(value)) if *value != step.tag_value() => {
            Err(format!("tag {TAG_STEP} says `{value}`, not `{}`", step.tag_value()))
        }
        (_, None) => Err(format!("it carries no tag {TAG_STEP}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        "demo-0000beef".parse().expect("valid")
    }

    fn seen(caused: Option<Caused>, tags: &[(&str, &str)]) -> Observed {
        Observed {
            reference: ResourceRef::new("test/thing", "t-1"),
            evidence: Evidence {
                tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
                caused,
                ..Evidence::default()
            },
            created_at: None,
            attached: false,
        }
    }

    fn proves(seen: Observed, ours: &[&str], journalled: Option<&ResourceRef>) -> bool {
        let ours = ours.iter().map(|id| (*id).to_owned()).collect();
        prove_found(&stack(), seen, &ours, journalled).is_ok()
    }

    /// A name is free again once its holder is gone: what hangs on the next holder must not pass for ours.
    #[test]
    fn a_tagged_child_of_something_known_by_name_is_proven_by_its_tags() {
        let mut step: PlannedStep = serde_json::from_value(serde_json::json!({
            "id": "addons/vpc-cni", "kind": "test/addon", "params": {}, "tagged": true, "needs": [], "service": "s",
            "identity": Identity::Child { parent: "cluster".into(), key: "vpc-cni".to_owned() },
            "creation": "token", "settleSecs": 0,
            "timing": {"p50Secs": 0, "p90Secs": 0, "deadlineSecs": 0, "deleteP50Secs": 0, "deleteDeadlineSecs": 0},
        }))
        .expect("a step");
        let inside = |tags: &[(&str, &str)]| {
            let mut seen = seen(None, tags);
            (seen.evidence.parent, seen.evidence.name) = (Some("demo".to_owned()), Some("vpc-cni".to_owned()));
            seen
        };
        let ours = [(TAG_STACK, "demo-0000beef"), (TAG_STEP, "addons__vpc-cni")];
        assert!(prove(&stack(), &step, Some("demo"), inside(&ours)).is_ok());
        assert!(prove(&stack(), &step, Some("demo"), inside(&[])).is_err());
        assert!(prove(&stack(), &step, Some("demo"), inside(&[(TAG_STACK, "demo-ffffffff"), ours[1]])).is_err());
        step.tagged = false;
        assert!(prove(&stack(), &step, Some("demo"), inside(&[])).is_ok());
    }

    #[test]
    fn inside_something_proves_only_where_that_is_proven_ours() {
        let inside = || seen(Some(Caused::InsideOwned { container: "vpc-1".to_owned() }), &[]);
        assert!(proves(inside(), &["vpc-1"], None));
        assert!(!proves(inside(), &["vpc-2"], None));
        assert!(!proves(inside(), &[], None));
    }

    #[test]
    fn a_sight_in_the_cluster_proves_only_once_it_is_journalled() {
        let sight = || seen(Some(Caused::SeenInCluster { object: "default/web".to_owned() }), &[]);
        let mut line = ResourceRef::new("test/thing", "t-1");
        assert!(!proves(sight(), &[], None));
        assert!(!proves(sight(), &[], Some(&line)), "a line without the sight");
        line.parts.insert(PART_SEEN.to_owned(), "default/web".to_owned());
        assert!(proves(sight(), &[], Some(&line)));
        line.id = "t-2".to_owned();
        assert!(!proves(sight(), &[], Some(&line)), "a line about another thing");
    }

    #[test]
    fn tags_prove_by_both_of_ours_and_never_by_a_cluster_name() {
        assert!(proves(seen(None, &[(TAG_STACK, "demo-0000beef"), (TAG_STEP, "a")]), &[], None));
        assert!(!proves(seen(None, &[(TAG_STACK, "demo-0000beef")]), &[], None));
        assert!(!proves(seen(None, &[(TAG_STACK, "demo-0000beee"), (TAG_STEP, "a")]), &[], None));
        assert!(!proves(seen(None, &[("cluster_name", "demo"), ("kubernetes.io/cluster/demo", "owned")]), &[], None));
    }

    #[test]
    fn the_storage_drivers_tag_must_be_there_as_said() {
        let tag = || Some(Caused::StorageTag { tag: "ebs.csi.aws.com/cluster=demo".to_owned() });
        assert!(proves(seen(tag(), &[("ebs.csi.aws.com/cluster", "demo")]), &[], None));
        assert!(!proves(seen(tag(), &[("ebs.csi.aws.com/cluster", "other")]), &[], None));
    }
}
