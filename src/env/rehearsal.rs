//! `--sandbox`: starts or finds the pretend clouds and runs the command against them in a child of itself, with an
//! environment in which nothing of the user's clouds is left.

use super::{Env, RandomIds, SANDBOX_PARENT, Settings, Variables, Vars, WallClock, host, sandbox_home, user};
use crate::engine::{Clock, Ids as _};
use crate::error::CliError;
use crate::sandbox::{
    self, Attached, Endpoints, SandboxError, ServeOptions, child, client::ClockClient, clock::Speed,
    conditions::Conditions,
};
use crate::store::{Holder, StateDir};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// What the sandbox says in our words.
pub fn sandbox_error(error: SandboxError) -> CliError {
    match error {
        SandboxError::Fault(error) => CliError::usage(error.to_string()),
        SandboxError::Store(error) => (*error).into(),
        SandboxError::Running(_) => CliError::new("KW-LOCKED", error.to_string())
            .hint("it serves already; `kubewright sandbox show` looks at it"),
        error => CliError::new("KW-SANDBOX", error.to_string()),
    }
}

/// Longest file of policies worth reading: ten of the longest that IAM takes.
const POLICIES_LIMIT: u64 = 1 << 18;

/// Limits the pretend credentials to what the policies in a file allow. `by` is who named it.
///
/// # Errors
/// The file cannot be read, or IAM would not take what is in it.
pub fn add_policies(conditions: &mut Conditions, file: &Path, by: &str) -> Result<(), CliError> {
    let text = crate::store::read_text(file, POLICIES_LIMIT);
    let text = text.map_err(|error| CliError::usage(format!("{by}: {error}")))?;
    conditions.add_policies(&text).map_err(|why| CliError::usage(format!("{by}: {}: {why}", file.display())))
}

fn options(vars: &Variables) -> Result<ServeOptions, CliError> {
    let set = |name: &str| vars.get(name).filter(|text| !text.is_empty());
    let speed = match set("KUBEWRIGHT_SANDBOX_SPEED") {
        Some(text) => {
            text.parse().map_err(|why| CliError::usage(format!("variable KUBEWRIGHT_SANDBOX_SPEED: {why}")))?
        }
        None => Speed::DEFAULT,
    };
    let pods_local = match set("KUBEWRIGHT_SANDBOX_PODS").map(String::as_str) {
        Some("local") => true,
        Some("simulated") | None => false,
        Some(other) => {
            return Err(CliError::usage(format!(
                "variable KUBEWRIGHT_SANDBOX_PODS: `{other}` is neither simulated nor local"
            )));
        }
    };
    let mut conditions = Conditions::default();
    type Take = fn(&mut Conditions, &str) -> Result<(), String>;
    let said: [(&str, Take); 5] = [
        ("KUBEWRIGHT_SANDBOX_QUOTA", Conditions::set_quotas),
        ("KUBEWRIGHT_SANDBOX_SOLD_OUT", Conditions::set_sold_out),
        ("KUBEWRIGHT_SANDBOX_LAG", Conditions::set_lag),
        ("KUBEWRIGHT_SANDBOX_IAM_LAG", Conditions::set_iam_lag),
        ("KUBEWRIGHT_SANDBOX_CLOSED_REGION", Conditions::set_closed),
    ];
    for (name, take) in said {
        if let Some(text) = set(name) {
            take(&mut conditions, text).map_err(|why| CliError::usage(format!("variable {name}: {why}")))?;
        }
    }
    if let Some(file) = set("KUBEWRIGHT_SANDBOX_POLICY") {
        add_policies(&mut conditions, Path::new(file), "variable KUBEWRIGHT_SANDBOX_POLICY")?;
    }
    Ok(ServeOptions {
        dir: sandbox_home(vars)?,
        speed,
        faults: set("KUBEWRIGHT_SANDBOX_FAULT").cloned().unwrap_or_default(),
        seed: None,
        port: None,
        settings: sandbox::world::Settings::default(),
        conditions,
        pods_local,
        record: set("KUBEWRIGHT_SANDBOX_RECORD").map(PathBuf::from),
        wall: Arc::new(|| WallClock.now()),
        bits: Arc::new(|| RandomIds.bits()),
        holder: Holder {
            user: user(vars),
            host: host(vars),
            pid: std::process::id(),
            since: WallClock.now(),
            verb: "sandbox".to_owned(),
        },
    })
}

/// Runs the command in the sandbox; returns its exit code.
pub async fn rehearse(settings: &Settings, vars: &Vars, words: &[OsString]) -> Result<u8, CliError> {
    let options = options(&vars.all)?;
    let (dir, speed) = (options.dir.clone(), options.speed);
    let told = !options.faults.is_empty() || options.conditions != Conditions::default();
    // Before the server is looked for: from here on it does not end without us.
    let here = sandbox::visit(&dir).await.map_err(sandbox_error)?;
    let attached = sandbox::attach_or_start(options).await.map_err(sandbox_error)?;
    if !settings.quiet {
        let pace = match (&attached, speed) {
            (Attached::Other(_), _) => "the running server's clock".to_owned(),
            (Attached::Own(_), Speed::Max) => "time jumps".to_owned(),
            (Attached::Own(_), Speed::Times(times)) => format!("{times}x clock"),
        };
        super::plain_ui(settings.format)
            .say(&format!("SANDBOX (pretend clouds on loopback, {pace}; nothing real is touched or billed)"));
        if told && matches!(attached, Attached::Other(_)) {
            super::plain_ui(settings.format).say(
                "its server was started before: faults, quotas, stock and lags are as it was told, not as the variables here say",
            );
        }
    }
    let mut command = tokio::process::Command::new(own_binary()?);
    // The child reads no `.env` and no configuration of the user's: they name real clouds. What they set of ours goes
    // along as variables, and what may not pass is left out like all the rest.
    let ours = vars.all.iter().filter(|(name, _)| name.starts_with("KUBEWRIGHT_"));
    let ours = ours.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let parent = ours.chain(environment());
    command.args(words).env_clear().envs(child::child_env(parent, attached.endpoints(), &dir));
    match attached {
        // A server of its own lives on without us: nothing needs to stay behind.
        Attached::Other(_) => {
            use std::os::unix::process::CommandExt as _;
            here.outlive_exec().map_err(not_run)?;
            let cause = command.as_std_mut().exec();
            Err(CliError::new("KW-SANDBOX", format!("cannot start the rehearsal: {cause}")))
        }
        Attached::Own(running) => {
            command.env(SANDBOX_PARENT, std::process::id().to_string());
            let ended = supervise(command).await;
            drop(here);
            // Another command may have attached to this server meanwhile.
            let mut stop = signal(SignalKind::interrupt()).map_err(not_run)?;
            let mut end = signal(SignalKind::terminate()).map_err(not_run)?;
            let wait = async {
                let told = || {
                    super::plain_ui(settings.format)
                        .say("another command works in this sandbox: its server stays up until that has ended");
                };
                let alone = sandbox::last_one_out(&dir, told).await;
                running.until_alone().await;
                alone
            };
            // Held until the server has stopped: who comes now starts one of its own.
            let _alone = tokio::select! {
                alone = wait => Some(alone.map_err(sandbox_error)?),
                _ = stop.recv() => None,
                _ = end.recv() => None,
            };
            let stopped = running.stop().await.map_err(sandbox_error);
            let code = code(ended?);
            stopped.map(|()| code)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment that the sandbox's child is cut from")]
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

fn own_binary() -> Result<std::path::PathBuf, CliError> {
    std::env::current_exe()
        .map_err(|cause| CliError::new("KW-SANDBOX", format!("cannot find this program's own file: {cause}")))
}

fn not_run(cause: std::io::Error) -> CliError {
    CliError::new("KW-SANDBOX", format!("cannot run the rehearsal: {cause}"))
}

/// Waits for the child and hands it every signal that reaches us.
async fn supervise(mut command: tokio::process::Command) -> Result<ExitStatus, CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(not_run)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(not_run)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(not_run)?;
    let mut child = command.spawn().map_err(not_run)?;
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    loop {
        let passed = tokio::select! {
            ended = child.wait() => return ended.map_err(not_run),
            _ = interrupt.recv() => rustix::process::Signal::INT,
            _ = terminate.recv() => rustix::process::Signal::TERM,
            _ = hangup.recv() => rustix::process::Signal::HUP,
        };
        if let Some(pid) = pid {
            // A child that has just ended needs no signal.
            let _ = rustix::process::kill_process(pid, passed);
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(1)
}

/// In the child: dies with the process that serves its world, as one command dies at once.
pub(super) fn die_with_parent(vars: &Variables) {
    #[cfg(target_os = "linux")]
    if let Some(parent) = vars.get(SANDBOX_PARENT).and_then(|pid| pid.parse::<i32>().ok()) {
        let set = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let now = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
        // It may have died before we asked to be told.
        if set.is_ok() && now != Some(parent) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = vars;
}

/// The pretend world's clock as the engine's.
struct VirtualClock(ClockClient);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, span: Duration) {
        self.0.sleep(span).await;
    }
}

/// Connects to the clock at this address.
pub(super) async fn virtual_clock(url: &str) -> Result<Arc<dyn Clock>, CliError> {
    let wall: sandbox::hub::Wall = Arc::new(|| WallClock.now());
    Ok(Arc::new(VirtualClock(ClockClient::connect(url, wall).await.map_err(sandbox_error)?)))
}

impl Env {
    /// What a server is started with, as flags and variables have it.
    pub fn sandbox_options(&self) -> Result<ServeOptions, CliError> {
        options(&self.vars.all)
    }

    /// The environment that other clients need, as lines for a shell.
    pub fn client_exports(&self, endpoints: &Endpoints, dir: &Path) -> String {
        let region = |_| self.settings.region.clone();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        child::client_env(endpoints, dir, region)
            .into_iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(&value.to_string_lossy())))
            .collect()
    }

    /// A new world has none of the stacks that the rehearsal's journals tell of.
    pub fn forget_rehearsed_stacks(&self) -> Result<(), CliError> {
        let dir = sandbox_home(&self.vars.all)?;
        Ok(StateDir::open(&dir).forget_all()?)
    }
}
