//! A sandbox server in this process, and clients of the official SDK for it.

use aws_credential_types::Credentials;
use aws_types::{SdkConfig, region::Region};
use kubewright::{
    sandbox::{self, Running, ServeOptions, aws::sts, client::ClockClient, clock::Speed, world::Settings},
    store::Holder,
};
use std::{sync::Arc, time::Duration};

/// The server with its private directory; both go when it is dropped.
pub(crate) struct Rig {
    pub(crate) server: Running,
    pub(crate) config: SdkConfig,
    clock: ClockClient,
    _dir: tempfile::TempDir,
}

impl Rig {
    /// A new world whose clock jumps to wherever its only client sleeps to.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let wall = Arc::new(jiff::Timestamp::now);
        let holder = Holder {
            user: "tests".to_owned(),
            host: "localhost".to_owned(),
            pid: std::process::id(),
            since: jiff::Timestamp::now(),
            verb: "test".to_owned(),
        };
        let server = sandbox::serve(ServeOptions {
            dir: dir.path().join("sandbox"),
            speed: Speed::Max,
            faults: String::new(),
            seed: Some(7),
            port: None,
            settings: Settings::default(),
            conditions: Default::default(),
            pods_local: false,
            record: crate::support::record(),
            wall,
            bits: Arc::new(|| 7),
            holder,
        })
        .await
        .unwrap();
        let (key, secret) = sts::default_keys();
        let credentials = Credentials::new(key, secret, None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&server.endpoints().aws)
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        let clock = ClockClient::connect(&server.endpoints().clock(), Arc::new(jiff::Timestamp::now)).await.unwrap();
        Self { server, config, clock, _dir: dir }
    }

    /// Lets virtual minutes go by.
    pub(crate) async fn minutes(&self, count: u64) {
        self.clock.sleep(Duration::from_secs(count * 60)).await;
    }
}
