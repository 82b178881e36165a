//! What is measured, and what it is measured against.

use serde::Serialize;
use std::collections::BTreeMap;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    /// The more the better.
    Higher,
    /// The less the better.
    Lower,
}

/// A figure: its name, and what it must and should reach.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Kind {
    /// For programs.
    pub(super) key: &'static str,
    /// For people.
    pub(super) what: &'static str,
    /// Unit of all values.
    pub(super) unit: &'static str,
    /// Which way is better.
    pub(super) better: Better,
    /// What it must reach, and what it should; `None` for what only explains others.
    pub(super) bounds: Option<(f64, f64)>,
}

const fn at_least(key: &'static str, what: &'static str, unit: &'static str, must: f64, goal: f64) -> Kind {
    Kind { key, what, unit, better: Better::Higher, bounds: Some((must, goal)) }
}

const fn at_most(key: &'static str, what: &'static str, unit: &'static str, must: f64, goal: f64) -> Kind {
    Kind { key, what, unit, better: Better::Lower, bounds: Some((must, goal)) }
}

const fn cost(key: &'static str, what: &'static str, unit: &'static str) -> Kind {
    Kind { key, what, unit, better: Better::Lower, bounds: None }
}

const fn rate(key: &'static str, what: &'static str, unit: &'static str) -> Kind {
    Kind { key, what, unit, better: Better::Higher, bounds: None }
}

/// All figures, in the order in which they are shown.
pub(super) const KINDS: [Kind; 52] = [
    cost("fdatasync", "disk: append 4 KiB and fdatasync, median", "ms"),
    cost("salt_256", "stage: salt and encode, 256 B", "ns"),
    cost("hash_256", "stage: hash, at each end, 256 B", "ns"),
    cost("store_256", "stage: store, at each end, 256 B", "ns"),
    cost("store_elapsed_256", "  time until durable, 256 B", "ns"),
    cost("quic_256", "stage: QUIC, both ends together, 256 B", "ns"),
    cost("parse_256", "stage: parse and decide, 256 B", "ns"),
    rate("limit_256", "limit: cores / sum of the stages, 256 B", "messages/s"),
    cost("salt_1k", "stage: salt and encode, 1 KiB", "ns"),
    cost("hash_1k", "stage: hash, at each end, 1 KiB", "ns"),
    cost("store_1k", "stage: store, at each end, 1 KiB", "ns"),
    cost("store_elapsed_1k", "  time until durable, 1 KiB", "ns"),
    cost("quic_1k", "stage: QUIC, both ends together, 1 KiB", "ns"),
    cost("parse_1k", "stage: parse and decide, 1 KiB", "ns"),
    rate("limit_1k", "limit: cores / sum of the stages, 1 KiB", "messages/s"),
    rate("rate_256", "256 B, sustained", "messages/s"),
    at_least("share_256", "256 B, share of the limit", "", 0.65, 0.9),
    cost("source_256", "  processor time of the source, 256 B", "ns"),
    cost("destination_256", "  processor time of the destination, 256 B", "ns"),
    rate("rate_1k", "1 KiB, sustained", "messages/s"),
    at_least("share_1k", "1 KiB, share of the limit", "", 0.65, 0.9),
    cost("source_1k", "  processor time of the source, 1 KiB", "ns"),
    cost("destination_1k", "  processor time of the destination, 1 KiB", "ns"),
    at_most("written_source_256", "written per payload byte, source, 256 B", "", 1.5, 1.1),
    at_most("written_destination_256", "written per payload byte, destination, 256 B", "", 1.5, 1.1),
    at_most("written_source_1k", "written per payload byte, source, 1 KiB", "", 1.5, 1.1),
    at_most("written_destination_1k", "written per payload byte, destination, 1 KiB", "", 1.5, 1.1),
    rate("rate_delay_1s", "256 B, signer delay 1 s", "messages/s"),
    at_least("delay_1s", "signer delay 1 s / delay 0", "", 0.95, 1.0),
    rate("rate_delay_10s", "256 B, signer delay 10 s", "messages/s"),
    at_least("delay_10s", "signer delay 10 s / delay 0", "", 0.95, 1.0),
    cost("latency_total_p50", "one message, idle, accepted to delivered, p50", "ms"),
    cost("latency_total_p99", "one message, idle, accepted to delivered, p99", "ms"),
    at_most("latency_p50", "  beyond the signer's own time, p50", "ms", 2.0, 1.0),
    at_most("latency_p99", "  beyond the signer's own time, p99", "ms", 6.0, 3.0),
    at_least("ingest", "through the local API, 256 B, durable", "messages/s", 300_000.0, 600_000.0),
    rate("fill", "into a queue whose peer is away, 256 B", "messages/s"),
    at_most("memory", "memory, queue full, peer away", "MiB", 300.0, 100.0),
    cost("memory_peak", "  at its peak", "MiB"),
    at_most("open", "start with the queue full until ready", "s", 1.0, 0.2),
    rate("rate_queued", "256 B, with the queue full", "messages/s"),
    at_least("queued", "queue full / queue short", "", 0.9, 1.0),
    cost("proof_messages", "inclusion proof: messages in the lane", ""),
    at_most("proof_make", "inclusion proof, make", "µs", 200.0, 40.0),
    at_most("proof_verify", "inclusion proof, verify", "µs", 20.0, 5.0),
    cost("proof_verify_file", "  the whole file, with the chain signature", "µs"),
    rate("rate_lanes", "into 100 lanes whose peers are away, 256 B", "messages/s"),
    at_least("lanes", "into 100 lanes / into 1 lane, peers away", "", 0.9, 1.0),
    rate("rate_nats", "NATS, durable, one by one, 256 B", "messages/s"),
    at_least("nats", "256 B here / NATS one by one", "", 100.0, 300.0),
    rate("rate_nats_batched", "NATS, durable, batched by hand, 256 B", "messages/s"),
    at_least("nats_batched", "256 B here / NATS batched by hand", "", 1.0, 1.5),
];

/// Values of the figures, one of each run.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    /// Adds this run's value.
    pub(super) fn add(&mut self, key: &'static str, value: f64) {
        debug_assert!(KINDS.iter().any(|kind| kind.key == key), "{key} is no figure");
        self.0.entry(key).or_default().push(value);
    }

    /// The newest value, if it was measured in run number `run`, counted from 1.
    pub(super) fn of_run(&self, key: &str, run: usize) -> Option<f64> {
        self.0.get(key).and_then(|values| values.get(run - 1)).copied()
    }

    /// All values, in the order of the runs.
    pub(super) fn values(&self, key: &str) -> &[f64] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_figure_is_named_twice_and_no_goal_is_easier_than_what_must_be() {
        let keys: BTreeSet<_> = KINDS.iter().map(|kind| kind.key).collect();
        assert_eq!(keys.len(), KINDS.len());
        for kind in KINDS {
            if let Some((must, goal)) = kind.bounds {
                assert_eq!(goal > must, kind.better == Better::Higher, "{}", kind.key);
            }
        }
    }
}
