//! Machines: launched by node groups (or by hand), with an interface and a root disk each, counted against the vCPU
//! quota, gone some time after they are told to.

use super::{
    Ec2, Stored, address, fail,
    filter::{self, Filter, Known, Page},
    group, image,
    interface::{self, Attachment, Interface, PublicAddress, Wanted},
    kinds::thing,
    machine::{self, Machine},
    net,
    subnet::Subnet,
    tags::{self, TagSpecification},
    template, time, usage,
    volume::{self, DiskAttachment, Volume},
    wire::Request,
    zones::Zone,
};
use crate::sandbox::{
    aws::{ApiError, servicequotas},
    world::{Due, Origin, Scope, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

/// How long a terminated machine stays listed.
const LISTED: Duration = Duration::from_secs(3_600);

/// A machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) instance_type: String,
    pub(crate) image: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) interface: String,
    pub(crate) groups: Vec<String>,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) root_volume: String,
    pub(crate) spot: bool,
    pub(crate) reservation: String,
    pub(crate) profile: Option<String>,
    pub(crate) token: Option<String>,
    /// Why it is going, if it is.
    pub(crate) reason: Option<(String, String)>,
}

thing!(
    Instance,
    "instance",
    "i",
    "InvalidInstanceID.NotFound",
    "InvalidInstanceID.Malformed",
    "The instance ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("architecture", "architecture"),
    ("availability-zone", "placement.availabilityZone"),
    ("availability-zone-id", "placement.availabilityZoneId"),
    ("block-device-mapping.attach-time", "blockDeviceMapping.ebs.attachTime"),
    ("block-device-mapping.delete-on-termination", "blockDeviceMapping.ebs.deleteOnTermination"),
    ("block-device-mapping.device-name", "blockDeviceMapping.deviceName"),
    ("block-device-mapping.status", "blockDeviceMapping.ebs.status"),
    ("block-device-mapping.volume-id", "blockDeviceMapping.ebs.volumeId"),
    ("client-token", "clientToken"),
    ("dns-name", "dnsName"),
    ("iam-instance-profile.arn", "iamInstanceProfile.arn"),
    ("image-id", "imageId"),
    ("instance-id", "instanceId"),
    ("instance-lifecycle", "instanceLifecycle"),
    ("instance-state-code", "instanceState.code"),
    ("instance-state-name", "instanceState.name"),
    ("instance-type", "instanceType"),
    ("instance.group-id", "groupSet.groupId"),
    ("instance.group-name", "groupSet.groupName"),
    ("group-id", "groupSet.groupId"),
    ("group-name", "groupSet.groupName"),
    ("ip-address", "ipAddress"),
    ("key-name", "keyName"),
    ("launch-index", "amiLaunchIndex"),
    ("launch-time", "launchTime"),
    ("metadata-options.http-tokens", "metadataOptions.httpTokens"),
    ("network-interface.attachment.attachment-id", "networkInterfaceSet.attachment.attachmentId"),
    ("network-interface.description", "networkInterfaceSet.description"),
    ("network-interface.group-id", "networkInterfaceSet.groupSet.groupId"),
    ("network-interface.network-interface-id", "networkInterfaceSet.networkInterfaceId"),
    ("network-interface.subnet-id", "networkInterfaceSet.subnetId"),
    ("network-interface.vpc-id", "networkInterfaceSet.vpcId"),
    ("owner-id", "ownerId"),
    ("platform", "platform"),
    ("private-dns-name", "privateDnsName"),
    ("private-ip-address", "privateIpAddress"),
    ("reservation-id", "reservationId"),
    ("root-device-name", "rootDeviceName"),
    ("root-device-type", "rootDeviceType"),
    ("state-reason-code", "stateReason.code"),
    ("state-reason-message", "stateReason.message"),
    ("subnet-id", "subnetId"),
    ("tenancy", "placement.tenancy"),
    ("virtualization-type", "virtualizationType"),
    ("vpc-id", "vpcId"),
];

fn code(state: &str) -> u32 {
    match state {
        "pending" => 0,
        "running" => 16,
        "shutting-down" => 32,
        _ => 48,
    }
}

fn state(name: &str) -> Value {
    json!({"code": code(name), "name": name})
}

fn view(cx: &Ec2<'_, '_>, instance: &Stored<Instance>) -> Value {
    let (object, doc) = (&instance.object, &instance.doc);
    let gone = object.state == "terminated";
    let shown = |value: Value| if gone { Value::Null } else { value };
    let attached =
        |held: &Option<Attachment>| held.as_ref().is_some_and(|it| it.instance.as_deref() == Some(&object.id));
    let interfaces: Vec<Value> = cx
        .all::<Interface>()
        .iter()
        .filter(|eni| attached(&eni.doc.attachment))
        .map(|eni| of_instance(interface::view(cx, eni)))
        .collect();
    let disks = cx.all::<Volume>().into_iter().filter_map(|disk| {
        let held = disk.doc.attachment.filter(|held| held.instance == object.id)?;
        Some(json!({
            "deviceName": held.device,
            "ebs": {
                "volumeId": disk.object.id, "status": "attached", "attachTime": time(held.at),
                "deleteOnTermination": held.delete_on_termination,
            },
        }))
    });
    let dns = format!("ip-{}.{}.compute.internal", doc.private_ip.to_string().replace('.', "-"), object.region);
    let arm = Machine::named(&doc.instance_type).is_some_and(|machine| machine.arm);
    json!({
        "instanceId": object.id, "imageId": doc.image, "instanceState": state(&object.state),
        "privateDnsName": if gone { "" } else { dns.as_str() }, "dnsName": "",
        "stateReason": doc.reason.as_ref().map(|(code, message)| json!({"code": code, "message": message})),
        "amiLaunchIndex": 0, "instanceType": doc.instance_type, "launchTime": time(object.created_at),
        "placement": {"availabilityZone": doc.zone, "availabilityZoneId": doc.zone_id, "tenancy": "default"},
        "monitoring": {"state": "disabled"}, "subnetId": shown(json!(doc.subnet)), "vpcId": shown(json!(doc.vpc)),
        "privateIpAddress": shown(json!(doc.private_ip)), "ipAddress": shown(json!(doc.public_ip)),
        "sourceDestCheck": true, "groupSet": if gone { json!([]) } else { group::refs(cx, &doc.groups) },
        "architecture": if arm { "arm64" } else { "x86_64" }, "rootDeviceType": "ebs", "rootDeviceName": "/dev/xvda",
        "blockDeviceMapping": disks.collect::<Vec<_>>(), "virtualizationType": "hvm", "hypervisor": "xen",
        "clientToken": doc.token.as_deref().unwrap_or_default(), "tagSet": instance.tag_set(),
        "networkInterfaceSet": interfaces, "iamInstanceProfile": doc.profile.as_ref().map(|arn| json!({"arn": arn})),
        "instanceLifecycle": doc.spot.then_some("spot"), "ebsOptimized": true, "enaSupport": true,
        "metadataOptions": {"state": "applied", "httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled"},
        // Read by filters of the reservation; dropped from the reply.
        "reservationId": doc.reservation, "ownerId": object.account,
    })
}

/// An interface as its instance shows it: without what the instance says itself, or what only
/// `DescribeNetworkInterfaces` shows.
fn of_instance(mut eni: Value) -> Value {
    if let Some(fields) = eni.as_object_mut() {
        fields.retain(|name, _| {
            !matches!(
                name.as_str(),
                "availabilityZone" | "availabilityZoneId" | "requesterId" | "requesterManaged" | "tagSet"
            )
        });
        if let Some(attachment) = fields.get_mut("attachment").and_then(Value::as_object_mut) {
            attachment.retain(|name, _| !matches!(name.as_str(), "instanceId" | "instanceOwnerId"));
        }
    }
    eni
}

/// One machine to be launched.
pub(crate) struct Launch<'a> {
    /// Where.
    pub(crate) subnet: &'a str,
    /// What.
    pub(crate) instance_type: &'a str,
    /// Image; the service's own choice when empty.
    pub(crate) image: &'a str,
    /// Spot instead of on-demand.
    pub(crate) spot: bool,
    /// Security groups; the VPC's default one when empty.
    pub(crate) groups: &'a [String],
    /// Root disk.
    pub(crate) disk_gib: u32,
    /// Tags of the machine.
    pub(crate) instance_tags: BTreeMap<String, String>,
    /// Tags of its root disk.
    pub(crate) volume_tags: BTreeMap<String, String>,
    /// Tags of its interface.
    pub(crate) interface_tags: BTreeMap<String, String>,
    /// ARN of its instance profile.
    pub(crate) profile: Option<String>,
    /// Who made it.
    pub(crate) origin: Origin,
}

/// Whether another machine of this type fits: offered there, within the quota, and there is one to be had.
fn admit(cx: &Ec2<'_, '_>, machine: &Machine, zone_id: &str, zone: &str, spot: bool) -> Result<(), ApiError> {
    let name = &machine.name;
    if !machine::offered(&cx.scope, zone_id, name) {
        let others = super::zones::zones(&cx.scope).into_iter();
        let others: Vec<String> =
            others.filter(|it| machine::offered(&cx.scope, &it.id, name)).map(|it| it.name).collect();
        let message = format!(
            "Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone}). Please \
             retry your request by not specifying an Availability Zone or choosing {}.",
            others.join(", ")
        );
        return Err(fail("Unsupported", message));
    }
    let quota = machine.quota_code(spot);
    let standing = cx.all::<Instance>().into_iter().filter(|it| it.doc.spot == spot);
    let standing: Vec<Machine> = standing.filter_map(|it| Machine::named(&it.doc.instance_type)).collect();
    let used: u32 = standing.iter().filter(|it| it.quota_code(spot) == quota).map(|it| it.vcpus).sum();
    let limit = servicequotas::quota(cx.tx, "ec2", quota);
    if f64::from(used + machine.vcpus) > limit {
        if spot {
            return Err(fail("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"));
        }
        let message = format!(
            "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket \
             that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to \
             request an adjustment to this limit."
        );
        return Err(fail("VcpuLimitExceeded", message));
    }
    // A rehearsed stock-out: so many machines of this type (in this zone) and no more.
    let stock = [format!("capacity/{name}"), format!("capacity/{zone}/{name}")];
    let left = stock.iter().filter_map(|key| cx.tx.in_force().quotas.get(key)).copied().reduce(f64::min);
    let same = cx.all::<Instance>().iter().filter(|it| it.doc.instance_type == *name).count();
    if left.is_some_and(|left| same as f64 >= left) {
        let message = format!(
            "We currently do not have sufficient {name} capacity in the Availability Zone you requested ({zone}). Our \
             system will be working on provisioning additional capacity."
        );
        return Err(ApiError::new(500, "InsufficientInstanceCapacity", message));
    }
    Ok(())
}

/// Launches one machine; it is `pending` for half a minute.
pub(super) fn launch(cx: &mut Ec2<'_, '_>, wanted: Launch<'_>) -> Result<Stored<Instance>, ApiError> {
    let Some(machine) = Machine::named(wanted.instance_type) else {
        let message = format!("Invalid value '{}' for InstanceType.", wanted.instance_type);
        return Err(fail("InvalidParameterValue", message));
    };
    let Some(subnet) = cx.peek::<Subnet>(wanted.subnet) else {
        return Err(fail("InvalidSubnetID.NotFound", format!("The subnet ID '{}' does not exist", wanted.subnet)));
    };
    admit(cx, &machine, &subnet.doc.zone_id, &subnet.doc.zone, wanted.spot)?;
    let groups = match wanted.groups {
        [] => group::default_of(cx, &subnet.doc.vpc),
        given => given.to_vec(),
    };
    let id = cx.tx.id("i");
    let attachment = Attachment {
        id: cx.tx.id("eni-attach"),
        instance: Some(id.clone()),
        owner: None,
        device_index: 0,
        delete_on_termination: true,
        at: cx.tx.now(),
    };
    let mut eni = interface::make(
        cx,
        Wanted {
            subnet: &subnet,
            groups: groups.clone(),
            description: String::new(),
            interface_type: "interface",
            requester: None,
            tags: wanted.interface_tags,
            attachment: Some(attachment),
        },
    )?;
    let public_ip = subnet.doc.public_ip_on_launch.then(|| net::public_address(cx));
    eni.doc.public = public_ip.map(|ip| PublicAddress { ip, allocation: None, association: None });
    eni.object.created_by = wanted.origin;
    let (interface, private_ip) = (eni.id().to_owned(), eni.doc.private_ips[0]);
    cx.save(eni);
    let root_volume = volume::make(
        cx,
        volume::Wanted {
            gib: wanted.disk_gib,
            volume_type: "gp3".to_owned(),
            zone: Zone { name: subnet.doc.zone.clone(), id: subnet.doc.zone_id.clone() },
            snapshot: None,
            encrypted: false,
            tags: wanted.volume_tags,
            attachment: Some(DiskAttachment {
                instance: id.clone(),
                device: "/dev/xvda".to_owned(),
                delete_on_termination: true,
                at: cx.tx.now(),
            }),
        },
    );
    let doc = Instance {
        instance_type: machine.name.clone(),
        image: wanted.image.to_owned(),
        vpc: subnet.doc.vpc.clone(),
        subnet: subnet.id().to_owned(),
        zone: subnet.doc.zone.clone(),
        zone_id: subnet.doc.zone_id.clone(),
        interface,
        groups,
        private_ip,
        public_ip,
        root_volume,
        spot: wanted.spot,
        reservation: cx.tx.id("r"),
        profile: wanted.profile,
        token: None,
        reason: None,
    };
    let mut instance = cx.draft(doc, "pending", wanted.instance_tags);
    instance.object.id = id.clone();
    instance.object.created_by = wanted.origin;
    instance.object.parent = Some(subnet.id().to_owned());
    if wanted.origin != Origin::Api {
        instance.object.visible_at = None;
    }
    instance.object.usage = vec![usage::machine(&cx.scope, &machine.name, wanted.spot)];
    if public_ip.is_some() {
        instance.object.usage.push(usage::component(&cx.scope, "public-ipv4"));
    }
    let wait = cx.seconds(15, 40);
    instance.object.due = Some(Due { at: cx.tx.now() + wait, what: "running".to_owned() });
    cx.save(instance);
    Ok(cx.peek(&id).expect("just saved"))
}

/// Tells a machine to go; half a minute later it has. Returns the state it was in.
pub(super) fn terminate(cx: &mut Ec2<'_, '_>, id: &str) -> Option<String> {
    let mut instance = cx.peek::<Instance>(id)?;
    let before = instance.object.state.clone();
    if before != "shutting-down" {
        let wait = cx.seconds(20, 60);
        "shutting-down".clone_into(&mut instance.object.state);
        instance.object.usage.clear();
        instance.object.due = Some(Due { at: cx.tx.now() + wait, what: "terminated".to_owned() });
        instance.doc.reason = Some((
            "Client.UserInitiatedShutdown".to_owned(),
            "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
        ));
        cx.save(instance);
    }
    Some(before)
}

/// A scheduled change of a machine happens.
pub(super) fn due(tx: &mut Tx<'_>, scope: &Scope, id: &str, what: &str) {
    let cx = &mut Ec2::new(tx, scope);
    let Some(mut instance) = cx.peek::<Instance>(id) else { return };
    if what != "terminated" {
        what.clone_into(&mut instance.object.state);
        cx.save(instance);
        return;
    }
    for mut eni in cx.all::<Interface>() {
        let Some(held) = eni.doc.attachment.clone().filter(|held| held.instance.as_deref() == Some(id)) else {
            continue;
        };
        if let Some(allocation) = eni.doc.public.as_ref().and_then(|public| public.allocation.clone()) {
            address::free(cx, &allocation);
        }
        if held.delete_on_termination {
            cx.drop_object::<Interface>(eni.id());
        } else {
            eni.doc.attachment = None;
            "available".clone_into(&mut eni.object.state);
            cx.save(eni);
        }
    }
    for mut disk in cx.all::<Volume>() {
        let Some(held) = disk.doc.attachment.clone().filter(|held| held.instance == id) else { continue };
        if held.delete_on_termination {
            cx.drop_object::<Volume>(disk.id());
        } else {
            disk.doc.attachment = None;
            "available".clone_into(&mut disk.object.state);
            cx.save(disk);
        }
    }
    cx.tx.bury(scope, <Instance as super::Thing>::KIND, id, "terminated", LISTED);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TemplateRef {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RunInstances {
    image_id: Option<String>,
    instance_type: Option<String>,
    min_count: u32,
    max_count: u32,
    subnet_id: Option<String>,
    #[serde(default)]
    security_group_id: Vec<String>,
    launch_template: Option<TemplateRef>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn run(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: RunInstances = request.read()?;
    let mut tags = tags::by_type(wanted.tag_specification, &["instance", "volume", "network-interface"])?;
    if wanted.min_count == 0 || wanted.max_count < wanted.min_count {
        let message = "Value for parameter minCount is invalid. Must be between 1 and maxCount";
        return Err(fail("InvalidParameterValue", message));
    }
    if let Some(first) = cx.repeated::<Instance>(wanted.client_token.as_deref(), &print)? {
        if first.object.is_gone() {
            let message = "The request was idempotent and the instance it launched has been terminated.";
            return Err(fail("IdempotentInstanceTerminated", message));
        }
        let all = cx.all::<Instance>();
        let same: Vec<&Stored<Instance>> =
            all.iter().filter(|it| it.doc.reservation == first.doc.reservation).collect();
        return Ok(reservation(cx, &same));
    }
    let from = match wanted.launch_template {
        None => None,
        Some(of) => Some(template::launch_data(
            cx.tx,
            &cx.scope,
            of.launch_template_id.as_deref(),
            of.launch_template_name.as_deref(),
            of.version.as_deref(),
        )?),
    };
    let held = |field: &str| from.as_ref().and_then(|data| data.data[field].as_str()).map(str::to_owned);
    let Some(image) = wanted.image_id.or_else(|| held("ImageId")) else {
        return Err(fail("MissingParameter", "The request must contain the parameter ImageId"));
    };
    let arch = image::architecture(&cx.scope.region, &image)?;
    let instance_type = wanted.instance_type.or_else(|| held("InstanceType")).unwrap_or_else(|| "m1.small".to_owned());
    let Some(machine) = Machine::named(&instance_type) else {
        return Err(fail("InvalidParameterValue", format!("Invalid value '{instance_type}' for InstanceType.")));
    };
    if machine.arm != (arch == "arm64") {
        let message = format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{arch}' of the specified \
             AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            if machine.arm { "arm64" } else { "x86_64" }
        );
        return Err(fail("InvalidParameterValue", message));
    }
    let subnet = match wanted.subnet_id {
        Some(id) => cx.find::<Subnet>(&id)?,
        None => {
            let default = cx.all::<Subnet>().into_iter().find(|subnet| {
                subnet.doc.default_for_zone && machine::offered(&cx.scope, &subnet.doc.zone_id, &instance_type)
            });
            default
                .ok_or_else(|| fail("MissingInput", "No subnets found for the default VPC. Please specify a subnet."))?
        }
    };
    let groups = match wanted.security_group_id {
        given if !given.is_empty() => given,
        _ => from.as_ref().map(template::LaunchData::groups).unwrap_or_default(),
    };
    interface::check_groups(cx, &subnet.doc.vpc, &groups)?;
    let mut tagged = |kind: &str| {
        let mut all = from.as_ref().map(|data| data.tags(kind)).unwrap_or_default();
        all.extend(tags.remove(kind).unwrap_or_default());
        all
    };
    let (mut instance_tags, volume_tags, interface_tags) =
        (tagged("instance"), tagged("volume"), tagged("network-interface"));
    // EC2 writes down where a machine came from; nobody else can write such tags.
    if let Some(data) = &from {
        instance_tags.insert("aws:ec2launchtemplate:id".to_owned(), data.id.clone());
        instance_tags.insert("aws:ec2launchtemplate:version".to_owned(), data.version.to_string());
    }
    let disk_gib = from.as_ref().and_then(template::LaunchData::disk_gib).unwrap_or(8);
    let mut made: Vec<Stored<Instance>> = Vec::new();
    for index in 0..wanted.max_count {
        let launched = launch(
            cx,
            Launch {
                subnet: subnet.id(),
                instance_type: &instance_type,
                image: &image,
                spot: false,
                groups: &groups,
                disk_gib,
                instance_tags: instance_tags.clone(),
                volume_tags: volume_tags.clone(),
                interface_tags: interface_tags.clone(),
                profile: None,
                origin: Origin::Api,
            },
        );
        let mut instance = match launched {
            Ok(instance) => instance,
            // Fewer than asked for is a success as long as it is the least that was asked for.
            Err(_) if index >= wanted.min_count => break,
            Err(error) => return Err(error),
        };
        if let Some(first) = made.first() {
            instance.doc.reservation = first.doc.reservation.clone();
        }
        instance.doc.token.clone_from(&wanted.client_token);
        instance.object.token = wanted.client_token.as_ref().map(|token| format!("{token}/{print}"));
        let id = instance.id().to_owned();
        cx.save(instance);
        made.extend(cx.peek::<Instance>(&id));
    }
    Ok(reservation(cx, &made.iter().collect::<Vec<_>>()))
}

fn reservation(cx: &Ec2<'_, '_>, instances: &[&Stored<Instance>]) -> Value {
    let rows: Vec<Value> = instances.iter().map(|instance| bare(view(cx, instance))).collect();
    let first = instances.first();
    json!({
        "reservationId": first.map(|it| &it.doc.reservation), "ownerId": first.map(|it| &it.object.account),
        "groupSet": [], "instancesSet": rows,
    })
}

/// Without what belongs to the reservation around it.
fn bare(mut row: Value) -> Value {
    if let Some(fields) = row.as_object_mut() {
        fields.remove("reservationId");
        fields.remove("ownerId");
    }
    row
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeInstances {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeInstances = request.read()?;
    if wanted.max_results.is_some() && !wanted.instance_id.is_empty() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(fail("InvalidParameterCombination", message));
    }
    if wanted.max_results.is_some_and(|size| !(5..=1000).contains(&size)) {
        let message = "Value for parameter maxResults is invalid. Expecting a value between 5 and 1000.";
        return Err(fail("InvalidParameterValue", message));
    }
    let rows = cx.listed::<Instance>(&wanted.instance_id)?.iter().map(|instance| view(cx, instance)).collect();
    let mut together: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for row in filter::keep(rows, &wanted.filter, FILTERS)? {
        let id = row["reservationId"].as_str().unwrap_or_default().to_owned();
        let owner = row["ownerId"].clone();
        together.entry(id).or_insert_with(|| (owner, Vec::new())).1.push(bare(row));
    }
    let rows = together.into_iter().map(|(id, (owner, instances))| {
        json!({"reservationId": id, "ownerId": owner, "groupSet": [], "instancesSet": instances})
    });
    let page = Page { token: wanted.next_token, size: wanted.max_results };
    filter::page("reservationSet", rows.collect(), &page, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TerminateInstances {
    instance_id: Vec<String>,
}

pub(super) fn terminate_all(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: TerminateInstances = request.read()?;
    let mut rows = Vec::new();
    // All must be known before one goes; a tombstone is known.
    for instance in cx.listed::<Instance>(&wanted.instance_id)? {
        let before = instance.object.state.clone();
        terminate(cx, instance.id());
        let now = cx.peek::<Instance>(instance.id()).map_or_else(|| before.clone(), |it| it.object.state);
        rows.push(json!({
            "instanceId": instance.id(), "currentState": state(&now), "previousState": state(&before),
        }));
    }
    Ok(json!({"instancesSet": rows}))
}
