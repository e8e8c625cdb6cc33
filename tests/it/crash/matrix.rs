//! Every crash point, and every crash point of the recovery, for every way to go on; and the negative controls that
//! show that the matrix would notice.

use super::{
    harness::{Act, Golden, Ran, Site, large, plan, populated, process, small},
    seam::Script,
    world::World,
};
use jiff::Timestamp;
use kubewright::engine::{Event, Plan};

/// What a matrix came to.
pub struct Count {
    /// What the points are.
    pub at: &'static str,
    pub points: usize,
    pub cases: usize,
    pub wrong: Vec<String>,
}

impl Default for Count {
    fn default() -> Self {
        Self { at: "crash points", points: 0, cases: 0, wrong: Vec::new() }
    }
}

impl Count {
    pub fn judge(&mut self, golden: &Golden, ran: &Ran, act: Act, case: &str) {
        self.cases += 1;
        for complaint in golden.complaints(ran, act) {
            self.wrong.push(format!("{case}: {complaint}"));
        }
    }

    pub fn must_be_clean(&self, what: &str) {
        println!("{what}: {} {}, {} cases, {} wrong", self.points, self.at, self.cases, self.wrong.len());
        assert!(self.wrong.is_empty(), "{} wrong, the first:\n{}", self.wrong.len(), self.wrong[0]);
    }

    /// For negative controls.
    pub fn must_be_dirty(&self, what: &str) {
        let (points, at, wrong) = (self.points, self.at, self.wrong.len());
        println!("{what}: {points} {at}, {wrong} of {} cases wrong, as must be", self.cases);
        assert!(!self.wrong.is_empty(), "{what}: the matrix did not notice");
    }
}

pub fn on_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

pub fn start() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("valid")
}

const WAYS_ON: [Act; 5] =
    [Act::Provision, Act::Destroy, Act::DestroyFromTags, Act::DestroyFromBoth, Act::RecoverAndProvision];

/// What may be done after `act` was killed in its turn and left this.
fn ways_on_after(act: Act, left: &Site) -> &'static [Act] {
    match act {
        Act::Provision => &[Act::Provision, Act::Destroy],
        // Without a line in the journal the stack is found by its tags, and nothing is built in its name.
        Act::RecoverAndProvision if left.disk.clone().records().is_empty() => {
            &[Act::RecoverAndProvision, Act::DestroyFromTags]
        }
        Act::RecoverAndProvision => &[Act::Provision, Act::Destroy, Act::RecoverAndProvision],
        Act::Destroy => &[Act::Destroy, Act::DestroyFromTags],
        Act::DestroyFromTags => &[Act::DestroyFromTags],
        Act::DestroyFromBoth => &[Act::DestroyFromBoth],
    }
}

/// Kills `act` at every point in turn; `then` judges what each death leaves.
async fn each_death(site: &Site, plan: &Plan, act: Act, mut then: impl AsyncFnMut(usize, Site)) -> usize {
    for point in 0.. {
        let ran = process(site, plan, act, Script::Crash(point)).await;
        if ran.report.is_some() {
            return point;
        }
        then(point, ran.site).await;
    }
    unreachable!("a run has an end")
}

async fn once(plan: &Plan, site: &Site, ways: &[Act]) -> Count {
    let (golden, _) = Golden::of(site, plan).await;
    let mut count = Count::default();
    count.points = each_death(site, plan, Act::Provision, async |point, dead| {
        for act in ways {
            let ran = process(&dead, plan, *act, Script::Nothing).await;
            count.judge(&golden, &ran, *act, &format!("killed at {point}, then {act:?}"));
        }
    })
    .await;
    count
}

async fn twice(plan: &Plan, site: &Site, first: Act, every: usize) -> Count {
    let (golden, _) = Golden::of(site, plan).await;
    let mut count = Count::default();
    let mut inner = 0;
    let points = each_death(site, plan, Act::Provision, async |point, dead| {
        if point % every > 0 {
            return;
        }
        inner += each_death(&dead, plan, first, async |second, dead| {
            for act in ways_on_after(first, &dead) {
                let ran = process(&dead, plan, *act, Script::Nothing).await;
                let case = format!("killed at {point}, then {first:?} killed at {second}, then {act:?}");
                count.judge(&golden, &ran, *act, &case);
            }
        })
        .await;
    })
    .await;
    count.points = points + inner;
    count
}

#[test]
fn every_crash_point_of_a_build_recovers_in_every_way() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        once(&plan(large(&adopted)), &Site::new(world, start()), &WAYS_ON).await.must_be_clean("killed once");
    });
}

#[test]
fn every_crash_point_of_a_teardown_recovers() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let (golden, built) = Golden::of(&Site::new(world, start()), &plan).await;
        let mut count = Count::default();
        for first in [Act::Destroy, Act::DestroyFromTags, Act::DestroyFromBoth] {
            count.points += each_death(&built.site, &plan, first, async |point, dead| {
                for act in ways_on_after(first, &dead) {
                    let ran = process(&dead, &plan, *act, Script::Nothing).await;
                    count.judge(&golden, &ran, *act, &format!("{first:?} killed at {point}, then {act:?}"));
                }
            })
            .await;
        }
        count.must_be_clean("teardown killed once");
    });
}

/// `every` so many first deaths are followed by every second one.
fn killed_twice(first: Act, every: usize) {
    on_paused_time(async {
        let site = Site::new(populated(start()).0, start());
        // Every double death of it is tried, so it is as short as a plan with every kind of creation can be.
        let mut steps = small();
        steps.retain(|step| step.id.as_str() != "network/sub");
        steps.iter_mut().for_each(|step| {
            let uses = step.params["uses"].as_array_mut().expect("a list");
            uses.retain(|used| used["$from"] != "network/sub");
        });
        twice(&plan(steps), &site, first, every)
            .await
            .must_be_clean(&format!("killed twice, the second time in {first:?}"));
    });
}

#[test]
fn a_second_crash_inside_the_resume_recovers() {
    killed_twice(Act::Provision, 1);
}

#[test]
fn a_second_crash_inside_the_destroy_recovers() {
    killed_twice(Act::Destroy, 1);
}

#[test]
fn a_second_crash_inside_the_destroy_from_tags_recovers() {
    killed_twice(Act::DestroyFromTags, 1);
}

#[test]
fn a_second_crash_inside_the_rebuild_of_a_lost_journal_recovers() {
    // A rebuild is long and does not care at which line the lost journal ended, only at what the cloud holds.
    killed_twice(Act::RecoverAndProvision, 5);
}

// ---- negative controls: each must make the matrix fail

#[test]
fn without_a_settle_window_the_matrix_fails() {
    on_paused_time(async {
        let mut site = Site::new(World::default(), start());
        site.world.ids_are_consistent = true; // an undisturbed build gets through without a window
        let mut steps = small();
        once(&plan(steps.clone()), &site, &[Act::Provision]).await.must_be_clean("with a settle window");
        steps.iter_mut().for_each(|step| step.settle_secs = 0);
        once(&plan(steps), &site, &[Act::Provision, Act::Destroy]).await.must_be_dirty("settle window 0");
    });
}

#[test]
fn without_sync_after_an_append_the_matrix_fails() {
    on_paused_time(async {
        let mut site = Site::new(World::default(), start());
        site.disk.never_syncs = true;
        site.world.sweep_is_blind = true; // the journal is all there is
        once(&plan(small()), &site, &[Act::Provision, Act::Destroy]).await.must_be_dirty("append without sync");
    });
}

/// An engine whose undo passes over steps that are only intended, as one that never saw their intents.
#[test]
fn without_undo_of_intended_steps_the_matrix_fails() {
    on_paused_time(async {
        let mut site = Site::new(World::default(), start());
        site.world.sweep_is_blind = true; // the tag index must not save it
        let plan = plan(small());
        let (golden, _) = Golden::of(&site, &plan).await;
        let (mut sound, mut forgetful) = (Count::default(), Count::default());
        let points = each_death(&site, &plan, Act::Provision, async |point, dead| {
            let case = format!("killed at {point}");
            let ran = process(&dead, &plan, Act::Destroy, Script::Nothing).await;
            sound.judge(&golden, &ran, Act::Destroy, &case);
            let mut blunt = dead.clone();
            let records = blunt.disk.records();
            let acted =
                |id| records.iter().any(|record| matches!(&record.event, Event::Acted { step, .. } if step == id));
            let orphaned: Vec<u64> = records
                .iter()
                .filter(|record| matches!(&record.event, Event::Intent { step, .. } if !acted(step)))
                .map(|record| record.seq)
                .collect();
            blunt.disk.retain(|record| !orphaned.contains(&record.seq));
            let ran = process(&blunt, &plan, Act::Destroy, Script::Nothing).await;
            forgetful.judge(&golden, &ran, Act::Destroy, &case);
        })
        .await;
        (sound.points, forgetful.points) = (points, points);
        sound.must_be_clean("undo from the journal alone");
        forgetful.must_be_dirty("undo skipped for intended steps");
    });
}
