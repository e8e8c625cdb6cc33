//! Whether an API server can be reached, and if not, at which barrier it ends.

use super::error;
use crate::engine::StepError;
use kube::{Client, Error};
use std::{error::Error as _, fmt, io};

/// Where the way to the API server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// Its name has no address.
    Name,
    /// Nothing takes the connection.
    Tcp,
    /// Its certificate is not the cluster's, or it speaks no TLS.
    Tls,
    /// It answers, but not as an API server that is ready.
    Http,
    /// It does not let us in.
    Auth,
}

/// Why it cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The barrier.
    pub barrier: Barrier,
    /// In words, for people.
    pub words: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// The server's version, `1.35`.
///
/// # Errors
/// As every read.
pub async fn version(client: &Client) -> Result<String, StepError> {
    ask(client).await.map_err(|cause| error::map("read the version of the API server", &cause))
}

/// The server's version, or what stands in the way to it.
///
/// # Errors
/// The barrier, in words. One attempt; the caller asks again.
pub async fn reachable(client: &Client) -> Result<String, Unreachable> {
    ask(client).await.map_err(|cause| {
        let (barrier, words) = words(&cause);
        Unreachable { barrier, words }
    })
}

async fn ask(client: &Client) -> Result<String, Error> {
    let info = client.apiserver_version().await?;
    // Managed clusters say `35+`.
    Ok(format!("{}.{}", info.major, info.minor.trim_end_matches('+')))
}

/// The barrier behind an error, and the error in words.
pub(super) fn words(cause: &Error) -> (Barrier, String) {
    match cause {
        Error::Api(status) => match status.code {
            401 => (Barrier::Auth, "the API server does not accept our token (401)".to_owned()),
            403 => (Barrier::Auth, "the API server lets us in but not to this (403)".to_owned()),
            code => (Barrier::Http, format!("the API server answers {code}")),
        },
        Error::SerdeError(_) | Error::FromUtf8(_) => {
            (Barrier::Http, "what answers is not a Kubernetes API server".to_owned())
        }
        other => transport(other),
    }
}

fn transport(cause: &Error) -> (Barrier, String) {
    let mut chain = Vec::new();
    let mut link: Option<&dyn std::error::Error> = cause.source();
    while let Some(error) = link {
        if let Some(found) = error.downcast_ref::<io::Error>().and_then(known) {
            return found;
        }
        chain.push(error.to_string());
        link = error.source();
    }
    // Timeouts and resolver errors are private types of the libraries; their words are all there is.
    let all = chain.join(": ").to_lowercase();
    if all.contains("certificate")
        || all.contains("tls")
        || all.contains("handshake")
        || all.contains("corrupt message")
    {
        (Barrier::Tls, tls(&all))
    } else if all.contains("dns") || all.contains("lookup") {
        (Barrier::Name, "the API server's name has no address".to_owned())
    } else if all.contains("deadline") || all.contains("timed out") || all.contains("timeout") {
        (Barrier::Tcp, "the API server does not answer in time: is this address among network.apiAllow?".to_owned())
    } else if all.contains("(connect)") {
        (Barrier::Tcp, "no connection to the API server".to_owned())
    } else {
        (Barrier::Http, "the connection to the API server broke off".to_owned())
    }
}

fn known(error: &io::Error) -> Option<(Barrier, String)> {
    // The TLS layer wraps its own in another, which `source` skips.
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        return known(inner);
    }
    let text = error.to_string().to_lowercase();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some((Barrier::Tcp, "the API server refuses the connection".to_owned())),
        io::ErrorKind::TimedOut => Some((
            Barrier::Tcp,
            "the API server does not answer in time: is this address among network.apiAllow?".to_owned(),
        )),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some((Barrier::Tcp, "there is no way to the API server's network".to_owned()))
        }
        io::ErrorKind::InvalidData => Some((Barrier::Tls, tls(&text))),
        _ if text.contains("lookup") => Some((Barrier::Name, "the API server's name has no address".to_owned())),
        _ => None,
    }
}

fn tls(text: &str) -> String {
    if text.contains("certificate") {
        "the API server's certificate is not the cluster's: is something in between?".to_owned()
    } else {
        "what answers at the API server's address speaks no TLS".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer, Server, access};

    #[tokio::test]
    async fn an_answer_is_the_version() {
        let server = Server::start(|_| Answer::json(200, r#"{"major":"1","minor":"35+","gitVersion":"v1.35.2-eks","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#)).await;
        assert_eq!(version(&server.client()).await.unwrap(), "1.35");
        assert_eq!(server.requests()[0].authorization, "Bearer token");
    }

    #[tokio::test]
    async fn every_barrier_is_told_apart() {
        let server = Server::start(|_| Answer::status(401, "Unauthorized")).await;
        let at = |client: Client| async move { reachable(&client).await.unwrap_err().barrier };
        assert_eq!(at(server.client()).await, Barrier::Auth);
        assert_eq!(version(&server.client()).await.unwrap_err().class, crate::engine::ErrorClass::Auth);

        let server = Server::start(|_| Answer::text(200, "<html>sign in</html>")).await;
        assert_eq!(at(server.client()).await, Barrier::Http);
        let server = Server::start(|_| Answer::text(503, "later")).await;
        assert_eq!(at(server.client()).await, Barrier::Http);
        let server = Server::start(|_| Answer::HangUp).await;
        assert_eq!(at(server.client()).await, Barrier::Http);

        // TLS spoken to a server that has none.
        let plain = Server::start(|_| Answer::text(200, "")).await;
        let client = crate::k8s::connect(&access(&plain.url().replace("http:", "https:"))).unwrap();
        assert_eq!(at(client).await, Barrier::Tls);

        let gone = Server::start(|_| Answer::HangUp).await;
        let url = gone.url();
        drop(gone);
        assert_eq!(at(crate::k8s::connect(&access(&url)).unwrap()).await, Barrier::Tcp);
    }
}
