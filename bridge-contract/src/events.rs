//! Events in the log, by NEP-297.

use queue::contract::{EVENT_STANDARD, EVENT_VERSION, Event};
use serde::Serialize;

#[derive(Serialize)]
struct Envelope<'a> {
    standard: &'static str,
    version: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

/// The log line of an event.
pub fn log_line(event: &Event) -> String {
    let envelope = Envelope { standard: EVENT_STANDARD, version: EVENT_VERSION, event };
    let json = serde_json::to_string(&envelope).expect("events have string keys only");
    format!("EVENT_JSON:{json}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::contract::ShardReserved;

    #[test]
    fn an_event_is_one_line_as_nep_297_has_it() {
        let event = Event::ShardReserved([ShardReserved {
            shard: "alpha".parse().expect("a valid shard name"),
            owner: "owner.near".parse().expect("a valid account id"),
        }]);
        assert_eq!(
            log_line(&event),
            r#"EVENT_JSON:{"standard":"private-shard-bridge","version":"1.0.0","event":"shard_reserved","data":[{"shard":"alpha","owner":"owner.near"}]}"#
        );
    }
}
