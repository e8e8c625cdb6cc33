//! A file that can lose what was not synced, and a journal of JSON lines on it.

use super::{clock::VirtualClock, seam::Seam};
use jiff::Timestamp;
use kubewright::engine::{Clock as _, Event, Journal, JournalError, Record, RunId, StackState};
use std::sync::{Arc, Mutex};

/// One file on a disk that survives its process.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    synced: Vec<u8>,
    /// Written, and gone with the machine.
    cached: Vec<u8>,
    /// The negative control: never syncs.
    pub never_syncs: bool,
}

impl Disk {
    /// The machine goes down and comes up again.
    pub fn power_cycle(&mut self) {
        self.cached.clear();
    }

    /// An empty one of the same make.
    pub fn another(&self) -> Self {
        Self { never_syncs: self.never_syncs, ..Self::default() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.cached.extend_from_slice(bytes);
    }

    fn sync(&mut self) {
        if !self.never_syncs {
            self.synced.append(&mut self.cached);
        }
    }

    /// Lines that were written to their end; a torn last one is cut off, as the store does.
    pub fn records(&mut self) -> Vec<Record> {
        let end = self.synced.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.synced.truncate(end);
        let all = [self.synced.as_slice(), self.cached.as_slice()].concat();
        all.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a whole line is a record"))
            .collect()
    }

    /// The journal without some of its lines, as an engine would see it that forgot them.
    pub fn retain(&mut self, keep: impl FnMut(&Record) -> bool) {
        let mut records = self.records();
        records.retain(keep);
        *self = self.another();
        for record in records {
            self.write(&line(&record));
        }
        self.synced.append(&mut self.cached);
    }
}

fn line(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("records serialise");
    line.push(b'\n');
    line
}

/// The engine's journal port on such a file.
pub struct MemJournal {
    disk: Arc<Mutex<Disk>>,
    seam: Arc<Seam>,
    clock: Arc<VirtualClock>,
    seq: u64,
}

impl MemJournal {
    /// Opens what the disk holds.
    pub fn open(disk: &Arc<Mutex<Disk>>, seam: &Arc<Seam>, clock: &Arc<VirtualClock>) -> (Self, StackState) {
        let records = disk.lock().unwrap().records();
        let state = StackState::fold(&records).expect("every crash leaves a journal that can be folded");
        let seq = records.last().map_or(0, |record| record.seq);
        (Self { disk: Arc::clone(disk), seam: Arc::clone(seam), clock: Arc::clone(clock), seq }, state)
    }
}

impl Journal for MemJournal {
    fn append(&mut self, at: Timestamp, run: Option<&RunId>, event: &Event) -> Result<Record, JournalError> {
        if self.seam.is_dead() || self.seam.dies_here() {
            self.seam.die_now();
        }
        assert!(at <= self.clock.now(), "the engine's clock and the journal's agree");
        if !self.seam.has_room() {
            return Err(JournalError { message: "no space left on device".to_owned(), disk_full: true });
        }
        self.seq += 1;
        let record = Record { seq: self.seq, at, run: run.cloned(), event: event.clone() };
        let line = line(&record);
        if self.seam.dies_here() {
            let mut disk = self.disk.lock().unwrap();
            disk.write(&line[..line.len() / 2]);
            disk.sync();
            drop(disk);
            self.seam.die_now();
        }
        let mut disk = self.disk.lock().unwrap();
        disk.write(&line);
        disk.sync();
        drop(disk);
        if self.seam.dies_here() {
            self.seam.die_now();
        }
        Ok(record)
    }
}
