//! `kubeconfig`: a cluster's context, written where kubectl looks, printed, or taken out again.
//!
//! The current context moves only when it is asked to, or when there is none. What others wrote is never changed.

use super::{cloud, command::program, stacks};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::k8s::kubeconfig::{self, ContextSeen, Entry, ExecCommand, Kubeconfig, KubeconfigError, Login, mark_of};
use crate::model::doc::{self, ContextAction, KubeconfigReport, Stack};
use crate::model::{Cloud, ClusterName};
use crate::providers::{self, ClientCertificate, CloudCluster, Provider};
use crate::store::{self, SharedFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct KubeconfigRequest {
    /// NAME.
    pub name: ClusterName,
    /// `--alias`.
    pub alias: Option<String>,
    /// `--use`.
    pub switch: bool,
    /// `--print`.
    pub print: bool,
    /// `--remove`.
    pub remove: bool,
    /// `--kubeconfig`.
    pub file: Option<PathBuf>,
    /// `--admin`.
    pub admin: bool,
}

/// The files kubectl would read, the strongest first.
#[derive(Debug, Clone)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
}

impl Files {
    /// `--kubeconfig`, else `KUBECONFIG`, else `~/.kube/config`; none without a home directory.
    pub(super) fn of(env: &Env, explicit: Option<&Path>) -> Option<Self> {
        if let Some(file) = explicit {
            return Some(Self { paths: vec![env.here.join(file)] });
        }
        let set = |name: &str| env.vars.all.get(name).filter(|value| !value.is_empty());
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in set("KUBECONFIG").map(std::env::split_paths).into_iter().flatten() {
            let path = env.here.join(&path);
            if path != env.here && !paths.contains(&path) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            paths.push(Path::new(set("HOME")?).join(".kube/config"));
        }
        Some(Self { paths })
    }

    /// Where kubectl puts something new: the first that exists, else the last.
    fn for_new(&self) -> &Path {
        let first = self.paths.iter().find(|path| path.exists()).or(self.paths.last());
        first.expect("there is at least one path")
    }

    fn read_all(&self) -> Result<Vec<(&Path, Kubeconfig)>, CliError> {
        let mut all = Vec::new();
        for path in &self.paths {
            let text = store::read_text_if_there(path, kubeconfig::LIMIT).map_err(|error| unusable(error.into()))?;
            let parsed = Kubeconfig::parse(text.as_deref().unwrap_or_default()).map_err(|why| broken(path, &why))?;
            all.push((path.as_path(), parsed));
        }
        Ok(all)
    }
}

/// What a write did.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) context: String,
    pub(super) action: ContextAction,
    /// The current context afterwards.
    pub(super) current: Option<String>,
    /// Whether this run moved it.
    pub(super) switched: bool,
    /// How many contexts the file had, and has.
    pub(super) contexts: (usize, usize),
}

/// `--allowlist`: the stanza that lets kubectl run this plugin and no other.
pub fn allowlist(env: &Env) -> Exit {
    env.ui.raw(&kubeconfig::allowlist(&env.program().display().to_string()));
    Exit::DONE
}

/// Runs the verb.
pub async fn run(env: &Env, request: &KubeconfigRequest) -> Result<Exit, CliError> {
    let no_place = || CliError::usage("there is no home directory to keep a kubeconfig in").hint("--kubeconfig FILE");
    if request.remove {
        let files = Files::of(env, request.file.as_deref()).ok_or_else(no_place)?;
        return remove(env, request, &files).await;
    }
    let (provider, account, stack, seen) = env.reading(look_up(env, &request.name)).await?;
    let mut entry = entry(env, provider.as_ref(), &account, &seen)?;
    if request.admin {
        entry.login = env.reading(administrator(provider.as_ref(), &seen.name)).await?;
    }
    let wanted = request.alias.as_deref().unwrap_or(request.name.as_str());
    if request.print {
        wanted.clone_into(&mut entry.context);
        let alone = Kubeconfig::empty()
            .with(&entry)
            .and_then(|it| it.with_current(Some(wanted)))
            .map_err(|why| CliError::new("KW-KUBECONFIG", why.to_string()))?;
        env.ui.raw(alone.text());
        return Ok(Exit::DONE);
    }
    super::token::remember_account(env, provider.cloud(), &account);
    let files = Files::of(env, request.file.as_deref()).ok_or_else(no_place)?;
    let written = write(env, &files, &entry, &request.name, request.alias.as_deref(), request.switch).await?;
    let exec = match entry.login {
        Login::Exec(exec) => Some(exec),
        Login::Certificate { .. } => None,
    };
    let report = report(stack, &written, exec);
    say(env, &written, &request.name);
    env.ui.show(env.now(), &report, None);
    Ok(Exit::DONE)
}

/// The way in that needs nobody's directory.
async fn administrator(provider: &dyn Provider, cluster: &str) -> Result<Login, CliError> {
    match provider.administrator(cluster).await? {
        Some(ClientCertificate { certificate_pem, key_pem }) => Ok(Login::Certificate { certificate_pem, key_pem }),
        None => Err(CliError::usage(format!(
            "--admin: {} clusters have no administrator of their own; who gets in is {}'s to say",
            provider.cloud().terms().product,
            provider.cloud().terms().vendor
        ))
        .hint("leave --admin out: tokens are made with your own credentials")),
    }
}

/// The cluster: where the journal says it is, or where flags and variables say.
async fn look_up(env: &Env, name: &ClusterName) -> Result<(Arc<dyn Provider>, String, Stack, CloudCluster), CliError> {
    let known = stacks::live(env, name)?;
    let plan = known.as_ref().and_then(|known| known.state.plan()).cloned();
    let elsewhere = plan.as_ref().is_some_and(|plan| {
        env.settings.region.as_ref().is_some_and(|region| *region != plan.region)
            || env.settings.provider.is_some_and(|cloud| cloud != plan.provider)
    });
    let plan = plan.filter(|_| !elsewhere);
    let connected = match &plan {
        Some(plan) => {
            cloud::connect_at(env, plan.provider, Some(plan.region.clone()), Some(plan.account.as_str())).await?
        }
        None => cloud::connect(env, cloud::implied(env)?, None, None).await?,
    };
    let provider = connected.provider;
    let cluster = plan.as_ref().map_or_else(|| name.to_string(), |plan| provider.cluster_name(&plan.stack));
    let Some(seen) = provider.cluster(&cluster).await? else {
        let mut error = CliError::new(
            "KW-NOT-FOUND",
            format!("there is no cluster `{cluster}` in {}/{}", provider.cloud(), provider.region()),
        );
        if plan.is_some() {
            error = error.hint(format!("build it, or go on with it: {} provision {name}", program(env)));
        }
        return Err(error);
    };
    let id = plan.as_ref().map(|plan| plan.stack.id.to_string()).or_else(|| Some(seen.stack.as_ref()?.id.to_string()));
    let stack = Stack {
        name: name.to_string(),
        id,
        provider: provider.cloud().to_string(),
        account: Some(connected.who.account.clone()),
        region: provider.region().to_string(),
    };
    Ok((provider, connected.who.account, stack, seen))
}

/// What a kubeconfig says of a cluster. The context has no name yet.
pub(super) fn entry(env: &Env, provider: &dyn Provider, account: &str, seen: &CloudCluster) -> Result<Entry, CliError> {
    let Some(server) = seen.endpoint.clone() else {
        return Err(CliError::new(
            "KW-NOT-READY",
            format!("cluster `{}` is {}: the cloud names no API server yet", seen.name, seen.status),
        )
        .hint(format!("{} status {} --wait ready", program(env), seen.name)));
    };
    let command = env.program().display().to_string();
    let mark = mark(provider, account, &seen.name);
    let args = plugin_args(env, provider, account, &seen.name);
    let (ca_pem, login) = (seen.ca_pem.clone(), Login::Exec(ExecCommand { command, args }));
    Ok(Entry { mark, context: String::new(), server, ca_pem, login })
}

/// The words kubectl calls us with. A profile that decided here is named, so that another shell means the same account.
fn plugin_args(env: &Env, provider: &dyn Provider, account: &str, cluster: &str) -> Vec<String> {
    let plugin = providers::plugin(provider.cloud());
    let by_variable = || plugin.and_then(|plugin| plugin.profile(&env.vars.all)).map(str::to_owned);
    let profile = env.settings.profile.clone().filter(|_| provider.cloud() == Cloud::Aws).or_else(by_variable);
    let (cloud, region) = (provider.cloud().to_string(), provider.region().to_string());
    let mut args = vec!["token".to_owned()];
    let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
    add("--cluster", cluster);
    add("--region", &region);
    if let Some(profile) = &profile {
        add("--profile", profile);
    }
    if let Some(role) = env.settings.role_arn.as_ref().filter(|_| provider.cloud() == Cloud::Aws) {
        add("--role-arn", role);
    }
    add(provider.cloud().terms().account_flag.unwrap_or("--account"), account);
    add("--provider", &cloud);
    args
}

fn mark(provider: &dyn Provider, account: &str, cluster: &str) -> String {
    mark_of(&provider.cloud().to_string(), account, provider.region().as_str(), cluster)
}

/// Writes the context. Without an alias it keeps the name it has, or is called as the cluster; where somebody else's
/// is called so, account and region are added, so that it stays unique over all the files kubectl reads.
pub(super) async fn write(
    env: &Env,
    files: &Files,
    entry: &Entry,
    name: &ClusterName,
    alias: Option<&str>,
    switch: bool,
) -> Result<Written, CliError> {
    let all = files.read_all()?;
    let ours = all.iter().find_map(|(path, file)| Some((path.to_path_buf(), file.ours(&entry.mark)?)));
    let (path, old) = match ours {
        Some((path, old)) => (path, Some(old)),
        None => (files.for_new().to_owned(), None),
    };
    let taken = |wanted: &str| {
        all.iter()
            .flat_map(|(_, file)| file.contexts())
            .any(|it| it.name == wanted && it.mark.as_deref() != Some(&entry.mark))
    };
    let context = context_name(entry, name, alias, old.as_ref(), taken)?;
    let current = all.iter().find_map(|(path, file)| Some((path.to_path_buf(), file.current()?.to_owned())));
    drop(all);
    let entry = Entry { context: context.clone(), ..entry.clone() };
    let mut contexts = (0, 0);
    let changed = edit(env, &path, |file| {
        contexts.0 = file.contexts().len();
        let after = file.with(&entry)?;
        contexts.1 = after.contexts().len();
        Ok(after)
    })
    .await?;
    // A rename takes the current context along, whichever file it is in.
    let renamed = old.as_ref().is_some_and(|old| current.as_ref().is_some_and(|(_, now)| *now == old.name));
    let switched = current.is_none() || switch || renamed;
    let moves = switched && current.as_ref().is_none_or(|(_, now)| *now != context);
    if moves {
        let place = current.as_ref().map_or(&path, |(place, _)| place);
        edit(env, place, |file| file.with_current(Some(&context))).await?;
    }
    let action = if changed || moves { ContextAction::Written } else { ContextAction::Unchanged };
    let current = if switched { Some(context.clone()) } else { current.map(|(_, now)| now) };
    Ok(Written { path, context, action, current, switched: moves, contexts })
}

fn context_name(
    entry: &Entry,
    name: &ClusterName,
    alias: Option<&str>,
    old: Option<&ContextSeen>,
    taken: impl Fn(&str) -> bool,
) -> Result<String, CliError> {
    if let Some(alias) = alias {
        if taken(alias) {
            return Err(CliError::new(
                "KW-NAME-TAKEN",
                format!("a context `{alias}` is there already and is not of this cluster; nothing was written"),
            )
            .hint("another --alias"));
        }
        return Ok(alias.to_owned());
    }
    let kept = old.map(|old| old.name.clone());
    let wide = || entry.mark.clone();
    let candidates = kept.into_iter().chain([name.to_string(), wide()]);
    candidates.into_iter().find(|it| !taken(it)).ok_or_else(|| {
        CliError::new("KW-NAME-TAKEN", format!("contexts `{name}` and `{}` are there already", wide()))
            .hint("--alias NAME")
    })
}

/// Takes the contexts of a cluster out of all files; what was there, where.
async fn forget(
    env: &Env,
    files: &Files,
    is_it: impl Fn(&str) -> bool,
) -> Result<Vec<(PathBuf, ContextSeen, bool)>, CliError> {
    let found: Vec<(PathBuf, ContextSeen, bool)> = files
        .read_all()?
        .iter()
        .flat_map(|(path, file)| {
            let ours = file.contexts().into_iter().filter(|it| it.mark.as_deref().is_some_and(&is_it));
            ours.map(|it| {
                let was_current = file.current() == Some(it.name.as_str());
                (path.to_path_buf(), it, was_current)
            })
            .collect::<Vec<_>>()
        })
        .collect();
    for (path, context, _) in &found {
        let mark = context.mark.clone().unwrap_or_default();
        edit(env, path, |file| file.without(&mark)).await?;
    }
    Ok(found)
}

/// After a destroy: the context of a cluster that is no more goes, wherever it is. Never a reason to fail.
pub(super) async fn forget_destroyed(env: &Env, provider: &dyn Provider, account: &str, cluster: &str) {
    let Some(files) = Files::of(env, None) else { return };
    let mark = mark(provider, account, cluster);
    match forget(env, &files, |it| it == mark).await {
        Ok(gone) => gone.iter().for_each(|it| say_gone(env, it)),
        Err(error) => env.ui.warn(&format!("the context of `{cluster}` is still in your kubeconfig: {error}")),
    }
}

/// After a provision: the context is written where kubectl looks. Never a reason to fail.
pub(super) async fn after_provision(
    env: &Env,
    provider: &dyn Provider,
    account: &str,
    seen: &CloudCluster,
    name: &ClusterName,
) -> Option<Written> {
    let Some(files) = Files::of(env, None) else {
        env.ui.detail("no home directory and no KUBECONFIG: no context was written");
        return None;
    };
    let work = async { write(env, &files, &entry(env, provider, account, seen)?, name, None, false).await };
    match work.await {
        Ok(written) => Some(written),
        Err(error) => {
            env.ui.warn(&format!("no context was written: {error}; later: {} kubeconfig {name}", program(env)));
            None
        }
    }
}

fn say_gone(env: &Env, (path, context, was_current): &(PathBuf, ContextSeen, bool)) {
    let none = if *was_current { "; no context is current now" } else { "" };
    env.ui.say(&format!("removed context `{}` from {}{none}", context.name, path.display()));
}

async fn remove(env: &Env, request: &KubeconfigRequest, files: &Files) -> Result<Exit, CliError> {
    let name = request.name.as_str();
    let marks: std::collections::BTreeSet<String> = files
        .read_all()?
        .iter()
        .flat_map(|(_, file)| file.contexts())
        .filter_map(|it| it.mark)
        .filter(|mark| mark.rsplit('/').next() == Some(name))
        .filter(|mark| {
            env.settings.region.as_ref().is_none_or(|region| mark.split('/').nth(2) == Some(region.as_str()))
        })
        .filter(|mark| {
            env.settings.provider.is_none_or(|cloud| mark.split('/').next() == Some(cloud.to_string().as_str()))
        })
        .collect();
    if marks.len() > 1 {
        let mut error =
            CliError::new("KW-AMBIGUOUS", format!("contexts of {} clusters called `{name}` are there", marks.len()));
        error.hints =
            marks.iter().map(|mark| format!("--region {}   ({mark})", mark.split('/').nth(2).unwrap_or("?"))).collect();
        return Err(error);
    }
    let Some(mark) = marks.into_iter().next() else {
        return Err(CliError::new(
            "KW-NOT-FOUND",
            format!("no context that kubewright wrote is for a cluster `{name}`"),
        ));
    };
    let gone = forget(env, files, |it| it == mark).await?;
    gone.iter().for_each(|it| say_gone(env, it));
    if let Some((path, context, switched)) = gone.into_iter().next() {
        let mut parts = mark.split('/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (provider, account, region) = (part(), part(), part());
        let stack = Stack { name: name.to_owned(), id: None, provider, account: Some(account), region };
        let action = ContextAction::Removed;
        let current = files.read_all()?.iter().find_map(|(_, file)| file.current().map(str::to_owned));
        let written = Written { path, context: context.name, action, current, switched, contexts: (0, 0) };
        env.ui.show(env.now(), &report(stack, &written, None), None);
    }
    Ok(Exit::DONE)
}

/// Reads, changes and replaces a file under kubectl's own lock. Whether anything changed.
async fn edit(
    env: &Env,
    path: &Path,
    change: impl FnOnce(&Kubeconfig) -> Result<Kubeconfig, KubeconfigError>,
) -> Result<bool, CliError> {
    let held = SharedFile::lock(path, env.wall.as_ref()).await.map_err(|error| locked(error.into(), path))?;
    let text = held.read(kubeconfig::LIMIT).map_err(|error| unusable(error.into()))?.unwrap_or_default();
    let before = Kubeconfig::parse(&text).map_err(|why| broken(path, &why))?;
    let after = change(&before).map_err(|why| CliError::new("KW-KUBECONFIG", format!("{}: {why}", path.display())))?;
    if after.text() == text {
        return Ok(false);
    }
    held.write(after.text()).map_err(|error| unusable(error.into()))?;
    Ok(true)
}

fn report(stack: Stack, written: &Written, exec: Option<ExecCommand>) -> KubeconfigReport {
    KubeconfigReport {
        stack,
        action: written.action,
        path: written.path.display().to_string(),
        context: written.context.clone(),
        current_context: written.current.clone(),
        switched: written.switched,
        exec: exec.map(|exec| doc::Exec { command: exec.command, args: exec.args }),
    }
}

fn say(env: &Env, written: &Written, name: &ClusterName) {
    let Written { path, context, contexts: (before, after), .. } = written;
    let current = match (&written.current, written.switched) {
        (_, true) => "it is the current context now".to_owned(),
        (Some(current), false) if current == context => "it is the current context".to_owned(),
        (current, false) => format!(
            "current context unchanged: `{}`; switch: {} kubeconfig {name} --use",
            current.as_deref().unwrap_or_default(),
            program(env)
        ),
    };
    match written.action {
        ContextAction::Unchanged => {
            env.ui.say(&format!("context `{context}` is in {} already; {current}", path.display()))
        }
        _ => env.ui.say(&format!(
            "wrote context `{context}` to {} (was {}, now {after}); {current}",
            path.display(),
            crate::ui::style::count(*before, "context")
        )),
    }
}

fn broken(path: &Path, why: &KubeconfigError) -> CliError {
    CliError::new("KW-KUBECONFIG", format!("{} cannot be used: {why}; nothing was written", path.display()))
        .hint("another file: --kubeconfig FILE, or only print it: --print")
}

/// A kubeconfig is the user's file, not our state.
fn unusable(error: CliError) -> CliError {
    let message = format!("{}; nothing was written", error.message);
    CliError::new("KW-KUBECONFIG", message).hint("another file: --kubeconfig FILE, or only print it: --print")
}

fn locked(error: CliError, path: &Path) -> CliError {
    if error.id != "KW-LOCKED" {
        return unusable(error);
    }
    let message = format!("{}; nothing was written", error.message);
    CliError { message, ..error }.hint(format!("if no kubectl runs, it was left behind: rm {}.lock", path.display()))
}
