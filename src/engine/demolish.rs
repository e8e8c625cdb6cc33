//! Taking down: deletes in reverse order, in parallel, asks on the way what the cluster itself made, and looks twice at
//! the end. One failed delete does not stop unrelated branches.
//!
//! Only what [`super::proof`] lets through is touched; everything else is reported.

mod caused;
mod inside;
mod look;

use super::{
    Audit, ErrorClass, Event, Identity, Inputs, Item, Lookup, Mode, Observed, Outputs, Owned, Plan, PlannedStep,
    Report, Residue, ResourceRef, RunInfo, Session, StackState, StepId, StepState, SweepPoint, Swept, Teardown,
    build::untouchable,
    proof::prove_found,
    rebuild::without_a_place,
    retry::{later, since},
    run::{Cut, Run},
    task::{Removal, Task, not_ours},
    teardown::Target,
};
use futures::stream::{self, FuturesUnordered, StreamExt};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Mutex,
    time::Duration,
};

/// How often what came up late by tag is cleared before it is left to the user.
const ROUNDS: usize = 3;
/// A delete that is refused this long, because something still uses the object, asks again what that could be.
const PATIENCE: Duration = Duration::from_secs(20);
/// So much of its time a delete waits where something that is not ours may be why: five minutes, as a rule.
const HOPE: u32 = 3;

impl Session {
    /// Removes everything in `work`, then looks twice. Nothing that is not provably ours is touched.
    ///
    /// `state` is the folded journal, empty for a stack that is only known from its tags, and is kept in step with it.
    pub async fn teardown(&mut self, work: Teardown, state: &mut StackState, info: RunInfo) -> Report {
        let plan = work.plan.clone();
        let found = work.standing();
        let (run, stop) = Run::of(self, state, work.stack.clone(), info, Mode::Destroy);
        let (done, ending) = run.attend(stop, tear_down(&run, work)).await;
        if let Some(plan) = &plan {
            run.tally(|tally| tally.kept.extend(untouchable(plan, &run)));
        }
        let (goal, audit) = done.unwrap_or_default();
        let mut report = run.finish(ending, goal, audit);
        if report.audit.is_none() {
            // It did not come to a last look, so the first one counts, less what was deleted since.
            let told = [&report.deleted, &report.remaining, &report.kept, &report.blockers];
            let told: HashSet<String> = told.into_iter().flatten().map(|item| item.resource.id.clone()).collect();
            report.remaining.extend(found.into_iter().filter(|item| !told.contains(&item.resource.id)));
        }
        report
    }
}

async fn tear_down(run: &Run<'_>, work: Teardown) -> (bool, Option<Audit>) {
    if run.start().is_err() {
        return (false, None);
    }
    let mut last = None;
    match to_nothing(run, work, &mut last).await {
        Ok(goal) => (goal, last),
        Err(Cut::Halted | Cut::Later) => (false, last),
        Err(Cut::Step(error)) => {
            run.fail(None, *error);
            (false, last)
        }
    }
}

async fn to_nothing(run: &Run<'_>, work: Teardown, last: &mut Option<Audit>) -> Result<bool, Cut> {
    let plan = work.plan.clone();
    let gap = work.longest_settle().map_or(run.options.audit_gap, |settle| settle.min(run.options.audit_gap));
    // Without a plan the first sweep may have missed what was made a moment ago: there is time for another.
    let mut site = Demolition::new(run, &work, plan.as_deref(), Vec::new(), plan.is_none());
    site.survey().await?;
    site.run_all().await?;
    for round in 0.. {
        let mut look = site.look().await?;
        let failed = run.tally(|tally| !tally.failures.is_empty());
        if look.audit.clean && !failed {
            run.pause(gap).await?;
            look = site.look().await?;
        }
        let clean = look.audit.clean && !failed;
        *last = Some(look.audit);
        if clean {
            site.forget_caused()?;
            return Ok(true);
        }
        if failed || round == ROUNDS {
            return Ok(false);
        }
        // Something came up late: a request that was still on its way, or something that hid behind another.
        let points = run.backend.sweep_points(&look.swept);
        let late = Teardown::from_swept(&run.stack, look.swept, points);
        let known = site.known.into_inner().expect("no holder of this lock can panic");
        let done = |run: &Run<'_>| run.tally(|tally| (tally.deleted.len(), tally.failures.len()));
        let before = done(run);
        let again = Demolition::new(run, &late, plan.as_deref(), known, round + 1 < ROUNDS);
        again.survey().await?;
        let postponed = again.run_all().await?;
        if done(run) == before {
            // Gone already by its own word, and only listed yet: listings lag.
            run.pause(gap).await?;
        }
        let known = again.known.into_inner().expect("no holder of this lock can panic");
        site = Demolition::new(run, &work, plan.as_deref(), known, false);
        // What the cluster made does not go before the cluster: one that is still being built may not even be deleted yet.
        if look.caused && !postponed {
            site.clear_stage(look::AUDIT).await?;
        }
    }
    Ok(false)
}

/// One teardown under way.
struct Demolition<'r, 'a> {
    run: &'r Run<'a>,
    work: &'r Teardown,
    plan: Option<&'r Plan>,
    /// Proven ours, as seen: what "inside our network" starts from.
    known: Mutex<Vec<Observed>>,
    /// Outputs that no journal has, read once.
    outputs: Mutex<HashMap<StepId, Option<Outputs>>>,
    /// How to read what the cluster made and this run deleted.
    caused: Mutex<BTreeMap<StepId, PlannedStep>>,
    /// Holders whose inside could not be reached: what is in them goes with them.
    closed: Mutex<HashSet<StepId>>,
    /// Another round follows, so nothing needs to be waited for that a new look may explain.
    may_postpone: bool,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
}

/// What a look after the teardown found.
struct Look {
    audit: Audit,
    /// Ours by tag, still there.
    swept: Vec<Swept>,
    /// Something that the cluster made, provably, is still there.
    caused: bool,
}

enum Node<'r> {
    Delete(&'r Target),
    Clear(&'r SweepPoint),
    /// Never undone, or not found: only passes the order on.
    Nothing,
}

impl<'r, 'a> Demolition<'r, 'a> {
    fn new(
        run: &'r Run<'a>,
        work: &'r Teardown,
        plan: Option<&'r Plan>,
        known: Vec<Observed>,
        may_postpone: bool,
    ) -> Self {
        Self {
            run,
            work,
            plan,
            known: Mutex::new(known),
            outputs: Mutex::default(),
            caused: Mutex::default(),
            closed: Mutex::default(),
            may_postpone,
            looking: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> Vec<Observed> {
        self.known.lock().expect("no holder of this lock can panic").clone()
    }

    fn remember(&self, seen: Observed) {
        self.known.lock().expect("no holder of this lock can panic").push(seen);
    }

    // ---- order

    /// Every node once those before it are done. What waits for a failed one is left standing. True when something was
    /// left for another round.
    async fn run_all(&self) -> Result<bool, Cut> {
        let (nodes, mut missing, behind, names) = self.graph();
        let mut free: VecDeque<usize> = (0..nodes.len()).filter(|at| missing[*at] == 0).collect();
        let mut done = vec![false; nodes.len()];
        let mut started: Vec<bool> = missing.iter().map(|count| *count == 0).collect();
        let mut skipped = vec![false; nodes.len()];
        let mut postponed = false;
        let mut under_way = FuturesUnordered::new();
        loop {
            while !self.run.stopped()
                && under_way.len() < self.run.options.parallel.max(1)
                && let Some(at) = free.pop_front()
            {
                let node = &nodes[at];
                under_way.push(async move { (at, Box::pin(self.run_node(node)).await) });
            }
            match under_way.next().await {
                Some((at, Ok(()))) => {
                    done[at] = true;
                    for next in &behind[at] {
                        missing[*next] -= 1;
                        if missing[*next] == 0 && !std::mem::replace(&mut started[*next], true) {
                            free.push_back(*next);
                        }
                    }
                }
                Some((_, Err(Cut::Halted))) => {}
                Some((at, Err(Cut::Later))) => {
                    postponed = true;
                    self.skip_behind(at, &behind, &names, &mut skipped);
                }
                Some((at, Err(Cut::Step(error)))) => {
                    self.run.fail(Some(names[at].clone()), *error);
                    self.skip_behind(at, &behind, &names, &mut skipped);
                }
                None if self.run.stopped() => return Err(Cut::Halted),
                None => {
                    // An order that contradicts itself must not leave anything standing: the rest goes as it can.
                    let rest: Vec<usize> = (0..nodes.len()).filter(|at| !started[*at] && !skipped[*at]).collect();
                    if rest.is_empty() {
                        return Ok(postponed);
                    }
                    rest.iter().for_each(|at| started[*at] = true);
                    free.extend(rest);
                }
            }
        }
    }

    fn skip_behind(&self, failed: usize, behind: &[Vec<usize>], names: &[StepId], skipped: &mut [bool]) {
        let mut todo = behind[failed].clone();
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut skipped[at], true) {
                let note = format!("waits until `{}` is gone", names[failed]);
                self.run.tally(|tally| {
                    tally.notes.entry(names[at].clone()).or_insert(note);
                });
                todo.extend(&behind[at]);
            }
        }
    }

    /// The nodes, how many each waits for, who waits for each, and what they are called.
    fn graph(&self) -> (Vec<Node<'r>>, Vec<usize>, Vec<Vec<usize>>, Vec<StepId>) {
        let mut ids: BTreeSet<&StepId> = self.work.targets.keys().collect();
        ids.extend(self.work.after.iter().flat_map(|(id, after)| std::iter::once(id).chain(after)));
        let mut nodes = Vec::with_capacity(ids.len() + self.work.points.len());
        let mut names: Vec<StepId> = Vec::with_capacity(nodes.capacity());
        let mut places: HashMap<&StepId, usize> = HashMap::with_capacity(ids.len());
        for id in ids {
            places.insert(id, nodes.len());
            names.push(id.clone());
            nodes.push(self.work.targets.get(id).map_or(Node::Nothing, Node::Delete));
        }
        let mut edges: HashSet<(usize, usize)> = HashSet::new();
        for (id, after) in &self.work.after {
            edges.extend(after.iter().map(|first| (places[first], places[id])));
        }
        for point in &self.work.points {
            let here = nodes.len();
            nodes.push(Node::Clear(point));
            names.push(StepId::new(format!("caused/{}", point.stage)));
            edges.extend(point.after.iter().filter_map(|first| Some((*places.get(first)?, here))));
            edges.extend(point.before.iter().filter_map(|then| Some((here, *places.get(then)?))));
        }
        let mut missing = vec![0; nodes.len()];
        let mut behind = vec![Vec::new(); nodes.len()];
        for (first, then) in edges {
            if first != then {
                missing[then] += 1;
                behind[first].push(then);
            }
        }
        (nodes, missing, behind, names)
    }

    async fn run_node(&self, node: &Node<'r>) -> Result<(), Cut> {
        match node {
            Node::Nothing => Ok(()),
            Node::Delete(target) => self.clear_with_inside(target).await,
            Node::Clear(point) => self.clear_stage(&point.stage).await.map(drop),
        }
    }

    // ---- looking

    /// Reads everything that is known by id, so that the searches for leftovers know what is ours from the start.
    async fn survey(&self) -> Result<(), Cut> {
        let looks = self.work.targets.values().map(|target| async move {
            let resource = self.run.state(|state| state.step(&target.step.id).resource().cloned());
            let mut seen = target.seen.clone();
            let by = match &resource {
                Some(resource) => Some(Lookup::Id(resource)),
                // What the cluster made is proven by what may not be in the journal yet.
                None => self.doubted_since(&target.step.id).map(|_| Lookup::Identity),
            };
            if by.is_none() && seen.is_empty() {
                return Ok(());
            }
            let task = self.task(&target.step).await?;
            if let Some(by) = by {
                // What cannot be read now is read again when its turn comes, and complains then.
                match task.look(by, self.run.in_secs(30)).await {
                    Ok(found) => seen.extend(found.into_vec()),
                    Err(Cut::Halted) => return Err(Cut::Halted),
                    Err(Cut::Step(_) | Cut::Later) => {}
                }
            }
            for seen in seen.into_iter().filter(|seen| self.prove(&task, seen.clone()).is_ok()) {
                self.remember(seen);
            }
            Ok(())
        });
        let mut looks = stream::iter(looks).buffer_unordered(self.run.options.parallel.max(1));
        while let Some(looked) = looks.next().await {
            match looked {
                Err(Cut::Halted) => return Err(Cut::Halted),
                Ok(()) | Err(Cut::Step(_) | Cut::Later) => {}
            }
        }
        Ok(())
    }

    async fn task<'s>(&'s self, step: &'s PlannedStep) -> Result<Task<'s, 'a>, Cut> {
        let inputs = self.inputs(step).await?;
        let parent = match &step.identity {
            Identity::Child { parent, .. } => self
                .work
                .targets
                .get(parent)
                .and_then(|target| target.seen.first())
                .map(|seen| seen.reference.id.clone()),
            _ => None,
        };
        Ok(Task::new(self.run, self.plan, step, inputs)?.with_parent(parent))
    }

    /// Inputs from the journal, and read from the cloud where a recovered journal does not have them.
    async fn inputs(&self, step: &PlannedStep) -> Result<Inputs, Cut> {
        let mut inputs = self.run.state(|state| super::task::inputs(step, state));
        let Some(plan) = self.plan else { return Ok(inputs) };
        for need in step.needs.iter().filter(|need| !inputs.0.contains_key(need)).cloned().collect::<Vec<_>>() {
            let cached = self.outputs.lock().expect("no holder of this lock can panic").get(&need).cloned();
            let outputs = match cached {
                Some(outputs) => outputs,
                None => {
                    let outputs = super::rebuild::live_outputs(self.run, plan, &need).await?;
                    let mut cache = self.outputs.lock().expect("no holder of this lock can panic");
                    cache.insert(need.clone(), outputs.clone());
                    outputs
                }
            };
            inputs.0.extend(outputs.map(|outputs| (need, outputs)));
        }
        Ok(inputs)
    }

    /// By the step's identity, or by what a search without a plan can show.
    fn prove(&self, task: &Task<'_, '_>, seen: Observed) -> Result<Owned, super::NotOurs> {
        task.prove(seen.clone()).or_else(|why| {
            let journalled = self.sight(&seen.reference);
            prove_found(&self.run.stack, seen, &self.ours(), journalled.as_ref()).map_err(|_| why)
        })
    }

    /// Ids of what is proven ours.
    fn ours(&self) -> BTreeSet<String> {
        self.known().into_iter().map(|seen| seen.reference.id).collect()
    }

    // ---- one step's objects

    async fn clear(&self, target: &Target) -> Result<(), Cut> {
        let state = self.run.step_state(&target.step.id);
        let doubted = self.doubted_since(&target.step.id);
        if state.is_unmade() && doubted.is_none() && target.seen.is_empty() && target.extras.is_empty() {
            return Ok(());
        }
        let task = self.task(&target.step).await?;
        for extra in &target.extras {
            self.clear_known(&task, extra, true).await?;
        }
        match &state {
            StepState::Intended { at, .. } => self.clear_searched(&task, *at).await?,
            StepState::Failed { at, error, .. } if error.residue != Residue::None => {
                if let Residue::Some(resource) = &error.residue {
                    self.clear_known(&task, resource, false).await?;
                }
                self.clear_searched(&task, *at).await?;
            }
            StepState::Acted { resource, at, .. } | StepState::Ready { resource, at, .. } => {
                // Made a moment ago, it may not be visible yet.
                task.look_by_id(resource, *at, task.delete_deadline()).await?;
                self.clear_known(&task, resource, false).await?;
            }
            StepState::Deleting { resource, .. } | StepState::DeleteFailed { resource, .. } => {
                self.clear_known(&task, resource, false).await?;
            }
            // What a rebuild that was cut short has not come to may stand without a line.
            StepState::Pending => {
                if let Some(since) = doubted {
                    let searched = self.clear_searched(&task, since).await;
                    searched.or_else(|cut| without_a_place(self.run, &target.step, cut))?;
                }
            }
            StepState::Deleted { .. } | StepState::Failed { .. } => {}
        }
        for seen in &target.seen {
            // A sweep is older than the deletions since; only what a fresh read shows is acted on.
            let extra = !matches!(self.run.step_state(&target.step.id), StepState::Pending);
            let fresh = task.look(Lookup::Id(&seen.reference), task.delete_deadline()).await?.into_vec();
            if let Some(fresh) = fresh.into_iter().find(|fresh| fresh.reference.id == seen.reference.id) {
                let owned = self.prove(&task, fresh).map_err(|why| not_ours(&why))?;
                self.remove(&task, &owned, extra, false).await?;
            }
        }
        Ok(())
    }

    /// An object the journal knows by id.
    async fn clear_known(&self, task: &Task<'_, '_>, resource: &ResourceRef, extra: bool) -> Result<(), Cut> {
        let seen = task.look(Lookup::Id(resource), task.delete_deadline()).await?.into_vec();
        let Some(seen) = seen.into_iter().find(|seen| seen.reference.id == resource.id) else {
            return task.record_gone(Some(resource), extra);
        };
        match self.prove(task, seen) {
            Ok(owned) => self.remove(task, &owned, extra, false).await,
            Err(why) => {
                let error = not_ours(&why);
                task.record_stays(resource, extra, &error)?;
                Err(error.into())
            }
        }
    }

    /// Since when a step without a line may stand all the same: its journal is half rebuilt.
    fn doubted_since(&self, step: &StepId) -> Option<jiff::Timestamp> {
        self.run.state(|state| state.doubted_since().filter(|_| *state.step(step) == StepState::Pending))
    }

    /// A call may have been sent and nobody knows its fate: all that is ours goes.
    async fn clear_searched(&self, task: &Task<'_, '_>, at: jiff::Timestamp) -> Result<(), Cut> {
        for seen in task.look_settled(at, task.delete_deadline()).await? {
            let owned = task.prove(seen.clone()).map_err(|why| not_ours(&why))?;
            self.remember(seen);
            let extra = matches!(task.state(), StepState::Deleted { .. });
            self.remove(task, &owned, extra, false).await?;
        }
        if !matches!(task.state(), StepState::Pending | StepState::Deleted { .. }) {
            task.record_gone(None, false)?;
        }
        Ok(())
    }

    /// Deletes, and while the cloud refuses because something still uses it, looks again for what the cluster made.
    async fn remove(&self, task: &Task<'_, '_>, owned: &Owned, extra: bool, announced: bool) -> Result<(), Cut> {
        if !announced {
            task.announce(owned.reference(), extra)?;
        }
        match self.remove_stubborn(task, owned).await {
            Ok(()) => task.record_gone(Some(owned.reference()), extra),
            Err(Cut::Step(error)) => {
                task.record_stays(owned.reference(), extra, &error)?;
                Err(Cut::Step(error))
            }
            Err(cut) => Err(cut),
        }
    }

    async fn remove_stubborn(&self, task: &Task<'_, '_>, owned: &Owned) -> Result<(), Cut> {
        let began = self.run.now();
        let mut deadline = task.delete_deadline();
        let stages: Vec<&SweepPoint> =
            self.work.points.iter().filter(|point| point.before.contains(task.id())).collect();
        let patience = (self.may_postpone || !stages.is_empty()).then_some(PATIENCE);
        loop {
            let error = match task.delete(owned, deadline, patience).await? {
                Removal::Gone => return Ok(()),
                Removal::Stuck(error, throttled) => {
                    deadline = later(deadline, throttled);
                    *error
                }
            };
            let (mut blockers, looked) = (Vec::new(), self.run.now());
            for point in &stages {
                blockers.extend(Box::pin(self.clear_stage(&point.stage)).await?);
            }
            // What stood in the way until now had the time that its own removal took.
            deadline = self.run.answered(deadline, looked);
            // What is not ours will not go because we wait; a while for what it may have been instead: interfaces of load
            // balancers that are gone stay for minutes.
            let now = self.run.now();
            let hope = Duration::from_secs(task.step.timing.delete_deadline_secs.into()) / HOPE;
            let hopeless = !blockers.is_empty() && (now >= deadline || since(began, now) >= hope);
            if hopeless {
                let names: Vec<String> = blockers.iter().map(in_words).collect();
                let mut error = error;
                error.class = ErrorClass::Conflict;
                error.message = format!("{}; in the way and not provably ours: {}", error.message, names.join(", "));
                return Err(error.into());
            }
            if self.may_postpone {
                return Err(Cut::Later);
            }
            if self.run.now() >= deadline {
                return Err(error.into());
            }
        }
    }

    /// Objects whose deletion an earlier run announced and that no look shows any more are gone.
    fn forget_caused(&self) -> Result<(), Cut> {
        let open: Vec<(StepId, ResourceRef)> = self
            .run
            .state(|state| state.extras().map(|(step, extra)| (step.clone(), extra.resource.clone())).collect());
        for (step, resource) in open {
            self.run.append(Event::Deleted { step, resource: Some(resource), extra: true })?;
        }
        // Without a plan, what an earlier run found is known to this one only if its own search found it again.
        let own: Vec<(StepId, ResourceRef)> = self.run.state(|state| {
            let known = state.steps().filter_map(|(step, state)| Some((step, state.resource()?)));
            let unseen = known.filter(|(step, _)| self.plan.is_none() && !self.work.targets.contains_key(step));
            unseen.map(|(step, resource)| (step.clone(), resource.clone())).collect()
        });
        for (step, resource) in own {
            self.run.append(Event::Deleted { step, resource: Some(resource), extra: false })?;
        }
        Ok(())
    }
}

fn add_once(items: &mut Vec<Item>, item: Item) {
    let same = |known: &Item| (&known.resource.kind, &known.resource.id) == (&item.resource.kind, &item.resource.id);
    if !items.iter().any(same) {
        items.push(item);
    }
}

fn in_words(item: &Item) -> String {
    match &item.note {
        Some(note) => format!("{} `{}` ({note})", item.resource.kind, item.resource.id),
        None => format!("{} `{}`", item.resource.kind, item.resource.id),
    }
}
