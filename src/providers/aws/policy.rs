//! Least privilege for one plan, as IAM policies: every action that its life calls and no other, on things that are its
//! own by name or tag as far as AWS can tell them apart.
//!
//! Needs no credentials and asks nobody: what of a spec only the cloud can fill in (zones, version, machine types)
//! changes no permission.

use super::grants::{self, Conditions, Grant, Names};
use super::permissions::{self, Life, Need, On};
use super::{plan, resolve};
use crate::engine::StepError;
use crate::model::{ClusterSpec, Region, Stack, StackId};
use crate::providers::{Policies, PolicyDocument, Purpose};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest managed policy, in characters without blanks (IAM User Guide, "IAM and AWS STS quotas").
const LIMIT: usize = 6_144;

/// The policies for a spec with a name, in this region.
///
/// # Errors
/// Every problem of the spec that needs no cloud to be found.
pub fn policies(
    spec: &ClusterSpec,
    region: &Region,
    account: Option<&str>,
    purpose: Purpose,
) -> Result<Policies, Vec<StepError>> {
    let resolved = resolve::offline(spec, region)?;
    let stack = Stack { name: resolved.name.clone(), id: StackId::from_bits(0) };
    let plan = plan::plan(&resolved, &stack, BTreeMap::new()).map_err(|problem| vec![problem])?;
    let life = Life::of(purpose);
    let needs = permissions::needs(plan.steps.iter().map(|step| step.kind.as_str()), life);
    let names = Names::of(&plan, &resolved).of_any_id(&stack, account);
    let documents = documents(&statements(&needs, &names));
    let count = documents.len();
    let name = |at: usize| match count {
        1 => format!("kubewright-{}", stack.name),
        _ => format!("kubewright-{}-{}", stack.name, at + 1),
    };
    let documents = documents.into_iter().enumerate();
    let actions = |optional: bool| -> BTreeSet<String> {
        let of = |need: &&Need| need.optional == optional;
        needs.iter().filter(of).map(|need| need.action.to_owned()).collect()
    };
    let needed = actions(false);
    Ok(Policies {
        documents: documents
            .map(|(at, document)| PolicyDocument { name: name(at), characters: characters(&document), document })
            .collect(),
        optional: actions(true).difference(&needed).cloned().collect(),
        actions: needed.union(&actions(true)).cloned().collect(),
        wide: wide(&needs, &stack, account),
    })
}

/// Allowances of the same kind, put together.
struct Statement {
    title: &'static str,
    actions: BTreeSet<&'static str>,
    resources: BTreeSet<String>,
    conditions: Conditions,
    /// What EC2 makes under it, and what that goes into.
    made: BTreeSet<&'static str>,
    inside: BTreeSet<&'static str>,
}

impl Statement {
    /// Whether a row may join: nothing that the one makes may be what the other goes into. Whatever AWS counts as the
    /// tags of a request, a tag in it then opens new things only.
    fn takes(&self, need: &Need, grant: &Grant) -> bool {
        if self.title != grant.title || self.conditions != grant.conditions {
            return false;
        }
        match need.on {
            On::Ec2New(kind, inside) if grant.title == "Ec2Make" => {
                !self.inside.contains(kind) && !inside.iter().any(|it| self.made.contains(it))
            }
            _ => true,
        }
    }

    fn join(&mut self, need: &Need, grant: Grant) {
        self.actions.insert(need.action);
        self.resources.extend(grant.resources);
        if let On::Ec2New(kind, inside) = need.on {
            self.made.insert(kind);
            self.inside.extend(inside);
        }
    }

    fn to_json(&self, number: usize) -> Value {
        let sid = if number == 0 { self.title.to_owned() } else { format!("{}{}", self.title, number + 1) };
        let mut statement = json!({
            "Sid": sid,
            "Effect": "Allow",
            "Action": one_or_all(self.actions.iter().map(|action| (*action).to_owned())),
            "Resource": one_or_all(self.resources.iter().cloned()),
        });
        if !self.conditions.is_empty() {
            let test = |(key, values): (&String, &Vec<String>)| (key.clone(), one_or_all(values.iter().cloned()));
            let block = |(operator, tests): (&&str, &BTreeMap<String, Vec<String>>)| {
                ((*operator).to_owned(), Value::Object(tests.iter().map(test).collect()))
            };
            statement["Condition"] = Value::Object(self.conditions.iter().map(block).collect());
        }
        statement
    }
}

fn one_or_all(values: impl Iterator<Item = String>) -> Value {
    let mut values: Vec<String> = values.collect();
    if values.len() == 1 { Value::String(values.remove(0)) } else { json!(values) }
}

fn statements(needs: &BTreeSet<Need>, names: &Names) -> Vec<Value> {
    let creations: Vec<&'static str> = needs
        .iter()
        .filter(|need| matches!(need.on, On::Ec2New(..)))
        .filter_map(|need| need.action.split_once(':').map(|(_, call)| call))
        .collect();
    let mut made: Vec<Statement> = Vec::new();
    for need in needs {
        for grant in grants::grants(need, names, &creations) {
            // Nothing to be done to nothing: a plan without roles of its own.
            if grant.resources.is_empty() {
                continue;
            }
            match made.iter_mut().find(|statement| statement.takes(need, &grant)) {
                Some(statement) => statement.join(need, grant),
                None => {
                    let mut statement = Statement {
                        title: grant.title,
                        actions: BTreeSet::new(),
                        resources: BTreeSet::new(),
                        conditions: grant.conditions.clone(),
                        made: BTreeSet::new(),
                        inside: BTreeSet::new(),
                    };
                    statement.join(need, grant);
                    made.push(statement);
                }
            }
        }
    }
    made.sort_by_key(|statement| statement.title);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbered = |statement: &Statement| {
        let number = seen.entry(statement.title).or_default();
        let written = statement.to_json(*number);
        *number += 1;
        written
    };
    made.iter().map(&mut numbered).collect()
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// As IAM counts: without blanks.
fn characters(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// As few documents as their order allows, none longer than IAM takes.
fn documents(statements: &[Value]) -> Vec<Value> {
    let mut done = Vec::new();
    let mut open: Vec<Value> = Vec::new();
    for statement in statements {
        let mut with = open.clone();
        with.push(statement.clone());
        if !open.is_empty() && characters(&document(&with)) > LIMIT {
            done.push(document(&open));
            with.drain(..with.len() - 1);
        }
        open = with;
    }
    done.push(document(&open));
    done
}

/// What stays wider than one stack, and why.
fn wide(needs: &BTreeSet<Need>, stack: &Stack, account: Option<&str>) -> Vec<String> {
    let name = &stack.name;
    let is = |wanted: fn(&On) -> bool| needs.iter().any(|need| wanted(&need.on));
    let mut notes = Vec::new();
    let looks = needs.iter().filter(|need| matches!(need.on, On::Region | On::Account));
    let looks: BTreeSet<&str> = looks.map(|need| need.action).collect();
    notes.push(format!(
        "{} actions that only read are allowed on everything in the region: AWS knows no resources for them",
        looks.len()
    ));
    notes.push(format!(
        "the id of a stack is drawn when it is built, so every stack called `{name}` is meant: {name}-????????"
    ));
    if account.is_none() {
        notes.push("no account is named, so any is meant: --account ID narrows that".to_owned());
    }
    if is(|on| *on == On::Ec2Launch) {
        notes.push(
            "ec2:RunInstances reaches every subnet and image, but only through launch templates of this cluster: EKS tries them with the caller's rights"
                .to_owned(),
        );
    }
    if is(|on| matches!(on, On::Ec2Caused(_) | On::Balancer)) {
        notes.push(format!(
            "what the cluster makes by itself (load balancers, interfaces, security groups) carries no tag of kubewright's: it is told by the name `{name}` in its controllers' tags"
        ));
    }
    if is(|on| *on == On::EksGroups) {
        notes.push(format!(
            "eks:DeleteNodegroup reaches node groups of cluster `{name}` without any stack's tag: EKS keeps a cluster as long as one stands"
        ));
    }
    if is(|on| *on == On::EksTags) {
        notes.push(format!(
            "eks:TagResource reaches an untagged cluster `{name}`: EKS cannot tell tags in a creating call from later ones"
        ));
    }
    if is(|on| matches!(on, On::Ec2GuardDuty(_))) {
        notes.push(
            "endpoints and security groups that GuardDuty put anywhere in the region can be deleted: its only mark is GuardDutyManaged=true, and a network does not go before them"
                .to_owned(),
        );
    }
    if is(|on| *on == On::RoleOfCaller) {
        notes.push(
            "iam:GetRole reaches every role: a session's ARN hides the path of its role, which the cluster's access entry must name"
                .to_owned(),
        );
    }
    if is(|on| *on == On::NewLinkedRole) {
        notes.push(
            "iam:CreateServiceLinkedRole is used by the first cluster of an account only, for AWS's own roles"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{AwsSpec, ExistingNetwork, Nat, NetworkSpec};

    fn spec(name: &str) -> ClusterSpec {
        ClusterSpec { name: Some(name.parse().unwrap()), ..ClusterSpec::default() }
    }

    fn printed(spec: &ClusterSpec, purpose: Purpose) -> Policies {
        policies(spec, &Region("us-east-1".to_owned()), Some("123456789012"), purpose).unwrap()
    }

    fn all_statements(policies: &Policies) -> Vec<Value> {
        policies.documents.iter().flat_map(|it| it.document["Statement"].as_array().unwrap().clone()).collect()
    }

    fn texts(value: &Value) -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items.iter().map(|it| it.as_str().unwrap().to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_document_fits_and_every_sid_is_its_own() {
        let long = spec("a-name-as-long-as-a-name-of-a-cluster-is");
        for (spec, purpose) in [spec("demo"), long]
            .iter()
            .flat_map(|spec| [Purpose::All, Purpose::Build, Purpose::Operate, Purpose::Destroy].map(|it| (spec, it)))
        {
            let made = printed(spec, purpose);
            for document in &made.documents {
                assert!(document.characters <= LIMIT, "{purpose:?}: {} {}", document.name, document.characters);
                let mut sids = BTreeSet::new();
                for statement in document.document["Statement"].as_array().unwrap() {
                    let sid = statement["Sid"].as_str().unwrap();
                    assert!(sid.bytes().all(|b| b.is_ascii_alphanumeric()) && sids.insert(sid.to_owned()), "{sid}");
                }
            }
            assert!(made.documents.len() <= 3, "{purpose:?}: {}", made.documents.len());
        }
    }

    #[test]
    fn only_reads_are_allowed_on_everything() {
        for statement in all_statements(&printed(&spec("demo"), Purpose::All)) {
            if texts(&statement["Resource"]).contains(&"*".to_owned()) {
                for action in texts(&statement["Action"]) {
                    let (_, call) = action.split_once(':').unwrap();
                    assert!(["Describe", "Get", "List", "Simulate"].iter().any(|it| call.starts_with(it)), "{action}");
                }
            }
        }
    }

    /// A tag in a request must not open a standing thing, whichever way AWS reads the request's tags.
    #[test]
    fn what_is_made_and_what_it_goes_into_are_granted_apart() {
        let needs = permissions::needs(
            ["aws/subnet", "aws/nat-gateway", "aws/vpc", "aws/vpc-endpoint"].into_iter(),
            Life::BUILD,
        );
        let inside: BTreeMap<&str, &[&str]> = needs
            .iter()
            .filter_map(|need| match need.on {
                On::Ec2New(_, inside) => Some((need.action, inside)),
                _ => None,
            })
            .collect();
        assert!(inside.len() >= 4);
        for statement in all_statements(&printed(&spec("demo"), Purpose::Build)) {
            if statement["Condition"].to_string().contains("ResourceTag") {
                continue;
            }
            let resources = texts(&statement["Resource"]);
            for action in texts(&statement["Action"]) {
                for kind in inside.get(action.as_str()).copied().unwrap_or_default() {
                    let opened = resources.iter().any(|it| it.contains(&format!(":{kind}/")));
                    assert!(!opened, "{action} opens any {kind} in {statement:#}");
                }
            }
        }
    }

    #[test]
    fn the_plan_decides_what_is_in_it() {
        let has = |made: &Policies, action: &str| made.actions.iter().any(|it| it == action);
        let plain = printed(&spec("demo"), Purpose::All);
        assert!(has(&plain, "ec2:CreateNatGateway") && has(&plain, "eks:CreatePodIdentityAssociation"));
        let network = NetworkSpec { nat: Some(Nat::None), ..NetworkSpec::default() };
        let bare = ClusterSpec {
            network: Some(network),
            aws: Some(AwsSpec { addons: Some(Vec::new()), access_entry: Some(false), ..AwsSpec::default() }),
            ..spec("demo")
        };
        let bare = printed(&bare, Purpose::All);
        for action in ["ec2:CreateNatGateway", "ec2:AllocateAddress", "eks:CreateAddon", "eks:CreateAccessEntry"] {
            assert!(!has(&bare, action), "{action}");
        }
        let existing = ExistingNetwork {
            vpc: "vpc-1".to_owned(),
            private_subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
            public_subnets: Vec::new(),
            ..ExistingNetwork::default()
        };
        let network = NetworkSpec { existing: Some(existing), ..NetworkSpec::default() };
        let adopted = printed(&ClusterSpec { network: Some(network), ..spec("demo") }, Purpose::All);
        assert!(!has(&adopted, "ec2:CreateVpc") && !has(&adopted, "ec2:DeleteVpc"));
        let into = all_statements(&adopted).into_iter().find(|it| it["Sid"] == "Ec2Adopted").unwrap();
        assert_eq!(into["Resource"], "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1");
        assert_eq!(into["Action"], "ec2:CreateSecurityGroup");
    }

    #[test]
    fn another_cluster_is_not_meant() {
        let text = serde_json::to_string(&all_statements(&printed(&spec("demo"), Purpose::All))).unwrap();
        assert!(text.contains("kw-demo-????????-*") && text.contains("\"demo-????????\""));
        assert!(text.contains("cluster/demo\"") && text.contains("nodegroup/demo/*"));
        assert!(!text.contains("demo-*") && !text.contains("00000000"));
    }

    #[test]
    fn partitions_and_problems_are_the_regions_and_the_specs() {
        let china = policies(&spec("demo"), &Region("cn-north-1".to_owned()), None, Purpose::All).unwrap();
        let text = serde_json::to_string(&all_statements(&china)).unwrap();
        assert!(text.contains("arn:aws-cn:iam::*:role/kubewright/") && text.contains("ec2.amazonaws.com.cn"));
        assert!(!text.contains("arn:aws:"));
        assert!(china.wide.iter().any(|note| note.contains("--account")));
        let wrong = ClusterSpec { admins: vec!["me".to_owned()], ..spec("demo") };
        let refused = policies(&wrong, &Region("us-east-1".to_owned()), None, Purpose::All).unwrap_err();
        assert!(refused[0].message.contains("`me`"));
    }
}
