//! Usual durations that learn: what each kind of step took in past runs, blended with what the plan's table says.
//!
//! Pure. A plan is never changed by it: its hash names what will be built, and that does not depend on who was quick
//! here before. What is learned is laid over a copy that is only looked at.

use super::{Event, Plan, Record, RunId, StepId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Format of what is kept.
const VERSION: u32 = 1;
/// How many durations of a kind are kept: the latest.
const KEPT: usize = 30;
/// Fewer say nothing about what is usual.
const ENOUGH: usize = 3;
/// The table counts like this many observations of its own: a few odd days move it, they do not replace it.
const TABLE_WEIGHT: u64 = 2;

/// What the runs on one machine took, by kind of step. The kind names its provider, `aws/eks-cluster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paces {
    version: u32,
    kinds: BTreeMap<String, Seen>,
}

/// Seconds, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Seen {
    /// From the intent to ready.
    made: Vec<u32>,
    /// From the intent to proven gone.
    deleted: Vec<u32>,
}

impl Default for Paces {
    fn default() -> Self {
        Self { version: VERSION, kinds: BTreeMap::new() }
    }
}

/// A plan with what was learned laid over its times.
#[derive(Debug, Clone)]
pub struct Paced {
    /// For looking at only: it has another hash.
    pub plan: Plan,
    /// The steps whose times are not the table's alone.
    pub learned: BTreeSet<StepId>,
}

impl Paces {
    /// Whether these can be used: another version's cannot.
    pub fn is_current(&self) -> bool {
        self.version == VERSION
    }

    /// Learns from the records of a journal; of one run alone, where one is named.
    ///
    /// Counted is what began and ended in the same run without a failure between: only that is the cloud's own time.
    /// What took longer than it may was not waiting for the cloud but for a lid to be opened.
    pub fn learn(&mut self, records: &[Record], only: Option<&RunId>) {
        let mut shapes: HashMap<StepId, (String, u32, u32)> = HashMap::new();
        let mut begun: HashMap<&StepId, (Option<&RunId>, Timestamp)> = HashMap::new();
        for record in records {
            let run = record.run.as_ref();
            let counts = only.is_none() || run == only;
            match &record.event {
                Event::Planned { plan, .. } | Event::Replanned { plan, .. } => {
                    shapes.extend(plan.steps.iter().map(|step| {
                        let longest = (step.timing.deadline_secs, step.timing.delete_deadline_secs);
                        (step.id.clone(), (step.kind.clone(), longest.0, longest.1))
                    }));
                }
                Event::Intent { step, .. } | Event::DeleteIntent { step, extra: false, .. } => {
                    begun.insert(step, (run, record.at));
                }
                Event::Ready { step, .. } => {
                    let took = begun.remove(step).filter(|(began_in, _)| *began_in == run && counts);
                    if let (Some((_, since)), Some((kind, longest, _))) = (took, shapes.get(step)) {
                        self.kinds.entry(kind.clone()).or_default().keep(false, between(since, record.at), *longest);
                    }
                }
                Event::Deleted { step, extra: false, .. } => {
                    let took = begun.remove(step).filter(|(began_in, _)| *began_in == run && counts);
                    if let (Some((_, since)), Some((kind, _, longest))) = (took, shapes.get(step)) {
                        self.kinds.entry(kind.clone()).or_default().keep(true, between(since, record.at), *longest);
                    }
                }
                Event::Failed { step, .. } | Event::DeleteFailed { step, .. } | Event::Adopted { step, .. } => {
                    begun.remove(step);
                }
                _ => {}
            }
        }
        self.kinds.retain(|_, seen| *seen != Seen::default());
    }

    /// The plan as this machine's past makes it look.
    pub fn over(&self, plan: &Plan) -> Paced {
        let (mut plan, mut learned) = (plan.clone(), BTreeSet::new());
        for step in &mut plan.steps {
            let Some(seen) = self.kinds.get(&step.kind) else { continue };
            let timing = &mut step.timing;
            if let Some((median, slow)) = usual(&seen.made) {
                let weight = seen.made.len() as u64;
                let p50 = blended(timing.p50_secs, median, weight);
                (timing.p90_secs, timing.p50_secs) = (blended(timing.p90_secs, slow, weight).max(p50), p50);
                learned.insert(step.id.clone());
            }
            if let Some((median, _)) = usual(&seen.deleted) {
                timing.delete_p50_secs = blended(timing.delete_p50_secs, median, seen.deleted.len() as u64);
            }
        }
        Paced { plan, learned }
    }
}

impl Seen {
    fn keep(&mut self, deleted: bool, secs: u32, longest: u32) {
        let list = if deleted { &mut self.deleted } else { &mut self.made };
        if secs <= longest {
            list.push(secs);
            list.drain(..list.len().saturating_sub(KEPT));
        }
    }
}

/// Median and 90th percentile, where there is enough to tell them.
fn usual(seen: &[u32]) -> Option<(u32, u32)> {
    if seen.len() < ENOUGH {
        return None;
    }
    let mut sorted = seen.to_vec();
    sorted.sort_unstable();
    let rank = |share: usize| sorted[(sorted.len() * share).div_ceil(100).clamp(1, sorted.len()) - 1];
    Some((rank(50), rank(90)))
}

fn blended(table: u32, seen: u32, weight: u64) -> u32 {
    let sum = u64::from(table) * TABLE_WEIGHT + u64::from(seen) * weight;
    u32::try_from((sum + (TABLE_WEIGHT + weight) / 2) / (TABLE_WEIGHT + weight)).unwrap_or(u32::MAX)
}

fn between(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from((to.as_millisecond() - from.as_millisecond() + 500) / 1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Creation, Identity, Outputs, PlannedStep, ResourceRef, Timing, Token};
    use crate::model::{Cloud, Region};
    use serde_json::json;

    fn plan() -> Plan {
        let step = |id: &str, kind: &str, p50_secs: u32| PlannedStep {
            id: StepId::new(id),
            kind: kind.to_owned(),
            params: json!({}),
            identity: Identity::Tags,
            tagged: true,
            needs: Vec::new(),
            service: "eks".to_owned(),
            creation: Creation::Token,
            settle_secs: 5,
            timing: Timing {
                p50_secs,
                p90_secs: p50_secs + 60,
                deadline_secs: 3_000,
                delete_p50_secs: 100,
                delete_deadline_secs: 3_000,
            },
            dies_with: None,
            usage: Vec::new(),
        };
        Plan {
            version: 1,
            stack: "demo-0a1b2c3d".parse().expect("a stack"),
            provider: Cloud::Aws,
            account: "123456789012".to_owned(),
            region: Region("us-east-1".to_owned()),
            spec: json!({}),
            tags: BTreeMap::new(),
            steps: vec![step("cluster", "aws/eks-cluster", 540), step("vpc", "aws/vpc", 2)],
            sweeps: Vec::new(),
        }
    }

    /// The journal of a build in which the control plane took this long, and its removal that long.
    fn journal(run: &str, made: i64, deleted: i64) -> Vec<Record> {
        let step = StepId::new("cluster");
        let resource = ResourceRef::new("aws/eks-cluster", "demo");
        let run = RunId(run.to_owned());
        let plan = plan();
        let stack = plan.stack.clone();
        let events = [
            (0, Event::Planned { plan_hash: plan.hash(), plan: Box::new(plan), found: false }),
            (10, Event::Intent { token: Token::derive(&stack, &step, 1), step: step.clone(), generation: 1 }),
            (12, Event::Acted { step: step.clone(), resource: resource.clone() }),
            (10 + made, Event::Ready { step: step.clone(), resource: resource.clone(), outputs: Outputs::default() }),
            (5_000, Event::DeleteIntent { step: step.clone(), resource: resource.clone(), extra: false }),
            (5_000 + deleted, Event::Deleted { step, resource: Some(resource), extra: false }),
        ];
        let record = |(seq, (at, event)): (usize, (i64, Event))| Record {
            seq: seq as u64 + 1,
            at: Timestamp::from_second(1_000_000 + at).expect("a time"),
            run: (seq > 0).then(|| run.clone()),
            event,
        };
        events.into_iter().enumerate().map(record).collect()
    }

    #[test]
    fn slow_control_planes_move_what_is_usual_and_nothing_else() {
        let (plan, mut paces) = (plan(), Paces::default());
        let hash = plan.hash();
        for run in ["a", "b"] {
            paces.learn(&journal(run, 1_200, 300), None);
        }
        assert!(paces.over(&plan).learned.is_empty(), "two are not enough");
        paces.learn(&journal("c", 1_200, 300), None);
        let paced = paces.over(&plan);
        // Three of 1200 against the table's two of 540.
        assert_eq!(paced.plan.steps[0].timing.p50_secs, 936);
        assert_eq!(paced.plan.steps[0].timing.delete_p50_secs, 220);
        assert_eq!(paced.plan.steps[0].timing.deadline_secs, 3_000, "what is allowed stays");
        assert_eq!(paced.plan.steps[1].timing, plan.steps[1].timing);
        assert_eq!(paced.plan.eta().p50.as_secs(), 936);
        assert_eq!(plan.hash(), hash);
        for run in 0..100 {
            paces.learn(&journal(&run.to_string(), 600, 300), None);
        }
        assert!(paces.over(&plan).plan.steps[0].timing.p50_secs < 600, "what is long ago is forgotten");
        assert_eq!(paces.kinds["aws/eks-cluster"].made.len(), KEPT);
    }

    #[test]
    fn only_what_the_cloud_took_counts() {
        let mut paces = Paces::default();
        let mut resumed = journal("a", 1_200, 300);
        for record in &mut resumed[3..] {
            record.run = Some(RunId("b".to_owned()));
        }
        resumed.truncate(4);
        paces.learn(&resumed, None);
        assert_eq!(paces, Paces::default(), "a build that was interrupted");
        let mut asleep = journal("a", 3_001, 300);
        asleep.truncate(4);
        paces.learn(&asleep, None);
        assert_eq!(paces, Paces::default(), "longer than it may");
        paces.learn(&journal("a", 1_200, 300), Some(&RunId("b".to_owned())));
        assert_eq!(paces, Paces::default(), "another run");
        paces.learn(&journal("a", 1_200, 300), Some(&RunId("a".to_owned())));
        assert_eq!(paces.kinds["aws/eks-cluster"], Seen { made: vec![1_200], deleted: vec![300] });
    }

    #[test]
    fn it_is_kept_as_json_and_another_version_is_not_used() {
        let mut paces = Paces::default();
        paces.learn(&journal("a", 1_200, 300), None);
        let text = serde_json::to_string(&paces).expect("plain");
        assert_eq!(serde_json::from_str::<Paces>(&text).expect("read back"), paces);
        let newer: Paces = serde_json::from_str(&text.replace("\"version\":1", "\"version\":2")).expect("read");
        assert!(paces.is_current() && !newer.is_current());
        assert!(serde_json::from_str::<Paces>("{\"version\":1}").is_err());
    }
}
