//! A file that can lose what was not synced, and a journal of JSON lines on it.

use super::{clock::VirtualClock, seam::Seam};
use jiff::Timestamp;
use kubewright::engine::{Clock as _, Event, Journal, JournalError, Record, RunId, StackState};
use std::sync::{Arc, Mutex};

/// What one write left in the file. Lines are kept as records instead of bytes, so that ten thousands of runs do not
/// spend their time in a parser; that records survive their JSON is checked once per undisturbed run.
#[derive(Debug, Clone)]
enum Line {
    Whole(Arc<Record>),
    /// Without its end: dropped when the file is read.
    Torn,
}

/// One file on a disk that survives its process.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    synced: Vec<Line>,
    /// Written, and gone with the machine.
    cached: Vec<Line>,
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

    fn write(&mut self, line: Line) {
        self.cached.push(line);
    }

    fn sync(&mut self) {
        if !self.never_syncs {
            self.synced.append(&mut self.cached);
        }
    }

    /// Lines that were written to their end; a torn last one is cut off, as the store does.
    pub fn records(&mut self) -> Vec<Arc<Record>> {
        if matches!(self.synced.last(), Some(Line::Torn)) {
            self.synced.pop();
        }
        let whole = |line: &Line| match line {
            Line::Whole(record) => Arc::clone(record),
            Line::Torn => panic!("only the last line can be torn"),
        };
        self.synced.iter().chain(&self.cached).map(whole).collect()
    }

    /// The journal without some of its lines, as an engine would see it that forgot them.
    pub fn retain(&mut self, mut keep: impl FnMut(&Record) -> bool) {
        self.records();
        self.synced.retain(|line| matches!(line, Line::Whole(record) if keep(record)));
    }
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
        let state =
            StackState::fold(records.iter().map(Arc::as_ref)).expect("every crash leaves a journal that can be folded");
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
        if self.seam.dies_here() {
            let mut disk = self.disk.lock().unwrap();
            disk.write(Line::Torn);
            disk.sync();
            drop(disk);
            self.seam.die_now();
        }
        let mut disk = self.disk.lock().unwrap();
        disk.write(Line::Whole(Arc::new(record.clone())));
        disk.sync();
        drop(disk);
        if self.seam.dies_here() {
            self.seam.die_now();
        }
        Ok(record)
    }
}
