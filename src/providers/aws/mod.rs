//! Amazon EKS.

pub mod steps;
