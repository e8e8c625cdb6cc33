//! The certificate of the pretend application, which signs assertions in place of a secret, and what tells them.
//!
//! Nothing else that carries a signature is believed here.

use super::CLIENT_ID;
use crate::sandbox::SandboxError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{crypto::aws_lc_rs, pki_types::alg_id};

/// What the directory knows of the certificate: no secret.
#[derive(Debug)]
pub(in crate::sandbox) struct Certificate {
    /// SHA-256 of the certificate, as assertions name it.
    thumbprint: String,
    /// The public key.
    key: Vec<u8>,
}

/// Why an assertion is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It names another certificate, or none.
    OtherCertificate,
    /// The certificate's key did not sign it.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It is of another application.
    Issuer,
    /// It is out of its time.
    Time,
}

impl Certificate {
    /// The certificate over this key, and a file that holds both, as `az ad sp create-for-rbac --create-cert` writes
    /// it. The same key makes the same certificate.
    ///
    /// # Errors
    /// The key does not sign.
    pub(in crate::sandbox) fn over(pair: &KeyPair) -> Result<(Self, String), SandboxError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kubewright sandbox application");
        let made = params.self_signed(pair).map_err(|why| SandboxError::Tls(why.to_string()))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(made.der()));
        let file = format!("{}{}", pair.serialize_pem(), made.pem());
        Ok((Self { thumbprint, key: pair.der_bytes().to_vec() }, file))
    }

    /// Judges an assertion made for this address at this time, in seconds.
    pub(super) fn judge(&self, assertion: &str, audience: &str, now: i64) -> Result<(), Doubt> {
        let parts: Vec<&str> = assertion.split('.').collect();
        let [head, body, signature] = parts.as_slice() else { return Err(Doubt::Signature) };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Doubt::Signature);
        let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).map_err(|_| Doubt::Signature);
        let (head, claims) = (read(head)?, read(body)?);
        if head["x5t#S256"] != json!(self.thumbprint) {
            return Err(Doubt::OtherCertificate);
        }
        let algorithm = match head["alg"].as_str() {
            Some("PS256") => alg_id::RSA_PSS_SHA256,
            Some("RS256") => alg_id::RSA_PKCS1_SHA256,
            _ => return Err(Doubt::Signature),
        };
        let known = aws_lc_rs::default_provider().signature_verification_algorithms;
        let by = known.all.iter().find(|by| by.signature_alg_id() == algorithm).ok_or(Doubt::Signature)?;
        let text = assertion.rsplit_once('.').map_or("", |(text, _)| text);
        by.verify_signature(&self.key, text.as_bytes(), &decoded(signature)?).map_err(|_| Doubt::Signature)?;
        if claims["aud"] != json!(audience) {
            return Err(Doubt::Audience);
        }
        if claims["iss"] != json!(CLIENT_ID) || claims["sub"] != json!(CLIENT_ID) {
            return Err(Doubt::Issuer);
        }
        let second = |claim: &str| claims[claim].as_i64();
        let in_time = second("nbf").is_some_and(|from| from <= now) && second("exp").is_some_and(|end| end > now);
        if in_time && claims["jti"].as_str().is_some_and(|id| !id.is_empty()) { Ok(()) } else { Err(Doubt::Time) }
    }
}
