//! The certificate of a service principal: its key signs, in place of a secret, who we are.
//!
//! The library reads certificates through OpenSSL only, which a single binary has not. Here a PEM file with key and
//! certificate is read, as `az ad sp create-for-rbac --create-cert` writes it, and one assertion is signed for each
//! token. Neither the key nor what it signed is ever shown. Source: "Microsoft identity platform application
//! authentication certificate credentials", read 2026-11.

use super::error::AUTH;
use crate::engine::{Clock, ErrorClass, Residue, StepError};
use crate::providers::jwt;
use async_trait::async_trait;
use azure_core::{error::ErrorKind, http::ClientMethodOptions};
use azure_identity::ClientAssertion;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{SignatureScheme, crypto::aws_lc_rs::sign::any_supported_type, sign::SigningKey};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc, time::Duration};

/// How long an assertion may be used.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// Who signs, and for whom.
pub(super) struct Whose {
    /// The application.
    pub(super) client: String,
    /// The token endpoint.
    pub(super) audience: String,
}

/// A key with the name of its certificate.
pub(super) struct Certificate {
    key: Arc<dyn SigningKey>,
    /// SHA-256 of the certificate, by which Entra finds it.
    thumbprint: String,
    whose: Whose,
    wall: Arc<dyn Clock>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

impl Certificate {
    /// The certificate in a file that was read. `wall` is real time.
    ///
    /// # Errors
    /// `Auth` for a file that is not there, is no PEM, lacks key or certificate, or holds two that do not belong
    /// together.
    pub(super) fn read(
        file: &str,
        text: Result<Option<String>, String>,
        whose: Whose,
        wall: Arc<dyn Clock>,
    ) -> Result<Self, StepError> {
        let text = match text {
            Ok(Some(text)) => text,
            Ok(None) => return Err(unusable(file, "it is not there")),
            Err(why) => return Err(unusable(file, &why).with_hint(to_pem(file))),
        };
        // In the headers of its parts, not in what was written between them.
        let locked = |line: &str| {
            let line = line.trim();
            line.starts_with("-----BEGIN ENCRYPTED") || line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED")
        };
        if text.lines().any(locked) {
            return Err(unusable(file, "its key is behind a password, which is not supported").with_hint(to_pem(file)));
        }
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| unusable(file, "it holds no private key in PEM form").with_hint(to_pem(file)))?;
        let key = any_supported_type(&key).map_err(|_| unusable(file, "its private key cannot be used"))?;
        if key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).is_none() {
            return Err(unusable(file, "its private key is no RSA key, and Entra takes no other"));
        }
        let public = key.public_key().map(|public| public.to_vec()).unwrap_or_default();
        // A file may hold those of the issuers, too; a certificate holds its public key as it is.
        let mut all = CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok);
        let own = all.find(|it| it.windows(public.len().max(1)).any(|part| part == public));
        let Some(own) = own else { return Err(unusable(file, "it holds no certificate over its private key")) };
        Ok(Self { key, thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&own)), whose, wall })
    }

    fn signed(&self) -> Option<String> {
        let (client, now) = (&self.whose.client, self.wall.now());
        let until = now.as_second() + GOOD_FOR.as_secs().cast_signed();
        let told = format!("{client} {} {}", self.thumbprint, now.as_nanosecond());
        let digest: [u8; 32] = Sha256::digest(told).into();
        let id = uuid::Builder::from_random_bytes(*digest.first_chunk::<16>()?).into_uuid();
        let head = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({"aud": self.whose.audience, "iss": client, "sub": client, "jti": id.to_string(),
            "nbf": now.as_second(), "iat": now.as_second(), "exp": until});
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])?;
        jwt::signed(&head, &claims, |text| signer.sign(text).ok())
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.signed().ok_or_else(|| {
            azure_core::Error::with_message(ErrorKind::Credential, "the certificate's key does not sign")
        })
    }
}

fn unusable(file: &str, why: &str) -> StepError {
    let message = format!("{file}, which AZURE_CLIENT_CERTIFICATE_PATH names, cannot be used: {why}");
    StepError::new(ErrorClass::Auth, AUTH, message)
        .with_residue(Residue::None)
        .with_hint("name a PEM file with certificate and key, or unset it to sign in another way")
}

/// How a PFX file, or a key behind a password, becomes what is read here.
fn to_pem(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("make a PEM file of it, and name that one: openssl pkcs12 -in {file} -nodes -out {stem}.pem")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::Stands;
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
    use serde_json::Value;

    fn read(text: Result<Option<String>, String>) -> Result<Certificate, StepError> {
        let whose = Whose { client: "c".to_owned(), audience: "https://login.example/t/oauth2/v2.0/token".to_owned() };
        Certificate::read("sp.pfx", text, whose, Arc::new(Stands))
    }

    #[tokio::test]
    async fn what_the_key_signs_says_who_for_whom_and_how_long() {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let other = KeyPair::generate().unwrap();
        let made = |pair: &KeyPair| CertificateParams::default().self_signed(pair).unwrap();
        let (own, issuer) = (made(&pair), made(&other));
        // The issuer's comes first, and is not taken for it.
        let file = format!("{}{}{}", issuer.pem(), pair.serialize_pem(), own.pem());
        let certificate = read(Ok(Some(file))).unwrap();
        let assertion = certificate.secret(None).await.unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let told = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let head = told(parts[0]);
        assert_eq!(head["x5t#S256"], URL_SAFE_NO_PAD.encode(Sha256::digest(own.der())));
        let claims = told(parts[1]);
        assert_eq!((&claims["iss"], &claims["sub"]), (&"c".into(), &"c".into()));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 600);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);
        assert!(!format!("{certificate:?}").contains("key"), "{certificate:?}");
        let lone = read(Ok(Some(format!("{}{}", pair.serialize_pem(), issuer.pem())))).unwrap_err();
        assert!(lone.message.contains("no certificate over its private key"), "{}", lone.message);
        let elliptic = read(Ok(Some(format!("{}{}", other.serialize_pem(), issuer.pem())))).unwrap_err();
        assert!(elliptic.message.contains("no RSA key"), "{}", elliptic.message);
    }

    #[test]
    fn what_cannot_be_used_says_why_and_how_to_turn_it() {
        for (text, why, turned) in [
            (Ok(None), "not there", false),
            (Err("it is not text".to_owned()), "not text", true),
            (Ok(Some("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned())), "password", true),
            (Ok(Some("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_owned())), "password", true),
            (Ok(Some("friendlyName: ENCRYPTED\n<html>".to_owned())), "no private key", true),
        ] {
            let told = read(text).unwrap_err();
            assert_eq!((told.class, &*told.id), (ErrorClass::Auth, AUTH));
            assert!(told.message.contains(why), "{}", told.message);
            assert_eq!(told.hints.iter().any(|hint| hint.contains("openssl pkcs12 -in sp.pfx")), turned, "{told:?}");
        }
    }
}
