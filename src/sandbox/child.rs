//! The environment of a command that runs against the sandbox: nothing of the user's clouds gets in.
//!
//! Only what is listed passes; credentials, profiles, proxies and kubeconfigs of the user never do.

use super::{Endpoints, aws::sts, azure, gcp, prices};
use crate::cost::catalogue;
use crate::model::{Cloud, Region};
use std::{collections::BTreeMap, ffi::OsString, path::Path};

/// Variables that pass unchanged.
const KEPT: &[&str] =
    &["PATH", "TERM", "LANG", "TMPDIR", "NO_COLOR", "COLUMNS", "LINES", "COLORTERM", "RUST_BACKTRACE", "SHELL", "USER"];

/// Our own variables that do not pass: they name real clouds, or are set anew.
const OURS_DROPPED: &[&str] = &[
    "KUBEWRIGHT_HOME",
    "KUBEWRIGHT_SANDBOX",
    "KUBEWRIGHT_PROFILE",
    "KUBEWRIGHT_ROLE_ARN",
    "KUBEWRIGHT_PROJECT",
    "KUBEWRIGHT_SUBSCRIPTION",
    "KUBEWRIGHT_DOTENV",
    "KUBEWRIGHT_STATE",
    "KUBEWRIGHT_KUBECONFIG",
];

/// Where the child's clock reads the time.
pub const CLOCK_VARIABLE: &str = "KUBEWRIGHT_SANDBOX_CLOCK";

fn passes(name: &str) -> bool {
    KEPT.contains(&name)
        || name.starts_with("LC_")
        || name.starts_with("KUBEWRIGHT_") && !OURS_DROPPED.contains(&name) && !name.ends_with("_ENDPOINT")
}

/// What other clients (aws, gcloud, az, kubectl) need to meet the sandbox, by name. `region` says each cloud's usual one.
pub fn client_env(
    endpoints: &Endpoints,
    dir: &Path,
    region: impl Fn(Cloud) -> Option<Region>,
) -> BTreeMap<String, OsString> {
    let usual = |cloud: Cloud| {
        let known = |region: &Region| catalogue().regions(cloud).iter().any(|name| name == region.as_str());
        let said = region(cloud).filter(known).map(|region| region.0);
        OsString::from(said.unwrap_or_else(|| cloud.terms().example_region.to_owned()))
    };
    let (key, secret) = sts::default_keys();
    let text = |value: &str| OsString::from(value);
    let path = |name: &str| dir.join(name).into_os_string();
    let mut env = gcp::client_env(&endpoints.gcp, dir);
    env.extend(azure::client_env(endpoints));
    env.extend(prices::client_env(endpoints));
    env.extend([
        ("AWS_ENDPOINT_URL".to_owned(), text(&endpoints.aws)),
        ("AWS_ACCESS_KEY_ID".to_owned(), text(&key)),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), text(&secret)),
        ("AWS_REGION".to_owned(), usual(Cloud::Aws)),
        ("AWS_DEFAULT_REGION".to_owned(), usual(Cloud::Aws)),
        ("CLOUDSDK_COMPUTE_REGION".to_owned(), usual(Cloud::Gcp)),
        ("AZURE_DEFAULTS_LOCATION".to_owned(), usual(Cloud::Azure)),
        ("AWS_EC2_METADATA_DISABLED".to_owned(), text("true")),
        ("AWS_CONFIG_FILE".to_owned(), path("aws-config")),
        ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), path("aws-credentials")),
        ("KUBECONFIG".to_owned(), path("kubeconfig")),
        ("SSL_CERT_FILE".to_owned(), path("ca.pem")),
        ("NO_PROXY".to_owned(), text("127.0.0.1,localhost")),
    ]);
    env
}

/// The whole environment of a child of `kubewright --sandbox`, from the parent's. The region the parent's environment
/// names is kept: it is no secret and opens nothing.
pub fn child_env(
    parent: impl IntoIterator<Item = (OsString, OsString)>,
    endpoints: &Endpoints,
    dir: &Path,
) -> Vec<(OsString, OsString)> {
    let parent: BTreeMap<OsString, OsString> = parent.into_iter().collect();
    let told: BTreeMap<String, String> = parent
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    let mut env: BTreeMap<OsString, OsString> = parent
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(passes))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let clients = client_env(endpoints, dir, |cloud| cloud.region_in(&told));
    env.extend(clients.into_iter().map(|(name, value)| (OsString::from(name), value)));
    for (name, value) in [
        ("HOME", dir.join("home").into_os_string()),
        ("KUBEWRIGHT_HOME", dir.as_os_str().to_owned()),
        (CLOCK_VARIABLE, OsString::from(endpoints.clock())),
    ] {
        env.insert(OsString::from(name), value);
    }
    env.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::dir::Ports;
    use std::ffi::OsStr;

    #[test]
    fn nothing_of_the_users_clouds_gets_in() {
        let parent = [
            ("PATH", "/bin"),
            ("HOME", "/home/me"),
            ("AWS_PROFILE", "prod"),
            ("AWS_ACCESS_KEY_ID", "AKIAREAL"),
            ("AWS_SESSION_TOKEN", "real"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_EKS", "https://real"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json"),
            ("AZURE_CLIENT_SECRET", "real"),
            ("KUBECONFIG", "/home/me/.kube/config"),
            ("HTTPS_PROXY", "http://proxy"),
            ("LC_ALL", "C.UTF-8"),
            ("KUBEWRIGHT_PROFILE", "prod"),
            ("KUBEWRIGHT_OUTPUT", "json"),
            ("KUBEWRIGHT_ARM_ENDPOINT", "https://real"),
        ];
        let endpoints = Endpoints::at(&Ports { aws: 1, kubernetes: 2, gcp: 3, azure: 4 });
        let parent = parent.map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let env: BTreeMap<_, _> = child_env(parent, &endpoints, Path::new("/kw/sandbox")).into_iter().collect();
        let get = |name: &str| env.get(OsStr::new(name)).and_then(|value| value.to_str());
        for gone in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_EKS", "HTTPS_PROXY", "KUBEWRIGHT_PROFILE"] {
            assert_eq!(get(gone), None, "{gone}");
        }
        assert!(env.values().all(|value| !value.to_string_lossy().contains("real")));
        assert_eq!(get("AWS_REGION"), Some("eu-west-1"));
        assert_eq!(get("AWS_ACCESS_KEY_ID"), Some(sts::default_keys().0.as_str()));
        assert_eq!(get("GOOGLE_APPLICATION_CREDENTIALS"), Some("/kw/sandbox/gcp-key.json"));
        assert_eq!(get("KUBEWRIGHT_GCP_COMPUTE_ENDPOINT"), Some("http://127.0.0.1:3/compute/v1/"));
        assert_eq!(get("KUBEWRIGHT_ARM_ENDPOINT"), Some("https://localhost:4"));
        assert_eq!(get("KUBECONFIG"), Some("/kw/sandbox/kubeconfig"));
        assert_eq!(get("HOME"), Some("/kw/sandbox/home"));
        assert_eq!(get("KUBEWRIGHT_OUTPUT"), Some("json"));
        assert_eq!(get("LC_ALL"), Some("C.UTF-8"));
    }
}
