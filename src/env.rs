//! The outside world: streams, prompts, clocks, randomness, variables, directories, signals. Real ones are made here
//! and nowhere else; everything else is handed them.

mod provider;
#[cfg(feature = "sandbox")]
mod rehearsal;

pub use provider::ProviderChoice;
#[cfg(feature = "sandbox")]
pub use rehearsal::{add_policies, rehearse, sandbox_error};

use crate::config::{dotenv, layers::Layers};
use crate::engine::{Clock, Ids, RunId, RunInfo, StopReceiver, StopSignal};
use crate::error::CliError;
use crate::model::{Cloud, Region, Secrets};
use crate::ui::{Format, Options, Ui};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// The variables of a command, in their layers.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    /// All that count, the stronger over the weaker.
    pub all: Variables,
    /// Where each came from.
    pub layers: Layers,
}

/// How often a command that only reads looks whether its time is over.
const PEEK: Duration = Duration::from_millis(100);

/// Longest configuration file that is read.
const CONFIG_LIMIT: u64 = crate::config::user::LIMIT;

impl Vars {
    /// Reads the process's variables, the `.env` file and the user's configuration.
    pub fn read(dotenv: Option<&Path>) -> Result<Self, CliError> {
        let process = variables();
        if is_rehearsing(&process) {
            // The process that started the rehearsal has read the files; what they say of real clouds stays outside.
            return Ok(Self { all: process.clone(), layers: Layers::new(process) });
        }
        let configured = config_home(&process);
        let mut layers = Layers::new(process.clone());
        let named = dotenv
            .map(Path::to_owned)
            .or_else(|| process.get("KUBEWRIGHT_DOTENV").filter(|path| !path.is_empty()).map(PathBuf::from));
        let file = match (&named, &configured) {
            (Some(path), _) => Some((path.clone(), Some(user_file(path)?))),
            (None, Some(dir)) => {
                let path = dir.join(".env");
                let text = crate::store::read_text_if_there(&path, dotenv::LIMIT)?;
                Some((path, text))
            }
            (None, None) => None,
        };
        if let Some((path, Some(text))) = file {
            let shown = path.display().to_string();
            let parsed = dotenv::parse(&text, &shown).map_err(|error| CliError::usage(error.to_string()))?;
            layers = layers.with_dotenv(parsed, &shown);
        }
        if let Some(path) = configured.map(|dir| dir.join("config.yaml"))
            && let Some(text) = crate::store::read_text_if_there(&path, CONFIG_LIMIT)?
        {
            let shown = path.display().to_string();
            let config = crate::config::user::parse(&text, &shown).map_err(|problems| {
                let mut error = CliError::usage(format!("{shown} cannot be used"));
                error.details = problems.iter().map(ToString::to_string).collect();
                error
            })?;
            layers = layers.with_user(config, &shown);
        }
        Ok(Self { all: layers.variables(), layers })
    }
}

/// A file that the user named on the command line: its faults are usage, not state.
fn user_file(path: &Path) -> Result<String, CliError> {
    crate::store::read_text(path, dotenv::LIMIT).map_err(|error| CliError::usage(error.message))
}

/// Where the user's configuration of kubewright is.
pub fn config_home(vars: &Variables) -> Option<PathBuf> {
    let set = |name: &str| vars.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    base.or_else(|| set("HOME").map(|home| home.join(".config"))).map(|base| base.join("kubewright"))
}

/// Where what can be read anew is kept.
pub fn cache_home(vars: &Variables) -> Option<PathBuf> {
    let set = |name: &str| vars.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    base.or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|base| base.join("kubewright"))
}

/// What flags and variables chose, in plain values.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How the answer is written.
    pub format: Format,
    /// Answer y/N questions with yes.
    pub yes: bool,
    /// Never ask.
    pub no_input: bool,
    /// Say less.
    pub quiet: bool,
    /// Say more.
    pub verbose: u8,
    /// No colours.
    pub no_color: bool,
    /// Where events go.
    pub events: Option<String>,
    /// Give up after this long.
    pub timeout: Option<Duration>,
    /// Wait this long for a lock.
    pub lock_timeout: Option<Duration>,
    /// Cloud.
    pub provider: Option<Cloud>,
    /// Region.
    pub region: Option<Region>,
    /// Which of them the command line itself said: a variable for other commands does not move a stack that is begun.
    pub typed: Typed,
    /// AWS profile.
    pub profile: Option<String>,
    /// AWS role.
    pub role_arn: Option<String>,
    /// Google Cloud project.
    pub project: Option<String>,
    /// Azure subscription.
    pub subscription: Option<String>,
}

impl Typed {
    /// Whether a project or a subscription was typed.
    pub const fn account(&self) -> bool {
        self.project || self.subscription
    }
}

/// Choices that stood on the command line, and not in a variable or a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Typed {
    /// `--provider`.
    pub provider: bool,
    /// `--region`.
    pub region: bool,
    /// `--project`.
    pub project: bool,
    /// `--subscription`.
    pub subscription: bool,
}

impl Settings {
    /// `--provider`, where it was typed.
    pub fn typed_provider(&self) -> Option<Cloud> {
        self.provider.filter(|_| self.typed.provider)
    }

    /// The project or subscription to open a cloud for: the one that was typed, else the one that is `known` of what is
    /// there, else what variables and files say. None where credentials decide alone.
    pub fn account_at<'s>(&'s self, cloud: Cloud, known: Option<&'s str>) -> Option<&'s str> {
        let (said, typed) = match cloud {
            Cloud::Aws => return None,
            Cloud::Gcp => (self.project.as_deref(), self.typed.project),
            Cloud::Azure => (self.subscription.as_deref(), self.typed.subscription),
        };
        if typed { said } else { known.or(said) }
    }

    /// `--region`, where it was typed.
    pub fn typed_region(&self) -> Option<&Region> {
        self.region.as_ref().filter(|_| self.typed.region)
    }
}

/// Everything a verb is given of the outside.
pub struct Env {
    /// What the user chose.
    pub settings: Settings,
    /// Variables.
    pub vars: Vars,
    /// Streams and questions.
    pub ui: Arc<Ui>,
    /// Time; the pretend world's in the sandbox.
    pub clock: Arc<dyn Clock>,
    /// The wall's time, for locks and what people see.
    pub wall: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
    /// Where journals are.
    pub home: PathBuf,
    /// The directory the command was typed in.
    pub here: PathBuf,
    /// This machine.
    pub host: String,
    /// Who typed it.
    pub user: String,
    /// All of it is pretend.
    pub sandbox: bool,
    /// Signals.
    pub stop: Arc<Stop>,
    /// When `--timeout` is over, on [`Self::clock`].
    pub deadline: Option<Timestamp>,
}

impl Env {
    /// The real outside.
    pub async fn new(settings: Settings, vars: Vars) -> Result<Self, CliError> {
        let sandbox = is_rehearsing(&vars.all);
        let wall: Arc<dyn Clock> = Arc::new(WallClock);
        let clock = clock(&vars.all, &wall).await?;
        let home = home(&vars.all)?;
        let stderr = std::io::stderr().is_terminal();
        let dumb = vars.all.get("TERM").is_some_and(|term| term == "dumb");
        let options = Options {
            format: settings.format,
            quiet: settings.quiet,
            verbose: settings.verbose,
            color: stderr && !dumb && !settings.no_color,
            live: stderr && !dumb,
            can_ask: stderr && !settings.no_input && std::io::stdin().is_terminal(),
            sandbox,
            secrets: Secrets::of_variables(&vars.all),
        };
        let mut ui = Ui::new(options, Arc::clone(&clock));
        match settings.events.as_deref() {
            None => {}
            Some("-") => ui.send_events(None),
            Some(file) => ui.send_events(Some(event_file(Path::new(file))?)),
        }
        let deadline = settings.timeout.map(|span| after(clock.now(), span));
        let ui = Arc::new(ui);
        ui.show_calls();
        Ok(Self {
            here: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            host: host(&vars.all),
            user: user(&vars.all),
            ui,
            ids: Arc::new(RandomIds),
            stop: Arc::new(Stop::new()),
            settings,
            vars,
            clock,
            wall,
            home,
            sandbox,
            deadline,
        })
    }

    /// Now, as people and documents see it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh run of this process.
    pub fn run_info(&self) -> RunInfo {
        RunInfo {
            run: self.ids.run_id(),
            host: self.host.clone(),
            pid: std::process::id(),
            user: self.user.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The path by which this program was called, absolute, links and all: what replaces it there is called next time.
    pub fn program(&self) -> PathBuf {
        let real = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("kubewright"));
        let Some(word) = std::env::args_os().next().map(PathBuf::from) else { return real };
        let is_this = |path: &PathBuf| path.canonicalize().ok().as_ref() == Some(&real);
        let places: Vec<PathBuf> = if word.components().count() > 1 {
            vec![self.here.join(&word)]
        } else {
            let path = self.vars.all.get("PATH").map(String::as_str).unwrap_or_default();
            std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(&word)).collect()
        };
        places.into_iter().find(is_this).unwrap_or(real)
    }

    /// `user@host`, as tags and messages name whoever built something.
    pub fn builder(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// What is left of `--timeout`.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|at| Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default())
    }

    /// Something that only reads: a signal or `--timeout` ends it, with nothing left behind.
    pub async fn reading<T>(&self, work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        let mut stop = self.stop.receiver();
        let signal = async {
            // The sender lives as long as `self`.
            let _ = stop.wait_for(|signal| *signal != StopSignal::No).await;
        };
        // Looked at on the wall's clock: a deadline is not something the pretend world may jump to.
        let late = async {
            loop {
                match self.time_left() {
                    Some(Duration::ZERO) => return,
                    Some(left) => self.wall.sleep(left.min(PEEK)).await,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            biased;
            () = signal => Err(self.stop.error()),
            done = work => done,
            () = late => Err(CliError::new("KW-TIMEOUT", "the time given by --timeout ran out; nothing was changed")),
        }
    }

    /// Listens for signals from now on. Needs the runtime.
    pub fn listen(&self) -> Result<(), CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |cause: std::io::Error| CliError::new("KW-BUG", format!("cannot listen for signals: {cause}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let (stop, ui) = (Arc::clone(&self.stop), Arc::clone(&self.ui));
        tokio::spawn(async move {
            loop {
                let cause = tokio::select! {
                    _ = interrupt.recv() => StopCause::Interrupt,
                    _ = terminate.recv() => StopCause::Terminate,
                    _ = hangup.recv() => StopCause::Hangup,
                };
                // What only reads or asks ends at once and says so itself.
                match stop.raise(cause) {
                    StopSignal::Soon if ui.is_running() => ui.say(&format!(
                        "{}: starting nothing new, recording what is in flight; once more: stop now",
                        cause.word()
                    )),
                    StopSignal::Now if ui.is_running() => ui.say("stopping now"),
                    StopSignal::Soon | StopSignal::Now | StopSignal::No => {}
                }
            }
        });
        Ok(())
    }
}

/// Why a run was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
    /// `--timeout`.
    Timeout,
}

impl StopCause {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Timeout => "--timeout",
        }
    }

    /// The exit code of a run it ended.
    pub const fn exit(self) -> crate::error::Exit {
        use crate::error::Exit;
        match self {
            Self::Interrupt => Exit::INTERRUPT,
            Self::Terminate => Exit::TERMINATED,
            Self::Hangup => Exit::HANGUP,
            Self::Timeout => Exit::TIMEOUT,
        }
    }
}

/// The switch that signals throw.
#[derive(Debug)]
pub struct Stop {
    sender: watch::Sender<StopSignal>,
    first: Mutex<Option<(StopCause, tokio::time::Instant)>>,
}

/// One keystroke or one `timeout` may reach us twice, through the group and through a parent: that is one signal.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

impl Stop {
    fn new() -> Self {
        Self { sender: watch::Sender::new(StopSignal::No), first: Mutex::new(None) }
    }

    /// Where the engine listens.
    pub fn receiver(&self) -> StopReceiver {
        self.sender.subscribe()
    }

    /// The first signal, if there was one.
    pub fn cause(&self) -> Option<StopCause> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).map(|(cause, _)| cause)
    }

    /// The error of a command that a signal ended before it had changed anything.
    pub fn error(&self) -> CliError {
        let cause = self.cause().unwrap_or(StopCause::Interrupt);
        CliError::new("KW-INTERRUPTED", format!("{} ended the command; nothing was changed", cause.word()))
            .exiting(cause.exit())
    }

    fn raise(&self, cause: StopCause) -> StopSignal {
        // Not the wall's clock: one that is set back must not swallow a signal.
        let now = tokio::time::Instant::now();
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = match *first {
            None => {
                *first = Some((cause, now));
                StopSignal::Soon
            }
            Some((_, at)) if now.duration_since(at) < SAME_SIGNAL => return StopSignal::No,
            Some(_) => StopSignal::Now,
        };
        self.sender.send_replace(signal);
        signal
    }
}

/// Now, where there is no [`Env`] yet.
pub fn wall_now() -> Timestamp {
    WallClock.now()
}

/// The wall's clock.
#[derive(Debug, Clone, Copy)]
struct WallClock;

#[async_trait]
impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one real clock")]
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// Real randomness.
#[derive(Debug, Clone, Copy)]
struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one source of ids")]
    fn run_id(&self) -> RunId {
        RunId(uuid::Uuid::now_v7().simple().to_string())
    }

    fn bits(&self) -> u64 {
        getrandom::u64().expect("without the system's randomness no id would be unique")
    }
}

/// A moment this much later; the end of time when there is none.
pub fn after(at: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| at.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// The variables of this process. What is not text is none of ours.
#[expect(clippy::disallowed_methods, reason = "the one reading of the environment")]
pub fn variables() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Set in commands that run against the sandbox: where its clock is read.
const SANDBOX_CLOCK: &str = "KUBEWRIGHT_SANDBOX_CLOCK";
/// Which process must live for a sandboxed command to go on.
#[cfg(feature = "sandbox")]
const SANDBOX_PARENT: &str = "KUBEWRIGHT_SANDBOX_PARENT";

#[cfg(feature = "sandbox")]
async fn clock(vars: &Variables, wall: &Arc<dyn Clock>) -> Result<Arc<dyn Clock>, CliError> {
    match vars.get(SANDBOX_CLOCK) {
        Some(url) => {
            rehearsal::die_with_parent(vars);
            rehearsal::virtual_clock(url).await
        }
        None => Ok(Arc::clone(wall)),
    }
}

#[cfg(not(feature = "sandbox"))]
async fn clock(_: &Variables, wall: &Arc<dyn Clock>) -> Result<Arc<dyn Clock>, CliError> {
    Ok(Arc::clone(wall))
}

/// A build without the sandbox never falls back to what is real.
#[cfg(not(feature = "sandbox"))]
pub async fn rehearse(_: &Settings, _: &Vars, _: &[std::ffi::OsString]) -> Result<u8, CliError> {
    Err(CliError::usage("this build has no sandbox"))
}

/// Whether this process already runs against the sandbox.
pub fn is_rehearsing(vars: &Variables) -> bool {
    vars.contains_key(SANDBOX_CLOCK)
}

/// Where journals are: `$KUBEWRIGHT_HOME`, else the XDG state directory.
pub fn home(vars: &Variables) -> Result<PathBuf, CliError> {
    let set = |name: &str| vars.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    set("KUBEWRIGHT_HOME")
        .or_else(|| set("XDG_STATE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("kubewright")))
        .or_else(|| set("HOME").map(|path| path.join(".local/state/kubewright")))
        .ok_or_else(|| {
            CliError::new("KW-STATE", "there is no home directory to keep journals in").hint("set KUBEWRIGHT_HOME")
        })
}

/// The sandbox's own directory below it.
pub fn sandbox_home(vars: &Variables) -> Result<PathBuf, CliError> {
    Ok(home(vars)?.join("sandbox"))
}

fn host(vars: &Variables) -> String {
    let file = |path: &str| crate::store::read_text(Path::new(path), 256).ok();
    let name =
        file("/proc/sys/kernel/hostname").or_else(|| file("/etc/hostname")).or_else(|| vars.get("HOSTNAME").cloned());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown-host".to_owned())
}

fn user(vars: &Variables) -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| vars.get(*name).filter(|user| !user.is_empty()).cloned())
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}

/// A user interface for what happens before there is an [`Env`].
pub fn plain_ui(format: Format) -> Ui {
    let options = Options { format, secrets: Secrets::of_variables(&variables()), ..Options::default() };
    Ui::new(options, Arc::new(WallClock))
}

/// Shows an error that came before there was an [`Env`]; returns its exit code.
pub fn refuse(format: Format, error: &CliError) -> u8 {
    plain_ui(format).error(WallClock.now(), error);
    error.exit.code()
}

fn event_file(path: &Path) -> Result<crate::ui::EventWriter, CliError> {
    let mut file =
        crate::store::begin_shared(path).map_err(|error| CliError::usage(format!("--events: {}", error.message)))?;
    Ok(Box::new(move |line: &str| {
        use std::io::Write as _;
        file.write_all(format!("{line}\n").as_bytes())
    }))
}

/// Writes a file that is meant for the user's other programs and for nobody else.
#[cfg(feature = "sandbox")]
pub fn write_for_user(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        crate::store::make_private_dir(dir)?;
    }
    Ok(crate::store::write_shared(path, text.as_bytes(), 0o600)?)
}

/// Writes a file that is meant for everybody to read: completions, manual pages.
pub fn write_public(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(dir) = path.parent() {
        crate::store::make_shared_dir(dir)?;
    }
    Ok(crate::store::write_shared(path, text.as_bytes(), 0o644)?)
}
