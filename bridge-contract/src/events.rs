//! Events in the log, by NEP-297.

use queue::contract::{EVENT_STANDARD, EVENT_VERSION, Event};

/// The log line of an event: its own JSON object, with the standard's two fields before. Serde's
/// `flatten` would do that by a second serializer for each type in it.
pub fn log_line(event: &Event) -> String {
    let json = serde_json::to_string(event).expect("events have string keys only");
    let fields = json.strip_prefix('{').expect("an event is an object");
    format!(r#"EVENT_JSON:{{"standard":"{EVENT_STANDARD}","version":"{EVENT_VERSION}",{fields}"#)
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
