//! Disks and snapshots: what holds data goes only when the user said so.

use super::{Look, leftover, price};
use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::engine::{Caused, Leftover, Observed, StepError};
use crate::providers::VolumeFate;
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, snapshot, support::Select, volume};
use crate::providers::aws::tags::{Tags, filter, names_another};
use aws_sdk_ec2::types::Volume as Ec2Volume;
use serde::Serialize;

/// Disks under our tag. Those of machines carry the step's as well and go; those that the storage driver made hold
/// data, so they go only when the user said so. By reclaim policy the driver removed what was to be removed while the
/// cluster lived: what is left has the policy `Retain`, or nobody can say any more. `last`: nothing of ours uses any
/// disk any more, so what is in use is in somebody else's.
pub(super) async fn disks(cx: &AwsCx, look: Look<'_>, last: bool) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    let size = |disk: &Ec2Volume| {
        let kind = disk.volume_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        (f64::from(disk.size().unwrap_or_default()), kind)
    };
    for (seen, disk) in volume::list(cx, of_stack(look)).await? {
        let (gib, kind) = size(&disk);
        let usd_per_hour = price(cx, &format!("ebs-{kind}"), gib);
        let what = format!("{gib} GiB {kind}");
        if !seen.attached {
            let one = stored(look, seen, &what, CSI_VOLUME, &steps::Volume {});
            found.push(Leftover { usd_per_hour, ..one });
        } else if last {
            // Until then it goes, or stays, with what uses it.
            let user = disk.attachments().first().and_then(|tie| tie.instance_id()).unwrap_or("somebody");
            let owner = format!("{what}, in use by {user}, which is not ours");
            found.push(Leftover { usd_per_hour, ..kept(seen, owner, &steps::Volume {}) });
        }
    }
    // Without our tag it proves nothing that a disk was made for a cluster of this name.
    if look.known.is_empty() {
        return Ok(found);
    }
    for (seen, disk) in volume::list(cx, named(look)).await? {
        let claim = seen.evidence.tags.contains_key("kubernetes.io/created-for/pvc/name");
        if claim && !seen.evidence.tags.contains_key(TAG_STACK) {
            let (gib, kind) = size(&disk);
            let owner = format!("{gib} GiB {kind} for a cluster named `{}`, without our tag", look.cluster());
            let usd_per_hour = price(cx, &format!("ebs-{kind}"), gib);
            found.push(Leftover { usd_per_hour, ..kept(seen, owner, &steps::Volume {}) });
        }
    }
    Ok(found)
}

/// Snapshots under our tag, and those that were made for a cluster of our name.
pub(super) async fn snapshots(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    // Without a price: EBS bills the blocks that a snapshot holds alone, which nobody is told.
    let mut found = Vec::new();
    for (seen, details) in snapshot::list(cx, of_stack(look)).await? {
        let gib = details.volume_size().unwrap_or_default();
        found.push(stored(look, seen, &format!("snapshot of {gib} GiB"), CSI_SNAPSHOT, &steps::Snapshot {}));
    }
    if look.known.is_empty() {
        return Ok(found);
    }
    for (seen, details) in snapshot::list(cx, named(look)).await? {
        let tags = &seen.evidence.tags;
        if tags.contains_key(CSI_SNAPSHOT) && !tags.contains_key(TAG_STACK) {
            let gib = details.volume_size().unwrap_or_default();
            let owner = format!("snapshot of {gib} GiB for a cluster named `{}`, without our tag", look.cluster());
            found.push(kept(seen, owner, &steps::Snapshot {}));
        }
    }
    Ok(found)
}

fn of_stack(look: Look<'_>) -> Select {
    Select::by(&format!("tag:{TAG_STACK}"), &look.stack.to_string())
}

/// Made for a cluster of our name, whoever's that is.
fn named(look: Look<'_>) -> Select {
    let named = filter(&format!("tag:kubernetes.io/cluster/{}", look.cluster()), "owned");
    Select { ids: None, filters: Some(vec![named]) }
}

/// Listed, and left where it is.
fn kept<P: Serialize>(seen: Observed, owner: String, params: &P) -> Leftover {
    Leftover { keep: true, owner: Some(owner), ..leftover(seen, "ec2", params) }
}

/// What the storage driver writes on its disks, and what on its snapshots.
const CSI_VOLUME: &str = "CSIVolumeName";
const CSI_SNAPSHOT: &str = "CSIVolumeSnapshotName";

/// Whether AWS Backup or a lifecycle policy made this: both copy the tags of what they save or restore.
fn is_backup(tags: &Tags) -> bool {
    tags.keys().any(|key| ["aws:backup:", "aws:dlm:", "dlm:"].iter().any(|start| key.starts_with(start)))
}

/// Something that holds data, under our tag. `driver` is the tag by which the storage driver marks what it made.
fn stored<P: Serialize>(look: Look<'_>, mut seen: Observed, what: &str, driver: &str, params: &P) -> Leftover {
    let tags = &seen.evidence.tags;
    // A snapshot is never ours by our tags: none of our steps makes one, and whoever saves a disk copies its tags.
    let of_machine = tags.contains_key(TAG_STEP) && driver == CSI_VOLUME;
    let copied = is_backup(tags) || names_another(&look.cluster(), tags);
    if copied || !(of_machine || tags.contains_key(driver)) {
        return kept(seen, format!("{what}: it carries our tag, but is a copy that somebody else made"), params);
    }
    if of_machine {
        return leftover(seen, "ec2", params);
    }
    seen.evidence.caused = Some(Caused::StorageTag { tag: format!("{TAG_STACK}={}", look.stack) });
    let keep = look.volumes != VolumeFate::Delete;
    let owner = keep.then(|| match look.volumes {
        VolumeFate::Keep => format!("{what}, kept as asked"),
        _ => format!("{what}, kept: its reclaim policy may be Retain; --volumes delete removes it"),
    });
    Leftover { keep, owner, ..leftover(seen, "ec2", params) }
}

#[cfg(test)]
mod tests {
    use super::super::is_proven;
    use super::super::testing::{stack, tags};
    use super::*;
    use crate::providers::aws::steps::support;

    #[test]
    fn backups_that_carry_our_tags_by_copy_are_kept_whatever_was_asked() {
        let stack = stack();
        let look = Look { stack: &stack, known: &[], volumes: VolumeFate::Delete };
        let of_root = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")];
        let of_claim = [(TAG_STACK, "demo-0a1b2c3d"), (CSI_VOLUME, "pvc-1")];
        let snapshot = |pairs: &[(&str, &str)]| {
            stored(
                look,
                support::seen(snapshot::KIND, "snap-1", tags(pairs)),
                "snapshot",
                CSI_SNAPSHOT,
                &steps::Snapshot {},
            )
        };
        for copied in [of_root.as_slice(), of_claim.as_slice(), &[(TAG_STACK, "demo-0a1b2c3d")]] {
            let found = snapshot(copied);
            assert!(found.keep && found.seen.evidence.caused.is_none(), "{copied:?}");
        }
        assert!(!snapshot(&[(TAG_STACK, "demo-0a1b2c3d"), (CSI_SNAPSHOT, "snap")]).keep);
        let disk = |pairs: &[(&str, &str)]| {
            stored(look, support::seen(volume::KIND, "vol-1", tags(pairs)), "10 GiB", CSI_VOLUME, &steps::Volume {})
        };
        assert!(!disk(&of_root).keep && !disk(&of_claim).keep);
        for restored in [of_root, of_claim] {
            assert!(disk(&[restored.as_slice(), &[("aws:backup:source-resource", "vol-0")]].concat()).keep);
        }
        assert!(disk(&[(TAG_STACK, "demo-0a1b2c3d")]).keep, "not the storage driver's");
    }

    #[test]
    fn disks_with_data_go_only_when_told() {
        let stack = stack();
        let disk = |fate: VolumeFate, pairs: &[(&str, &str)]| {
            let look = Look { stack: &stack, known: &[], volumes: fate };
            stored(look, support::seen(volume::KIND, "vol-1", tags(pairs)), "10 GiB gp3", CSI_VOLUME, &steps::Volume {})
        };
        let claim = [(TAG_STACK, "demo-0a1b2c3d"), (CSI_VOLUME, "pvc-1")];
        assert!(disk(VolumeFate::ByPolicy, &claim).keep);
        assert!(disk(VolumeFate::Keep, &claim).keep);
        let told = disk(VolumeFate::Delete, &claim);
        assert!(!told.keep && told.seen.evidence.caused.is_some());
        // The root disk of a machine holds nothing to keep.
        let root =
            disk(VolumeFate::Keep, &[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")]);
        assert!(!root.keep && is_proven(&stack, &root.seen));
    }
}
