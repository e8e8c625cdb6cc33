//! A cluster's life in the sandbox, through the real binary.

use crate::support::Home;

const PLACE: [&str; 4] = ["--provider", "aws", "--region", "us-east-1"];

fn with_place<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(PLACE).collect()
}

#[test]
fn built_once_changed_never_destroyed_to_nothing() {
    let home = Home::new();
    let built = home.rehearse(&with_place(&["provision", "demo", "--yes", "-o", "json"])).expect(0).json();
    assert_eq!(
        (&built["schema"], &built["outcome"], &built["sandbox"]),
        (&"kubewright.provision/v1".into(), &"created".into(), &true.into())
    );
    assert_eq!(built["audit"]["clean"], true);
    assert_eq!(built["usdPerHour"], 0.3338);
    assert_eq!(built["cluster"]["nodesReady"], built["cluster"]["nodesWanted"]);
    let calls = built["mutatingCalls"].as_u64().unwrap();
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["requests"]["mutating"].as_u64(), Some(calls), "engine and sandbox count alike");

    let again = home.rehearse(&["provision", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["requests"]["mutating"].as_u64(), Some(calls));

    let changed = home.rehearse(&["provision", "demo", "--nodes", "5", "--yes"]).expect(8);
    assert!(changed.err.contains("nodePools.default.count 2 -> 5"), "{}", changed.err);

    home.rehearse(&["status", "demo", "--check"]).expect(0);
    home.rehearse(&["protect", "demo", "on"]).expect(0);
    assert!(home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(8).err.contains("protect demo off"));
    home.rehearse(&["protect", "demo", "off"]).expect(0);

    let unasked = home.rehearse(&["destroy", "demo", "--yes"]).expect(7);
    assert!(unasked.err.contains("--confirm demo"), "{}", unasked.err);
    let gone = home.rehearse(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&gone["outcome"], &gone["usdPerHourRemaining"]), (&"destroyed".into(), &0.0.into()));
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["totals"]["objects"], 0, "{shown:#}");
    let twice = home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert!(twice.err.contains("already gone (proved "), "{}", twice.err);
}

#[test]
fn another_machine_is_refused_until_it_recovers() {
    let home = Home::new();
    home.rehearse(&with_place(&["provision", "demo", "--yes", "--wait", "cloud"])).expect(0);
    std::fs::remove_dir_all(home.path().join("kw/sandbox/stacks")).unwrap();
    let taken = home.rehearse(&with_place(&["provision", "demo", "--yes", "-o", "json"])).expect(8).json();
    assert_eq!(taken["error"]["id"], "KW-NAME-TAKEN");
    home.rehearse(&with_place(&["recover", "demo"])).expect(0);
    let again = home.rehearse(&["provision", "demo", "--wait", "cloud", "-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
}

#[test]
fn the_plan_is_kept_or_refused() {
    let home = Home::new();
    let plan = home.rehearse(&with_place(&["provision", "demo", "--dry-run", "-o", "json"])).expect(0).json();
    assert_eq!(plan["schema"], "kubewright.plan/v1");
    let hash = plan["planHash"].as_str().unwrap().to_owned();
    let twin = home.rehearse(&with_place(&["provision", "demo", "--dry-run", "-o", "json"])).expect(0).json();
    assert_eq!(twin["planHash"], hash.as_str(), "the same wish has the same hash");
    let other =
        home.rehearse(&with_place(&["provision", "demo", "--nodes", "3", "--yes", "--expect-plan", &hash])).expect(8);
    assert!(other.err.contains("KW-PLAN-CHANGED"), "{}", other.err);
    let dear = home.rehearse(&with_place(&["provision", "demo", "--yes", "--max-hourly-cost", "0.10"])).expect(6);
    assert!(dear.err.contains("KW-BUDGET") && dear.out.contains("control plane"), "{}\n{}", dear.err, dear.out);
    assert!(dear.err.contains("nothing was created") && dear.err.contains("--override-budget"), "{}", dear.err);
    let unasked = home.rehearse(&with_place(&["provision", "demo"])).expect(7);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["requests"]["mutating"], 0, "nothing was made");
    assert!(!home.path().join("kw/sandbox/stacks").exists(), "nothing was recorded");
}

#[test]
fn events_own_stdout_and_end_with_the_document() {
    let home = Home::new();
    let said =
        home.rehearse(&with_place(&["provision", "demo", "--yes", "--events", "-", "--wait", "cloud"])).expect(0);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 40, "{}", said.out);
    let (last, events) = lines.split_last().unwrap();
    assert_eq!((&last["schema"], &last["event"]), (&"kubewright.provision/v1".into(), &"document".into()));
    assert!(events.iter().all(|event| event["schema"] == "kubewright.event/v1" && event["sandbox"] == true));
}

/// A server, until dropped.
struct Serving(std::process::Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(file: &std::path::Path) {
    let began = std::time::Instant::now();
    while !file.exists() {
        assert!(began.elapsed().as_secs() < 60, "{} never came", file.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Killed while the control plane is being made, which may not be deleted then, and whose security group stands already.
#[test]
fn a_control_plane_in_the_making_goes_without_its_journal() {
    let home = Home::new();
    let ready = home.path().join("ready");
    let mut serve = home.command();
    // The second route is the one through the NAT gateway, minutes after CreateCluster.
    serve.args(["sandbox", "serve", "--fault", "ec2:CreateRoute=hold-after@2", "--ready-file"]).arg(&ready);
    serve.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let _serving = Serving(serve.spawn().unwrap());
    wait_for(&ready);
    let mut build = home.command();
    build.arg("--sandbox").args(with_place(&["provision", "demo", "--yes"]));
    build.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut build = Serving(build.spawn().unwrap());
    wait_for(&home.path().join("kw/sandbox/holds/1.json"));
    build.0.kill().unwrap();
    build.0.wait().unwrap();
    std::fs::remove_dir_all(home.path().join("kw/sandbox/stacks")).unwrap();
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    let stands = |kind: &str, by: &str| {
        let same = |it: &&serde_json::Value| it["kind"] == kind && it["createdBy"] == by;
        shown["objects"].as_array().unwrap().iter().find(same).map(|it| it["state"].clone())
    };
    assert_eq!(stands("cluster", "api"), Some("CREATING".into()));
    assert!(stands("security-group", "controller").is_some(), "{shown:#}");

    home.rehearse(&with_place(&["destroy", "demo", "--confirm", "demo"])).expect(0);
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["totals"]["objects"], 0, "{shown:#}");
}
