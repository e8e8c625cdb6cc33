//! What EKS needs from IAM, EC2, Service Quotas and CloudWatch Logs, in the few words this service uses.
//!
//! Only this file, `balancer.rs` and `disk.rs` know how the neighbours keep their objects.

use super::store::{Node, Template};
use crate::sandbox::{
    aws::{
        ApiError,
        ec2::inside::{self, GroupWish, InterfaceWish, LaunchRequest},
        iam, logs, servicequotas, ssm, sts,
    },
    world::{Object, Scope, Tx},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// EC2's facts that need no translation.
pub(super) use inside::{
    group_vpc, machine, public_without_addresses, remove_group_if_unused, remove_interface as remove_eni, subnet,
    terminate, vpc_ranges, way_out,
};

/// Zones that hold no control planes, by id (Amazon EKS User Guide, "VPC and subnet requirements", 2026-11).
const NO_CONTROL_PLANES: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3"];

/// Why a role is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The text is no role ARN.
    Malformed,
    /// There is none, or other services have not heard of it yet.
    Absent,
    /// It does not trust the service.
    NotTrusted,
}

/// A role the service can assume.
pub(super) struct Role {
    object: Object,
    now: Timestamp,
}

impl Role {
    /// Whether one of these managed policies is attached, as other services see it by now. Policies of the user's own
    /// are trusted to allow the same.
    pub(super) fn allows(&self, names: &[&str]) -> bool {
        let managed = names.iter().any(|name| iam::has_policy(&self.object, name, self.now));
        let own = |member: &str, is_own: fn(&str) -> bool| {
            self.object.doc[member].as_object().is_some_and(|map| map.keys().any(|key| is_own(key)))
        };
        managed || own("inline", |_| true) || own("attached", |arn| !arn.starts_with("arn:aws:iam::aws:"))
    }
}

/// The role, if `service` may assume it by now with these actions.
pub(super) fn role(tx: &Tx<'_>, account: &str, arn: &str, service: &str, actions: &[&str]) -> Result<Role, Trouble> {
    if iam::role_name_of(arn).is_none() {
        return Err(Trouble::Malformed);
    }
    if !arn.starts_with(&format!("arn:aws:iam::{account}:")) {
        return Err(Trouble::Absent);
    }
    match iam::assumable(tx, arn, service, actions) {
        Ok(object) => Ok(Role { object: object.clone(), now: tx.now() }),
        Err(iam::RoleTrouble::Missing) => Err(Trouble::Absent),
        Err(iam::RoleTrouble::NotTrusted) => Err(Trouble::NotTrusted),
    }
}

/// Whether a role exists by now, whoever may assume it.
pub(super) fn role_exists(tx: &Tx<'_>, account: &str, arn: &str) -> bool {
    !matches!(role(tx, account, arn, "", &[]), Err(Trouble::Malformed | Trouble::Absent))
}

/// The unique id of an IAM principal that other services have heard of.
pub(super) fn principal_id(tx: &Tx<'_>, account: &str, arn: &str) -> Option<String> {
    if let Ok(role) = role(tx, account, arn, "", &[]) {
        return Some(role.object.text("roleId").to_owned());
    }
    let user = sts::permanent_caller(account);
    let root = format!("arn:aws:iam::{account}:root");
    if user.arn == arn {
        return Some(user.user_id);
    }
    (root == arn).then(|| account.to_owned())
}

/// What the account may have.
pub(super) fn quota(tx: &Tx<'_>, code: &str) -> f64 {
    servicequotas::quota(tx, "eks", code)
}

/// Whether control planes can stand in the zone with this id.
pub(super) fn holds_control_planes(zone_id: &str) -> bool {
    !NO_CONTROL_PLANES.contains(&zone_id)
}

/// Names of the zones where control planes can stand.
pub(super) fn control_plane_zones(scope: &Scope) -> Vec<String> {
    inside::zones(scope).into_iter().filter(|(_, id)| holds_control_planes(id)).map(|(name, _)| name).collect()
}

/// The security group EKS makes for a cluster: members talk to each other.
pub(super) fn make_cluster_group(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, vpc: &str) -> String {
    let name = format!("eks-cluster-sg-{cluster}-{}", 1_000_000_000 + tx.below(9_000_000_000));
    let tags = BTreeMap::from([
        ("Name".to_owned(), name.clone()),
        (format!("kubernetes.io/cluster/{cluster}"), "owned".to_owned()),
        ("aws:eks:cluster-name".to_owned(), cluster.to_owned()),
    ]);
    let description = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, \
                       as well as any managed workloads."
        .to_owned();
    inside::create_group(tx, scope, GroupWish { vpc, name, description, tags, among_members: true, open_ports: &[] })
}

/// A network interface of the control plane in a subnet.
pub(super) fn make_control_plane_eni(
    tx: &mut Tx<'_>,
    scope: &Scope,
    cluster: &str,
    subnet: &str,
    groups: &[String],
) -> Result<String, ApiError> {
    let wish = InterfaceWish {
        subnet,
        groups: groups.to_vec(),
        description: format!("Amazon EKS {cluster}"),
        interface_type: "interface",
        requester: "amazon-eks",
        owner: "amazon-eks",
        tags: BTreeMap::new(),
        public: false,
    };
    inside::create_requester_interface(tx, scope, wish)
}

/// The ENI that a terminated node's ipamd no longer gave back.
pub(super) fn leak_cni_eni(tx: &mut Tx<'_>, scope: &Scope, cluster: &str, node: &Node, group: &str) {
    if inside::group_vpc(tx, scope, group).is_some() {
        // A subnet without a free address has nothing to leak.
        inside::leave_cni_interface(tx, scope, &node.subnet, cluster, &node.instance, group);
    }
}

/// The log group control plane logs go to.
pub(super) fn ensure_log_group(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    logs::ensure_log_group(tx, scope, &format!("/aws/eks/{cluster}/cluster"));
}

/// What a node group takes from the launch template it names, if a node group can use it.
pub(super) fn template(tx: &Tx<'_>, scope: &Scope, asked: &Value) -> Result<Template, String> {
    let text = |member: &str| asked[member].as_str();
    let found =
        inside::launch_data(tx, scope, text("id"), text("name"), text("version")).map_err(|error| error.message)?;
    let data = &found.data;
    if !data["IamInstanceProfile"].is_null() {
        return Err(
            "Launch template should not specify an instance profile. The noderole in your request will be used to \
                    construct an instance profile."
                .to_owned(),
        );
    }
    let interfaces = data["NetworkInterface"].as_array();
    if interfaces.into_iter().flatten().any(|interface| !interface["SubnetId"].is_null()) {
        return Err("Launch template network interfaces should not specify subnets".to_owned());
    }
    if !data["InstanceMarketOptions"].is_null() {
        return Err("Launch template should not specify instance market options. Use capacityType instead.".to_owned());
    }
    if !data["HibernationOptions"].is_null() {
        return Err("Launch template should not specify hibernation options".to_owned());
    }
    Ok(Template {
        image: data["ImageId"].as_str().map(str::to_owned),
        instance_type: data["InstanceType"].as_str().map(str::to_owned),
        instance_tags: found.tags("instance"),
        volume_tags: found.tags("volume"),
        interface_tags: found.tags("network-interface"),
        disk_gib: found.disk_gib(),
        security_groups: found.groups(),
        id: found.id,
        name: found.name,
        version: found.version.to_string(),
    })
}

/// The launch template and the instance profile EKS makes for a node group; returns the template's id.
pub(super) fn furnish_group(tx: &mut Tx<'_>, scope: &Scope, uuid: &str, role: &str, image: &str) -> String {
    let name = format!("eks-{uuid}");
    iam::ensure_instance_profile(tx, &scope.account, &name, iam::role_name_of(role).unwrap_or_default());
    inside::create_template(tx, scope, &name, json!({"ImageId": image, "IamInstanceProfile": {"Name": name}}))
}

/// Removes what [`furnish_group`] made.
pub(super) fn strip_group(tx: &mut Tx<'_>, scope: &Scope, uuid: &str, template: &str) {
    iam::delete_instance_profile(tx, &scope.account, &format!("eks-{uuid}"));
    inside::remove_template(tx, scope, template);
}

/// The image of an AMI type for a Kubernetes version.
pub(super) fn image(region: &str, ami_type: &str, minor: &str) -> String {
    let arch = if ami_type.contains("ARM") { "arm64" } else { "x86_64" };
    let variant = ["NVIDIA", "NEURON"].into_iter().find(|word| ami_type.contains(word)).map(str::to_lowercase);
    let wanted = if ami_type.starts_with("BOTTLEROCKET") {
        let variant = variant.map(|word| format!("-{word}")).unwrap_or_default();
        format!("/aws/service/bottlerocket/aws-k8s-{minor}{variant}/{arch}/")
    } else {
        let variant = variant.unwrap_or_else(|| "standard".to_owned());
        format!("/aws/service/eks/optimized-ami/{minor}/amazon-linux-2023/{arch}/{variant}/")
    };
    let found = ssm::images(region).into_iter().find(|image| image.parameter.starts_with(&wanted));
    found.map(|image| image.id).unwrap_or_default()
}

/// A machine of a node group to be started.
pub(super) struct Launch<'a> {
    pub(super) subnet: &'a str,
    pub(super) instance_type: &'a str,
    pub(super) image: &'a str,
    pub(super) spot: bool,
    pub(super) security_groups: &'a [String],
    pub(super) disk_gib: u32,
    pub(super) instance_tags: &'a BTreeMap<String, String>,
    pub(super) template: &'a Template,
    pub(super) profile: &'a str,
}

/// Starts a machine for a node group.
pub(super) fn launch(tx: &mut Tx<'_>, scope: &Scope, launch: &Launch<'_>) -> Result<Node, ApiError> {
    let profile = format!("arn:aws:iam::{}:instance-profile/{}", scope.account, launch.profile);
    let request = LaunchRequest {
        subnet: launch.subnet,
        instance_type: launch.instance_type,
        image: launch.image,
        spot: launch.spot,
        groups: launch.security_groups,
        disk_gib: launch.disk_gib,
        instance_tags: launch.instance_tags.clone(),
        volume_tags: launch.template.volume_tags.clone(),
        interface_tags: launch.template.interface_tags.clone(),
        profile: Some(profile),
    };
    let started = inside::launch(tx, scope, request)?;
    Ok(Node {
        instance: started.id,
        instance_type: launch.instance_type.to_owned(),
        subnet: started.subnet,
        zone: started.zone,
        private_ip: started.private_ip.to_string(),
        joined_at: None,
        ready: false,
    })
}

/// Whether a machine still runs.
pub(super) fn stands(tx: &Tx<'_>, scope: &Scope, id: &str) -> bool {
    inside::instance_state(tx, scope, id).is_some_and(|state| matches!(state.as_str(), "pending" | "running"))
}

/// The service-linked role that comes with the first cluster or node group of an account.
pub(super) fn ensure_linked_role(tx: &mut Tx<'_>, account: &str, service: &str) {
    iam::ensure_service_linked_role(tx, account, service);
}
