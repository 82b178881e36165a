//! A stream of messages to a node, and what it says about it meanwhile.

use super::{Client, ClientError};
use crate::api::types::{StreamProgress, StreamQuery};
use crate::api::{PAYLOADS_MEDIA_TYPE, STREAM_PATH};
use bytes::Bytes;
use futures_util::stream;
use queue::stream::Stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method, Response};
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Sendings that may wait for the connection; further ones wait for room.
const SENDINGS_MAX: usize = 4;

/// Longest line of an answer, in bytes: a span for each of a thousand lanes.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// Where the messages of a stream go in. Once it is dropped the stream is complete.
#[derive(Debug)]
pub struct StreamSender {
    payloads: mpsc::Sender<Bytes>,
}

/// What the node says about a stream.
#[derive(Debug)]
pub struct StreamAnswers {
    client: Client,
    response: Response,
    /// Read, and not yet a whole line.
    read: Vec<u8>,
    has_ended: bool,
}

impl Client {
    /// Opens a stream of payloads to `query.to`.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] if nothing between these accounts can be taken.
    pub async fn open_stream(&self, query: &StreamQuery) -> Result<(StreamSender, StreamAnswers), ClientError> {
        let (payloads, waiting) = mpsc::channel(SENDINGS_MAX);
        let body = stream::unfold(waiting, |mut waiting| async {
            let payloads: Bytes = waiting.recv().await?;
            Some((Ok::<_, Infallible>(payloads), waiting))
        });
        let request = self.request(Method::POST, STREAM_PATH).query(query).header(CONTENT_TYPE, PAYLOADS_MEDIA_TYPE);
        // No timeout: a stream lasts as long as its sender has something to say.
        let response = request.body(Body::wrap_stream(body)).send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        if status.is_success() {
            let answers = StreamAnswers { client: self.clone(), response, read: Vec::new(), has_ended: false };
            return Ok((StreamSender { payloads }, answers));
        }
        let body = response.bytes().await.map_err(|error| self.unanswered(&error))?;
        Err(self.refused(status, &body))
    }
}

impl StreamSender {
    /// Sends payloads, once there is room. Whether they are accepted, [`StreamAnswers`] tell; also
    /// why `false` comes back: the stream has broken, and nothing of it is sent any more.
    pub async fn send(&self, payloads: Stream) -> bool {
        payloads.is_empty() || self.payloads.send(payloads.into_bytes().into()).await.is_ok()
    }
}

impl StreamAnswers {
    /// The next answer, each more complete than the one before; `None` behind the last one, which
    /// has [`StreamProgress::done`] or [`StreamProgress::error`].
    ///
    /// # Errors
    /// [`ClientError::Answer`] if the connection breaks before the last one.
    pub async fn next(&mut self) -> Result<Option<StreamProgress>, ClientError> {
        let invalid = |reason: String| ClientError::Answer { address: self.client.address, reason };
        if self.has_ended {
            return Ok(None);
        }
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let progress: StreamProgress =
                    serde_json::from_slice(&line).map_err(|error| invalid(error.to_string()))?;
                self.has_ended = progress.done || progress.error.is_some();
                return Ok(Some(progress));
            }
            if self.read.len() > LINE_BYTES_MAX {
                return Err(invalid(format!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            match self.response.chunk().await.map_err(|error| invalid(error.to_string()))? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return Err(invalid("the stream's answer ends early".to_owned())),
            }
        }
    }
}
