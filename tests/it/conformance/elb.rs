//! Both load-balancer clients of the official SDK read what a controller left behind, and delete it.

use super::rig::Rig;
use aws_sdk_elasticloadbalancingv2::error::ProvideErrorMetadata;
use kubewright::model::Cloud;
use kubewright::sandbox::{
    aws::{
        ec2::inside,
        elb::{self, BalancerKind, BalancerWish},
    },
    world::{Scope, WorldError},
};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balancers_of_a_cluster_are_seen_and_deleted() {
    let rig = Rig::start().await;
    let (v2, classic) = (
        aws_sdk_elasticloadbalancingv2::Client::new(&rig.config),
        aws_sdk_elasticloadbalancing::Client::new(&rig.config),
    );
    let scope = Scope::new("123456789012", "us-east-1");
    let ec2 = aws_sdk_ec2::Client::new(&rig.config);
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let make = |kind: BalancerKind, name: &'static str| {
        let made = rig.server.hub().transact_in(Cloud::Aws, &scope, |tx| {
            let subnets = inside::subnets_of(tx, &scope, &vpc)[..2].to_vec();
            let tags = BTreeMap::from([("kubernetes.io/cluster/demo".to_owned(), "owned".to_owned())]);
            let targets = elb::create_target_group(tx, &scope, name, &vpc, 80, tags.clone());
            let listeners = [(80, Some(targets))];
            let wish = BalancerWish {
                name,
                kind,
                internet_facing: true,
                subnets: &subnets,
                groups: Vec::new(),
                listeners: &listeners,
                instances: Vec::new(),
                tags,
            };
            Ok::<_, WorldError>(elb::create(tx, &scope, wish).unwrap())
        });
        made.unwrap().id
    };
    let arn = make(BalancerKind::Network, "k8s-web");
    let name = make(BalancerKind::Classic, "a0123456789abcdef0123456789abcde");

    let seen = v2.describe_load_balancers().send().await.unwrap();
    let balancer = &seen.load_balancers()[0];
    assert_eq!(balancer.load_balancer_arn(), Some(arn.as_str()));
    assert!(balancer.created_time().is_some());
    assert_eq!(balancer.availability_zones().len(), 2);
    let tags = v2.describe_tags().resource_arns(&arn).send().await.unwrap();
    assert_eq!(tags.tag_descriptions()[0].tags()[0].key(), Some("kubernetes.io/cluster/demo"));
    let listeners = v2.describe_listeners().load_balancer_arn(&arn).send().await.unwrap();
    assert_eq!(listeners.listeners()[0].port(), Some(80));
    let groups = v2.describe_target_groups().load_balancer_arn(&arn).send().await.unwrap();
    assert_eq!(groups.target_groups()[0].load_balancer_arns(), std::slice::from_ref(&arn));
    v2.delete_load_balancer().load_balancer_arn(&arn).send().await.unwrap();
    let gone = v2.describe_load_balancers().load_balancer_arns(&arn).send().await.unwrap_err();
    assert_eq!(gone.code(), Some("LoadBalancerNotFound"));
    let refused = v2.describe_load_balancers().load_balancer_arns("demo").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationError"));

    let seen = classic.describe_load_balancers().send().await.unwrap();
    assert_eq!(seen.load_balancer_descriptions()[0].load_balancer_name(), Some(name.as_str()));
    assert_eq!(seen.load_balancer_descriptions()[0].subnets().len(), 2);
    let tags = classic.describe_tags().load_balancer_names(&name).send().await.unwrap();
    assert_eq!(tags.tag_descriptions()[0].tags()[0].value(), Some("owned"));
    classic.delete_load_balancer().load_balancer_name(&name).send().await.unwrap();
    let gone = classic.describe_load_balancers().load_balancer_names(&name).send().await.unwrap_err();
    assert_eq!(gone.code(), Some("LoadBalancerNotFound"));
    rig.minutes(5).await;
    let interfaces = ec2.describe_network_interfaces().send().await.unwrap();
    assert!(interfaces.network_interfaces().is_empty(), "interfaces go minutes after their balancer");
}
