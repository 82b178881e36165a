//! The only place that prints.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// Prints results to stdout, as text or as JSON, and progress and errors to stderr.
#[derive(Debug)]
pub struct Output {
    json: bool,
    terminal: bool,
    spinner: Mutex<Option<ProgressBar>>,
    closed: AtomicBool,
}

impl Output {
    /// With `json`, results are JSON, one object per line.
    pub fn new(json: bool) -> Self {
        Output {
            json,
            terminal: std::io::stderr().is_terminal(),
            spinner: Mutex::default(),
            closed: AtomicBool::default(),
        }
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nobody reads stdout any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Tells what is being done. On a terminal the last step turns until the next output.
    pub fn step(&self, text: impl Display) {
        self.end_step();
        if self.terminal && !self.json {
            let spinner =
                ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner()).with_message(text.to_string());
            spinner.enable_steady_tick(Duration::from_millis(100));
            *self.spinner.lock().unwrap_or_else(PoisonError::into_inner) = Some(spinner);
        } else {
            self.write_stderr(&text);
        }
    }

    /// Whether progress is seen on a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Tells how far the last step is. On a terminal the text takes the place of the step's.
    pub fn progress(&self, text: impl Display) {
        match &*self.spinner.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(spinner) => spinner.set_message(text.to_string()),
            None => self.write_stderr(&text),
        }
    }

    /// Prints a result: `human`, or `json` as one line.
    pub fn finish<T: Serialize>(&self, human: &str, json: &T) {
        self.end_step();
        let line = if self.json {
            serde_json::to_string(json).unwrap_or_else(|error| format!("{{\"error\":\"no JSON: {error}\"}}"))
        } else {
            human.to_owned()
        };
        let mut stdout = std::io::stdout().lock();
        if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes bytes of a file to stdout.
    ///
    /// # Errors
    /// The system's, and one for a terminal: bytes there help nobody.
    pub fn write_file(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        if stdout.is_terminal() {
            return Err(std::io::Error::other("stdout is a terminal: redirect it into a file, as in `> b.batch`"));
        }
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Prints an error with its causes, and gives the exit code of a failure.
    pub fn fail(&self, error: &anyhow::Error) -> ExitCode {
        self.end_step();
        self.write_stderr(&format_args!("error: {}", with_causes(error)));
        ExitCode::FAILURE
    }

    fn end_step(&self) {
        if let Some(spinner) = self.spinner.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let text = spinner.message();
            spinner.finish_and_clear();
            self.write_stderr(&text);
        }
    }

    fn write_stderr(&self, text: &impl Display) {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// An error and its causes in one line. Many errors tell their cause themselves: it isn't repeated.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

/// A time for people.
pub fn utc(ns: u64) -> impl Display {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(ns))
}

/// Bytes of a stranger as one line for a terminal: control characters can't move the cursor or
/// forge lines.
pub fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
        }
        Err(_) => format!("({} bytes, not text)", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_an_error_tells_itself_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen: {0}")]
        struct Refused(#[source] std::io::Error);
        let error = anyhow::Error::new(Refused(std::io::Error::other("in use"))).context("starting");
        assert_eq!(with_causes(&error), "starting: cannot listen: in use");
    }

    #[test]
    fn mallorys_control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("héllo".as_bytes()), "héllo");
        assert_eq!(printable(b"a\x1b[2Jb\nc\r"), "a\\u{1b}[2Jb\\nc\\r");
        assert_eq!(printable(&[0xff, 0xfe]), "(2 bytes, not text)");
    }
}
