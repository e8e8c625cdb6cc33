//! From endpoint, certificate and token to a client, and nothing else: no environment, no kubeconfig, no proxy.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{Client, Config};
use std::time::Duration;

/// All that is needed to talk to an API server.
#[derive(Debug, Clone)]
pub struct Access {
    /// `https://…`, with a path where the server stands below one.
    pub endpoint: String,
    /// Certificates the server is checked by, PEM. Nothing else is trusted.
    pub ca_pem: String,
    /// Bearer token.
    pub token: Secret<String>,
}

/// A client. Sends nothing yet.
///
/// # Errors
/// `Permanent` when the endpoint or the certificate cannot be read.
pub fn connect(access: &Access) -> Result<Client, StepError> {
    let refuse = |what: &str| {
        let message = format!("cannot reach the API server {}: {what}", access.endpoint);
        StepError::new(ErrorClass::Permanent, "KW-K8S-ACCESS", message).with_residue(Residue::None)
    };
    let url = access.endpoint.parse().map_err(|_| refuse("that is not a URL"))?;
    let mut config = Config::new(url);
    config.root_cert = Some(certificates(&access.ca_pem).ok_or_else(|| refuse("its CA certificate is not PEM"))?);
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(25));
    config.write_timeout = Some(Duration::from_secs(25));
    // Or the idle time of a kept connection would count against the next answer.
    config.reset_reader_on_write = true;
    // The engine alone tries again.
    config.default_retry = false;
    config.proxy_url = None;
    config.auth_info.token = Some(access.token.reveal().clone().into());
    Client::try_from(config).map_err(|error| refuse(&error.to_string()))
}

/// The certificates of a PEM text, in DER.
fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some((_, body)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) = body.split_once("-----END CERTIFICATE-----")?;
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        found.push(STANDARD.decode(body).ok()?);
        rest = after;
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_used_is_refused_without_showing_the_token() {
        let access = |endpoint: &str, ca: &str| Access {
            endpoint: endpoint.to_owned(),
            ca_pem: ca.to_owned(),
            token: Secret::new("hunter2".to_owned()),
        };
        for bad in
            [access("not a url", "x"), access("https://x", ""), access("https://x", "-----BEGIN CERTIFICATE-----\n%")]
        {
            let error = connect(&bad).err().unwrap();
            assert_eq!((error.class, error.residue.clone()), (ErrorClass::Permanent, Residue::None));
            assert!(!format!("{error:?}{bad:?}").contains("hunter2"));
        }
    }

    #[test]
    fn every_certificate_of_a_bundle_counts() {
        let one = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&format!("# note\n{one}{one}")), Some(vec![vec![1, 2, 3], vec![1, 2, 3]]));
    }
}
