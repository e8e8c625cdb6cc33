//! The sandbox's own certificate authority. It signs the TLS port's certificate; kubeconfigs and clients carry it.
//! Its key stays in the sandbox's directory, 0600, and vouches for nothing but loopback.

use super::SandboxError;
use crate::store;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::path::Path;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
        client::danger::HandshakeSignatureValid,
        crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
        server::danger::{ClientCertVerified, ClientCertVerifier},
    },
};

const LIMIT: u64 = 1 << 16;

/// The authority: its certificate, and a TLS acceptor with a leaf it signed.
pub struct Authority {
    /// Certificate, PEM.
    pub pem: String,
    /// For the TLS port. Speaks HTTP/1.1 and HTTP/2.
    pub acceptor: TlsAcceptor,
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kubewright sandbox");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

/// Opens the authority in this directory, making it the first time.
///
/// # Errors
/// The directory cannot be used, or holds something else.
pub fn open(dir: &Path) -> Result<Authority, SandboxError> {
    let fail = |why: rcgen::Error| SandboxError::Tls(why.to_string());
    let (cert_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
    let stored = store::read_text_if_there(&key_path, LIMIT)?.zip(store::read_text_if_there(&cert_path, LIMIT)?);
    let (key, pem) = match stored {
        Some((key, pem)) => (KeyPair::from_pem(&key).map_err(fail)?, pem),
        None => {
            let key = KeyPair::generate().map_err(fail)?;
            let pem = ca_params().self_signed(&key).map_err(fail)?.pem();
            store::write_private(&key_path, key.serialize_pem().as_bytes())?;
            store::write_private(&cert_path, pem.as_bytes())?;
            (key, pem)
        }
    };
    let issuer = Issuer::new(ca_params(), key);
    let leaf_key = KeyPair::generate().map_err(fail)?;
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned(), "kubernetes.default.svc".to_owned()];
    let mut leaf = CertificateParams::new(names).map_err(fail)?;
    leaf.distinguished_name.push(DnType::CommonName, "kubewright sandbox API servers");
    leaf.use_authority_key_identifier_extension = true;
    let cert = leaf.signed_by(&leaf_key, &issuer).map_err(fail)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = aws_lc_rs::default_provider();
    let anyone = std::sync::Arc::new(AnyClient(provider.signature_verification_algorithms));
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_client_cert_verifier(anyone).with_single_cert(vec![cert.der().clone()], key));
    let mut config = config.map_err(|why| SandboxError::Tls(why.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Authority { pem, acceptor: TlsAcceptor::from(std::sync::Arc::new(config)) })
}

/// Takes whatever certificate a client shows, or none, as long as the client has its key. Each pretend cloud signs its
/// clients' certificates itself, so only it can say whether one means anything.
#[derive(Debug)]
struct AnyClient(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
