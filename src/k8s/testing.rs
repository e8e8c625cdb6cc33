//! A small HTTP server for the tests of this room and of the providers: answers as told, remembers what it was asked, ends
//! with its value.

use super::{Access, connect};
use crate::model::Secret;
use kube::Client;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

pub(crate) enum Answer {
    Text(u16, String),
    HangUp,
}

impl Answer {
    pub(crate) fn text(code: u16, body: &str) -> Self {
        Self::Text(code, body.to_owned())
    }
    pub(crate) fn json(code: u16, body: &str) -> Self {
        Self::text(code, body)
    }
    pub(crate) fn of(code: u16, body: Value) -> Self {
        Self::Text(code, body.to_string())
    }
    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::of(200, json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items }))
    }
    /// An error in the API server's own shape.
    pub(crate) fn status(code: u16, reason: &str) -> Self {
        let message = format!("said {reason}");
        let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message, "metadata": {}, "details": { "retryAfterSeconds": if code == 429 { 7 } else { 0 } } });
        Self::of(code, body)
    }
}

pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                log.lock().unwrap().push(request.clone());
                if let Answer::Text(code, body) = answer(&request) {
                    let head = format!(
                        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                }
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Below a path, as the API servers of the sandbox are.
    pub(crate) fn client(&self) -> Client {
        connect(&access(&format!("{}/clusters/one", self.url()))).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) fn access(endpoint: &str) -> Access {
    Access { endpoint: endpoint.to_owned(), ca_pem: CA.to_owned(), token: Secret::new("token".to_owned()) }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    let (head, mut body) = loop {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_owned(), body.to_owned());
        }
        // A TLS hello never has a blank line.
        if bytes[0] == 0x16 {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
    };
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        body += &String::from_utf8_lossy(&chunk[..count]);
    }
    let mut first = head.lines().next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix("/clusters/one").unwrap_or(path).to_owned();
    Some(Request {
        method,
        path,
        query: query.to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body,
    })
}

/// A certificate that signed nothing.
const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBizCCATGgAwIBAgIUereh6gXg7IKK9M57pOSA7NurW+swCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPa3ViZXdyaWdodCB0ZXN0MCAXDTI2MTEyMDEzNDM1M1oYDzIx
MjYxMDI3MTM0MzUzWjAaMRgwFgYDVQQDDA9rdWJld3JpZ2h0IHRlc3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAASsBqf7zZ1B0Jjyn4v2ekrs24FWVL7e1xGaQXb1
ZrlVoqRr5D5GpCDveNkC6PygoSyregDkLt05V1TVusPo/xzbo1MwUTAdBgNVHQ4E
FgQU3E7sWvlOLSeFclXBCZkUmnZYe/wwHwYDVR0jBBgwFoAU3E7sWvlOLSeFclXB
CZkUmnZYe/wwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAfpGw5
TiiQekhWYhIQF55e3LpmyA8AwKxVPF4nVvaTiQIhAMmdIcljencbhkBIFXkGqzB3
iPHB80K7Kha7GHxzauB6
-----END CERTIFICATE-----
";
