//! The demo: a whole bridge on this machine, real messages through it, and proof that they came.
//!
//! Everything runs as users run it: this program's own commands as processes, each with its home,
//! its sockets and its keys; messages go in and come out through the nodes' local API.

pub mod fleet;
pub mod ledger;
pub mod scenario;

mod forgery;
mod monitor;
mod proof;
mod report;

pub use report::{Options, Report, run};
