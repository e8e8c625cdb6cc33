//! Whole lives of clusters through the real binary: shapes a user may ask for, failures half-way, what others own, and
//! the empty cloud at the end.

mod failure;
mod foreign;
mod journal;
mod leftovers;
mod network;
mod pools;
pub(crate) mod rig;
mod shapes;
mod status;
