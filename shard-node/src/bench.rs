//! Measurements: each stage of a message's way alone, and the whole way between real processes.
//!
//! Everything that is measured runs in processes of its own ([`part`]), pinned to a core each where
//! `taskset` is there, in a folder that goes with the measurement. Needs Linux: processor time,
//! memory and written bytes are read from `/proc`.

pub mod part;

mod bridge;
mod child;
mod figures;
mod ingest;
mod nats;
mod node;
mod plan;
mod proofs;
mod quic;
mod report;
mod rows;
mod stages;
mod sustained;
mod usage;

pub use plan::{Group, Options, run};
pub use report::Report;
