//! The world on a log in memory: what is durable, what is undone, what is seen when.

use super::*;
use crate::model::{Cloud, PriceKey, Region, Unit, Usage};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

const VPC: Kind = Kind::new("ec2", "vpc");

/// A log in memory that can refuse to write.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<(Vec<String>, bool)>>);

impl Log for Memory {
    fn append(&mut self, line: &str, _: bool) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        if inner.1 {
            return Err(io::Error::other("full"));
        }
        inner.0.push(line.to_owned());
        Ok(())
    }
    fn replace(&mut self, lines: &[String]) -> io::Result<()> {
        self.0.lock().unwrap().0 = lines.to_vec();
        Ok(())
    }
}

impl Memory {
    fn lines(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().0.iter().map(|line| line.clone().into_bytes()).collect()
    }
}

fn birth() -> Birth {
    let epoch = "2026-01-01T00:00:00Z".parse().unwrap();
    Birth { version: VERSION, id: "00c0ffee".to_owned(), seed: 7, epoch, settings: Settings::default() }
}

fn scope() -> Scope {
    Scope::new("123456789012", "us-east-1")
}

fn add(world: &mut World, id: &str) {
    let now = world.now();
    let mut tx = world.begin(now);
    tx.bits();
    tx.put(Object::new(&scope(), VPC, id, now));
    assert!(tx.commit().unwrap());
}

fn all(world: &World) -> Vec<Object> {
    world.objects().cloned().collect()
}

#[test]
fn a_world_reads_back_and_compacts() {
    let memory = Memory::default();
    let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
    for id in ["vpc-1", "vpc-2", "vpc-3"] {
        add(&mut world, id);
    }
    let now = world.now() + Duration::from_secs(5);
    let mut tx = world.begin(now);
    tx.remove(&scope(), VPC, "vpc-2");
    tx.update(&scope(), VPC, "vpc-3", |vpc| vpc.state = "available".to_owned());
    tx.commit().unwrap();
    world.count("ec2:DescribeVpcs", false, true);
    world.tick(now, true).unwrap();
    let mut read = World::read(&memory.lines(), Box::new(memory.clone())).unwrap();
    let state = |world: &World| (all(world), world.now(), world.revision(), world.draws, world.ops().clone());
    assert_eq!(state(&read), state(&world));
    assert_eq!(read.ops()["ec2:DescribeVpcs"], OpCount { mutating: false, count: 1, failed: 1 });
    read.compact().unwrap();
    assert_eq!(memory.lines().len(), 2);
    let again = World::read(&memory.lines(), Box::new(NoLog)).unwrap();
    assert_eq!(state(&again), state(&world));
}

#[test]
fn a_call_is_whole_or_never_was() {
    let memory = Memory::default();
    let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
    add(&mut world, "vpc-1");
    let (before, lines) = (all(&world), memory.lines());
    let now = world.now();
    let mut tx = world.begin(now);
    tx.put(Object::new(&scope(), VPC, "vpc-2", now));
    tx.update(&scope(), VPC, "vpc-1", |vpc| vpc.state = "changed".to_owned());
    tx.remove(&scope(), VPC, "vpc-1");
    drop(tx);
    assert_eq!((all(&world), memory.lines()), (before.clone(), lines));
    memory.0.lock().unwrap().1 = true;
    let mut tx = world.begin(now);
    tx.put(Object::new(&scope(), VPC, "vpc-3", now));
    assert!(tx.commit().is_err());
    assert_eq!(all(&world), before, "what could not be written did not happen");
}

#[test]
fn what_is_billed_is_kept_from_when_to_when_over_restarts() {
    const NODE: Kind = Kind::new("ec2", "instance");
    let memory = Memory::default();
    let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
    let born = world.now();
    let key = |name: &str| PriceKey::Component { cloud: Cloud::Aws, region: Region("r".into()), name: name.to_owned() };
    let usage = |count: f64| vec![Usage::fixed(key("nat-gateway"), Unit::Hour, count)];
    let at = |secs: u64| born + Duration::from_secs(secs);
    let step = |world: &mut World, secs: u64, change: &dyn Fn(&mut Tx<'_>)| {
        let mut tx = world.begin(at(secs));
        change(&mut tx);
        tx.commit().unwrap();
    };
    step(&mut world, 0, &|tx| {
        let mut node = Object::new(&scope(), NODE, "i-1", tx.now());
        node.usage = usage(1.0);
        node.due = Some(Due { at: at(30), what: "run".to_owned() });
        tx.put(node);
    });
    world.tick(at(35), true).unwrap();
    world.advance(at(40), |_, _, _| {}).unwrap();
    // What is named is no change of what is billed; more of it is.
    step(&mut world, 50, &|tx| tx.update(&scope(), NODE, "i-1", |node| node.name = Some("n".to_owned())).unwrap());
    step(&mut world, 60, &|tx| tx.update(&scope(), NODE, "i-1", |node| node.usage = usage(2.0)).unwrap());
    let mut world = World::read(&memory.lines(), Box::new(memory.clone())).unwrap();
    world.compact().unwrap();
    let mut world = World::read(&memory.lines(), Box::new(memory.clone())).unwrap();
    // On its way out it is billed; buried it is not.
    step(&mut world, 90, &|tx| {
        let end = Due { at: at(500), what: "end".to_owned() };
        tx.update(&scope(), NODE, "i-1", |node| node.due = Some(end)).unwrap();
    });
    step(&mut world, 100, &|tx| tx.bury(&scope(), NODE, "i-1", "terminated", Duration::from_secs(60)));
    let spans = |world: &World| -> Vec<(f64, Timestamp, Option<Timestamp>)> {
        world.spans().map(|span| (span.usage[0].desired, span.from, span.to)).collect()
    };
    let wanted = vec![(1.0, at(30), Some(at(60))), (2.0, at(60), Some(at(100)))];
    assert_eq!(spans(&world), wanted);
    assert_eq!(spans(&World::read(&memory.lines(), Box::new(NoLog)).unwrap()), wanted);
    // What did not come to be was never billed.
    let mut tx = world.begin(at(200));
    let mut lost = Object::new(&scope(), NODE, "i-2", at(200));
    lost.usage = usage(1.0);
    tx.put(lost);
    drop(tx);
    assert_eq!(spans(&world), wanted);
}

#[test]
fn every_prefix_of_the_log_is_a_world() {
    let memory = Memory::default();
    let mut world = World::create(birth(), Box::new(memory.clone())).unwrap();
    for id in ["vpc-1", "vpc-2", "vpc-3"] {
        add(&mut world, id);
    }
    let lines = memory.lines();
    for kept in 1..=lines.len() {
        let read = World::read(&lines[..kept], Box::new(NoLog)).unwrap();
        assert_eq!(read.objects().count(), kept - 1);
    }
    assert!(matches!(World::read(&[], Box::new(NoLog)), Err(WorldError::Headless)));
    let mut bad = lines.clone();
    bad[1].truncate(10);
    assert!(matches!(World::read(&bad, Box::new(NoLog)), Err(WorldError::Damaged { line: 2, .. })));
    let newer = Birth { version: VERSION + 1, ..birth() };
    let newer = encode(&Line { birth: Some(newer), ..Line::default() }).into_bytes();
    assert!(matches!(World::read(&[newer], Box::new(NoLog)), Err(WorldError::Newer(2))));
}

#[test]
fn what_is_due_happens_in_order_at_its_own_time() {
    let mut world = World::create(birth(), Box::new(NoLog)).unwrap();
    let start = world.now();
    let mut tx = world.begin(start);
    for (id, secs) in [("vpc-b", 20), ("vpc-a", 10)] {
        let mut vpc = Object::new(&scope(), VPC, id, start);
        vpc.due = Some(Due { at: start + Duration::from_secs(secs), what: "available".to_owned() });
        tx.put(vpc);
    }
    tx.commit().unwrap();
    let mut seen = Vec::new();
    let happened = world.advance(start + Duration::from_secs(60), |tx, object, what| {
        seen.push((object.id.clone(), what.to_owned(), tx.now()));
        let (scope, id) = (object.scope(), object.id.clone());
        tx.update(&scope, VPC, &id, |vpc| vpc.state = what.to_owned());
        if id == "vpc-a" {
            tx.bury(&scope, VPC, &id, "deleted", Duration::from_secs(15));
        }
    });
    assert_eq!(happened.unwrap(), 3, "two transitions and the end of a tombstone");
    let at = |secs| start + Duration::from_secs(secs);
    let want = [("vpc-a", "available", at(10)), ("vpc-b", "available", at(20))];
    assert_eq!(seen, want.map(|(id, what, at)| (id.to_owned(), what.to_owned(), at)));
    let left = all(&world);
    assert_eq!((left.len(), left[0].id.as_str(), left[0].due.is_none()), (1, "vpc-b", true));
    assert_eq!((world.now(), world.next_due()), (at(60), None));
}

#[test]
fn searches_lag_and_randomness_follows_the_seed() {
    let run = || {
        let mut world = World::create(birth(), Box::new(NoLog)).unwrap();
        let now = world.now();
        let mut tx = world.begin(now);
        let id = tx.id("vpc");
        let mut vpc = Object::new(&scope(), VPC, &id, now);
        vpc.visible_at = Some(now + Duration::from_secs(2));
        tx.put(vpc);
        assert_eq!((tx.list(&scope(), VPC).count(), tx.search(&scope(), VPC).count()), (1, 0));
        tx.commit().unwrap();
        let mut tx = world.begin(now + Duration::from_secs(2));
        assert_eq!(tx.search(&scope(), VPC).count(), 1);
        (id, tx.uuid(), tx.letters(8))
    };
    assert_eq!(run(), run());
    assert!(run().0.starts_with("vpc-0") && run().0.len() == 21);
}
