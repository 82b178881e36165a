//! Batch files: that a shard sent these messages, and none between.

use super::{Told, Trust, utc, verdict};
use anyhow::Context as _;
use queue::batch::{BatchError, BatchParser, BatchPiece, BatchVerifier, VerifiedBatch};
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::ids::Lane;
use serde::Serialize;
use std::io::Read;

/// How much of a file is read at once.
const READ_BYTES: usize = 256 * 1024;

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    lane: &'a Lane,
    begin: u64,
    end: u64,
    messages_bytes: u64,
    sent_size: u64,
    received_size: u64,
    checkpoint_height: u64,
    checkpoint_time_ns: u64,
    network: &'a str,
    bridge: &'a str,
    instance: String,
}

pub(super) fn verify(file: &mut impl Read, trust: &Trust) -> anyhow::Result<Told> {
    let verified = verify_parts(file, trust).context("proves nothing")?;
    let report = report(&verified, trust.is_pinned());
    Told::new(human(&report), &report)
}

fn verify_parts(file: &mut impl Read, trust: &Trust) -> anyhow::Result<VerifiedBatch> {
    let mut parser = BatchParser::default();
    let mut verifier: Option<BatchVerifier> = None;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        parser.push(&buffer[..length]);
        while let Some(piece) = parser.next_piece()? {
            match (piece, &mut verifier) {
                (BatchPiece::Part(part), Some(verifier)) => drop(verifier.verify_part::<Native>(part)?),
                (BatchPiece::Header(header), None) => {
                    let root = trust.pinned_or(&header.trust)?;
                    verifier = Some(header.verify::<Native>(&root, derive_public_key)?);
                }
                _ => return Err(BatchError::Format.into()),
            }
        }
    }
    let verified = verifier.ok_or(BatchError::Format)?.finish()?;
    if !parser.is_empty() {
        return Err(BatchError::AfterEnd.into());
    }
    Ok(verified)
}

fn report(verified: &VerifiedBatch, authenticated: bool) -> Report<'_> {
    let (checkpoint, head) = (verified.head.checkpoint().checkpoint(), verified.head.head());
    Report {
        valid: true,
        authenticated,
        lane: &verified.lane,
        begin: verified.begin,
        end: verified.end,
        messages_bytes: verified.bytes,
        sent_size: head.sent_size,
        received_size: head.received_size,
        checkpoint_height: checkpoint.height,
        checkpoint_time_ns: checkpoint.time_ns,
        network: checkpoint.domain.network.as_str(),
        bridge: checkpoint.domain.bridge.as_str(),
        instance: checkpoint.domain.instance.to_string(),
    }
}

fn human(report: &Report<'_>) -> String {
    let Lane { source, destination, .. } = report.lane;
    let content = match report.begin == report.end {
        true => "none: the file carries the attested head only".to_owned(),
        false => format!("{}..{}, each as it was sent ({} bytes)", report.begin, report.end, report.messages_bytes),
    };
    format!(
        "{}\n  lane        {source} → {destination}\n  messages    {content}\n  \
         head        {source} has sent {} messages to {destination} and received {} from it\n  \
         checkpoint  height {}, {}\n  bridge      {} on {}, instance {}",
        verdict(report.authenticated),
        report.sent_size,
        report.received_size,
        report.checkpoint_height,
        utc(report.checkpoint_time_ns),
        report.bridge,
        report.network,
        report.instance,
    )
}
