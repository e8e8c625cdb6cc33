//! Containers that only look as if they ran, and what clients watch.

use super::rig::{Bench, JOBS, PODS, holds, is_running, log_of, path_of, terminated};
use serde_json::{Value, json};

fn revision(row: &Value) -> u64 {
    row["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_watch_goes_on_where_another_ended() {
    let bench = Bench::new("simulated");
    let list = bench.get(JOBS);
    let from = revision(&list);
    bench.make("a", "true", &json!({"suspend": true}), &json!({}));
    let path = |from: u64| format!("{JOBS}?watch=true&allowWatchBookmarks=true&resourceVersion={from}");
    let events = bench.watch(&path(from), |event| holds(&event["object"], "Suspended", "JobSuspended"));
    assert_eq!(events[0]["type"], "ADDED");
    let from = revision(&events.last().unwrap()["object"]);
    bench.make("b", "true", &json!({"suspend": true}), &json!({}));
    bench.ask("PATCH", &format!("{JOBS}/a"), &json!({"metadata": {"labels": {"x": "y"}}}));
    // Cut off after any event, a client goes on from its revision: nothing twice, nothing left out.
    let labelled = |event: &Value| event["object"]["metadata"]["labels"]["x"] == "y";
    let events = bench.watch(&path(from), labelled);
    let named: Vec<&Value> = events.iter().map(|event| &event["object"]["metadata"]["name"]).collect();
    assert!(named.contains(&&json!("b")) && events.iter().all(|event| revision(&event["object"]) > from), "{events:?}");
    bench.ask("DELETE", &format!("{JOBS}/b"), &json!({"propagationPolicy": "Background"}));
    let from = revision(&events.last().unwrap()["object"]);
    let events = bench.watch(&path(from), |event| event["type"] == "DELETED");
    assert_eq!((events.len(), &events[0]["object"]["metadata"]["name"]), (1, &json!("b")));
    let whole =
        format!("{JOBS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    let events = bench.watch(&whole, |event| event["type"] == "BOOKMARK");
    assert_eq!((events.len(), &events[0]["object"]["metadata"]["name"]), (2, &json!("a")));
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let events = bench.watch(&format!("{JOBS}?watch=true&resourceVersion=1"), |_| true);
    assert_eq!((&events[0]["type"], &events[0]["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[test]
fn two_watches_do_not_see_each_others_objects() {
    let bench = Bench::new("simulated");
    bench.make("a", "true", &json!({"suspend": true}), &json!({}));
    bench.make("b", "true", &json!({"suspend": true}), &json!({}));
    let select = |name: &str| format!("fieldSelector=metadata.name%3D{name}");
    // Both lists are of one revision; what one client knows is not what the other knows.
    let of_a = bench.get(&format!("{JOBS}?{}", select("a")));
    let of_b = bench.get(&format!("{JOBS}?{}", select("b")));
    assert_eq!(revision(&of_a), revision(&of_b));
    bench.ask("PATCH", &format!("{JOBS}/a"), &json!({"metadata": {"labels": {"x": "y"}}}));
    let path = format!("{JOBS}?watch=true&{}&resourceVersion={}", select("a"), revision(&of_a));
    let events = bench.watch(&path, |_| true);
    assert_eq!((&events[0]["type"], &events[0]["object"]["metadata"]["name"]), (&json!("MODIFIED"), &json!("a")));
}

#[test]
fn simulated_containers_end_as_they_are_asked_to() {
    let bench = Bench::new("simulated");
    let says = |key: &str, value: &str| json!({format!("sandbox.kubewright.dev/{key}"): value});
    let spec = json!({"completionMode": "Indexed", "completions": 3, "backoffLimitPerIndex": 0});
    bench.make("fails", "true", &spec, &says("exit-code", "7"));
    bench.make("oom", "true", &json!({"backoffLimit": 0}), &says("fail", "OOMKilled"));
    bench.make("absent", "true", &json!({}), &says("fail", "ImagePull"));
    bench.make("talks", "true", &json!({}), &says("log", "one\ntwo"));
    let over = bench.until_job("fails", |job| holds(job, "Failed", "FailedIndexes"));
    assert_eq!((&over["status"]["failedIndexes"], &over["status"]["failed"]), (&json!("0-2"), &json!(3)));
    let pod = bench.until_pod("oom", |pod| !terminated(pod).is_null());
    assert_eq!(terminated(&pod)["reason"], "OOMKilled");
    let waits = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff";
    let pod = bench.until_pod("absent", waits);
    assert_eq!(pod["status"]["phase"], "Pending");
    let refused = bench.text("GET", &log_of(&pod, "follow=true"), &Value::Null).unwrap_err();
    assert!(
        refused.0 == 400 && refused.1.ends_with("is waiting to start: trying and failing to pull image"),
        "{refused:?}"
    );
    bench.ask("DELETE", &path_of(&pod), &json!({"gracePeriodSeconds": 0}));
    let pod = bench.until_pod("talks", |pod| is_running(pod) || !terminated(pod).is_null());
    assert_eq!(bench.lines(&log_of(&pod, "follow=true"), |_| false), ["one", "two"]);
    let exec = bench.text("POST", &format!("{}/exec?command=sh", path_of(&pod)), &Value::Null).unwrap_err();
    assert_eq!(exec.0, 501, "{exec:?}");
    assert!(bench.get(PODS)["items"].as_array().unwrap().len() >= 6);
}
