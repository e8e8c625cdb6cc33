//! Kubeconfigs: for users of Entra one that asks for a token, for local accounts one with a client certificate.

use super::{CLUSTER, owner};
use crate::sandbox::{
    azure::{
        entra,
        store::{self, HIDDEN, of_kind},
        wire::{Answer, ArmError, Cx, Outcome, dig, text},
    },
    kubernetes,
    world::{Object, Tx},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::json;

/// The application that signs people in for kubelogin.
const LOGIN_CLIENT: &str = "80faf920-1908-4b52-b5ef-a8e7bedfc67a";

fn is_on(cluster: &Object, path: &str) -> bool {
    dig(&cluster.doc["properties"], path) == &json!(true)
}

/// Whether callers are known by tokens of Entra.
pub(super) fn by_entra(cluster: &Object) -> bool {
    is_on(cluster, "aadProfile.managed")
}

/// Whether there are client certificates.
pub(super) fn has_local_accounts(cluster: &Object) -> bool {
    !is_on(cluster, "disableLocalAccounts")
}

/// Makes the certificate of the local admin, once.
pub(super) fn make(tx: &mut Tx<'_>, id: &str) {
    let Some(cluster) = of_kind(tx, CLUSTER, id) else { return };
    if !has_local_accounts(cluster) || cluster.doc[HIDDEN]["admin"].is_object() {
        return;
    }
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "masterclient");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    let made = KeyPair::generate().and_then(|key| Ok((params.self_signed(&key)?, key)));
    let Ok((certificate, key)) = made else { return };
    let digest = kubernetes::certificate_digest(certificate.der());
    let admin = json!({"certificate": certificate.pem(), "key": key.serialize_pem(), "digest": digest});
    store::change(tx, id, |cluster| cluster.doc[HIDDEN]["admin"] = admin);
}

/// Whether this is the certificate of the local admin.
pub(super) fn is_admin(cluster: &Object, der: &[u8]) -> bool {
    has_local_accounts(cluster) && text(&cluster.doc, "_.admin.digest") == kubernetes::certificate_digest(der)
}

fn ready(cx: &Cx<'_, '_>) -> Result<Object, ArmError> {
    let cluster = owner(cx)?;
    if cluster.doc[HIDDEN]["up"] == json!(true) {
        return Ok(cluster);
    }
    let message = format!(
        "Managed cluster {} has no control plane that serves: its state is {}.",
        cluster.name.as_deref().unwrap_or_default(),
        cluster.state
    );
    Err(ArmError::bad("ClusterNotReady", message))
}

/// `listClusterUserCredential`.
pub(super) fn user(cx: &mut Cx<'_, '_>) -> Outcome {
    let cluster = ready(cx)?;
    let format = cx.asked("format").unwrap_or("azure").to_owned();
    if !matches!(format.as_str(), "azure" | "exec") {
        return Err(ArmError::bad("InvalidParameter", format!("The format '{format}' is not one of azure, exec.")));
    }
    let user = if by_entra(&cluster) { login(&format) } else { certificate(&cluster)? };
    Ok(answer(cx, &cluster, "clusterUser", &user))
}

/// `listClusterAdminCredential`.
pub(super) fn admin(cx: &mut Cx<'_, '_>) -> Outcome {
    let cluster = ready(cx)?;
    if !has_local_accounts(&cluster) {
        let message = "Getting static credential is not allowed because this cluster is set to disable local accounts.";
        return Err(ArmError::bad("BadRequest", message));
    }
    let user = certificate(&cluster)?;
    Ok(answer(cx, &cluster, "clusterAdmin", &user))
}

fn certificate(cluster: &Object) -> Result<String, ArmError> {
    let admin = &cluster.doc[HIDDEN]["admin"];
    if !admin.is_object() {
        return Err(ArmError::new(500, "InternalServerError", "Internal server error."));
    }
    let encoded = |key: &str| STANDARD.encode(text(admin, key));
    Ok(format!("    client-certificate-data: {}\n    client-key-data: {}\n", encoded("certificate"), encoded("key")))
}

fn login(format: &str) -> String {
    let tenant = super::super::TENANT;
    let server = entra::AKS_SERVER;
    match format {
        "exec" => format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      - --environment\n      - AzurePublicCloud\n      - --server-id\n      - {server}\n      - --client-id\n      - {LOGIN_CLIENT}\n      - --tenant-id\n      - {tenant}\n      - --login\n      - devicecode\n      command: kubelogin\n      env: null\n      installHint: |2\n\n        kubelogin is not installed which is required to connect to AAD enabled cluster.\n      provideClusterInfo: false\n"
        ),
        _ => format!(
            "    auth-provider:\n      config:\n        apiserver-id: {server}\n        client-id: {LOGIN_CLIENT}\n        config-mode: \"1\"\n        environment: AzurePublicCloud\n        tenant-id: {tenant}\n      name: azure\n"
        ),
    }
}

fn answer(cx: &Cx<'_, '_>, cluster: &Object, kind: &str, user: &str) -> Answer {
    let site = cx.tx.site();
    let name = cluster.name.as_deref().unwrap_or_default();
    let group = cx.target.group.as_deref().unwrap_or_default();
    let who = format!("{kind}_{group}_{name}");
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: {}/clusters/{}\n  name: {name}\ncontexts:\n- context:\n    cluster: {name}\n    user: {who}\n  name: {name}\ncurrent-context: {name}\nkind: Config\npreferences: {{}}\nusers:\n- name: {who}\n  user:\n{user}",
        STANDARD.encode(&site.ca_pem),
        site.kubernetes_url,
        text(&cluster.doc, "_.uid"),
    );
    Answer::ok(json!({"kubeconfigs": [{"name": kind, "value": STANDARD.encode(text)}]}))
}
