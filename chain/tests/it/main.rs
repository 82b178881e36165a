//! Integration tests of the embedded chain.
#![allow(clippy::unwrap_used)]

mod contracts;
mod determinism;
mod harness;
mod promises;
mod rpc;
mod signer;
mod transactions;
