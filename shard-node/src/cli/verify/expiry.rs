//! Expiry proofs: that a message never ran and never will.

use super::{Told, Trust, parse, utc, verdict};
use anyhow::Context as _;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::message::Tombstone;
use queue::proof::{ExpiryProof, VerifiedExpiry};
use serde::Serialize;

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    source: &'a str,
    destination: &'a str,
    nonce: u64,
    reason: Tombstone,
    /// The tombstone's nonce on the reverse lane; without one the checkpoint's time shows it.
    result_nonce: Option<u64>,
    checkpoint_height: u64,
    checkpoint_time_ns: u64,
}

pub(super) fn verify(bytes: &[u8], trust: &Trust) -> anyhow::Result<Told> {
    let proof: ExpiryProof = parse(bytes, "no expiry proof")?;
    let root = trust.pinned_or(&proof.trust)?;
    let verified = proof.verify::<Native>(&root, derive_public_key).context("proves nothing")?;
    let report = report(&verified, trust.is_pinned());
    Told::new(human(&report), &report)
}

fn report(verified: &VerifiedExpiry, authenticated: bool) -> Report<'_> {
    let checkpoint = verified.received.checkpoint().checkpoint();
    Report {
        valid: true,
        authenticated,
        source: verified.received.head().peer.as_str(),
        destination: checkpoint.shard.as_str(),
        nonce: verified.nonce,
        reason: verified.reason,
        result_nonce: verified.result_nonce,
        checkpoint_height: checkpoint.height,
        checkpoint_time_ns: checkpoint.time_ns,
    }
}

fn human(report: &Report<'_>) -> String {
    let Report { source, destination, nonce, reason, .. } = report;
    let shown = match report.result_nonce {
        Some(result) => format!("{destination} said so in message {result} of its own lane"),
        None => format!("{destination} had not decided it when its deadline was over"),
    };
    format!(
        "{}\n  message     {source} → {destination}, nonce {nonce}\n  settled     never ran and never will ({reason}): {shown}\n  \
         checkpoint  height {}, {}",
        verdict(report.authenticated),
        report.checkpoint_height,
        utc(report.checkpoint_time_ns),
    )
}
