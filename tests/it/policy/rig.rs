//! A policy as it is printed, and as it would be with a piece taken out.

use crate::lives::rig::World;
use kubewright::sandbox::conditions::Conditions;
use serde_json::Value;
use std::collections::BTreeSet;

/// Actions that a life asks for only where something went wrong that these tests do not bring about.
pub(super) const RARE: [(&str, &str); 9] = [
    ("ec2:ReplaceRoute", "a route of ours that leads elsewhere, because its gateway was made anew"),
    ("ec2:TerminateInstances", "machines whose node group went without them"),
    ("ec2:RevokeSecurityGroupEgress", "groups that outlived their load balancer and name each other"),
    ("ec2:RevokeSecurityGroupIngress", "groups that outlived their load balancer and name each other"),
    ("elasticloadbalancing:DeleteLoadBalancer", "a load balancer that the cluster itself could not remove any more"),
    ("elasticloadbalancing:DeleteTargetGroup", "a target group that the cluster itself could not remove any more"),
    ("elasticloadbalancing:DescribeTags", "a load balancer that the cluster itself could not remove any more"),
    ("eks:ListFargateProfiles", "a cluster that EKS keeps for profiles of somebody else's"),
    ("servicequotas:GetAWSDefaultServiceQuota", "a limit for which the account has no value of its own"),
];

/// What was printed.
#[derive(Clone)]
pub(super) struct Printed {
    pub(super) documents: Vec<Value>,
    pub(super) actions: BTreeSet<String>,
    pub(super) optional: BTreeSet<String>,
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

impl Printed {
    /// As the binary prints it; offline, in the same home, without credentials.
    pub(super) fn by(world: &World, words: &[&str]) -> Self {
        let place = ["policy", "--provider", "aws", "--region", "us-east-1", "--account", "123456789012"];
        let plain = world.home.run(&[&place[..], words].concat()).expect(0);
        let doc = world.home.run(&[&place[..], words, &["-o", "json"]].concat()).expect(0).json();
        let documents: Vec<Value> =
            doc["policies"].as_array().unwrap().iter().map(|it| it["document"].clone()).collect();
        // What is pasted into IAM and what scripts read is the same.
        let pasted: Vec<Value> =
            serde_json::Deserializer::from_str(&plain.out).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(pasted, documents);
        Self { documents, actions: texts(&doc["actions"]), optional: texts(&doc["optional"]) }
    }

    /// As the sandbox takes them.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut conditions = Conditions::default();
        for document in &self.documents {
            conditions.add_policies(&document.to_string()).unwrap();
        }
        conditions.policies
    }

    /// The same without an action; without whole statements that held nothing else.
    pub(super) fn without(&self, action: &str) -> Self {
        let mut cut = self.clone();
        let mut found = false;
        for document in &mut cut.documents {
            let statements = document["Statement"].as_array_mut().unwrap();
            for statement in statements.iter_mut() {
                let held = match &statement["Action"] {
                    Value::String(one) => vec![Value::String(one.clone())],
                    many => many.as_array().unwrap().clone(),
                };
                let left: Vec<Value> = held.iter().filter(|it| *it != action).cloned().collect();
                found |= left.len() < held.len();
                statement["Action"] = Value::Array(left);
            }
            statements.retain(|statement| statement["Action"] != Value::Array(Vec::new()));
        }
        assert!(found, "{action} is in none of the policies");
        cut
    }
}

/// `action → allowed, denied`, as the sandbox was asked.
pub(super) fn asked(world: &World) -> Vec<(String, u64, u64)> {
    world.show().requests.by_action.into_iter().map(|it| (it.action, it.allowed, it.denied)).collect()
}
