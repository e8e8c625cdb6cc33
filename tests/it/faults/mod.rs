//! What the clouds, the network, the disk and other people do to a run, through the real binary: each time it ends
//! ready or with the exit code and the words it should, nothing is lost or doubled, and a destroy leaves nothing.

mod disk;
mod inside;
mod limits;
mod others;
mod rig;
mod weather;
