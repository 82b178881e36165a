//! The demo from beginning to end, and what it found.

use super::fleet::{Fleet, SHARDS};
use super::monitor::Monitor;
use super::proof::Findings;
use super::scenario::{self, Plan};
use super::{forgery, proof};
use crate::cli::Output;
use crate::localnet::BRIDGE_WASM;
use crate::near::{Actor, AttestGas, Credentials, NearClient};
use anyhow::{Context as _, ensure};
use queue::proof::MessageProof;
use queue::trust::TrustRoot;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What the demo is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Messages each way.
    pub messages: u64,
    /// Bytes of each payload.
    pub size: usize,
    /// How long the embedded signer takes for a signature, in milliseconds.
    pub signer_delay_ms: u64,
}

/// What the demo found. Field names are the keys of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Messages that the nodes durably accepted, both ways.
    pub sent: u64,
    /// Messages in the inboxes, byte-equal to what was sent, each counted once.
    pub delivered: u64,
    /// Arrivals beyond the first.
    pub duplicates: u64,
    /// Arrivals after a later message of their lane.
    pub out_of_order: u64,
    /// Arrivals that nobody sent.
    pub foreign: u64,
    /// Checkpoints that NEAR attested.
    pub attestations: u64,
    /// Gas of one attestation.
    pub attest_gas: AttestGas,
    /// Delivered messages per second, from the first one sent to the last one delivered, the
    /// restart included.
    pub messages_per_second: f64,
    /// Median time from accepted-durable to inbox-durable, in milliseconds.
    pub latency_ms_p50: f64,
    /// The same, of the slowest in a hundred.
    pub latency_ms_p99: f64,
    /// Messages of which both times are known: those whose nodes lived to tell.
    pub latency_samples: usize,
    /// Process that was killed and started again in mid-run.
    pub killed: String,
    /// Whether a stranger verified a message from its file and the trust root alone.
    pub proof_verified: bool,
    /// Forged files that the stranger refused.
    pub forgeries_refused: usize,
    /// What the stranger found.
    pub findings: Findings,
    /// Peak memory of each process at the end, in bytes.
    pub memory_bytes: BTreeMap<String, u64>,
    /// Who signed.
    pub signer: String,
}

/// Runs the demo in `root`, an empty folder of its own.
///
/// # Errors
/// A process fails, or something that the demo promises doesn't hold.
pub async fn run(options: &Options, root: &Path, output: &Output) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut fleet = Fleet::new(program, root.to_owned(), options.signer_delay_ms);
    let rpc = fleet.start_all(|text| output.step(text)).await?;
    let [_, victim] = SHARDS;
    let plan = Plan { messages: options.messages, size: options.size, kills: vec![vec![victim]] };
    output.step(format!("sending {} messages each way; {victim} is killed half-way and started again", plan.messages));
    let lanes = scenario::lanes(&plan);
    let mut monitor = Monitor::new(&fleet)?;
    let played = tokio::select! {
        played = scenario::play(&mut fleet, &plan, &lanes) => played?,
        never = monitor.watch(output) => match never {},
    };
    let totals = monitor.totals().await;

    output.step("showing one message and two forgeries to a stranger who has the trust root and no network");
    let near = NearClient::new(&rpc, &pinned(&fleet)?.domain.bridge)?;
    let foreign = forge(&fleet, near).await?;
    let findings = proof::show_to_a_stranger(&fleet, &root.join("stranger"), SHARDS[0], SHARDS[1], &foreign).await?;
    let memory_bytes = fleet.memory_peaks().into_iter().collect();
    fleet.stop().await?;
    let report = Report {
        sent: played.sent,
        delivered: played.tallies.iter().map(|tally| tally.delivered).sum(),
        duplicates: played.tallies.iter().map(|tally| tally.duplicates).sum(),
        out_of_order: played.tallies.iter().map(|tally| tally.out_of_order).sum(),
        foreign: played.tallies.iter().map(|tally| tally.foreign).sum(),
        attestations: totals.attestations,
        attest_gas: totals.gas_each(),
        messages_per_second: played.messages_per_second(),
        latency_ms_p50: percentile_ms(&played.latencies_ns, 50),
        latency_ms_p99: percentile_ms(&played.latencies_ns, 99),
        latency_samples: played.latencies_ns.len(),
        killed: victim.to_owned(),
        proof_verified: true,
        forgeries_refused: findings.refused.len(),
        findings,
        memory_bytes,
        signer: format!("embedded, one key, delay {} s; not NEAR's MPC network", seconds(options.signer_delay_ms)),
    };
    report.check(options.messages)?;
    Ok(report)
}

fn pinned(fleet: &Fleet) -> anyhow::Result<TrustRoot> {
    let text = std::fs::read(fleet.trust()).context("reading the trust root")?;
    serde_json::from_slice(&text).context("the trust root that localnet wrote")
}

/// A file from Mallory's own bridge on the same network.
async fn forge(fleet: &Fleet, near: NearClient) -> anyhow::Result<MessageProof> {
    let text = std::fs::read(fleet.credentials()).context("reading the funded account's key")?;
    let credentials: Credentials = serde_json::from_slice(&text)?;
    let funder = Actor::new(near, &credentials.account_id.as_str().parse()?, credentials.private_key.clone());
    let receiver = format!("inbox.{}", SHARDS[1]);
    forgery::forge(&funder, credentials.private_key, &pinned(fleet)?, BRIDGE_WASM, &receiver, "pay mallory").await
}

impl Report {
    /// Whether the run kept what the bridge promises.
    fn check(&self, messages: u64) -> anyhow::Result<()> {
        let expected = 2 * messages;
        ensure!(self.sent == expected, "{} messages were accepted, expected {expected}", self.sent);
        ensure!(self.delivered == expected, "{} messages were delivered, expected {expected}", self.delivered);
        ensure!(self.duplicates == 0, "{} messages were delivered more than once", self.duplicates);
        ensure!(self.out_of_order == 0, "{} messages were delivered out of order", self.out_of_order);
        ensure!(self.foreign == 0, "{} messages were delivered that nobody sent", self.foreign);
        Ok(())
    }

    /// The report for people.
    pub fn summary(&self) -> String {
        let tera = |gas: u64| gas as f64 / 1e12;
        let memory = |(name, bytes): (&String, &u64)| format!("{name} {} MiB", bytes / (1024 * 1024));
        let memory: Vec<String> = self.memory_bytes.iter().map(memory).collect();
        let findings =
            [&self.findings.verified].into_iter().chain(&self.findings.refused).chain([&self.findings.unpinned]);
        let findings: Vec<String> = findings.map(|words| words.replace('\n', "\n    ")).collect();
        format!(
            "sent {}, delivered {}, duplicates {}, out of order {} (counted in the inboxes, against what was sent)\n\
             {} was killed in mid-run and started again\n\
             {} attestations; gas of each: contract {:.2} Tgas, signer {:.2} Tgas\n\
             {:.0} messages/s; accepted to delivered: p50 {:.1} ms, p99 {:.1} ms\n\
             peak memory: {}\n\
             signer: {}\n\
             a stranger with a file and the trust root alone, no node and no network:\n  {}",
            self.sent,
            self.delivered,
            self.duplicates,
            self.out_of_order,
            self.killed,
            self.attestations,
            tera(self.attest_gas.contract),
            tera(self.attest_gas.signer),
            self.messages_per_second,
            self.latency_ms_p50,
            self.latency_ms_p99,
            memory.join(", "),
            self.signer,
            findings.join("\n  "),
        )
    }
}

/// The value that so many percent of the sorted values don't exceed, in milliseconds; 0 of none.
fn percentile_ms(sorted_ns: &[u64], percent: usize) -> f64 {
    let rank = (sorted_ns.len() * percent).div_ceil(100).saturating_sub(1);
    sorted_ns.get(rank).map_or(0.0, |ns| Duration::from_nanos(*ns).as_secs_f64() * 1e3)
}

fn seconds(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs_f64();
    format!("{seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let ns: Vec<u64> = (1..=200).map(|ms| ms * 1_000_000).collect();
        assert_eq!((percentile_ms(&ns, 50), percentile_ms(&ns, 99)), (100.0, 198.0));
        assert_eq!(percentile_ms(&ns[..1], 99), 1.0);
        assert_eq!(percentile_ms(&[], 99), 0.0);
    }

    #[test]
    fn the_signers_delay_is_told_in_seconds() {
        assert_eq!((seconds(3_000), seconds(250), seconds(0)), ("3".into(), "0.25".into(), "0".into()));
    }
}
