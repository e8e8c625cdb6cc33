//! The real binary: what it refuses, what it prints, and a cluster's whole life in the sandbox.

#[cfg(all(feature = "aws", feature = "sandbox"))]
mod bad_input;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod completion;
mod contract;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod cost;
#[cfg(all(feature = "aws", feature = "azure", feature = "gcp", feature = "sandbox"))]
mod cost_bills;
#[cfg(all(feature = "aws", feature = "azure", feature = "sandbox"))]
mod cost_limits;
#[cfg(all(feature = "aws", feature = "azure", feature = "gcp", feature = "sandbox"))]
mod cost_refresh;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod credentials;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod dotenv;
mod generated;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod history;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod init;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod journal;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod kubeconfig;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod life;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod protect;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod reap;
mod refusals;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod secrets;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod shared;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod smaller;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod streams;
#[cfg(all(feature = "aws", feature = "sandbox"))]
mod ways;
