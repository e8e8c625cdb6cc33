//! Every variable that kubewright listens to, with its meaning. Help, manual and the check for misspelt ones read this
//! table; a test holds that no source names a variable that is not in it.

use std::collections::BTreeMap;

/// What a variable is about: how help groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Stands for a flag.
    Flag,
    /// Where files are.
    Place,
    /// The pretend clouds.
    Sandbox,
    /// Where services are reached.
    Endpoint,
    /// A cloud's own, honoured as its tools do.
    Cloud,
    /// Passed between kubewright's own processes; not for people.
    Internal,
}

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// What it does, one line, as in help.
    pub doc: &'static str,
}

const fn var(name: &'static str, topic: Topic, doc: &'static str) -> Variable {
    Variable { name, topic, doc }
}

/// All of them, in the order of help. `--yes` has none, on purpose: nobody spends by a forgotten export.
pub const VARIABLES: &[Variable] = &[
    var("KUBEWRIGHT_PROVIDER", Topic::Flag, "cloud: aws, gcp or azure"),
    var("KUBEWRIGHT_REGION", Topic::Flag, "region in the cloud's own spelling"),
    var("KUBEWRIGHT_PROFILE", Topic::Flag, "AWS profile"),
    var("KUBEWRIGHT_ROLE_ARN", Topic::Flag, "AWS role to assume"),
    var("KUBEWRIGHT_PROJECT", Topic::Flag, "Google Cloud project"),
    var("KUBEWRIGHT_SUBSCRIPTION", Topic::Flag, "Azure subscription"),
    var("KUBEWRIGHT_OUTPUT", Topic::Flag, "table, json, yaml or name"),
    var("KUBEWRIGHT_EVENTS", Topic::Flag, "file that gets events as JSON lines; - is stdout"),
    var("KUBEWRIGHT_NO_INPUT", Topic::Flag, "never ask; a missing answer is exit 7"),
    var("KUBEWRIGHT_QUIET", Topic::Flag, "say less"),
    var("KUBEWRIGHT_VERBOSE", Topic::Flag, "say more: 1 or 2"),
    var("KUBEWRIGHT_NO_COLOR", Topic::Flag, "no colours"),
    var("NO_COLOR", Topic::Flag, "no colours, whatever it says (no-color.org)"),
    var("KUBEWRIGHT_TIMEOUT", Topic::Flag, "give up after this long: 90s, 30m, 8h"),
    var("KUBEWRIGHT_LOCK_TIMEOUT", Topic::Flag, "wait this long for another kubewright to let go of the stack"),
    var("KUBEWRIGHT_DOTENV", Topic::Flag, "file of variables instead of ~/.config/kubewright/.env"),
    var("KUBEWRIGHT_SANDBOX", Topic::Flag, "rehearse against the built-in pretend clouds"),
    var("KUBEWRIGHT_HOME", Topic::Place, "directory of journals, locks and the sandbox's world"),
    var("XDG_STATE_HOME", Topic::Place, "its kubewright directory is used where KUBEWRIGHT_HOME is not set"),
    var("XDG_CONFIG_HOME", Topic::Place, "its kubewright directory holds config.yaml and .env"),
    var("KUBEWRIGHT_COST", Topic::Place, "file of discounts and prices instead of ~/.config/kubewright/cost.yaml"),
    var("XDG_CACHE_HOME", Topic::Place, "its kubewright directory keeps what `cost refresh` has read"),
    var("HOME", Topic::Place, "where the two above are looked for when they are not set"),
    var("KUBECONFIG", Topic::Place, "kubeconfig files, as kubectl reads them"),
    var("KUBEWRIGHT_SANDBOX_SPEED", Topic::Sandbox, "how much faster its clock runs: a number, or max"),
    var("KUBEWRIGHT_SANDBOX_FAULT", Topic::Sandbox, "faults to inject: 'ec2:CreateVpc=lost-reply@1,seed=7'"),
    var("KUBEWRIGHT_SANDBOX_QUOTA", Topic::Sandbox, "quotas of the pretend account: L-1216C47A=8,L-F678F1CE=0"),
    var("KUBEWRIGHT_SANDBOX_SOLD_OUT", Topic::Sandbox, "machine types it has none of: m6a.large,t3.large@us-east-1b"),
    var("KUBEWRIGHT_SANDBOX_LAG", Topic::Sandbox, "how long its searches miss what was just made: 20s"),
    var("KUBEWRIGHT_SANDBOX_IAM_LAG", Topic::Sandbox, "how long its services miss what was just changed in IAM: 40s"),
    var(
        "KUBEWRIGHT_SANDBOX_CLOSED_REGION",
        Topic::Sandbox,
        "regions of no use: eu-west-3=denied,ap-east-1=off,sa-east-1=silent",
    ),
    var("KUBEWRIGHT_SANDBOX_POLICY", Topic::Sandbox, "file of IAM policies that its credentials are limited to"),
    var("KUBEWRIGHT_SANDBOX_PODS", Topic::Sandbox, "local: pods run as processes of this machine"),
    var("KUBEWRIGHT_SANDBOX_RECORD", Topic::Sandbox, "directory that keeps what its clouds were asked and answered"),
    var("AWS_ENDPOINT_URL", Topic::Endpoint, "every AWS service; AWS_ENDPOINT_URL_EC2 and the like for one"),
    var("KUBEWRIGHT_PRICE_AWS_ENDPOINT", Topic::Endpoint, "AWS price lists"),
    var("KUBEWRIGHT_PRICE_GCP_ENDPOINT", Topic::Endpoint, "Google's price list"),
    var("KUBEWRIGHT_PRICE_AZURE_ENDPOINT", Topic::Endpoint, "Azure's retail prices"),
    var("KUBEWRIGHT_PRICE_LAMBDA_ENDPOINT", Topic::Endpoint, "Lambda Cloud's instance types"),
    var("KUBEWRIGHT_GCP_CONTAINER_ENDPOINT", Topic::Endpoint, "GKE"),
    var("KUBEWRIGHT_GCP_COMPUTE_ENDPOINT", Topic::Endpoint, "Compute Engine, with its path: http://HOST/compute/v1/"),
    var("KUBEWRIGHT_GCP_IAM_ENDPOINT", Topic::Endpoint, "Google's IAM"),
    var("KUBEWRIGHT_GCP_CLOUDRESOURCEMANAGER_ENDPOINT", Topic::Endpoint, "Google's projects"),
    var("KUBEWRIGHT_GCP_SERVICEUSAGE_ENDPOINT", Topic::Endpoint, "which of Google's APIs are on"),
    var("KUBEWRIGHT_GCP_CLOUDBILLING_ENDPOINT", Topic::Endpoint, "Google's billing"),
    var(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER",
        Topic::Endpoint,
        "the same as gcloud reads it, for every service, where ours is not set",
    ),
    var("KUBEWRIGHT_ARM_ENDPOINT", Topic::Endpoint, "Azure Resource Manager"),
    var("AZURE_AUTHORITY_HOST", Topic::Endpoint, "where Entra gives tokens"),
    var("AWS_PROFILE", Topic::Cloud, "profile of ~/.aws/config"),
    var("AWS_REGION", Topic::Cloud, "region"),
    var("AWS_DEFAULT_REGION", Topic::Cloud, "region, where AWS_REGION is not set"),
    var("AWS_ACCESS_KEY_ID", Topic::Cloud, "access key"),
    var("AWS_SECRET_ACCESS_KEY", Topic::Cloud, "its secret"),
    var("AWS_SESSION_TOKEN", Topic::Cloud, "session of temporary keys"),
    var("AWS_CONFIG_FILE", Topic::Cloud, "instead of ~/.aws/config"),
    var("AWS_SHARED_CREDENTIALS_FILE", Topic::Cloud, "instead of ~/.aws/credentials"),
    var("AWS_WEB_IDENTITY_TOKEN_FILE", Topic::Cloud, "token of a workload that assumes AWS_ROLE_ARN"),
    var("AWS_ROLE_ARN", Topic::Cloud, "role of AWS_WEB_IDENTITY_TOKEN_FILE"),
    var("AWS_ROLE_SESSION_NAME", Topic::Cloud, "name of that session"),
    var("AWS_CA_BUNDLE", Topic::Cloud, "certificates that AWS endpoints are checked by"),
    var("GOOGLE_APPLICATION_CREDENTIALS", Topic::Cloud, "file of a service account, a user or a federated identity"),
    var("GOOGLE_CLOUD_PROJECT", Topic::Cloud, "Google Cloud project"),
    var("GOOGLE_CLOUD_QUOTA_PROJECT", Topic::Cloud, "project that calls of a signed-in user are counted in"),
    var("CLOUDSDK_CORE_PROJECT", Topic::Cloud, "project, where GOOGLE_CLOUD_PROJECT is not set"),
    var("CLOUDSDK_COMPUTE_REGION", Topic::Cloud, "Google Cloud region"),
    var("CLOUDSDK_COMPUTE_ZONE", Topic::Cloud, "zone, where the region is not set"),
    var("CLOUDSDK_CONFIG", Topic::Cloud, "instead of ~/.config/gcloud"),
    var("CLOUDSDK_ACTIVE_CONFIG_NAME", Topic::Cloud, "configuration of gcloud"),
    var("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", Topic::Cloud, "file of a token to call Google with"),
    var("GCE_METADATA_HOST", Topic::Cloud, "metadata server of a machine at Google"),
    var("AZURE_SUBSCRIPTION_ID", Topic::Cloud, "Azure subscription"),
    var("AZURE_DEFAULTS_LOCATION", Topic::Cloud, "Azure region"),
    var("AZURE_TENANT_ID", Topic::Cloud, "Entra tenant"),
    var("AZURE_CLIENT_ID", Topic::Cloud, "application or managed identity"),
    var("AZURE_CLIENT_SECRET", Topic::Cloud, "secret of that application"),
    var("AZURE_CLIENT_CERTIFICATE_PATH", Topic::Cloud, "PEM file with that application's certificate and its key"),
    var("AZURE_FEDERATED_TOKEN_FILE", Topic::Cloud, "token of a workload that is that application"),
    var("AZURE_CONFIG_DIR", Topic::Cloud, "instead of ~/.azure"),
    var("LAMBDA_API_KEY", Topic::Cloud, "key of Lambda Cloud, for its prices"),
    var("SSL_CERT_FILE", Topic::Cloud, "certificates that every endpoint is checked by"),
    var("HTTPS_PROXY", Topic::Cloud, "proxy for https, clusters too, with NO_PROXY"),
    var("KUBEWRIGHT_COMPLETE", Topic::Internal, "set by the shell's completion script"),
    var("KUBEWRIGHT_SANDBOX_PARENT", Topic::Internal, "process that serves the sandbox a command runs in"),
    var("KUBEWRIGHT_SANDBOX_CLOCK", Topic::Internal, "control address of the sandbox a command runs in"),
];

/// Variables of ours that are set but do nothing: their name and the one that was probably meant.
pub fn misspelt(vars: &BTreeMap<String, String>) -> Vec<(String, Option<&'static str>)> {
    let ours = |name: &&String| name.starts_with("KUBEWRIGHT_") && !VARIABLES.iter().any(|known| known.name == **name);
    let meant = |name: &str| {
        let public = VARIABLES.iter().filter(|known| known.topic != Topic::Internal).map(|known| known.name);
        let best = public.min_by_key(|known| strsim::damerau_levenshtein(name, known))?;
        (strsim::damerau_levenshtein(name, best) <= 3).then_some(best)
    };
    vars.keys().filter(ours).map(|name| (name.clone(), meant(name))).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test reads the sources")]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn a_misspelt_variable_is_told() {
        let vars = ["KUBEWRIGHT_REGIN", "KUBEWRIGHT_REGION", "KUBEWRIGHT_YES", "AWS_REGIN"];
        let vars = vars.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let told = misspelt(&vars);
        assert_eq!(told[0], ("KUBEWRIGHT_REGIN".to_owned(), Some("KUBEWRIGHT_REGION")));
        assert_eq!((told.len(), told[1].0.as_str()), (2, "KUBEWRIGHT_YES"));
    }

    #[test]
    fn names_are_in_the_table_once() {
        let mut names: Vec<_> = VARIABLES.iter().map(|known| known.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VARIABLES.len());
    }

    #[test]
    fn no_source_listens_to_a_variable_that_is_not_in_the_table() {
        let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            // It keeps variables of other versions from its child too.
            if path.ends_with("sandbox/child.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"KUBEWRIGHT_") {
                let name: String = text[at + 1..].chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
                // A prefix, or a wrong one of a test.
                let wrong = ["KUBEWRIGHT_REGIN", "KUBEWRIGHT_YES"].contains(&name.as_str());
                if name.ends_with('_') || wrong {
                    continue;
                }
                seen += 1;
                assert!(VARIABLES.iter().any(|known| known.name == name), "{name} in {}", path.display());
            }
        }
        assert!(seen > 10, "only {seen} variables seen: the test looks in the wrong place");
    }
}
