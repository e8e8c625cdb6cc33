//! `status --all`: every region at once, ours and others', what is left over, and regions that do not answer.

use super::rig::World;
use kubewright::sandbox::{clock::Speed, conditions::Conditions};
use serde_json::Value;

/// A cluster that somebody made by hand in another region, with these tags.
fn by_hand(world: &World, region: &'static str, name: &str, version: &str, tags: &[(&str, &str)]) {
    let role = world.role(name, "eks");
    world.wait(async {
        let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
        world.iam().attach_role_policy().role_name(name).policy_arn(policy).send().await.unwrap();
    });
    world.minutes(2);
    let (ec2, eks) = world.of_region(region);
    world.wait(async {
        let subnets = ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
        let ids = subnets.iter().take(2).map(|it| it.subnet_id().unwrap().to_owned()).collect();
        let network = aws_sdk_eks::types::VpcConfigRequest::builder().set_subnet_ids(Some(ids)).build();
        let call = eks.create_cluster().name(name).version(version).role_arn(&role).resources_vpc_config(network);
        let tagged = tags.iter().fold(call, |call, (key, value)| call.tags(*key, *value));
        tagged.send().await.unwrap();
    });
    world.minutes(20);
}

fn row<'a>(doc: &'a Value, name: &str) -> &'a Value {
    let rows = doc["clusters"].as_array().unwrap();
    rows.iter().find(|row| row["stack"]["name"] == name).unwrap_or_else(|| panic!("no {name}: {doc:#}"))
}

#[test]
fn every_region_is_seen_whoever_built_there() {
    let world = World::new();
    world.build(&["demo"]);
    world.build(&["there", "--region", "eu-central-1"]);
    by_hand(&world, "eu-west-1", "legacy", "1.35", &[("alpha.eksctl.io/cluster-name", "legacy")]);
    by_hand(&world, "ap-south-1", "handmade", "1.32", &[]);
    let calls = world.show().requests.mutating;
    let said = world.go(&["status", "--all", "-o", "json"]).expect(0);
    let doc = said.json();
    assert_eq!((&doc["complete"], &doc["failures"]), (&true.into(), &Value::Array(Vec::new())), "{doc:#}");
    assert_eq!(doc["clusters"].as_array().unwrap().len(), 4);
    assert!(doc["regions"]["read"].as_u64().unwrap() > 30 && doc["regions"]["refused"] == 0, "{}", doc["regions"]);
    let demo = row(&doc, "demo");
    assert_eq!((&demo["managedBy"], &demo["owner"]["tool"]), (&"kubewright".into(), &"kubewright".into()));
    assert!(demo["owner"]["by"].as_str().unwrap().starts_with("ana@") && demo["reachable"] == true, "{demo:#}");
    assert_eq!(row(&doc, "there")["stack"]["region"], "eu-central-1");
    let legacy = row(&doc, "legacy");
    assert_eq!((&legacy["managedBy"], &legacy["phase"]), (&"other".into(), &"ready".into()));
    assert_eq!(legacy["owner"]["tool"], "eksctl");
    assert_eq!(legacy["owner"]["evidence"], "tag alpha.eksctl.io/cluster-name=legacy");
    // A bare control plane: standard support here, extended there.
    assert_eq!((&legacy["usdPerHour"], &legacy["usdPerHourAtLeast"]), (&Value::from(0.1), &Value::Null), "{legacy:#}");
    let old = row(&doc, "handmade");
    assert_eq!((&old["owner"], &old["usdPerHour"]), (&Value::Null, &Value::from(0.6)), "{old:#}");
    let said = world.go(&["status", "--all"]).expect(0);
    let line = |name: &str| said.out.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{}", said.out));
    assert!(line("aws/eu-west-1/legacy").contains("foreign") && line("aws/eu-west-1/legacy").contains("eksctl"));
    assert!(line("total").contains('.') && !line("total").contains('?'), "{}", said.out);
    assert!(said.err.contains("regions read in") && said.err.contains("; 0 refused"), "{}", said.err);
    let names = world.go(&["status", "--all", "-o", "name"]).expect(0).out;
    assert_eq!(names.lines().count(), 4, "{names}");
    assert_eq!(world.show().requests.mutating, calls, "a look changes nothing");
    // One region alone, where it is typed.
    let one = world.go(&["status", "--all", "--region", "eu-west-1", "-o", "json"]).expect(0).json();
    assert_eq!((&one["regions"]["read"], one["clusters"].as_array().unwrap().len()), (&1.into(), 1), "{one:#}");
}

#[test]
fn what_is_ours_without_a_journal_is_found_by_its_tags() {
    let mut world = World::with("eks:CreateCluster=error-before", Speed::Max);
    world.go(&["provision", "half", "--yes"]).expect(9);
    world.restart("", Speed::Max);
    world.build(&["whole", "--region", "us-west-2"]);
    world.lose_journals();
    let doc = world.go(&["status", "--all", "-o", "json"]).expect(0).json();
    let whole = row(&doc, "whole");
    assert_eq!((&whole["managedBy"], &whole["phase"]), (&"kubewright".into(), &"ready".into()), "{whole:#}");
    assert!(whole["owner"]["by"].as_str().unwrap().starts_with("ana@"), "{whole:#}");
    // Control plane and two m6a.large: what can be seen from outside.
    assert_eq!(whole["usdPerHour"], 0.2728, "{whole:#}");
    let half = row(&doc, "half");
    assert_eq!((&half["managedBy"], &half["phase"]), (&"kubewright".into(), &"incomplete".into()), "{half:#}");
    assert_eq!((&half["usdPerHour"], &half["cloudStatus"]), (&Value::Null, &"ABSENT".into()), "unknown is not zero");
    let told = half["issues"][0].as_str().unwrap();
    assert!(told.contains("destroy half --from-tags --confirm half"), "{told}");
    let id = half["stack"]["id"].as_str().unwrap();
    assert!(told.contains(&format!("--region us-east-1 --stack {id}")), "{told}");
    world
        .go(&["destroy", "half", "--from-tags", "--confirm", "half", "--region", "us-east-1", "--stack", id])
        .expect(0);
    let doc = world.go(&["status", "--all", "-o", "json"]).expect(0).json();
    assert_eq!(doc["clusters"].as_array().unwrap().len(), 1, "{doc:#}");
}

#[test]
fn regions_that_do_not_answer_hide_nothing_of_the_others() {
    let mut conditions = Conditions::default();
    conditions.set_closed("eu-west-3=denied,ap-east-1=off,sa-east-1=silent").unwrap();
    let world = World::under("", Speed::Max, conditions);
    world.build(&["demo"]);
    let said = world.go(&["status", "--all", "-o", "json"]).expect(11);
    let doc = said.json();
    assert_eq!((&doc["complete"], &doc["error"]["exit"]), (&false.into(), &11.into()));
    assert_eq!(row(&doc, "demo")["phase"], "ready");
    let failed: Vec<(&str, &str)> = doc["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["region"].as_str().unwrap(), failure["error"]["id"].as_str().unwrap()))
        .collect();
    // What is off is not among the account's regions and no failure.
    assert_eq!(failed, [("eu-west-3", "KW-AWS-DENIED"), ("sa-east-1", "KW-UNREACHABLE")], "{doc:#}");
    assert_eq!(doc["regions"]["refused"], 2);
    let table = world.go(&["status", "--all"]).expect(11);
    assert!(table.out.contains("aws/us-east-1/demo") && table.err.contains("; 2 refused"), "{}", table.err);
    assert!(table.err.contains("aws/eu-west-3: "), "{}", table.err);
    // Without credentials there is nothing but what is recorded, and the code says why.
    let mut signed_out = world.home.command();
    signed_out.env("KUBEWRIGHT_HOME", world.home.path().join("kw/sandbox")).env("AWS_EC2_METADATA_DISABLED", "true");
    let said = crate::support::Said::of(signed_out.args(["status", "--all", "-o", "json"])).expect(3);
    let doc = said.json();
    assert_eq!((&doc["error"]["class"], &doc["regions"]["read"]), (&"auth".into(), &0.into()), "{doc:#}");
    assert_eq!((&row(&doc, "demo")["phase"], &row(&doc, "demo")["cloudStatus"]), (&"ready".into(), &Value::Null));
    let reaped = crate::support::Said::of(world.home.command().env("AWS_EC2_METADATA_DISABLED", "true").args([
        "reap",
        "--provider",
        "aws",
        "-o",
        "json",
    ]));
    let doc = reaped.expect(3).json();
    assert_eq!((&doc["error"]["class"], &doc["complete"]), (&"auth".into(), &false.into()), "{doc:#}");
    assert!(doc["error"]["hints"].to_string().contains("--sandbox"), "{doc:#}");
}
