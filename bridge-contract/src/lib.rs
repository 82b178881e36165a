//! The bridge contract on NEAR: registers private shards and has their checkpoints signed by NEAR's
//! chain signatures.
//!
//! It signs what it computed itself, never what a caller hands in: digest and derivation path come
//! from typed fields. It records a checkpoint before it asks for the signature, one per shard and
//! height, for ever. It calls nobody but the signer and itself. What it decides is in [`rules`];
//! what its bytes mean is in `specs/contract.md`.
//!
//! On other targets than Wasm the crate is its pure part: rules, records and the signer's JSON.

pub mod args_json;
pub mod errors;
pub mod events;
pub mod file_json;
pub mod from_json;
pub mod json;
pub mod lanes;
pub mod pending;
pub mod registry;
pub mod roles;
pub mod rounds;
pub mod rules;
pub mod signer;
pub mod storage_keys;
pub mod upgrade;

#[cfg(target_family = "wasm")]
mod api;
#[cfg(target_family = "wasm")]
mod bridge;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod storage;
