//! Lambda Cloud's instance types, with the key of its API.

use super::{Asked, Pages, SIGNED_OUT, endpoint, unreadable};
use crate::cost::refresh::{Fresh, lambda};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Secret;
use std::collections::BTreeMap;

const USUAL: &str = "https://cloud.lambda.ai";

/// The key, where a variable holds one: the first name is the vendor's own, the second its client's.
pub(super) fn key(vars: &BTreeMap<String, String>) -> Option<&String> {
    ["LAMBDA_API_KEY", "LAMBDA_CLOUD_TOKEN"].iter().find_map(|name| vars.get(*name)).filter(|key| !key.is_empty())
}

pub(super) async fn read(asked: Asked<'_>, pages: &Pages<'_>) -> Result<Fresh, StepError> {
    let Some(key) = key(&pages.options.vars) else {
        let message = "Lambda Cloud says its prices to holders of a key only";
        return Err(StepError::new(ErrorClass::Auth, SIGNED_OUT, message)
            .with_residue(Residue::None)
            .with_hint("set LAMBDA_API_KEY"));
    };
    pages.options.secrets.learn(key);
    let key = Secret::new(key.clone());
    let base = endpoint(pages.options, "KUBEWRIGHT_PRICE_LAMBDA_ENDPOINT", USUAL);
    let answer =
        pages.get("instance-types", "Lambda Cloud", &format!("{base}/api/v1/instance-types"), Some(&key)).await?;
    (pages.told)(1);
    let mut fresh = Fresh::default();
    lambda::read(&answer, asked.regions, &mut fresh).map_err(unreadable("Lambda Cloud"))?;
    Ok(fresh)
}
