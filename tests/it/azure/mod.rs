//! Whole lives of AKS clusters through the real binary: built, killed half-way, failed in every way an operation can,
//! among things of others, and the empty subscription at the end.

mod failures;
mod foreign;
mod leftovers;
mod lives;
mod rig;
