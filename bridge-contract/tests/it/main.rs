//! The contract's Wasm in NEAR's VM, on an embedded chain at protocol 84.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests stop at the first surprise, and print gas")]

mod attest;
mod gas;
mod lanes;
mod model;
mod registration;
mod roles;
mod rounds;
mod security;
mod shards;
mod signer_faults;
mod upgrade;
mod vectors;
mod wasm;
mod world;
