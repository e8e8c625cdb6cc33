//! How each shell asks and how it wants its answer.
//!
//! The scripts are those of clap, but for bash. There the script is ours: it shows what there is to know of each
//! candidate, expands no `*` in it, and `--region=us-e` or `--pool name=gpu,type=g5.` is one word, which bash takes for
//! several.

use clap::Command;
use clap_complete::CompletionCandidate;
use clap_complete::engine::complete;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
};

/// Every shell there is a script for.
pub(in crate::cli) const ALL: &[&dyn EnvCompleter] =
    &[&OfShell(&Bash), &OfShell(&Elvish), &OfShell(&Fish), &OfShell(&Powershell), &OfShell(&Zsh)];

/// What bash separates candidates by: in no name and no description.
const BASH_SEPARATOR: &str = "\u{b}";
/// Longest description in a list of bash's, which knows no columns.
const LONGEST: usize = 72;

const BASH: &str = r#"_clap_complete_kubewright() {
    local IFS=$'\013'
    COMPREPLY=()
    read -r -d '' -a COMPREPLY < <(
        _CLAP_COMPLETE_INDEX="$COMP_CWORD" \
        _CLAP_COMPLETE_WORD="$2" \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        VARIABLE="bash" \
        COMPLETER -- "${COMP_WORDS[@]}" 2> /dev/null
    )
    if [[ ${#COMPREPLY[@]} -eq 1 && ! ${COMPREPLY[0]} =~ [=/:]$ ]]; then
        compopt +o nospace 2> /dev/null
    fi
}
if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_kubewright kubewright
else
    complete -o nospace -o bashdefault -F _clap_complete_kubewright kubewright
fi
"#;

struct OfShell<S>(S);

impl<S: std::ops::Deref<Target: EnvCompleter>> EnvCompleter for OfShell<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is(&self, name: &str) -> bool {
        self.0.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), io::Error> {
        if self.name() == "bash" {
            return buf.write_all(BASH.replace("COMPLETER", completer).replace("VARIABLE", var).as_bytes());
        }
        self.0.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        cmd: &mut Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), io::Error> {
        let vars = crate::env::variables();
        let get = |name: &str| vars.get(name).map(String::as_str);
        let index = get("_CLAP_COMPLETE_INDEX").and_then(|text| text.parse().ok());
        let mut asked = match (self.name(), index) {
            ("bash", Some(index)) => Asked::of_bash(&args, index, get("_CLAP_COMPLETE_WORD").unwrap_or_default()),
            ("zsh" | "elvish", Some(index)) => Asked { index, args, before: String::new() },
            _ => Asked { index: args.len().saturating_sub(1), args, before: String::new() },
        };
        // A word that was not begun yet.
        if asked.args.len() <= asked.index {
            asked.args.resize(asked.index + 1, OsString::new());
        }
        let empty = asked.args[asked.index].is_empty();
        let found = shown(complete(cmd, asked.args, asked.index, current_dir)?, empty);
        let text = match self.name() {
            "bash" => bash(&found, &asked.before, get("_CLAP_COMPLETE_COMP_TYPE")),
            "zsh" => joined(&found, |it| {
                let escape = |text: &str| text.replace('\\', "\\\\");
                let help = it.help.as_deref().map_or_else(String::new, |help| format!(":{}", escape(help)));
                format!("{}{help}", escape(&it.value).replace(':', "\\:"))
            }),
            "fish" | "powershell" => joined(&found, |it| match &it.help {
                Some(help) => format!("{}\t{help}", it.value),
                None => it.value.clone(),
            }),
            _ => joined(&found, |it| it.value.clone()),
        };
        buf.write_all(text.as_bytes())
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Asked {
    args: Vec<OsString>,
    index: usize,
    /// What of the word the shell keeps by itself: answers leave it out.
    before: String,
}

impl Asked {
    /// Words as bash cuts them, put together again. `word` is the part before the cursor.
    fn of_bash(words: &[OsString], index: usize, word: &str) -> Self {
        let cuts = |word: &str| !word.is_empty() && word.chars().all(|c| matches!(c, '=' | ':'));
        let mut args: Vec<String> = Vec::new();
        let mut sticks = false;
        let mut before = String::new();
        for (at, cut) in words.iter().take(index + 1).enumerate() {
            let cut = cut.to_string_lossy();
            let is_cut = cuts(&cut);
            let last = at == index;
            // At a `=` itself the word to complete is the empty one behind it.
            let part = if last && !is_cut { word } else { cut.as_ref() };
            match args.last_mut().filter(|_| sticks || (is_cut && at > 1)) {
                Some(whole) => {
                    if last && !is_cut {
                        before.clone_from(whole);
                    }
                    whole.push_str(part);
                    if last && is_cut {
                        before.clone_from(whole);
                    }
                }
                None => args.push(part.to_owned()),
            }
            sticks = is_cut && at > 1;
        }
        if args.is_empty() {
            args.push(String::new());
        }
        Self { index: args.len() - 1, args: args.into_iter().map(OsString::from).collect(), before }
    }
}

/// A candidate, fit for any shell: one line, no control characters.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    value: String,
    help: Option<String>,
}

/// Flags are for whoever began one: beside names they would only bury them.
fn shown(found: Vec<CompletionCandidate>, empty: bool) -> Vec<Shown> {
    let is_flag = |it: &Shown| it.value.starts_with('-');
    let mut all: Vec<Shown> = found
        .iter()
        .filter_map(|it| {
            let value = it.get_value().to_str()?.to_owned();
            let help = it.get_help().map(|help| one_line(&help.to_string())).filter(|help| !help.is_empty());
            (!value.chars().any(char::is_control)).then_some(Shown { value, help })
        })
        .collect();
    if empty && all.iter().any(|it| !is_flag(it)) {
        all.retain(|it| !is_flag(it));
    }
    all
}

fn one_line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn joined(found: &[Shown], one: impl Fn(&Shown) -> String) -> String {
    found.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Several candidates are only listed, so what there is to know stands beside them: bash itself goes on to where they
/// differ, which is within the names. Where bash puts candidates in one after the other, they are bare.
fn bash(found: &[Shown], before: &str, kind: Option<&str>) -> String {
    let bare = |it: &Shown| it.value.strip_prefix(before).unwrap_or(&it.value).to_owned();
    let lists = !matches!(kind, Some("37" | "42"));
    let widest = found.iter().map(|it| bare(it).chars().count()).max().unwrap_or_default();
    let described = |it: &Shown| match &it.help {
        Some(help) => {
            let help: String = help.chars().take(LONGEST).collect();
            format!("{:<widest$}  ({help})", bare(it))
        }
        None => bare(it),
    };
    let one = |it: &Shown| if lists && found.len() > 1 { described(it) } else { bare(it) };
    found.iter().map(one).collect::<Vec<_>>().join(BASH_SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str], index: usize, word: &str) -> (Vec<String>, usize, String) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let Asked { args, index, before } = Asked::of_bash(&words, index, word);
        (args.into_iter().map(|word| word.into_string().unwrap()).collect(), index, before)
    }

    #[test]
    fn what_bash_cut_is_put_together() {
        let (args, index, before) = asked(&["kw", "provision", "--region", "=", "us-e"], 4, "us-e");
        assert_eq!((args[2].as_str(), index, before.as_str()), ("--region=us-e", 2, "--region="));
        let (args, index, before) = asked(&["kw", "provision", "--region", "="], 3, "");
        assert_eq!((args[2].as_str(), index, before.as_str()), ("--region=", 2, "--region="));
        let pool = ["kw", "provision", "--pool", "name", "=", "gpu,type", "=", "g5.", "rest"];
        let (args, index, before) = asked(&pool, 7, "g5.");
        assert_eq!((args[3].as_str(), index, before.as_str()), ("name=gpu,type=g5.", 3, "name=gpu,type="));
        // Only what is before the cursor counts.
        let (args, index, before) = asked(&["kw", "destroy", "demonstration"], 2, "demo");
        assert_eq!((args[2].as_str(), index, before.as_str()), ("demo", 2, ""));
        let (args, index, _) = asked(&["kw", "destroy", ""], 2, "");
        assert_eq!((args[2].as_str(), index), ("", 2));
        let (args, index, _) = asked(&[], 0, "");
        assert_eq!((args.len(), index), (1, 0));
    }

    #[test]
    fn descriptions_are_one_line_and_a_single_candidate_is_bare() {
        let one = |value: &str, help: &str| CompletionCandidate::new(value).help(Some(help.to_owned().into()));
        assert_eq!(one_line(" aws\u{7}\t, ready\nrm -rf"), "aws  , ready");
        let two = shown(vec![one("demo", "aws, ready\nrm -rf"), one("demo2", "")], true);
        assert_eq!(bash(&two, "", Some("9")), "demo   (aws, ready)\u{b}demo2");
        assert_eq!(bash(&two, "", Some("37")), "demo\u{b}demo2");
        assert_eq!(bash(&two[..1], "", Some("9")), "demo");
        assert!(shown(vec![one("de\nmo", "x")], true).is_empty(), "no such name can be typed");
    }

    #[test]
    fn flags_do_not_bury_names() {
        let all = || vec![CompletionCandidate::new("demo"), CompletionCandidate::new("--yes")];
        assert_eq!(shown(all(), true).len(), 1);
        assert_eq!(shown(all(), false).len(), 2);
        assert_eq!(shown(all().split_off(1), true).len(), 1);
    }
}
