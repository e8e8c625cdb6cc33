//! Pretend clouds that stay up, and machines that meet in them: each with a home, journals and a user of its own.

use super::{Home, Said, serving::Serving};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// One `sandbox serve`, and the home of whoever runs it.
pub(crate) struct Served {
    home: Home,
    server: Option<Serving>,
}

impl Served {
    pub(crate) fn start(faults: &str) -> Self {
        let mut served = Self { home: Home::new(), server: None };
        served.restart(faults);
        served
    }

    /// The same world behind the same ports, with other faults.
    pub(crate) fn restart(&mut self, faults: &str) {
        self.server = None;
        self.server = Some(Serving::told(&self.home, &["--fault", faults]));
    }

    fn exports(&self) -> &BTreeMap<String, String> {
        &self.server.as_ref().expect("it is up but while it is restarted").env
    }

    /// What other clients are told.
    pub(crate) fn export(&self, name: &str) -> &str {
        &self.exports()[name]
    }

    /// A machine of somebody who is signed in to AWS alone.
    pub(crate) fn aws_machine(&self, user: &str) -> Machine {
        let mut machine = self.machine(user);
        let others = ["GOOGLE_", "CLOUDSDK_", "AZURE_", "KUBEWRIGHT_GCP_", "KUBEWRIGHT_ARM_"];
        machine.env.retain(|(name, _)| !others.iter().any(|prefix| name.starts_with(prefix)));
        machine
    }

    /// A machine beside the others, signed in to every cloud.
    pub(crate) fn machine(&self, user: &str) -> Machine {
        let home = Home::new();
        let exported = self.exports().iter().filter(|(name, _)| *name != "KUBECONFIG");
        let mut env: Vec<_> = exported.map(|(name, value)| (name.clone(), value.clone())).collect();
        env.push(("USER".to_owned(), user.to_owned()));
        env.push(("KUBEWRIGHT_PRICE_AWS_ENDPOINT".to_owned(), self.export("AWS_ENDPOINT_URL").to_owned()));
        let clock = format!("{}/_sandbox/clock", self.export("AWS_ENDPOINT_URL"));
        env.push(("KUBEWRIGHT_SANDBOX_CLOCK".to_owned(), clock));
        Machine { home, env }
    }

    /// Lets virtual hours go by at once.
    pub(crate) fn skip_hours(&self, hours: u64) {
        let at = self.export("AWS_ENDPOINT_URL").trim_start_matches("http://").to_owned();
        let body = format!("{{\"ms\":{}}}", hours * 3_600_000);
        let mut stream = std::net::TcpStream::connect(&at).unwrap();
        let head = format!("POST /_sandbox/clock/skip HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n");
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The world.
    pub(crate) fn show(&self) -> Value {
        self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json()
    }

    /// The values of a tag on what is found without a journal: not what lives in the cluster, nor the machines and disks
    /// that got theirs from the template.
    pub(crate) fn tag(&self, key: &str) -> Vec<String> {
        const OF_THE_CLUSTER: [&str; 3] = ["addon", "access-entry", "pod-identity-association"];
        let shown = self.show();
        let ours = shown["objects"].as_array().unwrap().iter().filter(|it| {
            it["tags"]["kubewright-step"].is_string()
                && it["createdBy"] == "api"
                && !OF_THE_CLUSTER.contains(&it["kind"].as_str().unwrap())
        });
        ours.filter_map(|it| it["tags"][key].as_str().map(str::to_owned)).collect()
    }
}

/// A home whose commands go to the pretend clouds.
pub(crate) struct Machine {
    home: Home,
    env: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn command(&self) -> Command {
        let mut command = self.home.command();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words))
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Its one journal.
    pub(crate) fn journal(&self) -> PathBuf {
        let found = std::fs::read_dir(self.path().join("kw/stacks")).unwrap().map(|entry| entry.unwrap().path());
        let mut journals: Vec<_> = found.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
        assert_eq!(journals.len(), 1, "{journals:?}");
        journals.remove(0)
    }
}
