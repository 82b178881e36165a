//! A program that sends through the local API, as fast as it is allowed to.

use crate::api::types::StreamQuery;
use crate::cli::Output;
use crate::client::Client;
use crate::home::Home;
use anyhow::{Context as _, bail};
use queue::ids::AccountId;
use queue::stream::Stream;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Bytes of payloads that are handed to the stream at once.
const SENDING_BYTES: usize = 256 * 1024;

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
    let client = Client::of_home(home)?;
    let payload = vec![0x5a; size];
    let per_sending = u64::try_from((SENDING_BYTES / size.max(1)).max(1))?;
    let query = StreamQuery { to: Some(to.clone()), from: None, feed: None, at: None };
    let started = Instant::now();
    let (sender, mut answers) = client.open_stream(&query).await?;
    let send = async move {
        let mut sent = 0;
        while sent < messages {
            let count = per_sending.min(messages - sent);
            if !sender.send(Stream::of((0..count).map(|_| &payload))).await {
                break;
            }
            sent += count;
        }
    };
    let read = async {
        let mut newest = None;
        while let Some(progress) = answers.next().await? {
            newest = Some(progress);
        }
        newest.context("a stream is answered")
    };
    let ((), answer) = tokio::join!(send, read);
    let answer = answer?;
    if let Some(error) = answer.error {
        bail!("the node refused a message: {}", error.message);
    }
    let elapsed_ns = u64::try_from(Duration::as_nanos(&started.elapsed())).unwrap_or(u64::MAX);
    output.finish("ingested", &Ingested { messages: answer.durable, elapsed_ns });
    Ok(())
}
