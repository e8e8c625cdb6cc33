//! Google Kubernetes Engine.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go. Nothing in here knows which endpoint it talks to.

pub mod addons;
pub mod adopted;
pub mod auth;
pub mod client;
pub mod clusters;
pub mod error;
pub mod gcloud;
pub mod instances;
pub mod labels;
pub mod layout;
pub mod names;
pub mod offers;
pub mod permissions;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod preflight;
pub mod project;
pub mod quotas;
pub mod resolve;
pub mod retag;
pub mod scopes;
pub mod stages;
pub mod steps;
pub mod survey;
pub mod token;
pub mod versions;
pub mod wire;
pub mod zones;

pub use client::GcpCx;
