//! A cloud opened within this process, with these variables and nothing of the machine's.

use kubewright::{engine::Clock, model::Region, providers::OpenOptions};
use std::sync::Arc;

/// What a provider is opened with.
pub(crate) fn open_options(region: &str, variables: &[(&str, &str)], clock: Arc<dyn Clock>) -> OpenOptions {
    let variables: std::collections::BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    OpenOptions {
        region: Some(Region(region.to_owned())),
        profile: None,
        role_arn: None,
        account: None,
        dotenv: variables.clone(),
        vars: variables,
        #[cfg(any(feature = "azure", feature = "gcp"))]
        http: Arc::new(|| Ok(reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap())),
        read_file: Arc::new(|path| Ok(std::fs::read_to_string(path).ok())),
        clock,
        wall: Arc::new(Wall),
        secrets: Default::default(),
    }
}

/// Real time: what tokens end by.
pub(crate) struct Wall;

#[async_trait::async_trait]
impl Clock for Wall {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
    async fn sleep(&self, span: std::time::Duration) {
        tokio::time::sleep(span).await;
    }
}
