//! Cuts the body of a stream into messages, wherever its chunks end.

use super::super::error::Failure;
use super::super::types::StreamLine;
use crate::driver::Run;
use axum::http::StatusCode;
use queue::ids::AccountId;
use queue::limits::MESSAGE_BYTES_MAX;
use queue::stream::{LENGTH_BYTES, Stream};

/// Longest line of JSON, in bytes: a message of 4 MiB in base64, and two accounts.
const LINE_BYTES_MAX: usize = 6 * 1024 * 1024;

const _: () = assert!(LINE_BYTES_MAX > MESSAGE_BYTES_MAX.div_ceil(3) * 4 + 1024);

/// How messages stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Each payload with its length before it.
    Payloads,
    /// One JSON object a line.
    Lines,
}

/// What was read of a stream and not yet taken out.
#[derive(Debug)]
pub(super) struct Splitter {
    format: Format,
    from: AccountId,
    to: Option<AccountId>,
    /// The bytes of a message that isn't whole yet.
    partial: Vec<u8>,
    runs: Vec<Run>,
    bytes: usize,
    /// The number of the next message.
    count: u64,
}

impl Splitter {
    /// Of a stream whose messages are between these accounts, unless they say otherwise, and are
    /// numbered from `first`.
    pub(super) fn new(format: Format, from: AccountId, to: Option<AccountId>, first: u64) -> Self {
        Splitter { format, from, to, partial: Vec::new(), runs: Vec::new(), bytes: 0, count: first }
    }

    /// Bytes of the whole messages that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The whole messages that wait.
    pub(super) fn take(&mut self) -> Vec<Run> {
        self.bytes = 0;
        std::mem::take(&mut self.runs)
    }

    /// Reads on.
    ///
    /// # Errors
    /// The first message that is none. Those before it wait to be taken out.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        match self.format {
            Format::Payloads => self.push_payloads(chunk),
            Format::Lines => self.push_lines(chunk),
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// As [`Splitter::push`]; also if it ended inside a message.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self.format {
            Format::Lines => self.add_partial_line(),
            Format::Payloads if self.partial.is_empty() => Ok(()),
            Format::Payloads => Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "truncated",
                format!(
                    "the stream ends inside message {}: {}; nothing of it was taken",
                    self.count,
                    match expected_bytes(&self.partial) {
                        Some(expected) =>
                            format!("{} of {expected} bytes are there", self.partial.len() - LENGTH_BYTES),
                        None => format!("{} of the {LENGTH_BYTES} bytes of its length are there", self.partial.len()),
                    }
                ),
            )),
        }
    }

    fn push_payloads(&mut self, mut chunk: &[u8]) -> Result<(), Failure> {
        while !chunk.is_empty() {
            if self.partial.is_empty()
                && let Some(length) = expected_bytes(chunk)
                && let Some((payload, rest)) = chunk[LENGTH_BYTES..].split_at_checked(length)
            {
                self.add_payload(payload)?;
                chunk = rest;
                continue;
            }
            let wanted = expected_bytes(&self.partial).map_or(LENGTH_BYTES, |length| LENGTH_BYTES + length);
            let (part, rest) = chunk.split_at(chunk.len().min(wanted - self.partial.len()));
            self.partial.extend_from_slice(part);
            chunk = rest;
            let Some(length) = expected_bytes(&self.partial) else { continue };
            if length > MESSAGE_BYTES_MAX {
                return Err(self.refuse_length(length));
            }
            if self.partial.len() == LENGTH_BYTES + length {
                let whole = std::mem::take(&mut self.partial);
                self.add_payload(&whole[LENGTH_BYTES..])?;
                self.partial = whole;
                self.partial.clear();
            }
        }
        Ok(())
    }

    fn push_lines(&mut self, mut chunk: &[u8]) -> Result<(), Failure> {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend_line(&chunk[..end])?;
            self.add_partial_line()?;
            chunk = &chunk[end + 1..];
        }
        self.extend_line(chunk)
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), Failure> {
        if self.partial.len() + part.len() > LINE_BYTES_MAX {
            return Err(Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("message {} of the stream: its line is longer than {LINE_BYTES_MAX} bytes", self.count),
            ));
        }
        self.partial.extend_from_slice(part);
        Ok(())
    }

    /// Adds the message of a line, unless the line is blank.
    fn add_partial_line(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.partial);
        if !line.trim_ascii().is_empty() {
            let bad = |reason: &dyn std::fmt::Display| {
                Failure::bad_request(format!("message {} of the stream: {reason}", self.count))
            };
            let line: StreamLine = serde_json::from_slice(&line).map_err(|error| bad(&error))?;
            let to = line.to.or_else(|| self.to.clone());
            let to = to.ok_or_else(|| bad(&"it has no `to`, and neither has the query"))?;
            let from = line.from.unwrap_or_else(|| self.from.clone());
            self.add_line(from, to, &line.payload)?;
        }
        self.partial = line;
        self.partial.clear();
        Ok(())
    }

    fn add_payload(&mut self, payload: &[u8]) -> Result<(), Failure> {
        if self.runs.is_empty() {
            let receiver = self.to.clone().ok_or_else(|| Failure::bad_request(PAYLOADS_NEED_TO))?;
            self.runs.push(Run { sender: self.from.clone(), receiver, payloads: Stream::default() });
        }
        self.add(payload)
    }

    fn add_line(&mut self, sender: AccountId, receiver: AccountId, payload: &[u8]) -> Result<(), Failure> {
        if !self.runs.last().is_some_and(|run| run.sender == sender && run.receiver == receiver) {
            self.runs.push(Run { sender, receiver, payloads: Stream::default() });
        }
        self.add(payload)
    }

    /// Adds to the last run.
    fn add(&mut self, payload: &[u8]) -> Result<(), Failure> {
        if payload.len() > MESSAGE_BYTES_MAX {
            return Err(self.refuse_length(payload.len()));
        }
        self.runs.last_mut().expect("callers have pushed one").payloads.push(payload);
        self.bytes += LENGTH_BYTES + payload.len();
        self.count += 1;
        Ok(())
    }

    fn refuse_length(&self, found: usize) -> Failure {
        let text = format!(
            "message {} of the stream has a payload of {found} bytes, more than the limit of {MESSAGE_BYTES_MAX} for a whole message: split it",
            self.count
        );
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    }
}

/// Why a stream of payloads can't do without a receiver.
pub(super) const PAYLOADS_NEED_TO: &str = "a stream of payloads is for one account: name it as `to` in the query";

/// The length that stands before a payload, if it is there.
fn expected_bytes(frame: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*frame.first_chunk::<LENGTH_BYTES>()?);
    // What doesn't fit is above every limit.
    Some(usize::try_from(length).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
