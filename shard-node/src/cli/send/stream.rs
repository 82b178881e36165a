//! Sends payloads in their order, as fast as the lane takes them, and keeps count.

use super::lines::{Line, Lines};
use crate::api::types::{ErrorBody, NewMessage, SendResult, SentMessage};
use crate::cli::Output;
use crate::client::{Client, ClientError};
use anyhow::{bail, ensure};
use queue::ids::AccountId;
use serde_json::{Value, json};
use std::fmt;
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
}

impl Destination {
    fn message(&self, payload: &[u8]) -> NewMessage {
        NewMessage { to: self.to.clone(), from: Some(self.from.clone()), payload: payload.to_vec() }
    }
}

/// What became of the lines so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: u64,
    first: Option<SentMessage>,
    last: Option<SentMessage>,
    /// Lines of a call that wasn't answered: the node may have accepted them.
    unknown: u64,
}

impl Tally {
    /// The last message that was accepted.
    pub(super) fn last(&self) -> Option<&SentMessage> {
        self.last.as_ref()
    }

    /// The tally for programs.
    pub(super) fn summary(&self) -> Value {
        let nonce = |message: &Option<SentMessage>| message.as_ref().map(|message| message.nonce);
        json!({
            "peer": self.last.as_ref().map(|last| &last.peer),
            "sent": self.sent,
            "first_nonce": nonce(&self.first),
            "last_nonce": nonce(&self.last),
        })
    }

    fn accept(&mut self, message: SentMessage) {
        self.sent += 1;
        self.first.get_or_insert_with(|| message.clone());
        self.last = Some(message);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => write!(
                f,
                "lines 1 to {} were accepted, as messages {} to {} of the lane to {}",
                self.sent, first.nonce, last.nonce, last.peer
            )?,
            _ => f.write_str("no line was accepted")?,
        }
        match self.unknown {
            0 => Ok(()),
            unknown => write!(
                f,
                "; up to {unknown} more may have been, `shard-node status` tells how many messages the lane has"
            ),
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
        Stream { client, destination, output, tally: Tally::default(), started: now, shown: now }
    }

    /// What was sent. Right at any time, also if [`Stream::send`] was dropped before it ended.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Sends all lines, and waits where the lane is full or the node is starting.
    ///
    /// # Errors
    /// The input's, the node's refusal, or the connection's. Nothing is sent after it.
    pub(super) async fn send(&mut self, mut lines: Lines) -> anyhow::Result<()> {
        loop {
            let batch = lines.next().await?;
            if batch.is_empty() {
                self.output.progress(self.progress());
                return Ok(());
            }
            let mut rest = &batch[..];
            while !rest.is_empty() {
                let (accepted, refused) = self.call(rest).await?;
                rest = &rest[accepted..];
                self.show(refused.as_ref());
                match refused {
                    Some(ErrorBody { retry_ms: Some(retry_ms), .. }) => {
                        tokio::time::sleep(Duration::from_millis(retry_ms)).await;
                    }
                    Some(ErrorBody { message, .. }) => bail!("{message}"),
                    None => {}
                }
            }
        }
    }

    /// One call of the local API: how many of the lines were accepted, and why the next one wasn't.
    async fn call(&mut self, lines: &[Line]) -> anyhow::Result<(usize, Option<ErrorBody>)> {
        let messages = lines.iter().map(|line| self.destination.message(&line.payload)).collect();
        self.tally.unknown = u64::try_from(lines.len())?;
        let results = match self.client.send_many(messages).await {
            Ok(answer) => answer.results,
            Err(error) => {
                if took_nothing(&error) {
                    self.tally.unknown = 0;
                }
                return Err(error.into());
            }
        };
        let found = results.len();
        ensure!(found == lines.len(), "the node answered {} messages with {found} results", lines.len());
        self.tally.unknown = 0;
        let mut accepted = 0;
        let mut refused = None;
        for result in results {
            match (result, &refused) {
                (SendResult::Sent(message), None) => {
                    accepted += 1;
                    self.tally.accept(message);
                }
                (SendResult::Sent(message), Some(_)) => {
                    bail!("the node accepted message {} behind one that it refused", message.nonce)
                }
                (SendResult::Refused { error }, None) => refused = Some(error),
                (SendResult::Refused { .. }, Some(_)) => {}
            }
        }
        Ok((accepted, refused))
    }

    fn show(&mut self, refused: Option<&ErrorBody>) {
        let to_person = self.output.is_terminal() && !self.output.is_json();
        if self.shown.elapsed() < if to_person { TERMINAL_INTERVAL } else { LOG_INTERVAL } {
            return;
        }
        self.shown = Instant::now();
        match refused {
            Some(ErrorBody { message, .. }) => self.output.progress(format!("{}; {message}", self.progress())),
            None => self.output.progress(self.progress()),
        }
    }

    fn progress(&self) -> String {
        let elapsed_ms = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(self.tally.sent) * 1_000 / elapsed_ms;
        format!("{} messages accepted, {rate} per second", self.tally.sent)
    }
}

/// Whether a failed call surely changed nothing.
fn took_nothing(error: &ClientError) -> bool {
    match error {
        ClientError::Home(_) | ClientError::NotRunning { .. } => true,
        // A node that ends may have taken messages and be unable to say so.
        ClientError::Refused(error) => error.code != "shutting_down",
        ClientError::Answer { .. } => false,
    }
}

#[cfg(test)]
mod tests;
