//! The sandbox and the providers held against each other through the vendors' own SDKs.

mod sandbox;
