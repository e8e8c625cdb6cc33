//! The keys of the pretend credentials: the service account's RSA key, which signs assertions as a real one does, and
//! what the token endpoint seals its tokens with. They stay in the sandbox's directory, 0600, and open nothing else.

use super::{ACCOUNT, PROJECT};
use crate::{sandbox::SandboxError, store};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokio_rustls::rustls::{crypto::aws_lc_rs, pki_types::alg_id};

const LIMIT: u64 = 1 << 16;
/// Of the key file, in the sandbox's directory.
pub(in crate::sandbox) const KEY_FILE: &str = "gcp-key.json";
/// A user's credentials, as `gcloud auth application-default login` leaves them.
pub(in crate::sandbox) const USER_FILE: &str = "gcp-user.json";
/// Workload identity federation, with the subject token beside it.
pub(in crate::sandbox) const FEDERATED_FILE: &str = "gcp-federated.json";
/// Impersonation of the node builders' account by the user.
pub(in crate::sandbox) const IMPERSONATED_FILE: &str = "gcp-impersonated.json";
const SUBJECT_FILE: &str = "gcp-subject-token";
/// An access token for gcloud, which reads one from a file.
pub(in crate::sandbox) const TOKEN_FILE: &str = "gcp-access-token";

/// The OAuth client of the pretend user.
pub(in crate::sandbox) const CLIENT_ID: &str = "764086051850-sandbox.apps.googleusercontent.com";
/// The audience of the pretend federation.
pub(in crate::sandbox) const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/sandbox/providers/ci";
/// Who the subject token says it is.
pub(in crate::sandbox) const SUBJECT: &str = "repo:kubewright/sandbox:ref:refs/heads/main";

/// The keys.
pub struct Keys {
    pair: KeyPair,
    /// Its id, as in key files and `kid`.
    pub(in crate::sandbox) id: String,
    seal: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keys {
    /// New keys.
    ///
    /// # Errors
    /// No key can be made.
    pub(in crate::sandbox) fn generate() -> Result<Self, SandboxError> {
        let fail = |why: rcgen::Error| SandboxError::Tls(why.to_string());
        Ok(Self::of(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(fail)?))
    }

    fn of(pair: KeyPair) -> Self {
        let seal: [u8; 32] = Sha256::digest(pair.serialize_der()).into();
        let id = hex(&Sha256::digest(pair.der_bytes()))[..40].to_owned();
        Self { pair, id, seal }
    }

    /// The keys of this directory, made the first time.
    ///
    /// # Errors
    /// The file cannot be used, or holds something else.
    pub fn open(dir: &Path) -> Result<Self, SandboxError> {
        let path = dir.join("gcp.key");
        if let Some(pem) = store::read_text_if_there(&path, LIMIT)? {
            let pair = KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_RSA_SHA256);
            return Ok(Self::of(pair.map_err(|why| SandboxError::Tls(why.to_string()))?));
        }
        let keys = Self::generate()?;
        store::write_private(&path, keys.pair.serialize_pem().as_bytes())?;
        Ok(keys)
    }

    /// The key file of the service account, as Google hands it out once.
    pub(in crate::sandbox) fn key_file(&self, url: &str) -> Value {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": self.id,
            "private_key": self.pair.serialize_pem(),
            "client_email": ACCOUNT,
            "client_id": "100000000000000000001",
            "auth_uri": format!("{url}/o/oauth2/auth"),
            "token_uri": format!("{url}/token"),
            "auth_provider_x509_cert_url": format!("{url}/oauth2/v1/certs"),
            "client_x509_cert_url": format!("{url}/robot/v1/metadata/x509/{ACCOUNT}"),
            "universe_domain": "googleapis.com",
        })
    }

    /// The files that clients find credentials in, by name, with a token of this span of real time in one of them.
    ///
    /// # Errors
    /// They cannot be written.
    pub(in crate::sandbox) fn write_files(&self, dir: &Path, url: &str, now: i64) -> Result<(), SandboxError> {
        let user = json!({
            "type": "authorized_user", "client_id": CLIENT_ID, "client_secret": self.derived("client"),
            "refresh_token": self.refresh_token(), "token_uri": format!("{url}/token"),
            "quota_project_id": PROJECT, "universe_domain": "googleapis.com",
        });
        let subject = dir.join(SUBJECT_FILE);
        let federated = json!({
            "type": "external_account", "audience": AUDIENCE, "universe_domain": "googleapis.com",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{url}/v1/token"),
            "service_account_impersonation_url": format!("{url}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"),
            "credential_source": {"file": subject, "format": {"type": "text"}},
        });
        let impersonated = json!({
            "type": "impersonated_service_account", "delegates": [], "source_credentials": user.clone(),
            "service_account_impersonation_url": format!("{url}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"),
        });
        let write = |name: &str, text: &str| store::write_private(&dir.join(name), text.as_bytes());
        for (name, value) in [
            (KEY_FILE, self.key_file(url)),
            (USER_FILE, user),
            (FEDERATED_FILE, federated),
            (IMPERSONATED_FILE, impersonated),
        ] {
            write(name, &serde_json::to_string_pretty(&value).expect("text has text keys"))?;
        }
        let claims =
            json!({"iss": "https://ci.example", "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 86_400});
        write(SUBJECT_FILE, &self.sign(&claims)?)?;
        let day = 86_400;
        write(TOKEN_FILE, &self.seal(&json!({"sub": ACCOUNT, "exp": now + day, "scope": super::token::SCOPE}))?)?;
        Ok(())
    }

    /// The key: the sandbox has one of its kind, and whatever else it pretends to sign with is over the same.
    pub(in crate::sandbox) const fn pair(&self) -> &KeyPair {
        &self.pair
    }

    fn derived(&self, what: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.mac(what.as_bytes()))
    }

    /// The user's refresh token.
    pub(in crate::sandbox) fn refresh_token(&self) -> String {
        format!("1//sandbox-{}", self.derived("refresh"))
    }

    #[cfg(test)]
    pub(in crate::sandbox) fn derived_for_tests(&self) -> String {
        self.derived("client")
    }

    /// Whether these are the pretend OAuth client's.
    pub(in crate::sandbox) fn knows_client(&self, id: &str, secret: &str) -> bool {
        id == CLIENT_ID && secret == self.derived("client")
    }

    fn mac(&self, text: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.seal).expect("any length of key is good");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }

    /// An opaque token that says this to us, and to nobody else.
    ///
    /// # Errors
    /// The key does not sign.
    pub(in crate::sandbox) fn seal(&self, says: &Value) -> Result<String, SandboxError> {
        let mut claims = says.clone();
        claims["typ"] = json!("access");
        Ok(format!("ya29.{}", self.sign(&claims)?))
    }

    /// What tokens are told by: no secret.
    pub(in crate::sandbox) fn public(&self) -> Public {
        Public { id: self.id.clone(), der: BASE64_STANDARD.encode(self.pair.der_bytes()) }
    }

    /// A JSON web token with these claims, signed RS256.
    ///
    /// # Errors
    /// The key does not sign.
    pub(in crate::sandbox) fn sign(&self, claims: &Value) -> Result<String, SandboxError> {
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": self.id});
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&head), part(claims));
        let signature = self.pair.sign(text.as_bytes()).map_err(|why| SandboxError::Tls(why.to_string()))?;
        Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The public half of the key: it tells what the key signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Public {
    id: String,
    /// The key itself, base64.
    der: String,
}

impl Public {
    /// What an access token says, if we made it.
    pub(in crate::sandbox) fn unseal(&self, token: &str) -> Option<Value> {
        self.verify(token.strip_prefix("ya29.")?).filter(|claims| claims["typ"] == json!("access"))
    }

    /// The claims of a JSON web token, if the key signed it RS256.
    pub(in crate::sandbox) fn verify(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let (head, claims) = text.split_once('.')?;
        // Google takes the padding that the standard leaves out, and some clients send it.
        let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
        let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).ok();
        let head = read(head)?;
        if head["alg"] != json!("RS256") || head.get("kid").is_some_and(|kid| *kid != json!(self.id)) {
            return None;
        }
        let signature = decoded(signature)?;
        let known = aws_lc_rs::default_provider().signature_verification_algorithms;
        let by = known.all.iter().find(|by| by.signature_alg_id() == alg_id::RSA_PKCS1_SHA256)?;
        let key = BASE64_STANDARD.decode(&self.der).ok()?;
        by.verify_signature(&key, text.as_bytes(), &signature).ok()?;
        read(claims)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An etag of a text: Google's are short base64.
pub(in crate::sandbox) fn etag(text: &str) -> String {
    BASE64_STANDARD.encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_key_signed_is_believed() {
        let (ours, theirs) = (Keys::generate().expect("a key"), Keys::generate().expect("a key"));
        let claims = json!({"iss": ACCOUNT, "exp": 1});
        let token = ours.sign(&claims).expect("signs");
        let (us, them) = (ours.public(), theirs.public());
        assert_eq!(us.verify(&token), Some(claims.clone()));
        assert_eq!(them.verify(&token), None);
        let (head, rest) = token.split_once('.').expect("three parts");
        let (_, signature) = rest.split_once('.').expect("three parts");
        let other = BASE64_URL_SAFE_NO_PAD.encode(json!({"iss": "root", "exp": 9}).to_string());
        assert_eq!(us.verify(&format!("{head}.{other}.{signature}")), None);
        let opaque = ours.seal(&claims).expect("signs");
        assert_eq!(us.unseal(&opaque).map(|says| says["exp"].clone()), Some(json!(1)));
        assert_eq!(them.unseal(&opaque), None);
        assert_eq!(us.unseal(&format!("{opaque}x")), None);
        assert_eq!(us.unseal(&format!("ya29.{token}")), None);
    }

    #[test]
    fn the_key_stays_the_same_and_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Keys::open(dir.path()).expect("made");
        let again = Keys::open(dir.path()).expect("read");
        assert_eq!(first.id, again.id);
        first.write_files(dir.path(), "http://127.0.0.1:1", 0).expect("written");
        let text = store::read_text_if_there(&dir.path().join(KEY_FILE), LIMIT).expect("readable").expect("there");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (file["client_email"].as_str(), file["token_uri"].as_str()),
            (Some(ACCOUNT), Some("http://127.0.0.1:1/token"))
        );
        assert!(!format!("{first:?}").contains("PRIVATE"));
    }
}
