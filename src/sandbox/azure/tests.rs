//! The pretend Azure, call by call.
