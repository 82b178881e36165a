//! A process of a measurement: pinned to a core, told what to do on stdin, heard on stdout.

use super::usage::{self, Usage};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long a process may take to stop: it may have to sync a second's worth of messages first.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of a failed process's words that are shown.
const STDERR_BYTES_MAX: u64 = 4_096;

/// Which cores processes are pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Pinning {
    /// Of the source.
    pub(super) source: Option<usize>,
    /// Of the destination.
    pub(super) destination: Option<usize>,
}

impl Pinning {
    /// A core each where `taskset` and two cores are there. Otherwise the system's scheduler tends
    /// to put both ends on one core, and the figures say less.
    pub(super) async fn find() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().await;
        match taskset.is_ok_and(|status| status.success()) && cores >= 2 {
            true => Pinning { source: Some(0), destination: Some(1) },
            false => Pinning { source: None, destination: None },
        }
    }
}

/// A running process of a measurement. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts `program` with these arguments.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn start(
        program: &Path,
        name: &'static str,
        core: Option<usize>,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["--json", "bench-part"]).args(arguments);
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let stdin = child.stdin.take().context("stdin is piped")?;
        let lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        Ok(Part { name, child, stdin, lines })
    }

    /// The next line that the process says.
    ///
    /// # Errors
    /// It ended instead, or said something else.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let Some(line) = self.lines.next_line().await? else {
            let mut words = Vec::new();
            if let Some(stderr) = self.child.stderr.take() {
                // What can't be read can't be shown; the failure itself is reported either way.
                let _ = stderr.take(STDERR_BYTES_MAX).read_to_end(&mut words).await;
            }
            bail!("{} ended: {}", self.name, String::from_utf8_lossy(&words).trim());
        };
        serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
    }

    /// As [`Part::hear`], for what only tells that something is done.
    ///
    /// # Errors
    /// As [`Part::hear`].
    pub(super) async fn wait(&mut self) -> anyhow::Result<()> {
        // From here on it logs into a pipe that somebody has to empty.
        self.hear::<Value>().await?;
        if let Some(mut stderr) = self.child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        Ok(())
    }

    /// Tells the process what to do.
    ///
    /// # Errors
    /// It has ended.
    pub(super) async fn order(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)? + "\n";
        self.stdin.write_all(line.as_bytes()).await.with_context(|| format!("{} has ended", self.name))
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// Its resident memory now and at its peak, in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        usage::memory(self.pid()?)
    }

    /// Stops it as an operator would.
    ///
    /// # Errors
    /// It doesn't stop.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.pid()?.try_into()?).context("a process has an id above 0")?;
        kill_process(pid, Signal::TERM).with_context(|| format!("asking {} to stop", self.name))?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} did not stop within {STOP_TIMEOUT:?}", self.name))??;
        anyhow::ensure!(status.success(), "{} stopped with {status}", self.name);
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }
}
