//! The add-ons and access policies EKS offers: names, versions, permissions, configuration schemas. Data and look-ups only.

use super::versions::{self, KubeVersion};
use serde_json::{Value, json};

/// An add-on of AWS's own.
#[derive(Debug)]
pub(super) struct AddonInfo {
    /// Its name in the API.
    pub(super) name: &'static str,
    /// The kind shown in listings.
    pub(super) kind: &'static str,
    /// Where its pods live.
    pub(super) namespace: &'static str,
    /// Whether it needs nodes to become healthy (a Deployment, not a DaemonSet).
    pub(super) needs_nodes: bool,
    /// The service account and managed policy it wants, if it calls AWS.
    pub(super) identity: Option<(&'static str, &'static str)>,
    /// Top-level keys of its configuration.
    settings: &'static [&'static str],
    /// Names the builds for a Kubernetes version, the default one first.
    builds: fn(&KubeVersion) -> [String; 2],
}

impl AddonInfo {
    /// The builds for a Kubernetes version, the default first, then an older one that still works.
    pub(super) fn builds(&self, version: &KubeVersion) -> [String; 2] {
        (self.builds)(version)
    }

    /// Whether that build exists for that Kubernetes version.
    pub(super) fn fits(&self, build: &str, version: &KubeVersion) -> bool {
        self.builds(version).iter().any(|b| b == build)
    }

    /// Whether that build exists at all.
    pub(super) fn has_build(&self, build: &str) -> bool {
        versions::VERSIONS.iter().any(|v| self.fits(build, v))
    }

    /// The JSON schema of its configuration, as the text the service answers with.
    pub(super) fn configuration_schema(&self) -> String {
        let properties: serde_json::Map<String, Value> =
            self.settings.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/Configuration",
            "definitions": {"Configuration": {"type": "object", "additionalProperties": false, "properties": properties}},
        })
        .to_string()
    }

    /// Judges configuration values: JSON or YAML, an object, known keys.
    pub(super) fn check_configuration(&self, text: &str) -> Result<(), String> {
        let refuse = |why: String| {
            format!(
                "ConfigurationValue provided in request is not supported: Json schema validation failed with error: [{why}]"
            )
        };
        let parsed: Value = serde_yaml::from_str(text)
            .map_err(|_| "The configuration values provided are not valid JSON or YAML".to_owned())?;
        let Some(map) = parsed.as_object() else {
            return Err(refuse("$: not an object".to_owned()));
        };
        match map.keys().find(|key| !self.settings.contains(&key.as_str())) {
            Some(key) => Err(refuse(format!(
                "$.{key}: is not defined in the schema and the schema does not allow additional properties"
            ))),
            None => Ok(()),
        }
    }
}

fn same(newest: &str, older: &str) -> [String; 2] {
    [newest.to_owned(), older.to_owned()]
}

/// All add-ons, in the order of the listing.
pub(super) const ADDONS: &[AddonInfo] = &[
    AddonInfo {
        name: "vpc-cni",
        kind: "networking",
        namespace: "kube-system",
        needs_nodes: false,
        identity: Some(("aws-node", "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy")),
        settings: &[
            "affinity",
            "cri",
            "enableNetworkPolicy",
            "enableWindowsIpam",
            "enableWindowsPrefixDelegation",
            "env",
            "eniConfig",
            "extraVolumeMounts",
            "extraVolumes",
            "init",
            "livenessProbeTimeoutSeconds",
            "minimumWindowsIPTarget",
            "nodeAgent",
            "nodeSelector",
            "podAnnotations",
            "podLabels",
            "readinessProbeTimeoutSeconds",
            "resources",
            "tolerations",
            "warmIPTarget",
            "warmPrefixTarget",
            "warmWindowsIPTarget",
        ],
        builds: |_| same("v1.21.1-eksbuild.3", "v1.20.5-eksbuild.1"),
    },
    AddonInfo {
        name: "kube-proxy",
        kind: "networking",
        namespace: "kube-system",
        needs_nodes: false,
        identity: None,
        settings: &["ipvs", "mode", "podAnnotations", "podLabels", "resources", "tolerations"],
        builds: |v| [format!("v{}-eksbuild.2", v.patch), format!("v{}.0-eksbuild.2", v.minor)],
    },
    AddonInfo {
        name: "coredns",
        kind: "networking",
        namespace: "kube-system",
        needs_nodes: true,
        identity: None,
        settings: &[
            "affinity",
            "autoScaling",
            "computeType",
            "corefile",
            "nodeSelector",
            "podAnnotations",
            "podDisruptionBudget",
            "podLabels",
            "replicaCount",
            "resources",
            "tolerations",
            "topologySpreadConstraints",
        ],
        builds: |v| match v.number() {
            ..=32 => same("v1.11.4-eksbuild.24", "v1.11.4-eksbuild.2"),
            33 => same("v1.12.4-eksbuild.1", "v1.12.1-eksbuild.2"),
            34 => same("v1.12.4-eksbuild.6", "v1.12.3-eksbuild.1"),
            _ => same("v1.13.2-eksbuild.1", "v1.13.1-eksbuild.1"),
        },
    },
    AddonInfo {
        name: "eks-pod-identity-agent",
        kind: "security",
        namespace: "kube-system",
        needs_nodes: false,
        identity: None,
        settings: &["affinity", "agent", "nodeSelector", "podAnnotations", "podLabels", "resources", "tolerations"],
        builds: |_| same("v1.3.10-eksbuild.2", "v1.3.8-eksbuild.2"),
    },
    AddonInfo {
        name: "aws-ebs-csi-driver",
        kind: "storage",
        namespace: "kube-system",
        needs_nodes: true,
        identity: Some(("ebs-csi-controller-sa", "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy")),
        settings: &[
            "a1CompatibilityDaemonSet",
            "controller",
            "defaultStorageClass",
            "fips",
            "image",
            "node",
            "nodeComponentOnly",
            "proxy",
            "sidecars",
            "useOldCSIDriver",
        ],
        builds: |_| same("v1.54.0-eksbuild.1", "v1.50.1-eksbuild.1"),
    },
    AddonInfo {
        name: "metrics-server",
        kind: "observability",
        namespace: "kube-system",
        needs_nodes: true,
        identity: None,
        settings: &[
            "addonResizer",
            "affinity",
            "nodeSelector",
            "podAnnotations",
            "podDisruptionBudget",
            "podLabels",
            "replicas",
            "resources",
            "tolerations",
            "topologySpreadConstraints",
            "updateStrategy",
        ],
        builds: |_| same("v0.8.0-eksbuild.6", "v0.7.2-eksbuild.4"),
    },
    AddonInfo {
        name: "eks-node-monitoring-agent",
        kind: "observability",
        namespace: "kube-system",
        needs_nodes: false,
        identity: None,
        settings: &["dcgmAgent", "monitoringAgent"],
        builds: |_| same("v1.4.2-eksbuild.1", "v1.4.0-eksbuild.2"),
    },
];

/// The add-on of that name.
pub(super) fn addon(name: &str) -> Option<&'static AddonInfo> {
    ADDONS.iter().find(|a| a.name == name)
}

/// What every access policy's ARN starts with.
const POLICY_PREFIX: &str = "arn:aws:eks::aws:cluster-access-policy/";

/// The access policies, by name.
pub(super) const ACCESS_POLICIES: &[&str] = &[
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

/// The ARN of an access policy.
pub(super) fn policy_arn(name: &str) -> String {
    format!("{POLICY_PREFIX}{name}")
}

/// The name in an access policy's ARN, if there is such a policy.
pub(in crate::sandbox) fn policy_name(arn: &str) -> Option<&'static str> {
    let name = arn.strip_prefix(POLICY_PREFIX)?;
    ACCESS_POLICIES.iter().copied().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_judged_by_its_keys() {
        let cni = addon("vpc-cni").expect("offered");
        assert_eq!(cni.check_configuration(r#"{"env": {"ENABLE_PREFIX_DELEGATION": "true"}}"#), Ok(()));
        assert_eq!(cni.check_configuration("env:\n  A: b\n"), Ok(()));
        assert!(
            cni.check_configuration(r#"{"enev": {}}"#)
                .expect_err("refused")
                .contains("$.enev: is not defined in the schema")
        );
        assert!(cni.check_configuration("[1]").is_err());
        assert!(cni.check_configuration("{").is_err());
    }

    #[test]
    fn every_addon_has_a_default_for_every_version() {
        for info in ADDONS {
            for version in versions::VERSIONS {
                let [first, second] = info.builds(version);
                assert_ne!(first, second, "{} {}", info.name, version.minor);
                assert!(info.fits(&first, version) && info.has_build(&second));
            }
        }
        let v35 = versions::named("1.35").expect("known");
        assert!(!addon("kube-proxy").expect("offered").fits("v1.34.8-eksbuild.2", v35));
    }

    #[test]
    fn only_known_policies_have_names() {
        assert_eq!(
            policy_name("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"),
            Some("AmazonEKSViewPolicy")
        );
        assert_eq!(policy_name("arn:aws:iam::aws:policy/AmazonEKSViewPolicy"), None);
        assert_eq!(policy_name("arn:aws:eks::aws:cluster-access-policy/Nope"), None);
    }
}
