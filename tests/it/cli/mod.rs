//! The real binary: what it refuses, what it prints, and a cluster's whole life in the sandbox.

mod generated;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod life;
mod refusals;
