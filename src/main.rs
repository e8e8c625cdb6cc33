//! Build the environment, parse, dispatch, print the final error, exit with its code. Nothing else.

use kubewright::{cli, env, error};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(code) = cli::complete::answer(&words) {
        return ExitCode::from(code);
    }
    if let Some(code) = cli::token::answer(&words) {
        return ExitCode::from(code);
    }
    end_on_panic();
    ExitCode::from(run(&words[words.len().min(1)..]))
}

fn run(words: &[std::ffi::OsString]) -> u8 {
    let cli = match cli::parse(words) {
        cli::Parsed::Run(cli) => *cli,
        cli::Parsed::Text(text) => {
            env::plain_ui(Default::default()).raw(&text);
            return 0;
        }
        cli::Parsed::Refused(error, format) => return env::refuse(format, &error),
    };
    cli::start(cli, words)
}

/// A panic is a fault of ours: said in two lines, with the way on, instead of a trace nobody asked for. Then the process
/// ends as if it were killed, which loses nothing: that is what the journal is for, and why a release unwinds no stack.
fn end_on_panic() {
    let traced = env::variables().contains_key("RUST_BACKTRACE");
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if traced {
            loud(info);
        }
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("no message");
        let error = error::CliError::new("KW-BUG", format!("kubewright met a fault of its own{place}: {what}"))
            .hint("everything made so far is in the journal: run the same command again to go on");
        env::plain_ui(Default::default())
            .say_styled(kubewright::ui::error_text(&error, kubewright::ui::Style { color: false }).trim_end());
        #[expect(clippy::exit, reason = "the table's code for what nobody expected, instead of an abort's signal")]
        std::process::exit(error::Exit::UNEXPECTED.code().into());
    }));
}
