//! The processes of a bridge on one machine: an embedded NEAR and two shard nodes, each with a
//! home of its own.

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a process may take until it says that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a process may take to stop when asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of a failed process's words that are shown.
const STDERR_BYTES_MAX: u64 = 4_096;

/// Name of the embedded NEAR's process and of its home.
pub const NEAR: &str = "near";

/// The two shards; so are named their nodes' processes and homes.
pub const SHARDS: [&str; 2] = ["alpha", "beta"];

/// A bridge on this machine. Dropping it kills its processes; its folder goes with `root`.
#[derive(Debug)]
pub struct Fleet {
    program: PathBuf,
    root: PathBuf,
    signer_delay_ms: u64,
    near: Option<Process>,
    nodes: [Option<Process>; 2],
}

/// A running process of the fleet.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
}

impl Fleet {
    /// A fleet of `program` (this very program) with its homes under `root`. Nothing runs yet.
    pub fn new(program: PathBuf, root: PathBuf, signer_delay_ms: u64) -> Self {
        Fleet { program, root, signer_delay_ms, near: None, nodes: [None, None] }
    }

    /// The home of a shard's node.
    pub fn home(&self, shard: &str) -> PathBuf {
        self.root.join(shard)
    }

    /// The trust root that the embedded NEAR wrote.
    pub fn trust(&self) -> PathBuf {
        self.root.join(NEAR).join("trust.json")
    }

    /// The credentials of the embedded NEAR's funded account.
    pub fn credentials(&self) -> PathBuf {
        self.root.join(NEAR).join("credentials").join("localnet").join("test.near.json")
    }

    /// Starts everything for the first time: the embedded NEAR, then each shard's node, registered.
    /// `step` is told what comes. Gives NEAR's RPC address.
    ///
    /// # Errors
    /// A process doesn't become ready.
    pub async fn start_all(&mut self, step: impl Fn(String)) -> anyhow::Result<String> {
        step("starting an embedded NEAR with the bridge contract and a signer".to_owned());
        let rpc = self.start_near().await?;
        for shard in SHARDS {
            step(format!("registering shard {shard} and starting its node"));
            self.init(shard, &rpc).await?;
            self.start_node(shard).await?;
        }
        Ok(rpc)
    }

    /// Starts the embedded NEAR, again on the same port if it ran before. Gives its RPC address.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub async fn start_near(&mut self) -> anyhow::Result<String> {
        let home = self.root.join(NEAR);
        let delay = self.signer_delay_ms.to_string();
        let mut command = self.command();
        command
            .args(["localnet", "--rpc-addr", "127.0.0.1:0", "--signer-delay-ms", &delay, "--json", "--home"])
            .arg(home);
        let (process, ready) = Process::start(NEAR, command).await?;
        self.near = Some(process);
        let rpc = ready.get("rpc").and_then(Value::as_str).context("the ready line of localnet has no `rpc`")?;
        Ok(rpc.to_owned())
    }

    /// Makes the home of a shard's node and registers the shard.
    ///
    /// # Errors
    /// `init` fails.
    pub async fn init(&self, shard: &str, rpc: &str) -> anyhow::Result<()> {
        let (home, trust) = (self.home(shard), self.trust());
        let mut command = self.command();
        command.args(["init", "--json", "--shard", shard, "--near", rpc, "--home"]).arg(home).arg("--trust").arg(trust);
        let output = command.output().await.context("running init")?;
        ensure!(output.status.success(), "init of {shard} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts a shard's node.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub async fn start_node(&mut self, shard: &str) -> anyhow::Result<()> {
        let mut command = self.command();
        command.args(["run", "--json", "--home"]).arg(self.home(shard));
        let (process, _) = Process::start(shard, command).await?;
        *self.slot(shard)? = Some(process);
        Ok(())
    }

    /// Kills a process ([`NEAR`] or a shard's node) as a power cut would: with SIGKILL.
    ///
    /// # Errors
    /// It doesn't run.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let process = self.slot(name)?.take();
        let mut process = process.with_context(|| format!("{name} does not run"))?;
        process.child.kill().await.with_context(|| format!("killing {name}"))
    }

    /// Peak memory of each running process so far, in bytes, where the system tells it.
    pub fn memory_peaks(&self) -> Vec<(String, u64)> {
        let running = self.near.iter().chain(self.nodes.iter().flatten());
        running.filter_map(|process| Some((process.name.clone(), memory_peak(process.child.id()?)?))).collect()
    }

    /// Stops everything, the nodes first, each as an operator would.
    ///
    /// # Errors
    /// A process doesn't stop cleanly.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let processes = self.nodes.iter_mut().map(Option::take).chain([self.near.take()]);
        for process in processes.flatten().collect::<Vec<_>>() {
            process.stop().await?;
        }
        Ok(())
    }

    /// A command of this program whose process ends with the fleet.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn slot(&mut self, name: &str) -> anyhow::Result<&mut Option<Process>> {
        if name == NEAR {
            return Ok(&mut self.near);
        }
        match SHARDS.iter().position(|shard| *shard == name) {
            Some(index) => Ok(&mut self.nodes[index]),
            None => bail!("there is no process {name}"),
        }
    }
}

impl Process {
    /// Starts a process and waits for the JSON line by which it says that it is ready.
    async fn start(name: &str, mut command: Command) -> anyhow::Result<(Self, Value)> {
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(READY_TIMEOUT, lines.next_line()).await;
        let line = line.with_context(|| format!("{name} was not ready within {READY_TIMEOUT:?}"))??;
        let Some(line) = line else {
            let words = last_words(&mut child).await;
            bail!("{name} ended before it was ready: {words}");
        };
        let ready =
            serde_json::from_str(&line).with_context(|| format!("{name} said {line:?} instead of being ready"))?;
        // What a process logs must go somewhere, or it would stop at a full pipe.
        if let Some(mut stderr) = child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Process { name: name.to_owned(), child }, ready))
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        let Some(pid) = pid else { bail!("{} has ended by itself", self.name) };
        kill_process(pid, Signal::TERM).with_context(|| format!("asking {} to stop", self.name))?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} did not stop within {STOP_TIMEOUT:?}", self.name))??;
        ensure!(status.success(), "{} stopped with {status}", self.name);
        Ok(())
    }
}

async fn last_words(child: &mut Child) -> String {
    let mut words = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What can't be read can't be shown; the failure itself is reported either way.
        let _ = stderr.take(STDERR_BYTES_MAX).read_to_end(&mut words).await;
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

/// The peak resident set of a process, from Linux's `/proc`.
fn memory_peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
