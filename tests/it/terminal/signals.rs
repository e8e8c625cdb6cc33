//! Ctrl-C, SIGTERM, SIGHUP half-way: the end is orderly, the words are true, and both ways on work.

use super::pty::{Ended, Pty};
use crate::lives::rig::World;
use expectrl::process::unix::Signal;
use kubewright::sandbox::clock::Speed;

/// Slow enough that a signal arrives while the control plane starts.
const SLOW: Speed = Speed::Times(30);

fn halfway(world: &World) -> Pty {
    let mut command = world.command();
    command.args(["provision", "demo", "--yes", "--wait", "cloud"]);
    let mut pty = Pty::spawn(command, 100);
    pty.expect("CREATING");
    pty
}

fn says_the_ways_on(ended: &Ended) {
    let flat = ended.flat();
    for part in ["error[KW-INTERRUPTED]", "running: ", "/h", "provision demo --yes", "destroy demo --confirm demo"] {
        assert!(flat.contains(part), "`{part}` in\n{}", ended.text);
    }
}

fn both_ways_work(world: &mut World) {
    world.restart("", Speed::Max);
    let built = world.build(&["demo"]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"resumed".into(), &true.into()));
    assert_eq!(world.standing("vpc").len(), 1, "nothing is there twice");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn ctrl_c_once_ends_in_order() {
    let mut world = World::with("", SLOW);
    let mut pty = halfway(&world);
    pty.send("\u{3}");
    pty.expect("Ctrl-C: starting nothing new");
    let begun = world.show().requests.mutating;
    let ended = pty.end().expect(130);
    says_the_ways_on(&ended);
    assert!(ended.broken.is_empty(), "{:#?}", ended.broken);
    // What was on its way when the words were said may have arrived since: one call for each step at work.
    let sent = world.show().requests.mutating - begun;
    assert!(sent <= 8, "{sent} calls after the end was announced");
    let status = world.go(&["status", "demo", "--local", "-o", "json"]).expect(0).json();
    assert_eq!(status["clusters"][0]["phase"], "incomplete");
    both_ways_work(&mut world);
}

#[test]
fn ctrl_c_twice_ends_now() {
    // A call is on its way that takes longer than anybody waits for it.
    let mut world = World::with("eks:CreateCluster=delay:120s", Speed::Times(5));
    let mut command = world.command();
    command.args(["provision", "demo", "--yes", "--wait", "cloud"]);
    let mut pty = Pty::spawn(command, 100);
    pty.expect(" cluster        ");
    pty.send("\u{3}");
    pty.expect("once more: stop now");
    // Two within a moment are one keystroke that arrived twice.
    std::thread::sleep(std::time::Duration::from_millis(400));
    pty.send("\u{3}");
    let ended = pty.end().expect(130);
    assert!(ended.flat().contains("stopping now"), "{}", ended.text);
    says_the_ways_on(&ended);
    both_ways_work(&mut world);
}

#[test]
fn other_signals_have_their_own_codes() {
    let mut world = World::with("", SLOW);
    for (signal, code, word) in [(Signal::SIGTERM, 143, "SIGTERM"), (Signal::SIGHUP, 129, "SIGHUP")] {
        let mut pty = halfway(&world);
        pty.signal(signal);
        let ended = pty.end().expect(code);
        assert!(ended.flat().contains(&format!("{word} stopped the run")), "{}", ended.text);
        says_the_ways_on(&ended);
    }
    both_ways_work(&mut world);
}

#[test]
fn a_rehearsal_with_its_own_server_passes_ctrl_c_on() {
    let home = crate::support::Home::new();
    let rehearse = || {
        let mut command = home.command();
        command.args(["--sandbox", "provision", "demo", "--yes", "--provider", "aws", "--region", "us-east-1"]);
        command.args(["--wait", "cloud"]);
        command
    };
    let mut slow = rehearse();
    slow.env("KUBEWRIGHT_SANDBOX_SPEED", "30");
    let mut pty = Pty::spawn(slow, 100);
    pty.expect("CREATING");
    // The terminal gives it to both processes.
    pty.send("\u{3}");
    let ended = pty.end().expect(130);
    says_the_ways_on(&ended);
    assert!(ended.flat().contains("once more: stop now") && !ended.flat().contains("stopping now"), "{}", ended.text);
    crate::support::Said::of(&mut rehearse()).expect(0);
    home.rehearse(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    let shown = home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
    assert_eq!(shown["totals"]["objects"], 0);
}

#[test]
fn a_destroy_that_is_stopped_is_finished_by_the_next() {
    let mut world = World::new();
    world.build(&["demo"]);
    world.restart("", SLOW);
    let mut command = world.command();
    command.args(["destroy", "demo", "--confirm", "demo"]);
    let mut pty = Pty::spawn(command, 100);
    pty.expect("nodes/pool/default   ");
    pty.send("\u{3}");
    let ended = pty.end().expect(130);
    assert!(
        ended.flat().contains("still there: ") && ended.flat().contains("destroy demo --confirm demo"),
        "{}",
        ended.text
    );
    world.restart("", Speed::Max);
    world.destroy("demo");
    world.assert_empty();
}
