//! Pretend clouds that stay up, and machines that meet in them: each with a home, journals and a user of its own.

use super::{Home, Said};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// One `sandbox serve`.
pub(crate) struct Served {
    home: Home,
    server: Option<Child>,
    exports: Vec<(String, String)>,
}

impl Served {
    pub(crate) fn start(faults: &str) -> Self {
        let mut served = Self { home: Home::new(), server: None, exports: Vec::new() };
        served.restart(faults);
        served
    }

    /// The same world behind the same ports, with other faults.
    pub(crate) fn restart(&mut self, faults: &str) {
        self.stop();
        let (ready, exports) = (self.home.path().join("ready"), self.home.path().join("exports"));
        let _ = std::fs::remove_file(&ready);
        let mut command = self.home.command();
        command
            .args(["sandbox", "serve", "--fault", faults, "--ready-file"])
            .arg(&ready)
            .arg("--env-out")
            .arg(&exports);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = command.spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while std::fs::read_to_string(&ready).map_or(true, |text| text.lines().count() < 2) {
            assert!(server.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < until, "the server is not ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.server = Some(server);
        let lines = std::fs::read_to_string(exports).unwrap();
        let pair = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        self.exports = lines.lines().filter_map(pair).collect();
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// What other clients are told.
    pub(crate) fn export(&self, name: &str) -> &str {
        self.exports.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap()
    }

    /// A machine beside the others.
    pub(crate) fn machine(&self, user: &str) -> Machine {
        let home = Home::new();
        let mut env: Vec<_> = self.exports.iter().filter(|(name, _)| name != "KUBECONFIG").cloned().collect();
        env.push(("USER".to_owned(), user.to_owned()));
        env.push(("KUBEWRIGHT_PRICE_AWS_ENDPOINT".to_owned(), self.export("AWS_ENDPOINT_URL").to_owned()));
        let clock = format!("{}/_sandbox/clock", self.export("AWS_ENDPOINT_URL"));
        env.push(("KUBEWRIGHT_SANDBOX_CLOCK".to_owned(), clock));
        Machine { home, env }
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

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
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
