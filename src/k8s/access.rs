//! From endpoint, certificate and token to a client, and nothing else: no kubeconfig, and of the environment only the
//! proxy that all clients of this machine go through.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::client::proxy::matcher::Matcher;
use kube::{Client, Config};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::net::IpAddr;
use std::time::Duration;

/// All that is needed to talk to an API server.
#[derive(Debug, Clone)]
pub struct Access {
    /// `https://…`, with a path where the server stands below one.
    pub endpoint: String,
    /// Certificates the server is checked by, PEM. Nothing else is trusted. Empty: what every client trusts, for servers
    /// that have a name of their own.
    pub ca_pem: String,
    /// Bearer token.
    pub token: Secret<String>,
}

/// A client. Sends nothing yet.
///
/// # Errors
/// `Permanent` when the endpoint or the certificate cannot be read.
pub fn connect(access: &Access) -> Result<Client, StepError> {
    connect_through(access, &Matcher::from_env())
}

/// As [`connect`], with these proxies instead of those that `HTTPS_PROXY` and `NO_PROXY` name.
fn connect_through(access: &Access, proxies: &Matcher) -> Result<Client, StepError> {
    let refuse = |what: &str| {
        let message = format!("cannot reach the API server {}: {what}", access.endpoint);
        StepError::new(ErrorClass::Permanent, "KW-K8S-ACCESS", message).with_residue(Residue::None)
    };
    let url = access.endpoint.parse().map_err(|_| refuse("that is not a URL"))?;
    let mut config = Config::new(url);
    if !access.ca_pem.is_empty() {
        config.root_cert = Some(certificates(&access.ca_pem).ok_or_else(|| refuse("its CA certificate is not PEM"))?);
    }
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(25));
    config.write_timeout = Some(Duration::from_secs(25));
    // Or the idle time of a kept connection would count against the next answer.
    config.reset_reader_on_write = true;
    // The engine alone tries again.
    config.default_retry = false;
    config.proxy_url = match proxy_to(proxies, &access.endpoint) {
        Some(proxy) => Some(proxy.parse().map_err(|_| refuse("the proxy that HTTPS_PROXY names is no URL"))?),
        None => None,
    };
    config.auth_info.token = Some(access.token.reveal().clone().into());
    Client::try_from(config).map_err(|error| refuse(&error.to_string()))
}

/// The proxy on the way to this endpoint; never for this machine's own addresses.
fn proxy_to(proxies: &Matcher, endpoint: &str) -> Option<String> {
    let url = endpoint.parse().ok()?;
    let found = proxies.intercept(&url)?;
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return None;
    }
    let proxy = found.uri().to_string();
    // The matcher keeps name and password apart; the client takes them as a part of the URL.
    let named = found.basic_auth().and_then(|header| {
        let words = STANDARD.decode(header.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
        let words = String::from_utf8(words).ok()?;
        let (user, password) = words.split_once(':')?;
        let quoted = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (scheme, rest) = proxy.split_once("://")?;
        Some(format!("{scheme}://{}:{}@{rest}", quoted(user), quoted(password)))
    });
    Some(named.unwrap_or(proxy))
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
        for bad in [access("not a url", "x"), access("https://x", "-----BEGIN CERTIFICATE-----\n%")] {
            let error = connect(&bad).err().unwrap();
            assert_eq!((error.class, error.residue.clone()), (ErrorClass::Permanent, Residue::None));
            assert!(!format!("{error:?}{bad:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_proxy_is_for_what_is_far_away_and_not_exempt() {
        let proxies = Matcher::builder().https("http://me:p%40ss@proxy:3128").no("exempt.example").build();
        let to = |endpoint: &str| proxy_to(&proxies, endpoint);
        assert_eq!(to("https://a.gr7.us-east-1.eks.amazonaws.com").as_deref(), Some("http://me:p%40ss@proxy:3128/"));
        for direct in [
            "https://exempt.example",
            "https://127.0.0.1:6443/clusters/x",
            "https://[::1]:6443",
            "https://localhost:6443",
            "not a url",
        ] {
            assert_eq!(to(direct), None, "{direct}");
        }
        assert_eq!(proxy_to(&Matcher::builder().build(), "https://a.example"), None);
    }

    #[tokio::test]
    async fn what_is_far_away_is_asked_for_at_the_proxy() {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxies = Matcher::builder().https(format!("http://{}", proxy.local_addr().unwrap())).build();
        let access = crate::k8s::testing::access("https://demo.eks.example:8443");
        let client = connect_through(&access, &proxies).unwrap();
        let asked = tokio::spawn(async move { crate::k8s::reachable(&client).await });
        let (connection, _) = proxy.accept().await.unwrap();
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).await.unwrap();
        assert_eq!(line.trim_end(), "CONNECT demo.eks.example:8443 HTTP/1.1");
        assert!(asked.await.unwrap().is_err(), "the proxy hung up");
    }

    #[test]
    fn every_certificate_of_a_bundle_counts() {
        let one = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&format!("# note\n{one}{one}")), Some(vec![vec![1, 2, 3], vec![1, 2, 3]]));
    }
}
