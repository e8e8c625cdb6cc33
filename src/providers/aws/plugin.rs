//! What the credential plugin may know of AWS before anything is opened: variables, the names of files, and how keys of
//! the environment sign by themselves. No call, no runtime, no configuration.

use super::token::static_token;
use crate::providers::{ClusterToken, Plugin};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// AWS's.
#[derive(Debug)]
pub struct AwsPlugin;

fn set<'v>(vars: &'v BTreeMap<String, String>, name: &str) -> Option<&'v str> {
    vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether credentials are in sight, without trying them.
pub fn in_sight(vars: &BTreeMap<String, String>, is_there: &dyn Fn(&Path) -> bool) -> bool {
    ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"].iter().any(|name| set(vars, name).is_some())
        || AwsPlugin.files(vars).iter().any(|file| is_there(file))
}

impl Plugin for AwsPlugin {
    fn decides(&self, variable: &str) -> bool {
        variable.starts_with("AWS_")
    }

    fn files(&self, vars: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let home = vars.get("HOME").map(String::as_str).unwrap_or_default();
        let named = |name: &str, usual: &str| vars.get(name).map_or_else(|| Path::new(home).join(usual), PathBuf::from);
        vec![named("AWS_CONFIG_FILE", ".aws/config"), named("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")]
    }

    fn key_id<'v>(&self, vars: &'v BTreeMap<String, String>) -> Option<&'v str> {
        set(vars, "AWS_SECRET_ACCESS_KEY").and_then(|_| set(vars, "AWS_ACCESS_KEY_ID"))
    }

    fn profile<'v>(&self, vars: &'v BTreeMap<String, String>) -> Option<&'v str> {
        set(vars, "AWS_PROFILE").filter(|_| set(vars, "AWS_ACCESS_KEY_ID").is_none())
    }

    fn sign(
        &self,
        vars: &BTreeMap<String, String>,
        region: &str,
        cluster: &str,
        now: Timestamp,
    ) -> Option<ClusterToken> {
        let (id, secret) = (self.key_id(vars)?, set(vars, "AWS_SECRET_ACCESS_KEY")?);
        let session = set(vars, "AWS_SESSION_TOKEN").map(str::to_owned);
        static_token(id, secret, session, region, cluster, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_count_only_as_a_pair_and_beat_a_profile() {
        let (id, secret, profile) =
            (("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_PROFILE", "p"));
        assert_eq!(AwsPlugin.key_id(&vars(&[id, secret])), Some("AKID"));
        for half in [&[id][..], &[secret], &[id, ("AWS_SECRET_ACCESS_KEY", "")]] {
            assert_eq!(AwsPlugin.key_id(&vars(half)), None);
        }
        assert_eq!(AwsPlugin.profile(&vars(&[profile])), Some("p"));
        assert_eq!(AwsPlugin.profile(&vars(&[profile, id, secret])), None);
    }

    #[test]
    fn the_files_are_where_the_vendors_tools_look() {
        let usual = AwsPlugin.files(&vars(&[("HOME", "/home/ana")]));
        assert_eq!(usual, [Path::new("/home/ana/.aws/config"), Path::new("/home/ana/.aws/credentials")]);
        let named = AwsPlugin.files(&vars(&[("HOME", "/home/ana"), ("AWS_CONFIG_FILE", "/etc/aws")]));
        assert_eq!(named[0], Path::new("/etc/aws"));
    }
}
