//! `status` and `history`: what is so, what is waited for, what changed behind our back, and what is known without a cloud.

use super::rig::World;
use crate::support::Said;
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

#[test]
fn a_finished_cluster_is_looked_at_from_all_sides() {
    let mut world = World::new();
    world.go(&["provision", "demo", "--yes", "--ttl", "8h"]).expect(0);
    let ready = world.go(&["status", "demo", "--wait", "ready", "--timeout", "20m"]).expect(0);
    assert!(ready.out.contains("demo  aws/us-east-1  ready"), "{}", ready.out);
    let late = world.go(&["status", "demo", "--wait", "deleted", "--timeout", "2m"]).expect(124);
    assert!(late.err.contains("KW-TIMEOUT"), "{}", late.err);
    assert_eq!(world.go(&["status", "-o", "name"]).expect(0).out, "demo\n");
    world.go(&["status", "demo", "--check"]).expect(0);
    let doc = world.go(&["status", "demo", "-o", "json"]).expect(0).json();
    let cluster = &doc["clusters"][0];
    assert_eq!(
        (&doc["complete"], &cluster["phase"], &cluster["reachable"]),
        (&true.into(), &"ready".into(), &true.into())
    );
    assert_eq!((&cluster["nodePools"][0]["ready"], &cluster["nodePools"][0]["desired"]), (&2.into(), &2.into()));
    assert_eq!(cluster["drift"], serde_json::json!([]));
    assert!(cluster["accruedUsd"].as_f64().unwrap() > 0.0 && cluster["expiresAt"].is_string(), "{cluster:#}");

    // Watching ends by Ctrl-C.
    let mut watch = world.command();
    let mut watch =
        watch.args(["status", "demo", "--watch"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("demo  aws/us-east-1  ready"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(watch.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(130));

    // Somebody deletes what is ours.
    let endpoint = world.standing("vpc-endpoint")[0].id.clone();
    world.wait(world.ec2().delete_vpc_endpoints().vpc_endpoint_ids(&endpoint).send()).unwrap();
    world.minutes(10);
    let said = world.go(&["status", "demo", "--check"]).expect(10);
    assert!(said.out.contains("UNHEALTHY") && said.out.contains(&format!("{endpoint} missing")), "{}", said.out);
    let doc = world.go(&["status", "demo", "--check", "-o", "json"]).expect(10).json();
    assert_eq!((&doc["clusters"][0]["phase"], &doc["error"]["id"]), (&"degraded".into(), &"KW-CHECK".into()));
    assert_eq!(doc["clusters"][0]["drift"][0]["id"], endpoint.as_str());
    // Without consent it is told of and left; with it, it is made anew.
    let calls = world.show().requests.mutating;
    let told = world.go(&["provision", "demo"]);
    assert!(told.code != 0 && told.err.contains("KW-DRIFT") && told.err.contains(&endpoint), "{}", told.err);
    assert_eq!(world.show().requests.mutating, calls);
    let mended = world.go(&["provision", "demo", "--yes", "-o", "json"]).expect(0).json();
    assert_eq!(mended["mutatingCalls"].as_u64(), Some(world.show().requests.mutating - calls));
    world.go(&["status", "demo", "--check"]).expect(0);

    // The journal alone, with neither network nor server.
    world.stop();
    let offline = |words: &[&str]| {
        let mut command = world.home.command();
        command.env("KUBEWRIGHT_HOME", world.home.path().join("kw/sandbox")).args(words);
        Said::of(&mut command)
    };
    let local = offline(&["status", "demo", "--local"]).expect(0);
    assert!(local.out.contains("demo  aws/us-east-1  ready*") && local.out.contains("not asked"), "{}", local.out);
    assert!(!local.out.contains("SANDBOX"), "nothing says so here");
    let history = offline(&["history", "demo", "-o", "json"]).expect(0).json();
    let events = history["events"].as_array().unwrap();
    assert_eq!(events[0]["event"], "planned");
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no line is left out");
    // The cloud does not answer: the last known state, and the code says that it is only that.
    let mut dead = world.home.command();
    dead.env("KUBEWRIGHT_HOME", world.home.path().join("kw/sandbox"))
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "example")
        .args(["status", "demo"]);
    let said = Said::of(&mut dead).expect(11);
    assert!(said.out.contains("demo  aws/us-east-1  ready*"), "{}", said.out);
    assert!(!said.err.contains("nothing was changed"), "a look promises nothing: {}", said.err);
}
