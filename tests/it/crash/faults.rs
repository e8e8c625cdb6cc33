//! Errors instead of deaths, at every mutating call of building and of tearing down.

use super::{
    harness::{Act, Golden, Site, large, plan, populated, process},
    matrix::{Count, on_paused_time, start},
    seam::{Fault, Script},
};
use kubewright::engine::Outcome;

const FAULTS: [Fault; 5] =
    [Fault::ErrorBefore, Fault::LostReply, Fault::Throttle, Fault::Permanent, Fault::PermanentAfter];

const fn is_final(fault: Fault) -> bool {
    matches!(fault, Fault::Permanent | Fault::PermanentAfter)
}

/// Passing faults are lived through; final ones end the run, and the next one comes through.
#[test]
fn every_call_may_fail_in_every_way() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let fresh = Site::new(world, start());
        let (golden, built) = Golden::of(&fresh, &plan).await;
        let mut count = Count { at: "mutating calls", ..Count::default() };
        for (site, act) in [(&fresh, Act::Provision), (&built.site, Act::Destroy), (&built.site, Act::DestroyFromTags)]
        {
            let calls = process(site, &plan, act, Script::Nothing).await.calls;
            count.points += calls;
            for fault in FAULTS {
                for nth in 0..calls {
                    let case = format!("{fault:?} at call {nth} of {act:?}");
                    let hurt = process(site, &plan, act, Script::Fault(nth, fault)).await;
                    let outcome = hurt.report.as_ref().expect("nobody kills it").outcome;
                    if outcome == Outcome::Done {
                        count.judge(&golden, &hurt, act, &case);
                        continue;
                    }
                    if !is_final(fault) {
                        count.wrong.push(format!("{case}: ended {outcome:?}: {:?}", hurt.report));
                    }
                    let ways: &[Act] = match act {
                        Act::Provision => &[Act::Provision, Act::Destroy, Act::DestroyFromTags],
                        _ => &[Act::Destroy, Act::DestroyFromTags],
                    };
                    for next in ways {
                        let ran = process(&hurt.site, &plan, *next, Script::Nothing).await;
                        count.judge(&golden, &ran, *next, &format!("{case}, then {next:?}"));
                    }
                }
            }
        }
        count.must_be_clean("faults");
    });
}

/// After the first line that could not be written nothing is sent and nothing more is written.
#[test]
fn a_full_disk_stops_the_run_before_the_call() {
    on_paused_time(async {
        let (world, adopted) = populated(start());
        let plan = plan(large(&adopted));
        let fresh = Site::new(world, start());
        let (golden, built) = Golden::of(&fresh, &plan).await;
        let mut count = Count { at: "appends", ..Count::default() };
        for (site, act) in [(&fresh, Act::Provision), (&built.site, Act::Destroy)] {
            let appends = process(site, &plan, act, Script::Nothing).await.appends;
            count.points += appends;
            for nth in 0..appends {
                let case = format!("disk full at append {nth} of {act:?}");
                let ran = process(site, &plan, act, Script::DiskFull(nth)).await;
                let report = ran.report.as_ref().expect("nobody kills it");
                let named = report.failures.iter().any(|failure| failure.error.id == "KW-JOURNAL");
                if report.outcome != Outcome::Failed || !named || ran.appends != nth + 1 {
                    count.wrong.push(format!("{case}: {report:?} after {} appends", ran.appends));
                }
                let next = process(&ran.site, &plan, act, Script::Nothing).await;
                count.judge(&golden, &next, act, &case);
            }
        }
        count.must_be_clean("disk full");
    });
}
