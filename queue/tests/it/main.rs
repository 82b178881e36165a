//! Tests of the crate from outside: against the vectors of `specs/`, against slow references, and
//! against the adversaries of `specs/threat-model.md`.

mod decoding;
mod identity;
mod log;
mod privacy;
mod simulation;
mod trie;
mod vectors;
