//! OpenID Connect providers.

use super::{ApiError, CallCx, Xml, add_tags, already_exists, limit_exceeded, no_such_entity, some_tags_xml, tags};
use crate::sandbox::{
    aws::{protocol::iso, servicequotas},
    world::{Kind, Object, Scope, Tx},
};

pub(super) const PROVIDER: Kind = Kind::new("iam", "oidc-provider");

fn existing(cx: &CallCx<'_, '_>) -> Result<Object, ApiError> {
    let arn = cx.params.require("OpenIDConnectProviderArn")?;
    let found = cx.tx.get(&cx.global(), PROVIDER, arn).cloned();
    found.ok_or_else(|| no_such_entity(format!("OpenIDConnect Provider not found for arn {arn}")))
}

pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let url = cx.params.require("Url")?.to_owned();
    let (clients, prints) = (cx.params.list("ClientIDList"), cx.params.list("ThumbprintList"));
    let tags = tags(&cx.params)?;
    let Some(address) = url.strip_prefix("https://").filter(|rest| !rest.is_empty() && !rest.contains(['?', '#']))
    else {
        return Err(ApiError::bad("ValidationError", "Invalid Open ID Connect Provider URL"));
    };
    if clients.len() > 100 {
        return Err(limit_exceeded("ClientIdsPerOpenIdConnectProvider", 100));
    }
    if prints.iter().any(|print| print.len() != 40 || !print.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(ApiError::bad("InvalidInput", "Thumbprint must be 40 hexadecimal characters"));
    }
    let address = address.trim_end_matches('/');
    let arn = format!("arn:aws:iam::{}:oidc-provider/{address}", cx.scope.account);
    let scope = cx.global();
    if cx.tx.get(&scope, PROVIDER, &arn).is_some() {
        return Err(already_exists(format!("Provider with url {url} already exists.")));
    }
    let limit = servicequotas::quota(cx.tx, "iam", "L-858F3967");
    if cx.tx.list(&scope, PROVIDER).count() as f64 >= limit {
        return Err(limit_exceeded("OpenIdConnectProvidersPerAccount", limit));
    }
    let mut object = Object::new(&scope, PROVIDER, &arn, cx.tx.now());
    object.name = Some(address.to_owned());
    object.state = "available".to_owned();
    object.visible_at = Some(cx.tx.read_lag());
    object.set("clients", clients);
    object.set("prints", prints);
    add_tags(&mut object, tags)?;
    let answer = some_tags_xml(Xml::new().text("OpenIDConnectProviderArn", &arn), &object.tags);
    cx.tx.put(object);
    Ok(answer)
}

fn texts(object: &Object, field: &str) -> Vec<String> {
    object.doc.get(field).cloned().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

pub(super) fn get(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    if object.visible_at.is_some_and(|at| at > cx.tx.now()) {
        return Err(no_such_entity(format!("OpenIDConnect Provider not found for arn {}", object.id)));
    }
    let xml = Xml::new()
        .maybe("Url", object.name.as_deref())
        .texts("ClientIDList", "member", texts(&object, "clients"))
        .texts("ThumbprintList", "member", texts(&object, "prints"))
        .text("CreateDate", iso(object.created_at));
    Ok(some_tags_xml(xml, &object.tags))
}

/// Of one that is not there too: the vendor documents this call as idempotent.
pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let arn = cx.params.require("OpenIDConnectProviderArn")?.to_owned();
    cx.tx.remove(&cx.global(), PROVIDER, &arn);
    Ok(Xml::new())
}

pub(super) fn list(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let items: Vec<Xml> =
        cx.tx.search(&cx.global(), PROVIDER).map(|provider| Xml::new().text("Arn", &provider.id)).collect();
    Ok(Xml::new().list("OpenIDConnectProviderList", "member", items))
}

pub(super) fn tag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    super::tag(cx, object)
}

pub(super) fn untag(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = existing(cx)?;
    super::untag(cx, object)
}

pub(super) fn list_tags(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    super::list_tags(cx, existing(cx)?)
}

/// Whether the account has a provider for this issuer URL.
pub fn issuer_is_trusted(tx: &Tx<'_>, account: &str, issuer: &str) -> bool {
    let address = issuer.trim_start_matches("https://").trim_end_matches('/');
    tx.get(&Scope::global(account), PROVIDER, &format!("arn:aws:iam::{account}:oidc-provider/{address}")).is_some()
}
