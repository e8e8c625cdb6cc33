//! Jobs, pods, logs and watches of a pretend cluster's API, through the real binary's server: on containers that are
//! simulated, and on containers that are processes of this machine.

mod local;
mod rig;
mod simulated;
