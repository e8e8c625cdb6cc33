//! What the user configured: variables, `.env`, the user's configuration file, cluster.yaml.
//!
//! Pure functions on text and maps: `env.rs` passes the variables in, nothing here reads the environment, prints or
//! knows a cloud's API.

pub mod spec;
pub mod yaml;
