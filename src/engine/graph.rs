//! What a plan means as a graph: soundness, order, longest paths, and the hash that names it.
//!
//! Pure. A plan that passed [`Plan::checked`] can be run by anybody; one that was read from a journal is put through
//! [`Plan::validate`] again, because files can be edited.

use super::{Identity, Plan, PlannedStep, StepId, io::references, proof::TAG_EXPIRES_AT};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

/// Everything that is wrong with a plan. A fault of ours or of an edited journal, never of the user's spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan is not sound: {}", .0.join("; "))]
pub struct PlanFault(pub Vec<String>);

/// How long a plan usually takes from end to end, with everything in parallel that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eta {
    /// Sum of medians along the longest path.
    pub p50: Duration,
    /// The same of the 90th percentiles: an upper estimate, as delays rarely all meet.
    pub p90: Duration,
}

impl Plan {
    /// The plan made whole and proven sound: needs completed with everything params and identities refer to, steps
    /// put in an order in which each stands after its needs (otherwise as given).
    ///
    /// # Errors
    /// All faults at once: double or malformed ids, unknown needs, cycles, sweeps at unknown steps.
    pub fn checked(mut self) -> Result<Self, PlanFault> {
        for step in &mut self.steps {
            let mut needs: BTreeSet<StepId> = step.needs.drain(..).collect();
            needs.extend(references(&step.params).into_iter().map(|(from, _)| from));
            if let Identity::Child { parent, .. } = &step.identity {
                needs.insert(parent.clone());
            }
            step.needs = needs.into_iter().collect();
        }
        let order = match faults_and_order(&self) {
            (faults, Some(order)) if faults.is_empty() => order,
            (faults, _) => return Err(PlanFault(faults)),
        };
        let mut steps: Vec<Option<PlannedStep>> = self.steps.into_iter().map(Some).collect();
        self.steps = order.into_iter().filter_map(|at| steps[at].take()).collect();
        Ok(self)
    }

    /// Proves a plan sound as it stands, its order included.
    ///
    /// # Errors
    /// All faults at once.
    pub fn validate(&self) -> Result<(), PlanFault> {
        let (mut faults, order) = faults_and_order(self);
        if order.is_some() {
            let mut seen: HashSet<&StepId> = HashSet::with_capacity(self.steps.len());
            for step in &self.steps {
                faults.extend(
                    step.needs
                        .iter()
                        .filter(|need| !seen.contains(need))
                        .map(|need| format!("step `{}` stands before its need `{need}`", step.id)),
                );
                seen.insert(&step.id);
            }
            faults.extend(self.unreachable_references());
        }
        if faults.is_empty() { Ok(()) } else { Err(PlanFault(faults)) }
    }

    /// References to steps that are not ancestors: their outputs might not be there yet.
    fn unreachable_references(&self) -> Vec<String> {
        let place: HashMap<&StepId, &PlannedStep> = self.steps.iter().map(|step| (&step.id, step)).collect();
        let mut faults = Vec::new();
        for step in &self.steps {
            let mut wanted: BTreeSet<StepId> = references(&step.params).into_iter().map(|(from, _)| from).collect();
            if let Identity::Child { parent, .. } = &step.identity {
                wanted.insert(parent.clone());
            }
            for need in &step.needs {
                wanted.remove(need);
            }
            if wanted.is_empty() {
                continue; // the usual case: `checked` made every reference a direct need
            }
            let mut ancestors: HashSet<&StepId> = HashSet::new();
            let mut todo: Vec<&StepId> = step.needs.iter().collect();
            while let Some(id) = todo.pop() {
                if ancestors.insert(id) {
                    todo.extend(place.get(id).into_iter().flat_map(|step| &step.needs));
                }
            }
            for from in wanted.into_iter().filter(|from| !ancestors.contains(from)) {
                faults.push(format!("step `{}` refers to `{from}`, which it does not need", step.id));
            }
        }
        faults
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// Each step's place by its id.
    pub fn places(&self) -> HashMap<&StepId, usize> {
        self.steps.iter().enumerate().map(|(at, step)| (&step.id, at)).collect()
    }

    /// For each step the places of those that need it directly.
    pub fn dependents(&self) -> Vec<Vec<usize>> {
        let places = self.places();
        let mut dependents = vec![Vec::new(); self.steps.len()];
        for (at, step) in self.steps.iter().enumerate() {
            for need in step.needs.iter().filter_map(|need| places.get(need)) {
                dependents[*need].push(at);
            }
        }
        dependents
    }

    /// For each step the usual seconds from its start to the end of the longest chain that hangs on it.
    pub fn remaining_secs(&self) -> Vec<u64> {
        self.longest(|step| u64::from(step.timing.p50_secs))
    }

    /// How long it usually takes.
    pub fn eta(&self) -> Eta {
        let longest = |secs: fn(&PlannedStep) -> u64| {
            Duration::from_secs(self.longest(secs).into_iter().max().unwrap_or_default())
        };
        Eta { p50: longest(|step| step.timing.p50_secs.into()), p90: longest(|step| step.timing.p90_secs.into()) }
    }

    /// The chain that decides how long it takes, first step first.
    pub fn critical_path(&self) -> Vec<&StepId> {
        let (remaining, dependents) = (self.remaining_secs(), self.dependents());
        // The earlier step wins a tie, so that the same plan always shows the same path.
        let longest = |among: &mut dyn Iterator<Item = usize>| among.max_by_key(|at| (remaining[*at], Reverse(*at)));
        let mut path = Vec::new();
        let mut next = longest(&mut (0..self.steps.len()).filter(|at| self.steps[*at].needs.is_empty()));
        while let Some(at) = next {
            path.push(&self.steps[at].id);
            next = longest(&mut dependents[at].iter().copied());
        }
        path
    }

    fn longest(&self, secs: impl Fn(&PlannedStep) -> u64) -> Vec<u64> {
        let dependents = self.dependents();
        let mut remaining = vec![0; self.steps.len()];
        for at in (0..self.steps.len()).rev() {
            let behind = dependents[at].iter().map(|next| remaining[*next]).max().unwrap_or_default();
            remaining[at] = secs(&self.steps[at]) + behind;
        }
        remaining
    }

    /// The name of what will be built: sha256 of the canonical plan, with the stack id and the times in it blanked,
    /// so that a dry run and the run itself, or two machines, agree.
    pub fn hash(&self) -> String {
        let mut value =
            serde_json::to_value(self).expect("a plan is strings, numbers, lists and maps with string keys");
        blank(&mut value, &self.stack.id.to_string());
        let mut text = String::new();
        canonical(&value, &mut text);
        Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The parameter that holds words on an object which say nothing of what it is. A later plan may put others there; then
/// the step is converged once more, which writes them.
const LABELS: &str = "extraTags";

impl PlannedStep {
    /// Whether both plan the same object. Durations, prices and limits may be known better by a newer build, and its
    /// labels may be others.
    pub fn same_object(&self, other: &Self) -> bool {
        (&self.id, &self.kind, &self.identity) == (&other.id, &other.kind, &other.identity)
            && unlabelled(&self.params) == unlabelled(&other.params)
    }
}

fn unlabelled(params: &serde_json::Value) -> serde_json::Value {
    let mut params = params.clone();
    if let Some(fields) = params.as_object_mut() {
        fields.shift_remove(LABELS);
    }
    params
}

/// Faults, and the places in topological order unless there is a cycle.
fn faults_and_order(plan: &Plan) -> (Vec<String>, Option<Vec<usize>>) {
    let mut faults = Vec::new();
    let mut places: HashMap<&StepId, usize> = HashMap::with_capacity(plan.steps.len());
    for (at, step) in plan.steps.iter().enumerate() {
        if !well_formed(step.id.as_str()) {
            faults.push(format!("`{}` is no step id", step.id));
        }
        if places.insert(&step.id, at).is_some() {
            faults.push(format!("two steps are called `{}`", step.id));
        }
    }
    let mut missing = vec![0_usize; plan.steps.len()];
    let mut dependents = vec![Vec::new(); plan.steps.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            match places.get(need) {
                Some(place) => {
                    dependents[*place].push(at);
                    missing[at] += 1;
                }
                None => faults.push(format!("step `{}` needs `{need}`, which is not in the plan", step.id)),
            }
        }
    }
    for point in &plan.sweeps {
        for id in point.after.iter().chain(&point.before).filter(|id| !places.contains_key(id)) {
            faults.push(format!("sweep `{}` waits for `{id}`, which is not in the plan", point.stage));
        }
    }
    let mut free: BinaryHeap<Reverse<usize>> = (0..missing.len()).filter(|at| missing[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(Reverse(at)) = free.pop() {
        order.push(at);
        for next in &dependents[at] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                free.push(Reverse(*next));
            }
        }
    }
    if order.len() == plan.steps.len() {
        return (faults, Some(order));
    }
    let stuck: Vec<String> =
        (0..missing.len()).filter(|at| missing[*at] > 0).map(|at| format!("`{}`", plan.steps[at].id)).collect();
    faults.push(format!("these steps wait for each other: {}", stuck.join(", ")));
    (faults, None)
}

/// `a-z0-9._-` in parts between `/`; `__` stands for `/` in tags, so it cannot be in an id.
fn well_formed(id: &str) -> bool {
    !id.contains("__")
        && id.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        })
}

fn blank(value: &mut Value, id: &str) {
    match value {
        Value::String(text) if text.contains(id) => *text = text.replace(id, "00000000"),
        Value::Array(items) => items.iter_mut().for_each(|item| blank(item, id)),
        Value::Object(map) => {
            for (key, value) in map {
                // When it was begun, by whom and until when it lives says nothing about what is built.
                if [TAG_EXPIRES_AT, "kubewright-builder", "kubewright-created-at"].contains(&key.as_str()) {
                    *value = Value::Null;
                }
                blank(value, id);
            }
        }
        _ => {}
    }
}

/// JSON with sorted keys and no spaces: the same value always gives the same bytes.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push('{');
            for (nth, (key, value)) in sorted.into_iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::String(key.clone()));
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Creation, Timing};
    use crate::model::{Cloud, Region};
    use serde_json::json;

    fn step(id: &str, needs: &[&str], p50_secs: u32, params: Value) -> PlannedStep {
        PlannedStep {
            id: id.into(),
            kind: "test/thing".to_owned(),
            params,
            identity: Identity::Tags,
            tagged: true,
            needs: needs.iter().map(|need| StepId::from(*need)).collect(),
            service: "test".to_owned(),
            creation: Creation::Plain,
            settle_secs: 1,
            timing: Timing {
                p50_secs,
                p90_secs: 2 * p50_secs,
                deadline_secs: 60,
                delete_p50_secs: 1,
                delete_deadline_secs: 60,
            },
            usage: Vec::new(),
            dies_with: None,
        }
    }

    fn plan(stack: &str, steps: Vec<PlannedStep>) -> Plan {
        Plan {
            version: 1,
            stack: stack.parse().expect("valid"),
            provider: Cloud::Aws,
            account: "123".to_owned(),
            region: Region("r".to_owned()),
            spec: json!({"b": 1, "a": 2}),
            tags: BTreeMap::new(),
            steps,
            sweeps: Vec::new(),
        }
    }

    fn diamond() -> Vec<PlannedStep> {
        vec![
            step("end", &["left", "right"], 1, json!({})),
            step("right", &[], 20, json!({"vpc": {"$from": "top", "$field": "id"}})),
            step("left", &["top"], 5, json!({})),
            step("top", &[], 2, json!({})),
        ]
    }

    #[test]
    fn references_become_needs_and_needs_an_order() {
        let plan = plan("demo-0000beef", diamond()).checked().expect("sound");
        let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["top", "right", "left", "end"]);
        assert_eq!(plan.steps[1].needs, ["top".into()]);
        assert_eq!(plan.validate(), Ok(()));
        assert_eq!(plan.remaining_secs(), [23, 21, 6, 1]);
        assert_eq!(plan.critical_path(), [&"top".into(), &"right".into(), &"end".into()] as [&StepId; 3]);
        assert_eq!(plan.eta(), Eta { p50: Duration::from_secs(23), p90: Duration::from_secs(46) });
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let mut bad = diamond();
        bad.push(step("top", &["nowhere"], 1, json!({})));
        bad.push(step("a__b", &[], 1, json!({})));
        bad.push(step("x", &["y"], 1, json!({})));
        bad.push(step("y", &["x"], 1, json!({})));
        let fault = plan("demo-0000beef", bad).checked().expect_err("unsound").to_string();
        for part in ["two steps are called `top`", "`nowhere`", "`a__b` is no step id", "`x`, `y`"] {
            assert!(fault.contains(part), "{part} in {fault}");
        }
    }

    #[test]
    fn a_plan_from_a_file_is_not_trusted() {
        let mut plan = plan("demo-0000beef", diamond()).checked().expect("sound");
        plan.steps[1].needs.clear(); // its params still refer to `top`
        assert!(plan.validate().expect_err("unsound").to_string().contains("refers to `top`"));
        plan.steps.swap(0, 3);
        assert!(plan.validate().expect_err("unsound").to_string().contains("stands before its need"));
    }

    #[test]
    fn the_hash_is_blind_to_stack_id_and_times_and_to_nothing_else() {
        let of = |stack: &str, id: &str, expires: &str, cidr: &str| {
            let mut steps = vec![step("a", &[], 1, json!({"cidr": cidr, "tags": {TAG_EXPIRES_AT: expires}}))];
            steps[0].identity = Identity::Name { name: format!("kw-demo-{id}-a") };
            let mut plan = plan(stack, steps);
            plan.tags.insert(TAG_EXPIRES_AT.to_owned(), expires.to_owned());
            plan.hash()
        };
        let first = of("demo-0000beef", "0000beef", "1", "10.0.0.0/16");
        assert_eq!(first, of("demo-7f3a1b2c", "7f3a1b2c", "2", "10.0.0.0/16"));
        assert_ne!(first, of("demo-0000beef", "0000beef", "1", "10.1.0.0/16"));
        assert_ne!(first, of("other-0000beef", "0000beef", "1", "10.0.0.0/16"));
        assert_eq!(first.len(), 64);
    }
}
