//! Which value counts: flag > environment > `.env` > the user's configuration > default, each with where it came from.

use super::user::UserConfig;
use crate::model::{Cloud, spec::Budget};
use std::{collections::BTreeMap, fmt};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, `--region`.
    Flag(&'static str),
    /// A variable of the process.
    Environment(String),
    /// A variable in a `.env` file.
    Dotenv {
        /// Its name.
        name: String,
        /// The file.
        file: String,
    },
    /// The user's configuration file.
    UserConfig {
        /// The file.
        file: String,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => f.write_str(name),
            Self::Dotenv { name, file } => write!(f, "{name} in {file}"),
            Self::UserConfig { file } => f.write_str(file),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// The variables of the process, with the files below them.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    environment: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
    dotenv_file: String,
    user: UserConfig,
    user_file: String,
}

/// What a cloud reads of a `.env` file, and which of its variables belong together.
struct Family {
    /// Beginnings of names that are the cloud's.
    prefixes: &'static [&'static str],
    /// Variables that name another account's configuration: with one of them in the environment the file says nothing.
    profiles: &'static [&'static str],
    /// Groups of which a layer that has one leaves nothing to say to the layers below: who calls, so that no key is ever
    /// made of one half from here and the other from there; where, for a region in the environment is one, whichever
    /// variable says it.
    groups: &'static [&'static [&'static str]],
}

const AWS_CALLERS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

const AWS: Family = Family {
    prefixes: &["AWS_"],
    profiles: &["KUBEWRIGHT_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"],
    groups: &[AWS_CALLERS, &["AWS_REGION", "AWS_DEFAULT_REGION"]],
};

const GCP: Family = Family {
    prefixes: &["GOOGLE_", "CLOUDSDK_", "GCE_METADATA_", "KUBEWRIGHT_GCP_"],
    profiles: &["CLOUDSDK_ACTIVE_CONFIG_NAME"],
    groups: &[
        &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
            "GCE_METADATA_HOST",
        ],
        &["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"],
        &["CLOUDSDK_COMPUTE_REGION", "CLOUDSDK_COMPUTE_ZONE"],
    ],
};

const AZURE: Family = Family {
    prefixes: &["AZURE_", "ARM_", "KUBEWRIGHT_ARM_"],
    profiles: &[],
    groups: &[&[
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
    ]],
};

const fn family(cloud: Cloud) -> &'static Family {
    match cloud {
        Cloud::Aws => &AWS,
        Cloud::Gcp => &GCP,
        Cloud::Azure => &AZURE,
    }
}

fn is_set(map: &BTreeMap<String, String>, name: &str) -> bool {
    map.get(name).is_some_and(|value| !value.is_empty())
}

fn any_set(map: &BTreeMap<String, String>, names: &[&str]) -> bool {
    names.iter().any(|name| is_set(map, name))
}

impl Layers {
    /// Only the variables of the process.
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment, ..Self::default() }
    }

    /// The `.env` file under them, where there is one.
    pub fn dotenv_file(&self) -> Option<&str> {
        Some(self.dotenv_file.as_str()).filter(|file| !file.is_empty())
    }

    /// With a `.env` file under them.
    #[must_use]
    pub fn with_dotenv(mut self, variables: BTreeMap<String, String>, file: &str) -> Self {
        (self.dotenv, self.dotenv_file) = (variables, file.to_owned());
        self
    }

    /// With the user's configuration under that.
    #[must_use]
    pub fn with_user(mut self, config: UserConfig, file: &str) -> Self {
        (self.user, self.user_file) = (config, file.to_owned());
        self
    }

    /// The variables of the process alone.
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The value of a variable. An empty one of ours is none, so that a shell can switch it off; of the others it
    /// counts.
    pub fn get(&self, name: &str) -> Option<Resolved<&str>> {
        let said = |map: &BTreeMap<String, String>| map.contains_key(name);
        let (value, origin) = if said(&self.environment) {
            (&self.environment[name], Origin::Environment(name.to_owned()))
        } else if said(&self.dotenv) {
            (&self.dotenv[name], Origin::Dotenv { name: name.to_owned(), file: self.dotenv_file.clone() })
        } else {
            (self.user.variables.get(name)?, Origin::UserConfig { file: self.user_file.clone() })
        };
        let off = value.is_empty() && name.starts_with("KUBEWRIGHT_");
        (!off).then_some(Resolved { value, origin })
    }

    /// The flag's value, else the variable's, else the default.
    ///
    /// # Errors
    /// What `parse` says of the variable's text, with where that stands.
    pub fn resolve<T, E>(
        &self,
        flag: (&'static str, Option<T>),
        variable: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Resolved<T>, (Origin, E)> {
        if let (flag, Some(value)) = flag {
            return Ok(Resolved { value, origin: Origin::Flag(flag) });
        }
        match self.get(variable) {
            None => Ok(Resolved { value: default, origin: Origin::Default }),
            Some(Resolved { value, origin }) => match parse(value) {
                Ok(value) => Ok(Resolved { value, origin }),
                Err(why) => Err((origin, why)),
            },
        }
    }

    /// All variables as one map, the stronger over the weaker.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let names = self.environment.keys().chain(self.dotenv.keys()).chain(self.user.variables.keys());
        names.filter_map(|name| Some((name.clone(), self.get(name)?.value.to_owned()))).collect()
    }

    /// The limits of clusters that bring none themselves.
    pub fn budget(&self) -> Option<&Budget> {
        self.user.budget.as_ref()
    }

    /// What the `.env` file says about a cloud and the environment does not: nothing when a profile is named by flag or
    /// environment, since that names another account.
    pub fn dotenv_of(&self, cloud: Cloud, profile_flag: bool) -> BTreeMap<String, String> {
        let Family { prefixes, profiles, groups } = family(cloud);
        let profile = cloud == Cloud::Aws && profile_flag;
        if profile || any_set(&self.environment, profiles) {
            return BTreeMap::new();
        }
        let outdone = |name: &str| {
            groups.iter().any(|group| group.contains(&name) && any_set(&self.environment, group))
                || is_set(&self.environment, name)
        };
        let wanted = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix)) && !outdone(name);
        self.dotenv.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The profile that counts of the one that was `chosen`: always if flag or environment named it, else only where
    /// no stronger layer says who calls.
    pub fn profile_that_counts(&self, chosen: Option<&str>) -> Option<String> {
        let chosen = chosen?;
        let named = self.get("KUBEWRIGHT_PROFILE").filter(|named| named.value == chosen);
        let outdone = match named.map(|named| named.origin) {
            Some(Origin::Dotenv { .. }) => any_set(&self.environment, AWS_CALLERS),
            Some(Origin::UserConfig { .. }) => {
                any_set(&self.environment, AWS_CALLERS) || any_set(&self.dotenv, AWS_CALLERS)
            }
            _ => false,
        };
        (!outdone).then(|| chosen.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn layers(environment: &[(&str, &str)]) -> Layers {
        let dotenv = [
            ("KUBEWRIGHT_REGION", "dotenv"),
            ("KUBEWRIGHT_OUTPUT", "yaml"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_REGION", "eu-west-1"),
            ("AZURE_CLIENT_ID", "me"),
        ];
        let user = UserConfig {
            variables: map(&[
                ("KUBEWRIGHT_REGION", "user"),
                ("KUBEWRIGHT_OUTPUT", "name"),
                ("KUBEWRIGHT_TIMEOUT", "1h"),
            ]),
            budget: None,
        };
        Layers::new(map(environment)).with_dotenv(map(&dotenv), "/x/.env").with_user(user, "/x/config.yaml")
    }

    #[test]
    fn the_stronger_layer_wins_and_says_so() {
        let layers = layers(&[("KUBEWRIGHT_REGION", "env")]);
        let region = |flag| {
            layers.resolve(("--region", flag), "KUBEWRIGHT_REGION", "none".to_owned(), |text| {
                Ok::<_, ()>(text.to_owned())
            })
        };
        let shown = |resolved: Resolved<String>| format!("{} from {}", resolved.value, resolved.origin);
        assert_eq!(shown(region(Some("flag".into())).unwrap()), "flag from --region");
        assert_eq!(shown(region(None).unwrap()), "env from KUBEWRIGHT_REGION");
        let origin = |name: &str| layers.get(name).map(|resolved| resolved.origin.to_string());
        assert_eq!(origin("KUBEWRIGHT_OUTPUT").unwrap(), "KUBEWRIGHT_OUTPUT in /x/.env");
        assert_eq!(origin("KUBEWRIGHT_TIMEOUT").unwrap(), "/x/config.yaml");
        assert_eq!(origin("KUBEWRIGHT_QUIET"), None);
        let (origin, _) = layers.resolve(("--output", None), "KUBEWRIGHT_OUTPUT", 0, str::parse::<u8>).unwrap_err();
        assert_eq!(origin, Origin::Dotenv { name: "KUBEWRIGHT_OUTPUT".into(), file: "/x/.env".into() });
        let all = layers.variables();
        assert_eq!((all["KUBEWRIGHT_REGION"].as_str(), all["KUBEWRIGHT_OUTPUT"].as_str()), ("env", "yaml"));
    }

    #[test]
    fn an_empty_variable_switches_the_weaker_layers_off() {
        assert_eq!(layers(&[("KUBEWRIGHT_REGION", "")]).get("KUBEWRIGHT_REGION"), None);
    }

    #[test]
    fn keys_come_from_one_place_and_not_at_all_beside_a_profile() {
        let names = |environment: &[(&str, &str)], flag| {
            layers(environment).dotenv_of(Cloud::Aws, flag).into_keys().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&[], false), "AWS_ACCESS_KEY_ID AWS_REGION AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN");
        assert_eq!(names(&[("AWS_ACCESS_KEY_ID", "other")], false), "AWS_REGION");
        assert_eq!(names(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")], false), "AWS_REGION");
        assert!(!names(&[("AWS_DEFAULT_REGION", "us-east-2")], false).contains("REGION"), "a region is one region");
        assert_eq!(names(&[], true), "");
        assert_eq!(names(&[("AWS_PROFILE", "p")], false), "");
        assert_eq!(names(&[("KUBEWRIGHT_PROFILE", "p")], false), "");
        assert_eq!(names(&[("AWS_PROFILE", "")], false).split(' ').count(), 4);
        let azure = layers(&[("AWS_PROFILE", "p")]).dotenv_of(Cloud::Azure, true);
        assert_eq!(azure.len(), 1, "an AWS profile says nothing about Azure");
    }

    #[test]
    fn callers_of_the_other_clouds_come_from_one_place_too() {
        let dotenv = map(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", "/k.json"),
            ("GOOGLE_CLOUD_PROJECT", "one"),
            ("CLOUDSDK_COMPUTE_ZONE", "us-central1-a"),
            ("KUBEWRIGHT_GCP_COMPUTE_ENDPOINT", "http://x/"),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "s"),
            ("AZURE_SUBSCRIPTION_ID", "sub"),
        ]);
        let names = |environment: &[(&str, &str)], cloud| {
            let layers = Layers::new(map(environment)).with_dotenv(dotenv.clone(), "/x/.env");
            layers.dotenv_of(cloud, true).into_keys().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names(&[], Cloud::Gcp),
            "CLOUDSDK_COMPUTE_ZONE GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT KUBEWRIGHT_GCP_COMPUTE_ENDPOINT"
        );
        let signed_in = [("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/t"), ("CLOUDSDK_COMPUTE_REGION", "europe-west1")];
        assert_eq!(names(&signed_in, Cloud::Gcp), "GOOGLE_CLOUD_PROJECT KUBEWRIGHT_GCP_COMPUTE_ENDPOINT");
        assert_eq!(names(&[("CLOUDSDK_ACTIVE_CONFIG_NAME", "work")], Cloud::Gcp), "");
        assert_eq!(names(&[("AZURE_CLIENT_ID", "other")], Cloud::Azure), "AZURE_SUBSCRIPTION_ID");
        assert_eq!(names(&[], Cloud::Azure).split(' ').count(), 4);
    }

    #[test]
    fn a_profile_of_a_weak_layer_yields_to_keys_of_a_stronger_one() {
        let user = UserConfig { variables: map(&[("KUBEWRIGHT_PROFILE", "team")]), budget: None };
        let counts = |environment: &[(&str, &str)], dotenv: &[(&str, &str)]| {
            let layers = Layers::new(map(environment)).with_dotenv(map(dotenv), "/x/.env");
            let layers = layers.with_user(user.clone(), "/x/config.yaml");
            layers.profile_that_counts(Some("team")).is_some()
        };
        let keys = [("AWS_ACCESS_KEY_ID", "id")];
        assert!(counts(&[], &[]));
        assert!(!counts(&keys, &[]) && !counts(&[], &keys));
        assert!(counts(&[("AWS_ACCESS_KEY_ID", "id"), ("KUBEWRIGHT_PROFILE", "team")], &[]), "named as strongly");
        assert!(counts(&[], &[("KUBEWRIGHT_PROFILE", "team"), ("AWS_ACCESS_KEY_ID", "id")]));
        assert!(!counts(&keys, &[("KUBEWRIGHT_PROFILE", "team")]));
        let other = Layers::new(map(&keys)).with_user(user.clone(), "/x/config.yaml");
        assert!(other.profile_that_counts(Some("by-flag")).is_some(), "a flag always counts");
    }
}
