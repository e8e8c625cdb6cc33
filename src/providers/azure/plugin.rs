//! What the credential plugin may know of Azure before anything is opened: variables and the names of files. No call, no
//! runtime, no configuration.
//!
//! Entra signs tokens, so nothing here can: a token that is kept and still good is the short way.

use crate::providers::Plugin;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Azure's.
#[derive(Debug)]
pub struct AzurePlugin;

/// The folder of `az`. Without a home there is none: nothing of the working directory is read.
fn config_dir(vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    let said = |name: &str| vars.get(name).filter(|dir| !dir.is_empty());
    let of_home = || said("HOME").map(|home| Path::new(home).join(".azure"));
    said("AZURE_CONFIG_DIR").map(PathBuf::from).or_else(of_home)
}

/// Where `az` keeps who signed in, and with which subscription they work.
pub fn profile_file(vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    Some(config_dir(vars)?.join("azureProfile.json"))
}

/// Whether credentials are in sight, without trying them. A machine's managed identity is not: only a call tells.
pub fn in_sight(vars: &BTreeMap<String, String>, is_there: &dyn Fn(&Path) -> bool) -> bool {
    let named =
        ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT"];
    named.iter().any(|name| vars.get(*name).is_some_and(|value| !value.is_empty()))
        || profile_file(vars).is_some_and(|file| is_there(&file))
}

impl Plugin for AzurePlugin {
    fn decides(&self, variable: &str) -> bool {
        ["AZURE_", "IDENTITY_", "MSI_"].iter().any(|start| variable.starts_with(start))
    }

    /// Who is signed in through `az`, and with which subscription. Its cache of tokens changes with every command and says
    /// nothing of that.
    fn files(&self, vars: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let clouds = config_dir(vars).map(|dir| dir.join("clouds.config"));
        profile_file(vars).into_iter().chain(clouds).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn whose_token_it_is_hangs_on_variables_and_on_who_signed_in() {
        for decides in ["AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"] {
            assert!(AzurePlugin.decides(decides), "{decides}");
        }
        assert!(!AzurePlugin.decides("AWS_PROFILE"));
        let files = AzurePlugin.files(&vars(&[("HOME", "/home/ana")]));
        assert_eq!(files[0], Path::new("/home/ana/.azure/azureProfile.json"));
        let moved = AzurePlugin.files(&vars(&[("HOME", "/home/ana"), ("AZURE_CONFIG_DIR", "/etc/az")]));
        assert_eq!(moved[0], Path::new("/etc/az/azureProfile.json"));
        for homeless in [vars(&[]), vars(&[("HOME", ""), ("AZURE_CONFIG_DIR", "")])] {
            assert!(AzurePlugin.files(&homeless).is_empty(), "nothing of the working directory is read");
            assert!(!in_sight(&homeless, &|_| true));
        }
    }

    #[test]
    fn credentials_are_seen_without_trying_them() {
        let nothing = |_: &Path| false;
        assert!(!in_sight(&vars(&[("HOME", "/home/ana"), ("AZURE_CLIENT_ID", "c")]), &nothing));
        assert!(in_sight(&vars(&[("AZURE_CLIENT_SECRET", "s")]), &nothing));
        let signed_in = |path: &Path| path == Path::new("/home/ana/.azure/azureProfile.json");
        assert!(in_sight(&vars(&[("HOME", "/home/ana")]), &signed_in));
    }
}
