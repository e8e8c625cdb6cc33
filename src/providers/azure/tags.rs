//! Tags in Azure, and the spec that the resource group carries.
//!
//! Azure takes 50 tags of at most 256 characters on an object. AKS hands a cluster's tags on to all that it makes in the
//! node group, with its own beside them, so only the resource group carries the spec: it is made first and goes last.

use crate::engine::proof::TAG_STACK;
use crate::model::Stack;

pub use crate::providers::anchors::{
    TAG_BUILDER, TAG_CREATED_AT, TAG_SPEC, Tags, is_ours, no_spec, spec_chunks, spec_of, stack_of,
};

/// Tags of one object.
pub const MAX_TAGS: usize = 50;
/// Characters of a key.
pub const MAX_KEY: usize = 512;
/// Characters of a value.
pub const MAX_VALUE: usize = 256;
/// What Azure refuses in keys.
pub const NOT_IN_KEYS: &str = "<>%&\\?/";

/// What a listing is narrowed by. Azure's index of tags lags: what it does not show may be there all the same.
pub fn filter(stack: &Stack) -> String {
    format!("tagName eq '{TAG_STACK}' and tagValue eq '{stack}'")
}
