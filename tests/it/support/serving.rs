//! `sandbox serve` kept up beside a test, so that many commands meet one world without starting it each time.

use super::Home;
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Nothing here takes this long, even on a machine with other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The server; it ends when dropped.
pub(crate) struct Serving {
    child: Child,
    /// Where the AWS services are.
    pub(crate) url: String,
    /// What other clients need, by name.
    pub(crate) env: BTreeMap<String, String>,
}

/// Waits until `look` gives something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Serving {
    pub(crate) fn start(home: &Home) -> Self {
        Self::with(home, home.command())
    }

    /// With faults to happen.
    pub(crate) fn faulty(home: &Home, faults: &str) -> Self {
        let mut command = home.command();
        command.env("KUBEWRIGHT_SANDBOX_FAULT", faults);
        Self::with(home, command)
    }

    /// With these flags.
    pub(crate) fn told(home: &Home, flags: &[&str]) -> Self {
        Self::launch(home, home.command(), flags)
    }

    /// Started by this command, which may be the binary by a detour.
    pub(crate) fn with(home: &Home, command: Command) -> Self {
        Self::launch(home, command, &[])
    }

    fn launch(home: &Home, mut command: Command, flags: &[&str]) -> Self {
        let (ready, env) = (home.path().join("served/ready"), home.path().join("served/env"));
        let _ = std::fs::remove_file(&ready);
        command.args(["sandbox", "serve", "--ready-file"]).arg(&ready).arg("--env-out").arg(&env).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Two lines, the second one whole.
        let text = until("the sandbox", || {
            assert!(child.try_wait().unwrap().is_none(), "the sandbox ended");
            read(&ready).filter(|text| text.matches('\n').count() == 2)
        });
        let url = text.lines().next().unwrap().to_owned();
        let exports = read(&env).unwrap();
        let env = exports.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        });
        Self { child, url, env: env.collect() }
    }

    /// The binary as it runs in the sandbox, but with AWS at this address.
    pub(crate) fn command(&self, home: &Home, aws: &str) -> Command {
        let mut command = home.command();
        command.envs(&self.env).env("AWS_ENDPOINT_URL", aws).env("KUBEWRIGHT_PRICE_AWS_ENDPOINT", aws);
        command.env("KUBEWRIGHT_SANDBOX_CLOCK", format!("{}/_sandbox/clock", self.url));
        command
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| !text.is_empty())
}
