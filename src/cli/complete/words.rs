//! What the words typed so far say. Nothing is parsed yet: a flag is looked for as the user wrote it.

use crate::env::Variables;
use crate::model::{Cloud, Region};

/// The words behind the shell's own.
pub(super) fn typed() -> Vec<String> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    match words.iter().position(|word| word == "--") {
        Some(at) => words[at + 1..].to_vec(),
        None => words,
    }
}

/// The value of a flag in these words, however the shell cut it.
pub(super) fn value<'w>(words: &'w [String], flag: &str) -> Option<&'w str> {
    words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(flag) {
        Some("") => words.get(at + 1..)?.iter().find(|word| *word != "=").map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    })
}

/// The cloud these words or variables mean.
pub(super) fn cloud(words: &[String], vars: &Variables) -> Cloud {
    let named = value(words, "--provider").or_else(|| vars.get("KUBEWRIGHT_PROVIDER").map(String::as_str));
    named.and_then(|text| text.parse().ok()).unwrap_or(Cloud::Aws)
}

/// The region these words or variables mean.
pub(super) fn region(words: &[String], vars: &Variables) -> Option<Region> {
    let set = |name: &str| vars.get(name).filter(|text| !text.is_empty()).map(String::as_str);
    let named = value(words, "--region").or_else(|| set("KUBEWRIGHT_REGION"));
    named.map(|text| Region(text.to_owned())).or_else(|| cloud(words, vars).region_in(vars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_however_they_were_cut() {
        let find = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            value(&words, "--region").map(str::to_owned)
        };
        for text in ["kw x --region us-east-1 --node-type", "kw --region=us-east-1", "kw --region = us-east-1 x"] {
            assert_eq!(find(text).as_deref(), Some("us-east-1"), "{text}");
        }
        assert_eq!(find("kw --regional us-east-1"), None);
        assert_eq!(find("kw --region"), None);
    }
}
