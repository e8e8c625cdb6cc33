//! Random graphs of random steps, killed at a random point: what holds for the plans we thought of holds for others.

use super::{
    cloud::step,
    harness::{Act, Golden, Site, plan, populated, process},
    matrix::{Count, on_paused_time, start},
    seam::Script,
    world::Traits,
};
use kubewright::engine::{Creation, Identity, PlannedStep};
use proptest::prelude::*;

fn any_step(nth: usize) -> impl Strategy<Value = PlannedStep> {
    let uses = proptest::collection::btree_set(0..nth.max(1), 0..=nth.min(3));
    (0..4_usize, uses, any::<bool>(), 0..12_i64, 0..8_i64).prop_map(
        move |(sort, uses, follow_up, ready_secs, gone_secs)| {
            let uses: Vec<String> =
                uses.into_iter().filter(|used| *used < nth).map(|used| format!("s{used}")).collect();
            let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
            let traits = Traits { ready_secs, gone_secs, follow_up, ..Traits::default() };
            let id = format!("s{nth}");
            let name = Identity::Name { name: format!("kw-demo-0000beef-{id}") };
            match sort {
                0 => step(&id, Identity::Tags, true, Creation::Plain, &uses, traits),
                1 => step(&id, Identity::Tags, true, Creation::Token, &uses, traits),
                2 => step(&id, name, true, Creation::ByName, &uses, traits),
                _ => step(&id, name, false, Creation::ByName, &uses, traits),
            }
        },
    )
}

fn any_steps() -> impl Strategy<Value = Vec<PlannedStep>> {
    (1..=12_usize).prop_flat_map(|len| (0..len).map(any_step).collect::<Vec<_>>())
}

fn cases() -> u32 {
    std::env::var("KUBEWRIGHT_CRASH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_survive_a_crash_anywhere(steps in any_steps(), points in proptest::collection::vec(0.0..1.0_f64, 6)) {
        let count = on_paused_time(async {
            let plan = plan(steps);
            let site = Site::new(populated(start()).0, start());
            let (golden, undisturbed) = Golden::of(&site, &plan).await;
            let mut count = Count::default();
            for part in points {
                let point = (undisturbed.points as f64 * part) as usize;
                let dead = process(&site, &plan, Act::Provision, Script::Crash(point)).await.site;
                for act in [Act::Provision, Act::Destroy, Act::DestroyFromTags, Act::RecoverAndProvision] {
                    let ran = process(&dead, &plan, act, Script::Nothing).await;
                    count.judge(&golden, &ran, act, &format!("killed at {point}, then {act:?}"));
                }
            }
            count
        });
        prop_assert!(count.wrong.is_empty(), "{}", count.wrong[0]);
    }
}
