//! The lines of a stream, each one a payload, read ahead of their sending within a bound.

use queue::stream::Stream;
use std::io::{self, BufRead as _, BufReader, Read};
use tokio::sync::mpsc;

/// Bytes that are asked of the input at once: some pipes' worth.
const READ_BYTES: usize = 256 * 1024;

/// Most batches of lines that are read ahead. One has about [`READ_BYTES`], or a single long line.
const BATCHES_AHEAD_MAX: usize = 2;

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
    found: mpsc::Receiver<Result<Stream, InputError>>,
}

impl Lines {
    /// Reads `input` from now on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn read(input: impl Read + Send + 'static, payload_bytes_max: usize) -> io::Result<Self> {
        let (sender, found) = mpsc::channel(BATCHES_AHEAD_MAX);
        // Not a task of the runtime: that would have to wait for input before it could end.
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || read_lines(input, payload_bytes_max, &sender))?;
        Ok(Lines { found })
    }

    /// The lines that are there, but at least one; `None` after the last one.
    ///
    /// # Errors
    /// [`InputError`], after the lines before it.
    pub(super) async fn next(&mut self) -> Result<Option<Stream>, InputError> {
        self.found.recv().await.transpose()
    }
}

/// Reads until the input ends, or fails, or nobody wants more of it.
fn read_lines(input: impl Read, payload_bytes_max: usize, sender: &mpsc::Sender<Result<Stream, InputError>>) {
    let mut input = BufReader::with_capacity(READ_BYTES, input);
    let mut lines = Stream::default();
    let mut line = Vec::new();
    for number in 1.. {
        // Whoever waits for the lines before shouldn't wait for this one to come in.
        let would_wait = !input.buffer().contains(&b'\n');
        if !lines.is_empty() && (would_wait || lines.bytes().len() >= READ_BYTES) {
            let batch = std::mem::take(&mut lines);
            if sender.blocking_send(Ok(batch)).is_err() {
                return;
            }
        }
        let last = match read_line(&mut input, payload_bytes_max, &mut line) {
            Ok(true) if line.len() <= payload_bytes_max => {
                lines.push(&line);
                continue;
            }
            Ok(true) => Some(Err(InputError::TooLong { line: number, payload_bytes_max })),
            Ok(false) => None,
            Err(source) => Some(Err(InputError::Read { line: number, source })),
        };
        let rest = Some(Ok(lines)).filter(|lines| lines.as_ref().is_ok_and(|lines| !lines.is_empty()));
        for word in rest.into_iter().chain(last) {
            // Where nobody listens there is nobody to tell.
            let _ = sender.blocking_send(word);
        }
        return;
    }
}

/// Reads one line without its line feed, or the first `payload_bytes_max + 1` bytes of a longer one.
/// Whether there was one.
fn read_line(input: &mut BufReader<impl Read>, payload_bytes_max: usize, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = u64::try_from(payload_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_until(b'\n', line)?;
    match line.last() {
        None => return Ok(false),
        Some(b'\n') => drop(line.pop()),
        Some(_) => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    async fn all(mut lines: Lines) -> (Vec<Vec<u8>>, Option<String>) {
        let mut payloads = Vec::new();
        loop {
            match lines.next().await {
                Ok(None) => return (payloads, None),
                Ok(Some(found)) => payloads.extend(found.messages().map(<[u8]>::to_vec)),
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
    async fn a_flood_of_lines_comes_in_bounded_batches_and_in_order() {
        let lines: Vec<Vec<u8>> = (0..50_000).map(|n| format!("line {n}").into_bytes()).collect();
        let mut found = Lines::read(Cursor::new(lines.join(&b'\n')), 100).expect("a thread");
        let mut payloads = Vec::new();
        while let Some(batch) = found.next().await.expect("lines") {
            assert!(batch.bytes().len() <= READ_BYTES + 100, "{}", batch.bytes().len());
            payloads.extend(batch.messages().map(<[u8]>::to_vec));
        }
        assert!(payloads == lines);
    }

    #[tokio::test]
    async fn a_line_does_not_wait_for_the_rest_of_the_next_one() {
        let (end, mut other_end) = io::pipe().expect("a pipe");
        let mut lines = Lines::read(end, 100).expect("a thread");
        io::Write::write_all(&mut other_end, b"one\ntw").expect("written");
        let batch = lines.next().await.expect("no error").expect("a line");
        assert_eq!(batch.messages().collect::<Vec<_>>(), [b"one"]);
        io::Write::write_all(&mut other_end, b"o\n").expect("written");
        let batch = lines.next().await.expect("no error").expect("a line");
        assert_eq!(batch.messages().collect::<Vec<_>>(), [b"two"]);
    }
}
