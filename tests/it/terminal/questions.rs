//! Questions: what counts as a yes, and that nothing happens without one.

use super::pty::Pty;
use crate::lives::rig::World;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

fn ask(world: &World, words: &[&str], mark: &str) -> Pty {
    let mut command = world.command();
    command.args(words);
    let mut pty = Pty::spawn(command, 80);
    pty.expect(mark);
    pty
}

#[test]
fn spending_is_asked_for_and_only_yes_is_a_yes() {
    let world = World::new();
    let words = ["provision", "demo", "--wait", "cloud"];
    for (keys, code, said) in [
        ("n\r", 7, "declined; nothing was created"),
        ("\r", 7, "declined; nothing was created"),
        ("demo\r", 7, "declined; nothing was created"),
        (CTRL_D, 7, "declined; nothing was created"),
        (CTRL_C, 130, "Ctrl-C ended the command; nothing was changed"),
    ] {
        let mut pty = ask(&world, &words, "[y/N]");
        assert!(pty.raw.contains("Build and start paying $0.3338/h?"), "{}", pty.raw);
        pty.send(keys);
        let ended = pty.end().expect(code);
        assert!(ended.flat().contains(said), "{keys:?}: {}", ended.text);
        assert!(!ended.flat().contains("in flight"), "nothing is: {}", ended.text);
        assert_eq!(world.show().requests.mutating, 0, "{keys:?}");
        assert!(!world.home.path().join("kw/sandbox/stacks").exists(), "nothing is recorded");
    }
    let mut pty = ask(&world, &words, "[y/N]");
    pty.send("y\r");
    let ended = pty.end().expect(0);
    assert!(ended.text.contains("demo  aws/us-east-1  ready"), "{}", ended.text);

    // Destroying asks for the name, and `--yes` is no answer to that.
    let words = ["destroy", "demo", "--yes"];
    for (keys, code) in [("dmeo\r", 7), ("y\r", 7), ("\r", 7), (CTRL_D, 7), (CTRL_C, 130)] {
        let calls = world.show().requests.mutating;
        let mut pty = ask(&world, &words, "Type `demo` to destroy it");
        pty.send(keys);
        let ended = pty.end().expect(code);
        assert!(!ended.text.contains("deleted,"), "{keys:?}: {}", ended.text);
        assert_eq!(world.show().requests.mutating, calls, "{keys:?}");
    }
    let mut pty = ask(&world, &words, "Type `demo` to destroy it");
    pty.send("demo\r");
    let ended = pty.end().expect(0);
    assert!(ended.flat().contains("0 resources, $0.00/h remain"), "{}", ended.text);
    world.assert_empty();
}

#[test]
fn a_signal_at_a_question_ends_it() {
    use expectrl::process::unix::Signal;
    let world = World::new();
    for (signal, code, word) in [(Signal::SIGTERM, 143, "SIGTERM"), (Signal::SIGHUP, 129, "SIGHUP")] {
        let mut pty = ask(&world, &["provision", "demo"], "[y/N]");
        pty.signal(signal);
        let ended = pty.end().expect(code);
        assert!(ended.flat().contains(&format!("{word} ended the command; nothing was changed")), "{}", ended.text);
    }
    // Nobody answers in time.
    let pty = ask(&world, &["provision", "demo", "--timeout", "2m"], "[y/N]");
    pty.end().expect(124);
    let said = world.go(&["provision", "demo", "--no-input"]).expect(7);
    assert!(said.err.contains("answer it with --yes"), "{}", said.err);
    assert_eq!(world.show().requests.mutating, 0);
}
