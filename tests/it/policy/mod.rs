//! `kubewright policy`, proven by a cloud that enforces it: with what is printed every life passes, without any one
//! piece it does not, and nothing of anybody else's is within its reach.

mod foreign;
mod lives;
mod pieces;
mod rig;
mod words;
