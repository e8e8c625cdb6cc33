//! Containers as processes of this machine.

use super::rig::{Bench, JOBS, SECRET, holds, is_running, log_of, path_of, terminated};
use crate::support::serving::until;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

/// Whether a process of this number is there.
fn lives(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

/// The numbers that a container printed first.
fn printed_pids(bench: &Bench, pod: &Value, count: usize) -> Vec<i32> {
    until("the container's processes", || {
        let text = bench.log(pod, "");
        let found: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (found.len() == count).then_some(found)
    })
}

#[test]
fn a_container_is_a_process_with_its_own_environment_and_directory() {
    let bench = Bench::new("local");
    let secret = json!({"metadata": {"name": "keys"}, "stringData": {"KEY": "of the secret"}});
    bench.ask("POST", "/api/v1/namespaces/default/secrets", &secret);
    let body = json!({"metadata": {"name": "own"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{
        "name": "main", "image": "busybox", "command": ["/bin/sh", "-c", "env; pwd; ls -A; echo $0", "$(GREETING)"],
        "env": [{"name": "GREETING", "value": "hello"}], "envFrom": [{"secretRef": {"name": "keys"}}]}]}}}});
    bench.ask("POST", JOBS, &body);
    let done = bench.until_job("own", |job| holds(job, "Complete", "CompletionsReached"));
    assert_eq!((&done["status"]["succeeded"], &done["status"]["active"]), (&json!(1), &Value::Null));
    let pod = bench.pods_of("own").remove(0);
    let said = bench.log(&pod, "");
    let variables: Vec<&str> = said.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in &variables {
        assert!(
            ["PATH", "HOME", "HOSTNAME", "GREETING", "KEY", "PWD", "SHLVL", "_", "OLDPWD"].contains(name),
            "{name}: {said}"
        );
    }
    assert!(said.contains("KEY=of the secret") && said.ends_with("hello\n") && !said.contains(SECRET), "{said}");
    assert!(said.contains("/pods/"), "a directory of its own: {said}");
    let all = ["Scheduled", "Pulling", "Pulled", "Created", "Started"].map(str::to_owned);
    assert_eq!(bench.reasons(&pod), all.into());
}

#[test]
fn volumes_lie_below_the_directory_of_their_pod() {
    let bench = Bench::new("local");
    let body = json!({"metadata": {"name": "ships"}, "spec": {"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never",
        "containers": [{
            "name": "main", "image": "busybox", "workingDir": "/work", "command": ["sh", "-c", "cat main.py ../keys/token && ls ../out"],
            "volumeMounts": [
                {"name": "code", "mountPath": "/work"}, {"name": "keys", "mountPath": "/keys"}, {"name": "out", "mountPath": "/out"}],
        }],
        "volumes": [
            {"name": "code", "configMap": {"name": "code"}}, {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "out", "emptyDir": {}}],
    }}}});
    bench.ask("POST", JOBS, &body);
    let pod = until("what is missing to be said", || {
        bench.pods_of("ships").pop().filter(|pod| bench.reasons(pod).contains("FailedMount"))
    });
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    let keys = json!({"metadata": {"name": "keys"}, "data": {"token": "dGVsbA=="}});
    bench.ask("POST", "/api/v1/namespaces/default/secrets", &keys);
    let code = json!({"metadata": {"name": "code"}, "data": {"main.py": "print()\n"}});
    bench.ask("POST", "/api/v1/namespaces/default/configmaps", &code);
    let pod = bench.until_pod("ships", |pod| !terminated(pod).is_null());
    assert_eq!((bench.log(&pod, "").as_str(), &terminated(&pod)["exitCode"]), ("print()\ntell", &json!(0)));
}

#[test]
fn how_a_process_ended_is_how_its_container_did() {
    let bench = Bench::new("local");
    bench.make("seven", "echo out; exit 7", &json!({"backoffLimit": 1}), &json!({}));
    let rules = json!({"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]});
    bench.make("strict", "exit 42", &json!({"podFailurePolicy": rules}), &json!({}));
    let oom = json!({"sandbox.kubewright.dev/fail": "OOMKilled", "sandbox.kubewright.dev/seconds": "0"});
    bench.make("oom", "sleep 300", &json!({"backoffLimit": 0}), &oom);
    let missing = json!({"metadata": {"name": "missing"}, "spec": {"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["no-such-command"]}]}}}});
    bench.ask("POST", JOBS, &missing);

    let over = bench.until_job("seven", |job| holds(job, "Failed", "BackoffLimitExceeded"));
    assert_eq!(over["status"]["failed"], 2);
    for pod in bench.pods_of("seven") {
        assert_eq!((&terminated(&pod)["exitCode"], &terminated(&pod)["reason"]), (&json!(7), &json!("Error")));
        assert_eq!(bench.log(&pod, ""), "out\n");
    }
    let over = bench.until_job("strict", |job| holds(job, "Failed", "PodFailurePolicy"));
    assert_eq!(over["status"]["failed"], 1);
    let pod = bench.until_pod("oom", |pod| !terminated(pod).is_null());
    assert_eq!((&terminated(&pod)["exitCode"], &terminated(&pod)["reason"]), (&json!(137), &json!("OOMKilled")));
    let pod = bench.until_pod("missing", |pod| !terminated(pod).is_null());
    assert_eq!((&terminated(&pod)["exitCode"], &terminated(&pod)["reason"]), (&json!(128), &json!("StartError")));
    let why = terminated(&pod)["message"].as_str().unwrap();
    assert!(why.ends_with("exec: \"no-such-command\": executable file not found in $PATH: unknown"), "{why}");
    let said = bench.reasons(&pod);
    assert!(said.contains("Failed") && !said.contains("Started"), "{said:?}");
}

#[test]
fn whatever_a_container_runs_ends_with_its_pod() {
    let bench = Bench::new("local");
    // `$$` is one dollar to Kubernetes. One that ends when it is told, after a word; and one that is deaf, with a child that is, too.
    let polite = "trap 'echo told; exit 3' TERM; echo $$$$; while :; do sleep 0.05; done";
    let deaf = "trap '' TERM; sleep 300 & echo $!; echo $$$$; wait; wait; sleep 300";
    bench.make("polite", polite, &json!({}), &json!({}));
    bench.make("deaf", deaf, &json!({}), &json!({}));
    let pod = bench.until_pod("polite", is_running);
    let pid = printed_pids(&bench, &pod, 1)[0];
    assert!(lives(pid));
    let path = log_of(&pod, "follow=true");
    let (begun, follows) = std::sync::mpsc::channel();
    let lines = std::thread::scope(|scope| {
        // Deleted only when somebody follows it.
        let follow = || bench.lines(&path, |_| begun.send(()).is_err());
        let followed = scope.spawn(follow);
        follows.recv().unwrap();
        bench.ask("DELETE", &format!("{JOBS}/polite"), &json!({"propagationPolicy": "Foreground"}));
        followed.join().unwrap()
    });
    assert_eq!(lines.last().map(String::as_str), Some("told"), "its last word is heard: {lines:?}");
    until("the Job to go", || {
        bench.text("GET", &format!("{JOBS}/polite"), &Value::Null).err().filter(|it| it.0 == 404)
    });
    assert!(!lives(pid) && bench.pods_of("polite").is_empty());

    let pod = bench.until_pod("deaf", is_running);
    let pids = printed_pids(&bench, &pod, 2);
    bench.ask("DELETE", &path_of(&pod), &Value::Null);
    assert!(bench.get(&path_of(&pod))["metadata"]["deletionGracePeriodSeconds"] == 30 && lives(pids[0]));
    // The grace is cut short.
    bench.ask("DELETE", &path_of(&pod), &json!({"gracePeriodSeconds": 1}));
    until("the deaf ones to end", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
    let over = bench.until_job("deaf", |job| job["status"]["failed"] == 1);
    assert!(!holds(&over, "Failed", "BackoffLimitExceeded"), "another pod takes its place: {over}");
    bench.ask("DELETE", &format!("{JOBS}/deaf"), &json!({"propagationPolicy": "Background", "gracePeriodSeconds": 0}));
}

#[test]
fn nothing_outlives_a_server_that_is_killed() {
    let mut bench = Bench::new("local");
    bench.make("long", "echo $$$$; sleep 300 & echo $!; wait", &json!({}), &json!({}));
    let first = bench.until_pod("long", is_running);
    let pids = printed_pids(&bench, &first, 2);
    bench.kill_the_server();
    until("what ran to end", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
    let lost = bench.get(&path_of(&first));
    assert_eq!(
        (&lost["status"]["phase"], &terminated(&lost)["reason"]),
        (&json!("Failed"), &json!("ContainerStatusUnknown"))
    );
    assert_eq!(bench.log(&lost, "").lines().count(), 2, "what it printed is still there");
    let second = bench.until_pod("long", is_running);
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"], "its Job tried again");
    let row = bench.get(&format!("{JOBS}/long"));
    assert_eq!((&row["status"]["failed"], &row["status"]["active"]), (&json!(1), &json!(1)));
    let pids = printed_pids(&bench, &second, 2);
    // A Job that is stopped stops its processes.
    bench.ask("PATCH", &format!("{JOBS}/long"), &json!({"spec": {"suspend": true}}));
    until("what was suspended to end", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
    let row = bench.until_job("long", |job| job["status"]["terminating"] == 0);
    assert!(holds(&row, "Suspended", "JobSuspended") && row["status"]["failed"] == 1, "{row}");
}

#[test]
fn a_deadline_ends_processes_and_only_then_the_job() {
    let bench = Bench::new("local");
    let slow = "trap 'sleep 0.5; exit 1' TERM; echo $$$$; while :; do sleep 0.05; done";
    bench.make("slow", slow, &json!({"activeDeadlineSeconds": 40}), &json!({}));
    let over = bench.watch(&format!("{JOBS}?watch=true&fieldSelector=metadata.name%3Dslow"), |event| {
        holds(&event["object"], "Failed", "DeadlineExceeded")
    });
    let ending = |event: &&Value| holds(&event["object"], "FailureTarget", "DeadlineExceeded");
    let first = over.iter().find(ending).unwrap();
    assert!(first["object"]["status"]["terminating"] == 1, "first what is decided: {first}");
    let last = &over.last().unwrap()["object"]["status"];
    assert_eq!((&last["terminating"], &last["failed"], &last["active"]), (&json!(0), &json!(1), &Value::Null));
}

#[test]
fn logs_are_whole_and_shown_as_asked() {
    let bench = Bench::new("local");
    let numbers = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf end";
    bench.make("lines", numbers, &json!({}), &json!({}));
    // One line of 100,000 characters, and bytes that are no text; ends of lines as others write them.
    let odd = "head -c 100000 /dev/zero | tr '\\0' x; printf '\\n\\377\\000\\001\\r\\n'; head -c 50000 /dev/zero | tr '\\0' y";
    bench.make("odd", odd, &json!({}), &json!({}));
    let pod = bench.until_pod("lines", |pod| is_running(pod) || !terminated(pod).is_null());
    let expected: Vec<String> = (0..2000).map(|n| format!("line {n}")).chain(["end".to_owned()]).collect();
    assert_eq!(bench.lines(&log_of(&pod, "follow=true"), |_| false), expected, "it ends with its container");
    bench.until_job("lines", |job| holds(job, "Complete", "CompletionsReached"));
    assert_eq!(bench.log(&pod, "tailLines=2"), "line 1999\nend");
    assert_eq!(bench.log(&pod, "limitBytes=10"), "line 0\nlin");
    let stamped = bench.log(&pod, "timestamps=true");
    let stamps: Vec<&str> = stamped.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    assert!(stamps.is_sorted() && stamps.iter().all(|stamp| stamp.len() == 30), "{}", stamps[0]);
    let from = stamps[1_000];
    let rest = bench.log(&pod, &format!("sinceTime={}&timestamps=true", from.replace(':', "%3A")));
    assert!(rest.lines().any(|line| line.starts_with(from)) && rest.ends_with(" end"));
    let refused = bench.text("GET", &log_of(&pod, "previous=true"), &Value::Null).unwrap_err();
    assert!(refused.0 == 400 && refused.1.contains("previous terminated container"), "{refused:?}");
    let refused = bench.text("GET", &log_of(&pod, "container=other"), &Value::Null).unwrap_err();
    assert!(refused.0 == 400 && refused.1.contains("is not valid for pod"), "{refused:?}");

    bench.until_job("odd", |job| holds(job, "Complete", "CompletionsReached"));
    let pod = bench.pods_of("odd").remove(0);
    let lines = bench.lines(&log_of(&pod, ""), |_| false);
    let lengths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
    assert_eq!(lengths, [100_000, 3, 50_000]);
    let stamped = bench.lines(&log_of(&pod, "timestamps=true"), |_| false);
    assert_eq!(stamped[0].len(), 31 + 100_000, "one time a line, however it is kept");
}
