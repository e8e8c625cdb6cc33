//! A server on loopback that stands where AWS would: it answers as a test wants, or passes a request on to the sandbox.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A request as it came in.
pub(crate) struct Asked {
    /// Request line and headers, without the empty line.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: String,
}

impl Asked {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let named = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head
            .lines()
            .skip(1)
            .find(named)
            .and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    }

    /// The service in the signature's scope.
    pub(crate) fn service(&self) -> &str {
        self.header("authorization").split('/').nth(3).unwrap_or_default()
    }

    /// Method and path, `POST /clusters/demo/node-groups`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().and_then(|line| line.rsplit_once(' ')).map_or("", |(line, _)| line)
    }

    /// The query protocols' operation.
    pub(crate) fn action(&self) -> &str {
        self.body.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default()
    }

    /// A refusal in the words of the service's own protocol.
    pub(crate) fn refuse(&self, status: u16, code: &str, message: &str) -> Answer {
        let xml = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let json = serde_json::json!({ "__type": code, "message": message }).to_string();
        let (kind, body) = match self.service() {
            "ec2" => (
                "text/xml",
                format!(
                    "<Response><Errors><Error><Code>{code}</Code><Message>{xml}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
                ),
            ),
            "sts" | "iam" | "elasticloadbalancing" => (
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{xml}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
                ),
            ),
            _ => ("application/json", json),
        };
        Answer { status, headers: format!("content-type: {kind}\r\nx-amzn-errortype: {code}\r\n"), body }
    }
}

/// What is answered instead of the sandbox.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whole lines.
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// The server; it ends when dropped.
pub(crate) struct Gateway {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Answers what `answer` has an answer for; the rest goes to `upstream` or is refused.
    pub(crate) fn start(
        upstream: Option<String>,
        answer: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ended, counted, answer) = (Arc::clone(&over), Arc::clone(&asked), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, upstream, counted) = (Arc::clone(&answer), upstream.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    // A client that goes away in the middle is no concern of the test's.
                    let _ = serve(stream, upstream.as_deref(), answer.as_ref(), &counted);
                });
            }
        });
        Self { address, over, asked, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came in.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    mut client: TcpStream,
    upstream: Option<&str>,
    answer: &(impl Fn(&Asked) -> Option<Answer> + ?Sized),
    counted: &AtomicUsize,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut asked = Asked { head: head.trim_end().to_owned(), body: String::new() };
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    counted.fetch_add(1, Ordering::Relaxed);
    let own = answer(&asked).or_else(|| upstream.is_none().then(|| asked.refuse(400, "ValidationError", "not here")));
    if let Some(Answer { status, headers, body }) = own {
        let length = body.len();
        return write!(
            client,
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
    }
    let mut server = TcpStream::connect(upstream.unwrap_or_default().trim_start_matches("http://"))?;
    server.set_read_timeout(Some(Duration::from_secs(60)))?;
    // One request for one connection: the answer then ends where the connection does.
    let head: Vec<&str> =
        asked.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    write!(server, "{}\r\nconnection: close\r\n\r\n", head.join("\r\n"))?;
    server.write_all(&body)?;
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}
