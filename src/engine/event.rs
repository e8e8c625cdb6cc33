//! The journal's alphabet. Additive changes only: old journals are read for ever.

use super::{Outputs, Plan, ResourceRef, RunId, StepError, StepId, Token};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Towards everything ready.
    Provision,
    /// Towards nothing left.
    Destroy,
    /// Rebuilding the journal from the cloud.
    Recover,
}

impl Mode {
    /// The word, as events have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Destroy => "destroy",
            Self::Recover => "recover",
        }
    }
}

/// How a run ended, when it could still say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunOutcome {
    /// All it set out to do, audited.
    Done,
    /// Something failed; what there is stays.
    Failed,
    /// A signal or a deadline.
    Stopped,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// First line: the whole plan. `found`: it was read back from the cloud to rebuild a lost journal, so that until
    /// that is done objects may stand of which no line tells.
    Planned {
        plan: Box<Plan>,
        plan_hash: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        found: bool,
    },
    /// Steps that were never made were planned anew; made ones are unchanged.
    Replanned { plan: Box<Plan>, plan_hash: String, why: String },
    /// A process takes the stack on. `runId`, because the line itself has a `run` beside it.
    RunStarted {
        #[serde(rename = "runId")]
        run: RunId,
        mode: Mode,
        host: String,
        pid: u32,
        user: String,
        version: String,
    },
    /// About to create. Durable before the call.
    Intent { step: StepId, generation: u32, token: Token },
    /// The cloud answered with this. Durable before anything is awaited.
    Acted { step: StepId, resource: ResourceRef },
    /// Usable, with what others need of it.
    Ready { step: StepId, resource: ResourceRef, outputs: Outputs },
    /// Given up in this run.
    Failed { step: StepId, error: StepError },
    /// Found instead of made: ours from a lost reply, or brought along.
    Adopted { step: StepId, resource: ResourceRef },
    /// About to delete this. Durable before the call. `extra`: a duplicate or something the cluster made, not the
    /// step's own object.
    DeleteIntent { step: StepId, resource: ResourceRef, extra: bool },
    /// A read proved it gone.
    Deleted { step: StepId, resource: Option<ResourceRef>, extra: bool },
    /// It would not go in this run.
    DeleteFailed { step: StepId, resource: ResourceRef, extra: bool, error: StepError },
    /// Something the user should find in `history`: an override, an extension, protection.
    Note { what: String },
    /// The run came to its end.
    RunEnded {
        #[serde(rename = "runId")]
        run: RunId,
        outcome: RunOutcome,
        mutating_calls: u64,
        error: Option<StepError>,
    },
}

impl Event {
    /// Reads an event from the JSON of its line.
    ///
    /// The same as `serde_json::from_str`, but quicker for plans, most of every journal: serde copies all of what it
    /// finds beside a tag before it reads it.
    ///
    /// # Errors
    /// What does not read as an event.
    pub fn from_json(line: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Tag<'l> {
            #[serde(borrow)]
            event: Cow<'l, str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Planned {
            plan: Box<Plan>,
            plan_hash: String,
            #[serde(default)]
            found: bool,
            #[serde(default)]
            why: Option<String>,
        }
        let Tag { event } = serde_json::from_str(line)?;
        if event != "planned" && event != "replanned" {
            return serde_json::from_str(line);
        }
        let Planned { plan, plan_hash, found, why } = serde_json::from_str(line)?;
        match why {
            Some(why) if event == "replanned" => Ok(Self::Replanned { plan, plan_hash, why }),
            None if event == "replanned" => Err(serde::de::Error::missing_field("why")),
            _ => Ok(Self::Planned { plan, plan_hash, found }),
        }
    }
}

/// One journal line: an event with its place and time. The store adds the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 1, 2, 3 …
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Which run; none before the first `RunStarted`.
    pub run: Option<RunId>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cloud, Region};

    #[test]
    fn the_quick_way_reads_what_the_plain_way_reads() {
        let plan = Box::new(Plan {
            version: 1,
            stack: "demo-0a1b2c3d".parse().expect("a stack"),
            provider: Cloud::Aws,
            account: "123456789012".to_owned(),
            region: Region("us-east-1".to_owned()),
            spec: serde_json::json!({"name": "demo"}),
            tags: [].into(),
            steps: Vec::new(),
            sweeps: Vec::new(),
        });
        let hash = || "00".to_owned();
        for event in [
            Event::Planned { plan: plan.clone(), plan_hash: hash(), found: false },
            Event::Planned { plan: plan.clone(), plan_hash: hash(), found: true },
            Event::Replanned { plan, plan_hash: hash(), why: "another machine".to_owned() },
            Event::Note { what: "\"event\":\"planned\"".to_owned() },
        ] {
            let text = serde_json::to_string(&event).expect("an event");
            assert_eq!(Event::from_json(&text).expect("reads"), event);
            assert_eq!(serde_json::from_str::<Event>(&text).expect("reads"), event);
        }
        for bad in
            [r#"{"event":"planned"}"#, r#"{"event":"replanned","planHash":"x"}"#, r#"{"event":"nothing"}"#, "{}", ""]
        {
            assert!(Event::from_json(bad).is_err() && serde_json::from_str::<Event>(bad).is_err(), "{bad}");
        }
    }
}
