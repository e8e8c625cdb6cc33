//! What an account may not have and what the cloud has none left of: told before anything is made where that can be
//! known, and answered with another wish where it cannot.

use super::rig::{BUILD, CONTINUE, Ordeal};

/// A limit is refused before the first write, with the request that raises it.
fn is_refused(quota: &str, service: &str, more: &[&str]) {
    let ordeal = Ordeal::with(&[("KUBEWRIGHT_SANDBOX_QUOTA", quota)]);
    let words: Vec<&str> = BUILD.iter().chain(more).copied().collect();
    let said = ordeal.run(&words).expect(5);
    let error = &said.json()["error"];
    assert_eq!((&error["id"], &error["class"]), (&"KW-AWS-QUOTA".into(), &"quota".into()), "{quota}: {error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(" needed, ") && message.ends_with("nothing was created"), "{quota}: {message}");
    assert!(!message.contains("-0"), "{message}");
    let (code, _) = quota.split_once('=').unwrap();
    let raise = format!("request-service-quota-increase --service-code {service} --quota-code {code} --desired-value");
    assert!(error["hints"].to_string().contains(&raise), "{quota}: {error:#}");
    let world = ordeal.world();
    assert_eq!((world.objects(), world.mutations()), (0, 0), "{quota}: something was made");
}

#[test]
fn every_limit_that_is_read_is_refused_before_the_first_write() {
    for (quota, service) in [
        ("L-F678F1CE=1", "vpc"),
        ("L-A4707A72=1", "vpc"),
        ("L-0263D0A3=0", "ec2"),
        ("L-FE5A380F=0", "vpc"),
        ("L-1194D53C=0", "eks"),
        ("L-6D54EA21=0", "eks"),
        ("L-BD136A63=1", "eks"),
        ("L-1216C47A=3", "ec2"),
        ("L-FE177D64=2", "iam"),
    ] {
        is_refused(quota, service, &[]);
    }
    is_refused("L-34B43A08=3", "ec2", &["--pool", "name=default,spot"]);
}

#[test]
fn a_quota_found_late_stops_with_what_is_made_and_goes_on_when_raised() {
    // What others took meanwhile: preflight had read a higher limit.
    let mut ordeal = Ordeal::with(&[
        ("KUBEWRIGHT_SANDBOX_QUOTA", "L-1216C47A=3"),
        ("KUBEWRIGHT_SANDBOX_FAULT", "servicequotas:*=error-before"),
    ]);
    let said = ordeal.run(&BUILD).expect(9);
    let doc = said.json();
    assert_eq!((&doc["error"]["id"], &doc["error"]["step"]), (&"KW-AWS-QUOTA".into(), &"nodes/pool/default".into()));
    assert!(doc["error"]["message"].as_str().unwrap().contains("VcpuLimitExceeded"), "{}", said.err);
    assert!(said.err.contains("running: ") && said.err.contains("/h"), "{}", said.err);
    assert!(doc["error"]["hints"].to_string().contains("request-service-quota-increase"), "{}", said.err);
    ordeal.now(&[]);
    assert_eq!(ordeal.run(&CONTINUE).expect(0).json()["outcome"], "resumed");
    ordeal.world().has_nothing_twice();
    ordeal.is_destroyed();
}

#[test]
fn no_room_for_a_control_plane_is_told() {
    let mut ordeal = Ordeal::under("eks:CreateCluster=capacity");
    let said = ordeal.run(&BUILD).expect(9);
    let error = &said.json()["error"];
    assert_eq!((&error["id"], &error["class"]), (&"KW-AWS-CAPACITY".into(), &"capacity".into()), "{error:#}");
    ordeal.now(&[]);
    assert_eq!(ordeal.run(&CONTINUE).expect(0).json()["outcome"], "resumed");
    ordeal.is_destroyed();
}

#[test]
fn a_sold_out_machine_is_answered_with_another() {
    let mut ordeal = Ordeal::with(&[("KUBEWRIGHT_SANDBOX_SOLD_OUT", "m6a.large")]);
    let said = ordeal.run(&BUILD).expect(9);
    let doc = said.json();
    let error = &doc["error"];
    assert_eq!((&error["id"], &error["class"]), (&"KW-AWS-CAPACITY".into(), &"capacity".into()), "{error:#}");
    assert_eq!(error["step"], "nodes/pool/default");
    assert!(error["message"].as_str().unwrap().contains("InsufficientInstanceCapacity"), "{error:#}");
    assert!(error["hints"].to_string().contains("--node-type"), "{error:#}");
    assert!(said.err.contains("running: ") && said.err.contains("/h"), "{}", said.err);
    let made = |doc: &serde_json::Value, step: &str| {
        let all = doc["resources"].as_array().unwrap();
        all.iter().find(|res| res["step"] == step).map(|res| res["id"].clone()).unwrap()
    };
    let other: Vec<&str> = CONTINUE.iter().copied().chain(["--node-type", "t3.large"]).collect();
    let before = ordeal.world().mutations();
    let built = ordeal.run(&other).expect(0).json();
    assert_eq!(built["outcome"], "resumed");
    for step in ["network/vpc", "cluster", "iam/node-role", "network/nat/a"] {
        assert_eq!(made(&doc, step), made(&built, step), "{step} is the one that was made");
    }
    let world = ordeal.world();
    world.has_nothing_twice();
    assert_eq!(Some(world.mutations() - before), built["mutatingCalls"].as_u64(), "both count alike");
    // Another machine that takes over learns of the other type, not of the first wish.
    std::fs::remove_dir_all(ordeal.home().join("kw/sandbox/stacks")).unwrap();
    ordeal.now(&[]);
    ordeal.run(&["recover", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(0);
    let plan = ordeal.run(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    assert_eq!(plan["spec"]["nodePools"][0]["instanceType"], "t3.large", "{plan:#}");
    let again = ordeal.run(&CONTINUE).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    ordeal.is_destroyed();
}

#[test]
fn conditions_that_name_nothing_are_refused() {
    for (name, value) in [
        ("KUBEWRIGHT_SANDBOX_QUOTA", "L-NOPE=1"),
        ("KUBEWRIGHT_SANDBOX_SOLD_OUT", "m6a.tiny"),
        ("KUBEWRIGHT_SANDBOX_LAG", "soon"),
        ("KUBEWRIGHT_SANDBOX_IAM_LAG", "soon"),
        ("KUBEWRIGHT_SANDBOX_FAULT", "eks:CreateCluster=fail-sometimes"),
    ] {
        let said = Ordeal::with(&[(name, value)]).run(&["status"]).expect(2);
        assert!(said.err.contains("KW-USAGE"), "{name}: {}", said.err);
    }
}

#[test]
fn a_reset_world_keeps_what_it_was_told() {
    let ordeal = Ordeal::with(&[]);
    ordeal.plainly(&["sandbox", "reset", "--quota", "L-0263D0A3=0"]).expect(0);
    ordeal.run(&BUILD).expect(5);
    ordeal.plainly(&["sandbox", "reset", "--sold-out", "m6a.tiny"]).expect(2);
    ordeal.plainly(&["sandbox", "reset"]).expect(0);
    ordeal.run(&["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--dry-run"]).expect(0);
}
