//! The node's parts from outside.
#![allow(clippy::unwrap_used)]

mod api;
mod backup;
mod balance;
mod bench;
mod bridge;
mod curves;
mod files;
mod fleet;
mod lane;
mod localnet;
mod mallory;
mod near;
mod on_chain;
mod operator;
mod processes;
mod prove;
mod recovery;
mod relay;
mod retention;
mod rounds;
mod send;
mod shard;
mod store;
mod stream;
mod terms;
mod verify;
