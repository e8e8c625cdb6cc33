//! Facts about the account and region, and the types nobody here has any of: asked for by audits and preflights, so
//! they must answer, and an empty list is the truth.

use super::{
    Ec2, fail,
    filter::{self, Filter, Known, Page},
    quota,
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::aws::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeAccountAttributes {
    #[serde(default)]
    attribute_name: Vec<String>,
}

pub(super) fn attributes(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeAccountAttributes = request.read()?;
    let default = cx.all::<Vpc>().into_iter().find(|vpc| vpc.doc.is_default).map(|vpc| vpc.object.id);
    let addresses = cx.quota(quota::ADDRESSES).to_string();
    let all = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", default.unwrap_or_else(|| "none".to_owned())),
        ("max-instances", "20".to_owned()),
        ("vpc-max-security-groups-per-interface", "5".to_owned()),
        ("max-elastic-ips", addresses.clone()),
        ("vpc-max-elastic-ips", addresses),
    ];
    let row = |(name, value): &(&str, String)| json!({"attributeName": name, "attributeValueSet": [{"attributeValue": value}]});
    let asked = |name: &str| wanted.attribute_name.is_empty() || wanted.attribute_name.iter().any(|it| it == name);
    let rows: Vec<Value> = all.iter().filter(|(name, _)| asked(name)).map(row).collect();
    Ok(json!({"accountAttributeSet": rows}))
}

/// A type of which there is never one.
pub(super) struct Nothing {
    /// The list's name in the reply.
    pub(super) set: &'static str,
    /// The parameter that names ids.
    pub(super) ids: &'static str,
    /// The code for an id, which cannot exist.
    pub(super) not_found: &'static str,
    /// The filters it knows.
    pub(super) filters: &'static [&'static str],
}

pub(super) const KEY_PAIRS: Nothing = Nothing {
    set: "keySet",
    ids: "KeyName",
    not_found: "InvalidKeyPair.NotFound",
    filters: &["key-pair-id", "fingerprint", "key-name"],
};

/// Answers a Describe call for a type of which there is none: strict about the request, empty in the reply.
pub(super) fn none(nothing: &Nothing, request: Request) -> Result<Value, ApiError> {
    let mut fields: serde_json::Map<String, Value> = request.read()?;
    let ids: Vec<String> =
        fields.remove(nothing.ids).and_then(|ids| serde_json::from_value(ids).ok()).unwrap_or_default();
    if let Some(id) = ids.first() {
        return Err(fail(nothing.not_found, format!("The ID '{id}' does not exist")));
    }
    let filters: Vec<Filter> =
        fields.remove("Filter").and_then(|filters| serde_json::from_value(filters).ok()).unwrap_or_default();
    let unknown = filters
        .iter()
        .filter_map(|filter| filter.name.as_deref())
        .find(|name| !nothing.filters.contains(name) && *name != "tag-key" && !name.starts_with("tag:"));
    if let Some(name) = unknown {
        return Err(fail("InvalidParameterValue", format!("The filter '{name}' is invalid")));
    }
    let known: Known = &[];
    let tagged =
        filters.into_iter().filter(|filter| filter.name.as_deref().is_some_and(|name| name.starts_with("tag")));
    let rows = filter::keep(Vec::new(), &tagged.collect::<Vec<_>>(), known)?;
    let token = fields.remove("NextToken").and_then(|token| token.as_str().map(str::to_owned));
    filter::page(nothing.set, rows, &Page { token, size: None }, 1000)
}
