//! Delivery proofs: that the destination attested to have decided a message.

use super::{Told, Trust, parse, utc, verdict};
use anyhow::Context as _;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::proof::{DeliveryProof, DeliveryVerdict, VerifiedDelivery};
use serde::Serialize;

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    source: &'a str,
    destination: &'a str,
    nonce: u64,
    delivered: bool,
    /// Why no more than that it was decided is known.
    decided: Option<&'a str>,
    checkpoint_height: u64,
    checkpoint_time_ns: u64,
}

pub(super) fn verify(bytes: &[u8], trust: &Trust) -> anyhow::Result<Told> {
    let proof: DeliveryProof = parse(bytes, "no delivery proof")?;
    let root = trust.pinned_or(&proof.trust)?;
    let verified = proof.verify::<Native>(&root, derive_public_key).context("proves nothing")?;
    let report = report(&verified, trust.is_pinned());
    Told::new(human(&report), &report)
}

fn report(verified: &VerifiedDelivery, authenticated: bool) -> Report<'_> {
    let checkpoint = verified.head.checkpoint().checkpoint();
    Report {
        valid: true,
        authenticated,
        source: verified.head.head().peer.as_str(),
        destination: checkpoint.shard.as_str(),
        nonce: verified.nonce,
        delivered: matches!(verified.verdict, DeliveryVerdict::Delivered(_)),
        decided: match &verified.verdict {
            DeliveryVerdict::Delivered(_) => None,
            DeliveryVerdict::Decided(reason) => Some(reason),
        },
        checkpoint_height: checkpoint.height,
        checkpoint_time_ns: checkpoint.time_ns,
    }
}

fn human(report: &Report<'_>) -> String {
    let Report { source, destination, nonce, .. } = report;
    let settled = match report.decided {
        None => "delivered".to_owned(),
        Some(reason) => format!("decided, which need not mean delivered: {reason}"),
    };
    format!(
        "{}\n  message     {source} → {destination}, nonce {nonce}\n  settled     {settled}, as {destination} attested\n  \
         checkpoint  height {}, {}",
        verdict(report.authenticated),
        report.checkpoint_height,
        utc(report.checkpoint_time_ns),
    )
}
