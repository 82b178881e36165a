//! What the nodes of this process log, for tests that count connections and read reasons.

use super::stage::TIME_LIMIT;
use serde_json::Value;
use std::io;
use std::sync::{Mutex, Once, PoisonError};
use tokio::sync::Notify;
use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static CHANGED: Notify = Notify::const_new();
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
    let connected = |event: &Value| event["fields"]["message"] == "peer connected" && event["fields"]["peer"] == peer;
    events().into_iter().filter(connected).count()
}

/// Waits for an event that is logged, or was.
pub async fn until(wanted: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let changed = CHANGED.notified();
            if let Some(event) = events().into_iter().find(&wanted) {
                return event;
            }
            changed.await;
        }
    };
    match tokio::time::timeout(TIME_LIMIT, waiting).await {
        Ok(event) => event,
        Err(_) => panic!("nobody logged it among {:#?}", events()),
    }
}

fn events() -> Vec<Value> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    serde_json::Deserializer::from_slice(&lines).into_iter::<Value>().map_while(Result::ok).collect()
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        CHANGED.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
