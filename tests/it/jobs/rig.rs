//! A served sandbox with a cluster in it, and a plain client of that cluster's API.

use crate::support::{
    Home,
    serving::{Serving, until},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::AsyncBufReadExt;
use kubewright::{
    k8s::{self, Access},
    model::Secret,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

pub(super) const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(super) const EVENTS: &str = "/api/v1/namespaces/default/events";

/// What the environment of the server holds, and no container may see.
pub(super) const SECRET: &str = "hush-do-not-tell";

/// The cluster and its client.
pub(super) struct Bench {
    client: k8s::Client,
    runtime: Runtime,
    server: Option<Serving>,
    pods: &'static str,
    home: Home,
}

fn serve(home: &Home, pods: &str) -> Serving {
    let mut command = home.command();
    command.env("KUBEWRIGHT_SANDBOX_PODS", pods).env("SECRET_OF_THE_SERVER", SECRET);
    Serving::with(home, command)
}

impl Bench {
    /// With pods that run there: `local` or `simulated`.
    pub(super) fn new(pods: &'static str) -> Self {
        let home = Home::new();
        let server = serve(&home, pods);
        let place = ["provision", "demo", "--provider", "aws", "--region", "us-east-1"];
        home.rehearse(&[&place[..], &["--yes", "-o", "json"]].concat()).expect(0);
        let config: Value =
            serde_yaml::from_str(&home.rehearse(&["kubeconfig", "demo", "--print"]).expect(0).out).unwrap();
        let cluster = &config["clusters"][0]["cluster"];
        let pem = STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
        let exec = &config["users"][0]["user"]["exec"];
        let mut words = std::process::Command::new(exec["command"].as_str().unwrap());
        words.args(exec["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
        words.env_clear().env("HOME", home.path()).env("KUBEWRIGHT_HOME", home.path().join("plugin")).envs(&server.env);
        for variable in exec["env"].as_array().into_iter().flatten() {
            words.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        let said = words.output().unwrap();
        let told: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&said.stderr)));
        let access = Access {
            endpoint: cluster["server"].as_str().unwrap().to_owned(),
            ca_pem: String::from_utf8(pem).unwrap(),
            token: Secret::new(told["status"]["token"].as_str().unwrap().to_owned()),
        };
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(async { k8s::connect(&access).unwrap() });
        Self { client, runtime, server: Some(server), pods, home }
    }

    /// The server is killed, and another goes on with the same world behind the same ports.
    pub(super) fn kill_the_server(&mut self) {
        self.server = None;
        self.server = Some(serve(&self.home, self.pods));
    }

    fn request(method: &str, path: &str, body: &Value) -> hyper::Request<Vec<u8>> {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        hyper::Request::builder().method(method).uri(path).header("content-type", content).body(bytes).unwrap()
    }

    /// The text of a reply, or the refusal's code and message.
    pub(super) fn text(&self, method: &str, path: &str, body: &Value) -> Result<String, (u16, String)> {
        let reply = self.runtime.block_on(self.client.request_text(Self::request(method, path, body)));
        reply.map_err(|error| match error {
            kube::Error::Api(status) => (status.code, status.message),
            other => panic!("{method} {path}: {other}"),
        })
    }

    /// The document of a reply.
    #[track_caller]
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.text(method, path, body) {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(refused) => panic!("{method} {path}: {refused:?}"),
        }
    }

    pub(super) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    /// The lines of a stream, until it ends or `enough` says so.
    pub(super) fn lines(&self, path: &str, mut enough: impl FnMut(&str) -> bool) -> Vec<String> {
        let request = Self::request("GET", path, &Value::Null);
        let patience = crate::support::serving::PATIENCE;
        self.runtime.block_on(async {
            let mut stream = Box::pin(self.client.request_stream(request).await.unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = Vec::new();
                let read = tokio::time::timeout(patience, stream.read_until(b'\n', &mut line)).await;
                if read.unwrap_or_else(|_| panic!("nothing more came from {path} after {lines:?}")).unwrap() == 0 {
                    return lines;
                }
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                let last = enough(&line);
                lines.push(line);
                if last {
                    return lines;
                }
            }
        })
    }

    /// The events of a watch, until `enough` says so.
    pub(super) fn watch(&self, path: &str, enough: impl Fn(&Value) -> bool) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        self.lines(path, |line| enough(&read(line))).iter().map(|line| read(line)).collect()
    }

    /// Makes a Job of one shell command; `spec` and `annotations` say what else there is to it.
    pub(super) fn make(&self, name: &str, command: &str, spec: &Value, annotations: &Value) -> Value {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
            "template": {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": "Never", "containers": [
                {"name": "main", "image": "busybox", "command": ["/bin/sh", "-c", command]}]}}}});
        for (key, value) in spec.as_object().into_iter().flatten() {
            job["spec"][key] = value.clone();
        }
        self.ask("POST", JOBS, &job)
    }

    /// Waits until the Job says what is asked for.
    #[track_caller]
    pub(super) fn until_job(&self, name: &str, says: impl Fn(&Value) -> bool) -> Value {
        until(&format!("Job {name}"), || Some(self.get(&format!("{JOBS}/{name}"))).filter(&says))
    }

    /// Its pods, oldest first.
    pub(super) fn pods_of(&self, name: &str) -> Vec<Value> {
        let list = self.get(&format!("{PODS}?labelSelector=job-name%3D{name}"));
        let mut pods = list["items"].as_array().unwrap().clone();
        pods.sort_by_key(|pod| pod["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap());
        pods
    }

    /// Waits until one of its pods says what is asked for.
    #[track_caller]
    pub(super) fn until_pod(&self, name: &str, says: impl Fn(&Value) -> bool) -> Value {
        until(&format!("a pod of {name}"), || self.pods_of(name).into_iter().find(&says))
    }

    /// What a pod printed; `asked` are the parameters.
    pub(super) fn log(&self, pod: &Value, asked: &str) -> String {
        self.text("GET", &log_of(pod, asked), &Value::Null).unwrap()
    }

    /// The reasons of what was said of an object.
    pub(super) fn reasons(&self, of: &Value) -> BTreeSet<String> {
        let name = of["metadata"]["name"].as_str().unwrap();
        let list = self.get(&format!("{EVENTS}?fieldSelector=involvedObject.name%3D{name}"));
        let all = list["items"].as_array().unwrap().iter();
        all.map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn path_of(pod: &Value) -> String {
    format!("{PODS}/{}", pod["metadata"]["name"].as_str().unwrap())
}

pub(super) fn log_of(pod: &Value, asked: &str) -> String {
    format!("{}/log?{asked}", path_of(pod))
}

/// Whether a condition of this type and reason holds.
pub(super) fn holds(row: &Value, which: &str, reason: &str) -> bool {
    let all = row["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter().any(|it| it["type"] == which && it["status"] == "True" && it["reason"] == reason)
}

pub(super) fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running"
}

/// How its container ended.
pub(super) fn terminated(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["terminated"]
}
