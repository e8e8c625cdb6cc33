//! `history`: a paragraph per run with a line per step, in 80 columns; every event where all are wanted.

use super::place;
use crate::model::doc::{History, HistoryEntry, HistoryRun, HistoryVerify, Verified};
use crate::model::time::show_span;
use crate::ui::{
    style::{self, hourly, moment},
    view::View,
};
use jiff::Timestamp;
use std::time::Duration;

const COLUMNS: usize = 80;
/// What stands before a step: its time, how long it took, how it ended.
const BEFORE: usize = 30;

impl View for History {
    const KIND: &'static str = "history";

    fn human(&self, now: Timestamp, sandbox: bool) -> String {
        let mut text = one(self, now, sandbox);
        for other in &self.others {
            text.push('\n');
            text.push_str(&one(other, now, sandbox));
        }
        if self.others.is_empty() && !self.other_stacks.is_empty() {
            let others = self.other_stacks.join(", ");
            text.push_str(&format!("\nother stacks of this name: {others}; --all shows them\n"));
        }
        text
    }

    fn names(&self) -> Vec<String> {
        self.events.iter().filter_map(|entry| entry.step.clone()).collect()
    }
}

fn one(history: &History, now: Timestamp, sandbox: bool) -> String {
    let mut text = headline(history, now, sandbox);
    let mut at = 0;
    while let Some(entry) = history.events.get(at) {
        let run = history.runs.iter().find(|run| entry.run.as_deref() == Some(run.id.as_str()));
        let Some(run) = run else {
            text.push_str(&line(entry, history.every_event));
            at += 1;
            continue;
        };
        let mine = history.events[at..].iter().take_while(|entry| entry.run.as_deref() == Some(run.id.as_str()));
        let mine: Vec<&HistoryEntry> = mine.collect();
        at += mine.len();
        text.push_str(&paragraph(run, &mine, history.every_event));
    }
    text
}

fn headline(history: &History, now: Timestamp, sandbox: bool) -> String {
    let stack = &history.stack;
    let id = stack.id.as_deref().unwrap_or("?");
    let mut text = format!("{}-{id}  {}  {}", stack.name, place(stack), history.standing);
    if let Some(at) = history.destroyed_at {
        text.push_str(&format!(" {}", moment(at, now)));
    } else {
        text.push_str(&format!("  {}", hourly(history.usd_per_hour)));
    }
    match history.accrued_usd {
        Some(usd) => text.push_str(&format!("  cost ${usd:.2}")),
        None => text.push_str("  cost unknown"),
    }
    if sandbox {
        text.push_str("  SANDBOX");
    }
    text.push('\n');
    text
}

fn paragraph(run: &HistoryRun, events: &[&HistoryEntry], every_event: bool) -> String {
    let mut text = format!(
        "\n{} by {}@{} pid {}, kubewright {}\n  run {}\n",
        run.verb, run.user, run.host, run.pid, run.version, run.id
    );
    let took = show_span(Duration::from_secs(run.seconds));
    let ended = match run.outcome.as_str() {
        "running" => format!("running for {took}"),
        "killed" => format!("cut short after {took}, it never said why"),
        outcome => format!("{outcome} after {took}"),
    };
    let calls = run.mutating_calls.map_or_else(String::new, |calls| format!(", {calls} mutating calls"));
    text.push_str(&format!("  {}  {ended}{calls}\n", stamp(run.started_at)));
    if let Some(error) = &run.error {
        let id = run.error_id.as_deref().unwrap_or("KW-BUG");
        text.push_str(&fitted(&format!("  {id}: {error}")));
    }
    if every_event {
        events.iter().for_each(|entry| text.push_str(&line(entry, true)));
        return text;
    }
    for (at, entry) in events.iter().enumerate() {
        match entry.event.as_str() {
            // The paragraph's head says them.
            "runStarted" | "runEnded" => {}
            _ if entry.step.is_none() => text.push_str(&line(entry, false)),
            // A step is told once, where it begins, by how it ended.
            _ if events[..at].iter().any(|before| is_same(before, entry)) => {}
            _ => {
                let all: Vec<&HistoryEntry> =
                    events[at..].iter().copied().filter(|other| is_same(other, entry)).collect();
                text.push_str(&step(&all));
            }
        }
    }
    text
}

/// Whether both are about one object: what the cluster made hangs on a step and is not its object.
fn is_same(one: &HistoryEntry, other: &HistoryEntry) -> bool {
    let extra = |entry: &HistoryEntry| entry.detail.get("extra").and_then(serde_json::Value::as_bool) == Some(true);
    one.step == other.step && extra(one) == extra(other) && (!extra(one) || one.resource == other.resource)
}

/// What a run did with one object.
fn step(events: &[&HistoryEntry]) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return String::new() };
    let adopted = events.iter().any(|entry| entry.event == "adopted");
    let word = match last.event.as_str() {
        "ready" if adopted => "adopted",
        "intent" => "begun",
        "acted" => "made",
        "deleteIntent" => "deleting",
        "failed" => "FAILED",
        "deleteFailed" => "STUCK",
        word => word,
    };
    let took = last.seconds.map_or_else(String::new, |secs| show_span(Duration::from_secs(secs)));
    let name = last.step.as_deref().unwrap_or_default();
    let object = events.iter().rev().find_map(|entry| entry.resource.as_deref()).unwrap_or_default();
    let before = format!("  {}  {took:>7}  {word:<9}", first.at.strftime("%H:%M:%S"));
    let mut text = if before.len() + name.len() + 2 + object.len() <= COLUMNS {
        format!("{before}{name}  {object}").trim_end().to_owned() + "\n"
    } else {
        format!("{before}{name}\n{:BEFORE$}{}\n", "", shortened(object, COLUMNS - BEFORE))
    };
    for failed in events.iter().filter(|entry| entry.error_id.is_some()) {
        let id = failed.error_id.as_deref().unwrap_or_default();
        let why = failed.text.split_once(": ").map_or(failed.text.as_str(), |(_, why)| why);
        text.push_str(&fitted(&format!("    {id}: {why}")));
    }
    text
}

/// An event by itself.
fn line(entry: &HistoryEntry, numbered: bool) -> String {
    if !numbered {
        return fitted(&format!("  {}  {}", stamp(entry.at), entry.text));
    }
    let kind = entry.kind.as_ref().map_or_else(String::new, |kind| format!("  [{kind}]"));
    fitted(&format!("  {}  {:>5}  {}{kind}", stamp(entry.at), entry.seq, entry.text))
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn fitted(text: &str) -> String {
    style::wrapped(text, COLUMNS) + "\n"
}

/// A long id with its middle left out; the document has it whole.
fn shortened(text: &str, room: usize) -> String {
    let count = text.chars().count();
    if count <= room {
        return text.to_owned();
    }
    let half = (room - 1) / 2;
    let begin: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{begin}…{end}")
}

impl View for HistoryVerify {
    const KIND: &'static str = "history-verify";

    fn human(&self, _: Timestamp, _: bool) -> String {
        self.journals.iter().map(check).collect()
    }

    fn names(&self) -> Vec<String> {
        self.journals.iter().map(|journal| journal.stack.clone()).collect()
    }
}

fn check(journal: &Verified) -> String {
    let Some(chain) = journal.chain.as_ref().filter(|_| journal.intact) else {
        let place = journal.line.map_or_else(String::new, |line| format!("line {line}: "));
        return format!("{}: NOT INTACT, {place}{}\n", journal.stack, journal.why.as_deref().unwrap_or("unreadable"));
    };
    let head = chain.head.as_deref().unwrap_or("none");
    let torn = match chain.torn_bytes {
        0 => String::new(),
        bytes => format!("; {bytes} bytes of a torn last line: a kill while it was written, which is no fault"),
    };
    format!("{}: {} events, chain intact, head {head}{torn}\n", journal.stack, chain.events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_lose_their_middle() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 7), "abc…ijk");
    }
}
