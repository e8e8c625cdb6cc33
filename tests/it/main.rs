//! The one integration test binary. Each folder tests one level: the engine on its in-memory world (`crash`), the
//! real binary in the sandbox (`cli`), the providers against the sandbox (`conformance`).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests arrange files, variables and time themselves, and print what they counted"
)]

mod arrows;
#[cfg(all(feature = "aws", feature = "azure", feature = "sandbox"))]
mod azure;
mod cli;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod conformance;
mod crash;
mod error_ids;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod faults;
#[cfg(all(feature = "gcp", feature = "sandbox"))]
mod gcp;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod jobs;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod lives;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod policy;
#[cfg(all(feature = "aws", feature = "azure", feature = "gcp", feature = "sandbox"))]
mod portable;
mod support;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod terminal;
