//! What cluster.yaml and the flags may say, what is refused, and how it is told.

mod clouds;

use super::*;
use crate::model::spec::{
    AwsSpec, Budget, InstanceNeeds, InstanceWish, Nat, NetworkSpec, PoolSpec, Taint, TaintEffect,
};
use proptest::prelude::*;

/// The example of the design, with a word for everything.
const FULL: &str = r#"apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
account: "123456789012"
environment: dev
version: "1.35"
ttl: 8h
protect: false
budget: { hourlyUsd: 3.00, monthlyUsd: 1500, warnAt: 0.8 }
network: { cidr: 10.0.0.0/16, zoneCount: 2, nat: single, apiAllow: [0.0.0.0/0] }
nodePools:
  - { name: default, instanceType: m6a.large, count: 3, diskGiB: 80 }
  - { name: big, instanceType: { cpu: 4, memoryGiB: 16 }, min: 2, max: 2, spot: true, labels: {}, taints: [] }
  - { name: any, instanceTypes: [m6a.large, m5.large], min: 0, max: 4, spot: true }
  - { name: gpu, instanceType: { cpu: 4, memoryGiB: 16, gpu: "T4:1" }, min: 0, max: 2, count: 1 }
admins: []
tags: { team: research }
aws: { addons: [vpc-cni, kube-proxy, coredns, eks-pod-identity-agent, aws-ebs-csi-driver], clusterRoleArn: null, nodeRoleArn: null }
"#;

fn problems(body: &str) -> String {
    let text = format!("apiVersion: kubewright/v1\nkind: Cluster\n{body}");
    match parse(&text, "c.yaml") {
        Ok(spec) => format!("fine: {spec:?}"),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

fn flags(overlays: &[Overlay]) -> Result<ClusterSpec, String> {
    load(None, overlays, None).map_err(|problems| problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_design_example_reads() {
    let spec = parse(FULL, "c.yaml").unwrap();
    assert_eq!(spec.name.as_ref().unwrap().as_str(), "demo");
    assert_eq!(spec.version.as_deref(), Some("1.35"));
    assert_eq!(spec.ttl_secs, Some(28_800));
    assert_eq!(spec.budget.as_ref().unwrap().hourly_usd, Some(3.0));
    let pools = spec.node_pools.as_ref().unwrap();
    assert_eq!((pools[0].count, pools[0].disk_gib), (Some(3), Some(80)));
    let needs = InstanceNeeds { cpu: Some(4.0), memory_gib: Some(16.0), gpu: None };
    assert_eq!(pools[1].instance_type, Some(InstanceWish::Needs(needs)));
    assert_eq!(spec.aws.as_ref().unwrap().cluster_role_arn, None);
    assert_eq!(parse(&write(&spec), "again"), Ok(spec));
}

#[test]
fn all_problems_come_at_once_with_place_key_and_what_to_write() {
    insta::assert_snapshot!(problems("\
name: Demo_1
provider: awss
region: us-east-1a
version: 1.35.2
ttl: 8
protect: yes
nodePool: []
zoneCount: 2
metadata: {}
budget: { hourlyUsd: -1, monthlyUsd: .inf, warnAt: 80, daily: 3 }
network: { cidr: 10.0.0.1/16, nat: singel, apiAllow: [1.2.3.4, 1.2.3.0/24, 1.2.3.0/24], zoneCount: two }
tags: [a]
"), @r#"
c.yaml:3:7: name: `Demo_1` cannot be a cluster's name: only a-z, 0-9 and `-` are allowed, not 'D'
c.yaml:4:11: provider: no provider `awss`; there are aws, gcp, azure; did you mean `aws`?
c.yaml:6:10: version: `1.35.2` is not a Kubernetes minor version; write `"1.35"`
c.yaml:7:6: ttl: `8` is not a span; write 90s, 30m, 8h, 2d or 1h30m
c.yaml:8:10: protect: expected true or false, found `yes`; write `true`
c.yaml:9:1: nodePool: unknown key; did you mean `nodePools`?
c.yaml:10:1: zoneCount: unknown key; `zoneCount` belongs under `network`
c.yaml:11:1: metadata: unknown key; valid keys here: apiVersion, kind, name, provider, region, account, environment, version, ttl, protect, budget, network, nodePools, admins, tags, aws, gcp, azure
c.yaml:12:22: budget.hourlyUsd: must be a number above 0, not -1
c.yaml:12:38: budget.monthlyUsd: expected a number, found `.inf`; write `1500`
c.yaml:12:52: budget.warnAt: is a share between 0 and 1, not 80; write `0.8`
c.yaml:12:56: budget.daily: unknown key; valid keys here: hourlyUsd, monthlyUsd, warnAt
c.yaml:13:18: network.cidr: `10.0.0.1/16` has bits set after the prefix; write `10.0.0.0/16`
c.yaml:13:36: network.nat: `singel` is not one of none, single, per-zone; did you mean `single`?
c.yaml:13:55: network.apiAllow[0]: `1.2.3.4` is an address without a range; write `1.2.3.4/32`
c.yaml:13:76: network.apiAllow[2]: `1.2.3.0/24` is in the list twice
c.yaml:13:100: network.zoneCount: expected a whole number, found `two`; write `1`
c.yaml:14:7: tags: expected a mapping, found a list; write `{ team: research }`
"#);
}

#[test]
fn pools_are_checked_each_and_together() {
    insta::assert_snapshot!(problems("\
provider: aws
nodePools:
  - { name: a, instanceTyp: m6a.large, cout: 2, replicas: 3, diskGiB: 8 }
  - { name: a, min: 3, max: 1 }
  - { name: Gpu, instanceType: {}, spot: 'true', count: -1 }
  - 5
  - { instanceType: g5.xlarge, labels: { 'a b': c, kubernetes.io/arch: arm64, ok: 'not ok' }, taints: [{ key: x, effect: NoSchedul }, { value: y }] }
  - { name: auto, instanceType: { gpu: 'T4:1' }, min: 0, max: 2 }
  - { name: half, min: 1, count: 0 }
"), @r#"
c.yaml:5:16: nodePools[0].instanceTyp: unknown key; did you mean `instanceType`?
c.yaml:5:40: nodePools[0].cout: unknown key; did you mean `count`?
c.yaml:5:49: nodePools[0].replicas: unknown key; did you mean `count`?
c.yaml:5:71: nodePools[0].diskGiB: must be between 20 and 16384, not 8
c.yaml:6:13: nodePools[1].name: `a` is also the name of nodePools[0]
c.yaml:6:21: nodePools[1].min: min 3 is more than max 1
c.yaml:7:13: nodePools[2].name: only a-z, 0-9 and `-` are allowed in a pool name, not 'G'
c.yaml:7:32: nodePools[2].instanceType: says nothing about the machine; write `{ cpu: 4, memoryGiB: 16 }` or a type's name
c.yaml:7:42: nodePools[2].spot: expected true or false, found the text "true"; write `true`
c.yaml:7:57: nodePools[2].count: must be between 0 and 5000, not -1
c.yaml:8:5: nodePools[3]: expected a mapping, found `5`; write `{ name: default, instanceType: m6a.large, count: 2 }`
c.yaml:9:5: nodePools[4].name: missing; write `name: default`
c.yaml:9:49: nodePools[4].labels.a b: the key `a b` is no label key: only letters, digits, `-`, `_` and `.` are allowed, not ' '
c.yaml:9:72: nodePools[4].labels.kubernetes.io/arch: labels such as `kubernetes.io/arch` are set by Kubernetes itself
c.yaml:9:83: nodePools[4].labels.ok: `not ok` cannot be a label's value: only letters, digits, `-`, `_` and `.` are allowed, not ' '
c.yaml:9:122: nodePools[4].taints[0].effect: `NoSchedul` is not one of NoSchedule, PreferNoSchedule, NoExecute; did you mean `NoSchedule`?
c.yaml:9:135: nodePools[4].taints[1].key: missing; write `{ key: dedicated, value: gpu, effect: NoSchedule }`
c.yaml:9:135: nodePools[4].taints[1].effect: missing; write `{ key: dedicated, value: gpu, effect: NoSchedule }`
c.yaml:11:24: nodePools[6].min: needs `max` beside it; write `count` for a fixed size
c.yaml:11:34: nodePools[6].count: count 0 is less than min 1
"#);
}

#[test]
fn providers_have_their_own_limits() {
    insta::assert_snapshot!(problems(&format!("\
provider: aws
region: us-east-1a
account: 12345
network: {{ zoneCount: 1, zones: [eu-west-1a, b], apiAllow: [10.0.0.0/8], existing: {{ vpc: vpc-1, privateSubnets: [subnet-0123456789abcdef0] }} }}
nodePools: [{{ name: a, instanceType: large }}]
admins: ['arn:aws:sts::123456789012:assumed-role/ops/me', me]
tags: {{ 'aws:x': y, kubewright-stack: z, environment: e, long: {}, bad: 'a#b' }}
aws: {{ clusterRoleArn: eks }}
", "v".repeat(257))), @r#"
c.yaml:4:9: region: `us-east-1a` is not an AWS region; that is a zone; write `us-east-1` here and zones under `network.zones`
c.yaml:5:10: account: `12345` is not an AWS account, which has 12 digits
c.yaml:6:23: network.zoneCount: zoneCount is 1, but `zones` names 2; remove one of the two
c.yaml:6:33: network.zones: cannot be combined with `network.existing`, whose subnets decide it; remove one of the two
c.yaml:6:46: network.zones[1]: `b` is not an availability zone; write it as in `us-east-1a`
c.yaml:6:61: network.apiAllow[0]: `10.0.0.0/8` is a private range; these are the public addresses that may reach the API server; nodes inside the network reach it anyway, so remove it
c.yaml:6:91: network.existing.vpc: `vpc-1` is not the id of a VPC; write it as in `vpc-0123456789abcdef0`
c.yaml:6:114: network.existing.privateSubnets: EKS needs subnets in at least 2 zones; name at least two subnets
c.yaml:7:38: nodePools[0].instanceType: `large` is not an EC2 instance type; write it as in `m6a.large`
c.yaml:8:10: admins[0]: `arn:aws:sts::123456789012:assumed-role/ops/me` is not the ARN of a role or user; that is a session; write the role: `arn:aws:iam::123456789012:role/ops`
c.yaml:8:59: admins[1]: `me` is not the ARN of a role or user; write `arn:aws:iam::123456789012:role/NAME`
c.yaml:9:18: tags.aws:x: keys that begin with `aws:` belong to AWS
c.yaml:9:39: tags.kubewright-stack: kubewright sets this tag itself
c.yaml:9:55: tags.environment: kubewright sets this tag itself; write `environment:` at the top level
c.yaml:9:64: tags.long: a value has at most 256 characters in AWS, this has 257
c.yaml:9:328: tags.bad: AWS takes letters, digits, spaces and `_.:/=+-@` in tags, not '#'
c.yaml:10:24: aws.clusterRoleArn: `eks` is not the ARN of a role; write `arn:aws:iam::123456789012:role/NAME`
"#);
    insta::assert_snapshot!(problems("provider: gcp\naws: {}\n"), @r#"c.yaml:4:6: aws: has no counterpart on gcp; remove it, or write `provider: aws`"#);
}

#[test]
fn pools_that_scale_and_pools_of_several_types() {
    let of_aws = |body: &str| problems(&format!("provider: aws\nnodePools:\n{body}"));
    assert!(of_aws("  - { name: a, count: 1 }\n  - { name: b, min: 0, max: 4 }\n").starts_with("fine"));
    assert!(of_aws("  - { name: a, max: 4 }\n").starts_with("fine"), "at least one node unless said otherwise");
    insta::assert_snapshot!(of_aws("  - { name: a, min: 0, max: 4 }\naws: { addons: [vpc-cni] }\n"), @r"
    c.yaml:5:21: nodePools[0].min: the cluster autoscaler would have no node to run on: every pool may be empty or has a taint that keeps it off; give one pool without taints `min: 1` or a fixed `count`
    c.yaml:6:16: aws.addons: pool `a` scales, and the cluster autoscaler gets its permissions through eks-pod-identity-agent, which is not in the list; add eks-pod-identity-agent
    ");
    insta::assert_snapshot!(of_aws("  - { name: a, instanceType: m5.large, instanceTypes: [m5.large, inf2.xlarge, m5.large, large] }\n"), @r"
    c.yaml:5:55: nodePools[0].instanceTypes: cannot be combined with `instanceType`; write all types into the list, the preferred one first
    c.yaml:5:66: nodePools[0].instanceTypes[1]: `inf2.xlarge` has AWS's own chips; drivers are installed for NVIDIA GPUs only; choose a type with NVIDIA GPUs, as `g4dn.xlarge`, or without accelerators
    c.yaml:5:79: nodePools[0].instanceTypes[2]: `m5.large` is in the list twice
    ");
    for cloud in ["gcp", "azure"] {
        let told = problems(&format!(
            "provider: {cloud}\nnodePools: [{{ name: a }}, {{ name: b, min: 0, max: 4, instanceType: {{ gpu: 'T4:1' }} }}]\n"
        ));
        assert!(told.starts_with("fine"), "{told}");
    }
    let overlays = [
        Overlay::pool("name=any,type=m5.xlarge|m6a.xlarge,min=1,max=2"),
        Overlay::first_pool("--node-type", "instanceType", "m5.large"),
    ];
    let file = "apiVersion: kubewright/v1\nkind: Cluster\nnodePools: [{ name: default, instanceTypes: [m6a.large, m6i.large] }]\n";
    let spec = load(Some((file, "c.yaml")), &overlays, Some(Cloud::Aws)).unwrap();
    let pools = spec.node_pools.unwrap();
    assert_eq!(pools[0].instance_type, Some(InstanceWish::Named("m5.large".to_owned())), "the flag speaks anew");
    assert!(pools[0].instance_types.is_empty());
    assert_eq!(pools[1].instance_types, ["m5.xlarge", "m6a.xlarge"]);
}

#[test]
fn the_document_must_be_one_of_ours() {
    insta::assert_snapshot!(parse("", "c.yaml").unwrap_err().iter().map(|p| format!("{p}\n")).collect::<String>(), @r#"
c.yaml:1:1: apiVersion: missing; write `apiVersion: kubewright/v1`
c.yaml:1:1: kind: missing; write `kind: Cluster`
"#);
    insta::assert_snapshot!(parse("apiVersion: v2\nkind: cluster\n", "c.yaml").unwrap_err().iter().map(|p| format!("{p}\n")).collect::<String>(), @r#"
c.yaml:1:13: apiVersion: this version reads `kubewright/v1`, not `v2`; write `apiVersion: kubewright/v1`
c.yaml:2:7: kind: this version reads `Cluster`, not `cluster`; write `kind: Cluster`
"#);
    insta::assert_snapshot!(parse("[1]", "c.yaml").unwrap_err()[0].to_string(), @r#"c.yaml:1:1: expected a mapping, found a list; write `name: demo`"#);
    insta::assert_snapshot!(problems("name: a\nname: b"), @r#"
c.yaml:3:7: name: `a` cannot be a cluster's name: a name has at least 2 characters
c.yaml:4:1: name: this key is given twice, first at c.yaml:3:7
"#);
    insta::assert_snapshot!(problems("name: &a demo"), @r#"c.yaml:3:10: anchors (`&name`) are not read here; write the value out where it is needed"#);
    insta::assert_snapshot!(problems("name: [demo"), @r#"c.yaml:4:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'"#);
    insta::assert_snapshot!(problems("nodePools: []"), @r#"c.yaml:3:12: nodePools: the cluster would have no nodes; leave the key out for one default pool"#);
    insta::assert_snapshot!(problems("network: { apiAllow: [] }"), @r#"c.yaml:3:22: network.apiAllow: with an empty list nobody could reach the API server; name a range, or leave the key out for 0.0.0.0/0"#);
}

#[test]
fn flags_are_laid_over_the_file_and_judged_by_the_same_rules() {
    let overlays = [
        Overlay::flag("--nat", "network.nat", "none"),
        Overlay::first_pool("--nodes", "count", "5"),
        Overlay::pool("name=spare,type=m6a.xlarge,spot,count=1,disk=40,label.example.com/x=y,taint=a=b:NoExecute"),
        Overlay::pool("name=big,label.a=b"),
        Overlay::set("nodePools.big.count=2"),
        Overlay::set("tags.cost.centre=a: b"),
        Overlay::set("network.apiAllow=[198.51.100.0/24]"),
        Overlay::set("budget="),
    ];
    let spec = load(Some((FULL, "c.yaml")), &overlays, None).unwrap();
    let network = spec.network.as_ref().unwrap();
    assert_eq!((network.nat, network.zone_count), (Some(Nat::None), Some(2)));
    assert_eq!(network.api_allow.as_ref().unwrap()[0].to_string(), "198.51.100.0/24");
    assert_eq!((spec.budget.as_ref(), spec.tags["cost.centre"].as_str()), (None, "a: b"));
    let pools = spec.node_pools.as_ref().unwrap();
    assert_eq!((pools[0].count, pools[0].disk_gib), (Some(5), Some(80)));
    assert_eq!((pools[1].count, pools[1].labels["a"].as_str()), (Some(2), "b"));
    let spare = pools.last().unwrap();
    assert_eq!((spare.spot, spare.labels["example.com/x"].as_str()), (Some(true), "y"));
    let taint = Taint { key: "a".into(), value: Some("b".into()), effect: TaintEffect::NoExecute };
    assert_eq!(spare.taints, [taint]);
    // A recorded spec is a base like any other.
    let again = overlaid(&spec, &[Overlay::first_pool("--node-type", "instanceType", "m7i.large")], None).unwrap();
    assert_eq!(again.node_pools.unwrap()[0].instance_type, Some(InstanceWish::Named("m7i.large".into())));
}

#[test]
fn flags_alone_make_a_spec() {
    let spec = flags(&[
        Overlay::first_pool("--nodes", "count", "1"),
        Overlay::set("nodePools.default.diskGiB=30"),
        Overlay::flag("NAME", "name", "demo"),
    ])
    .unwrap();
    let pools = spec.node_pools.unwrap();
    assert_eq!((pools.len(), pools[0].name.as_str(), pools[0].count), (1, "default", Some(1)));
    assert_eq!(flags(&[]).unwrap(), ClusterSpec::default());
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    insta::assert_snapshot!(flags(&[
        Overlay::flag("--nat", "network.nat", "none"),
        Overlay::first_pool("--nodes", "count", "3"),
        Overlay::pool("name=default,count=3,disk=30"),
        Overlay::pool("name=default,disk=40,spot,spot"),
        Overlay::set("network.nat=single"),
        Overlay::set("nodePools.default.count=4"),
    ]).unwrap_err(), @r#"
--pool name=default,disk=40,spot,spot: nodePools: `spot` is given twice; write one `--pool` for each pool
--set network.nat=single: network.nat: `--nat none` says otherwise; leave one of the two out
--set nodePools.default.count=4: nodePools.default.count: `--pool name=default,count=3,disk=30` says otherwise; leave one of the two out
"#);
    // The same twice is no contradiction.
    assert!(flags(&[Overlay::flag("--nat", "network.nat", "none"), Overlay::set("network.nat=none")]).is_ok());
}

#[test]
fn wrong_flags_are_named_as_typed() {
    insta::assert_snapshot!(flags(&[
        Overlay::set("network.nat"),
        Overlay::set("netwrk.nat=none"),
        Overlay::set("nodePools.gpu.max=3"),
        Overlay::set("nodePools.default=3"),
        Overlay::set("nodePools.defalt.count=3"),
        Overlay::set("version.minor=3"),
        Overlay::set(".=3"),
        Overlay::set("network.zones=[a"),
        Overlay::pool("type=m6a.large"),
        Overlay::pool("name=x,typ=m6a.large"),
        Overlay::pool("name=x,count"),
        Overlay::pool("name=x,type=a.b,cpu=3"),
        Overlay::pool("name=y,max=4,taint=z"),
        Overlay::flag("--version", "version", "v1.35"),
        Overlay::first_pool("--nodes", "count", "many"),
    ]).unwrap_err(), @r#"
--nodes many: nodePools[0].count: expected a whole number, found `many`; write `1`
--pool name=x,count: nodePools: `count` has no value; write `count=VALUE`
--pool name=x,typ=m6a.large: nodePools: `typ` is not a key of --pool; did you mean `type`?
--pool name=x,type=a.b,cpu=3: nodePools: a pool has a type or needs (cpu, memory, gpu), not both
--pool name=y,max=4,taint=z: nodePools: the taint `z` has no effect; write `taint=dedicated=gpu:NoSchedule`
--pool type=m6a.large: nodePools: the pool has no name; write `--pool name=gpu,…`
--set .=3: .: is not a key path; write it as in `network.nat`
--set network.nat: network.nat: has no value; write `--set network.nat=VALUE`
--set network.zones=[a: network.zones: this is not YAML: while parsing a flow sequence, expected ',' or ']'
--set netwrk.nat=none: netwrk: unknown key; did you mean `network`?
--set nodePools.defalt.count=3: nodePools.defalt.count: no node pool `defalt`; there are default; did you mean `default`?
--set nodePools.default=3: nodePools.default: is a whole pool; name a key of it, as in `nodePools.default.count`
--set nodePools.gpu.max=3: nodePools.gpu.max: no node pool `gpu`; there are none; add it with `--pool name=gpu,type=TYPE`
--set version.minor=3: version: expected text, found a mapping; write `"1.35"`
--version v1.35: version: `--set version.minor=3` says otherwise; leave one of the two out
"#);
}

#[test]
fn a_provider_known_elsewhere_is_judged_too() {
    let text = "apiVersion: kubewright/v1\nkind: Cluster\nnetwork:\n  zoneCount: 1\n";
    assert!(parse(text, "c.yaml").is_ok());
    let problems = load(Some((text, "c.yaml")), &[], Some(Cloud::Aws)).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "c.yaml:4:14: network.zoneCount: EKS needs subnets in at least 2 zones; write `zoneCount: 2`"
    );
}

#[test]
fn advice_is_given_where_a_range_is_allowed_but_odd() {
    let spec = parse("apiVersion: kubewright/v1\nkind: Cluster\nnetwork: { cidr: 172.20.0.0/16 }", "c").unwrap();
    assert_eq!(advice(&spec).len(), 1);
    let spec = parse("apiVersion: kubewright/v1\nkind: Cluster\nnetwork: { cidr: 8.0.0.0/16 }", "c").unwrap();
    assert!(advice(&spec)[0].contains("public range"));
    assert!(advice(&ClusterSpec::default()).is_empty());
}

/// Whether the schema takes this text, read as editors read it.
fn fits(text: &str) -> bool {
    static VALIDATOR: std::sync::LazyLock<jsonschema::Validator> =
        std::sync::LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());
    serde_yaml::from_str::<serde_json::Value>(text).is_ok_and(|value| VALIDATOR.is_valid(&value))
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    for body in [
        "",
        "name: demo\nprovider: null\nregion:\nbudget: {}\naws: ~",
        "version: 1.35\naccount: 123456789012\nenvironment: 5\nttl: 1d2h3m4s\nprotect: True",
        "network: { cidr: 10.0.0.0/16, zones: [us-east-1a, us-east-1b], nat: per-zone, apiAllow: [0.0.0.0/0] }",
        "network: { existing: { vpc: vpc-0123456789abcdef0, privateSubnets: [subnet-0123456789abcdef0, subnet-1] } }",
        "nodePools: [{ name: a }, { name: b, instanceType: { cpu: 0.5, gpu: 'T4:1' }, min: 0, max: 2, count: 1 }]",
        "nodePools: [{ name: a, labels: { x: , example.com/y: true, z: 5 }, taints: [{ key: k, effect: NoExecute }] }]",
        "tags: { 'cost centre': , team: 7 }\nadmins: [a, b]\naws: { addons: [], accessEntry: false }",
    ] {
        let text = format!("apiVersion: kubewright/v1\nkind: Cluster\n{body}\n");
        assert!(parse(&text, "c.yaml").is_ok(), "{:?}", parse(&text, "c.yaml"));
        assert!(fits(&text), "the schema refuses {text}");
    }
    assert!(fits(FULL));
    assert!(parse(&format!("# yaml-language-server: $schema=./cluster.schema.json\n{FULL}"), "c.yaml").is_ok());
}

#[test]
fn what_one_value_alone_makes_wrong_both_refuse() {
    for body in [
        "nmae: demo",
        "metadata: {}",
        "name: Demo_1",
        "provider: awss",
        "version: v1.35",
        "ttl: soon",
        "protect: yes",
        "budget: { hourlyUsd: -1 }",
        "budget: { warnAt: 80 }",
        "budget: { daily: 3 }",
        "network: { nat: singel }",
        "network: { zoneCount: 7 }",
        "network: { apiAllow: [] }",
        "network: { apiAllow: [1.2.3.4] }",
        "network: { existing: { vpc: vpc-1 } }",
        "nodePools: []",
        "nodePools: [{ count: 2 }]",
        "nodePools: [{ name: a, cout: 2 }]",
        "nodePools: [{ name: A }]",
        "nodePools: [{ name: a, diskGiB: 8 }]",
        "nodePools: [{ name: a, instanceType: {} }]",
        "nodePools: [{ name: a, instanceType: { gpu: T4 } }]",
        "nodePools: [{ name: a, labels: { 'a b': c } }]",
        "nodePools: [{ name: a, taints: [{ key: k, effect: NoSchedul }] }]",
        "nodePools: [{ name: a, taints: [{ value: y }] }]",
        "nodePools: [5]",
        "tags: { kubewright-stack: x }",
        "tags: { environment: x }",
        "tags: [a]",
        "admins: ['a b']",
        "aws: { clusterRoleArn: eks }",
        "aws: { addon: [] }",
    ] {
        let text = format!("apiVersion: kubewright/v1\nkind: Cluster\n{body}\n");
        assert!(parse(&text, "c.yaml").is_err(), "{body}");
        assert!(!fits(&text), "the schema takes {body}");
    }
    for text in ["name: demo", "apiVersion: v2\nkind: Cluster", "apiVersion: kubewright/v1\nkind: cluster", "[1]"] {
        assert!(parse(text, "c.yaml").is_err() && !fits(text), "{text}");
    }
}

#[test]
fn the_schema_has_every_key_of_the_reader_and_no_other() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    let pool = "/properties/nodePools/items/properties";
    for (pointer, keys) in [
        ("/properties".to_owned(), read::TOP),
        ("/properties/budget/properties".to_owned(), read::BUDGET),
        ("/properties/network/properties".to_owned(), read::NETWORK),
        ("/properties/network/properties/existing/properties".to_owned(), read::EXISTING),
        (pool.to_owned(), read::POOL),
        (format!("{pool}/instanceType/anyOf/1/properties"), read::NEEDS),
        (format!("{pool}/taints/items/properties"), read::TAINT),
        ("/properties/aws/properties".to_owned(), super::clouds::AWS),
        ("/properties/gcp/properties".to_owned(), super::clouds::GCP),
        ("/properties/azure/properties".to_owned(), super::clouds::AZURE),
    ] {
        let mut known: Vec<&str> = at(&pointer).as_object().unwrap().keys().map(String::as_str).collect();
        let mut keys = keys.to_vec();
        known.sort_unstable();
        keys.sort_unstable();
        assert_eq!(known, keys, "{pointer}");
    }
}

fn label() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?"
}

prop_compose! {
    fn pools()(pools in prop::collection::btree_map(
        "[a-z]([a-z0-9-]{0,10}[a-z0-9])?",
        (
            prop::option::of(prop_oneof![
                label().prop_map(InstanceWish::Named),
                (0.25f64..512.0, prop::option::of(0.5f64..9_000.0), prop::option::of("[A-Z][A-Z0-9]{0,5}:[1-8]"))
                    .prop_map(|(cpu, memory_gib, gpu)| InstanceWish::Needs(InstanceNeeds { cpu: Some(cpu), memory_gib, gpu })),
            ]),
            prop::option::of(1u32..5_000),
            any::<bool>(),
            prop::option::of(any::<bool>()),
            prop::option::of(20u32..16_384),
            prop::collection::btree_map(label(), prop_oneof![label(), Just(String::new()), Just("null".to_owned()), Just("true".to_owned())], 0..3),
            prop::collection::btree_map(label(), (prop::option::of(label()), 0u8..3), 0..3),
        ),
        1..4,
    )) -> Vec<PoolSpec> {
        pools.into_iter().map(|(name, (instance_type, count, scaled, spot, disk_gib, labels, taints))| PoolSpec {
            name,
            instance_types: match (&instance_type, count) {
                (None, Some(count)) if count % 2 == 0 => vec!["m6a.large".to_owned(), format!("m{count}.large")],
                _ => Vec::new(),
            },
            instance_type,
            count,
            min: count.filter(|_| scaled),
            max: count.filter(|_| scaled),
            spot,
            disk_gib,
            labels,
            taints: taints.into_iter().map(|(key, (value, effect))| Taint {
                key,
                value,
                effect: [TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule, TaintEffect::NoExecute][usize::from(effect)],
            }).collect(),
        }).collect()
    }
}

prop_compose! {
    fn specs()(
        name in prop::option::of("[a-z][a-z0-9-]{0,30}[a-z0-9]"),
        words in (prop::option::of(label()), prop::option::of(label()), prop::option::of(label())),
        minor in prop::option::of(0u32..200),
        ttl_secs in prop::option::of(1u64..3_650 * 86_400),
        protect in prop::option::of(any::<bool>()),
        budget in prop::option::of((prop::option::of(0.001f64..1e6), prop::option::of(0.001f64..1e9), prop::option::of(0.01f64..1.0))),
        network in prop::option::of((16u8..=23, prop::option::of(1u8..=6), prop::option::of(0usize..3), prop::option::of(0u8..=32))),
        node_pools in prop::option::of(pools()),
        tags in prop::collection::btree_map("[a-z .:/=+@-]{1,20}x", "[ -~]{0,30}", 0..4),
        admins in prop::collection::btree_set("[!-~]{1,20}", 0..3),
        aws in prop::option::of((prop::option::of(prop::collection::btree_set("[a-z-]{1,12}", 0..3)), any::<bool>())),
        others in (prop::option::of(clouds::gcps()), prop::option::of(clouds::azures())),
    ) -> ClusterSpec {
        ClusterSpec {
            name: name.map(|name| name.parse().unwrap()),
            provider: None,
            region: words.0.map(crate::model::Region),
            account: words.1,
            environment: words.2,
            version: minor.map(|minor| format!("1.{minor}")),
            ttl_secs,
            protect,
            budget: budget.map(|(hourly_usd, monthly_usd, warn_at)| Budget { hourly_usd, monthly_usd, warn_at }),
            network: network.map(|(prefix, zone_count, nat, allow)| NetworkSpec {
                cidr: Some(format!("10.0.0.0/{prefix}").parse().unwrap()),
                zone_count,
                zones: zone_count.map(|count| (0..count).map(|zone| format!("zone-{zone}")).collect()),
                nat: nat.map(|nat| [Nat::None, Nat::Single, Nat::PerZone][nat]),
                api_allow: allow.map(|prefix| vec![format!("0.0.0.0/{prefix}").parse().unwrap()]),
                existing: None,
            }),
            node_pools,
            admins: admins.into_iter().collect(),
            tags,
            gcp: others.0,
            azure: others.1,
            aws: aws.map(|(addons, role)| AwsSpec {
                addons: addons.map(|addons| addons.into_iter().collect()),
                cluster_role_arn: role.then(|| "arn:aws:iam::123456789012:role/eks".to_owned()),
                node_role_arn: None,
                access_entry: Some(role),
            }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(spec in specs()) {
        let text = write(&spec);
        prop_assert!(fits(&text), "the schema refuses {text}");
        prop_assert_eq!(parse(&text, "again"), Ok(spec));
    }

    #[test]
    fn spans_are_written_exactly(secs in 1u64..3_650 * 86_400) {
        prop_assert_eq!(crate::model::time::parse_span(&write_span(secs)).unwrap().as_secs(), secs);
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..FULL.len(), cut in 0usize..30, with in "[-\\[\\]{}:,?#&*!|>'\"%@` \n0-9a-z.]{0,8}") {
        let mut bytes = FULL.as_bytes().to_vec();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with.into_bytes());
        let _ = parse(&String::from_utf8_lossy(&bytes), "c.yaml");
    }

    #[test]
    fn no_flag_makes_it_panic(set in "[a-zA-Z.=\\[\\]{},:\"' -]{0,30}", pool in "(name|type|spot|max|label|taint|,|=|:|\\.|x|-){0,12}") {
        let _ = load(Some((FULL, "c.yaml")), &[Overlay::set(&set), Overlay::pool(&pool)], Some(Cloud::Aws));
    }
}
