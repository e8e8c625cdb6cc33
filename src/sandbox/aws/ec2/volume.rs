//! Disks and their snapshots: of machines, made by storage drivers, or by hand. They cost until deleted.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    kinds::thing,
    tags::{self, TagSpecification},
    time, usage,
    wire::Request,
    zones::{self, Zone},
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Origin},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) gib: u32,
    pub(crate) volume_type: String,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) snapshot: Option<String>,
    pub(crate) encrypted: bool,
    pub(crate) attachment: Option<DiskAttachment>,
}

/// The machine a disk is attached to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DiskAttachment {
    pub(crate) instance: String,
    pub(crate) device: String,
    pub(crate) delete_on_termination: bool,
    pub(crate) at: Timestamp,
}

/// A snapshot of a disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) volume: String,
    pub(crate) gib: u32,
    pub(crate) description: String,
    pub(crate) encrypted: bool,
}

thing!(Volume, "volume", "vol", "InvalidVolume.NotFound", "InvalidParameterValue", "The volume '{}' does not exist.");
thing!(
    Snapshot,
    "snapshot",
    "snap",
    "InvalidSnapshot.NotFound",
    "InvalidSnapshotID.Malformed",
    "The snapshot '{}' does not exist."
);

const FILTERS: Known = &[
    ("attachment.attach-time", "attachmentSet.attachTime"),
    ("attachment.delete-on-termination", "attachmentSet.deleteOnTermination"),
    ("attachment.device", "attachmentSet.device"),
    ("attachment.instance-id", "attachmentSet.instanceId"),
    ("attachment.status", "attachmentSet.status"),
    ("availability-zone", "availabilityZone"),
    ("availability-zone-id", "availabilityZoneId"),
    ("create-time", "createTime"),
    ("encrypted", "encrypted"),
    ("fast-restored", "fastRestored"),
    ("multi-attach-enabled", "multiAttachEnabled"),
    ("operator.managed", "operator.managed"),
    ("operator.principal", "operator.principal"),
    ("size", "size"),
    ("snapshot-id", "snapshotId"),
    ("status", "status"),
    ("volume-id", "volumeId"),
    ("volume-type", "volumeType"),
];

fn view(volume: &Stored<Volume>) -> Value {
    let doc = &volume.doc;
    let attachments = doc.attachment.iter().map(|held| {
        json!({
            "volumeId": volume.id(), "instanceId": held.instance, "device": held.device, "status": "attached",
            "attachTime": time(held.at), "deleteOnTermination": held.delete_on_termination,
        })
    });
    json!({
        "volumeId": volume.id(), "size": doc.gib, "snapshotId": doc.snapshot.as_deref().unwrap_or_default(),
        "availabilityZone": doc.zone, "availabilityZoneId": doc.zone_id, "status": volume.object.state,
        "createTime": time(volume.object.created_at), "attachmentSet": attachments.collect::<Vec<_>>(),
        "volumeType": doc.volume_type, "iops": doc.iops, "throughput": doc.throughput, "encrypted": doc.encrypted,
        "multiAttachEnabled": false, "tagSet": volume.tag_set(),
    })
}

/// A disk to be made for a machine or by a storage driver.
pub(crate) struct Wanted {
    /// Size.
    pub(crate) gib: u32,
    /// `gp3`.
    pub(crate) volume_type: String,
    /// Where.
    pub(crate) zone: Zone,
    /// What it is a copy of.
    pub(crate) snapshot: Option<String>,
    /// Encrypted at rest.
    pub(crate) encrypted: bool,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Whose machine it belongs to from the start.
    pub(crate) attachment: Option<DiskAttachment>,
}

fn draft(cx: &mut Ec2<'_, '_>, wanted: Wanted) -> Stored<Volume> {
    let (iops, throughput) = if wanted.volume_type == "gp3" { (Some(3_000), Some(125)) } else { (None, None) };
    let state = if wanted.attachment.is_some() { "in-use" } else { "creating" };
    let usage = usage::storage(&cx.scope, &wanted.volume_type, wanted.gib);
    let doc = Volume {
        gib: wanted.gib,
        volume_type: wanted.volume_type,
        iops,
        throughput,
        zone: wanted.zone.name,
        zone_id: wanted.zone.id,
        snapshot: wanted.snapshot,
        encrypted: wanted.encrypted,
        attachment: wanted.attachment,
    };
    let mut volume = cx.draft(doc, state, wanted.tags);
    volume.object.usage = vec![usage];
    if state == "creating" {
        let wait = cx.seconds(2, 6);
        volume.object.due = Some(Due { at: cx.tx.now() + wait, what: "available".to_owned() });
    }
    volume
}

/// Makes a disk on behalf of a service or controller; returns its id.
pub(crate) fn make(cx: &mut Ec2<'_, '_>, wanted: Wanted) -> String {
    let mut volume = draft(cx, wanted);
    volume.object.created_by = Origin::Controller;
    volume.object.visible_at = None;
    let id = volume.id().to_owned();
    cx.save(volume);
    id
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateVolume {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    size: Option<u32>,
    snapshot_id: Option<String>,
    volume_type: Option<String>,
    #[serde(default)]
    encrypted: bool,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateVolume = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "volume")?;
    if let Some(volume) = cx.repeated::<Volume>(wanted.client_token.as_deref(), &print)? {
        return Ok(view(&volume));
    }
    let zone = zones::named(&cx.scope, wanted.availability_zone.as_deref(), wanted.availability_zone_id.as_deref())?;
    let Some(zone) = zone else {
        return Err(fail("MissingParameter", "The request must contain the parameter availabilityZone"));
    };
    let source = wanted.snapshot_id.as_deref().map(|id| cx.find::<Snapshot>(id)).transpose()?;
    let Some(gib) = wanted.size.or(source.as_ref().map(|snapshot| snapshot.doc.gib)) else {
        return Err(fail("MissingParameter", "The request must contain the parameter size/snapshot"));
    };
    let volume_type = wanted.volume_type.unwrap_or_else(|| "gp2".to_owned());
    check_size(&volume_type, gib)?;
    if source.as_ref().is_some_and(|snapshot| snapshot.doc.gib > gib) {
        let message = format!("The volume size is smaller than the size of snapshot: {gib} GiB");
        return Err(fail("InvalidParameterValue", message));
    }
    let snapshot = source.map(|snapshot| snapshot.object.id);
    let wish = Wanted { gib, volume_type, zone, snapshot, encrypted: wanted.encrypted, tags, attachment: None };
    let mut volume = draft(cx, wish);
    volume.object.token = wanted.client_token.map(|token| format!("{token}/{print}"));
    let reply = view(&volume);
    cx.save(volume);
    Ok(reply)
}

/// Refuses sizes a volume type does not have.
pub(super) fn check_size(volume_type: &str, gib: u32) -> Result<(), ApiError> {
    let range = match volume_type {
        "gp3" => 1..=65_536,
        "gp2" => 1..=16_384,
        "io1" => 4..=16_384,
        "io2" => 4..=65_536,
        "st1" | "sc1" => 125..=16_384,
        _ => 1..=1_024,
    };
    if range.contains(&gib) {
        return Ok(());
    }
    let message = format!(
        "Volume of {gib}GiB is not between {} and {}GiB for volume type {volume_type}.",
        range.start(),
        range.end()
    );
    Err(fail("InvalidParameterValue", message))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeVolumes {
    #[serde(default)]
    volume_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeVolumes = request.read()?;
    if wanted.max_results.is_some() && !wanted.volume_id.is_empty() {
        let message = "The parameter volumeIdsSet cannot be used with the parameter maxResults";
        return Err(fail("InvalidParameterCombination", message));
    }
    let rows = cx.listed::<Volume>(&wanted.volume_id)?.iter().map(view).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("volumeSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VolumeOnly {
    volume_id: String,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let VolumeOnly { volume_id } = request.read()?;
    let volume = cx.find::<Volume>(&volume_id)?;
    if let Some(held) = &volume.doc.attachment {
        let message = format!("Volume {} is currently attached to {}", volume.id(), held.instance);
        return Err(fail("VolumeInUse", message));
    }
    cx.drop_object::<Volume>(volume.id());
    Ok(json!({"return": true}))
}

const SNAPSHOT_FILTERS: Known = &[
    ("description", "description"),
    ("encrypted", "encrypted"),
    ("owner-alias", "ownerAlias"),
    ("owner-id", "ownerId"),
    ("progress", "progress"),
    ("snapshot-id", "snapshotId"),
    ("start-time", "startTime"),
    ("status", "status"),
    ("storage-tier", "storageTier"),
    ("transfer-type", "transferType"),
    ("volume-id", "volumeId"),
    ("volume-size", "volumeSize"),
];

fn snapshot_view(snapshot: &Stored<Snapshot>) -> Value {
    let progress = if snapshot.object.state == "completed" { "100%" } else { "0%" };
    json!({
        "snapshotId": snapshot.id(), "volumeId": snapshot.doc.volume, "volumeSize": snapshot.doc.gib,
        "status": snapshot.object.state, "progress": progress, "startTime": time(snapshot.object.created_at),
        "ownerId": snapshot.object.account, "description": snapshot.doc.description,
        "encrypted": snapshot.doc.encrypted, "storageTier": "standard", "tagSet": snapshot.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateSnapshot {
    volume_id: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_snapshot(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: CreateSnapshot = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "snapshot")?;
    let volume = cx.find::<Volume>(&wanted.volume_id)?;
    let doc = Snapshot {
        volume: volume.id().to_owned(),
        gib: volume.doc.gib,
        description: wanted.description,
        encrypted: volume.doc.encrypted,
    };
    let usage = usage::storage(&cx.scope, "snapshot", volume.doc.gib);
    let mut snapshot = cx.draft(doc, "pending", tags);
    snapshot.object.usage = vec![usage];
    let wait = cx.seconds(20, 60);
    snapshot.object.due = Some(Due { at: cx.tx.now() + wait, what: "completed".to_owned() });
    let reply = snapshot_view(&snapshot);
    cx.save(snapshot);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeSnapshots {
    #[serde(default)]
    snapshot_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe_snapshots(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeSnapshots = request.read()?;
    let own = |owner: &String| owner == "self" || *owner == cx.scope.account;
    let mut found = cx.listed::<Snapshot>(&wanted.snapshot_id)?;
    if !wanted.owner.is_empty() && !wanted.owner.iter().any(own) {
        found.clear();
    }
    let rows = filter::keep(found.iter().map(snapshot_view).collect(), &wanted.filter, SNAPSHOT_FILTERS)?;
    filter::page("snapshotSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SnapshotOnly {
    snapshot_id: String,
}

pub(super) fn delete_snapshot(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let SnapshotOnly { snapshot_id } = request.read()?;
    let snapshot = cx.find::<Snapshot>(&snapshot_id)?;
    cx.drop_object::<Snapshot>(snapshot.id());
    Ok(json!({"return": true}))
}
