//! Azure Retail Prices, which anyone may ask. Filter values are compared letter by letter.

use super::{Asked, Pages, endpoint, follow, unreadable, unusable};
use crate::cost::refresh::{Fresh, azure::read_page};
use crate::engine::StepError;
use crate::providers::rest::encoded;
use std::sync::Mutex;

const USUAL: &str = "https://prices.azure.com";

pub(super) async fn read(asked: Asked<'_>, pages: &Pages<'_>) -> Result<Fresh, StepError> {
    let base = endpoint(pages.options, "KUBEWRIGHT_PRICE_AZURE_ENDPOINT", USUAL);
    let fresh = Mutex::new(Fresh::default());
    for region in asked.regions {
        let filter =
            format!("serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}'");
        let first = format!(
            "{base}/api/retail/prices?api-version=2023-01-01-preview&currencyCode='USD'&$filter={}",
            encoded(&filter)
        );
        let what = format!("Azure in {region}");
        follow(pages, &what, |mark| {
            let (base, first, fresh, what) = (&base, &first, &fresh, &what);
            async move {
                // The next page's address names the vendor's own host: it is asked for where the first was.
                let url = match &mark {
                    None => first.clone(),
                    Some(link) => format!("{base}{}", inside(link).ok_or_else(|| unusable(what, "no next page"))?),
                };
                let page = pages.get("Retail Prices", what, &url, None).await?;
                let mut fresh = fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                read_page(&page, &mut fresh).map_err(unreadable(what))
            }
        })
        .await?;
    }
    Ok(fresh.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Path and query of an address.
fn inside(link: &str) -> Option<&str> {
    let (_, rest) = link.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_for_where_the_first_was() {
        let link = "https://prices.azure.com:443/api/retail/prices?api-version=x&$skip=1000";
        assert_eq!(inside(link), Some("/api/retail/prices?api-version=x&$skip=1000"));
        assert_eq!((inside("/api"), inside("https://host")), (None, None));
    }
}
