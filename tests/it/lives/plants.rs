//! What a cluster leaves behind, and look-alikes of it, planted through the cloud's own API: one of every kind, under
//! the tags that whoever made it would have put there.

use super::rig::World;
use aws_sdk_ec2::types::{
    Filter, LaunchTemplateSpecification, ResourceType, Tag, TagSpecification, VolumeType, VpcEndpointType,
};

/// Who made a planted thing, as its tags have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// The cluster of this stack.
    Ours(String),
    /// Nobody: the same names, no tags.
    Nobody,
    /// Another cluster.
    Another,
    /// A cluster of our name, without what proves that it is ours. The stack's tag is on what must not count by it.
    Named(String),
}

/// Where things are planted.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) vpc: String,
    /// In two zones.
    pub(super) subnets: Vec<String>,
    /// The group that EKS made for the cluster, in its own network.
    pub(super) cluster_group: Option<String>,
}

/// A planted thing.
#[derive(Debug, Clone)]
pub(super) struct Plant {
    pub(super) kind: &'static str,
    pub(super) id: String,
}

type Pairs = Vec<(&'static str, String)>;

impl Who {
    fn cluster(&self) -> Option<&'static str> {
        match self {
            Self::Ours(_) | Self::Named(_) => Some("demo"),
            Self::Another => Some("other"),
            Self::Nobody => None,
        }
    }

    fn short(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Nobody => "none",
            Self::Another => "other",
            Self::Named(_) => "named",
        }
    }

    /// The tag of a controller that marks what it made for a cluster.
    fn by(&self, key: &'static str) -> Pairs {
        self.cluster().map(|name| (key, name.to_owned())).into_iter().collect()
    }

    fn owned(&self) -> Pairs {
        match self.cluster() {
            Some("demo") => vec![("kubernetes.io/cluster/demo", "owned".to_owned())],
            Some(_) => vec![("kubernetes.io/cluster/other", "owned".to_owned())],
            None => Vec::new(),
        }
    }

    fn with(&self, mut pairs: Pairs, more: &[(&'static str, &str)]) -> Pairs {
        if *self != Self::Nobody {
            pairs.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        }
        pairs
    }

    /// The stack's tag, as the storage driver writes it where it was told to.
    fn stack(&self) -> Pairs {
        match self {
            Self::Ours(stack) => vec![("kubewright-stack", stack.clone())],
            Self::Another => vec![("kubewright-stack", "other-ffffffff".to_owned())],
            Self::Nobody | Self::Named(_) => Vec::new(),
        }
    }

    /// Both of our tags, as the launch template writes them: what carries them without a proof is a copy.
    fn step(&self) -> Pairs {
        let step = || ("kubewright-step", "nodes__pool__default__template".to_owned());
        match self {
            Self::Ours(stack) => vec![("kubewright-stack", stack.clone()), step()],
            Self::Another => vec![("kubewright-stack", "other-ffffffff".to_owned()), step()],
            Self::Named(stack) => vec![("kubewright-stack", stack.clone())],
            Self::Nobody => Vec::new(),
        }
    }
}

fn tagged(kind: ResourceType, pairs: &Pairs) -> Option<Vec<TagSpecification>> {
    let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build());
    let spec = TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build();
    (!pairs.is_empty()).then(|| vec![spec])
}

impl World {
    /// A network of somebody else's.
    pub(super) fn elsewhere(&self, range: &str) -> Ground {
        self.wait(async {
            let vpc = self.ec2().create_vpc().cidr_block(format!("{range}.0.0/16")).send().await.unwrap();
            let vpc = vpc.vpc.unwrap().vpc_id.unwrap();
            let mut subnets = Vec::new();
            for (third, zone) in [(0, "us-east-1a"), (16, "us-east-1b")] {
                let call = self.ec2().create_subnet().vpc_id(&vpc).cidr_block(format!("{range}.{third}.0/20"));
                let made = call.availability_zone(zone).send().await.unwrap();
                subnets.push(made.subnet.unwrap().subnet_id.unwrap());
            }
            Ground { vpc, subnets, cluster_group: None }
        })
    }

    /// The network of the cluster that stands.
    pub(super) fn home_ground(&self) -> Ground {
        let vpc = self.standing("vpc").into_iter().find(|it| it.tags.contains_key("kubewright-step")).unwrap().id;
        let mut subnets: Vec<_> =
            self.standing("subnet").into_iter().filter(|it| it.parent.as_ref() == Some(&vpc)).collect();
        subnets.retain(|it| it.tags.get("kubewright-step").is_some_and(|step| step.contains("private")));
        let cluster = self.wait(self.eks().describe_cluster().name("demo").send()).unwrap().cluster.unwrap();
        let group = cluster.resources_vpc_config.unwrap().cluster_security_group_id;
        Ground { vpc, subnets: subnets.into_iter().map(|it| it.id).collect(), cluster_group: group }
    }

    /// One of every kind of leftover.
    pub(super) fn plant_all(&self, at: &Ground, who: &Who) -> Vec<Plant> {
        let mut all = self.plant_around(at, who);
        all.extend(self.plant_machines(at, who));
        all
    }

    /// Load balancers, target groups, security groups, interfaces, GuardDuty's things.
    pub(super) fn plant_around(&self, at: &Ground, who: &Who) -> Vec<Plant> {
        let mut all = Vec::new();
        let short = who.short();
        let mut put = |kind: &'static str, id: String| all.push(Plant { kind, id });
        self.wait(async {
            let ec2 = self.ec2();
            let group = |name: String, pairs: Pairs| {
                let call = ec2.create_security_group().group_name(name).description("planted").vpc_id(&at.vpc);
                let call = call.set_tag_specifications(tagged(ResourceType::SecurityGroup, &pairs));
                async move { call.send().await.unwrap().group_id.unwrap() }
            };
            let balancers = group(format!("k8s-elb-web-{short}"), who.by("elbv2.k8s.aws/cluster")).await;
            put("security group", balancers.clone());
            let guard = who.with(Vec::new(), &[("GuardDutyManaged", "true")]);
            // Another's GuardDuty is as much GuardDuty's as ours: only the network tells them apart.
            let guarded = group(format!("GuardDutyManagedSecurityGroup-{}-{short}", at.vpc), guard.clone()).await;
            put("GuardDuty's group", guarded.clone());
            let endpoint = ec2.create_vpc_endpoint().vpc_id(&at.vpc).vpc_endpoint_type(VpcEndpointType::Interface);
            let endpoint = endpoint.service_name("com.amazonaws.us-east-1.guardduty-data");
            let endpoint = endpoint.subnet_ids(&at.subnets[0]).security_group_ids(&guarded);
            let endpoint = endpoint.set_tag_specifications(tagged(ResourceType::VpcEndpoint, &guard));
            let endpoint = endpoint.send().await.unwrap().vpc_endpoint.unwrap();
            put("GuardDuty's endpoint", endpoint.vpc_endpoint_id.unwrap());
            let groups: Vec<String> = std::iter::once(balancers.clone()).chain(at.cluster_group.clone()).collect();
            for (kind, description, pairs) in [
                (
                    "leaked interface",
                    "aws-K8S-i-0ffffffffffffffff",
                    who.with(
                        who.by("cluster.k8s.amazonaws.com/name"),
                        &[
                            ("node.k8s.amazonaws.com/instance_id", "i-0ffffffffffffffff"),
                            ("eks:eni:owner", "amazon-vpc-cni"),
                        ],
                    ),
                ),
                (
                    "branch interface",
                    "aws-k8s-branch-eni",
                    who.with(
                        who.owned(),
                        &[("eks:eni:owner", "eks-vpc-resource-controller"), ("vpcresources.k8s.aws/vlan-id", "1")],
                    ),
                ),
            ] {
                let eni = ec2.create_network_interface().subnet_id(&at.subnets[0]).description(description);
                let eni = eni.set_groups(Some(groups.clone()));
                let eni = eni.set_tag_specifications(tagged(ResourceType::NetworkInterface, &pairs));
                let eni = eni.send().await.unwrap().network_interface.unwrap();
                put(kind, eni.network_interface_id.unwrap());
            }
            put("target group", self.plant_targets(at, who).await);
            for (kind, of, pairs) in [
                ("application balancer", "application", who.by("elbv2.k8s.aws/cluster")),
                ("network balancer", "network", who.by("eks:eks-cluster-name")),
            ] {
                use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerSchemeEnum as Scheme, Tag};
                let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build());
                let call = self.elbv2().create_load_balancer().name(format!("k8s-{of}-{short}"));
                let call = call.r#type(of.into()).scheme(Scheme::Internal).set_subnets(Some(at.subnets.clone()));
                let call = call.set_security_groups((of == "application").then(|| groups.clone()));
                let call = call.set_tags((!pairs.is_empty()).then(|| tags.collect()));
                let made = call.send().await.unwrap().load_balancers.unwrap();
                put(kind, made[0].load_balancer_arn().unwrap().to_owned());
            }
            put("classic balancer", self.plant_classic(at, who, &balancers).await);
        });
        all
    }

    async fn plant_targets(&self, at: &Ground, who: &Who) -> String {
        use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, Tag};
        let pairs = who.by("elbv2.k8s.aws/cluster");
        let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build());
        let call = self.elbv2().create_target_group().name(format!("k8s-web-{}", who.short())).port(80);
        let call = call.protocol(ProtocolEnum::Tcp).vpc_id(&at.vpc);
        let call = call.set_tags((!pairs.is_empty()).then(|| tags.collect()));
        let made = call.send().await.unwrap().target_groups.unwrap();
        made[0].target_group_arn().unwrap().to_owned()
    }

    async fn plant_classic(&self, at: &Ground, who: &Who, group: &str) -> String {
        use aws_sdk_elasticloadbalancing::types::{Listener, Tag};
        let pairs = who.owned();
        let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build().unwrap());
        let listener = Listener::builder().protocol("TCP").load_balancer_port(80).instance_port(30_080).build();
        let name = format!("a0000000000000000-{}", who.short());
        let call = self.elb().create_load_balancer().load_balancer_name(&name).listeners(listener.unwrap());
        let call = call.scheme("internal").subnets(&at.subnets[0]).security_groups(group);
        call.set_tags((!pairs.is_empty()).then(|| tags.collect())).send().await.unwrap();
        name
    }

    /// A claim's disk and a snapshot of it, the disk of a machine that is gone, a machine, an instance profile.
    pub(super) fn plant_machines(&self, at: &Ground, who: &Who) -> Vec<Plant> {
        let mut all = Vec::new();
        let mut put = |kind: &'static str, id: String| all.push(Plant { kind, id });
        let volume = |pairs: Pairs| {
            let call = self.ec2().create_volume().availability_zone("us-east-1a").size(10);
            let call = call.volume_type(VolumeType::Gp3);
            call.set_tag_specifications(tagged(ResourceType::Volume, &pairs))
        };
        let claim = [("CSIVolumeName", "pvc-1"), ("kubernetes.io/created-for/pvc/name", "data")];
        let claim = who.with([who.owned(), who.stack()].concat(), &claim);
        let saved = who.with([who.owned(), who.stack()].concat(), &[("CSIVolumeSnapshotName", "snapshot-1")]);
        self.wait(async {
            let claimed = volume(claim).send().await.unwrap().volume_id.unwrap();
            put("claim's disk", claimed.clone());
            put("machine's disk", volume(who.step()).send().await.unwrap().volume_id.unwrap());
            let call = self.ec2().create_snapshot().volume_id(&claimed);
            let call = call.set_tag_specifications(tagged(ResourceType::Snapshot, &saved));
            put("snapshot", call.send().await.unwrap().snapshot_id.unwrap());
            // EKS names them so; those of others are called what they are called.
            let profile = match who {
                Who::Ours(_) => "eks-0ac81f2e-5d6b-4c2a-9f10-0123456789ab".to_owned(),
                other => format!("eks-0ac81f2e-5d6b-4c2a-9f10-0123456789ab-{}", other.short()),
            };
            self.iam().create_instance_profile().instance_profile_name(&profile).send().await.unwrap();
            put("instance profile", profile);
        });
        put("machine", self.plant_machine(at, who));
        all
    }

    fn plant_machine(&self, at: &Ground, who: &Who) -> String {
        let template = self.standing("launch-template").into_iter().find(|it| it.tags.contains_key("kubewright-step"));
        self.wait(async {
            let by = Filter::builder().name("architecture").values("x86_64").build();
            let images = self.ec2().describe_images().filters(by).send().await.unwrap().images.unwrap();
            let call = self.ec2().run_instances().min_count(1).max_count(1).subnet_id(&at.subnets[0]);
            let call = call.image_id(images[0].image_id().unwrap()).instance_type("t3.small".into());
            let call = match (who, template) {
                // Somebody scaled by hand what the template describes.
                (Who::Ours(_), Some(template)) => {
                    let of = LaunchTemplateSpecification::builder().launch_template_id(template.id).version("1");
                    call.launch_template(of.build())
                }
                _ => call.set_tag_specifications(tagged(ResourceType::Instance, &who.step())),
            };
            let made = call.send().await.unwrap().instances.unwrap();
            made[0].instance_id().unwrap().to_owned()
        })
    }

    /// Puts our node role into an instance profile, as EKS does.
    pub(super) fn give_node_role(&self, profile: &str) {
        let roles = self.wait(self.iam().list_roles().path_prefix("/kubewright/").send()).unwrap().roles;
        let node = roles.iter().find(|role| role.role_name().contains("node")).expect("a role of nodes");
        let call = self.iam().add_role_to_instance_profile().instance_profile_name(profile);
        self.wait(call.role_name(node.role_name()).send()).unwrap();
    }
}
