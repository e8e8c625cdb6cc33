//! What the user configured: variables, `.env`, the user's configuration file, cluster.yaml.
//!
//! Pure functions on text and maps: `env.rs` passes the variables in, nothing here reads the environment, prints or
//! knows a cloud's API.

pub mod cost_file;
pub mod dotenv;
pub mod env_vars;
pub mod layers;
pub mod spec;
pub mod user;
pub mod yaml;

pub use layers::{Layers, Origin, Resolved};
pub use user::UserConfig;
