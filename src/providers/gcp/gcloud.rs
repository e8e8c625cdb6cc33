//! What gcloud's own folder says: the account it is signed in with, and the project, region and zone it works in.
//!
//! Only read, and only texts: which configuration is active, and that configuration's lines. Variables come before
//! them, as they do for gcloud.

use crate::providers::FileReader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// gcloud's folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// The active configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Who is signed in.
    pub account: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The zone.
    pub zone: Option<String>,
}

impl Folder {
    /// Where it is; `CLOUDSDK_CONFIG` moves it.
    pub fn of(vars: &BTreeMap<String, String>) -> Option<Self> {
        let said = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        if let Some(moved) = said("CLOUDSDK_CONFIG") {
            return Some(Self(moved.into()));
        }
        if let Some(roaming) = said("APPDATA").filter(|_| cfg!(windows)) {
            return Some(Self(PathBuf::from(roaming).join("gcloud")));
        }
        said("HOME").map(|home| Self(PathBuf::from(home).join(".config/gcloud")))
    }

    /// The application default credentials.
    pub fn default_credentials(&self) -> PathBuf {
        self.0.join("application_default_credentials.json")
    }

    /// Who is signed in with gcloud itself; a data base, never opened here.
    pub fn accounts(&self) -> PathBuf {
        self.0.join("credentials.db")
    }

    /// Which configuration is active.
    pub fn active(&self) -> PathBuf {
        self.0.join("active_config")
    }

    /// The configuration of this name.
    pub fn configuration(&self, name: &str) -> PathBuf {
        self.0.join("configurations").join(format!("config_{name}"))
    }

    /// The file of the active configuration: a variable names it, else a file does.
    pub fn active_configuration(
        &self,
        vars: &BTreeMap<String, String>,
        text: &dyn Fn(&Path) -> Option<String>,
    ) -> PathBuf {
        let named = vars.get("CLOUDSDK_ACTIVE_CONFIG_NAME").filter(|name| !name.is_empty()).cloned();
        let active = named.or_else(|| text(&self.active()).map(|name| name.trim().to_owned()));
        self.configuration(active.as_deref().filter(|name| !name.is_empty()).unwrap_or("default"))
    }

    /// The active configuration; none where gcloud was never set up.
    pub fn read(&self, vars: &BTreeMap<String, String>, read: &FileReader) -> Option<Config> {
        let text = |path: &Path| read(path).ok().flatten();
        text(&self.active_configuration(vars, &text)).map(|text| parse(&text))
    }
}

/// The values that variables or the configuration give; variables win.
pub fn settings(vars: &BTreeMap<String, String>, read: &FileReader) -> Config {
    let kept = Folder::of(vars).and_then(|folder| folder.read(vars, read)).unwrap_or_default();
    let said =
        |names: &[&str]| names.iter().find_map(|name| vars.get(*name).filter(|value| !value.is_empty())).cloned();
    Config {
        account: said(&["CLOUDSDK_CORE_ACCOUNT"]).or(kept.account),
        project: said(&["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"]).or(kept.project),
        region: said(&["CLOUDSDK_COMPUTE_REGION"]).or(kept.region),
        zone: said(&["CLOUDSDK_COMPUTE_ZONE"]).or(kept.zone),
    }
}

/// `[section]` and `key = value`, as Python's configparser writes them.
fn parse(text: &str) -> Config {
    let mut config = Config::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((key, value)) = line.split_once('=') {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match (section, key.trim()) {
                ("core", "account") => config.account = value,
                ("core", "project") => config.project = value,
                ("compute", "region") => config.region = value,
                ("compute", "zone") => config.zone = value,
                _ => {}
            }
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_active_configuration_is_read_and_variables_win() {
        let read: FileReader = Arc::new(|path: &Path| {
            Ok(match path.to_str().unwrap_or_default() {
                "/home/.config/gcloud/active_config" => Some("work\n".to_owned()),
                "/home/.config/gcloud/configurations/config_work" => Some(
                    "[core]\naccount = me@example.com\nproject = acme\n\n[compute]\nregion = europe-west4\n".to_owned(),
                ),
                _ => None,
            })
        });
        let mut vars = BTreeMap::from([("HOME".to_owned(), "/home".to_owned())]);
        let found = settings(&vars, &read);
        assert_eq!(found.account.as_deref(), Some("me@example.com"));
        assert_eq!((found.project.as_deref(), found.region.as_deref()), (Some("acme"), Some("europe-west4")));
        vars.insert("GOOGLE_CLOUD_PROJECT".to_owned(), "other".to_owned());
        assert_eq!(settings(&vars, &read).project.as_deref(), Some("other"));
        vars.insert("CLOUDSDK_ACTIVE_CONFIG_NAME".to_owned(), "none".to_owned());
        assert_eq!(settings(&vars, &read).account, None);
    }
}
