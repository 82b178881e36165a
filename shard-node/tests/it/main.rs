//! The node's parts from outside.
#![allow(clippy::unwrap_used)]

mod api;
mod backup;
mod bench;
mod files;
mod localnet;
mod mallory;
mod near;
mod processes;
mod prove;
mod recovery;
mod relay;
mod send;
mod store;
mod stream;
mod verify;
