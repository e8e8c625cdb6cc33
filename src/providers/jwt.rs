//! JSON web tokens that we sign ourselves (RFC 7515, compact form). What signs, and with which key, is the caller's.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// The token of this head and these claims; none where `sign` gives no signature.
pub fn signed(head: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<String> {
    let part = |document: &Value| URL_SAFE_NO_PAD.encode(document.to_string());
    let text = format!("{}.{}", part(head), part(claims));
    let signature = sign(text.as_bytes())?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_signed_is_what_is_sent() {
        let (head, claims) = (json!({"alg": "none"}), json!({"iss": "me"}));
        let token = signed(&head, &claims, |text| Some(text.to_ascii_uppercase())).unwrap();
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let text = token.rsplit_once('.').unwrap().0.to_ascii_uppercase();
        assert_eq!(parts, [head.to_string().into_bytes(), claims.to_string().into_bytes(), text.into_bytes()]);
        assert_eq!(signed(&head, &claims, |_| None), None);
    }
}
