//! The engine on an in-memory world: killed at every append and every mutating call, hurt at every call, and judged by
//! what is left.
//!
//! `KUBEWRIGHT_CRASH_CASES` asks for more random graphs than the few that run by default.
#![expect(clippy::print_stdout, reason = "the counts of crash points and cases are part of what these tests show")]

mod clock;
mod cloud;
mod dags;
mod disk;
mod faults;
mod harness;
mod matrix;
mod rules;
mod seam;
mod world;
