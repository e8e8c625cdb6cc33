//! The flags that every verb takes, and the variables that stand in for them. Flag beats variable.

use crate::env::{Settings, Typed};
use crate::error::CliError;
use crate::model::{Cloud, NameError, Region, time::parse_span};
use crate::ui::Format;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputArg {
    /// For people
    Table,
    /// One JSON document, on failure too
    Json,
    /// The same document as YAML
    Yaml,
    /// Names only
    Name,
    /// Comma-separated; `cost` only
    Csv,
    /// A table of Markdown; `cost` only
    Markdown,
}

impl From<OutputArg> for Format {
    fn from(arg: OutputArg) -> Self {
        match arg {
            OutputArg::Table => Self::Table,
            OutputArg::Json => Self::Json,
            OutputArg::Yaml => Self::Yaml,
            OutputArg::Name => Self::Name,
            OutputArg::Csv => Self::Csv,
            OutputArg::Markdown => Self::Markdown,
        }
    }
}

/// Flags that every verb takes.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// How the answer is written [env: KUBEWRIGHT_OUTPUT] [default: table]
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = false)]
    pub output: Option<OutputArg>,
    /// Answer y/N questions with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask; a missing answer is exit 7 [env: KUBEWRIGHT_NO_INPUT]
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Say less [env: KUBEWRIGHT_QUIET]
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for calls
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No colours [env: NO_COLOR, KUBEWRIGHT_NO_COLOR]
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Write events as JSON lines to FILE; `-` makes them own stdout [env: KUBEWRIGHT_EVENTS]
    #[arg(long, global = true, value_name = "FILE")]
    pub events: Option<String>,
    /// Read variables from FILE instead of ~/.config/kubewright/.env [env: KUBEWRIGHT_DOTENV]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub dotenv: Option<PathBuf>,
    /// Give up after this long: 90s, 30m, 8h [env: KUBEWRIGHT_TIMEOUT]
    #[arg(long, global = true, value_name = "SPAN", value_parser = parse_span)]
    pub timeout: Option<Duration>,
    /// Wait this long for another kubewright to let go of the stack [env: KUBEWRIGHT_LOCK_TIMEOUT]
    #[arg(long, global = true, value_name = "SPAN", value_parser = parse_span)]
    pub lock_timeout: Option<Duration>,
    /// Cloud: aws, gcp or azure [env: KUBEWRIGHT_PROVIDER]
    #[arg(long, global = true, value_name = "CLOUD", add = super::complete::providers())]
    pub provider: Option<Cloud>,
    /// Region in the cloud's own spelling [env: KUBEWRIGHT_REGION]
    #[arg(long, global = true, value_name = "REGION", value_parser = region, add = super::complete::regions())]
    pub region: Option<Region>,
    /// AWS profile [env: KUBEWRIGHT_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// AWS role to assume [env: KUBEWRIGHT_ROLE_ARN]
    #[arg(long, global = true, value_name = "ARN")]
    pub role_arn: Option<String>,
    /// Google Cloud project [env: KUBEWRIGHT_PROJECT]
    #[arg(long, global = true, value_name = "ID")]
    pub project: Option<String>,
    /// Azure subscription [env: KUBEWRIGHT_SUBSCRIPTION]
    #[arg(long, global = true, value_name = "ID")]
    pub subscription: Option<String>,
    /// Rehearse against built-in pretend clouds: offline, free [env: KUBEWRIGHT_SANDBOX]
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// Which choices the words themselves made
    #[arg(skip)]
    pub typed: Typed,
}

fn region(text: &str) -> Result<Region, NameError> {
    let valid = !text.is_empty() && text.len() <= 40 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if valid { Ok(Region(text.to_owned())) } else { Err(NameError(format!("`{text}` is no region's name"))) }
}

/// Reads a variable that means yes or no.
fn truthy(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

impl Globals {
    /// Fills what no flag said from the variables.
    pub fn with_variables(mut self, vars: &BTreeMap<String, String>) -> Result<Self, CliError> {
        // `--events -` owns stdout, so it excludes an explicit -o, but not one that a variable set for every command.
        if self.output.is_some() && self.events.as_deref() == Some("-") {
            return Err(CliError::usage("`--events -` owns stdout and carries the document: leave `-o` out"));
        }
        self.typed = Typed {
            provider: self.provider.is_some(),
            region: self.region.is_some(),
            project: self.project.is_some(),
            subscription: self.subscription.is_some(),
        };
        let get = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        fn parsed<T, E: std::fmt::Display>(
            slot: &mut Option<T>,
            name: &str,
            value: Option<&String>,
            parse: impl Fn(&str) -> Result<T, E>,
        ) -> Result<(), CliError> {
            if let (None, Some(text)) = (&slot, value) {
                *slot = Some(parse(text).map_err(|why| CliError::usage(format!("variable {name}: {why}")))?);
            }
            Ok(())
        }
        let plain = |text: &str| Ok::<_, NameError>(text.to_owned());
        parsed(&mut self.output, "KUBEWRIGHT_OUTPUT", get("KUBEWRIGHT_OUTPUT"), |text| {
            <OutputArg as clap::ValueEnum>::from_str(text, true)
                .map_err(|_| format!("`{text}` is not one of table, json, yaml, name, csv, markdown"))
        })?;
        parsed(&mut self.events, "KUBEWRIGHT_EVENTS", get("KUBEWRIGHT_EVENTS"), plain)?;
        parsed(&mut self.timeout, "KUBEWRIGHT_TIMEOUT", get("KUBEWRIGHT_TIMEOUT"), parse_span)?;
        parsed(&mut self.lock_timeout, "KUBEWRIGHT_LOCK_TIMEOUT", get("KUBEWRIGHT_LOCK_TIMEOUT"), parse_span)?;
        parsed(&mut self.provider, "KUBEWRIGHT_PROVIDER", get("KUBEWRIGHT_PROVIDER"), str::parse)?;
        parsed(&mut self.region, "KUBEWRIGHT_REGION", get("KUBEWRIGHT_REGION"), region)?;
        parsed(&mut self.profile, "KUBEWRIGHT_PROFILE", get("KUBEWRIGHT_PROFILE"), plain)?;
        parsed(&mut self.role_arn, "KUBEWRIGHT_ROLE_ARN", get("KUBEWRIGHT_ROLE_ARN"), plain)?;
        parsed(&mut self.project, "KUBEWRIGHT_PROJECT", get("KUBEWRIGHT_PROJECT"), plain)?;
        parsed(&mut self.subscription, "KUBEWRIGHT_SUBSCRIPTION", get("KUBEWRIGHT_SUBSCRIPTION"), plain)?;
        let yes = |name: &str| get(name).is_some_and(|text| truthy(text));
        self.no_input |= yes("KUBEWRIGHT_NO_INPUT");
        self.quiet |= yes("KUBEWRIGHT_QUIET");
        self.sandbox |= yes("KUBEWRIGHT_SANDBOX");
        // NO_COLOR counts by being there with any text: https://no-color.org
        self.no_color |= get("NO_COLOR").is_some() || yes("KUBEWRIGHT_NO_COLOR");
        if let (0, Some(text)) = (self.verbose, get("KUBEWRIGHT_VERBOSE")) {
            self.verbose = text.parse().unwrap_or(u8::from(truthy(text)));
        }
        Ok(self)
    }

    /// As plain values.
    pub fn settings(&self) -> Settings {
        Settings {
            format: self.format(),
            yes: self.yes,
            no_input: self.no_input,
            quiet: self.quiet,
            verbose: self.verbose,
            no_color: self.no_color,
            events: self.events.clone(),
            timeout: self.timeout,
            lock_timeout: self.lock_timeout,
            provider: self.provider,
            region: self.region.clone(),
            typed: self.typed,
            profile: self.profile.clone(),
            project: self.project.clone(),
            subscription: self.subscription.clone(),
            role_arn: self.role_arn.clone(),
        }
    }

    /// The format of the answer.
    pub fn format(&self) -> Format {
        self.output.map_or(Format::Table, Format::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_flag_beats_its_variable() {
        let flags = Globals { region: Some(Region("eu-west-1".into())), ..Globals::default() };
        let merged = flags
            .with_variables(&vars(&[("KUBEWRIGHT_REGION", "us-east-1"), ("KUBEWRIGHT_PROVIDER", "aws")]))
            .expect("valid");
        assert_eq!(merged.region, Some(Region("eu-west-1".into())));
        assert_eq!(merged.provider, Some(Cloud::Aws));
        let settings = merged.settings();
        assert_eq!((settings.typed_region(), settings.typed_provider()), (settings.region.as_ref(), None));
    }

    #[test]
    fn yes_has_no_variable_and_bad_values_name_theirs() {
        let merged = Globals::default().with_variables(&vars(&[("KUBEWRIGHT_YES", "1")])).expect("ignored");
        assert!(!merged.yes);
        let error = Globals::default().with_variables(&vars(&[("KUBEWRIGHT_TIMEOUT", "soon")])).expect_err("refused");
        assert!(error.message.contains("KUBEWRIGHT_TIMEOUT"), "{error}");
    }

    #[test]
    fn events_on_stdout_exclude_an_explicit_format() {
        let both = Globals { output: Some(OutputArg::Json), events: Some("-".into()), ..Globals::default() };
        assert_eq!(both.with_variables(&vars(&[])).expect_err("refused").exit, crate::error::Exit::USAGE);
    }
}
