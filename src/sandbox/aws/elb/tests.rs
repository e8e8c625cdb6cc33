//! Balancers as clients and controllers meet them.

use super::*;
use crate::sandbox::aws::ec2::tests::Rig;

fn call(rig: &mut Rig, op: &str, query: &str) -> Result<Value, ApiError> {
    let pairs: Vec<(String, String)> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    rig.within(|tx, scope| modern::answer(tx, scope, modern::actions().read(op, &pairs)?))
}

fn balancer(rig: &mut Rig, kind: BalancerKind) -> (String, String, String) {
    let vpc = rig.vpc();
    let subnet = rig.subnet(&vpc, "10.0.0.0/24", "us-east-1a");
    let made = rig.within(|tx, scope| {
        let targets = create_target_group(tx, scope, "k8s-web", &vpc, 80, BTreeMap::new());
        let wish = BalancerWish {
            name: "k8s-default-web",
            kind,
            internet_facing: true,
            subnets: std::slice::from_ref(&subnet),
            groups: Vec::new(),
            listeners: &[(80, Some(targets))],
            instances: Vec::new(),
            tags: BTreeMap::from([("kubernetes.io/cluster/demo".to_owned(), "owned".to_owned())]),
        };
        create(tx, scope, wish).expect("there is room")
    });
    (made.id, vpc, subnet)
}

#[test]
fn a_balancer_leaves_its_interface_behind_for_minutes() {
    let mut rig = Rig::new();
    let (arn, _, subnet) = balancer(&mut rig, BalancerKind::Network);
    let shown = call(&mut rig, "DescribeLoadBalancers", &format!("LoadBalancerArns.member.1={arn}")).expect("stands");
    assert_eq!(shown["LoadBalancers"][0]["State"]["Code"], "provisioning");
    let tags = call(&mut rig, "DescribeTags", &format!("ResourceArns.member.1={arn}")).expect("stands");
    assert_eq!(tags["TagDescriptions"][0]["Tags"][0]["Key"], "kubernetes.io/cluster/demo");
    let query = "Filter.1.Name=description&Filter.1.Value.1=ELB net/k8s-default-web/*";
    let eni =
        |rig: &mut Rig| rig.ok("DescribeNetworkInterfaces", query)["networkInterfaceSet"].as_array().map(Vec::len);
    assert_eq!(eni(&mut rig), Some(1));
    let targets =
        call(&mut rig, "DescribeTargetGroups", "").expect("stands")["TargetGroups"][0]["TargetGroupArn"].clone();
    let delete_targets = format!("TargetGroupArn={}", targets.as_str().expect("an ARN"));
    assert_eq!(call(&mut rig, "DeleteTargetGroup", &delete_targets).expect_err("in use").code, "ResourceInUse");
    call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("deleted");
    call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("deleting twice succeeds");
    let again = call(&mut rig, "DescribeLoadBalancers", &format!("LoadBalancerArns.member.1={arn}"));
    assert_eq!(again.expect_err("gone").code, "LoadBalancerNotFound");
    call(&mut rig, "DeleteTargetGroup", &delete_targets).expect("no longer in use");
    assert_eq!(eni(&mut rig), Some(1));
    assert_eq!(rig.refused("DeleteSubnet", &format!("SubnetId={subnet}")), "DependencyViolation");
    rig.wait(300);
    assert_eq!(eni(&mut rig), Some(0));
    rig.ok("DeleteSubnet", &format!("SubnetId={subnet}"));
}

#[test]
fn protection_holds() {
    let mut rig = Rig::new();
    let (arn, ..) = balancer(&mut rig, BalancerKind::Application);
    let protect = |flag: &str| {
        format!(
            "LoadBalancerArn={arn}&Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value={flag}"
        )
    };
    call(&mut rig, "ModifyLoadBalancerAttributes", &protect("true")).expect("known");
    let refused = call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}"));
    assert_eq!(refused.expect_err("protected").code, "OperationNotPermitted");
    call(&mut rig, "ModifyLoadBalancerAttributes", &protect("false")).expect("known");
    call(&mut rig, "DeleteLoadBalancer", &format!("LoadBalancerArn={arn}")).expect("no longer protected");
}

#[test]
fn classic_ones_go_by_name() {
    let mut rig = Rig::new();
    let (name, ..) = balancer(&mut rig, BalancerKind::Classic);
    let call = |rig: &mut Rig, op: &str, key: &str, value: &str| {
        let pairs = [(key.to_owned(), value.to_owned())];
        rig.within(|tx, scope| classic::answer(tx, scope, classic::actions().read(op, &pairs)?))
    };
    let shown = call(&mut rig, "DescribeLoadBalancers", "LoadBalancerNames.member.1", &name).expect("stands");
    assert_eq!(shown["LoadBalancerDescriptions"][0]["Scheme"], "internet-facing");
    call(&mut rig, "DeleteLoadBalancer", "LoadBalancerName", &name).expect("deleted");
    let gone = call(&mut rig, "DescribeLoadBalancers", "LoadBalancerNames.member.1", &name);
    assert_eq!(gone.expect_err("gone").code, "LoadBalancerNotFound");
}
