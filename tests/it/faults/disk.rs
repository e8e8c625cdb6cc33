//! A disk that takes no more while the journal is written. A limit on the size of files is what a test can have of it:
//! the write fails in the middle of a line as on a full disk, and is told apart from it only by its number.

use super::rig::{BUILD, CONTINUE, DESTROY, Server};
use crate::support::Said;
use std::process::Command;

/// Runs the command with files of at most so many bytes; too long a write fails instead of killing.
fn cramped(machine: &super::rig::Machine<'_>, bytes: u64, words: &[&str]) -> crate::support::Said {
    let mut shell = Command::new("sh");
    // As `sh`, every shell counts in blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f $1; shift; exec \"$@\"";
    shell.env_clear().arg("-c").arg(script).arg("sh").arg((bytes / 512).to_string());
    let inner = machine.command(words);
    shell.arg(inner.get_program()).args(inner.get_args());
    shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = inner.get_current_dir() {
        shell.current_dir(dir);
    }
    Said::of(&mut shell)
}

#[test]
fn a_full_disk_stops_before_the_next_call_and_the_rest_is_found_again() {
    let server = Server::start(&[]);
    let machine = server.machine("ana");
    let said = cramped(&machine, 56 * 1024, &BUILD).expect(9);
    let doc = said.json();
    let error = &doc["error"];
    assert_eq!((&error["id"], &error["class"]), (&"KW-JOURNAL".into(), &"state".into()), "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("cannot write ") && message.contains(".jsonl"), "{message}");
    assert!(error["hints"].to_string().contains("make room on that disk"), "{error:#}");
    assert!(said.err.contains("running: ") && said.err.contains("/h"), "{}", said.err);
    let stood = server.world().objects();
    assert!(stood > 0, "the disk was full before anything was made");
    // Still full: nothing more is made.
    let calls = server.world().mutations();
    assert_ne!(cramped(&machine, 56 * 1024, &CONTINUE).code, 0);
    assert_eq!(server.world().mutations(), calls);
    assert_eq!(machine.run(&CONTINUE).expect(0).json()["outcome"], "resumed");
    server.world().has_nothing_twice();
    machine.run(&DESTROY).expect(0);
    server.world().is_empty();
}

#[test]
fn no_room_for_the_plan_is_told_before_anything_is_made() {
    let server = Server::start(&[]);
    let machine = server.machine("ana");
    let said = cramped(&machine, 8 * 1024, &BUILD);
    assert_eq!(said.code, 8, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("cannot write ") && !said.out.contains("-0.0"), "{}\n{}", said.out, said.err);
    assert_eq!(server.world().mutations(), 0);
    assert!(machine.home().path().join("kw").exists());
    machine.run(&BUILD).expect(0);
    machine.run(&DESTROY).expect(0);
    server.world().is_empty();
}

#[test]
fn a_kubeconfig_that_does_not_fit_any_more_stays_as_it_was() {
    let server = Server::start(&[]);
    let machine = server.machine("ana");
    machine.run(&BUILD).expect(0);
    let theirs = "apiVersion: v1\nkind: Config\ncurrent-context: prod\n";
    machine.home().write("kc", theirs);
    let words = ["kubeconfig", "demo", "--kubeconfig", "kc", "-o", "json"];
    let said = cramped(&machine, 1024, &words).expect(8);
    assert_eq!(said.json()["error"]["id"], "KW-KUBECONFIG", "{}", said.err);
    assert!(said.err.contains("nothing was written"), "{}", said.err);
    let names: Vec<String> = std::fs::read_dir(machine.home().path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("kc"))
        .collect();
    assert_eq!(names, ["kc"], "neither a lock nor half a file stays behind");
    assert_eq!(std::fs::read_to_string(machine.home().path().join("kc")).unwrap(), theirs);
    machine.run(&words).expect(0);
    machine.run(&DESTROY).expect(0);
}
