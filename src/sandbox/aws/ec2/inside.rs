//! What the sandbox's other services and the controllers inside its clusters ask of EC2, without going over the wire:
//! machines for node groups, interfaces of control planes and load balancers, disks of storage drivers, and the facts
//! about networks that they judge requests by.

pub use super::template::LaunchData;
use super::{
    Ec2, fail,
    gateway::Gateway,
    group::{self, Group, Peer, Rule},
    instance::{self, Instance, Launch},
    interface::{self, Attachment, Interface, Wanted},
    machine::Machine,
    nat::NatGateway,
    route::{RouteTable, Target},
    store,
    subnet::Subnet,
    template,
    volume::{self, Volume},
    vpc::Vpc,
    zones::Zone,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Origin, Scope, Tx},
};
use ipnet::Ipv4Net;
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

/// Where a subnet lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetFacts {
    /// Its VPC.
    pub vpc: String,
    /// Its zone's name.
    pub zone: String,
    /// Its zone's id.
    pub zone_id: String,
    /// Its range.
    pub cidr: Ipv4Net,
    /// Whether machines launched into it get a public address.
    pub public_ip_on_launch: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A standing subnet.
pub fn subnet(tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<SubnetFacts> {
    store::peek::<Subnet>(tx, scope, id).map(|subnet| SubnetFacts {
        vpc: subnet.doc.vpc,
        zone: subnet.doc.zone,
        zone_id: subnet.doc.zone_id,
        cidr: subnet.doc.cidr,
        public_ip_on_launch: subnet.doc.public_ip_on_launch,
        tags: subnet.object.tags,
    })
}

/// Ids of the standing subnets of a VPC.
pub fn subnets_of(tx: &Tx<'_>, scope: &Scope, vpc: &str) -> Vec<String> {
    let all = store::all::<Subnet>(tx, scope).into_iter();
    all.filter(|subnet| subnet.doc.vpc == vpc).map(|subnet| subnet.object.id).collect()
}

/// Addresses of a subnet that nobody holds.
pub fn free_addresses(tx: &mut Tx<'_>, scope: &Scope, subnet: &str) -> usize {
    let cx = Ec2::new(tx, scope);
    cx.peek::<Subnet>(subnet).map_or(0, |it| super::net::free_count(&cx, subnet, &it.doc.cidr))
}

/// The zones of a region as `(name, id)`.
pub fn zones(scope: &Scope) -> Vec<(String, String)> {
    super::zones::zones(scope).into_iter().map(|zone| (zone.name, zone.id)).collect()
}

/// The VPC of a standing security group.
pub fn group_vpc(tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<String> {
    store::peek::<Group>(tx, scope, id).map(|group| group.doc.vpc)
}

/// The ranges of a VPC.
pub fn vpc_ranges(tx: &Tx<'_>, scope: &Scope, vpc: &str) -> Vec<Ipv4Net> {
    store::peek::<Vpc>(tx, scope, vpc).map(|vpc| vpc.doc.cidr).into_iter().collect()
}

/// Whether a VPC answers names and gives them out: EKS nodes need both.
pub fn vpc_dns(tx: &Tx<'_>, scope: &Scope, vpc: &str) -> Option<(bool, bool)> {
    store::peek::<Vpc>(tx, scope, vpc).map(|vpc| (vpc.doc.dns_support, vpc.doc.dns_hostnames))
}

/// Where a subnet's traffic to the internet goes.
fn default_route(tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<Target> {
    let subnet = store::peek::<Subnet>(tx, scope, id)?;
    let tables = store::all::<RouteTable>(tx, scope);
    let bound = tables.iter().find(|table| table.doc.associations.iter().any(|bound| bound.subnet == id));
    let table = bound.or_else(|| tables.iter().find(|it| it.doc.vpc == subnet.doc.vpc && it.doc.main.is_some()))?;
    table.doc.routes.iter().find(|route| route.to == "0.0.0.0/0").map(|route| route.via.clone())
}

/// Whether machines in this subnet would have a route to the internet gateway but no public address to use it with.
pub fn public_without_addresses(tx: &Tx<'_>, scope: &Scope, id: &str) -> bool {
    matches!(default_route(tx, scope, id), Some(Target::Gateway(_)))
        && subnet(tx, scope, id).is_some_and(|subnet| !subnet.public_ip_on_launch)
}

/// Whether machines in this subnet reach the internet; if not, why.
///
/// # Errors
/// A sentence for people.
pub fn way_out(tx: &Tx<'_>, scope: &Scope, id: &str) -> Result<(), String> {
    let Some(here) = subnet(tx, scope, id) else { return Err(format!("subnet {id} does not exist")) };
    let attached = |gateway: &str| {
        store::peek::<Gateway>(tx, scope, gateway).is_some_and(|it| it.doc.vpc.as_deref() == Some(&here.vpc))
    };
    match default_route(tx, scope, id) {
        None => Err(format!("subnet {id} has no route to 0.0.0.0/0")),
        Some(Target::Gateway(gateway)) if !attached(&gateway) => {
            Err(format!("{gateway} is not attached to {}", here.vpc))
        }
        Some(Target::Gateway(_)) if !here.public_ip_on_launch => {
            Err(format!("machines in subnet {id} have no public addresses"))
        }
        Some(Target::Gateway(_) | Target::Endpoint(_)) => Ok(()),
        Some(Target::Interface(eni)) => {
            let used = store::peek::<Interface>(tx, scope, &eni).is_some_and(|it| it.doc.attachment.is_some());
            if used { Ok(()) } else { Err(format!("the route of subnet {id} ends in {eni}, which is not in use")) }
        }
        Some(Target::Nat(nat)) => {
            let Some(gateway) = store::peek::<NatGateway>(tx, scope, &nat).filter(|it| it.object.state == "available")
            else {
                return Err(format!("the route of subnet {id} ends in {nat}, which is not available"));
            };
            match default_route(tx, scope, &gateway.doc.subnet) {
                Some(Target::Gateway(igw)) if attached(&igw) => Ok(()),
                _ => Err(format!("{nat} lies in a subnet without a route to an internet gateway")),
            }
        }
    }
}

/// Whether an internet gateway is attached to a VPC.
pub fn has_internet_gateway(tx: &Tx<'_>, scope: &Scope, vpc: &str) -> bool {
    store::all::<Gateway>(tx, scope).iter().any(|gateway| gateway.doc.vpc.as_deref() == Some(vpc))
}

/// What EKS asks about a machine type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFacts {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Graviton.
    pub arm: bool,
    /// NVIDIA GPUs: how many.
    pub gpus: u32,
    /// Inferentia or Trainium.
    pub neuron: bool,
}

/// A machine type, if there is one of this name.
pub fn machine(name: &str) -> Option<MachineFacts> {
    let machine = Machine::named(name)?;
    let count = machine.accelerator.as_ref().map_or(0, |(_, count)| *count);
    let gpu = machine.gpu();
    Some(MachineFacts {
        vcpus: machine.vcpus,
        memory_mib: machine.memory_mib,
        arm: machine.arm,
        gpus: if gpu { count } else { 0 },
        neuron: count > 0 && !gpu,
    })
}

/// The launch data of a template, by id or name, in a version (the default one when not said).
///
/// # Errors
/// EC2's own refusal: no such template, no such version.
pub fn launch_data(
    tx: &Tx<'_>,
    scope: &Scope,
    id: Option<&str>,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<LaunchData, ApiError> {
    template::launch_data(tx, scope, id, name, version)
}

/// A security group made by a service or a controller, with ingress rules between `(protocol, from, to, peer)`.
#[derive(Debug, Clone)]
pub struct GroupWish<'a> {
    /// The VPC.
    pub vpc: &'a str,
    /// Its name, `eks-cluster-sg-demo-…` or `k8s-elb-…`.
    pub name: String,
    /// What people read.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Members may talk to each other.
    pub among_members: bool,
    /// TCP ports open to everybody.
    pub open_ports: &'a [i64],
}

/// Makes such a group; returns its id.
pub fn create_group(tx: &mut Tx<'_>, scope: &Scope, wish: GroupWish<'_>) -> String {
    let cx = &mut Ec2::new(tx, scope);
    let doc = Group { vpc: wish.vpc.to_owned(), name: wish.name, description: wish.description, is_default: false };
    let id = group::make(cx, doc, wish.tags);
    let mut rules = Vec::new();
    if wish.among_members {
        rules.push(("-1", None, Peer::Group(id.clone())));
    }
    rules.extend(wish.open_ports.iter().map(|port| ("tcp", Some(*port), Peer::Cidr("0.0.0.0/0".to_owned()))));
    for (protocol, port, peer) in rules {
        let (group, protocol) = (id.clone(), protocol.to_owned());
        let rule = Rule { group, egress: false, protocol, from: port, to: port, peer, description: None };
        group::put_rule(cx, rule, Origin::Controller);
    }
    id
}

/// Lets members of one group reach members of another on all ports, as controllers do for load balancers. The rule is
/// what makes the other group undeletable.
pub fn allow_from_group(tx: &mut Tx<'_>, scope: &Scope, into: &str, from: &str, description: &str) {
    let cx = &mut Ec2::new(tx, scope);
    let rule = Rule {
        group: into.to_owned(),
        egress: false,
        protocol: "tcp".to_owned(),
        from: Some(0),
        to: Some(65_535),
        peer: Peer::Group(from.to_owned()),
        description: Some(description.to_owned()),
    };
    group::put_rule(cx, rule, Origin::Controller);
}

/// Removes a group with its rules, and the rules of other groups that name it, unless an interface uses it.
/// Says whether it is gone.
pub fn remove_group(tx: &mut Tx<'_>, scope: &Scope, id: &str) -> bool {
    let cx = &mut Ec2::new(tx, scope);
    if cx.all::<Interface>().iter().any(|eni| eni.doc.groups.iter().any(|group| group == id)) {
        return false;
    }
    for rule in cx.all::<Rule>().iter().filter(|rule| rule.doc.peer == Peer::Group(id.to_owned())) {
        cx.drop_object::<Rule>(rule.id());
    }
    group::remove(cx, id);
    true
}

/// Removes a group only if nothing at all names or uses it, as EKS does. Says whether it is gone.
pub fn remove_group_if_unused(tx: &mut Tx<'_>, scope: &Scope, id: &str) -> bool {
    let cx = &mut Ec2::new(tx, scope);
    let free = !group::in_use(cx, id);
    if free {
        group::remove(cx, id);
    }
    free
}

/// An interface a service puts into the account's network.
#[derive(Debug, Clone)]
pub struct InterfaceWish<'a> {
    /// Where.
    pub subnet: &'a str,
    /// Its security groups.
    pub groups: Vec<String>,
    /// How people tell whose it is: `Amazon EKS demo`, `ELB app/…`.
    pub description: String,
    /// `interface`, `network_load_balancer`.
    pub interface_type: &'a str,
    /// The requester's id: `amazon-elb`, an EKS service role session.
    pub requester: &'a str,
    /// Owner of the attachment: `amazon-elb`, `amazon-aws`.
    pub owner: &'a str,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// With a public address of Amazon's.
    pub public: bool,
}

/// Makes a requester-managed interface, in use from the start; returns its id.
///
/// # Errors
/// EC2's own refusal: no such subnet, no free address, too many interfaces.
pub fn create_requester_interface(tx: &mut Tx<'_>, scope: &Scope, wish: InterfaceWish<'_>) -> Result<String, ApiError> {
    let cx = &mut Ec2::new(tx, scope);
    let Some(subnet) = cx.peek::<Subnet>(wish.subnet) else {
        return Err(fail("InvalidSubnetID.NotFound", format!("The subnet ID '{}' does not exist", wish.subnet)));
    };
    let attachment = Attachment::by_service(cx, wish.owner);
    let mut eni = interface::make(
        cx,
        Wanted {
            subnet: &subnet,
            groups: wish.groups,
            description: wish.description,
            interface_type: wish.interface_type,
            requester: Some(wish.requester),
            tags: wish.tags,
            attachment: Some(attachment),
        },
    )?;
    let id = eni.id().to_owned();
    if wish.public {
        let ip = super::net::public_address(cx);
        eni.doc.public = Some(interface::PublicAddress { ip, allocation: None, association: None });
        eni.object.usage = vec![super::usage::component(scope, "public-ipv4")];
        cx.save(eni);
    }
    Ok(id)
}

/// Removes an interface whatever its state: its owner is done with it.
pub fn remove_interface(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    Ec2::new(tx, scope).drop_object::<Interface>(id);
}

/// Removes an interface after this virtual span: a deleted load balancer's stay for minutes.
pub fn release_interface(tx: &mut Tx<'_>, scope: &Scope, id: &str, after: Duration) {
    let cx = &mut Ec2::new(tx, scope);
    if let Some(mut eni) = cx.peek::<Interface>(id) {
        eni.object.due = Some(Due { at: cx.tx.now() + after, what: "released".to_owned() });
        cx.save(eni);
    }
}

/// An interface the CNI left behind when its node went: `available`, not requester-managed, tagged by the CNI.
/// Returns its id, unless the subnet is full or gone.
pub fn leave_cni_interface(
    tx: &mut Tx<'_>,
    scope: &Scope,
    subnet: &str,
    cluster: &str,
    instance: &str,
    group: &str,
) -> Option<String> {
    let cx = &mut Ec2::new(tx, scope);
    let subnet = cx.peek::<Subnet>(subnet)?;
    let tags = [
        ("node.k8s.amazonaws.com/instance_id", instance),
        ("cluster.k8s.amazonaws.com/name", cluster),
        ("eks:eni:owner", "amazon-vpc-cni"),
    ];
    let wanted = Wanted {
        subnet: &subnet,
        groups: vec![group.to_owned()],
        description: format!("aws-K8S-{instance}"),
        interface_type: "interface",
        requester: None,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        attachment: None,
    };
    interface::make(cx, wanted).ok().map(|eni| eni.object.id)
}

/// A machine for a node group.
#[derive(Debug, Clone)]
pub struct LaunchRequest<'a> {
    /// Where.
    pub subnet: &'a str,
    /// Type.
    pub instance_type: &'a str,
    /// Image.
    pub image: &'a str,
    /// Spot.
    pub spot: bool,
    /// Security groups.
    pub groups: &'a [String],
    /// Root disk.
    pub disk_gib: u32,
    /// Tags of the machine.
    pub instance_tags: BTreeMap<String, String>,
    /// Tags of its disk.
    pub volume_tags: BTreeMap<String, String>,
    /// Tags of its interface.
    pub interface_tags: BTreeMap<String, String>,
    /// ARN of its instance profile.
    pub profile: Option<String>,
}

/// A machine that was launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// Id.
    pub id: String,
    /// Address in the VPC.
    pub private_ip: Ipv4Addr,
    /// Address outside, if any.
    pub public_ip: Option<Ipv4Addr>,
    /// Zone.
    pub zone: String,
    /// Subnet.
    pub subnet: String,
}

/// Launches a machine for a service.
///
/// # Errors
/// EC2's own refusal: `VcpuLimitExceeded`, `InsufficientInstanceCapacity`, `Unsupported` in this zone, no free address.
pub fn launch(tx: &mut Tx<'_>, scope: &Scope, request: LaunchRequest<'_>) -> Result<Launched, ApiError> {
    let cx = &mut Ec2::new(tx, scope);
    let instance = instance::launch(
        cx,
        Launch {
            subnet: request.subnet,
            instance_type: request.instance_type,
            image: request.image,
            spot: request.spot,
            groups: request.groups,
            disk_gib: request.disk_gib,
            instance_tags: request.instance_tags,
            volume_tags: request.volume_tags,
            interface_tags: request.interface_tags,
            profile: request.profile,
            origin: Origin::Controller,
        },
    )?;
    Ok(Launched {
        id: instance.object.id,
        private_ip: instance.doc.private_ip,
        public_ip: instance.doc.public_ip,
        zone: instance.doc.zone,
        subnet: instance.doc.subnet,
    })
}

/// Tells a machine to go.
pub fn terminate(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    instance::terminate(&mut Ec2::new(tx, scope), id);
}

/// A machine's state word while it stands: `pending`, `running`, `shutting-down`.
pub fn instance_state(tx: &Tx<'_>, scope: &Scope, id: &str) -> Option<String> {
    store::peek::<Instance>(tx, scope, id).map(|instance| instance.object.state)
}

/// A template of EKS's own making, one per node group; returns its id.
pub fn create_template(tx: &mut Tx<'_>, scope: &Scope, name: &str, data: serde_json::Value) -> String {
    template::make(&mut Ec2::new(tx, scope), name, data)
}

/// Removes a template of EKS's own making.
pub fn remove_template(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    Ec2::new(tx, scope).drop_object::<template::Template>(id);
}

/// Makes a disk for a storage driver, in a zone by name; returns its id.
pub fn create_volume(
    tx: &mut Tx<'_>,
    scope: &Scope,
    zone: &str,
    gib: u32,
    volume_type: &str,
    tags: BTreeMap<String, String>,
) -> Option<String> {
    let zone: Zone = super::zones::zones(scope).into_iter().find(|it| it.name == zone)?;
    let volume_type = volume_type.to_owned();
    let wanted = volume::Wanted { gib, volume_type, zone, snapshot: None, encrypted: false, tags, attachment: None };
    Some(volume::make(&mut Ec2::new(tx, scope), wanted))
}

/// Attaches a driver's disk to a machine.
pub fn attach_volume(tx: &mut Tx<'_>, scope: &Scope, id: &str, instance: &str, device: &str) {
    let cx = &mut Ec2::new(tx, scope);
    if let Some(mut volume) = cx.peek::<Volume>(id) {
        let at = cx.tx.now();
        let (instance, device) = (instance.to_owned(), device.to_owned());
        volume.doc.attachment = Some(volume::DiskAttachment { instance, device, delete_on_termination: false, at });
        volume.object.due = None;
        "in-use".clone_into(&mut volume.object.state);
        cx.save(volume);
    }
}

/// Takes a driver's disk off its machine.
pub fn detach_volume(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    let cx = &mut Ec2::new(tx, scope);
    if let Some(mut volume) = cx.peek::<Volume>(id) {
        volume.doc.attachment = None;
        "available".clone_into(&mut volume.object.state);
        cx.save(volume);
    }
}

/// Deletes a driver's disk.
pub fn remove_volume(tx: &mut Tx<'_>, scope: &Scope, id: &str) {
    Ec2::new(tx, scope).drop_object::<Volume>(id);
}
