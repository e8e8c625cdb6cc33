//! Whole lives of GKE clusters in the sandbox: the real binary, and the world seen through Google's own REST.

mod faults;
mod leftovers;
mod lives;
mod rig;
