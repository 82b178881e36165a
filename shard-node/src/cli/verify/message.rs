//! Message proofs: that a shard sent a message.

use super::{Told, Trust, parse, utc, verdict};
use crate::cli::output::printable;
use anyhow::Context as _;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::message::{Body, Message};
use queue::proof::{MessageProof, VerifiedMessage};
use serde::Serialize;

/// Most characters of a message's text that people are shown; machines get all of it.
const TEXT_CHARS_MAX: usize = 60;

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    from: &'a str,
    to: &'a str,
    lane: LaneNames<'a>,
    nonce: u64,
    kind: &'static str,
    payload_bytes: Option<usize>,
    payload_text: Option<&'a str>,
    checkpoint_height: u64,
    checkpoint_time_ns: u64,
    network: &'a str,
    bridge: &'a str,
    instance: String,
}

#[derive(Debug, Serialize)]
struct LaneNames<'a> {
    source: &'a str,
    destination: &'a str,
}

pub(super) fn verify(bytes: &[u8], trust: &Trust) -> anyhow::Result<Told> {
    let proof: MessageProof = parse(bytes, "no message proof")?;
    let root = trust.pinned_or(&proof.trust)?;
    let verified = proof.verify::<Native>(&root, derive_public_key).context("proves nothing")?;
    let report = report(&verified, trust.is_pinned());
    Told::new(human(&report), &report)
}

fn report(verified: &VerifiedMessage, authenticated: bool) -> Report<'_> {
    let checkpoint = verified.head.checkpoint().checkpoint();
    let Message { sender, receiver, body, .. } = &verified.message;
    let payload = match body {
        Body::Data(payload) => Some(payload),
        Body::Call(_) | Body::Result(_) => None,
    };
    Report {
        valid: true,
        authenticated,
        from: sender.as_str(),
        to: receiver.as_str(),
        lane: LaneNames { source: checkpoint.shard.as_str(), destination: verified.head.head().peer.as_str() },
        nonce: verified.nonce,
        kind: body.kind(),
        payload_bytes: payload.map(Vec::len),
        payload_text: payload.and_then(|payload| std::str::from_utf8(payload).ok()),
        checkpoint_height: checkpoint.height,
        checkpoint_time_ns: checkpoint.time_ns,
        network: checkpoint.domain.network.as_str(),
        bridge: checkpoint.domain.bridge.as_str(),
        instance: checkpoint.domain.instance.to_string(),
    }
}

/// What fits a line of a terminal.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn human(report: &Report<'_>) -> String {
    let verdict = verdict(report.authenticated);
    let content = match (report.payload_text, report.payload_bytes) {
        (Some(text), Some(bytes)) => format!("{} ({bytes} bytes)", shortened(&printable(text.as_bytes()))),
        (None, Some(bytes)) => format!("{bytes} bytes, not text"),
        (_, None) => format!("a {}", report.kind),
    };
    format!(
        "{verdict}\n  from        {}\n  to          {}\n  lane        {} → {}, nonce {}\n  message     {content}\n  \
         checkpoint  height {}, {}\n  bridge      {} on {}, instance {}",
        report.from,
        report.to,
        report.lane.source,
        report.lane.destination,
        report.nonce,
        report.checkpoint_height,
        utc(report.checkpoint_time_ns),
        report.bridge,
        report.network,
        report.instance,
    )
}
