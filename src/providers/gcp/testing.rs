//! Values that the unit tests of this provider share.

use super::client::GcpCx;
use crate::model::spec::{ReleaseChannel, ResolvedGcp, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec, Secrets};
use crate::providers::{OpenOptions, testing};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The default cluster in us-central1.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    let zones = ["us-central1-a", "us-central1-b"];
    let gcp = ResolvedGcp {
        project_number: "123456789012".to_owned(),
        location: "us-central1-a".to_owned(),
        autopilot: false,
        release_channel: ReleaseChannel::Regular,
        initial_version: "1.35.6-gke.1127000".to_owned(),
        pod_cidr: "10.0.128.0/17".parse().ok(),
        service_cidr: "10.0.16.0/20".parse().ok(),
        node_service_account: None,
        oauth_scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
        addons: super::addons::USUAL.map(str::to_owned).to_vec(),
    };
    let common = testing::spec(name, Cloud::Gcp, ("us-central1", "acme-prod"), zones, pool("default"));
    ResolvedSpec { gcp: Some(gcp), ..common }
}

/// A pool of two e2-standard-2.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    testing::pool(name, "e2-standard-2")
}

/// A context whose Kubernetes Engine is at this address, and nothing else of Google anywhere.
pub(crate) fn cx_at(url: &str) -> GcpCx {
    let nowhere = ["COMPUTE", "IAM", "CLOUDRESOURCEMANAGER", "SERVICEUSAGE", "CLOUDBILLING"];
    let nowhere = nowhere.map(|name| (format!("KUBEWRIGHT_GCP_{name}_ENDPOINT"), "http://127.0.0.1:1".to_owned()));
    let mut vars = BTreeMap::from(nowhere);
    vars.insert("KUBEWRIGHT_GCP_CONTAINER_ENDPOINT".to_owned(), url.to_owned());
    vars.insert("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE".to_owned(), "/token".to_owned());
    let options = OpenOptions {
        region: None,
        profile: None,
        role_arn: None,
        account: Some("acme-prod".to_owned()),
        dotenv: BTreeMap::new(),
        vars,
        http: Arc::new(|| Ok(reqwest::Client::new())),
        read_file: Arc::new(|path: &Path| Ok((path == Path::new("/token")).then(|| "a-token-of-a-test".to_owned()))),
        clock: Arc::new(testing::Stands),
        wall: Arc::new(testing::Stands),
        secrets: Secrets::default(),
    };
    GcpCx::open(&options, Region("us-central1".to_owned())).unwrap()
}
