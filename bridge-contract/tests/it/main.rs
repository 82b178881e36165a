//! The contract's Wasm in NEAR's VM, on an embedded chain: at protocol 84, or at the version in
//! `BRIDGE_TEST_PROTOCOL`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests stop at the first surprise, and print gas")]

mod abi;
mod attest;
mod attested;
mod deposits;
mod evidence;
mod gas;
mod lanes;
mod model;
mod promises;
mod registration;
mod roles;
mod rounds;
mod security;
mod shards;
mod signer_faults;
mod snapshots;
mod upgrade;
mod vectors;
mod verify;
mod wasm;
mod world;
