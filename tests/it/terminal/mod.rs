//! What a person sees and types, on a real pseudo-terminal: questions, bars, colours, signals.

mod bars;
mod pty;
mod questions;
mod screen;
mod signals;
