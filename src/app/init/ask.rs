//! How `init` asks: a line with a default, again until it is a good one. What is wrong is said at once.

use crate::env::Env;
use crate::error::CliError;
use crate::ui::{Table, style::plain};

/// How many matches of what was typed are listed.
const MATCHES: usize = 12;

/// Somebody to ask, or nobody: then every default is taken.
pub(super) struct Ask<'e> {
    pub(super) env: &'e Env,
    asks: bool,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: String,
    /// What there is to know of it.
    pub(super) about: String,
}

impl Choice {
    pub(super) fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), about: about.into() }
    }
}

impl<'e> Ask<'e> {
    pub(super) fn new(env: &'e Env) -> Self {
        Self { env, asks: env.ui.options().can_ask && !env.settings.yes }
    }

    pub(super) const fn asks(&self) -> bool {
        self.asks
    }

    /// Explains, where somebody is there to read it.
    pub(super) fn tell(&self, text: &str) {
        if self.asks {
            self.env.ui.say_at_length(text);
        }
    }

    /// The line typed; the default for an empty one, none where there is no default either.
    async fn line(&self, label: &str, default: Option<&str>, flag: &str) -> Result<Option<String>, CliError> {
        if !self.asks {
            return match default {
                Some(default) => Ok(Some(default.to_owned())),
                None => Err(CliError::new("KW-ANSWER-MISSING", format!("not said, and without a default: {label}"))
                    .hint(format!("answer it with {flag}"))),
            };
        }
        let shown = default.map_or_else(|| label.to_owned(), |default| format!("{label} [{default}]"));
        match self.env.reading(self.env.ui.ask_line(&shown, flag)).await? {
            None => Err(declined()),
            Some(text) if text.is_empty() => Ok(default.map(str::to_owned)),
            Some(text) => Ok(Some(text)),
        }
    }

    /// Says what is wrong with an answer; where nobody can give another, that is the end.
    fn not_so(&self, why: &str, flag: &str) -> Result<(), CliError> {
        if !self.asks {
            return Err(CliError::usage(format!("{flag}: {why}")));
        }
        let style = self.env.ui.style();
        self.env.ui.say_at_length(&format!("  {} {}", style.yellow("no:"), plain(why)));
        Ok(())
    }

    /// Asks until `judge` takes the answer.
    pub(super) async fn until<T>(
        &self,
        label: &str,
        default: Option<&str>,
        flag: &str,
        mut judge: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        loop {
            let why = match self.line(label, default, flag).await? {
                None => "there is no default; type an answer".to_owned(),
                Some(said) => match judge(&said) {
                    Ok(taken) => return Ok(taken),
                    Err(why) => why,
                },
            };
            self.not_so(&why, flag)?;
        }
    }

    /// Lets one of these be chosen: by its number in the list, its name, or a part that only one has; a part that more
    /// have lists those. `first` of them are listed at the beginning. What is none of them is `judge`'s to take or not.
    pub(super) async fn choose(
        &self,
        label: &str,
        choices: &[Choice],
        first: usize,
        default: Option<&str>,
        flag: &str,
        mut judge: impl FnMut(&str) -> Result<(), String>,
    ) -> Result<String, CliError> {
        let mut shown: Vec<&Choice> = choices.iter().take(first).collect();
        self.list(&shown, choices.len() - shown.len());
        loop {
            let Some(said) = self.line(label, default, flag).await? else {
                self.not_so("there is no default; type a number or a name", flag)?;
                continue;
            };
            let taken = match pick(&said, choices, &shown) {
                Picked::One(value) => value,
                Picked::Many(found) => {
                    let more = found.len().saturating_sub(MATCHES);
                    shown = found.into_iter().take(MATCHES).collect();
                    self.list(&shown, more);
                    continue;
                }
                Picked::None => said,
            };
            match judge(&taken) {
                Ok(()) => {
                    // A part or a number: what it was taken for is said.
                    if default != Some(taken.as_str()) {
                        self.tell(&format!("  -> {taken}"));
                    }
                    return Ok(taken);
                }
                Err(why) => self.not_so(&why, flag)?,
            }
        }
    }

    fn list(&self, shown: &[&Choice], more: usize) {
        let mut table = Table::new(&[">", "", ""]);
        for (number, choice) in (1..).zip(shown) {
            table.row([format!("{number}"), choice.value.clone(), choice.about.clone()]);
        }
        // Without the line of headings.
        let mut lines: Vec<String> = table.lines().into_iter().skip(1).map(|line| format!("  {line}")).collect();
        if more > 0 {
            lines.push(format!("  … and {more} more; type a part of a name to see them"));
        }
        self.tell(&lines.join("\n"));
    }
}

enum Picked<'c> {
    One(String),
    Many(Vec<&'c Choice>),
    None,
}

fn pick<'c>(said: &str, choices: &'c [Choice], shown: &[&'c Choice]) -> Picked<'c> {
    if let Some(exact) = choices.iter().find(|choice| choice.value.eq_ignore_ascii_case(said)) {
        return Picked::One(exact.value.clone());
    }
    let by_number = said.parse::<usize>().ok().and_then(|number| shown.get(number.checked_sub(1)?));
    if let Some(choice) = by_number {
        return Picked::One(choice.value.clone());
    }
    let part = said.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&part);
    let mut found: Vec<&Choice> = choices.iter().filter(|choice| has(&choice.value)).collect();
    if found.is_empty() {
        found = choices.iter().filter(|choice| has(&choice.about)).collect();
    }
    match found.as_slice() {
        [] => Picked::None,
        [one] => Picked::One(one.value.clone()),
        _ => Picked::Many(found),
    }
}

/// Nobody wanted it.
pub(super) fn declined() -> CliError {
    CliError::new("KW-DECLINED", "declined; nothing was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_parts_choose() {
        let choices = [
            Choice::new("us-east-1", "N. Virginia"),
            Choice::new("us-east-2", "Ohio"),
            Choice::new("eu-central-1", "Frankfurt"),
        ];
        let shown: Vec<&Choice> = choices.iter().take(2).collect();
        let one = |said: &str| match pick(said, &choices, &shown) {
            Picked::One(value) => value,
            Picked::Many(found) => format!("{} of them", found.len()),
            Picked::None => "none".to_owned(),
        };
        for (said, taken) in [
            ("2", "us-east-2"),
            ("US-EAST-1", "us-east-1"),
            ("frankf", "eu-central-1"),
            ("eu", "eu-central-1"),
            ("us-", "2 of them"),
            // Not in the list on the screen.
            ("3", "none"),
            ("0", "none"),
            ("99999999999999999999", "none"),
            ("mars", "none"),
        ] {
            assert_eq!(one(said), taken, "{said}");
        }
    }
}
