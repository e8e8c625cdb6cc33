//! A sandbox served by one process and machines that use it: each with its own home, journal and user.

use crate::support::{
    Home, Said,
    serving::{Serving, until},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub(super) const BUILD: [&str; 9] =
    ["provision", "demo", "--yes", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
pub(super) const CONTINUE: [&str; 5] = ["provision", "demo", "--yes", "-o", "json"];
pub(super) const DESTROY: [&str; 6] = ["destroy", "demo", "--confirm", "demo", "-o", "json"];

/// A home whose commands run in a sandbox of their own with these variables.
pub(super) struct Ordeal {
    home: Home,
    vars: BTreeMap<&'static str, String>,
}

impl Ordeal {
    pub(super) fn with(vars: &[(&'static str, &str)]) -> Self {
        let vars = vars.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { home: Home::new(), vars }
    }

    /// Under these faults.
    pub(super) fn under(faults: &str) -> Self {
        Self::with(&[("KUBEWRIGHT_SANDBOX_FAULT", faults)])
    }

    /// From here on without them, or with others.
    pub(super) fn now(&mut self, vars: &[(&'static str, &str)]) {
        *self = Self { home: std::mem::replace(&mut self.home, Home::new()), vars: Self::with(vars).vars };
    }

    pub(super) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.home.command().envs(&self.vars).arg("--sandbox").args(words))
    }

    /// Outside the sandbox's environment.
    pub(super) fn plainly(&self, words: &[&str]) -> Said {
        self.home.run(words)
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn world(&self) -> World {
        World(self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json())
    }

    /// Builds to the end: ready, nothing doubled, and both sides counted the same calls.
    pub(super) fn builds(&self) -> Value {
        let before = self.world_mutations();
        let built = self.run(&BUILD).expect(0).json();
        assert_eq!(built["audit"]["clean"], true, "{built:#}");
        assert_eq!(built["cluster"]["nodesReady"], 2, "{built:#}");
        let world = self.world();
        world.has_nothing_twice();
        assert_eq!(Some(world.mutations() - before), built["mutatingCalls"].as_u64(), "both count alike");
        built
    }

    fn world_mutations(&self) -> u64 {
        let shown = self.home.run(&["sandbox", "show", "-o", "json"]);
        if shown.code == 0 { World(shown.json()).mutations() } else { 0 }
    }

    /// Takes everything down: proven empty.
    pub(super) fn is_destroyed(&self) {
        let gone = self.run(&DESTROY).expect(0).json();
        assert_eq!((&gone["outcome"], &gone["usdPerHourRemaining"]), (&"destroyed".into(), &0.0.into()), "{gone:#}");
        assert_eq!(gone["audit"]["clean"], true, "{gone:#}");
        self.world().is_empty();
    }
}

/// What the sandbox shows.
pub(super) struct World(pub(super) Value);

impl World {
    pub(super) fn mutations(&self) -> u64 {
        self.0["requests"]["mutating"].as_u64().unwrap()
    }

    pub(super) fn objects(&self) -> u64 {
        self.0["totals"]["objects"].as_u64().unwrap()
    }

    pub(super) fn is_empty(&self) {
        let names = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
        let left: Vec<String> = self.0["objects"].as_array().unwrap().iter().map(names).collect();
        assert_eq!(self.objects(), 0, "{left:?}");
    }

    /// Every step's object stands once, whatever had to be repeated.
    pub(super) fn has_nothing_twice(&self) {
        let mut seen = BTreeSet::new();
        for object in self.0["objects"].as_array().unwrap() {
            let state = object["state"].as_str().unwrap_or_default().to_lowercase();
            let Some(step) = object["tags"]["kubewright-step"].as_str() else { continue };
            if object["createdBy"] != "api" || ["delet", "fail"].iter().any(|word| state.contains(word)) {
                continue;
            }
            assert!(seen.insert((object["kind"].to_string(), step.to_owned())), "{step} stands twice: {object:#}");
        }
        assert!(seen.len() > 10, "only {} tagged objects: the look is wrong", seen.len());
    }
}

/// A sandbox kept up by a process of its own.
pub(super) struct Server {
    home: Home,
    serving: Serving,
}

impl Server {
    pub(super) fn start(flags: &[&str]) -> Self {
        let home = Home::new();
        let serving = Serving::told(&home, flags);
        Self { home, serving }
    }

    pub(super) fn machine(&self, user: &'static str) -> Machine<'_> {
        Machine { server: self, home: Home::new(), user }
    }

    pub(super) fn world(&self) -> World {
        World(self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json())
    }

    fn hold(&self, n: u32, ending: &str) -> PathBuf {
        self.home.path().join(format!("kw/sandbox/holds/{n}.{ending}"))
    }

    /// Waits until the n-th held call is in the air.
    pub(super) fn until_held(&self, n: u32) {
        until("a held call", || self.hold(n, "json").exists().then_some(()));
    }

    pub(super) fn release(&self, n: u32) {
        std::fs::write(self.hold(n, "release"), "go").unwrap();
    }

    /// Virtual time jumps, as it does for a machine that wakes.
    pub(super) fn skip_hours(&self, hours: u64) {
        let url = format!("{}/_sandbox/clock/skip", self.serving.url);
        let body = serde_json::json!({"ms": hours * 3_600_000}).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(body).send().await.unwrap().status()
        });
        assert!(answer.is_success(), "{answer}");
    }
}

/// A machine of its own that uses the server as its cloud.
pub(super) struct Machine<'s> {
    server: &'s Server,
    home: Home,
    user: &'static str,
}

impl Machine<'_> {
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        self.furnish(&mut command);
        command.args(words);
        command
    }

    /// The variables of a command on this machine.
    pub(super) fn furnish(&self, command: &mut Command) {
        command
            .envs(&self.server.serving.env)
            .env("KUBECONFIG", self.home.path().join("kubeconfig"))
            .env("KUBEWRIGHT_PRICE_AWS_ENDPOINT", &self.server.serving.url)
            .env("KUBEWRIGHT_SANDBOX_CLOCK", format!("{}/_sandbox/clock", self.server.serving.url))
            .env("USER", self.user);
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn run(&self, words: &[&str]) -> Said {
        Said::of(&mut self.command(words))
    }

    /// In the background.
    pub(super) fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// What a command in the background said in the end.
pub(super) fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
