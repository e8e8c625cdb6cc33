//! `kubewright help`: a verb, an error id, or the exit codes.

use super::Cli;
use crate::env::Env;
use crate::error::{CATALOGUE, CliError, EXIT_CODES, Exit, explain};
use clap::CommandFactory;

/// Explain a verb, an error id, or the exit codes
#[derive(clap::Args, Debug)]
pub struct HelpArgs {
    /// A verb (`provision`, `sandbox serve`), an error id (`KW-LOCKED`), `exit-codes` or `errors`
    #[arg(add = super::complete::topics())]
    topic: Vec<String>,
}

/// Runs the verb.
pub(super) fn run(env: &Env, args: &HelpArgs) -> Result<Exit, CliError> {
    env.ui.raw(&text(&args.topic)?);
    Ok(Exit::DONE)
}

fn text(topic: &[String]) -> Result<String, CliError> {
    match topic {
        [] => Ok(Cli::command().render_help().to_string()),
        [one] if one == "exit-codes" => Ok(exit_codes()),
        [one] if one == "errors" => Ok(CATALOGUE.iter().map(|entry| format!("{}\n", entry.id)).collect()),
        [one] if one.to_ascii_uppercase().starts_with("KW-") => {
            let entry = explain(one).ok_or_else(|| unknown_id(one))?;
            Ok(format!(
                "{}  ({}, exit {})\n\n{}\n\nWhat to do: {}\n",
                entry.id,
                entry.class.as_str(),
                entry.class.exit().code(),
                entry.meaning,
                entry.remedy
            ))
        }
        path => {
            let mut command = Cli::command();
            command.build();
            let mut here = &mut command;
            for word in path {
                let verbs: Vec<String> = here.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
                here = here.find_subcommand_mut(word).ok_or_else(|| unknown_topic(path, word, verbs))?;
            }
            Ok(here.render_long_help().to_string())
        }
    }
}

fn unknown_id(id: &str) -> CliError {
    let meant = nearest(&id.to_ascii_uppercase(), CATALOGUE.iter().map(|entry| entry.id));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    CliError::new("KW-NOT-FOUND", format!("no error id `{id}`{meant}")).hint("kubewright help errors lists them")
}

fn unknown_topic(path: &[String], word: &str, verbs: Vec<String>) -> CliError {
    let others = ["exit-codes", "errors"].into_iter().filter(|_| path.len() == 1);
    let meant = nearest(word, verbs.iter().map(String::as_str).chain(others));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    CliError::usage(format!("no help on `{}`{meant}", path.join(" "))).hint("kubewright help")
}

/// What was probably meant.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.map(|known| (strsim::damerau_levenshtein(word, known), known)).min()?;
    (best.0 <= 1 + word.len() / 5).then_some(best.1)
}

/// The table of exit codes.
pub(super) fn exit_codes() -> String {
    EXIT_CODES.iter().map(|(exit, meaning)| format!("{:>4}  {meaning}\n", exit.code())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_and_unknown_ones_refused() {
        let ask = |words: &[&str]| text(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(ask(&["exit-codes"]).expect("known").contains("124  timeout"));
        assert!(ask(&["kw-locked"]).expect("any case").contains("--lock-timeout"));
        assert!(ask(&["sandbox", "serve"]).expect("nested").contains("--ready-file"));
        for entry in CATALOGUE {
            let text = ask(&[entry.id]).expect("every id is explained");
            assert!(text.contains(entry.meaning) && text.contains(entry.remedy) && entry.meaning.len() > 20, "{text}");
        }
        assert_eq!(ask(&["KW-NOPE"]).expect_err("unknown").exit, Exit::NOT_FOUND);
        assert!(ask(&["kw-lokced"]).expect_err("a typo").message.contains("did you mean `KW-LOCKED`?"));
        assert!(ask(&["provison"]).expect_err("a typo").message.contains("did you mean `provision`?"));
        assert!(ask(&["exit-code"]).expect_err("a typo").message.contains("did you mean `exit-codes`?"));
        assert!(ask(&["sandbox", "serv"]).expect_err("a typo").message.contains("did you mean `serve`?"));
        assert_eq!(ask(&["upgrade"]).expect_err("later").exit, Exit::USAGE);
    }
}
