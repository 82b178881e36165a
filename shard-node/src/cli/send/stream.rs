//! Sends payloads in their order, as fast as the lane takes them, and keeps count.

use super::lines::{InputError, Lines};
use crate::api::types::{ErrorBody, SentMessage, StreamProgress, StreamQuery};
use crate::cli::Output;
use crate::client::{Client, ClientError, StreamAnswers, StreamSender};
use anyhow::bail;
use queue::engine::FeedName;
use queue::ids::AccountId;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a person sees the progress anew.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);

/// How often a log gets a line of it.
const LOG_INTERVAL: Duration = Duration::from_secs(2);

/// Who speaks to whom.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) from: AccountId,
    pub(super) to: AccountId,
    /// The feed that the lines are, from its first one on.
    pub(super) feed: Option<FeedName>,
}

/// What became of the lines so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    feed: Option<FeedName>,
    /// Lines that were accepted before, as the feed knows.
    before: u64,
    /// Lines that are accepted, those before included.
    accepted: u64,
    /// Lines that were given to the node, counted while the tally is read.
    given: Arc<AtomicU64>,
    /// Where those of this time stand.
    lane: Option<Accepted>,
}

#[derive(Debug)]
struct Accepted {
    first_nonce: u64,
    last: SentMessage,
}

impl Tally {
    /// The last message that was accepted.
    pub(super) fn last(&self) -> Option<&SentMessage> {
        self.lane.as_ref().map(|lane| &lane.last)
    }

    /// The tally for programs.
    pub(super) fn summary(&self) -> Value {
        let mut summary = json!({
            "peer": self.last().map(|last| &last.peer),
            "sent": self.sent(),
            "first_nonce": self.lane.as_ref().map(|lane| lane.first_nonce),
            "last_nonce": self.last().map(|last| last.nonce),
        });
        if self.feed.is_some() {
            summary["accepted"] = json!(self.accepted);
        }
        summary
    }

    fn sent(&self) -> u64 {
        self.accepted - self.before
    }

    fn note(&mut self, progress: &StreamProgress) {
        self.accepted = self.accepted.max(progress.durable);
        // All lines go to one account, and so into one lane.
        if let Some((peer, span)) = progress.lanes.first_key_value()
            && let Some(nonce) = span.nonce_end.checked_sub(1)
        {
            let last = SentMessage { peer: peer.clone(), nonce, accepted_at_ns: progress.accepted_at_ns };
            self.lane = Some(Accepted { first_nonce: span.first_nonce, last });
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lane {
            None if self.accepted == 0 => f.write_str("no line was accepted")?,
            None => write!(f, "lines 1 to {} were accepted before", self.accepted)?,
            Some(Accepted { first_nonce, last }) => write!(
                f,
                "lines {} to {} were accepted, as messages {first_nonce} to {} of the lane to {}",
                self.before + 1,
                self.accepted,
                last.nonce,
                last.peer
            )?,
        }
        match (self.given.load(Ordering::Relaxed).saturating_sub(self.accepted), &self.feed) {
            (0, _) => Ok(()),
            (unknown, None) => write!(
                f,
                "; up to {unknown} more may have been, `shard-node status` tells how many messages the lane has"
            ),
            (unknown, Some(_)) => {
                write!(f, "; up to {unknown} more may have been: send them all again, none is taken twice")
            }
        }
    }
}

/// Sends lines to one account.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    client: &'a Client,
    destination: Destination,
    output: &'a Output,
    tally: Tally,
    started: Instant,
    shown: Instant,
}

impl<'a> Stream<'a> {
    /// Nothing is sent yet.
    pub(super) fn new(client: &'a Client, destination: Destination, output: &'a Output) -> Self {
        let now = Instant::now();
        let tally = Tally { feed: destination.feed.clone(), ..Tally::default() };
        Stream { client, destination, output, tally, started: now, shown: now }
    }

    /// What was sent. Right at any time, also if [`Stream::send`] was dropped before it ended.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Sends all lines, and waits where the lane is full or the node is starting.
    ///
    /// # Errors
    /// The input's, the node's refusal, or the connection's. Nothing is sent after it.
    pub(super) async fn send(&mut self, lines: Lines) -> anyhow::Result<()> {
        let (sender, mut answers) = self.open().await?;
        let Some(first) = answers.next().await? else { bail!("the node ended the stream before it began") };
        self.tally.before = first.durable;
        self.note(first)?;
        let feeding = feed(lines, sender, self.tally.given.clone());
        let listening = async {
            while let Some(progress) = answers.next().await? {
                self.note(progress)?;
            }
            anyhow::Ok(())
        };
        let (fed, ()) = tokio::try_join!(async { Ok(feeding.await) }, listening)?;
        self.output.progress(self.progress());
        Ok(fed?)
    }

    async fn open(&self) -> anyhow::Result<(StreamSender, StreamAnswers)> {
        let Destination { from, to, feed } = &self.destination;
        let query = StreamQuery { to: Some(to.clone()), from: Some(from.clone()), feed: feed.clone(), at: None };
        loop {
            match self.client.open_stream(&query).await {
                Err(ClientError::Refused(ErrorBody { retry_ms: Some(retry_ms), message, .. })) => {
                    self.output.progress(message);
                    tokio::time::sleep(Duration::from_millis(retry_ms)).await;
                }
                result => return Ok(result?),
            }
        }
    }

    fn note(&mut self, progress: StreamProgress) -> anyhow::Result<()> {
        self.tally.note(&progress);
        if let Some(ErrorBody { message, .. }) = progress.error {
            bail!("{message}");
        }
        self.show(progress.waiting.as_ref());
        Ok(())
    }

    fn show(&mut self, waiting: Option<&ErrorBody>) {
        let to_person = self.output.is_terminal() && !self.output.is_json();
        if self.shown.elapsed() < if to_person { TERMINAL_INTERVAL } else { LOG_INTERVAL } {
            return;
        }
        self.shown = Instant::now();
        match waiting {
            Some(ErrorBody { message, .. }) => self.output.progress(format!("{}; {message}", self.progress())),
            None => self.output.progress(self.progress()),
        }
    }

    fn progress(&self) -> String {
        let elapsed_ms = self.started.elapsed().as_millis().max(1);
        let sent = self.tally.sent();
        let rate = u128::from(sent) * 1_000 / elapsed_ms;
        format!("{sent} messages accepted, {rate} per second")
    }
}

/// Gives the lines to the node, for as long as it takes them.
async fn feed(mut lines: Lines, sender: StreamSender, given: Arc<AtomicU64>) -> Result<(), InputError> {
    while let Some(batch) = lines.next().await? {
        given.fetch_add(batch.count(), Ordering::Relaxed);
        if !sender.send(batch).await {
            // The answers tell why.
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
