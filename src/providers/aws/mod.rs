//! Amazon EKS.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go. Nothing in here knows which endpoint it talks to.

pub mod adopted;
pub mod client;
pub mod clusters;
pub mod error;
pub mod in_cluster;
pub mod instances;
pub mod kinds;
pub mod layout;
pub mod leftovers;
pub mod manifests;
pub mod names;
pub mod patience;
pub mod permissions;
pub mod plan;
pub mod preflight;
pub mod profiles;
pub mod provider;
pub mod quotas;
pub mod resolve;
pub mod retag;
pub mod stages;
pub mod steps;
pub mod sweep;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod versions;
pub mod zones;

pub use client::{AwsCx, AwsOptions};
pub use provider::Aws;
pub use token::static_token;
