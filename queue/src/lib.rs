//! The words and the machine of the private-shard message bridge.
//!
//! The formats ([`message`], [`log`], [`heads`], [`checkpoint`], [`attestation`], [`frame`]), the
//! checks that a stranger can repeat offline, and the sans-IO [`engine`] that every node runs.
//! What the bytes mean is specified in `specs/`.
//!
//! This crate contains no networking, no files, no clock, no randomness and no async code: time,
//! entropy and storage are inputs. It builds for `wasm32` without curve code, so that the bridge
//! contract and the nodes share one set of formats.

pub mod attestation;
#[cfg(feature = "native")]
pub mod batch;
pub mod checkpoint;
pub mod codec;
pub mod contract;
#[cfg(feature = "native")]
pub mod derivation;
pub mod digest;
#[cfg(feature = "native")]
pub mod engine;
pub mod evidence;
#[cfg(feature = "native")]
pub mod frame;
pub mod heads;
pub mod ids;
pub mod limits;
pub mod log;
pub mod message;
pub mod proof;
#[cfg(feature = "native")]
pub mod salt;
pub mod statement;
#[cfg(feature = "native")]
pub mod store;
pub mod stream;
pub mod trust;
