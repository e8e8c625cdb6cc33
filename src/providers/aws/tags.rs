//! Tags: our one map ↔ each service's own types, and the spec that the anchor objects carry.
//!
//! Every object is tagged in the call that creates it. The anchors (network, cluster role, cluster) carry the resolved
//! spec in chunks as well, so that a machine without the journal can plan the same stack again.

use crate::engine::proof::{TAG_STACK, TAG_STEP};
use crate::model::Stack;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag as Ec2Tag, TagSpecification};
use aws_sdk_iam::types::Tag as IamTag;
use std::collections::HashMap;

pub use crate::providers::anchors::{
    TAG_BUILDER, TAG_CREATED_AT, TAG_SPEC, Tags, is_ours, no_spec, spec_chunks, spec_of, stack_of,
};

/// Whether tags name this cluster, and no other, as the maker: the cloud controller's, the load balancer controller's,
/// EKS's own, Auto Mode's.
pub fn names_cluster(cluster: &str, tags: &Tags) -> bool {
    makers(tags).any(|maker| maker == cluster) && !names_another(cluster, tags)
}

/// Whether tags name another cluster as the maker, be it beside this one: then neither can be said to be it.
pub fn names_another(cluster: &str, tags: &Tags) -> bool {
    makers(tags).any(|maker| maker != cluster)
}

fn makers(tags: &Tags) -> impl Iterator<Item = &str> {
    const NAMED: [&str; 4] =
        ["elbv2.k8s.aws/cluster", "aws:eks:cluster-name", "eks:eks-cluster-name", "cluster.k8s.amazonaws.com/name"];
    tags.iter().filter_map(|(key, value)| match key.strip_prefix("kubernetes.io/cluster/") {
        Some(name) => (value == "owned").then_some(name),
        None => NAMED.contains(&key.as_str()).then_some(value.as_str()),
    })
}

/// GuardDuty puts an endpoint and a group into networks with EKS nodes without being asked, and leaves them there
/// (Amazon GuardDuty User Guide, "Runtime Monitoring").
pub fn is_guard_duty(tags: &Tags) -> bool {
    tags.get("GuardDutyManaged").is_some_and(|value| value == "true")
}

/// For EC2's `TagSpecifications`. `Name` is added for people who look at the console, where the user has none of their
/// own: EC2 refuses the same key twice.
pub fn ec2(resource: ResourceType, tags: &Tags, name: Option<&str>) -> TagSpecification {
    let shown =
        name.filter(|_| !tags.contains_key("Name")).map(|name| Ec2Tag::builder().key("Name").value(name).build());
    TagSpecification::builder()
        .resource_type(resource)
        .set_tags(Some(ec2_list(tags).into_iter().chain(shown).collect()))
        .build()
}

/// As EC2's list.
pub fn ec2_list(tags: &Tags) -> Vec<Ec2Tag> {
    tags.iter().map(|(key, value)| Ec2Tag::builder().key(key).value(value).build()).collect()
}

/// From EC2's list.
pub fn from_ec2(tags: &[Ec2Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// As IAM's list.
pub fn iam(tags: &Tags) -> Vec<IamTag> {
    let build = |(key, value): (&String, &String)| {
        IamTag::builder().key(key).value(value).build().expect("key and value are set on the line above")
    };
    tags.iter().map(build).collect()
}

/// From IAM's list.
pub fn from_iam(tags: &[IamTag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

/// As the maps that EKS and CloudWatch Logs take.
pub fn map(tags: &Tags) -> HashMap<String, String> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// From the maps that EKS and CloudWatch Logs give.
pub fn from_map(tags: Option<&HashMap<String, String>>) -> Tags {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// EC2 filters for one step of one stack: exact values of both tags.
pub fn ec2_filters(stack: &Stack, step_tag_value: Option<&str>) -> Vec<Filter> {
    let exact = |key: &str, value: &str| Filter::builder().name(format!("tag:{key}")).values(value).build();
    let mut filters = vec![exact(TAG_STACK, &stack.to_string())];
    filters.extend(step_tag_value.map(|step| exact(TAG_STEP, step)));
    filters
}

/// One EC2 filter.
pub fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::testing;

    #[test]
    fn the_users_own_name_is_not_sent_twice() {
        let names = |tags: &Tags| {
            let sent = ec2(ResourceType::Vpc, tags, Some("kw-demo"));
            let names = sent.tags().iter().filter(|tag| tag.key() == Some("Name"));
            names.map(|tag| tag.value().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&Tags::new()), ["kw-demo"]);
        assert_eq!(names(&Tags::from([("Name".to_owned(), "mine".to_owned())])), ["mine"]);
    }

    #[test]
    fn a_maker_is_one_cluster_or_none() {
        let named = |pairs: &[(&str, &str)]| {
            let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            (names_cluster("demo", &tags), names_another("demo", &tags))
        };
        let ours = ("kubernetes.io/cluster/demo", "owned");
        assert_eq!(named(&[ours]), (true, false));
        assert_eq!(named(&[ours, ("kubernetes.io/cluster/other", "shared")]), (true, false));
        assert_eq!(named(&[ours, ("kubernetes.io/cluster/other", "owned")]), (false, true));
        assert_eq!(named(&[ours, ("elbv2.k8s.aws/cluster", "other")]), (false, true));
        assert_eq!(named(&[("kubernetes.io/cluster/demo", "shared"), ("Name", "demo")]), (false, false));
    }

    #[test]
    fn a_spec_survives_its_chunks() {
        let spec = testing::spec("demo");
        let chunks = spec_chunks(&spec).unwrap();
        assert!(chunks.len() > 1 && chunks.values().all(|value| value.len() <= 256));
        assert_eq!(spec_of(&chunks), Some(spec));
    }

    #[test]
    fn a_spec_with_a_missing_or_foreign_chunk_is_not_read() {
        let mut chunks = spec_chunks(&testing::spec("demo")).unwrap();
        let last = chunks.keys().next_back().unwrap().clone();
        chunks.remove(&last);
        assert_eq!(spec_of(&chunks), None);
        assert_eq!(spec_of(&Tags::from([(format!("{TAG_SPEC}0"), "99999999999.x".to_owned())])), None);
    }

    #[test]
    fn a_spec_that_cannot_fit_is_left_out() {
        let mut stale = spec_chunks(&testing::spec("demo")).unwrap();
        stale.extend(no_spec());
        assert_eq!(spec_of(&stale), None, "what stood there before is not read any more");
        let mut spec = testing::spec("demo");
        spec.admins = (0..200).map(|n| format!("arn:aws:iam::123456789012:role/engineer-{n}")).collect();
        assert_eq!(spec_chunks(&spec), None);
    }
}
