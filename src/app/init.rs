//! `init`: asks what a cluster shall be, says what that costs, and writes it as cluster.yaml.
//!
//! Every answer becomes the flag of `provision` that says the same, and the file is written from those flags: file and
//! command line cannot differ. Nothing is written before the last question, and nothing is ever made in a cloud.

mod ask;
mod desk;
mod questions;

use self::{ask::Ask, desk::Desk, questions::Answers};
use super::{cloud, command::Place, places, provision::Overrides, stacks};
use crate::config::spec::{self, SpecProblem};
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::doc::{self, Init};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region};
use crate::providers::BUILT;
use crate::store::{self, Standing};
use std::path::{Path, PathBuf};

/// Where it is written when no FILE is named; what `provision` reads when none is.
const DEFAULT_FILE: &str = "cluster.yaml";

/// What was asked for.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// FILE.
    pub file: Option<PathBuf>,
    /// `--force`.
    pub force: bool,
    /// `--name`.
    pub name: Option<ClusterName>,
    /// Answers given as flags.
    pub overrides: Overrides,
}

/// Runs the verb.
pub async fn run(env: &Env, request: InitRequest) -> Result<Exit, CliError> {
    let file = request.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    check_place(env, &file, request.force)?;
    check_sets(&request.overrides)?;
    let ask = Ask::new(env);
    if !ask.asks() && !env.settings.yes {
        everything_said(env, &request)?;
    }
    let cloud = questions::cloud(&ask).await?;
    let region = questions::region(&ask, cloud).await?;
    let desk = Desk::open(env, cloud, region.clone()).await?;
    let mut answers = Answers::begin(&desk, request.overrides.clone())?;
    let name = match request.name {
        Some(name) => name,
        None => questions::name(&ask).await?,
    };
    if stacks::is_live(env, &name)? {
        env.ui.warn(&format!("a stack `{name}` stands already: `provision` of this file will go on with that one"));
    }
    answers.name = Some(name.clone());
    questions::everything_else(&ask, &desk, &mut answers).await?;
    let spec = answers.spec(&desk).map_err(refused)?;
    let place = Place::at(env, name, cloud, region);
    let command = place.provision(&answers.overrides.words());
    let text = text(&spec, &place.outside_sandbox().provision(&answers.overrides.words()), &file);
    let priced = desk.price(&ask, &spec).await?;
    if let Some(priced) = &priced {
        env.ui.say_at_length(&priced.text(env.ui.columns()));
    }
    env.ui.say(&format!("\n{}\nthe same without a file:\n  {command}\n", text.trim_end()));
    questions::write(&ask, &file).await?;
    store::write_users(&env.here.join(&file), text.as_bytes(), request.force).map_err(|error| not_written(&error))?;
    let next = next(&place, &file);
    let doc = Init {
        stack: doc::Stack {
            name: place.name.to_string(),
            id: None,
            provider: cloud.to_string(),
            account: desk.account().map(str::to_owned),
            region: place.region.to_string(),
        },
        file: file.display().to_string(),
        text,
        spec: serde_json::to_value(&spec).unwrap_or_default(),
        command,
        next: next.clone(),
        live: desk.is_live(),
        usd_per_hour: priced.as_ref().and_then(|priced| priced.complete.then_some(priced.usd_per_hour())),
        eta: priced.as_ref().map(|priced| priced.eta),
    };
    env.ui.show(env.now(), &doc, None);
    env.ui.say(&format!("look first:  {next} --dry-run\nbuild it:    {next}"));
    Ok(Exit::DONE)
}

/// Refuses a place that cannot be written, before anybody has answered anything.
fn check_place(env: &Env, file: &Path, force: bool) -> Result<(), CliError> {
    let path = env.here.join(file);
    match store::what_stands(&path).map_err(|error| not_written(&error))? {
        Standing::Nothing => Ok(()),
        Standing::File if force => Ok(()),
        Standing::File => {
            Err(CliError::new("KW-FILE-EXISTS", format!("{} is there already; nothing was written", file.display()))
                .hint("another place:   kubewright init FILE")
                .hint("in its stead:    kubewright init --force"))
        }
        Standing::Other => Err(CliError::new(
            "KW-FILE-EXISTS",
            format!("{} is a link, a directory or no plain file, and is left alone", file.display()),
        )
        .hint("another place:   kubewright init FILE")),
    }
}

fn not_written(error: &store::StoreError) -> CliError {
    let id = match error.kind {
        store::StoreErrorKind::Exists => "KW-FILE-EXISTS",
        // A place the user named is the command line's business, not our state's.
        store::StoreErrorKind::NotFound | store::StoreErrorKind::Unusable => "KW-USAGE",
        _ => "KW-STATE",
    };
    CliError::new(id, format!("{}; nothing was written", error.message))
}

/// What has a flag of its own is said by that.
fn check_sets(overrides: &Overrides) -> Result<(), CliError> {
    for (key, flag) in [("name", "--name"), ("provider", "--provider"), ("region", "--region")] {
        if overrides.set.iter().any(|set| set.split_once('=').is_some_and(|(path, _)| path == key)) {
            return Err(CliError::usage(format!("--set {key}: say it with {flag}")));
        }
    }
    Ok(())
}

/// Without a terminal and without `--yes` every answer must be a flag; what is missing is named at once.
fn everything_said(env: &Env, request: &InitRequest) -> Result<(), CliError> {
    let mut missing = Vec::new();
    let said = request.overrides.spec(None).map_err(refused)?;
    let mut need = |flag: &'static str, given: bool| {
        if !given {
            missing.push(flag);
        }
    };
    need("--provider", env.settings.provider.is_some());
    need("--region", env.settings.region.is_some());
    need("--name", request.name.is_some());
    need("--version", said.version.is_some());
    need("--zone-count", questions::says_zones(&said));
    need("--node-type", questions::says_machine(&said));
    need("--nodes", questions::says_nodes(&said));
    need("--nat", questions::says_nat(&said));
    if missing.is_empty() {
        return Ok(());
    }
    let needed = missing.iter().filter(|flag| ["--provider", "--region"].contains(flag)).copied();
    let needed: Vec<&str> = needed.collect();
    let with_defaults = if needed.is_empty() { "--yes".to_owned() } else { format!("{} --yes", needed.join(" ")) };
    Err(CliError::new(
        "KW-ANSWER-MISSING",
        format!("there is no terminal to ask at, and these are not said: {}", missing.join(", ")),
    )
    .hint(format!("say them, or take the defaults: {with_defaults}")))
}

/// The file: what can be done with it, then the spec.
fn text(spec: &ClusterSpec, command: &str, file: &Path) -> String {
    let build = match file.to_str() {
        Some(DEFAULT_FILE) | None => "kubewright provision".to_owned(),
        Some(file) => format!("kubewright provision -f {}", super::command::quoted(file)),
    };
    let mut text = String::new();
    // A comment ends with its line.
    for comment in [format!("look first: {build} --dry-run"), format!("without this file: {command}")] {
        if !comment.contains(char::is_control) {
            text.push_str(&format!("# {comment}\n"));
        }
    }
    text + &spec::write(spec)
}

/// What builds from the file.
fn next(place: &Place, file: &Path) -> String {
    let words = if file == Path::new(DEFAULT_FILE) {
        "provision".to_owned()
    } else {
        format!("provision -f {}", super::command::quoted(&file.display().to_string()))
    };
    place.verb(&words)
}

fn refused(problems: Vec<SpecProblem>) -> CliError {
    let mut lines = problems.iter().map(ToString::to_string);
    let mut error = CliError::new("KW-SPEC", lines.next().unwrap_or_else(|| "it cannot be read".to_owned()));
    error.details = lines.collect();
    error
}

/// The clouds to choose from, and whether credentials of each are in sight.
fn clouds(env: &Env) -> Vec<(Cloud, bool)> {
    BUILT.iter().map(|cloud| (*cloud, env.has_credentials(*cloud))).collect()
}

/// The regions of a cloud in the order in which they are worth a look: those with the cheapest usual machine first.
fn regions(cloud: Cloud) -> Vec<(Region, String)> {
    let mut priced: Vec<(f64, Region, String)> = places::regions(cloud)
        .iter()
        .map(|name| {
            let region = Region(name.clone());
            let usual = desk::usual_machine(cloud, &region);
            let price = usual.as_ref().map_or(f64::MAX, |(_, usd)| *usd);
            let machine = usual.map(|(name, usd)| format!("{name} ${usd:.4}/h"));
            let city = crate::model::places::city(cloud, &region).map(str::to_owned);
            let about = [city, machine].into_iter().flatten().collect::<Vec<_>>().join(", ");
            (price, region, about)
        })
        .collect();
    priced.sort_by(|(a, one, _), (b, two, _)| a.total_cmp(b).then_with(|| one.cmp(two)));
    priced.into_iter().map(|(_, region, about)| (region, about)).collect()
}

/// The region that flags, variables or the cloud's own configuration name.
async fn configured_region(env: &Env, cloud: Cloud) -> Result<Option<Region>, CliError> {
    if let Some(region) = &env.settings.region {
        return Ok(Some(region.clone()));
    }
    let choice = crate::env::ProviderChoice { cloud, region: None, account: None };
    let opened = env.reading(env.open_provider(&choice)).await?;
    Ok(opened.map(|provider| provider.region().clone()))
}

/// The cloud that flags or variables name.
fn configured_cloud(env: &Env) -> Result<Option<Cloud>, CliError> {
    cloud::named(env, None)
}
