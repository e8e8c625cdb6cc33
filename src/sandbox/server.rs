//! The sandbox's listeners on loopback: a plain port for AWS and the control endpoints, one for Google, a TLS port for
//! Azure and one for the Kubernetes API servers. What is answered is decided elsewhere.

use super::{SandboxError, clock::Sleep, control, hub::Hub, prices};
use crate::model::Cloud;
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// A reply's body: whole, or a stream (watches, logs).
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The certificate that a client of the TLS port showed, DER, beside its request. The client has its key; who signed it
/// is for those to judge who know what they gave away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<[u8]>);

/// Longest request that is read.
const REQUEST_LIMIT: usize = 16 << 20;

/// A whole body.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a request's body whole.
///
/// # Errors
/// The client went away, or sent more than anybody would.
pub async fn read_body(body: Incoming) -> Result<Bytes, SandboxError> {
    let whole = Limited::new(body, REQUEST_LIMIT).collect().await;
    whole.map(http_body_util::Collected::to_bytes).map_err(|error| SandboxError::Request(error.to_string()))
}

/// Binds the remembered port if it is free, else any; a port that was asked for must be free.
///
/// # Errors
/// The asked-for port is taken.
pub async fn bind(asked: Option<u16>, remembered: Option<u16>) -> Result<TcpListener, SandboxError> {
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let fail = |port, cause| SandboxError::Bind { port, cause };
    if let Some(port) = asked {
        return TcpListener::bind(at(port)).await.map_err(|cause| fail(port, cause));
    }
    if let Some(port) = remembered
        && let Ok(listener) = TcpListener::bind(at(port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(at(0)).await.map_err(|cause| fail(0, cause))
}

/// The connection is to be dropped without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox drops this connection")]
struct Dropped;

/// Serves a cloud's plain port until told to stop.
pub async fn serve_plain(hub: Arc<Hub>, cloud: Cloud, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = stream else { continue };
        let (hub, stop) = (Arc::clone(&hub), stop.clone());
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(hub, cloud, stream, stop));
    }
}

/// Serves a cloud's TLS port until told to stop.
pub async fn serve_secure(
    hub: Arc<Hub>,
    cloud: Cloud,
    listener: TcpListener,
    tls: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = stream else { continue };
        let (hub, tls, stop) = (Arc::clone(&hub), tls.clone(), stop.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = tls.accept(stream).await {
                connection(hub, cloud, stream, stop).await;
            }
        });
    }
}

async fn connection<S>(hub: Arc<Hub>, cloud: Cloud, stream: S, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let counted = Arc::clone(&hub);
    let _connected = counted.connected();
    let service = service_fn(move |request| {
        let hub = Arc::clone(&hub);
        async move { answer(&hub, cloud, request).await.ok_or(Dropped) }
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A dropped connection is an error by design; clients that go away are none of ours. One that has ended must not be
    // polled again: it would go on with the call in mid-air, which is held, and the client would not see it close.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(hub: &Hub, cloud: Cloud, request: Request<Incoming>) -> Option<Response<Body>> {
    let path = request.uri().path().to_owned();
    let busy = hub.busy();
    let (parts, body) = request.into_parts();
    let body = read_body(body).await.ok()?;
    if let Some(control) = path.strip_prefix("/_sandbox/").filter(|_| cloud == Cloud::Aws) {
        if control == "clock/sleep"
            && let Ok(sleep) = serde_json::from_slice::<Sleep>(&body)
        {
            drop(busy);
            return Some(control::sleep(hub, sleep).await);
        }
        return Some(control::handle(hub, parts.method.as_str(), control, &body));
    }
    if path.starts_with(prices::PATH) && cloud == Cloud::Aws {
        return prices::handle(hub, &parts).await;
    }
    let answer = hub.cloud(cloud)?.handle(hub, &parts, &body).await;
    hub.record().keep(cloud.as_str(), &parts, &body, answer).await
}

/// Serves the TLS port until told to stop.
pub async fn serve_tls(hub: Arc<Hub>, listener: TcpListener, tls: TlsAcceptor, mut stop: watch::Receiver<bool>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = stream else { continue };
        let (hub, tls, mut stop) = (Arc::clone(&hub), tls.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = tls_connection(hub, stream, tls) => {}
                // Watches never end by themselves.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

async fn tls_connection(hub: Arc<Hub>, stream: TcpStream, tls: TlsAcceptor) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else { return };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.map(|der| ClientCertificate(der.as_ref().into()));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let hub = Arc::clone(&hub);
        if let Some(certificate) = certificate.clone() {
            request.extensions_mut().insert(certificate);
        }
        async move {
            let answer = match hub.kubernetes() {
                Some(kubernetes) => kubernetes.handle(Arc::clone(&hub), request).await,
                None => None,
            };
            answer.ok_or(Dropped)
        }
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}
