//! What the credential plugin may know of Azure before anything is opened: variables and the names of files. No call, no
//! runtime, no configuration.
//!
//! Entra signs tokens, so nothing here can: a token that is kept and still good is the short way.

use crate::providers::{ClusterToken, Plugin};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Azure's.
#[derive(Debug)]
pub struct AzurePlugin;

impl Plugin for AzurePlugin {
    fn decides(&self, variable: &str) -> bool {
        ["AZURE_", "IDENTITY_", "MSI_"].iter().any(|start| variable.starts_with(start))
    }

    /// Who is signed in through `az`, and with which subscription. Its cache of tokens changes with every command and says
    /// nothing of that.
    fn files(&self, vars: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let home = vars.get("HOME").map(String::as_str).unwrap_or_default();
        let dir = vars.get("AZURE_CONFIG_DIR").filter(|dir| !dir.is_empty());
        let dir = dir.map_or_else(|| Path::new(home).join(".azure"), PathBuf::from);
        vec![dir.join("azureProfile.json"), dir.join("clouds.config")]
    }

    fn key_id<'v>(&self, _: &'v BTreeMap<String, String>) -> Option<&'v str> {
        None
    }

    fn profile<'v>(&self, _: &'v BTreeMap<String, String>) -> Option<&'v str> {
        None
    }

    fn sign(&self, _: &BTreeMap<String, String>, _: &str, _: &str, _: Timestamp) -> Option<ClusterToken> {
        None
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
    }
}
