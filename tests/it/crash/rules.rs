//! The rules one by one: what is refused, what is kept, what is replaced, what a signal or a closed lid does.

use super::{
    cloud::step,
    harness::{Act, Conditions, Golden, Ran, STACK, Site, large, plan, populated, process, small},
    matrix::{on_paused_time, start},
    seam::{Fault, Script},
    world::{SETTLE_SECS, Traits, World},
};
use jiff::SignedDuration;
use kubewright::engine::{
    Creation, Event, Identity, Mode, Options, Outcome, Plan, PlannedStep, Report, StackState, Standing, StepState,
    StopSignal, Tick,
};
use std::{sync::Arc, time::Duration};

/// Of a plan of one step: three points each for the plan, the start and the intent, then those of the call.
const BEFORE_EFFECT: usize = 9;
const AFTER_EFFECT: usize = 11;

fn empty() -> Site {
    Site::new(World::default(), start())
}

fn report(ran: &Ran) -> &Report {
    ran.report.as_ref().expect("nobody killed it")
}

fn folded(ran: &Ran) -> StackState {
    StackState::fold(ran.site.disk.clone().records().iter().map(Arc::as_ref)).expect("it folds")
}

fn failure(ran: &Ran) -> (&str, &str) {
    let error = &report(ran).failures.first().expect("it failed").error;
    (&error.id, &error.message)
}

async fn built(site: &Site, plan: &Plan) -> Ran {
    Golden::of(site, plan).await.1
}

fn one(traits: Traits) -> Vec<PlannedStep> {
    vec![step("nodes/pool", Identity::Tags, true, Creation::Token, &[], traits)]
}

#[test]
fn a_finished_stack_is_left_alone() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let first = built(&Site::new(world, start()), &plan).await;
        let second = process(&first.site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(report(&second).mutating_calls, 0);
        assert_eq!(report(&second).outcome, Outcome::Done);
        let audit = report(&second).audit.as_ref().expect("it looked");
        assert!(audit.clean && audit.checked >= plan.steps.len(), "{audit:?}");
        assert_eq!(folded(&second).standing(), Standing::Ready);
    });
}

#[test]
fn what_stands_inside_another_goes_first_or_with_it() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let first = built(&Site::new(world, start()), &plan).await;
        let inside = |site: &Site| site.world.ours(site.now).iter().filter(|object| object.traits.inside).count();
        assert_eq!(inside(&first.site), 1);
        // While it can be reached it goes by a call of its own, before its holder.
        let gone = process(&first.site, &plan, Act::Destroy, Script::Nothing).await;
        let calls = report(&gone).mutating_calls;
        assert_eq!(report(&gone).outcome, Outcome::Done);
        // Where it cannot, nothing waits for it: not the audit of a finished stack, and not its removal.
        let mut sealed = first.site.clone();
        sealed.world.sealed = true;
        let gone = process(&sealed, &plan, Act::Destroy, Script::Nothing).await;
        assert_eq!((report(&gone).outcome, inside(&gone.site)), (Outcome::Done, 0));
        assert_eq!(report(&gone).mutating_calls, calls - 1);
        assert_eq!(folded(&gone).standing(), Standing::Destroyed);
        assert!(report(&gone).audit.as_ref().expect("it looked").clean);
        assert!(report(&gone).elapsed < Duration::from_secs(15 * 60), "{:?}", report(&gone).elapsed);
        // Cut short anywhere, the removal is finished by the next run, sealed or not.
        for point in (0..gone.points).step_by(3) {
            let dead = process(&sealed, &plan, Act::Destroy, Script::Crash(point)).await.site;
            let ended = process(&dead, &plan, Act::Destroy, Script::Nothing).await;
            assert_eq!((report(&ended).outcome, inside(&ended.site)), (Outcome::Done, 0), "killed at {point}");
        }
    });
}

#[test]
fn parallel_builds_take_the_critical_path_and_little_more() {
    on_paused_time(async {
        let plan = plan(small());
        let ran = built(&empty(), &plan).await;
        let (took, path) = (report(&ran).elapsed, plan.eta().p50);
        println!("build {took:?}, critical path {path:?}");
        assert!(took >= path && took < path + Duration::from_secs(20), "{took:?} for {path:?}");
    });
}

#[test]
fn every_object_carries_our_tags() {
    on_paused_time(async {
        let ran = built(&empty(), &plan(small())).await;
        for object in ran.site.world.ours(ran.site.now).into_iter().filter(|object| object.caused_by.is_none()) {
            assert_eq!(object.tags["kubewright-stack"], STACK, "{object:?}");
            assert_eq!(object.tags["created_by"], "kubewright");
            assert!(object.tags.contains_key("kubewright-step") && object.tags.contains_key("kubewright-run"));
        }
    });
}

#[test]
fn building_is_refused_once_removal_has_begun() {
    on_paused_time(async {
        let plan = plan(small());
        let first = built(&empty(), &plan).await;
        let half = process(&first.site, &plan, Act::Destroy, Script::Crash(12)).await;
        assert_eq!(folded(&half).standing(), Standing::Destroying);
        let refused = process(&half.site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&refused).0, "KW-DELETING");
        assert_eq!((report(&refused).mutating_calls, refused.appends), (0, 0));
        let gone = process(&half.site, &plan, Act::Destroy, Script::Nothing).await;
        assert_eq!(folded(&gone).standing(), Standing::Destroyed);
        let again = process(&gone.site, &plan, Act::Destroy, Script::Nothing).await;
        assert_eq!((report(&again).outcome, report(&again).mutating_calls), (Outcome::Done, 0));
        let refused = process(&gone.site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&refused).0, "KW-DELETING");
    });
}

#[test]
fn steps_never_made_may_be_planned_anew_and_made_ones_not() {
    on_paused_time(async {
        let mut sold_out = small();
        let traits = Traits { breaks: 9, sold_out: true, ..Traits::default() };
        sold_out[4] = step("nodes/pool", Identity::Tags, true, Creation::Token, &["cluster/cluster"], traits);
        let stuck = process(&empty(), &plan(sold_out.clone()), Act::Provision, Script::Nothing).await;
        assert_eq!(report(&stuck).outcome, Outcome::Failed);
        assert_eq!(failure(&stuck).1, "it came up broken");
        // What came up broken for lack of capacity is gone again, so that another type can take its place.
        assert!(folded(&stuck).step(&"nodes/pool".into()).is_unmade());
        let other = process(&stuck.site, &plan(small()), Act::Provision, Script::Nothing).await;
        assert_eq!(report(&other).outcome, Outcome::Done);
        let records = other.site.disk.clone().records();
        assert_eq!(records.iter().filter(|record| matches!(record.event, Event::Replanned { .. })).count(), 1);
        let mut changed = small();
        changed[1].params["traits"]["ready_secs"] = 1.into();
        let refused = process(&other.site, &plan(changed), Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&refused).0, "KW-PLAN-CHANGED");
        assert!(failure(&refused).1.contains("network/net"), "{}", failure(&refused).1);
    });
}

#[test]
fn what_came_up_broken_is_replaced_a_few_times() {
    on_paused_time(async {
        for (breaks, outcome) in [(1, Outcome::Done), (2, Outcome::Done), (3, Outcome::Failed)] {
            let plan = plan(one(Traits { breaks, ready_secs: 20, ..Traits::default() }));
            let ran = process(&empty(), &plan, Act::Provision, Script::Nothing).await;
            assert_eq!(report(&ran).outcome, outcome, "{breaks} broken");
            let usable = usize::from(outcome == Outcome::Done);
            assert_eq!(ran.site.world.ours(ran.site.now).len(), usable, "nothing broken is left");
        }
    });
}

/// Duplicates of ours that an older build or a second machine left: the attached one stays, or else the oldest.
#[test]
fn of_several_the_attached_or_oldest_stays_and_foreign_ones_are_not_counted() {
    on_paused_time(async {
        let plan = plan(one(Traits::default()));
        let mut site = empty();
        // Killed after the effect of its creation: the step is intended.
        let dead = process(&site, &plan, Act::Provision, Script::Crash(AFTER_EFFECT)).await;
        assert!(matches!(folded(&dead).step(&"nodes/pool".into()), StepState::Intended { .. }));
        site = dead.site;
        site.now += SignedDuration::from_secs(60);
        let made = site.world.ours(site.now)[0].clone();
        for (nth, hours) in [(1, 1), (2, 3), (3, 2)] {
            let mut twin = made.clone();
            twin.id = format!("twin-{nth}");
            twin.created_at = made.created_at - SignedDuration::from_hours(hours);
            site.world.objects.insert(twin.id.clone(), twin);
        }
        let stranger = site.world.plant("w/pool", None, &[("kubewright-step", "nodes__pool")], &[], site.now);
        let oldest = process(&site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(report(&oldest).outcome, Outcome::Done, "{:?}", report(&oldest).failures);
        let left: Vec<&str> = oldest.site.world.ours(oldest.site.now).iter().map(|object| object.id.as_str()).collect();
        assert_eq!(left, ["twin-2"]);
        assert!(oldest.site.world.objects[&stranger].exists(oldest.site.now));
        site.world.plant("w/user", None, &[], &["twin-3"], site.now);
        let attached = process(&site, &plan, Act::Provision, Script::Nothing).await;
        let left: Vec<&str> =
            attached.site.world.ours(attached.site.now).iter().map(|object| object.id.as_str()).collect();
        assert_eq!(left, ["twin-3"]);
    });
}

#[test]
fn a_taken_name_is_refused_and_left_alone() {
    on_paused_time(async {
        let mut site = empty();
        site.world.plant("w/cluster", Some("kw-demo-0000beef-cluster"), &[("Name", "x")], &[], site.now);
        let before = site.world.foreign().into_iter().cloned().collect::<Vec<_>>();
        let ran = process(&site, &plan(small()), Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&ran).0, "KW-NOT-OURS", "{}", failure(&ran).1);
        let gone = process(&ran.site, &plan(small()), Act::Destroy, Script::Nothing).await;
        assert_eq!(report(&gone).outcome, Outcome::Done, "{:?}", report(&gone).failures);
        assert!(gone.site.world.ours(gone.site.now).is_empty());
        assert_eq!(gone.site.world.foreign().into_iter().cloned().collect::<Vec<_>>(), before);
    });
}

#[test]
fn a_name_that_is_taken_as_soon_as_it_is_free_holds_no_teardown_up() {
    on_paused_time(async {
        let traits = Traits { coveted: true, gone_secs: 10, ..Traits::default() };
        let plan = plan(vec![step(
            "cluster",
            Identity::Name { name: "demo".to_owned() },
            true,
            Creation::ByName,
            &[],
            traits,
        )]);
        let first = built(&empty(), &plan).await;
        let gone = process(&first.site, &plan, Act::Destroy, Script::Nothing).await;
        assert_eq!(report(&gone).outcome, Outcome::Done, "{:?}", report(&gone).audit);
        assert!(report(&gone).audit.as_ref().expect("it looked").clean);
        assert_eq!(folded(&gone).standing(), Standing::Destroyed);
        let stands: Vec<_> = gone.site.world.foreign().into_iter().map(|it| it.exists(gone.site.now)).collect();
        assert_eq!(stands, [true], "it is somebody else's now");
    });
}

#[test]
fn what_is_gone_and_only_listed_yet_does_not_remain() {
    on_paused_time(async {
        let plan = plan(vec![step("network", Identity::Tags, true, Creation::Token, &[], Traits::default())]);
        let mut site = built(&empty(), &plan).await.site;
        let id = folded_resource(&site, "network");
        // Deleted by a builder that died before it could say so; listings lag behind.
        site.world.objects.get_mut(&id).expect("it was built").gone_at = Some(site.now);
        site.world.ids_are_consistent = true;
        let gone = process(&site, &plan, Act::DestroyFromTags, Script::Nothing).await;
        let told = report(&gone);
        assert_eq!((told.outcome, told.deleted.len(), told.remaining.len()), (Outcome::Done, 0, 0), "{:?}", told.audit);
    });
}

#[test]
fn a_ready_thing_that_vanished_is_reported_and_made_anew_only_on_consent() {
    on_paused_time(async {
        let plan = plan(small());
        let mut site = built(&empty(), &plan).await.site;
        let id = folded_resource(&site, "nodes/pool");
        site.world.objects.remove(&id);
        let drifted = process(&site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&drifted).0, "KW-DRIFT");
        assert_eq!(report(&drifted).mutating_calls, 0);
        let options = Options { recreate: true, ..Options::default() };
        let mended = process(&site, &plan, Act::Provision, Conditions { options, ..Conditions::default() }).await;
        assert_eq!(report(&mended).outcome, Outcome::Done, "{:?}", report(&mended).failures);
        assert_eq!(report(&mended).mutating_calls, 1);
    });
}

#[test]
fn what_is_made_anew_is_made_in_the_order_of_its_needs() {
    on_paused_time(async {
        let plan = plan(small());
        let mut site = built(&empty(), &plan).await.site;
        for step in ["network/sub", "cluster/cluster", "nodes/pool"] {
            let id = folded_resource(&site, step);
            site.world.objects.remove(&id);
        }
        site.world.objects.retain(|_, object| object.caused_by.is_none());
        let options = Options { recreate: true, ..Options::default() };
        let mended = process(&site, &plan, Act::Provision, Conditions { options, ..Conditions::default() }).await;
        assert_eq!(report(&mended).outcome, Outcome::Done, "{:?}", report(&mended).failures);
        assert_eq!(report(&mended).mutating_calls, 3);
    });
}

fn folded_resource(site: &Site, step: &str) -> String {
    let records = site.disk.clone().records();
    let state = StackState::fold(records.iter().map(Arc::as_ref)).expect("it folds");
    state.step(&step.into()).resource().expect("it has one").id.clone()
}

#[test]
fn what_is_not_ours_blocks_and_is_named_and_volumes_are_kept() {
    on_paused_time(async {
        let plan = plan(small());
        let mut site = built(&empty(), &plan).await.site;
        let net = folded_resource(&site, "network/net");
        site.world.plant("w/stranger", None, &[("cluster_name", "demo")], &[&net], site.now);
        let mut disk = site.world.objects.values().find(|object| object.kind == "w/eni").expect("made").clone();
        (disk.id, disk.kind) = ("disk-1".to_owned(), "w/disk".to_owned());
        site.world.objects.insert(disk.id.clone(), disk);
        let ran = process(&site, &plan, Act::Destroy, Script::Nothing).await;
        let told = report(&ran);
        assert_eq!(told.outcome, Outcome::Failed);
        assert_eq!(told.blockers.len(), 1, "{:?}", told.blockers);
        assert_eq!(told.kept.iter().map(|item| item.resource.id.as_str()).collect::<Vec<_>>(), ["disk-1"]);
        assert!(told.failures[0].error.message.contains("somebody else"), "{}", told.failures[0].error.message);
        let left: Vec<&str> = told.remaining.iter().map(|item| item.resource.id.as_str()).collect();
        assert_eq!(left, [net.as_str()], "unrelated branches went");
        assert!(folded(&ran).step(&"iam/role".into()).is_unmade());
        // Once it is out of the way, the rest goes.
        let mut site = ran.site;
        site.world.objects.retain(|_, object| object.kind != "w/stranger" && object.kind != "w/disk");
        let ran = process(&site, &plan, Act::Destroy, Script::Nothing).await;
        assert_eq!(report(&ran).outcome, Outcome::Done, "{:?}", report(&ran).failures);
        assert!(report(&ran).remaining.is_empty());
    });
}

#[test]
fn a_signal_lets_calls_get_to_a_record_and_the_second_does_not() {
    on_paused_time(async {
        let plan = plan(small());
        let (golden, _) = Golden::of(&empty(), &plan).await;
        for signals in [vec![(20, StopSignal::Soon)], vec![(20, StopSignal::Now)], vec![(0, StopSignal::Soon)]] {
            let under = Conditions { signals: signals.clone(), ..Conditions::default() };
            let stopped = process(&empty(), &plan, Act::Provision, under).await;
            assert_eq!(report(&stopped).outcome, Outcome::Stopped);
            assert!(report(&stopped).elapsed < Duration::from_secs(40), "{:?}", report(&stopped).elapsed);
            let state = folded(&stopped);
            assert!(state.steps().all(|(_, step)| !matches!(step, StepState::Failed { .. })), "stopping is no failure");
            for act in [Act::Provision, Act::Destroy] {
                let ran = process(&stopped.site, &plan, act, Script::Nothing).await;
                assert_eq!(golden.complaints(&ran, act), Vec::<String>::new(), "{signals:?}");
            }
        }
    });
}

#[test]
fn the_overall_timeout_stops_and_can_be_gone_on_from() {
    on_paused_time(async {
        let plan = plan(small());
        let (golden, _) = Golden::of(&empty(), &plan).await;
        let options = Options { timeout: Some(Duration::from_secs(25)), ..Options::default() };
        let late = process(&empty(), &plan, Act::Provision, Conditions { options, ..Conditions::default() }).await;
        assert_eq!(report(&late).outcome, Outcome::TimedOut);
        let ran = process(&late.site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(golden.complaints(&ran, Act::Provision), Vec::<String>::new());
    });
}

#[test]
fn a_teardown_by_tags_that_is_cut_short_names_what_still_stands() {
    on_paused_time(async {
        let plan = plan(small());
        let site = built(&empty(), &plan).await.site;
        let options = Options { timeout: Some(Duration::from_secs(12)), ..Options::default() };
        let under = Conditions { options, ..Conditions::default() };
        let ran = process(&site, &plan, Act::DestroyFromTags, under).await;
        assert_eq!((report(&ran).outcome, &report(&ran).audit), (Outcome::TimedOut, &None));
        let told: Vec<&str> = report(&ran).remaining.iter().map(|item| item.resource.id.as_str()).collect();
        let stand = ran.site.world.ours(ran.site.now).into_iter().filter(|object| object.caused_by.is_none());
        let silent: Vec<&str> = stand.map(|object| object.id.as_str()).filter(|id| !told.contains(id)).collect();
        assert_eq!(silent, [""; 0], "told {told:?}");
        assert!(!told.is_empty(), "it was cut short before the end");
    });
}

#[test]
fn a_closed_lid_is_noticed_and_no_deadline_judged_by_it() {
    on_paused_time(async {
        let plan = plan(small());
        let lid = Some((Duration::from_secs(10), Duration::from_secs(7_200)));
        let options = Options { timeout: Some(Duration::from_secs(600)), ..Options::default() };
        let ran = process(&empty(), &plan, Act::Provision, Conditions { lid, options, ..Conditions::default() }).await;
        assert_eq!(report(&ran).outcome, Outcome::Done, "{:?}", report(&ran).failures);
        assert!(ran.ticks.iter().any(|tick| matches!(tick, Tick::ClockJumped { .. })), "it says so");
    });
}

#[test]
fn expired_credentials_pause_where_somebody_can_renew_them_and_end_the_run_elsewhere() {
    on_paused_time(async {
        let plan = plan(small());
        let script = Script::Fault(3, Fault::Expired);
        let renewed = Conditions { script, renewed_after: Some(3), ..Conditions::default() };
        let ran = process(&empty(), &plan, Act::Provision, renewed).await;
        assert_eq!(report(&ran).outcome, Outcome::Done, "{:?}", report(&ran).failures);
        assert_eq!(ran.ticks.iter().filter(|tick| matches!(tick, Tick::Paused { .. })).count(), 3);
        let ran = process(&empty(), &plan, Act::Provision, script).await;
        assert_eq!(failure(&ran).0, "KW-TEST-EXPIRED");
        let (golden, _) = Golden::of(&empty(), &plan).await;
        let ran = process(&ran.site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(golden.complaints(&ran, Act::Provision), Vec::<String>::new());
    });
}

#[test]
fn a_deadline_ends_a_wait_with_a_word_of_the_cloud() {
    on_paused_time(async {
        let mut steps = one(Traits { ready_secs: 600, ..Traits::default() });
        steps[0].timing.p50_secs = 20;
        steps[0].timing.deadline_secs = 100;
        let plan = plan(steps);
        let ran = process(&empty(), &plan, Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&ran).0, "KW-DEADLINE");
        assert!(failure(&ran).1.contains("CREATING"), "{}", failure(&ran).1);
        // The object goes on in the cloud; the next run waits on.
        let mut site = ran.site;
        site.now += SignedDuration::from_secs(700);
        let ran = process(&site, &plan, Act::Provision, Script::Nothing).await;
        assert_eq!((report(&ran).outcome, report(&ran).mutating_calls), (Outcome::Done, 0));
    });
}

#[test]
fn only_steps_caught_between_intent_and_answer_wait_for_the_settle_window() {
    on_paused_time(async {
        let plan = plan(vec![step("network/net", Identity::Tags, true, Creation::Plain, &[], Traits::default())]);
        let dead = process(&empty(), &plan, Act::Provision, Script::Crash(AFTER_EFFECT)).await;
        let soon = process(&dead.site, &plan, Act::Provision, Script::Nothing).await;
        assert!(report(&soon).elapsed < Duration::from_secs(SETTLE_SECS.into()), "found before the window ends");
        let dead = process(&empty(), &plan, Act::Provision, Script::Crash(BEFORE_EFFECT)).await;
        let full = process(&dead.site, &plan, Act::Provision, Script::Nothing).await;
        assert!(report(&full).elapsed >= Duration::from_secs(SETTLE_SECS.into()), "{:?}", report(&full).elapsed);
        let mut later = dead.site.clone();
        later.now += SignedDuration::from_secs(3_600);
        let later = process(&later, &plan, Act::Provision, Script::Nothing).await;
        // An hour later nothing of the window is left; what remains is the lag of reading what was just made.
        assert!(report(&later).elapsed < Duration::from_secs(SETTLE_SECS.into()), "{:?}", report(&later).elapsed);
    });
}

#[test]
fn a_brought_along_thing_that_is_missing_stops_the_build() {
    on_paused_time(async {
        let adopted = step(
            "network/zone",
            Identity::External { id: "z-1".to_owned() },
            false,
            Creation::ByName,
            &[],
            Traits::default(),
        );
        let ran = process(&empty(), &plan(vec![adopted]), Act::Provision, Script::Nothing).await;
        assert_eq!(failure(&ran).0, "KW-NOT-FOUND");
        assert_eq!(report(&ran).mutating_calls, 0);
    });
}

#[test]
fn a_lost_journal_is_rebuilt_without_a_single_change() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let first = built(&Site::new(world, start()), &plan).await;
        let ran = process(&first.site, &plan, Act::RecoverAndProvision, Script::Nothing).await;
        assert_eq!((report(&ran).outcome, report(&ran).mode), (Outcome::Done, Mode::Provision));
        assert_eq!(report(&ran).mutating_calls, 0, "no step without dependents has follow-ups here");
        assert_eq!(ran.site.world.objects, first.site.world.objects);
    });
}

#[test]
fn a_rebuild_looks_beyond_what_somebody_deleted() {
    on_paused_time(async {
        let plan = plan(small());
        let mut site = built(&empty(), &plan).await.site;
        let role = folded_resource(&site, "iam/role");
        site.world.objects.remove(&role);
        let before = site.world.ours(site.now).len();
        let ran = process(&site, &plan, Act::RecoverAndProvision, Script::Nothing).await;
        assert_eq!(report(&ran).outcome, Outcome::Done, "{:?}", report(&ran).failures);
        assert_eq!(ran.site.world.ours(ran.site.now).len(), before + 1, "the role again, and nothing twice");
    });
}

/// The rebuilt journal does not know how often the lost builder had begun.
#[test]
fn a_token_that_the_cloud_knows_from_something_gone_is_not_used_for_ever() {
    on_paused_time(async {
        let plan = plan(small());
        let mut site = built(&empty(), &plan).await.site;
        let pool = folded_resource(&site, "nodes/pool");
        site.world.objects.remove(&pool);
        site.world.tokens_are_strict = true;
        let ran = process(&site, &plan, Act::RecoverAndProvision, Script::Nothing).await;
        assert_eq!(report(&ran).outcome, Outcome::Done, "{:?}", report(&ran).failures);
        assert!(matches!(folded(&ran).step(&"nodes/pool".into()), StepState::Ready { generation: 2, .. }));
    });
}

#[test]
fn an_unsound_plan_is_refused() {
    on_paused_time(async {
        let mut bad = plan(small());
        bad.steps.reverse();
        let ran = process(&empty(), &bad, Act::Provision, Script::Nothing).await;
        assert_eq!((failure(&ran).0, ran.appends), ("KW-PLAN", 0));
    });
}
