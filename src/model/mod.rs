//! The nouns everyone shares: parsed once, always valid. No I/O, no async, no clock.

pub mod doc;
pub mod name;
pub mod places;
pub mod price;
pub mod secret;
pub mod spec;
pub mod terms;
pub mod time;

pub use name::{Cloud, ClusterName, NameError, Region, Stack, StackId};
pub use price::{Adjustments, Discount, OwnPrice, PriceKey, Unit, Usage};
pub use secret::{Secret, Secrets, without_secrets};
pub use spec::{ClusterSpec, ResolvedSpec};
