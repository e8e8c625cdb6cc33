//! Other people and other machines: who holds a stack is told and can be waited for; a machine without the journal is
//! refused until it recovers it, and can take the stack down without.

use super::rig::{BUILD, CONTINUE, DESTROY, Server, ended};

#[test]
fn a_second_kubewright_is_told_who_holds_the_stack_or_waits() {
    let server = Server::start(&["--fault", "eks:DescribeCluster=hold-before@3"]);
    let machine = server.machine("ana");
    let building = machine.start(&BUILD);
    let pid = building.id();
    server.until_held(1);
    for words in [&CONTINUE[..], &DESTROY[..]] {
        let said = machine.run(words).expect(8);
        let error = &said.json()["error"];
        assert_eq!(error["id"], "KW-LOCKED", "{error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`provision` of ana@") && message.contains(&pid.to_string()), "{message}");
        assert!(message.ends_with("nothing was done"), "{message}");
        assert!(error["hints"].to_string().contains("--lock-timeout"), "{error:#}");
    }
    // Waiting in vain ends like not waiting.
    machine.run(&["provision", "demo", "--yes", "--lock-timeout", "1s"]).expect(8);
    let waiting: Vec<&str> = CONTINUE.iter().copied().chain(["--lock-timeout", "2m"]).collect();
    let waiting = machine.start(&waiting);
    server.release(1);
    let built = ended(building).expect(0).json();
    assert_eq!(built["outcome"], "created");
    let waited = ended(waiting).expect(0).json();
    assert_eq!((&waited["outcome"], &waited["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{waited:#}");
    // While one call is held the others of the build go on: only in the end can it be told who made how many.
    assert_eq!(built["mutatingCalls"].as_u64(), Some(server.world().mutations()), "the refused ones made nothing");
    server.world().has_nothing_twice();
    machine.run(&DESTROY).expect(0);
    server.world().is_empty();
}

#[test]
fn a_second_machine_is_refused_then_recovers_and_changes_nothing() {
    let server = Server::start(&[]);
    let (one, two, three) = (server.machine("ana"), server.machine("ben"), server.machine("cleo"));
    one.run(&BUILD).expect(0);
    let calls = server.world().mutations();
    let said = two.run(&BUILD).expect(8);
    let error = &said.json()["error"];
    assert_eq!(error["id"], "KW-NAME-TAKEN");
    let message = error["message"].as_str().unwrap();
    // Builder, host and stack id.
    assert!(message.contains("built by ana@") && message.contains("(stack demo-"), "{message}");
    assert!(error["hints"].to_string().contains("recover demo"), "{error:#}");
    let told = two.run(&["recover", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(0);
    assert!(told.err.contains("built by ana@"), "{}", told.err);
    let again = two.run(&CONTINUE).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    assert_eq!(server.world().mutations(), calls);
    let gone: Vec<&str> = DESTROY.iter().copied().chain(["--provider", "aws", "--region", "us-east-1"]).collect();
    let gone = three.run(&gone).expect(0).json();
    assert_eq!((&gone["outcome"], &gone["usdPerHourRemaining"]), (&"destroyed".into(), &0.0.into()));
    server.world().is_empty();
    // Whoever still has a journal finds everything gone and says so.
    one.run(&DESTROY).expect(0);
    server.world().is_empty();
}
