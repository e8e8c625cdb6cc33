//! The whole table of states and events, and what the fold as a whole must hold.

use super::*;
use crate::engine::{Creation, ErrorClass, Identity, PlannedStep, Timing};
use crate::model::{Cloud, Region};
use serde_json::json;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).expect("in range")
}

fn token(generation: u32) -> Token {
    Token::derive(&"demo-0000beef".parse().expect("valid"), &"a".into(), generation)
}

fn thing() -> ResourceRef {
    ResourceRef::new("test/thing", "t-1")
}

fn error(residue: Residue) -> StepError {
    StepError::new(ErrorClass::Permanent, "KW-TEST", "no").with_residue(residue)
}

/// Every state there is, of generation 2 where it has one.
fn states() -> Vec<(&'static str, StepState)> {
    use StepState as S;
    let generation = 2;
    vec![
        ("pending", S::Pending),
        ("intended", S::Intended { generation, token: token(2), at: at(1) }),
        ("acted", S::Acted { generation, resource: thing(), at: at(1) }),
        ("ready", S::Ready { generation, resource: thing(), outputs: Outputs::new(), at: at(1) }),
        ("failed", S::Failed { generation, error: error(Residue::Unknown), at: at(1) }),
        ("deleting", S::Deleting { generation, resource: thing() }),
        ("delete-failed", S::DeleteFailed { generation, resource: thing(), error: error(Residue::Unknown) }),
        ("deleted", S::Deleted { generation }),
    ]
}

/// Every event there is, with the states that take it and where they go; all others refuse it.
fn events() -> Vec<(Event, &'static [(&'static str, &'static str)])> {
    let step = StepId::from("a");
    let run = RunId("r".to_owned());
    let resource = thing();
    let delete_intent = |extra| Event::DeleteIntent { step: step.clone(), resource: resource.clone(), extra };
    let deleted = |extra| Event::Deleted { step: step.clone(), resource: Some(resource.clone()), extra };
    let stays = |extra| Event::DeleteFailed {
        step: step.clone(),
        resource: resource.clone(),
        extra,
        error: error(Residue::Unknown),
    };
    let intent = |generation, drawn| Event::Intent { step: step.clone(), generation, token: token(drawn) };
    vec![
        (
            intent(3, 3),
            &[
                ("pending", "intended"),
                ("intended", "intended"),
                ("acted", "intended"),
                ("ready", "intended"),
                ("failed", "intended"),
                ("deleted", "intended"),
            ],
        ),
        // The same intent, sent again later; only the step that has it may do that.
        (intent(2, 2), &[("pending", "intended"), ("intended", "intended")]),
        (intent(2, 9), &[("pending", "intended")]),
        (intent(1, 1), &[("pending", "intended")]),
        (Event::Acted { step: step.clone(), resource: resource.clone() }, &[("intended", "acted")]),
        (
            Event::Adopted { step: step.clone(), resource: resource.clone() },
            &[
                ("pending", "acted"),
                ("intended", "acted"),
                ("acted", "acted"),
                ("ready", "acted"),
                ("failed", "acted"),
                ("deleted", "acted"),
            ],
        ),
        (
            Event::Ready { step: step.clone(), resource: resource.clone(), outputs: Outputs::new() },
            &[("acted", "ready"), ("ready", "ready")],
        ),
        (
            Event::Failed { step: step.clone(), error: error(Residue::None) },
            &[
                ("pending", "failed"),
                ("intended", "failed"),
                ("acted", "failed"),
                ("failed", "failed"),
                ("deleted", "failed"),
            ],
        ),
        (
            delete_intent(false),
            &[
                ("pending", "deleting"),
                ("intended", "deleting"),
                ("acted", "deleting"),
                ("ready", "deleting"),
                ("failed", "deleting"),
                ("deleting", "deleting"),
                ("delete-failed", "deleting"),
            ],
        ),
        (delete_intent(true), &[]),
        (
            deleted(false),
            &[
                ("intended", "deleted"),
                ("acted", "deleted"),
                ("ready", "deleted"),
                ("failed", "deleted"),
                ("deleting", "deleted"),
                ("delete-failed", "deleted"),
            ],
        ),
        (deleted(true), &[]),
        (
            stays(false),
            &[
                ("acted", "delete-failed"),
                ("ready", "delete-failed"),
                ("failed", "delete-failed"),
                ("deleting", "delete-failed"),
                ("delete-failed", "delete-failed"),
            ],
        ),
        (stays(true), &[]),
        (Event::Planned { plan: Box::new(plan(&["a"])), plan_hash: String::new(), found: false }, &[]),
        (Event::Replanned { plan: Box::new(plan(&["a"])), plan_hash: String::new(), why: String::new() }, &[]),
        (started(Mode::Provision), &[]),
        (Event::Note { what: String::new() }, &[]),
        (Event::RunEnded { run, outcome: RunOutcome::Done, mutating_calls: 0, error: None }, &[]),
    ]
}

fn started(mode: Mode) -> Event {
    Event::RunStarted {
        run: RunId("r".to_owned()),
        mode,
        host: "h".to_owned(),
        pid: 1,
        user: "u".to_owned(),
        version: "0".to_owned(),
    }
}

fn ended(outcome: RunOutcome) -> Event {
    Event::RunEnded { run: RunId("r".to_owned()), outcome, mutating_calls: 0, error: None }
}

fn plan(ids: &[&str]) -> Plan {
    let timing = Timing { p50_secs: 1, p90_secs: 1, deadline_secs: 1, delete_p50_secs: 1, delete_deadline_secs: 1 };
    let steps = ids.iter().map(|id| PlannedStep {
        id: (*id).into(),
        kind: "test/thing".to_owned(),
        params: json!({}),
        identity: Identity::Tags,
        tagged: true,
        needs: Vec::new(),
        service: "test".to_owned(),
        creation: Creation::Plain,
        settle_secs: 1,
        timing,
        usage: Vec::new(),
        dies_with: None,
    });
    Plan {
        version: 1,
        stack: "demo-0000beef".parse().expect("valid"),
        provider: Cloud::Aws,
        account: "1".to_owned(),
        region: Region("r".to_owned()),
        spec: json!({}),
        tags: BTreeMap::new(),
        steps: steps.collect(),
        sweeps: Vec::new(),
    }
}

#[test]
fn every_event_in_every_state_goes_where_the_table_says_or_is_refused() {
    for (event, table) in events() {
        for (name, state) in states() {
            assert_eq!(state.name(), name);
            let wanted = table.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
            let got = state.apply(&event, at(9));
            assert_eq!(got.as_ref().ok().map(StepState::name), wanted, "{event:?} in {name}: {got:?}");
        }
    }
}

#[test]
fn what_was_made_does_not_vanish_by_a_failure() {
    let acted = StepState::Acted { generation: 1, resource: thing(), at: at(1) };
    let failed = acted.apply(&Event::Failed { step: "a".into(), error: error(Residue::None) }, at(2)).expect("fits");
    assert_eq!(failed.resource(), Some(&thing()));
    assert!(!failed.is_unmade());
}

#[test]
fn the_settle_window_starts_anew_with_every_call() {
    let intended = StepState::Intended { generation: 1, token: token(1), at: at(1) };
    let again = Event::Intent { step: "a".into(), generation: 1, token: token(1) };
    let StepState::Intended { at: since, .. } = intended.apply(&again, at(50)).expect("fits") else {
        panic!("still intended");
    };
    assert_eq!(since, at(50));
}

fn records(events: Vec<Event>) -> Vec<Record> {
    let numbered = events.into_iter().zip(1_u64..);
    numbered.map(|(event, seq)| Record { seq, at: at(seq.cast_signed()), run: None, event }).collect()
}

fn life(id: &str) -> Vec<Event> {
    vec![
        Event::Intent { step: id.into(), generation: 1, token: token(1) },
        Event::Acted { step: id.into(), resource: thing() },
        Event::Ready {
            step: id.into(),
            resource: thing(),
            outputs: Outputs(BTreeMap::from([("id".into(), json!(id))])),
        },
    ]
}

#[test]
fn a_stack_stands_where_its_journal_says() {
    let mut events = vec![Event::Planned { plan: Box::new(plan(&["a"])), plan_hash: "x".to_owned(), found: false }];
    let standing = |events: &[Event]| StackState::fold(&records(events.to_vec())).expect("it folds").standing();
    events.push(started(Mode::Provision));
    assert_eq!(standing(&events), Standing::Unfinished);
    events.extend(life("a"));
    assert_eq!(standing(&events), Standing::Unfinished, "no audit yet");
    events.push(ended(RunOutcome::Done));
    assert_eq!(standing(&events), Standing::Ready);
    events.push(started(Mode::Destroy));
    assert_eq!(standing(&events), Standing::Ready, "nothing was deleted yet");
    events.push(Event::DeleteIntent { step: "a".into(), resource: thing(), extra: false });
    assert_eq!(standing(&events), Standing::Destroying);
    events.push(Event::Deleted { step: "a".into(), resource: Some(thing()), extra: false });
    assert_eq!(standing(&events), Standing::Destroying);
    let folded = StackState::fold(&records(events.clone())).expect("it folds");
    assert!(folded.outputs(&"a".into()).is_some(), "children may still have to be deleted with them");
    events.push(ended(RunOutcome::Done));
    assert_eq!(standing(&events), Standing::Destroyed);
}

#[test]
fn replacing_a_broken_object_is_no_teardown() {
    let mut events = vec![
        Event::Planned { plan: Box::new(plan(&["a"])), plan_hash: "x".to_owned(), found: false },
        started(Mode::Provision),
    ];
    events.extend(life("a").into_iter().take(2));
    events.push(Event::DeleteIntent { step: "a".into(), resource: thing(), extra: false });
    let state = StackState::fold(&records(events)).expect("it folds");
    assert_eq!(state.standing(), Standing::Unfinished);
}

#[test]
fn a_journal_that_cannot_have_happened_is_refused_with_its_line() {
    let planned = Event::Planned { plan: Box::new(plan(&["a", "b"])), plan_hash: "x".to_owned(), found: false };
    let bad = |events: Vec<Event>| StackState::fold(&records(events)).expect_err("refused");
    assert_eq!(bad(vec![planned.clone(), planned.clone()]).seq, 2);
    assert!(bad(life("a")).why.contains("not in the plan"));
    assert!(bad(vec![planned.clone(), ended(RunOutcome::Done)]).why.contains("without having started"));
    let mut events = vec![planned];
    events.extend(life("a"));
    events.push(Event::Replanned { plan: Box::new(plan(&["b"])), plan_hash: String::new(), why: String::new() });
    let refused = bad(events);
    assert_eq!(refused.seq, 5);
    assert!(refused.why.contains("already made: a"), "{refused}");
}

#[test]
fn a_step_that_a_replan_brings_back_begins_a_new_generation() {
    let replanned =
        |ids: &[&str]| Event::Replanned { plan: Box::new(plan(ids)), plan_hash: String::new(), why: String::new() };
    let mut events = vec![
        Event::Planned { plan: Box::new(plan(&["a", "b"])), plan_hash: String::new(), found: false },
        started(Mode::Provision),
    ];
    events.extend(life("a").into_iter().take(2));
    events.push(Event::DeleteIntent { step: "a".into(), resource: thing(), extra: false });
    events.push(Event::Deleted { step: "a".into(), resource: Some(thing()), extra: false });
    events.push(replanned(&["b"]));
    events.push(replanned(&["a", "b"]));
    let state = StackState::fold(&records(events)).expect("it folds");
    assert_eq!(*state.step(&"a".into()), StepState::Deleted { generation: 1 });
    assert_eq!(*state.step(&"b".into()), StepState::Pending);
}

#[test]
fn a_rebuild_is_in_doubt_until_it_is_done() {
    let planned = |found| Event::Planned { plan: Box::new(plan(&["a"])), plan_hash: String::new(), found };
    let doubted = |events: Vec<Event>| StackState::fold(&records(events)).expect("it folds").doubted_since().is_some();
    assert!(!doubted(vec![planned(false), started(Mode::Provision)]));
    assert!(doubted(vec![planned(true)]));
    assert!(doubted(vec![planned(true), started(Mode::Recover), ended(RunOutcome::Stopped)]));
    assert!(!doubted(vec![planned(true), started(Mode::Recover), ended(RunOutcome::Done)]));
}

#[test]
fn other_labels_are_the_same_object_converged_once_more() {
    let worded = |field: &str| {
        let mut plan = plan(&["a", "b"]);
        plan.steps[0].params = json!({ field: "x" });
        plan
    };
    let mut events = vec![Event::Planned { plan: Box::new(plan(&["a", "b"])), plan_hash: String::new(), found: false }];
    events.extend(life("a"));
    events.extend(life("b"));
    let state = StackState::fold(&records(events.clone())).expect("it folds");
    assert!(state.fits(&worded("cidr")).is_err(), "another object");
    assert_eq!(state.fits(&worded("extraTags")), Ok(()));
    let why = "other labels".to_owned();
    events.push(Event::Replanned { plan: Box::new(worded("extraTags")), plan_hash: String::new(), why });
    let state = StackState::fold(&records(events)).expect("it folds");
    assert_eq!((state.step(&"a".into()).name(), state.step(&"b".into()).name()), ("acted", "ready"));
    assert!(state.outputs(&"a".into()).is_some(), "what hangs on it may still have to be deleted");
}

#[test]
fn extras_are_open_until_a_read_proves_them_gone() {
    let id = StepId::from("caused/lb-1");
    let intent = Event::DeleteIntent { step: id.clone(), resource: thing(), extra: true };
    let mut events = vec![started(Mode::Destroy), intent];
    let open = |events: &[Event]| {
        StackState::fold(&records(events.to_vec()))
            .expect("it folds")
            .extras()
            .map(|(_, extra)| extra.error.is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(open(&events), [false]);
    events.push(Event::DeleteFailed {
        step: id.clone(),
        resource: thing(),
        extra: true,
        error: error(Residue::Unknown),
    });
    assert_eq!(open(&events), [true]);
    events.push(Event::Deleted { step: id, resource: Some(thing()), extra: true });
    assert_eq!(open(&events), [] as [bool; 0]);
}
