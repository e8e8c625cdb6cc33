//! Amazon EKS.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go, [`survey`] at a whole region. Nothing in here knows which endpoint it talks to.

pub mod adopted;
pub mod client;
pub mod clusters;
pub mod error;
pub mod grants;
pub mod in_cluster;
pub mod instances;
pub mod kinds;
pub mod layout;
pub mod leftovers;
pub mod manifests;
pub mod names;
pub mod offers;
pub mod permissions;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod preflight;
pub mod profiles;
pub mod provider;
pub mod quotas;
pub mod resolve;
pub mod retag;
pub mod stages;
pub mod steps;
pub mod survey;
pub mod sweep;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod versions;
pub mod zones;

pub use client::{AwsCx, AwsOptions};
pub use provider::Aws;

use super::{Entry, OpenOptions, Opening, Provider};
use crate::model::Cloud;
use std::sync::Arc;

/// AWS in the registry.
pub const ENTRY: Entry = Entry {
    cloud: Cloud::Aws,
    plugin: &plugin::AwsPlugin,
    credentials: plugin::in_sight,
    open,
    policies: policy::policies,
    first_region: "us-east-1",
    embedded: offers::embedded,
    suggested: offers::suggested,
    usual: offers::usual,
};

fn open(options: OpenOptions) -> Opening {
    let OpenOptions { region, profile, role_arn, dotenv, clock, secrets, .. } = options;
    let options = AwsOptions { region, profile, role_arn, dotenv, secrets };
    Box::pin(async { Ok(Aws::open(options, clock).await.map(|aws| Arc::new(aws) as Arc<dyn Provider>)) })
}
