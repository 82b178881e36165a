//! The node of a private shard: daemon and command line.
//!
//! The thin shell around the sans-IO engine of `queue`: sockets, disk, clock, NEAR's JSON-RPC and
//! people. It decides nothing about messages, and never imports the bridge contract: NEAR is
//! reached through JSON-RPC only, so that localnet, testnet and mainnet differ by configuration.

pub mod api;
pub mod backup;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod driver;
pub mod fsck;
pub mod home;
pub mod init;
pub mod keys;
pub mod localnet;
pub mod near;
pub mod recovery;
pub mod store;
pub mod telemetry;
pub mod transport;
