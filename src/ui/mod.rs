//! What people and scripts see. The only room that writes to stdout or stderr or asks a question.
//!
//! stdout is the answer, stderr the conversation. Nothing in here may fail a build: closed pipes fall silent.

mod bars;
mod calls;
mod events;
mod grid;
mod lines;
mod meter;
mod prompt;
mod pulse;
mod stream;
pub mod style;
mod table;
mod tracker;
mod view;
mod views;

pub use meter::Watched;
pub use prompt::Answer;
pub use style::Style;
pub use table::Table;
pub use view::View;
pub use views::cost::EstimateView;
pub use views::plan::{PlanView, Row as PlanRow, price_table};
pub use views::reap::because as due_because;

use crate::engine::{Clock, Observer, Record, Tick};
use crate::error::CliError;
use crate::model::{
    Secrets,
    doc::{Document, Nothing},
};
use grid::Grid;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use stream::Stream;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// The same document as YAML.
    Yaml,
    /// Names only, one a line.
    Name,
    /// A table, comma-separated.
    Csv,
    /// A table of Markdown.
    Markdown,
}

impl Format {
    /// Whether a program reads it: exactly one document, on failure too.
    pub const fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }

    /// Whether it is for results that are tables only.
    pub const fn is_grid(self) -> bool {
        matches!(self, Self::Csv | Self::Markdown)
    }
}

/// What the terminal, the flags and the variables allow.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How the answer is written.
    pub format: Format,
    /// Say less.
    pub quiet: bool,
    /// Say more.
    pub verbose: u8,
    /// Escape codes are welcome on stderr.
    pub color: bool,
    /// The conversation goes to a terminal that can move its cursor.
    pub live: bool,
    /// Questions can be asked: stdin and stderr are terminals and `--no-input` is not given.
    pub can_ask: bool,
    /// All of it is pretend.
    pub sandbox: bool,
    /// What nobody is shown.
    pub secrets: Secrets,
}

/// The streams with their manners.
pub struct Ui {
    options: Options,
    out: Stream,
    err: Stream,
    events: Option<Arc<events::Sink>>,
    documented: AtomicBool,
    warnings: Mutex<Vec<String>>,
    /// Where bars are drawn; whatever else is said meanwhile goes above them.
    screen: Option<indicatif::MultiProgress>,
    runs: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
}

/// Where `--events` lines go: a line at a time, to the file the store opened.
pub type EventWriter = Box<dyn FnMut(&str) -> std::io::Result<()> + Send>;

impl Ui {
    /// A user interface with these manners, which tells elapsed times by this clock.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        Self {
            out: Stream::stdout(options.secrets.clone()),
            err: Stream::stderr(options.secrets.clone()),
            screen: options.live.then(indicatif::MultiProgress::new),
            options,
            events: None,
            documented: AtomicBool::new(false),
            warnings: Mutex::default(),
            runs: Arc::default(),
            clock,
        }
    }

    /// Sends events there as well; `None` makes them own stdout.
    pub fn send_events(&mut self, writer: Option<EventWriter>) {
        let secrets = self.options.secrets.clone();
        let (screen, style, err) = (self.screen.clone(), self.style(), Stream::stderr(secrets.clone()));
        let voice = move |line: &str| {
            let text = format!("{} {}", style.yellow("warning:"), style::plain(line));
            match &screen {
                Some(screen) => screen.suspend(|| err.line(&text)),
                None => err.line(&text),
            }
        };
        let (sandbox, clock) = (self.options.sandbox, Arc::clone(&self.clock));
        self.events = Some(Arc::new(events::Sink::new(writer, sandbox, secrets, clock, Box::new(voice))));
    }

    /// The options it was made with.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// What nobody is shown: whoever learns of a secret adds it here.
    pub const fn secrets(&self) -> &Secrets {
        &self.options.secrets
    }

    /// Colours for stderr.
    pub const fn style(&self) -> Style {
        Style { color: self.options.color }
    }

    /// Text to stderr, above the bars if there are any.
    fn speak(&self, text: &str) {
        match &self.screen {
            Some(screen) => screen.suspend(|| self.err.line(text)),
            None => self.err.line(text),
        }
    }

    /// How wide the conversation's terminal is; none where it goes elsewhere.
    pub fn columns(&self) -> Option<usize> {
        self.screen.as_ref().map(|_| bars::columns())
    }

    /// Whether a run of the engine is being watched: there is something in flight.
    pub fn is_running(&self) -> bool {
        self.runs.load(Ordering::Relaxed) > 0
    }

    /// The conversation; silent with `-q`.
    pub fn say(&self, line: &str) {
        if !self.options.quiet {
            self.speak(&style::plain(line));
        }
    }

    /// Long conversation, with colours already in it; on a terminal its lines end between words. Not for commands: who
    /// pastes one must not paste a line end.
    pub fn say_at_length(&self, text: &str) {
        match self.screen {
            Some(_) => self.say_styled(&style::wrapped(text, bars::columns())),
            None => self.say_styled(text),
        }
    }

    /// The conversation with colours already in it; the caller vouches for the text.
    pub fn say_styled(&self, text: &str) {
        if !self.options.quiet {
            self.speak(text);
        }
    }

    /// Said with `-v` only.
    pub fn detail(&self, line: &str) {
        if self.options.verbose > 0 {
            self.speak(&style::plain(line));
        }
    }

    /// A warning; said even with `-q`, once.
    pub fn warn(&self, line: &str) {
        let mut said = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if said.iter().any(|old| old == line) {
            return;
        }
        said.push(line.to_owned());
        self.speak(&format!("{} {}", self.style().yellow("warning:"), style::plain(line)));
    }

    /// Puts a question; the line ends with the answer, or when the wait for it ends.
    fn open_question(&self, text: &str) -> OpenQuestion<'_> {
        self.err.write(text);
        OpenQuestion { ui: self, open: true }
    }

    /// Raw text to stdout: completion scripts, help, what other clients of the sandbox need.
    pub fn raw(&self, text: &str) {
        self.out.write_as_is(text);
    }

    /// Shows a result: the view for people, one document for programs, names for pipes.
    pub fn show<V: View>(&self, at: Timestamp, body: &V, error: Option<&CliError>) {
        let document = Document {
            schema: format!("kubewright.{}/v1", V::KIND),
            at,
            sandbox: self.options.sandbox,
            error: error.map(CliError::to_doc),
            body,
        };
        self.documented.store(true, Ordering::Relaxed);
        if let Some(sink) = &self.events {
            sink.document(&document);
            if sink.owns_stdout() {
                return;
            }
        }
        match self.options.format {
            Format::Json => self.out.line(&json(&document)),
            Format::Yaml => self.out.write(&yaml(&document)),
            Format::Name => body.names().iter().for_each(|name| self.out.line(name)),
            Format::Csv => self.out.write(&body.grid().as_ref().map(Grid::csv).unwrap_or_default()),
            Format::Markdown => self.out.write(&body.grid().as_ref().map(Grid::markdown).unwrap_or_default()),
            Format::Table => {
                let text = body.human(at, self.options.sandbox);
                if !text.is_empty() {
                    self.out.write(&style::plain(&text));
                }
            }
        }
    }

    /// The final error: in words on stderr, and as a document where one is due and none was shown.
    pub fn error(&self, at: Timestamp, error: &CliError) {
        self.err.write(&error_text(error, self.style()));
        if self.documented.swap(true, Ordering::Relaxed) {
            return;
        }
        let owns = self.events.as_ref().is_some_and(|sink| sink.owns_stdout());
        let document_due = self.options.format.is_document();
        if self.events.is_none() && !document_due {
            return;
        }
        let document = Document {
            schema: "kubewright.error/v1".to_owned(),
            at,
            sandbox: self.options.sandbox,
            error: Some(error.to_doc()),
            body: Nothing {},
        };
        if let Some(sink) = &self.events {
            sink.document(&document);
        }
        match self.options.format {
            _ if owns || !document_due => {}
            Format::Yaml => self.out.write(&yaml(&document)),
            _ => self.out.line(&json(&document)),
        }
    }

    /// Watches a run of the engine: bars, or lines, and the events.
    pub fn observer(&self, watched: Watched<'_>) -> Arc<dyn Observer> {
        let clock = Arc::clone(&self.clock);
        let events = self.events.as_ref().map(|sink| {
            let meter = Arc::new(Mutex::new(meter::Meter::new(&watched, Arc::clone(&clock))));
            let (beaten, told) = (Arc::clone(sink), Arc::clone(&meter));
            let pulse = pulse::Pulse::new(move || {
                beaten.heartbeat(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
            });
            EventsOfRun { sink: Arc::clone(sink), meter, pulse }
        });
        let tracker = tracker::Tracker::new(watched.plan, watched.done, watched.mode, clock);
        let shown: Option<Arc<dyn Observer>> = if self.options.quiet {
            None
        } else if let (Some(screen), true) = (&self.screen, self.options.verbose < calls::LEVEL) {
            Some(Arc::new(bars::Bars::new(screen.clone(), tracker, self.style())))
        } else {
            Some(Arc::new(lines::Lines::new(tracker, self.options.secrets.clone())))
        };
        self.runs.fetch_add(1, Ordering::Relaxed);
        let secrets = self.options.secrets.clone();
        Arc::new(Watchers { shown, events, secrets, runs: Arc::clone(&self.runs) })
    }

    /// A long wait outside the engine, on the same terms: a spinner, or a line per change and a sign of life.
    pub fn waiting(&self, what: &str) -> Waiting {
        let bar = self.screen.as_ref().filter(|_| !self.options.quiet).map(|screen| bars::spinner(screen, what));
        if bar.is_none() {
            self.say(what);
        }
        if let Some(sink) = &self.events {
            sink.waiting(what, true);
        }
        let last = Arc::new(Mutex::new(what.to_owned()));
        let (said, sink) = (Arc::clone(&last), self.events.clone());
        let err = (bar.is_none() && !self.options.quiet).then(|| Stream::stderr(self.options.secrets.clone()));
        let pulse = pulse::Pulse::new(move || {
            let note = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(err) = &err {
                err.line(&style::plain(&note));
            }
            if let Some(sink) = &sink {
                sink.waiting(&note, false);
            }
        });
        Waiting { bar, last, pulse, quiet: self.options.quiet }
    }
}

/// A question whose answer has not ended its line: whatever is said next begins on a new one.
struct OpenQuestion<'a> {
    ui: &'a Ui,
    open: bool,
}

impl OpenQuestion<'_> {
    /// The terminal has echoed the end of the line.
    fn answered(mut self) {
        self.open = false;
    }
}

impl Drop for OpenQuestion<'_> {
    fn drop(&mut self) {
        if self.open {
            self.ui.err.write("\n");
        }
    }
}

/// A wait that shows how it goes.
pub struct Waiting {
    bar: Option<bars::Line>,
    last: Arc<Mutex<String>>,
    pulse: pulse::Pulse,
    quiet: bool,
}

impl Waiting {
    /// Its state in words; said again only when it changed.
    pub fn note(&mut self, ui: &Ui, note: &str) {
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if note == *last {
                return;
            }
            note.clone_into(&mut last);
        }
        match &self.bar {
            Some((_, shown)) => {
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = style::plain(&ui.options.secrets.mask(note));
            }
            None if !self.quiet => ui.say(note),
            None => {}
        }
        if let Some(sink) = &ui.events {
            sink.waiting(note, true);
        }
        self.pulse.said();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((bar, _)) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The events of one run.
struct EventsOfRun {
    sink: Arc<events::Sink>,
    meter: Arc<Mutex<meter::Meter>>,
    pulse: pulse::Pulse,
}

impl EventsOfRun {
    fn say(&self, say: impl FnOnce(&events::Sink, &mut meter::Meter)) {
        say(&self.sink, &mut self.meter.lock().unwrap_or_else(PoisonError::into_inner));
        self.pulse.said();
    }
}

struct Watchers {
    shown: Option<Arc<dyn Observer>>,
    events: Option<EventsOfRun>,
    secrets: Secrets,
    runs: Arc<AtomicUsize>,
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.runs.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Observer for Watchers {
    fn record(&self, record: &Record) {
        if let Some(events) = &self.events {
            events.say(|sink, meter| {
                meter.record(record);
                sink.record(record, meter);
            });
        }
        if let Some(shown) = &self.shown {
            shown.record(record);
        }
    }

    fn tick(&self, tick: &Tick) {
        let mut tick = tick.clone();
        if let Tick::Waiting { note: told, .. } | Tick::Retrying { why: told, .. } | Tick::Paused { why: told } =
            &mut tick
        {
            self.secrets.mask_in(told);
        }
        if let Some(events) = &self.events {
            events.say(|sink, meter| {
                meter.tick(&tick);
                sink.tick(&tick, meter);
            });
        }
        if let Some(shown) = &self.shown {
            shown.tick(&tick);
        }
    }
}

fn json<T: Serialize>(document: &T) -> String {
    serde_json::to_string_pretty(document).expect("documents are plain structs with string keys")
}

fn yaml<T: Serialize>(document: &T) -> String {
    // Through a JSON value, so that flattened bodies keep their order.
    let value = serde_json::to_value(document).expect("documents are plain structs with string keys");
    serde_yaml::to_string(&value).expect("JSON values are YAML values")
}

/// `error[KW-ID]: …` with its lines and hints.
pub fn error_text(error: &CliError, style: Style) -> String {
    let mut text = format!("{} {}\n", style.red(&format!("error[{}]:", error.id)), style::plain(&error.message));
    for line in &error.details {
        text.push_str(&format!("  {}\n", style::plain(line)));
    }
    if let Some(request) = &error.request_id {
        text.push_str(&format!("  request id: {}\n", style::plain(request)));
    }
    for hint in &error.hints {
        text.push_str(&format!("  {} {}\n", style.bold("hint:"), style::plain(hint)));
    }
    text
}
