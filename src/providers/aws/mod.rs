//! Amazon EKS.
