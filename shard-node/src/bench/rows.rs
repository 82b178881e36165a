//! The rows that are measured between real processes.

mod carried;
mod nats;
mod queued;
mod single;
mod stages;

use queue::ids::AccountId;

/// An account of the destination.
const RECEIVER: &str = "sink.beta";

fn receiver() -> anyhow::Result<AccountId> {
    Ok(RECEIVER.parse()?)
}
