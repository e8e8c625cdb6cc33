//! With the journal, without it, from another machine, and by the tags alone.

use super::rig::World;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use kubewright::sandbox::{clock::Speed, conditions::Conditions};

impl World {
    /// A network with the marks of a stack, as a build leaves it that came no further.
    fn plant_network(&self, stack: &str) {
        let marks = [("kubewright-stack", stack), ("kubewright-step", "network__vpc"), ("cluster_name", "demo")];
        let tags = marks.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags.to_vec())).build();
        let call = self.ec2().create_vpc().cidr_block("10.9.0.0/16").tag_specifications(tags).send();
        self.wait(call).unwrap();
    }
}

#[test]
fn what_was_made_last_is_found_although_the_first_look_misses_it() {
    let slow = Conditions { lag_ms: Some(20_000), ..Conditions::default() };
    let world = World::under("", Speed::Max, slow);
    world.plant_network("demo-0a1b2c3d");
    let said = world.go(&["destroy", "demo", "--confirm", "demo", "--ignore-not-found", "-o", "json"]).expect(0);
    assert!(said.err.contains("looking once more"), "{}", said.err);
    assert_eq!(said.json()["outcome"], "destroyed");
    world.assert_empty();
}

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
    world.plant_network("demo-ffffffff");
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

#[test]
fn a_removal_by_tags_that_is_repeated_keeps_one_history() {
    let mut world = World::new();
    world.build(&["demo"]);
    let kept = |world: &World| {
        let all = std::fs::read_dir(world.home.path().join("kw/sandbox/stacks")).unwrap();
        let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let (mut aside, mut journals): (Vec<String>, Vec<String>) =
            names.filter(|name| name.contains(".jsonl")).partition(|name| name.contains("aside"));
        aside.sort();
        journals.sort();
        (aside, journals)
    };
    world.restart("ec2:DeleteVpc=error-before", Speed::Max);
    let words = ["destroy", "demo", "--confirm", "demo", "--from-tags", "-o", "json"];
    for _ in 0..3 {
        assert_eq!(world.go(&words).expect(9).json()["outcome"], "incomplete");
    }
    let (aside, journals) = kept(&world);
    assert_eq!((aside.len(), journals.len()), (1, 1), "the journal of the build is kept, once: {aside:?}");
    world.restart("", Speed::Max);
    let gone = world.go(&words).expect(0).json();
    assert_eq!((&gone["outcome"], &gone["remaining"]), (&"destroyed".into(), &serde_json::json!([])), "{gone:#}");
    assert_eq!(kept(&world).0, aside);
    world.assert_empty();
    let history = world.go(&["history", "demo"]).expect(0).out;
    assert_eq!(history.matches("destroy by ana@").count(), 4, "every attempt is in it: {history}");
    assert!(world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0).err.contains("already gone"));
}

#[test]
fn what_is_there_too_much_is_told_and_asked_nothing() {
    let world = World::new();
    let built = world.build(&["demo"]);
    let stack = format!("demo-{}", built["stack"]["id"].as_str().unwrap());
    let copied = world.wait(async {
        let tags = [("kubewright-stack", stack.as_str()), ("kubewright-step", "network__copied")];
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let spec = TagSpecification::builder().resource_type(ResourceType::ElasticIp).set_tags(Some(tags.to_vec()));
        world.ec2().allocate_address().tag_specifications(spec.build()).send().await.unwrap().allocation_id.unwrap()
    });
    world.minutes(1);
    let calls = world.show().requests.mutating;
    let said = world.go(&["provision", "demo", "--yes", "--wait", "cloud"]).expect(8);
    assert!(said.err.contains("KW-UNRECORDED") && said.err.contains(&copied), "{}", said.err);
    assert!(said.err.contains("take the tag `kubewright-stack` off"), "what to do: {}", said.err);
    assert!(!said.err.contains("Make anew") && !said.err.contains("recorded but not in the cloud"), "{}", said.err);
    assert_eq!(world.show().requests.mutating, calls, "nothing is done to it, nor made anew");
    let bare = Tag::builder().key("kubewright-stack").build();
    world.wait(world.ec2().delete_tags().resources(&copied).tags(bare).send()).unwrap();
    let same = world.go(&["provision", "demo", "--wait", "cloud", "-o", "json"]).expect(0).json();
    assert_eq!(same["outcome"], "unchanged");
}
