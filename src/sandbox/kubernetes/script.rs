//! How containers end, and what simulated ones do. They pretend to run for [`Script::span`] and end well; annotations of
//! the pod ask for another end:
//!
//! | annotation | meaning |
//! |---|---|
//! | `sandbox.kubewright.dev/seconds` | how long it runs, in virtual seconds |
//! | `sandbox.kubewright.dev/exit-code` | how it ends |
//! | `sandbox.kubewright.dev/log` | what it prints |
//! | `sandbox.kubewright.dev/fail` | `ImagePull`: the image is not there; `OOMKilled`: it takes too much memory |

use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

const ANNOTATIONS: &str = "sandbox.kubewright.dev/";
/// Its container never ran.
pub(super) const START_ERROR: &str = "StartError";

/// Command and arguments of a container.
pub(super) fn words(container: &Value) -> Vec<String> {
    let both = ["command", "args"].into_iter().flat_map(|key| container[key].as_array().into_iter().flatten());
    both.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: i64,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
}

impl Ending {
    /// It ran and ended by itself.
    pub(super) const fn exited(code: i64) -> Self {
        Self { code, reason: if code == 0 { "Completed" } else { "Error" }, message: None }
    }

    /// It took too much memory.
    pub(super) const fn out_of_memory() -> Self {
        Self { code: 137, reason: "OOMKilled", message: None }
    }

    /// It is gone, and nobody saw it end.
    pub(super) fn not_located() -> Self {
        Self::lost("The container could not be located when the pod was terminated")
    }

    /// Nobody knows.
    pub(super) fn lost(message: &str) -> Self {
        Self { code: 137, reason: "ContainerStatusUnknown", message: Some(message.to_owned()) }
    }
}

/// What a simulated container does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// How long it runs.
    pub(super) span: Duration,
    /// How it ends.
    pub(super) ending: Ending,
    /// What it prints.
    pub(super) lines: Vec<String>,
    /// Its image is not there.
    pub(super) no_image: bool,
}

impl Script {
    /// Reads a pod's annotations.
    pub(super) fn of(row: &Value) -> Self {
        let said = |key: &str| row["metadata"]["annotations"][format!("{ANNOTATIONS}{key}")].as_str();
        let number = |key: &str| said(key).and_then(|text| text.parse::<u32>().ok());
        let code = i64::from(number("exit-code").unwrap_or(0));
        let fails = said("fail").unwrap_or_default();
        let ending = match fails {
            "OOMKilled" => Ending::out_of_memory(),
            _ => Ending::exited(code),
        };
        let lines = match said("log") {
            Some(text) => text.lines().map(str::to_owned).collect(),
            None => {
                let words = words(&row["spec"]["containers"][0]).join(" ");
                vec![format!("(simulated: `{words}` was not run; `--pods local` runs pods here)")]
            }
        };
        let span = Duration::from_secs(number("seconds").unwrap_or(10).into());
        Self { span, ending, lines, no_image: fails == "ImagePull" }
    }

    /// After how long it runs out of memory, if it is to.
    pub(super) fn out_of_memory(&self) -> Option<Duration> {
        (self.ending == Ending::out_of_memory()).then_some(self.span)
    }

    /// What it has printed by now, with the times: evenly over its span.
    pub(super) fn printed(&self, row: &Value, now: Timestamp) -> Vec<(Timestamp, String)> {
        let state = &row["status"]["containerStatuses"][0]["state"];
        let at = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (started, ended) = match (at(&state["running"]["startedAt"]), at(&state["terminated"]["startedAt"])) {
            (Some(started), _) => (started, None),
            (None, Some(started)) => (started, at(&state["terminated"]["finishedAt"])),
            (None, None) => return Vec::new(),
        };
        let step = self.span / u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX);
        let until = ended.unwrap_or(now);
        let timed = self.lines.iter().zip(1_u32..).map(|(line, n)| (started + step * n, line.clone()));
        timed.take_while(|(at, _)| *at <= until).collect()
    }
}
