//! What the nodes of this process log, for tests that count connections.

use serde_json::Value;
use std::io;
use std::sync::{Mutex, Once, PoisonError};
use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static STARTED: Once = Once::new();

/// Keeps what is logged from now on. All tests of the process share it: shards that are asked for
/// need names of their own.
pub fn capture() {
    STARTED.call_once(|| {
        let filter = EnvFilter::new("shard_node=info");
        tracing_subscriber::fmt().with_env_filter(filter).json().with_writer(|| Writer).init();
    });
}

/// How often a node of this process saw `peer` connect.
pub fn connections(peer: &str) -> usize {
    logged("peer connected", peer).len()
}

/// The logged events with this text about a peer.
pub fn logged(text: &str, peer: &str) -> Vec<Value> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let events = serde_json::Deserializer::from_slice(&lines).into_iter::<Value>().map_while(Result::ok);
    events.filter(|event| event["fields"]["message"] == text && event["fields"]["peer"] == peer).collect()
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
