//! Questions. Asked only where somebody can answer; elsewhere the flag that answers is named, exit 7.

use super::Ui;
use crate::error::CliError;
use dialoguer::{Confirm, Input, theme::SimpleTheme};

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Do not.
    No,
}

impl Ui {
    /// A y/N question; `flag` is what answers it in scripts.
    pub fn ask(&self, question: &str, flag: &str) -> Result<Answer, CliError> {
        self.require_terminal(question, flag)?;
        let said = Confirm::with_theme(&SimpleTheme)
            .with_prompt(question)
            .default(false)
            .wait_for_newline(true)
            .interact()
            .map_err(interrupted)?;
        Ok(if said { Answer::Yes } else { Answer::No })
    }

    /// Asks for a name to be typed; anything else is a no.
    pub fn ask_name(&self, question: &str, name: &str, flag: &str) -> Result<Answer, CliError> {
        self.require_terminal(question, flag)?;
        let said: String = Input::with_theme(&SimpleTheme)
            .with_prompt(question)
            .allow_empty(true)
            .interact_text()
            .map_err(interrupted)?;
        Ok(if said.trim() == name { Answer::Yes } else { Answer::No })
    }

    fn require_terminal(&self, question: &str, flag: &str) -> Result<(), CliError> {
        if self.options().can_ask {
            return Ok(());
        }
        Err(CliError::new(
            "KW-ANSWER-MISSING",
            format!("`{question}` needs an answer and there is no terminal to ask at"),
        )
        .hint(format!("answer it with {flag}")))
    }
}

fn interrupted(_: dialoguer::Error) -> CliError {
    CliError::new("KW-INTERRUPTED", "interrupted at the question; nothing was changed")
}
