//! How far each row of the permissions table is narrowed: to which resources, under which conditions; and what a
//! simulation of it asks about.
//!
//! AWS evaluates EC2's conditions for each thing by itself: a new one by the tags in the request, a standing one by the
//! tags it carries. So what is made and what it goes into are granted apart, and a tag in a request never opens a
//! standing thing of somebody else's.

use super::client::{dns_suffix, partition};
use super::names::{self, ROLE_PATH};
use super::permissions::{Need, On};
use super::steps::{self, iam_role::Trusts};
use crate::engine::proof::TAG_STACK;
use crate::engine::{Identity, Plan};
use crate::model::{ResolvedSpec, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// In names and tags, where a stack's eight digits will stand. The length is exact, so that `demo` is not `demo-2`.
const ANY_ID: &str = "????????";
/// AWS's own roles that a first cluster of an account comes with.
const LINKED: [&str; 5] = ["eks", "eks-nodegroup", "autoscaling", "spot", "elasticloadbalancing"];
const NODE_GROUPS_ROLE: &str = "role/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";

/// Operator → key → values.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

/// An allowance: the action of a row on these resources under these conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What such allowances are called together.
    pub title: &'static str,
    /// ARNs, or `*`.
    pub resources: Vec<String>,
    /// All of them must hold.
    pub conditions: Conditions,
}

/// What the plan calls its things.
#[derive(Debug, Clone)]
pub struct Names {
    partition: &'static str,
    region: String,
    account: String,
    cluster: String,
    /// `demo-0a1b2c3d`, or `demo-????????` before there is one.
    stack: String,
    /// `role/kubewright/kw-demo-…`.
    roles: BTreeSet<String>,
    /// ARNs of roles that were brought along.
    given_roles: BTreeSet<String>,
    /// ARNs of policies that are attached.
    policies: BTreeSet<String>,
    /// `vpc/vpc-1`, `subnet/subnet-1`: brought along.
    adopted: BTreeSet<String>,
}

impl Names {
    /// Of a plan, to the letter.
    pub fn of(plan: &Plan, spec: &ResolvedSpec) -> Self {
        let mut names = Self {
            partition: partition(plan.region.as_str()),
            region: plan.region.to_string(),
            account: plan.account.clone(),
            cluster: super::plan::cluster_name(&plan.stack),
            stack: plan.stack.to_string(),
            roles: BTreeSet::new(),
            given_roles: BTreeSet::new(),
            policies: BTreeSet::new(),
            adopted: BTreeSet::new(),
        };
        for step in &plan.steps {
            match (step.kind.as_str(), &step.identity) {
                (steps::iam_role::KIND, Identity::Name { name }) => {
                    names.roles.insert(format!("role{ROLE_PATH}{name}"));
                }
                (steps::role_policy::KIND, Identity::Child { key, .. }) => {
                    names.policies.insert(key.clone());
                }
                (steps::existing::VPC_KIND, Identity::External { id }) => {
                    names.adopted.insert(format!("vpc/{id}"));
                }
                (steps::existing::SUBNET_KIND, Identity::External { id }) => {
                    names.adopted.insert(format!("subnet/{id}"));
                }
                _ => {}
            }
        }
        if let Some(aws) = &spec.aws {
            names.given_roles.extend(aws.cluster_role_arn.iter().chain(&aws.node_role_arn).cloned());
        }
        names
    }

    /// The same for any stack of that name, in this account or any.
    pub fn of_any_id(mut self, stack: &Stack, account: Option<&str>) -> Self {
        account.unwrap_or("*").clone_into(&mut self.account);
        self.stack = format!("{}-{ANY_ID}", stack.name);
        let (whole, part) = (format!("kw-{stack}-"), names::id_part(stack));
        let any = |name: &String| match name.split_once(&whole) {
            // All of them begin alike, as long as none had to be shortened.
            Some((path, _)) => format!("{path}kw-{}-*", self.stack),
            None => name.replace(&part, &format!("-{ANY_ID}-")),
        };
        self.roles = self.roles.iter().map(any).collect();
        self
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    fn iam(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition, self.account)
    }

    fn roles(&self) -> Vec<String> {
        self.roles.iter().map(|role| self.iam(role)).collect()
    }

    fn roles_and_bare_names(&self) -> Vec<String> {
        let bare = |role: &String| self.iam(&role.replacen(ROLE_PATH, "/", 1));
        self.roles.iter().flat_map(|role| [self.iam(role), bare(role)]).collect()
    }

    fn ec2(&self, kinds: &[&str], id: &str) -> Vec<String> {
        kinds.iter().map(|kind| self.arn("ec2", &format!("{kind}/{id}"))).collect()
    }

    fn adopted(&self, kinds: &[&str]) -> Vec<String> {
        let of = |it: &&String| kinds.iter().any(|kind| it.starts_with(&format!("{kind}/")));
        self.adopted.iter().filter(of).map(|it| self.arn("ec2", it)).collect()
    }

    fn eks(&self, kind: &str) -> String {
        let end = if kind == "cluster" { "" } else { "/*" };
        self.arn("eks", &format!("{kind}/{}{end}", self.cluster))
    }

    fn stack_tag(&self, side: &str) -> (&'static str, String, String) {
        // Exact where the id is known.
        let operator = if self.stack.contains('?') { "StringLike" } else { "StringEquals" };
        (operator, format!("aws:{side}/{TAG_STACK}"), self.stack.clone())
    }

    fn services(&self) -> Vec<String> {
        [Trusts::Eks, Trusts::Ec2, Trusts::Pods].map(|trusts| trusts.service(self.partition).to_owned()).to_vec()
    }

    /// The tags by which controllers mark what they make for this cluster.
    fn marks(&self) -> [(String, String); 3] {
        [
            (format!("kubernetes.io/cluster/{}", self.cluster), "owned".to_owned()),
            ("elbv2.k8s.aws/cluster".to_owned(), self.cluster.clone()),
            ("cluster.k8s.amazonaws.com/name".to_owned(), self.cluster.clone()),
        ]
    }
}

fn all_of(conditions: impl IntoIterator<Item = (&'static str, String, String)>) -> Conditions {
    let mut all = Conditions::new();
    for (operator, key, value) in conditions {
        all.entry(operator).or_default().entry(key).or_default().push(value);
    }
    all
}

fn grant(title: &'static str, resources: Vec<String>, conditions: Conditions) -> Grant {
    Grant { title, resources, conditions }
}

/// The allowances of one row. `creations` are the calls in which tags are sent.
pub fn grants(need: &Need, names: &Names, creations: &[&'static str]) -> Vec<Grant> {
    let everything = || vec!["*".to_owned()];
    let title = |title: &'static str| if need.optional { "KnowBeforehand" } else { title };
    let region = || all_of([("StringEquals", "aws:RequestedRegion".to_owned(), names.region.clone())]);
    let ours = || all_of([names.stack_tag("ResourceTag")]);
    let asked = || all_of([names.stack_tag("RequestTag")]);
    let any_of_ec2 = || vec![names.arn("ec2", "*/*")];
    let marked =
        |(key, value): &(String, String)| all_of([("StringEquals", format!("aws:ResourceTag/{key}"), value.clone())]);
    match need.on {
        On::Region => vec![grant(title("Look"), everything(), region())],
        On::Account => vec![grant(if need.optional { "KnowAccount" } else { "LookAtRoles" }, everything(), all_of([]))],
        On::Ec2New(kind, inside) => {
            let mut all = vec![grant("Ec2Make", names.ec2(&[kind], "*"), asked())];
            if !inside.is_empty() {
                all.push(grant("Ec2Ours", any_of_ec2(), ours()));
            }
            let adopted = names.adopted(inside);
            if !adopted.is_empty() {
                all.push(grant("Ec2Adopted", adopted, all_of([])));
            }
            all
        }
        On::Ec2Ours(_) => vec![grant("Ec2Ours", any_of_ec2(), ours())],
        // In the order of `marks`: the cloud controller's, the load balancer controller's, the network add-on's.
        On::Ec2Caused(kinds) if kinds.contains(&"network-interface") => {
            vec![grant("LeftInterfaces", names.ec2(kinds, "*"), marked(&names.marks()[2]))]
        }
        On::Ec2Caused(kinds) => names.marks()[..2]
            .iter()
            .zip(["LeftByCloud", "LeftByController"])
            .map(|(mark, title)| grant(title, names.ec2(kinds, "*"), marked(mark)))
            .collect(),
        On::Balancer => names.marks()[..2]
            .iter()
            .zip(["LeftByCloud", "LeftByController"])
            .map(|(mark, title)| {
                let kinds = ["loadbalancer", "targetgroup"];
                let arns = kinds.map(|kind| names.arn("elasticloadbalancing", &format!("{kind}/*")));
                grant(title, arns.to_vec(), marked(mark))
            })
            .collect(),
        On::Ec2GuardDuty(kinds) => {
            let mark = ("GuardDutyManaged".to_owned(), "true".to_owned());
            vec![grant("LeftByGuardDuty", names.ec2(kinds, "*"), marked(&mark))]
        }
        On::Ec2Launch => {
            let ours = grant("LaunchFromOurs", names.ec2(&["launch-template"], "*"), ours());
            let kinds = ["instance", "volume", "network-interface", "subnet", "security-group"];
            let mut resources = names.ec2(&kinds, "*");
            resources.push(format!("arn:{}:ec2:{}::image/*", names.partition, names.region));
            let template = names.arn("ec2", "launch-template/*");
            let only = all_of([("ArnLike", "ec2:LaunchTemplate".to_owned(), template)]);
            vec![ours, grant("LaunchOnlyFromTemplates", resources, only)]
        }
        On::Ec2Tags => {
            let mut conditions = asked();
            let calls = creations.iter().map(|call| (*call).to_owned()).chain(["RunInstances".to_owned()]).collect();
            conditions.entry("StringEquals").or_default().insert("ec2:CreateAction".to_owned(), calls);
            vec![grant("Ec2TagNew", any_of_ec2(), conditions)]
        }
        On::EksNew => vec![grant("EksMake", vec![names.eks("cluster")], asked())],
        On::EksInside => {
            let both = all_of([names.stack_tag("RequestTag"), names.stack_tag("ResourceTag")]);
            vec![grant("EksMakeInside", vec![names.eks("cluster")], both)]
        }
        On::EksRead(kind) => vec![grant("EksRead", vec![names.eks(kind)], all_of([]))],
        On::EksOurs(kind) => vec![grant("EksOurs", vec![names.eks(kind)], ours())],
        On::EksGroups => {
            let (_, key, value) = names.stack_tag("ResourceTag");
            let or_nobodys = all_of([("StringLikeIfExists", key, value)]);
            vec![grant("EksNodeGroups", vec![names.eks("nodegroup")], or_nobodys)]
        }
        On::EksTags => {
            let kinds = ["cluster", "nodegroup", "addon", "access-entry", "podidentityassociation"];
            // EKS cannot tell a tag in a creating call from one put on later: at least never over another stack's.
            let (_, key, value) = names.stack_tag("ResourceTag");
            let mut conditions = asked();
            conditions.entry("StringLikeIfExists").or_default().insert(key, vec![value]);
            vec![grant("EksTagNew", kinds.map(|kind| names.eks(kind)).to_vec(), conditions)]
        }
        On::Role => vec![grant("Roles", names.roles(), all_of([]))],
        On::RoleRead => vec![grant("RoleReads", names.roles_and_bare_names(), all_of([]))],
        On::RoleWithPolicy => {
            let only = names.policies.iter().map(|arn| ("ArnEquals", "iam:PolicyARN".to_owned(), arn.clone()));
            vec![grant("RolePolicies", names.roles(), all_of(only))]
        }
        On::RolePassed => {
            let roles = names.roles().into_iter().chain(names.given_roles.iter().cloned()).collect();
            let services = names.services().into_iter();
            let only = services.map(|service| ("StringEquals", "iam:PassedToService".to_owned(), service));
            vec![grant("RolesPassed", roles, all_of(only))]
        }
        On::RolesOfAll => {
            let both = [format!("role{ROLE_PATH}*"), "role/kw-*".to_owned()];
            vec![grant("RolesOfAll", both.map(|role| names.iam(&role)).to_vec(), all_of([]))]
        }
        On::RoleOfCaller => vec![grant("KnowOwnRole", vec![names.iam("role/*")], all_of([]))],
        On::Profile => vec![grant("Profiles", vec![names.iam("instance-profile/eks-*")], all_of([]))],
        On::LinkedRole => vec![grant("RoleOfNodeGroups", vec![names.iam(NODE_GROUPS_ROLE)], all_of([]))],
        On::NewLinkedRole => {
            let services = LINKED
                .map(|service| ("StringEquals", "iam:AWSServiceName".to_owned(), format!("{service}.amazonaws.com")));
            vec![grant("RolesOfAws", vec![names.iam("role/aws-service-role/*")], all_of(services))]
        }
        On::LogGroup => {
            let group = names.arn("logs", &format!("log-group:/aws/eks/{}/cluster*", names.cluster));
            vec![grant("Logs", vec![group], all_of([]))]
        }
    }
}

/// What a simulation of a row asks about: things as the plan would make them.
pub fn samples(need: &Need, names: &Names) -> Vec<String> {
    const ID: &str = "00000000-0000-0000-0000-000000000000";
    let one = |kind: &str| names.arn("ec2", &format!("{kind}/{}", sample_id(kind)));
    let some = |kinds: &[&str]| kinds.iter().map(|kind| one(kind)).collect::<Vec<String>>();
    let inner = |kind: &str| match kind {
        "cluster" => names.eks("cluster"),
        "access-entry" => {
            names.arn("eks", &format!("access-entry/{}/role/{}/admin/{ID}", names.cluster, names.account))
        }
        "podidentityassociation" => names.arn("eks", &format!("{kind}/{}/a-00000000000000000", names.cluster)),
        kind => names.arn("eks", &format!("{kind}/{}/default/{ID}", names.cluster)),
    };
    let role = || names.roles().into_iter().next().or_else(|| names.given_roles.first().cloned());
    match need.on {
        On::Region | On::Account | On::RoleOfCaller => vec!["*".to_owned()],
        On::Ec2New(kind, inside) => {
            let standing = |kind: &&str| names.adopted(&[kind]).first().cloned().unwrap_or_else(|| one(kind));
            std::iter::once(one(kind)).chain(inside.iter().map(standing)).collect()
        }
        On::Ec2Ours(kinds) | On::Ec2Caused(kinds) | On::Ec2GuardDuty(kinds) => some(kinds),
        On::Ec2Launch => some(&["launch-template", "instance", "subnet"]),
        On::Ec2Tags => some(&["security-group"]),
        On::EksNew | On::EksInside | On::EksTags => vec![names.eks("cluster")],
        On::EksRead(kind) | On::EksOurs(kind) => vec![inner(kind)],
        On::EksGroups => vec![inner("nodegroup")],
        On::Role | On::RoleRead | On::RoleWithPolicy | On::RolePassed => role().into_iter().collect(),
        On::RolesOfAll => vec![names.iam(&format!("role{ROLE_PATH}kw-{}-cluster", names.stack))],
        On::Profile => vec![names.iam(&format!("instance-profile/eks-{ID}"))],
        On::LinkedRole => vec![names.iam(NODE_GROUPS_ROLE)],
        On::NewLinkedRole => {
            vec![names.iam("role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS")]
        }
        On::Balancer => vec![names.arn("elasticloadbalancing", "loadbalancer/net/k8s-sample/0123456789abcdef")],
        On::LogGroup => vec![names.arn("logs", &format!("log-group:/aws/eks/{}/cluster", names.cluster))],
    }
}

/// `vpc-00000000000000000`.
fn sample_id(kind: &str) -> String {
    let prefix = match kind {
        "internet-gateway" => "igw",
        "elastic-ip" => "eipalloc",
        "natgateway" => "nat",
        "route-table" => "rtb",
        "security-group" => "sg",
        "vpc-endpoint" => "vpce",
        "launch-template" => "lt",
        "network-interface" => "eni",
        "instance" => "i",
        "volume" => "vol",
        "snapshot" => "snap",
        other => other,
    };
    format!("{prefix}-00000000000000000")
}

/// What a simulation says of the request: every key that the policies we print go by.
pub fn context(names: &Names) -> Vec<(String, String)> {
    let mut known = vec![
        ("aws:RequestedRegion".to_owned(), names.region.clone()),
        ("ec2:CreateAction".to_owned(), "CreateSecurityGroup".to_owned()),
        ("ec2:LaunchTemplate".to_owned(), names.arn("ec2", "launch-template/lt-00000000000000000")),
        ("iam:PassedToService".to_owned(), Trusts::Eks.service(names.partition).to_owned()),
        ("iam:AWSServiceName".to_owned(), format!("eks.{}", dns_suffix("aws"))),
    ];
    known.extend(names.policies.first().map(|arn| ("iam:PolicyARN".to_owned(), arn.clone())));
    let marks = names.marks().into_iter().chain([("GuardDutyManaged".to_owned(), "true".to_owned())]);
    known.extend(marks.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value)));
    for side in ["RequestTag", "ResourceTag"] {
        known.push((format!("aws:{side}/{TAG_STACK}"), names.stack.clone()));
    }
    known
}
