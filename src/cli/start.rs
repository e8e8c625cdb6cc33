//! From a parsed command to its exit code: variables, the sandbox's detour, the runtime, the final error.

use super::{Cli, Command, run};
use crate::config;
use crate::env::{self, Env, Settings};
use crate::error::CliError;
use std::ffi::OsString;

/// Runs a parsed command.
pub fn start(cli: Cli, words: &[OsString]) -> u8 {
    let format = cli.globals.format();
    let prepared = prepare(cli);
    let (cli, mut settings, vars) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return env::refuse(format, &error),
    };
    // kubectl shows people whatever its plugin says.
    settings.quiet |= matches!(cli.command, Command::Token(_));
    // A variable may have chosen another one.
    let format = settings.format;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(cause) => return env::refuse(format, &CliError::new("KW-BUG", format!("cannot start threads: {cause}"))),
    };
    let code = runtime.block_on(async {
        if cli.globals.sandbox && !cli.command.is_local() && !env::is_rehearsing(&vars.all) {
            return match env::rehearse(&settings, &vars, words).await {
                Ok(code) => code,
                Err(error) => env::refuse(format, &error),
            };
        }
        let mut env = match Env::new(settings, vars).await {
            Ok(env) => env,
            Err(error) => return env::refuse(format, &error),
        };
        for (name, meant) in config::env_vars::misspelt(&env.vars.all) {
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            env.ui.warn(&format!("variable {name} does nothing{meant}"));
        }
        let ended = match env.listen() {
            Ok(()) => run(&mut env, cli.command).await,
            Err(error) => Err(error),
        };
        let exit = ended.unwrap_or_else(|error| {
            env.ui.error(env.now(), &error);
            error.exit
        });
        exit.code()
    });
    // A reader of stdin may sit in a thread for ever; nothing is worth waiting for any more.
    runtime.shutdown_background();
    code
}

fn prepare(cli: Cli) -> Result<(Cli, Settings, env::Vars), CliError> {
    let Cli { globals, command } = cli;
    let vars = env::Vars::read(globals.dotenv.as_deref())?;
    let globals = globals.with_variables(&vars.all)?;
    let settings = globals.settings();
    if settings.format.is_grid() && !command.has_tables() {
        return Err(CliError::usage("`-o csv` and `-o markdown` are for the tables of `cost`").hint("-o json"));
    }
    Ok((Cli { globals, command }, settings, vars))
}
