//! What a person sees and types, on a real pseudo-terminal: questions, bars, colours, signals.

mod bars;
mod init;
mod pty;
mod questions;
mod screen;
mod signals;
