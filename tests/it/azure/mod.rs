//! AKS as whoever builds on it meets it: what is refused before the first write and why, limits, whole lives under exactly
//! the roles that are printed for them; clusters built, killed half-way, failed in every way an operation can, among
//! things of others, and the empty subscription at the end.

mod bad_input;
mod bench;
mod credentials;
mod failures;
mod foreign;
mod leftovers;
mod limits;
mod lives;
mod policy;
mod rig;
