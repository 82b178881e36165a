//! The rate at which a bridge carries messages while it is loaded.

use super::bridge::Bridge;
use super::usage::Usage;
use crate::bench::node::Order;
use anyhow::{Context as _, ensure};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How often both nodes are looked at. Each look costs them some 0.1 ms.
const LOOK_PAUSE: Duration = Duration::from_millis(25);

/// Without any delivery for this long, beside twice the signer's delay, a run has failed.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// What was seen between the first and the last look that count.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sustained {
    /// Messages per second: the fewer of those accepted at the source and of those delivered.
    pub(super) rate: f64,
    /// Processor time per delivered message, in nanoseconds.
    pub(super) source_ns: f64,
    /// See `source_ns`.
    pub(super) destination_ns: f64,
    /// Bytes written to disk per byte of payload accepted.
    pub(super) source_written: f64,
    /// The same per byte of payload delivered.
    pub(super) destination_written: f64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    accepted: u64,
    delivered: u64,
    source: Usage,
    destination: Usage,
}

/// Has the source send, and measures from when a tenth was delivered until the source has taken
/// the last message, cut at the last delivery before. Returns once everything was delivered.
///
/// In between, the sender's window keeps what is queued bounded: both ends do all of their work.
///
/// # Errors
/// A process fails, nothing moves any more, or the run was too short to tell.
pub(super) async fn measure(bridge: &mut Bridge, order: &Order) -> anyhow::Result<Sustained> {
    let begin = look(bridge).await?;
    bridge.source()?.order(order).await?;
    let stalled_after = STALLED_AFTER + 2 * bridge.signer_delay;
    let (mut first, mut last): (Option<Look>, Option<Look>) = (None, None);
    let mut newest = begin;
    let mut loaded = true;
    let all = begin.accepted + order.messages;
    while newest.delivered < all {
        tokio::time::sleep(LOOK_PAUSE).await;
        let seen = look(bridge).await?;
        if seen.delivered == newest.delivered {
            let waited = newest.at.elapsed();
            ensure!(waited < stalled_after, "nothing was delivered for {waited:?}: {seen:?}");
        } else {
            if loaded && first.is_some() {
                last = Some(seen);
            }
            if first.is_none() && seen.delivered >= begin.delivered + order.messages / 10 {
                first = Some(seen);
            }
            newest = seen;
        }
        loaded = loaded && seen.accepted < all;
    }
    bridge.source()?.wait().await?;
    let (first, last) = first.zip(last).context("the run was too short to tell a rate: raise --messages")?;
    Ok(between(first, last, order.size))
}

async fn look(bridge: &mut Bridge) -> anyhow::Result<Look> {
    let accepted = bridge.accepted().await?;
    let delivered = bridge.delivered().await?;
    let (source, destination) = (bridge.source()?.usage()?, bridge.destination()?.usage()?);
    Ok(Look { at: Instant::now(), accepted, delivered, source, destination })
}

fn between(first: Look, last: Look, size: usize) -> Sustained {
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let accepted = (last.accepted - first.accepted) as f64;
    let delivered = (last.delivered - first.delivered) as f64;
    let (source, destination) = (last.source.since(first.source), last.destination.since(first.destination));
    Sustained {
        rate: accepted.min(delivered) / seconds,
        source_ns: source.cpu_ns as f64 / delivered,
        destination_ns: destination.cpu_ns as f64 / delivered,
        source_written: source.written_bytes as f64 / (accepted * size as f64),
        destination_written: destination.written_bytes as f64 / (delivered * size as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_was_filled_before_does_not_count_as_carried() {
        let usage = |cpu_ns, written_bytes| Usage { cpu_ns, written_bytes };
        let at = Instant::now();
        let first = Look { at, accepted: 900, delivered: 100, source: usage(0, 0), destination: usage(0, 0) };
        let last = Look {
            at: at + Duration::from_secs(2),
            accepted: 1_000,
            delivered: 900,
            source: usage(8_000, 20_000),
            destination: usage(4_000, 80_000),
        };
        let sustained = between(first, last, 100);
        assert_eq!((sustained.rate, sustained.source_ns, sustained.destination_ns), (50.0, 10.0, 5.0));
        assert_eq!((sustained.source_written, sustained.destination_written), (2.0, 1.0));
    }
}
