//! Google Kubernetes Engine.
//!
//! [`provider`] is the door. [`resolve`] decides, [`preflight`] asks what may be asked before the first write, [`plan`]
//! lays the steps out, [`steps`] knows how each object is found, made and removed, [`kinds`] brings a journalled step
//! back to its code, [`sweep`] and [`leftovers`] look for what is to go. Nothing in here knows which endpoint it talks to.

pub mod addons;
pub mod auth;
pub mod client;
pub mod error;
pub mod gcloud;
pub mod instances;
pub mod labels;
pub mod layout;
pub mod names;
pub mod scopes;
pub mod versions;

pub use client::GcpCx;
