//! Google's Cloud Billing Catalog, with whoever is signed in: all regions and machines in one list of parts.

use super::{Asked, Pages, endpoint, follow, unreadable};
use crate::cost::refresh::{
    Fresh,
    gcp::{COMPUTE, Skus, Wanted},
};
use crate::engine::StepError;
use crate::providers::gcp::auth::{Means, TokenSource};
use crate::providers::rest::encoded;
use std::sync::Mutex;

const USUAL: &str = "https://cloudbilling.googleapis.com";

pub(super) async fn read(asked: Asked<'_>, pages: &Pages<'_>) -> Result<Fresh, StepError> {
    let options = pages.options;
    let other = options.vars.get("KUBEWRIGHT_GCP_CLOUDBILLING_ENDPOINT").filter(|url| !url.is_empty());
    let base = endpoint(options, "KUBEWRIGHT_PRICE_GCP_ENDPOINT", other.map_or(USUAL, String::as_str));
    let tokens = TokenSource::choose(&options.vars, &Means::of(options, &(options.http)()?));
    let token = tokens.token().await?.token;
    let skus = Mutex::new(Skus::default());
    let what = "Google Cloud";
    follow(pages, what, |mark| {
        let (base, skus, token) = (&base, &skus, &token);
        async move {
            let mark = mark.map(|mark| format!("&pageToken={}", encoded(&mark))).unwrap_or_default();
            let url = format!("{base}/v1/services/{COMPUTE}/skus?currencyCode=USD&pageSize=5000{mark}");
            let page = pages.get("cloudbilling services.skus.list", what, &url, Some(token)).await?;
            let mut skus = skus.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            skus.read_page(&page).map_err(unreadable(what))
        }
    })
    .await?;
    let wanted: Vec<Wanted<'_>> = asked
        .table
        .machine_types(crate::model::Cloud::Gcp)
        .map(|it| Wanted { name: it.name, vcpus: it.vcpus, memory_gib: it.memory_gib, gpu: it.accelerator })
        .collect();
    let skus = skus.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(skus.machines(&wanted, asked.regions))
}
