//! Completion scripts, manual pages and schemas, from the command line's and the documents' own definitions.

use super::{Cli, complete::VARIABLE, help::exit_codes};
use crate::app;
use crate::env::{Env, write_public};
use crate::error::{CliError, Exit};
use clap::{Command, CommandFactory};
use clap_complete::env::Shells;
use std::path::PathBuf;

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// source <(kubewright completion bash)
    Bash,
    /// source <(kubewright completion zsh)
    Zsh,
    /// kubewright completion fish | source
    Fish,
    /// eval (kubewright completion elvish | slurp)
    Elvish,
    /// kubewright completion powershell | Out-String | Invoke-Expression
    Powershell,
}

impl Shell {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Bash, "bash", "kubewright.bash"),
        (Self::Zsh, "zsh", "_kubewright"),
        (Self::Fish, "fish", "kubewright.fish"),
        (Self::Elvish, "elvish", "kubewright.elv"),
        (Self::Powershell, "powershell", "_kubewright.ps1"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(shell, ..)| *shell == self).map_or("bash", |(_, name, _)| name)
    }
}

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
pub struct CompletionArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages into a directory
#[derive(clap::Args, Debug)]
pub struct ManArgs {
    /// The directory; made if it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

/// Write completions, manual pages and schemas as they are committed
#[derive(clap::Args, Debug)]
pub struct GenerateArgs {
    /// The repository's root: `completions/`, `man/` and `schemas/` are written below it
    dir: PathBuf,
}

/// `kubewright completion`.
pub(super) fn completion(env: &Env, args: &CompletionArgs) -> Result<Exit, CliError> {
    env.ui.raw(&script(args.shell.name())?);
    Ok(Exit::DONE)
}

/// `kubewright man`.
pub(super) fn man(env: &Env, args: &ManArgs) -> Result<Exit, CliError> {
    let pages = pages()?;
    for (name, text) in &pages {
        write_public(&args.dir.join(name), text)?;
    }
    env.ui.say(&format!("{} pages written to {}", pages.len(), args.dir.display()));
    Ok(Exit::DONE)
}

/// `kubewright generate`.
pub(super) fn all(_: &Env, args: &GenerateArgs) -> Result<Exit, CliError> {
    for (_, shell, file) in Shell::ALL {
        write_public(&args.dir.join("completions").join(file), &script(shell)?)?;
    }
    for (name, text) in pages()? {
        write_public(&args.dir.join("man").join(name), &text)?;
    }
    for (name, text) in app::schema::files() {
        write_public(&args.dir.join("schemas").join(name), &text)?;
    }
    Ok(Exit::DONE)
}

fn script(shell: &str) -> Result<String, CliError> {
    let shells = Shells(super::complete::SHELLS);
    let completer =
        shells.completer(shell).ok_or_else(|| CliError::new("KW-BUG", format!("no completer for {shell}")))?;
    let mut text = Vec::new();
    completer.write_registration(VARIABLE, "kubewright", "kubewright", "kubewright", &mut text).map_err(in_memory)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Every page: the program's own and one per visible verb, nested ones included.
fn pages() -> Result<Vec<(String, String)>, CliError> {
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    collect(&root, "kubewright", &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), CliError> {
    let mut text = Vec::new();
    let titled = command.clone().name(name.to_owned()).display_name(name.to_owned());
    clap_mangen::Man::new(titled).render(&mut text).map_err(in_memory)?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(".SH \"EXIT STATUS\"\n.nf\n");
    text.push_str(&exit_codes().replace('-', "\\-"));
    text.push_str(".fi\n");
    pages.push((format!("{name}.1"), text));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn in_memory(cause: std::io::Error) -> CliError {
    CliError::new("KW-BUG", format!("cannot write into memory: {cause}"))
}
