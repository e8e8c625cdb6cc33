//! Questions. Asked only where somebody can answer; elsewhere the flag that answers is named, exit 7.
//!
//! The terminal stays as it is: it edits and echoes the line itself, Ctrl-C is a signal like any other, Ctrl-D is the
//! end of the input and answers no. A process that ends at a question leaves no terminal in a strange mode.

use super::Ui;
use crate::error::CliError;

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Do not.
    No,
}

impl Ui {
    /// A y/N question; `flag` is what answers it in scripts. Whoever asks lets signals end the wait.
    pub async fn ask(&self, question: &str, flag: &str) -> Result<Answer, CliError> {
        let said = self.answer(question, "[y/N]", flag).await?;
        Ok(if is_yes(&said) { Answer::Yes } else { Answer::No })
    }

    /// A question whose answer is a line; none at the end of the input. `label` is short: what explains it was said
    /// before, so that both fit a narrow terminal.
    pub async fn ask_line(&self, label: &str, flag: &str) -> Result<Option<String>, CliError> {
        Ok(self.line(label, ">", flag).await?.map(|line| line.trim().to_owned()))
    }

    /// Asks for a name to be typed; anything else is a no.
    pub async fn ask_name(&self, question: &str, name: &str, flag: &str) -> Result<Answer, CliError> {
        let said = self.answer(question, ">", flag).await?;
        Ok(if said.trim() == name { Answer::Yes } else { Answer::No })
    }

    /// The line that is typed; empty at the end of the input.
    async fn answer(&self, question: &str, mark: &str, flag: &str) -> Result<String, CliError> {
        Ok(self.line(question, mark, flag).await?.unwrap_or_default())
    }

    /// The line that is typed; none at the end of the input.
    async fn line(&self, question: &str, mark: &str, flag: &str) -> Result<Option<String>, CliError> {
        if !self.options().can_ask {
            return Err(CliError::new(
                "KW-ANSWER-MISSING",
                format!("`{question}` needs an answer and there is no terminal to ask at"),
            )
            .hint(format!("answer it with {flag}")));
        }
        let open = self.open_question(&format!("{} {mark} ", self.style().bold(question)));
        // A line that never comes holds a thread until the process ends, and nothing else.
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            // Input that is no text, or a terminal that went away, is no answer.
            let read = std::io::stdin().read_line(&mut line).unwrap_or(0);
            (read > 0).then_some(line)
        });
        let said = line.await.ok().flatten();
        if said.as_ref().is_some_and(|line| line.ends_with('\n')) {
            open.answered();
        }
        Ok(said)
    }
}

fn is_yes(said: &str) -> bool {
    matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Y\n", "yes\n", " Yes \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yeah no\n", "yy\n", "demo\n", "\u{4}"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
