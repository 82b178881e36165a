//! The lines of a stream, each one a payload, read ahead of their sending within a bound.

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Most lines that are read ahead, and that one call of [`Lines::next`] gives.
pub(super) const LINES_AHEAD_MAX: usize = 250;

/// Most bytes of lines that are read and not yet dropped, unless a single line has more. In base64
/// they fit one request of the local API.
pub(super) const BYTES_AHEAD_MAX: u32 = 2 * 1024 * 1024;

/// Bytes that are asked of the stream at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// A line that was read.
#[derive(Debug)]
pub(super) struct Line {
    /// Its bytes, without the line feed.
    pub(super) payload: Vec<u8>,
    /// Room for another line, once this one is dropped.
    _room: OwnedSemaphorePermit,
}

/// Why there are no more lines although the stream hasn't ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// No message can hold it.
    #[error("line {line} has more than the {payload_bytes_max} bytes that one message to this account holds: split it")]
    TooLong {
        /// Its number, from 1.
        line: u64,
        /// The limit, in bytes.
        payload_bytes_max: usize,
    },
    /// The system's fault.
    #[error("cannot read line {line}: {source}")]
    Read {
        /// Its number, from 1.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
}

/// Lines as they come in.
#[derive(Debug)]
pub(super) struct Lines {
    found: mpsc::Receiver<Result<Line, InputError>>,
    /// Told once the lines before it were given.
    failed: Option<InputError>,
}

impl Lines {
    /// Reads `input` from now on. To be called in a runtime.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn read(input: impl Read + Send + 'static, payload_bytes_max: usize) -> io::Result<Self> {
        let (sender, found) = mpsc::channel(LINES_AHEAD_MAX);
        let runtime = Handle::current();
        // Not a task of the runtime: that would have to wait for input before it could end.
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || read_lines(input, payload_bytes_max, &runtime, &sender))?;
        Ok(Lines { found, failed: None })
    }

    /// The lines that are there, but at least one; none after the last one.
    ///
    /// # Errors
    /// [`InputError`], after the lines before it.
    pub(super) async fn next(&mut self) -> Result<Vec<Line>, InputError> {
        let mut found = Vec::new();
        if self.failed.is_none() {
            self.found.recv_many(&mut found, LINES_AHEAD_MAX).await;
        }
        let mut lines = Vec::with_capacity(found.len());
        for line in found {
            match line {
                Ok(line) => lines.push(line),
                Err(error) => self.failed = Some(error),
            }
        }
        match self.failed.take_if(|_| lines.is_empty()) {
            Some(error) => Err(error),
            None => Ok(lines),
        }
    }
}

/// Reads until the input ends, or fails, or nobody wants more of it.
fn read_lines(
    input: impl Read,
    payload_bytes_max: usize,
    runtime: &Handle,
    sender: &mpsc::Sender<Result<Line, InputError>>,
) {
    let mut input = BufReader::with_capacity(READ_BYTES, input);
    let room = Arc::new(Semaphore::new(usize::try_from(BYTES_AHEAD_MAX).unwrap_or(Semaphore::MAX_PERMITS)));
    for line in 1.. {
        let payload = match read_line(&mut input, payload_bytes_max) {
            Ok(Some(payload)) if payload.len() <= payload_bytes_max => payload,
            Ok(None) => return,
            Ok(Some(_)) => return send(sender, Err(InputError::TooLong { line, payload_bytes_max })),
            Err(source) => return send(sender, Err(InputError::Read { line, source })),
        };
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX).min(BYTES_AHEAD_MAX);
        let Ok(room) = runtime.block_on(room.clone().acquire_many_owned(bytes)) else { return };
        if sender.blocking_send(Ok(Line { payload, _room: room })).is_err() {
            return;
        }
    }
}

/// One line without its line feed, or the first `payload_bytes_max + 1` bytes of a longer one;
/// `None` at the end.
fn read_line(input: &mut BufReader<impl Read>, payload_bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(payload_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_until(b'\n', &mut line)?;
    match line.last() {
        None => return Ok(None),
        Some(b'\n') => drop(line.pop()),
        Some(_) => {}
    }
    Ok(Some(line))
}

/// Gives the last word. Where nobody listens there is nobody to tell.
fn send(sender: &mpsc::Sender<Result<Line, InputError>>, last: Result<Line, InputError>) {
    let _ = sender.blocking_send(last);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    async fn all(mut lines: Lines) -> (Vec<Vec<u8>>, Option<String>) {
        let mut payloads = Vec::new();
        loop {
            match lines.next().await {
                Ok(found) if found.is_empty() => return (payloads, None),
                Ok(found) => payloads.extend(found.into_iter().map(|line| line.payload)),
                Err(error) => return (payloads, Some(error.to_string())),
            }
        }
    }

    async fn read(input: &'static [u8], payload_bytes_max: usize) -> (Vec<Vec<u8>>, Option<String>) {
        all(Lines::read(input, payload_bytes_max).expect("a thread")).await
    }

    #[tokio::test]
    async fn a_line_is_what_stands_before_a_line_feed_whatever_its_bytes() {
        let (lines, error) = read(b"one\n\n\xff\0\r\nlast", 10).await;
        assert_eq!(lines, [&b"one"[..], b"", b"\xff\0\r", b"last"]);
        assert_eq!(error, None);
        assert_eq!(read(b"", 10).await, (vec![], None));
        assert_eq!(read(b"\n", 10).await, (vec![vec![]], None));
    }

    #[tokio::test]
    async fn a_line_above_the_limit_is_named_and_ends_the_lines() {
        let (lines, error) = read(b"four\nfive5\nsix", 4).await;
        assert_eq!(lines, [b"four"]);
        let error = error.expect("too long");
        assert!(error.contains("line 2") && error.contains("4 bytes"), "{error}");
        assert_eq!(read(b"five5", 4).await.0, Vec::<Vec<u8>>::new());
    }

    #[tokio::test]
    async fn an_input_that_breaks_gives_the_lines_before() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the cable was pulled"))
            }
        }
        let (lines, error) = all(Lines::read(Cursor::new(b"one\ntw").chain(Broken), 9).expect("a thread")).await;
        assert_eq!(lines, [b"one"]);
        let error = error.expect("broken");
        assert!(error.contains("line 2") && error.contains("the cable was pulled"), "{error}");
    }

    #[tokio::test]
    async fn lines_longer_than_the_bound_still_come_one_at_a_time() {
        let length = usize::try_from(BYTES_AHEAD_MAX).expect("32 bits fit") + 1;
        let long = [vec![b'a'; length], vec![b'\n'], vec![b'b'; length]].concat();
        let mut lines = Lines::read(Cursor::new(long), length).expect("a thread");
        for byte in [b'a', b'b'] {
            let found = lines.next().await.expect("a line");
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].payload.len(), found[0].payload[0]), (length, byte));
        }
        assert!(lines.next().await.expect("the end").is_empty());
    }
}
