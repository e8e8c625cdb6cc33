//! Journals: chained, durable, torn, damaged, newer.

use super::*;
use crate::engine::{ErrorClass, Mode, Outputs, Plan, Residue, ResourceRef, RunOutcome, StepError, StepId, Token};
use crate::store::append::LogFile;
use proptest::prelude::*;
use std::{
    fs, io,
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

pub(crate) fn plan(stack: &str) -> Plan {
    Plan {
        version: 1,
        stack: stack.parse().unwrap(),
        provider: crate::model::Cloud::Aws,
        account: "123456789012".into(),
        region: crate::model::Region("us-east-1".into()),
        spec: serde_json::json!({ "name": "demo", "note": "line\nbreak \"quoted\" é" }),
        tags: [("team".to_owned(), "research".to_owned())].into(),
        steps: Vec::new(),
        sweeps: Vec::new(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// One of every kind of event.
fn events() -> Vec<Event> {
    let run = RunId("0190-run".into());
    let step = StepId::new("network/vpc");
    let resource = ResourceRef {
        kind: "aws/vpc".into(),
        id: "vpc-1".into(),
        name: None,
        parts: [("operation".to_owned(), "op-1".to_owned())].into(),
    };
    let error = StepError {
        retry_after: Some(std::time::Duration::from_millis(1_500)),
        ..StepError::new(ErrorClass::Quota, "KW-AWS-QUOTA", "too many").with_residue(Residue::Some(resource.clone()))
    };
    let plan = Box::new(plan("demo-7f3a1b2c"));
    vec![
        Event::Planned { plan: plan.clone(), plan_hash: "abc".into(), found: false },
        Event::RunStarted {
            run: run.clone(),
            mode: Mode::Provision,
            host: "h".into(),
            pid: 7,
            user: "u".into(),
            version: "0".into(),
        },
        Event::Intent { step: step.clone(), generation: 1, token: Token::derive(&plan.stack, &step, 1) },
        Event::Acted { step: step.clone(), resource: resource.clone() },
        Event::Ready {
            step: step.clone(),
            resource: resource.clone(),
            outputs: Outputs([("id".to_owned(), "vpc-1".into())].into()),
        },
        Event::Failed { step: step.clone(), error: error.clone() },
        Event::Adopted { step: step.clone(), resource: resource.clone() },
        Event::Replanned { plan, plan_hash: "def".into(), why: "another type".into() },
        Event::DeleteIntent { step: step.clone(), resource: resource.clone(), extra: false },
        Event::DeleteFailed { step: step.clone(), resource: resource.clone(), extra: true, error: error.clone() },
        Event::Deleted { step, resource: Some(resource), extra: false },
        Event::Note { what: "\"event\":\"runStarted\"".into() },
        Event::RunEnded { run, outcome: RunOutcome::Failed, mutating_calls: 3, error: Some(error) },
    ]
}

fn written() -> (tempfile::TempDir, PathBuf, Vec<Record>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo-7f3a1b2c.jsonl");
    let mut journal = StackJournal::over(AppendLog::create(&path).unwrap(), 0, None);
    let run = RunId("0190-run".into());
    let append = |(n, event)| journal.append(at(n), Some(&run).filter(|_| n > 0), event).unwrap();
    let records = (0..).zip(&events()).map(append).collect();
    (dir, path, records)
}

#[test]
fn every_event_reads_back_as_it_was_written() {
    let (_dir, path, records) = written();
    let read = read(&path).unwrap();
    assert_eq!(read.records, records);
    assert!(!read.newer && read.torn == 0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(r#"{"v":1,"seq":1,"at":"2027-01-15T08:00:00Z","run":null,"event":"planned","plan":"#),
        "{text}"
    );
    assert_eq!(text.lines().count(), records.len());
}

#[test]
fn the_chain_goes_on_after_reopening_and_a_torn_line() {
    let (_dir, path, records) = written();
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for kept in last..whole.len() {
        fs::write(&path, &whole[..kept]).unwrap();
        assert_eq!(read(&path).unwrap().records, records[..records.len() - 1]);
        if kept % 16 != 0 && kept != last && kept != whole.len() - 1 {
            continue; // what is on the disk is synced each time, which takes a while
        }
        let (mut journal, before) = reopen(&path).unwrap();
        assert_eq!((before.records.as_slice(), before.torn), (&records[..records.len() - 1], kept - last));
        journal.append(at(12), records[12].run.as_ref(), &records[12].event).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "the same line, the same chain");
    }
}

fn reopen(path: &Path) -> Result<(StackJournal, JournalRead), StoreError> {
    let read = read(path)?;
    let (log, _) = AppendLog::open(path)?;
    Ok((StackJournal::over(log, read.records.len() as u64, read.last_hash.as_deref()), read))
}

/// Which line, from 1, this byte is in.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}

fn damaged_line(bytes: &[u8]) -> Option<u64> {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let path =
        DIR.get_or_init(|| tempfile::tempdir().unwrap()).path().join(format!("{:?}", std::thread::current().id()));
    fs::write(&path, bytes).unwrap();
    match read(&path) {
        Ok(_) => None,
        Err(StoreError { kind: StoreErrorKind::Damaged { line }, message, .. }) => {
            assert!(message.contains(&format!("line {}", line.unwrap())), "{message}");
            line
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn no_byte_can_change_unnoticed() {
    let (_dir, path, _) = written();
    let text = fs::read_to_string(&path).unwrap();
    let good: Vec<u8> = text.split_inclusive('\n').take(3).collect::<String>().into_bytes();
    assert_eq!(damaged_line(&good), None);
    // All but the last newline: without it the line is torn.
    for spot in 0..good.len() - 1 {
        for flip in [1, 3] {
            let mut bad = good.clone();
            bad[spot] ^= flip;
            assert_eq!(damaged_line(&bad), Some(line_of(&good, spot)), "byte {spot} as {}", bad[spot]);
        }
    }
}

#[test]
fn every_byte_of_every_line_in_every_class_stops_at_its_line() {
    let (_dir, path, _) = written();
    let text = fs::read_to_string(&path).unwrap();
    // Without the lines that repeat the plan, so that all of it takes a second.
    let picked = [1, 2, 5, 8, 12].map(|n| text.lines().nth(n).unwrap().to_owned());
    let mut prev = NO_HASH.to_owned();
    let mut good = Vec::new();
    for (seq, line) in (1..).zip(picked) {
        let mut record: Record = serde_json::from_str(&line).unwrap();
        record.seq = seq;
        let (line, hash) = seal(&record, &prev);
        good.extend_from_slice(line.as_bytes());
        good.push(b'\n');
        prev = hash;
    }
    let judge = |bytes: Vec<u8>| check(&path, &Lines::split(bytes));
    assert_eq!(judge(good.clone()).unwrap().records.len(), 5);
    let mut cases = 0;
    for spot in 0..good.len() - 1 {
        let line = line_of(&good, spot);
        let damages = [0, 0xff, b'\n', b'\r', b'{', b'}', b'"', b'\\', b'0', b'9', b' ', b'a'].map(Some);
        for byte in damages.into_iter().chain([None]) {
            let mut bad = good.clone();
            match byte {
                Some(byte) if bad[spot] == byte => continue,
                Some(byte) => bad[spot] = byte,
                None => drop(bad.remove(spot)),
            }
            let error = judge(bad).expect_err("a changed line is no line");
            assert_eq!(error.kind, StoreErrorKind::Damaged { line: Some(line) }, "byte {spot} as {byte:?}: {error}");
            cases += 1;
        }
    }
    assert!(cases > 12 * (good.len() - 1));
    // Cut anywhere, the whole lines before the cut are what was durable.
    for kept in 0..good.len() {
        let read = judge(good[..kept].to_vec()).unwrap();
        assert_eq!(read.records.len() as u64, line_of(&good, kept) - 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_stops_at_its_line(spot in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_dir, path, _) = written();
        let good = fs::read(&path).unwrap();
        // The last newline decides whether the last line is whole: that is the torn tail, tested above.
        let spot = spot.index(good.len() - 1);
        prop_assume!(good[spot] != byte);
        let mut bad = good.clone();
        bad[spot] = byte;
        let line = damaged_line(&bad);
        if byte == b'\n' && line_of(&good, spot) == 13 {
            // It cuts the last line in two: the first half is a bad line.
            prop_assert_eq!(line, Some(13));
        } else {
            prop_assert_eq!(line, Some(line_of(&good, spot)));
        }
    }

    #[test]
    fn lines_removed_repeated_or_swapped_are_noticed(a in 0usize..12, b in 0usize..12, how in 0u8..3) {
        let (_dir, path, _) = written();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        match how {
            // Removing the last would be a shorter journal, which nobody can tell.
            0 => { lines.remove(a); }
            1 => lines.insert(b, lines[a]),
            _ => { prop_assume!(a != b); lines.swap(a, b); }
        }
        let line = damaged_line(format!("{}\n", lines.join("\n")).as_bytes());
        prop_assert!(line.is_some_and(|line| line <= 14));
    }
}

/// A journal whose lines from the `from`th on are of version 2, with an event of that version if wanted.
fn newer(from: usize, event: Option<&str>) -> String {
    let (_dir, path, _) = written();
    let text = fs::read_to_string(&path).unwrap();
    let (mut out, mut prev) = (String::new(), NO_HASH.to_owned());
    for (index, line) in text.lines().enumerate() {
        let mut body = split_hash(line).unwrap().0.to_owned();
        if index >= from {
            body = body.replacen("{\"v\":1", "{\"v\":2,\"more\":{\"x\":[1]}", 1);
        }
        if let Some(event) = event.filter(|_| index == from) {
            body = body.replacen("\"event\":\"intent\"", event, 1);
        }
        let (start, _) = body.rsplit_once(",\"prev\":").unwrap();
        let body = format!("{start},\"prev\":\"{prev}\"");
        prev = digest(&body);
        out += &format!("{body}{BEFORE_HASH}{prev}{AFTER_HASH}\n");
    }
    out
}

#[test]
fn a_newer_journal_is_read_where_it_is_understood_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo-7f3a1b2c.jsonl");
    fs::write(&path, newer(2, None)).unwrap();
    let seen = read(&path).unwrap();
    assert!(seen.newer);
    assert_eq!(seen.records.len(), 13);
    let lock = crate::store::state_dir::tests::lock(dir.path(), "demo-7f3a1b2c");
    let before = fs::read(&path).unwrap();
    let error = StackJournal::open(&path, lock).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Newer);
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::write(&path, newer(2, Some("\"event\":\"teleported\""))).unwrap();
    let error = read(&path).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Newer);
    assert!(error.message.ends_with("line 3 was written by a newer kubewright"), "{error}");
}

#[test]
fn a_damaged_journal_is_not_even_cut() {
    let (dir, path, _) = written();
    let text = fs::read_to_string(&path).unwrap().replacen("us-east-1", "us-west-1", 1) + "{\"torn";
    fs::write(&path, &text).unwrap();
    let lock = crate::store::state_dir::tests::lock(dir.path(), "demo-7f3a1b2c");
    let error = StackJournal::open(&path, lock).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged { line: Some(1) });
    assert_eq!(error.message, format!("{} line 1 is damaged: its content does not match its hash", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_full_disk_is_told_and_ends_the_journal() {
    let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    let mut journal = StackJournal::over(AppendLog::over(Path::new("/dev/full"), Box::new(full)), 0, None);
    let error = journal.append(at(0), None, &events()[0]).unwrap_err();
    assert!(error.disk_full);
    assert!(!journal.append(at(0), None, &events()[0]).unwrap_err().disk_full, "nothing more is tried");
}

/// A disk that keeps only what was synced, and of the rest any beginning: what a power cut leaves.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl LogFile for Disk {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().0.extend_from_slice(bytes);
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.1 = disk.0.len();
        Ok(())
    }
}

#[test]
fn what_append_returned_survives_a_power_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let disk = Disk::default();
    let mut journal = StackJournal::over(AppendLog::over(&path, Box::new(disk.clone())), 0, None);
    for (n, event) in events().iter().enumerate() {
        journal.append(at(0), None, event).unwrap();
        let (bytes, synced) = disk.0.lock().unwrap().clone();
        fs::write(&path, &bytes[..synced]).unwrap();
        assert_eq!(read(&path).unwrap().records.len(), n + 1);
    }
}
