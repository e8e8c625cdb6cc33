//! With the journal, without it, from another machine, and by the tags alone.

use super::rig::World;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

#[test]
fn any_machine_goes_on_after_recover() {
    let world = World::new();
    let built = world.build(&["demo"]);
    let calls = world.show().requests.mutating;
    world.lose_journals();
    assert_eq!(
        world.go(&["provision", "demo", "--yes", "-o", "json"]).expect(8).json()["error"]["id"],
        "KW-NAME-TAKEN"
    );
    let back = world.go(&["recover", "demo", "-o", "json"]).expect(0).json();
    let ids = |doc: &serde_json::Value| {
        let all = doc["resources"].as_array().unwrap();
        all.iter().map(|res| (res["step"].to_string(), res["id"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&back), ids(&built), "every object is found again");
    assert_eq!((&back["stack"], &back["planHash"]), (&built["stack"], &built["planHash"]));
    assert_eq!(world.show().requests.mutating, calls, "recovering only reads");
    assert!(world.go(&["recover", "demo"]).expect(8).err.contains("nothing to recover"));
    let again = world.go(&["provision", "demo", "--wait", "cloud", "-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn the_tags_are_enough_and_names_are_not() {
    let world = World::new();
    assert_eq!(
        world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(4).json()["outcome"],
        "nothing"
    );
    let nothing = world.go(&["destroy", "demo", "--confirm", "demo", "--ignore-not-found", "-o", "json"]);
    assert_eq!(nothing.expect(0).json()["outcome"], "nothing");
    let built = world.build(&["demo"]);
    let ours = built["stack"]["id"].as_str().unwrap().to_owned();
    // A second stack of the name, as a race of two machines leaves it.
    world.wait(async {
        let tags =
            [("kubewright-stack", "demo-ffffffff"), ("kubewright-step", "network__vpc"), ("cluster_name", "demo")];
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags.to_vec())).build();
        world.ec2().create_vpc().cidr_block("10.9.0.0/16").tag_specifications(tags).send().await.unwrap();
    });
    world.minutes(1);
    world.lose_journals();
    let calls = world.show().requests.mutating;
    for words in [&["destroy", "demo", "--confirm", "demo"][..], &["recover", "demo"]] {
        let said = world.go(words).expect(8);
        assert!(said.err.starts_with("warning") || said.err.contains("error[KW-AMBIGUOUS]"), "{}", said.err);
        assert!(said.err.contains(&format!("--stack {ours}")) && said.err.contains("--stack ffffffff"), "{}", said.err);
    }
    assert_eq!(world.show().requests.mutating, calls);
    let gone = world.go(&["destroy", "demo", "--stack", &ours, "--confirm", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&gone["outcome"], &gone["stack"]["id"]), (&"destroyed".into(), &ours.as_str().into()));
    let left: Vec<_> = world.standing("vpc");
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0].tags["kubewright-stack"], "demo-ffffffff");
    world.go(&["destroy", "demo", "--from-tags", "--stack", "ffffffff", "--confirm", "demo"]).expect(0);
    world.assert_empty();
}

#[test]
fn protection_stands_in_the_journal_and_in_the_tags() {
    let world = World::new();
    world.build(&["demo", "--set", "protect=true"]);
    let said = world.go(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    assert!(said.err.contains("KW-PROTECTED") && said.err.contains("protect demo off"), "{}", said.err);
    let calls = world.show().requests.mutating;
    world.lose_journals();
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    world.go(&["destroy", "demo", "--from-tags", "--confirm", "demo"]).expect(8);
    assert_eq!(world.show().requests.mutating, calls, "nothing was touched");
    world.go(&["recover", "demo"]).expect(0);
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(8);
    world.go(&["protect", "demo", "off"]).expect(0);
    world.destroy("demo");
    world.assert_empty();
}
