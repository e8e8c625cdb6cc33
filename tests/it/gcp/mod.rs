//! GKE in the sandbox: the real binary, and the world seen through Google's own REST. Whole lives; what is asked before the
//! first write; what is refused and with which words; lives under exactly the permissions that `policy` prints.

#[cfg(feature = "aws")]
mod asked;
#[cfg(feature = "aws")]
mod credentials;
mod faults;
mod leftovers;
mod lives;
#[cfg(feature = "aws")]
mod policy;
#[cfg(feature = "aws")]
mod preflight;
#[cfg(feature = "aws")]
mod refusals;
mod rig;
