//! Progress in a terminal: a line per running step with elapsed, usual duration and the cloud's own word, and the
//! whole below with its remaining time. What took its time stays on the screen when it is done.
//!
//! Every line is laid out for the width the terminal has at that moment and is never wider: a bar that wraps cannot be
//! drawn over, and the screen fills with its remains.

use super::{
    Style, style,
    tracker::{Change, Tracker},
};
use crate::engine::{Clock, Observer, Record, StepId, Tick};
use crate::model::time::show_span;
use dialoguer::console;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const REDRAW: Duration = Duration::from_millis(250);
/// Steps that usually take this long are told of when they are done; the others pass too quickly to be read.
const WORTH_A_LINE: u64 = 20;
/// Columns of a terminal that does not say.
const USUAL_COLUMNS: usize = 80;
/// Room for `12m04s of ~9m00s`.
const TIME_COLUMNS: usize = 16;
/// What the spinner and the blank behind it take.
const SPINNER_COLUMNS: usize = 2;

/// A line on the screen, and what stands in it last: the words that change.
pub(super) type Line = (ProgressBar, Arc<Mutex<String>>);

/// The observer.
pub(super) struct Bars {
    tracker: Arc<Mutex<Tracker>>,
    screen: MultiProgress,
    whole: ProgressBar,
    steps: Mutex<BTreeMap<StepId, Line>>,
    style: Style,
}

impl Bars {
    pub(super) fn new(screen: MultiProgress, tracker: Tracker, style: Style) -> Self {
        let (total, finished) = (tracker.total() as u64, tracker.finished() as u64);
        let tracker = Arc::new(Mutex::new(tracker));
        // What an earlier run has done counts from the start.
        let whole = screen.add(ProgressBar::new(total).with_position(finished));
        let asked = Arc::clone(&tracker);
        let last = Arc::new(AtomicU64::new(0));
        // The lock is only tried: the drawing thread must never wait for an event that waits for the drawing.
        let line = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            if let Ok(tracker) = asked.try_lock() {
                last.store(tracker.eta(), Ordering::Relaxed);
            }
            let done = (state.pos(), state.len().unwrap_or_default());
            let _ = out.write_str(&whole_line(columns(), done, last.load(Ordering::Relaxed)));
        };
        whole.set_style(template("{line}").with_key("line", line));
        whole.enable_steady_tick(REDRAW);
        Self { tracker, screen, whole, steps: Mutex::default(), style }
    }

    fn bar(&self, step: &StepId, note: &str) -> Line {
        let bar = self.screen.insert_before(&self.whole, ProgressBar::new_spinner());
        let (since, usual, clock) = {
            let tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
            (tracker.since(step), tracker.usual(step), Arc::clone(&tracker.clock))
        };
        let note = Arc::new(Mutex::new(style::plain(note)));
        let (name, said) = (step.to_string(), Arc::clone(&note));
        let line = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let note = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let time = time_of(clock.as_ref(), since, usual);
            let _ = out.write_str(&step_line(columns().saturating_sub(SPINNER_COLUMNS), &name, &time, &note));
        };
        bar.set_style(template("{spinner} {line}").with_key("line", line));
        bar.enable_steady_tick(REDRAW);
        (bar, note)
    }

    fn show(&self, change: Change, finished: usize) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Nothing => {}
            Change::Began(step, note) => {
                let bar = self.bar(&step, &note);
                steps.insert(step, bar);
            }
            Change::Note(step, note) | Change::Again { step, note, .. } => {
                if let Some((_, shown)) = steps.get(&step) {
                    *shown.lock().unwrap_or_else(PoisonError::into_inner) = style::plain(&note);
                }
            }
            Change::Done(step, word, secs) => {
                if let Some((bar, _)) = steps.remove(&step) {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
                self.whole.set_position(finished as u64);
                if secs >= WORTH_A_LINE {
                    let took = show_span(Duration::from_secs(secs));
                    self.print(&format!("{} {step}  {took}", self.style.green(word)));
                }
            }
            Change::Failed(step, why) => {
                if let Some((bar, _)) = steps.remove(&step) {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
                self.print(&format!("{} {step}: {}", self.style.red("failed"), style::plain(&why)));
            }
            Change::Say(text) => self.print(&style::plain(&text)),
        }
    }

    fn print(&self, line: &str) {
        // A terminal that went away is not worth stopping for.
        let _ = self.screen.println(line);
    }
}

impl Observer for Bars {
    fn record(&self, record: &Record) {
        let (change, finished) = {
            let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
            (tracker.record(record), tracker.finished())
        };
        self.show(change, finished);
    }

    fn tick(&self, tick: &Tick) {
        let (change, finished) = {
            let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
            (tracker.tick(tick), tracker.finished())
        };
        self.show(change, finished);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for (bar, _) in self.steps.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.finish_and_clear();
            self.screen.remove(bar);
        }
        self.whole.finish_and_clear();
        self.screen.remove(&self.whole);
    }
}

/// A spinner for waits outside the engine; what stands in the text is its state.
pub(super) fn spinner(screen: &MultiProgress, what: &str) -> Line {
    let bar = screen.add(ProgressBar::new_spinner());
    let note = Arc::new(Mutex::new(String::new()));
    let (what, said) = (what.to_owned(), Arc::clone(&note));
    let line = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let note = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let whole = if note.is_empty() { what.clone() } else { format!("{what}  {note}") };
        let _ = out.write_str(&cut(&whole, columns().saturating_sub(SPINNER_COLUMNS)));
    };
    bar.set_style(template("{spinner} {line}").with_key("line", line));
    bar.enable_steady_tick(REDRAW);
    (bar, note)
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).expect("the template is well-formed")
}

/// The columns that a line may take: the last one stays free, where terminals disagree about wrapping.
pub(super) fn columns() -> usize {
    let told = console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    told.filter(|columns| *columns > 0).unwrap_or(USUAL_COLUMNS) - 1
}

fn time_of(clock: &dyn Clock, since: Timestamp, usual: u64) -> String {
    let elapsed = u64::try_from(clock.now().as_second() - since.as_second()).unwrap_or(0);
    let elapsed = show_span(Duration::from_secs(elapsed));
    if usual == 0 { elapsed } else { format!("{elapsed} of ~{}", show_span(Duration::from_secs(usual))) }
}

/// `cluster            3m10s of ~9m00s  CREATING`, in no more than `width` columns.
fn step_line(width: usize, name: &str, time: &str, note: &str) -> String {
    let name_columns = width.saturating_sub(TIME_COLUMNS + 14).clamp(12, 34);
    cut(&format!("{:<name_columns$} {time:>TIME_COLUMNS$}  {note}", cut_front(name, name_columns)), width)
}

/// `[12/31] =========>               about 8 min left`, in no more than `width` columns.
fn whole_line(width: usize, (done, total): (u64, u64), left: u64) -> String {
    let (count, left) = (format!("[{done}/{total}]"), format!("about {} left", style::about(left)));
    let room = width.saturating_sub(count.len() + left.len() + 2).min(24);
    // A teardown by tags learns its steps as it goes.
    if total == 0 {
        return cut(&left, width);
    }
    if room < 5 {
        return cut(&format!("{count} {left}"), width);
    }
    let full = usize::try_from(done.min(total) * room as u64 / total).unwrap_or(room);
    let head = if full < room { ">" } else { "" };
    format!("{count} {}{head}{} {left}", "=".repeat(full), " ".repeat(room - full - head.len()))
}

/// The first `width` columns; an ellipsis says that there was more.
fn cut(text: &str, width: usize) -> String {
    // Even the ellipsis takes a column.
    if width == 0 {
        return String::new();
    }
    // What a cloud says may have lines of its own; a bar has one.
    console::truncate_str(&text.replace(['\n', '\t'], " "), width, "…").into_owned()
}

/// The last `width` columns: ids differ at their ends.
fn cut_front(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(count + 1 - width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_its_terminal() {
        let note = "try 3 failed (Rate exceeded: the account makes too many calls); again in 12 s";
        for width in [0, 1, 5, 12, 20, 38, 39, 60, 78, 79, 120, 400] {
            for name in
                ["cluster", "network/routes/private-a/subnet-a", "iam/ebs-csi-role/policy/AmazonEBSCSIDriverPolicy"]
            {
                let line = step_line(width, name, "1h02m of ~12m30s", note);
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
            }
            assert!(!step_line(width, "cluster", "1s", "two\nlines").contains('\n'));
            for done in [(0, 31), (31, 31), (40, 31), (0, 0), (123, 4567)] {
                let line = whole_line(width, done, 45_000);
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn lines_read_well() {
        assert_eq!(
            step_line(77, "cluster", "3m10s of ~9m00s", "CREATING"),
            "cluster                             3m10s of ~9m00s  CREATING"
        );
        assert_eq!(
            step_line(37, "network/subnet/private-a", "3s of ~2s", "creating"),
            "…t/private-a        3s of ~2s  creat…"
        );
        assert_eq!(whole_line(79, (12, 31), 480), "[12/31] =========>               about 8 min left");
        assert_eq!(whole_line(39, (31, 31), 0), "[31/31] ================ about 0 s left");
        assert_eq!(whole_line(24, (3, 31), 60), "[3/31] about 60 s left");
    }
}
