//! The bearer token of an AKS API server, and what a token says of whom it is for.
//!
//! Every AKS cluster that knows Entra takes tokens for one application of Microsoft's, so no call to the cluster or to
//! Resource Manager is needed. A token's claims are read and never judged here: whoever takes it checks the signature.

use super::auth::{AKS_SCOPE, Tokens};
use crate::engine::StepError;
use crate::providers::ClusterToken;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// A token for the API server of any AKS cluster of the tenant.
///
/// # Errors
/// `Auth` when there are no credentials, or they are refused.
pub async fn token(tokens: &Tokens) -> Result<ClusterToken, StepError> {
    let given = tokens.token(AKS_SCOPE).await?;
    Ok(ClusterToken { token: given.token, expires_at: given.expires_at })
}

/// What a token says of its bearer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The tenant.
    #[serde(rename = "tid")]
    pub tenant: Option<String>,
    /// The object in the directory: what roles are given to.
    #[serde(rename = "oid")]
    pub object: Option<String>,
    #[serde(rename = "appid")]
    app: Option<String>,
    #[serde(rename = "azp")]
    app_v2: Option<String>,
    #[serde(rename = "upn")]
    user: Option<String>,
    unique_name: Option<String>,
    preferred_username: Option<String>,
    #[serde(rename = "idtyp")]
    kind: Option<String>,
    /// An address of Azure's for what a managed identity belongs to.
    #[serde(rename = "xms_mirid")]
    identity: Option<String>,
}

impl Claims {
    /// Somebody of whom nothing but the object is known.
    pub fn of_object(object: &str) -> Self {
        Self { object: Some(object.to_owned()), ..Self::default() }
    }

    /// Reads a token; nothing where it is none that can be read.
    pub fn of(token: &str) -> Option<Self> {
        let body = token.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?).ok()
    }

    /// Whoever bears it, in words.
    pub fn principal(&self) -> String {
        let user = self.user.as_ref().or(self.preferred_username.as_ref()).or(self.unique_name.as_ref());
        if let Some(user) = user {
            return user.clone();
        }
        if let Some(identity) = &self.identity {
            return format!("managed identity {}", identity.rsplit('/').next().unwrap_or(identity));
        }
        match self.app.as_ref().or(self.app_v2.as_ref()).or(self.object.as_ref()) {
            Some(app) => format!("service principal {app}"),
            None => "an identity that the token does not name".to_owned(),
        }
    }

    /// Whether it is an application rather than a person: role assignments say which.
    pub fn is_application(&self) -> bool {
        match self.kind.as_deref() {
            Some(kind) => kind == "app",
            None => self.user.is_none() && self.preferred_username.is_none() && self.unique_name.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(body: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.sig", URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn a_token_names_its_bearer() {
        let of = |body: &str| Claims::of(&jwt(body)).unwrap();
        let user = of(r#"{"tid":"t","oid":"o","upn":"ana@example.com","idtyp":"user"}"#);
        assert_eq!((user.principal().as_str(), user.is_application()), ("ana@example.com", false));
        let app = of(r#"{"tid":"t","oid":"o","appid":"c11e"}"#);
        assert_eq!((app.principal().as_str(), app.is_application()), ("service principal c11e", true));
        let machine =
            of(r#"{"oid":"o","appid":"a","xms_mirid":"/subscriptions/s/resourcegroups/g/providers/x/y/runner"}"#);
        assert_eq!(machine.principal(), "managed identity runner");
        assert_eq!(of("{}").tenant, None);
        for bad in ["", "a.b.c", "opaque", "a.!!.c"] {
            assert_eq!(Claims::of(bad), None, "{bad}");
        }
    }
}
