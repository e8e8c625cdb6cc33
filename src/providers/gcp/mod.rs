//! Google Kubernetes Engine.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go. Nothing in here knows which endpoint it talks to.

pub mod addons;
pub mod adopted;
pub mod auth;
pub mod client;
pub mod error;
pub mod gcloud;
pub mod instances;
pub mod labels;
pub mod layout;
pub mod names;
pub mod offers;
pub mod plugin;
pub mod project;
pub mod resolve;
pub mod scopes;
pub mod token;
pub mod versions;
pub mod zones;

pub use client::GcpCx;
