//! Jobs as clients meet them: made, run by simulated pods, ended, cleaned up.

use super::super::tests::{ask, furnished, get};
use crate::sandbox::aws::eks::tests::Bench;
use serde_json::{Value, json};
use std::time::Duration;

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn job(name: &str, annotations: Value, spec: Value) -> Value {
    let mut whole = json!({"metadata": {"name": name}, "spec": {"template": {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]},
    }}});
    for (key, value) in spec.as_object().cloned().unwrap_or_default() {
        whole["spec"][key] = value;
    }
    whole
}

fn make(bench: &mut Bench, job: Value) -> Value {
    let (code, made) = ask(bench, "POST", JOBS, job);
    assert_eq!(code, 201, "{made}");
    made
}

fn pods(bench: &mut Bench) -> Vec<Value> {
    get(bench, PODS)["items"].as_array().expect("a list").clone()
}

fn conditions(job: &Value) -> Vec<(String, String)> {
    let all = job["status"]["conditions"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.filter(|it| it["status"] == "True").map(|it| (text(&it["type"]), text(&it["reason"]))).collect()
}

fn reasons(bench: &mut Bench) -> Vec<String> {
    let events = get(bench, "/api/v1/namespaces/default/events");
    let all = events["items"].as_array().expect("a list");
    all.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_job_runs_to_its_end_and_goes_with_its_ttl() {
    let mut bench = furnished();
    let made = make(&mut bench, job("train", json!({}), json!({"ttlSecondsAfterFinished": 120})));
    assert_eq!((&made["spec"]["backoffLimit"], &made["spec"]["completionMode"]), (&json!(6), &json!("NonIndexed")));
    bench.minutes(1);
    let done = get(&mut bench, &format!("{JOBS}/train"));
    assert_eq!(done["status"]["succeeded"], 1);
    assert!(conditions(&done).contains(&("Complete".to_owned(), "CompletionsReached".to_owned())), "{done}");
    let of_it = pods(&mut bench);
    assert_eq!(of_it.len(), 1);
    assert_eq!(of_it[0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert!(of_it[0]["spec"]["nodeName"].is_string());
    let said = reasons(&mut bench);
    for reason in ["SuccessfulCreate", "Scheduled", "Pulling", "Started", "Completed"] {
        assert!(said.iter().any(|it| it == reason), "{reason} is not among {said:?}");
    }
    // A parsed Job and a parsed Pod: what clients' types make of it.
    serde_json::from_value::<k8s_openapi::api::batch::v1::Job>(done).expect("a Job");
    serde_json::from_value::<k8s_openapi::api::core::v1::Pod>(of_it[0].clone()).expect("a Pod");
    bench.minutes(3);
    assert_eq!(ask(&mut bench, "GET", &format!("{JOBS}/train"), Value::Null).0, 404);
    assert!(pods(&mut bench).is_empty(), "they go with their Job");
}

#[test]
fn failures_are_tried_again_until_the_limit() {
    let mut bench = furnished();
    let fails = json!({"sandbox.kubewright.dev/exit-code": "7"});
    make(&mut bench, job("fails", fails, json!({"backoffLimit": 1})));
    bench.minutes(3);
    let over = get(&mut bench, &format!("{JOBS}/fails"));
    assert!(conditions(&over).contains(&("Failed".to_owned(), "BackoffLimitExceeded".to_owned())), "{over}");
    assert_eq!(over["status"]["failed"], 2);
    let codes: Vec<Value> = pods(&mut bench)
        .iter()
        .map(|pod| pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"].clone())
        .collect();
    assert_eq!(codes, [json!(7), json!(7)]);
}

#[test]
fn a_failure_policy_ends_it_at_once() {
    let mut bench = furnished();
    let rules = json!({"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]});
    let fails = json!({"sandbox.kubewright.dev/exit-code": "42"});
    make(&mut bench, job("strict", fails, json!({"podFailurePolicy": rules})));
    bench.minutes(2);
    let over = get(&mut bench, &format!("{JOBS}/strict"));
    assert!(conditions(&over).contains(&("Failed".to_owned(), "PodFailurePolicy".to_owned())), "{over}");
    assert_eq!(over["status"]["failed"], 1);
}

#[test]
fn every_index_has_its_pod() {
    let mut bench = furnished();
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 2});
    make(&mut bench, job("array", json!({}), spec));
    bench.minutes(2);
    let over = get(&mut bench, &format!("{JOBS}/array"));
    assert_eq!(over["status"]["completedIndexes"], "0-2", "{over}");
    let mut hosts: Vec<String> =
        pods(&mut bench).iter().map(|pod| pod["spec"]["hostname"].as_str().unwrap_or_default().to_owned()).collect();
    hosts.sort();
    assert_eq!(hosts, ["array-0", "array-1", "array-2"]);
}

#[test]
fn a_deadline_ends_what_runs() {
    let mut bench = furnished();
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    make(&mut bench, job("slow", long, json!({"activeDeadlineSeconds": 60})));
    bench.minutes(2);
    let over = get(&mut bench, &format!("{JOBS}/slow"));
    assert!(conditions(&over).contains(&("Failed".to_owned(), "DeadlineExceeded".to_owned())), "{over}");
    assert_eq!(over["status"]["failed"], 1, "what still ran has failed");
    assert!(pods(&mut bench).is_empty(), "what ran was ended and is gone");
}

#[test]
fn a_job_is_over_when_its_last_pod_is() {
    let mut bench = furnished();
    let at = format!("{JOBS}/slow");
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    make(&mut bench, job("slow", long, json!({"activeDeadlineSeconds": 60})));
    bench.pass(Duration::from_secs(59));
    assert_eq!(conditions(&get(&mut bench, &at)), []);
    // Its pod ends half a second after it is told, or later.
    bench.pass(Duration::from_millis(1_200));
    let ending = get(&mut bench, &at);
    let said = [("FailureTarget".to_owned(), "DeadlineExceeded".to_owned())];
    assert_eq!((conditions(&ending).as_slice(), &ending["status"]["terminating"]), (&said[..], &json!(1)), "{ending}");
    let pod = pods(&mut bench).remove(0);
    assert!(pod["metadata"]["deletionTimestamp"].is_string() && pod["status"]["phase"] == "Running", "{pod}");
    bench.pass(Duration::from_secs(3));
    let over = get(&mut bench, &at);
    assert!(conditions(&over).contains(&("Failed".to_owned(), "DeadlineExceeded".to_owned())), "{over}");
    assert_eq!(over["status"]["terminating"], 0);
}

#[test]
fn enough_successes_end_the_rest() {
    let mut bench = furnished();
    let policy = json!({"rules": [{"succeededIndexes": "0", "succeededCount": 1}]});
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 1, "successPolicy": policy});
    make(&mut bench, job("leader", json!({}), spec));
    bench.minutes(2);
    let over = get(&mut bench, &format!("{JOBS}/leader"));
    assert!(conditions(&over).contains(&("Complete".to_owned(), "SuccessPolicy".to_owned())), "{over}");
    assert_eq!((&over["status"]["succeeded"], &over["status"]["failed"]), (&json!(1), &Value::Null));
}

#[test]
fn fewer_at_once_ends_those_that_are_too_many() {
    let mut bench = furnished();
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    make(&mut bench, job("many", long, json!({"completions": 3, "parallelism": 3})));
    bench.minutes(1);
    assert_eq!(pods(&mut bench).len(), 3);
    let at = format!("{JOBS}/many");
    assert_eq!(ask(&mut bench, "PATCH", &at, json!({"spec": {"parallelism": 1}})).0, 200);
    bench.minutes(1);
    let row = get(&mut bench, &at);
    assert_eq!((pods(&mut bench).len(), &row["status"]["active"]), (1, &json!(1)));
    assert_eq!(row["status"]["failed"], Value::Null, "they count for nothing");
    assert_eq!(ask(&mut bench, "PATCH", &at, json!({"spec": {"suspend": true}})).0, 200);
    bench.minutes(1);
    let row = get(&mut bench, &at);
    assert!(pods(&mut bench).is_empty() && row["status"]["active"].is_null() && row["status"]["failed"].is_null());
}

#[test]
fn a_pod_that_is_deleted_has_failed_and_is_replaced() {
    let mut bench = furnished();
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    make(&mut bench, job("a", long, json!({})));
    bench.minutes(1);
    let first = pods(&mut bench).remove(0);
    assert_eq!(first["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
    let path = format!("{PODS}/{}", first["metadata"]["name"].as_str().unwrap_or_default());
    let (code, told) = ask(&mut bench, "DELETE", &path, Value::Null);
    assert_eq!((code, &told["metadata"]["deletionGracePeriodSeconds"]), (200, &json!(30)), "{told}");
    assert_eq!(ask(&mut bench, "DELETE", &path, json!({"gracePeriodSeconds": 0})).0, 200);
    assert_eq!(ask(&mut bench, "GET", &path, Value::Null).0, 404, "nobody waits for it any more");
    bench.minutes(1);
    let left = pods(&mut bench);
    assert_eq!(left.len(), 1);
    assert_ne!(left[0]["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(get(&mut bench, &format!("{JOBS}/a"))["status"]["failed"], 1);
}

#[test]
fn suspended_jobs_have_no_pods() {
    let mut bench = furnished();
    make(&mut bench, job("later", json!({}), json!({"suspend": true})));
    bench.minutes(1);
    assert!(pods(&mut bench).is_empty());
    let at = format!("{JOBS}/later");
    assert!(conditions(&get(&mut bench, &at)).contains(&("Suspended".to_owned(), "JobSuspended".to_owned())));
    assert_eq!(ask(&mut bench, "PATCH", &at, json!({"spec": {"suspend": false}})).0, 200);
    bench.minutes(1);
    assert_eq!(get(&mut bench, &at)["status"]["succeeded"], 1);
}

#[test]
fn what_no_node_has_room_for_waits_and_says_why() {
    let mut bench = furnished();
    let mut wide = job("wide", json!({}), json!({}));
    wide["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "500"}});
    make(&mut bench, wide);
    bench.minutes(1);
    let waiting = pods(&mut bench).remove(0);
    assert_eq!(waiting["status"]["phase"], "Pending");
    let said = waiting["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.starts_with("0/2 nodes are available: 2 Insufficient cpu"), "{said}");
    assert!(reasons(&mut bench).contains(&"FailedScheduling".to_owned()));
}

#[test]
fn what_belongs_to_a_job_goes_with_it_or_is_left_as_asked() {
    let mut bench = furnished();
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    let made = make(&mut bench, job("a", long.clone(), json!({})));
    let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": made["metadata"]["uid"]}]);
    let secret = json!({"metadata": {"name": "a-env", "ownerReferences": owner}, "stringData": {"K": "v"}});
    assert_eq!(ask(&mut bench, "POST", "/api/v1/namespaces/default/secrets", secret).0, 201);
    bench.minutes(1);
    let at = format!("{JOBS}/a");
    let wrong = json!({"preconditions": {"uid": "another"}});
    assert_eq!(ask(&mut bench, "DELETE", &at, wrong).0, 409, "another of its name");
    let background = json!({"propagationPolicy": "Background"});
    assert_eq!(ask(&mut bench, "DELETE", &at, background).0, 200);
    assert_eq!(ask(&mut bench, "GET", "/api/v1/namespaces/default/secrets/a-env", Value::Null).0, 404);
    bench.minutes(1);
    assert!(pods(&mut bench).is_empty());
    make(&mut bench, job("c", long.clone(), json!({})));
    bench.minutes(1);
    let foreground = json!({"propagationPolicy": "Foreground"});
    assert_eq!(ask(&mut bench, "DELETE", &format!("{JOBS}/c"), foreground).0, 200);
    let waits = get(&mut bench, &format!("{JOBS}/c"));
    assert_eq!(waits["metadata"]["finalizers"], json!(["foregroundDeletion"]), "its pod goes first");
    bench.minutes(1);
    assert_eq!(ask(&mut bench, "GET", &format!("{JOBS}/c"), Value::Null).0, 404);
    assert!(pods(&mut bench).is_empty());
    assert_eq!(ask(&mut bench, "DELETE", &at, json!({"propagationPolicy": "Later"})).0, 422);
    make(&mut bench, job("b", long, json!({})));
    bench.minutes(1);
    assert_eq!(ask(&mut bench, "DELETE", &format!("{JOBS}/b"), Value::Null).0, 200);
    let left = pods(&mut bench);
    assert_eq!((left.len(), &left[0]["metadata"]["ownerReferences"]), (1, &json!([])), "orphans, as batch/v1 has it");
    assert_eq!(left[0]["metadata"]["finalizers"], json!([]), "nobody counts them");
}

#[test]
fn a_secret_that_is_not_there_yet_is_waited_for() {
    let mut bench = furnished();
    let mut asks = job("asks", json!({}), json!({}));
    asks["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "late"}}]);
    make(&mut bench, asks);
    bench.minutes(1);
    let state = pods(&mut bench).remove(0)["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(state["reason"], "CreateContainerConfigError");
    assert_eq!(state["message"], "secret \"late\" not found");
    let secret = json!({"metadata": {"name": "late"}, "stringData": {"K": "v"}});
    assert_eq!(ask(&mut bench, "POST", "/api/v1/namespaces/default/secrets", secret).0, 201);
    bench.minutes(1);
    assert_eq!(get(&mut bench, &format!("{JOBS}/asks"))["status"]["succeeded"], 1);
}

#[test]
fn what_is_not_simulated_or_not_allowed_is_refused() {
    let mut bench = furnished();
    let mut said = |change: fn(&mut Value)| {
        let mut asked = job("bad", json!({}), json!({}));
        change(&mut asked);
        let (code, body) = ask(&mut bench, "POST", JOBS, asked);
        (code, body["message"].as_str().unwrap_or_default().to_owned())
    };
    let refused = said(|job| job["spec"]["template"]["spec"]["restartPolicy"] = json!("Always"));
    assert!(refused.0 == 422 && refused.1.contains("valid values: \"OnFailure\", \"Never\""), "{refused:?}");
    let refused = said(|job| job["spec"]["completionMode"] = json!("Indexed"));
    assert!(refused.0 == 422 && refused.1.contains("spec.completions: Required"), "{refused:?}");
    let refused = said(|job| job["spec"]["backoffLimitPerIndex"] = json!(1));
    assert!(refused.0 == 422 && refused.1.contains("indexed completion mode"), "{refused:?}");
    let refused = said(|job| job["spec"]["successPolicy"] = json!({"rules": [{"succeededCount": 1}]}));
    assert!(refused.0 == 422 && refused.1.contains("indexed completion mode"), "{refused:?}");
    let refused = said(|job| job["spec"]["managedBy"] = json!("example.com/other"));
    assert!(refused.0 == 501 && refused.1.contains("managed by others"), "{refused:?}");
    let refused = said(|job| {
        let codes = json!({"operator": "In", "values": [1]});
        job["spec"]["podFailurePolicy"] = json!({"rules": [{"action": "Ignore", "onExitCodes": codes}]});
        job["spec"]["podReplacementPolicy"] = json!("TerminatingOrFailed");
    });
    assert!(refused.0 == 422 && refused.1.contains("supported values: \"Failed\""), "{refused:?}");
    let refused = said(|job| job["spec"]["podFailurePolicy"] = json!({"rules": [{"action": "Ignore"}]}));
    assert!(refused.0 == 422 && refused.1.contains("one of OnExitCodes and OnPodConditions"), "{refused:?}");
    let refused = said(|job| job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure"));
    assert_eq!(refused.0, 501);
    let refused = said(|job| job["metadata"]["name"] = json!("x".repeat(64)));
    assert!(refused.0 == 422 && refused.1.contains("63"), "{refused:?}");
}

#[test]
fn numbers_beyond_all_calendars_end_nothing_but_are_taken() {
    let mut bench = furnished();
    let long = json!({"sandbox.kubewright.dev/seconds": "3600"});
    make(&mut bench, job("eternal", long, json!({"activeDeadlineSeconds": 9_000_000_000_000_000_000_i64})));
    bench.minutes(2);
    let name = pods(&mut bench)[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let (code, said) =
        ask(&mut bench, "DELETE", &format!("{PODS}/{name}?gracePeriodSeconds=9000000000000000"), json!({}));
    assert_eq!(code, 200, "{said}");
    bench.minutes(2);
    assert!(conditions(&get(&mut bench, &format!("{JOBS}/eternal"))).is_empty());
}

#[test]
fn a_success_policy_that_means_nothing_is_refused() {
    let mut bench = furnished();
    let mut said = |rules: Value| {
        let spec = json!({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": rules}});
        let (code, body) = ask(&mut bench, "POST", JOBS, job("policy", json!({}), spec));
        (code, body["message"].as_str().unwrap_or_default().to_owned())
    };
    for (rules, why) in [
        (json!([]), "at least one"),
        (json!([{}]), "succeededCount or succeededIndexes"),
        (json!([{"succeededIndexes": "0-40000000"}]), "error parsing"),
        (json!([{"succeededIndexes": "0-18446744073709551615"}]), "error parsing"),
        (json!([{"succeededIndexes": "2,0"}]), "error parsing"),
        (json!([{"succeededIndexes": "0-1", "succeededCount": 3}]), "no more than 2"),
        (json!([{"succeededCount": 0}]), "must be positive"),
        (json!(vec![json!({"succeededCount": 1}); 21]), "Too many"),
    ] {
        let (code, message) = said(rules);
        assert!(code == 422 && message.contains(why), "{why}: {code} {message}");
    }
    assert_eq!(said(json!([{"succeededIndexes": "0,2", "succeededCount": 1}])).0, 201);
    let spec = json!({"completionMode": "Indexed", "completions": 2_000_000_000});
    assert_eq!(ask(&mut bench, "POST", JOBS, job("many", json!({}), spec)).0, 501);
}

#[test]
fn a_log_is_of_a_container_that_started() {
    let mut bench = furnished();
    let mut wide = job("wide", json!({}), json!({}));
    wide["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "500"}});
    make(&mut bench, wide);
    bench.minutes(1);
    let name = pods(&mut bench)[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let at = format!("{PODS}/{name}/log");
    assert_eq!(ask(&mut bench, "GET", &at, Value::Null).0, 204, "no node, no log, no error");
    let fails = json!({"sandbox.kubewright.dev/fail": "ImagePull"});
    make(&mut bench, job("absent", fails, json!({})));
    for (seconds, said) in [(6, "image can't be pulled"), (30, "trying and failing to pull image")] {
        bench.pass(Duration::from_secs(seconds));
        let name = pods(&mut bench)[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let (code, status) = ask(&mut bench, "GET", &format!("{PODS}/{name}/log"), Value::Null);
        let wanted = format!("container \"main\" in pod \"{name}\" is waiting to start: {said}");
        assert_eq!((code, status["message"].as_str()), (400, Some(wanted.as_str())));
    }
}
