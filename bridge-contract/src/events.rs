//! Events in the log, by NEP-297.

use near_sdk::env;
use queue::contract::{EVENT_STANDARD, EVENT_VERSION, Event};
use serde::Serialize;

#[derive(Serialize)]
struct Envelope<'a> {
    standard: &'static str,
    version: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

/// Logs an event.
pub fn emit(event: &Event) {
    let envelope = Envelope { standard: EVENT_STANDARD, version: EVENT_VERSION, event };
    let json = serde_json::to_string(&envelope).expect("events have string keys only");
    env::log_str(&format!("EVENT_JSON:{json}"));
}
