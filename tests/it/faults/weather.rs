//! What a network and a busy cloud do: throttling, faults of their own, lost replies, lags, things that end failed,
//! credentials that end. None of it is the user's business if trying again helps.

use super::rig::{BUILD, CONTINUE, DESTROY, Ordeal, Server, ended};

/// Built and destroyed under the same weather.
fn goes_through(faults: &str) {
    let ordeal = Ordeal::under(faults);
    ordeal.builds();
    ordeal.is_destroyed();
}

#[test]
fn a_few_calls_are_too_many() {
    goes_through("*:*=throttle:5%,seed=1");
}

#[test]
fn one_service_refuses_every_third_call_as_too_many() {
    goes_through("ec2:*=throttle:33%,seed=2");
}

#[test]
fn services_break_before_they_do_anything() {
    goes_through("*:*=error-before:10%,seed=3");
}

#[test]
fn services_do_it_and_say_that_they_broke() {
    goes_through("*:mutating=error-after:30%,seed=4");
}

#[test]
fn connections_break_before_anything_is_done() {
    goes_through("*:*=drop:8%,seed=5");
}

#[test]
fn replies_get_lost_after_it_is_done() {
    goes_through("*:mutating=lost-reply:30%,seed=6");
}

#[test]
fn searches_and_iam_lag_as_far_as_they_may() {
    let ordeal = Ordeal::with(&[("KUBEWRIGHT_SANDBOX_LAG", "30s"), ("KUBEWRIGHT_SANDBOX_IAM_LAG", "40s")]);
    ordeal.builds();
    ordeal.is_destroyed();
}

#[test]
fn searches_lag_while_replies_get_lost() {
    let faults = ("KUBEWRIGHT_SANDBOX_FAULT", "ec2:Create*=lost-reply:30%,seed=8");
    let ordeal = Ordeal::with(&[faults, ("KUBEWRIGHT_SANDBOX_LAG", "30s")]);
    ordeal.builds();
    ordeal.is_destroyed();
}

#[test]
fn what_ends_failed_is_made_anew() {
    let ordeal = Ordeal::under(
        "eks:CreateCluster=fail-later@1,ec2:CreateNatGateway=fail-later@1,eks:CreateNodegroup=fail-later@1,eks:CreateAddon=fail-later@2",
    );
    ordeal.builds();
    ordeal.is_destroyed();
}

#[test]
fn a_control_plane_that_always_ends_failed_is_told_with_its_reason() {
    let mut ordeal = Ordeal::under("eks:CreateCluster=fail-later");
    let said = ordeal.run(&BUILD).expect(9);
    let doc = said.json();
    let error = &doc["error"];
    assert_eq!((&doc["outcome"], &error["id"]), (&"incomplete".into(), &"KW-AWS-SERVER".into()), "{error:#}");
    assert_eq!(error["step"], "cluster");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("ended FAILED") && message.contains("InternalFailure"), "{message}");
    assert!(doc["usdPerHour"].as_f64().unwrap() > 0.0, "the rest is still billed: {doc:#}");
    assert!(said.err.contains("running: ") && said.err.contains("/h"), "{}", said.err);
    assert!(said.err.contains("kubewright --sandbox destroy demo --confirm demo"), "{}", said.err);
    ordeal.world().has_nothing_twice();
    ordeal.now(&[]);
    let continued = ordeal.run(&CONTINUE).expect(0).json();
    assert_eq!(continued["outcome"], "resumed");
    ordeal.is_destroyed();
}

#[test]
fn credentials_that_end_half_way_end_the_run_and_fresh_ones_go_on() {
    let mut ordeal = Ordeal::under("*:*=expired@140-");
    let doc = ordeal.run(&BUILD).expect(9).json();
    assert_eq!((&doc["error"]["id"], &doc["error"]["class"]), (&"KW-AWS-EXPIRED".into(), &"auth".into()));
    let hints = doc["error"]["hints"].to_string();
    assert!(hints.contains("sign in again") && hints.contains("provision demo"), "{hints}");
    let stood = ordeal.world().objects();
    assert!(stood > 0);
    // Signed out still: nothing is done, and nothing is said that is not known.
    ordeal.now(&[("KUBEWRIGHT_SANDBOX_FAULT", "*:*=expired")]);
    for words in [&CONTINUE[..], &DESTROY[..]] {
        let refused = ordeal.run(words);
        assert_eq!(refused.json()["error"]["id"], "KW-AWS-EXPIRED", "{}", refused.err);
        assert_ne!(refused.code, 0);
    }
    assert_eq!(ordeal.world().objects(), stood);
    ordeal.now(&[]);
    assert_eq!(ordeal.run(&CONTINUE).expect(0).json()["outcome"], "resumed");
    ordeal.world().has_nothing_twice();
    ordeal.is_destroyed();
}

#[test]
fn two_hours_asleep_with_the_lid_closed() {
    let server = Server::start(&["--fault", "eks:DescribeCluster=hold-before@3"]);
    let machine = server.machine("ana");
    let building = machine.start(&BUILD);
    // The control plane is being made and a NAT gateway is waited for: far less than two hours is allowed for either.
    server.until_held(1);
    server.skip_hours(2);
    server.release(1);
    let built = ended(building).expect(0).json();
    assert_eq!(built["outcome"], "created");
    assert!(built["seconds"].as_u64().unwrap() >= 7_200, "{built:#}");
    server.world().has_nothing_twice();
    machine.run(&DESTROY).expect(0);
    server.world().is_empty();
}

/// Being told to slow down is not what a step's deadline is for.
#[test]
fn more_calls_than_not_are_too_many() {
    goes_through("ec2:*=throttle:60%,seed=9");
}
