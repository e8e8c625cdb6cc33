//! The limits of names in AWS. The generator is [`crate::providers::names`].

pub use crate::providers::names::{id_part, named};

/// IAM roles.
pub const ROLE_MAX: usize = 64;
/// Managed node groups.
pub const NODE_GROUP_MAX: usize = 63;
/// Launch templates.
pub const LAUNCH_TEMPLATE_MAX: usize = 128;
/// Security groups.
pub const SECURITY_GROUP_MAX: usize = 255;
/// IAM path of every role we make: what listings by path find.
pub const ROLE_PATH: &str = "/kubewright/";
