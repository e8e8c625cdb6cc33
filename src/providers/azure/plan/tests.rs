//! Plans as they come out.
