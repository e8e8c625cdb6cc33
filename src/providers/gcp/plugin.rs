//! What the credential plugin may know of Google Cloud before anything is opened: which variables and which files decide
//! whose token it is. No call, no runtime, no configuration.
//!
//! Nothing signs by itself here. A service account's key could sign a token of its own making, but that one is for
//! Google's APIs; what is documented for API servers of GKE is an access token that Google issued. So the short way is
//! a kept token, for the hour that it lasts.

use super::gcloud::Folder;
use crate::providers::Plugin;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Google's.
#[derive(Debug)]
pub struct GcpPlugin;

/// Variables with paths of files that hold or lead to credentials.
const NAMED: [&str; 3] =
    ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"];

fn set<'v>(vars: &'v BTreeMap<String, String>, name: &str) -> Option<&'v str> {
    vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether credentials are in sight, without trying them.
pub fn in_sight(vars: &BTreeMap<String, String>, is_there: &dyn Fn(&Path) -> bool) -> bool {
    NAMED.iter().any(|name| set(vars, name).is_some())
        || set(vars, "GCE_METADATA_HOST").is_some()
        || Folder::of(vars).is_some_and(|folder| signed_in(&folder, is_there))
}

/// gcloud keeps who is signed in beside its configurations.
fn signed_in(folder: &Folder, is_there: &dyn Fn(&Path) -> bool) -> bool {
    [folder.default_credentials(), folder.accounts()].iter().any(|file| is_there(file))
}

impl Plugin for GcpPlugin {
    fn decides(&self, variable: &str) -> bool {
        ["GOOGLE_", "CLOUDSDK_", "GCE_", "GCLOUD_"].iter().any(|start| variable.starts_with(start))
    }

    fn files(&self, vars: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = NAMED.iter().filter_map(|name| set(vars, name)).map(PathBuf::from).collect();
        if let Some(folder) = Folder::of(vars) {
            files.extend([folder.default_credentials(), folder.active(), folder.accounts()]);
        }
        files
    }

    fn led_to(&self, vars: &BTreeMap<String, String>, read: &dyn Fn(&Path) -> Option<String>) -> Vec<PathBuf> {
        Folder::of(vars).map(|folder| folder.active_configuration(vars, read)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_variable_that_changes_whose_token_it_is_decides() {
        for name in [
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CLOUD_PROJECT",
            "CLOUDSDK_CONFIG",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
            "GCE_METADATA_HOST",
        ] {
            assert!(GcpPlugin.decides(name), "{name}");
        }
        assert!(!GcpPlugin.decides("AWS_PROFILE") && !GcpPlugin.decides("PATH"));
    }

    #[test]
    fn the_files_are_where_the_vendors_tools_look() {
        let usual = GcpPlugin.files(&vars(&[("HOME", "/home/ana")]));
        assert_eq!(usual[0], Path::new("/home/ana/.config/gcloud/application_default_credentials.json"));
        let named = GcpPlugin.files(&vars(&[("CLOUDSDK_CONFIG", "/g"), ("GOOGLE_APPLICATION_CREDENTIALS", "/k.json")]));
        assert_eq!((named[0].as_path(), named[1].starts_with("/g")), (Path::new("/k.json"), true));
        assert!(GcpPlugin.files(&vars(&[])).is_empty());
    }

    #[test]
    fn the_configuration_that_counts_is_the_one_that_is_active() {
        let at_home = |more: &[(&str, &str)]| vars(&[&[("HOME", "/home/ana")], more].concat());
        let read = |file: &Path| file.ends_with("active_config").then(|| "work\n".to_owned());
        let led = |vars: &BTreeMap<String, String>, read: &dyn Fn(&Path) -> Option<String>| {
            let files = GcpPlugin.led_to(vars, read);
            files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(led(&at_home(&[]), &read), ["config_work"]);
        assert_eq!(led(&at_home(&[("CLOUDSDK_ACTIVE_CONFIG_NAME", "home")]), &read), ["config_home"]);
        assert_eq!(led(&at_home(&[]), &|_| None), ["config_default"]);
        assert!(led(&vars(&[]), &read).is_empty());
    }

    #[test]
    fn credentials_are_in_sight_by_a_variable_or_by_a_file() {
        let none = |_: &Path| false;
        assert!(in_sight(&vars(&[("GOOGLE_APPLICATION_CREDENTIALS", "/k.json")]), &none));
        assert!(!in_sight(&vars(&[("HOME", "/home/ana")]), &none));
        assert!(
            in_sight(&vars(&[("HOME", "/home/ana")]), &|file| file.ends_with("application_default_credentials.json"))
        );
    }
}
