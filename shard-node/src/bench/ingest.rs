//! A program that sends through the local API, as fast as it is allowed to.

use crate::api::types::{NewMessage, SendResult};
use crate::cli::Output;
use crate::client::Client;
use crate::home::Home;
use anyhow::bail;
use queue::ids::AccountId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Messages per call.
const BATCH_MESSAGES: u64 = 1_000;

/// Calls under way at once.
const CALLS_MAX: usize = 4;

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ingested {
    /// Messages that the node said to be durable.
    pub(super) messages: u64,
    /// From the first call to the last answer, in nanoseconds.
    pub(super) elapsed_ns: u64,
}

/// Sends, and says how long it took until everything was durable.
///
/// # Errors
/// The node refuses a message.
pub(super) async fn run(
    home: &Home,
    to: &AccountId,
    messages: u64,
    size: usize,
    output: &Output,
) -> anyhow::Result<()> {
    let client = Arc::new(Client::of_home(home)?);
    let message = NewMessage::new(to.clone(), vec![0x5a; size]);
    let started = Instant::now();
    let mut calls = JoinSet::new();
    let mut sent = 0;
    while sent < messages {
        if calls.len() == CALLS_MAX
            && let Some(ended) = calls.join_next().await
        {
            ended??;
        }
        let count = BATCH_MESSAGES.min(messages - sent);
        calls.spawn(call(client.clone(), (0..count).map(|_| message.clone()).collect()));
        sent += count;
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    let elapsed_ns = u64::try_from(Duration::as_nanos(&started.elapsed())).unwrap_or(u64::MAX);
    output.finish("ingested", &Ingested { messages: sent, elapsed_ns });
    Ok(())
}

async fn call(client: Arc<Client>, messages: Vec<NewMessage>) -> anyhow::Result<()> {
    for result in client.send_many(messages).await?.results {
        if let SendResult::Refused { error } = result {
            bail!("the node refused a message: {}", error.message);
        }
    }
    Ok(())
}
