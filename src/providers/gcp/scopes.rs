//! What a node's token may be used for: short words for OAuth scopes.

/// Where all of Google's scopes are.
const ROOT: &str = "https://www.googleapis.com/auth/";
/// Everything, so that roles alone decide: Google's advice since roles exist.
pub const USUAL: &str = "cloud-platform";
/// The six that GKE gave to nodes before that.
const CLASSIC: [&str; 6] = [
    "devstorage.read_only",
    "logging.write",
    "monitoring",
    "service.management.readonly",
    "servicecontrol",
    "trace.append",
];

/// The whole scopes behind one word of a spec: `cloud-platform`, `classic`, the end of a scope, or a whole one; none for
/// what cannot be a scope.
pub fn whole(word: &str) -> Option<Vec<String>> {
    if word == "classic" {
        return Some(CLASSIC.iter().map(|end| format!("{ROOT}{end}")).collect());
    }
    let end = word.strip_prefix(ROOT).unwrap_or(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = end.starts_with(|c: char| c.is_ascii_lowercase()) && end.chars().all(plain);
    good.then(|| vec![format!("{ROOT}{end}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_whole_scopes() {
        let all = ["https://www.googleapis.com/auth/cloud-platform".to_owned()];
        assert_eq!(whole(USUAL).unwrap(), all);
        assert_eq!(whole(&all[0]).unwrap(), all);
        assert_eq!(whole("classic").unwrap().len(), 6);
        assert!(whole("classic").unwrap().iter().all(|it| it.starts_with(ROOT)));
        for bad in ["", "https://example.com/auth/x", "Cloud Platform", "compute rw"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }
}
