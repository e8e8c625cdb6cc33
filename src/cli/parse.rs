//! From words to a verb. What clap refuses becomes an error like all others, so that `-o json` holds here too.

use super::Cli;
use crate::error::CliError;
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use std::ffi::OsString;

/// What the words came to.
#[derive(Debug)]
pub enum Parsed {
    /// A verb.
    Run(Box<Cli>),
    /// Text that was asked for: help, version.
    Text(String),
    /// Refused; whether a document was asked for, and in which format.
    Refused(CliError, crate::ui::Format),
}

/// Parses the words after the program's name.
pub fn parse(words: &[OsString]) -> Parsed {
    let mut command = Cli::command();
    if words.iter().any(|word| word == "--no-color") {
        command = command.color(clap::ColorChoice::Never);
    }
    let program = std::iter::once(OsString::from("kubewright"));
    let matched = command.try_get_matches_from(program.chain(words.iter().cloned()));
    match matched.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Parsed::Run(Box::new(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(error.render().to_string()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Parsed::Refused(missing_verb(&error), asked_format(words))
            }
            _ => Parsed::Refused(refusal(&error), asked_format(words)),
        },
    }
}

fn missing_verb(error: &clap::Error) -> CliError {
    let mut refused = CliError::usage("a verb is missing: provision, status, destroy, …");
    refused.details = error.render().to_string().lines().map(str::to_owned).collect();
    refused
}

fn refusal(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line cannot be read");
    let mut refused = CliError::usage(first.strip_prefix("error: ").unwrap_or(first));
    for line in lines {
        let line = line.trim_start();
        if line.starts_with("For more information") {
            continue;
        }
        match line.strip_prefix("tip: ") {
            Some(tip) => refused.hints.push(tip.to_owned()),
            None => refused.details.push(line.to_owned()),
        }
    }
    refused.hint("kubewright help VERB lists what there is")
}

/// The format asked for in words that could not be parsed as a whole.
fn asked_format(words: &[OsString]) -> crate::ui::Format {
    use crate::ui::Format;
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--").collect();
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        let value = if word == "-o" || word == "--output" {
            words.get(at + 1).map(|value| value.as_ref())
        } else {
            word.strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o").map(|value| value.trim_start_matches('=')))
        };
        found = value.or(found);
    }
    match found {
        Some("json") => Format::Json,
        Some("yaml") => Format::Yaml,
        _ => Format::Table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Format;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn refusals_know_the_format_that_was_asked_for() {
        for (text, format) in [
            ("status --nope -o json", Format::Json),
            ("-ojson status --nope", Format::Json),
            ("status --output=yaml --nope", Format::Yaml),
            ("status --nope -- -o json", Format::Table),
        ] {
            match parse(&words(text)) {
                Parsed::Refused(error, asked) => {
                    assert_eq!(asked, format, "{text}");
                    assert_eq!(error.exit, crate::error::Exit::USAGE);
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn later_verbs_do_not_parse() {
        for verb in ["upgrade", "nodepool", "versions", "instance", "endpoint", "orphans", "doctor", "serve"] {
            assert!(matches!(parse(&words(verb)), Parsed::Refused(..)), "{verb}");
        }
        assert!(matches!(parse(&words("status --state s3://x")), Parsed::Refused(..)));
    }
}
