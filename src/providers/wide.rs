//! What a look at a whole region finds, and whose a cluster is that is not ours: by its tags, and only where they tell.
//!
//! Evidence here is for people. It never proves that something is ours, and nothing is deleted by it.

use super::{CloudCluster, StackSeen};
use crate::engine::StepError;
use crate::model::{Stack, Usage};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One region at a glance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Every managed cluster, ours or not.
    pub clusters: Vec<CloudCluster>,
    /// Stacks of ours that the tags of the region's objects tell of, half-built ones included.
    pub stacks: Vec<StackSeen>,
    /// What could not be read, so that the rest is not the whole.
    pub refused: Vec<StepError>,
}

impl StackSeen {
    /// A stack of which nothing is seen yet.
    pub fn of(stack: Stack) -> Self {
        Self {
            stack,
            builder: None,
            created_at: None,
            last_made_at: None,
            expires_at: None,
            protect: false,
            current: false,
            spec: None,
            objects: 0,
        }
    }

    /// What other objects tell of the same stack comes to this. Where some tell of today and the others of the first
    /// day, today's word counts.
    pub fn absorb(&mut self, other: Self) {
        match (self.current, other.current) {
            (true, false) => {}
            (false, true) => (self.protect, self.expires_at) = (other.protect, other.expires_at),
            _ => {
                self.protect |= other.protect;
                self.expires_at = self.expires_at.max(other.expires_at);
            }
        }
        self.current |= other.current;
        self.builder = self.builder.take().or(other.builder);
        self.spec = self.spec.take().or(other.spec);
        self.seen_made([self.created_at, other.created_at, other.last_made_at]);
        self.objects += other.objects;
    }

    /// Times at which something of it was made, or it was begun.
    pub fn seen_made(&mut self, times: impl IntoIterator<Item = Option<Timestamp>>) {
        for at in times.into_iter().flatten() {
            self.created_at = Some(self.created_at.map_or(at, |first| first.min(at)));
            self.last_made_at = self.last_made_at.max(Some(at));
        }
    }
}

/// What a cluster is billed by, as far as it can be seen from outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bill {
    /// Control plane and machines.
    pub usage: Vec<Usage>,
    /// Whether that is all of them; disks and traffic aside.
    pub complete: bool,
}

/// The tool that made a cluster, by what its tags say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `eksctl`
    pub tool: &'static str,
    /// The tag that says so: `alpha.eksctl.io/cluster-name=legacy`.
    pub evidence: String,
}

/// A mark that a tool leaves: the tool, the tag's key or the beginning of it, and whether the whole key is meant.
/// Sources, read 2026-11: eksctl `pkg/apis/eksctl.io/v1alpha5/tags.go`, kops `pkg/cloudlabels`, Cluster API Provider AWS
/// `api/v1beta2/tags.go`, Crossplane "Managed resources", AWS CDK and CloudFormation user guides.
const MARKS: &[(&str, &str, bool)] = &[
    ("eksctl", "alpha.eksctl.io/", false),
    ("eksctl", "eksctl.cluster.k8s.io/", false),
    ("kops", "kops.k8s.io/", false),
    ("cluster-api", "sigs.k8s.io/cluster-api-provider-aws/", false),
    ("crossplane", "crossplane-", false),
    ("cdk", "aws:cdk:", false),
    ("cdk", "aws-cdk:", false),
    ("terraform", "goog-terraform-provisioned", true),
    ("cloudformation", "aws:cloudformation:stack-name", true),
    ("kops", "KubernetesCluster", true),
];

/// Keys by which teams write down what manages a thing; compared without case, `-` and `_`.
const BY_HABIT: [&str; 4] = ["managedby", "provisioner", "provisionedby", "createdby"];
/// What stands there then.
const TOOLS: [&str; 6] = ["terraform", "opentofu", "pulumi", "terragrunt", "cloudformation", "rancher"];

/// Whose it is, by the first mark that tells.
pub fn owner_of(tags: &BTreeMap<String, String>) -> Option<Owner> {
    let said = |tool, key: &str, value: &str| Owner { tool, evidence: format!("tag {key}={value}") };
    for (tool, mark, whole) in MARKS {
        let fits = |key: &str| if *whole { key == *mark } else { key.starts_with(mark) };
        if let Some((key, value)) = tags.iter().find(|(key, _)| fits(key)) {
            return Some(said(*tool, key, value));
        }
    }
    for (key, value) in tags {
        let plain: String = key.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect();
        let word = value.to_lowercase();
        if BY_HABIT.contains(&plain.as_str())
            && let Some(tool) = TOOLS.iter().find(|tool| word.contains(**tool))
        {
            return Some(said(tool, key, value));
        }
        // `terraform=true`, as many modules set it.
        if let Some(tool) = TOOLS.iter().find(|tool| plain == **tool).filter(|_| word != "false") {
            return Some(said(tool, key, value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn todays_word_counts_before_that_of_the_first_day() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let seen = |current, protect, second| {
            let fresh = StackSeen::of("demo-0a1b2c3d".parse().unwrap());
            StackSeen { current, protect, expires_at: at(second), created_at: at(second), objects: 1, ..fresh }
        };
        let merged = |one: &StackSeen, other: &StackSeen| {
            let mut one = one.clone();
            one.absorb(other.clone());
            (one.current, one.protect, one.expires_at, one.objects)
        };
        let (today, first_day) = (seen(true, false, 200), seen(false, true, 300));
        for (one, other) in [(&today, &first_day), (&first_day, &today)] {
            assert_eq!(merged(one, other), (true, false, at(200), 2));
        }
        assert_eq!(merged(&seen(true, true, 100), &today), (true, true, at(200), 2));
        assert_eq!(merged(&first_day, &seen(false, false, 400)), (false, true, at(400), 2));
        let mut whole = today;
        whole.absorb(StackSeen { last_made_at: at(900), ..first_day });
        assert_eq!((whole.created_at, whole.last_made_at), (at(200), at(900)));
    }

    fn tool(pairs: &[(&str, &str)]) -> Option<&'static str> {
        let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        owner_of(&tags).map(|owner| owner.tool)
    }

    #[test]
    fn tools_are_known_by_their_marks() {
        // eksctl works through CloudFormation: the more telling mark wins.
        let both =
            [("aws:cloudformation:stack-name", "eksctl-legacy-cluster"), ("alpha.eksctl.io/cluster-name", "legacy")];
        assert_eq!(tool(&both), Some("eksctl"));
        assert_eq!(tool(&both[..1]), Some("cloudformation"));
        assert_eq!(tool(&[("kops.k8s.io/instancegroup", "nodes")]), Some("kops"));
        assert_eq!(tool(&[("ManagedBy", "Terraform Cloud")]), Some("terraform"));
        assert_eq!(tool(&[("managed-by", "pulumi")]), Some("pulumi"));
        assert_eq!(tool(&[("Terraform", "true")]), Some("terraform"));
        let owner = owner_of(&BTreeMap::from([("managed_by".to_owned(), "opentofu".to_owned())])).unwrap();
        assert_eq!(owner, Owner { tool: "opentofu", evidence: "tag managed_by=opentofu".to_owned() });
    }

    #[test]
    fn where_nothing_tells_nothing_is_said() {
        for silent in [&[][..], &[("team", "terraform")], &[("terraform", "false")], &[("ManagedBy", "hand")]] {
            assert_eq!(tool(silent), None, "{silent:?}");
        }
    }
}
