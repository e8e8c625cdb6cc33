//! Whole lives of clusters through the real binary: shapes a user may ask for, failures half-way, what others own, and
//! the empty cloud at the end.

mod accrual;
mod blockers;
mod decoys;
mod failure;
mod foreign;
mod journal;
pub(crate) mod leftovers;
pub(crate) mod network;
mod plants;
mod pools;
pub(crate) mod rig;
mod shapes;
mod status;
mod wide;
