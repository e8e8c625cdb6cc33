//! `.env` files: `KEY=value` lines as shells and other tools write them.
//!
//! Quotes and comments work as in a shell; nothing is expanded, so a `$` in a password stays a `$`. Only variables of
//! ours and of the clouds are taken. No error shows a value: this file holds keys.

use std::collections::BTreeMap;

/// Longest file that is read.
pub const LIMIT: u64 = 64 * 1024;
/// Whose variables are taken; everything else in the file is for other tools.
const PREFIXES: &[&str] = &["KUBEWRIGHT_", "AWS_", "GOOGLE_", "CLOUDSDK_", "GCE_METADATA_", "AZURE_", "ARM_"];

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct DotenvError {
    /// The file as named.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// What is wrong; never a value.
    pub message: String,
}

/// Reads a file; a variable given twice has its last value, as in a shell.
///
/// # Errors
/// The first line that is no assignment.
pub fn parse(text: &str, file: &str) -> Result<BTreeMap<String, String>, DotenvError> {
    let mut vars = BTreeMap::new();
    for (number, line) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let refuse = |message: &str| DotenvError { file: file.to_owned(), line: number, message: message.to_owned() };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| refuse("expected NAME=value"))?;
        let name = name.trim();
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(valid) {
            return Err(refuse("the part before `=` is not a variable's name"));
        }
        let value = unquote(value.trim()).map_err(refuse)?;
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            vars.insert(name.to_owned(), value);
        }
    }
    Ok(vars)
}

fn unquote(value: &str) -> Result<String, &'static str> {
    let (text, rest) = if let Some(inner) = value.strip_prefix('\'') {
        let (text, rest) = inner.split_once('\'').ok_or("the quote is not closed on this line")?;
        (text.to_owned(), rest)
    } else if let Some(inner) = value.strip_prefix('"') {
        double_quoted(inner).ok_or("the quote is not closed on this line")?
    } else {
        let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
        let end = if value.starts_with('#') { 0 } else { end };
        (value[..end].trim_end().to_owned(), "")
    };
    if text.contains('\0') {
        return Err("a value cannot hold a NUL");
    }
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(text) } else { Err("there is something after the closing quote") }
}

/// The text up to the closing quote, and what follows it.
fn double_quoted(inner: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &inner[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                c @ ('"' | '\\' | '$' | '`') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(line: &str) -> String {
        parse(&format!("AWS_X={line}"), ".env").unwrap().remove("AWS_X").unwrap()
    }

    #[test]
    fn values_read_as_in_a_shell_but_nothing_is_expanded() {
        for (line, want) in [
            ("plain", "plain"),
            ("  spaced out  # comment", "spaced out"),
            ("a#b", "a#b"),
            ("#nothing", ""),
            ("", ""),
            ("'si$ngle \" # x' # c", "si$ngle \" # x"),
            (r#""dou\"ble\n\$\x" # c"#, "dou\"ble\n$\\x"),
            ("a=b==", "a=b=="),
            ("$HOME/${X}", "$HOME/${X}"),
        ] {
            assert_eq!(value(line), want, "{line}");
        }
    }

    #[test]
    fn only_ours_and_the_clouds_are_taken_and_the_last_wins() {
        let text =
            "\u{feff}# c\r\nexport AWS_REGION=a\r\nAWS_REGION = b\r\nPATH=/evil\r\nKUBEWRIGHT_REGION='c'\r\n\r\n";
        let vars = parse(text, ".env").unwrap();
        assert_eq!(
            vars.into_iter().collect::<Vec<_>>(),
            [("AWS_REGION".into(), "b".into()), ("KUBEWRIGHT_REGION".into(), "c".into())]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_its_value_is_not() {
        for bad in [
            "hunter2",
            "=hunter2",
            "A B=hunter2",
            "1A=hunter2",
            "A='hunter2",
            "A=\"hunter2",
            "A=\"hunter2\\",
            "A='hunter2'x",
            "A=hunter2\0",
        ] {
            let error = parse(&format!("AWS_OK=1\n{bad}\n"), "my.env").unwrap_err().to_string();
            assert!(error.starts_with("my.env:2: ") && !error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Z_=\"'\\\\# \n\t$é\u{0}]{0,60}") {
            let _ = parse(&text, ".env");
        }

        #[test]
        fn any_value_can_be_written_in_single_quotes(text in "[^'\n\r\0]{0,40}") {
            prop_assert_eq!(value(&format!("'{text}'")), text);
        }
    }
}
