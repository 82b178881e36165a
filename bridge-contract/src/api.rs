//! What can be called, one file per family of methods.
#![allow(missing_docs, reason = "near-sdk's macros generate public items without docs")]

mod ask;
mod attest;
mod shards;
mod views;

use crate::events;
use near_sdk::env;
use queue::contract::Event;

fn emit(event: &Event) {
    env::log_str(&events::log_line(event));
}
