//! Amazon EKS.
//!
//! A step is one AWS object; [`steps`] knows how each is found, made and removed. Nothing in here knows which endpoint
//! it talks to.

pub mod client;
pub mod error;
pub mod layout;
pub mod leftovers;
pub mod names;
pub mod plan;
pub mod stages;
pub mod steps;
pub mod sweep;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;

pub use client::{AwsCx, AwsOptions};
