//! The sandbox and the providers held against each other through the vendors' own SDKs.

mod aws;
mod azure;
mod ec2;
mod elb;
mod rig;
mod sandbox;
