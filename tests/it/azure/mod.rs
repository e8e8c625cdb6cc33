//! AKS as whoever builds on it meets it: what is refused before the first write and why, limits, and whole lives under
//! exactly the roles that are printed for them.

mod bad_input;
mod bench;
mod credentials;
mod limits;
mod policy;
