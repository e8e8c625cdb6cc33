//! How long the things of a build took to be ready in the world itself, read from the sandbox's log: what no engine,
//! however clever, could have been faster than.

use super::pretend::Durations;
use jiff::Timestamp;
use kubewright::engine::{Event, Plan, ResourceRef, StepId};
use kubewright::sandbox::world::Object;
use kubewright::store::StateDir;
use std::{collections::HashMap, path::Path, time::Duration};

/// A finished build.
pub struct Built {
    pub plan: Plan,
    /// Those that take no time in the world are not in it.
    pub durations: Durations,
    /// Seconds from the start of the run to its end.
    pub took: f64,
}

pub fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

impl Built {
    /// Reads journal and log of the only build in this sandbox.
    pub fn read(sandbox: &Path) -> Self {
        let dir = StateDir::open(sandbox);
        let records = dir.read(&dir.list().unwrap()[0].stack).unwrap().records;
        let at = |is: fn(&Event) -> bool| records.iter().find(|record| is(&record.event)).unwrap().at;
        let began = at(|event| matches!(event, Event::RunStarted { .. }));
        let ended = at(|event| matches!(event, Event::RunEnded { .. }));
        let Event::Planned { plan, .. } = &records[0].event else { panic!("a journal begins with its plan") };
        let world = World::read(&sandbox.join("world.jsonl"));
        let ready = records.iter().filter_map(|record| match &record.event {
            Event::Ready { step, resource, .. } => Some((step, resource)),
            _ => None,
        });
        let durations = ready.filter_map(|(step, resource)| Some((step.clone(), world.took(resource)?))).collect();
        Self { plan: (**plan).clone(), durations, took: seconds(between(began, ended)) }
    }

    /// The longest chain of needs, in seconds, and the steps on it that took time.
    pub fn critical_path(&self) -> (f64, Vec<&str>) {
        let took = |id: &StepId| self.durations.get(id).copied().unwrap_or_default();
        let mut ends: HashMap<&StepId, (Duration, Option<&StepId>)> = HashMap::new();
        // Steps stand after their needs.
        for step in &self.plan.steps {
            let last = step.needs.iter().max_by_key(|need| ends[need].0);
            let start = last.map_or(Duration::ZERO, |need| ends[need].0);
            ends.insert(&step.id, (start + took(&step.id), last));
        }
        let mut on = self.plan.steps.iter().map(|step| &step.id).max_by_key(|id| ends[id].0);
        let total = on.map_or(Duration::ZERO, |id| ends[id].0);
        let mut chain = Vec::new();
        while let Some(id) = on {
            if !took(id).is_zero() {
                chain.push(id.as_str());
            }
            on = ends[id].1;
        }
        chain.reverse();
        (seconds(total), chain)
    }
}

/// Every version of every object of the clouds, in the order of the log, by id.
struct World(HashMap<String, Vec<Object>>);

impl World {
    fn read(log: &Path) -> Self {
        let text = std::fs::read_to_string(log).unwrap();
        let mut versions: HashMap<String, Vec<Object>> = HashMap::new();
        for line in text.lines() {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(put) = line.get_mut("put") else { continue };
            for object in serde_json::from_value::<Vec<Object>>(put.take()).unwrap() {
                if object.service != "kubernetes" {
                    versions.entry(object.id.clone()).or_default().push(object);
                }
            }
        }
        Self(versions)
    }

    /// From its making to the moment at which what was due brought it into its last state.
    fn took(&self, resource: &ResourceRef) -> Option<Duration> {
        // What lives in a cluster has the cluster's name before its own.
        let inside = format!("/{}", resource.id);
        let within = || self.0.iter().find(|(id, _)| id.ends_with(&inside)).map(|(_, versions)| versions);
        let versions = self.0.get(&resource.id).or_else(within)?;
        let changes = versions.windows(2).filter(|pair| pair[0].state != pair[1].state);
        let ready = changes.filter_map(|pair| pair[0].due.as_ref()).map(|due| due.at).next_back()?;
        Some(between(versions[0].created_at, ready))
    }
}
