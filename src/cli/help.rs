//! `kubewright help`: a verb, an error id, or the exit codes.

use super::Cli;
use crate::env::Env;
use crate::error::{CATALOGUE, CliError, EXIT_CODES, Exit, explain};
use clap::CommandFactory;

/// Explain a verb, an error id, or the exit codes
#[derive(clap::Args, Debug)]
pub struct HelpArgs {
    /// A verb (`provision`, `sandbox serve`), an error id (`KW-LOCKED`), `exit-codes` or `errors`
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
            let entry = explain(one).ok_or_else(|| {
                CliError::new("KW-NOT-FOUND", format!("no error id `{one}`")).hint("kubewright help errors")
            })?;
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
                here = here.find_subcommand_mut(word).ok_or_else(|| {
                    CliError::usage(format!("no help on `{}`", path.join(" "))).hint("kubewright help")
                })?;
            }
            Ok(here.render_long_help().to_string())
        }
    }
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
        assert_eq!(ask(&["KW-NOPE"]).expect_err("unknown").exit, Exit::NOT_FOUND);
        assert_eq!(ask(&["upgrade"]).expect_err("later").exit, Exit::USAGE);
    }
}
