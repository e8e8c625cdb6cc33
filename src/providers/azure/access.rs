//! The ways into a cluster that Azure hands out: where its API server is and whom to trust, and, where local accounts are
//! not switched off, a certificate that needs nobody's directory.
//!
//! Both are read when they are asked for and kept nowhere but in the kubeconfig they are for.

use super::client::{AzureCx, Op, version};
use super::refs::ArmId;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

const USER: Op = Op::new("containerservice:managedClusters.listClusterUserCredential", version::AKS);
const ADMIN: Op = Op::new("containerservice:managedClusters.listClusterAdminCredential", version::AKS);

/// Where a cluster's API server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `https://demo-….hcp.eastus.azmk8s.io:443`
    pub server: String,
    /// CA certificate, PEM.
    pub ca_pem: String,
    /// Certificate and key of the cluster's own administrator, PEM, where the kubeconfig holds them.
    pub certificate: Option<(String, Secret<String>)>,
}

#[derive(Deserialize)]
struct Credentials {
    kubeconfigs: Option<Vec<Credential>>,
}

#[derive(Deserialize)]
struct Credential {
    value: Option<String>,
}

/// What every user of the cluster may read: its kubeconfig, of which the way to the server counts. None while there is
/// no such cluster.
///
/// # Errors
/// As the call's.
pub async fn user(cx: &AzureCx, cluster: &ArmId) -> Result<Option<Access>, StepError> {
    read(cx, USER, cluster, "listClusterUserCredential", &[("format", "exec")]).await
}

/// The administrator's.
///
/// # Errors
/// As the call's: AKS refuses where local accounts are switched off.
pub async fn admin(cx: &AzureCx, cluster: &ArmId) -> Result<Option<Access>, StepError> {
    read(cx, ADMIN, cluster, "listClusterAdminCredential", &[]).await
}

async fn read(
    cx: &AzureCx,
    op: Op,
    cluster: &ArmId,
    action: &str,
    query: &[(&str, &str)],
) -> Result<Option<Access>, StepError> {
    let what = format!("the kubeconfig of cluster {}", cluster.name());
    let id = ArmId(format!("{cluster}/{action}"));
    let answer = match cx.post(op, &what, &id, query, None).await {
        Ok(answer) => answer,
        Err(failed) if super::error::absent(&failed) => return Ok(None),
        Err(failed) => return Err(failed),
    };
    let found: Credentials = super::client::parsed(op.name, &what, answer.body)?;
    let first = found.kubeconfigs.into_iter().flatten().find_map(|it| it.value);
    let parsed = first.and_then(|text| access_of(&STANDARD.decode(text.trim()).ok()?));
    parsed.map(Some).ok_or_else(|| {
        let message = format!("cannot read {what}: the answer holds none");
        StepError::new(ErrorClass::Transient, super::error::ANSWER, message).with_residue(Residue::None)
    })
}

#[derive(Deserialize)]
struct Kubeconfig {
    #[serde(default)]
    clusters: Vec<ClusterEntry>,
    #[serde(default)]
    users: Vec<UserEntry>,
}

#[derive(Deserialize)]
struct ClusterEntry {
    cluster: Server,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Server {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
struct UserEntry {
    #[serde(default)]
    user: Login,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Login {
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// What a kubeconfig says, if it says it.
fn access_of(yaml: &[u8]) -> Option<Access> {
    let read: Kubeconfig = serde_yaml::from_slice(yaml).ok()?;
    let pem = |text: &str| String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok();
    let Server { server, certificate_authority_data } = read.clusters.into_iter().next()?.cluster;
    let login = read.users.into_iter().next().map(|it| it.user).unwrap_or_default();
    let pair = login.client_certificate_data.zip(login.client_key_data);
    let certificate = pair.and_then(|(certificate, key)| Some((pem(&certificate)?, Secret::new(pem(&key)?))));
    Some(Access {
        server: server.trim_end_matches('/').to_owned(),
        ca_pem: pem(&certificate_authority_data)?,
        certificate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(user: &str) -> Vec<u8> {
        let ca = STANDARD.encode("-----BEGIN CERTIFICATE-----\n");
        format!("apiVersion: v1\nkind: Config\nclusters:\n- name: demo\n  cluster: {{ server: 'https://x:443/', certificate-authority-data: {ca} }}\nusers:\n- name: u\n  user: {user}\n").into_bytes()
    }

    #[test]
    fn the_way_in_is_read_and_a_key_is_never_shown() {
        let access = access_of(&kubeconfig("{ exec: { command: kubelogin } }")).unwrap();
        assert_eq!((access.server.as_str(), access.certificate), ("https://x:443", None));
        let (certificate, key) = (STANDARD.encode("CERT"), STANDARD.encode("SECRETKEY"));
        let user = format!("{{ client-certificate-data: {certificate}, client-key-data: {key} }}");
        let access = access_of(&kubeconfig(&user)).unwrap();
        assert_eq!(access.certificate.as_ref().map(|(it, _)| it.as_str()), Some("CERT"));
        assert!(!format!("{access:?}").contains("SECRETKEY"));
        assert!(access_of(b"nonsense: [").is_none() && access_of(b"{}").is_none());
    }
}
