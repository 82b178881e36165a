//! What the bridge contract itself says of a file, by a view at a final block.

use super::{Kind, parse, read};
use crate::cli::access::Bridge;
use crate::cli::output::printable;
use crate::cli::shard::status;
use anyhow::{Context as _, bail};
use queue::contract::{AttestedHead, NotProven, Proven, Shows, Verification, VerifyArgs, method};
use queue::proof::{DELIVERY_PROOF_FORMAT, EXPIRY_PROOF_FORMAT, MESSAGE_PROOF_FORMAT};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// The contract's answer.
pub(super) struct Answer {
    pub(super) verified: bool,
    pub(super) human: String,
    pub(super) json: Value,
}

/// Asks the contract about the very bytes of the file.
///
/// # Errors
/// A file of a kind that the contract has no view for, or NEAR's.
pub(super) async fn ask(bridge: &Bridge, path: &Path) -> anyhow::Result<Answer> {
    let bytes = read(File::open(path).context("cannot read it")?, Vec::new()).context("cannot read it")?;
    let Ok(Kind { format }) = parse(&bytes, "no JSON file with a format") else {
        bail!("the contract verifies proofs of one message, no batches: leave --on-chain out")
    };
    let view = match format.as_str() {
        MESSAGE_PROOF_FORMAT => method::VERIFY_MESSAGE,
        DELIVERY_PROOF_FORMAT => method::VERIFY_DELIVERY,
        EXPIRY_PROOF_FORMAT => method::VERIFY_EXPIRY,
        _ => bail!("the contract has no view for a file of format {format:?}: leave --on-chain out"),
    };
    // Not as a proof of this version: the contract is to judge what stands in the file.
    let proof: Value = parse(&bytes, "no proof")?;
    let answer: Verification = bridge.client.view(view, &VerifyArgs { proof }).await?;
    let json = serde_json::to_value(&answer)?;
    let (account, url) = (&bridge.account, bridge.client.url());
    let (verified, human) = match answer {
        Verification::Proven(Proven { verified: true, shows, attested, .. }) => {
            let shards: Vec<_> = attested.iter().map(attested_by).collect();
            let shows = shown(shows);
            (true, format!("verified by {account}, as {url} tells: {shows}; {}", shards.join(", ")))
        }
        Verification::Refused(NotProven { verified: false, reason }) => {
            (false, format!("REFUSED by {account}, as {url} tells: {}", printable(reason.as_bytes())))
        }
        _ => bail!("the answer of {account} contradicts itself, as {url} tells: {json}"),
    };
    Ok(Answer { verified, human, json })
}

fn shown(shows: Shows) -> &'static str {
    match shows {
        Shows::Sent => "sent",
        Shows::Delivered => "delivered",
        Shows::Decided => "decided, which need not mean delivered",
        Shows::NeverRuns => "never ran and never will",
    }
}

fn attested_by(head: &AttestedHead) -> String {
    format!("shard {} is {}", head.shard, status(head.status))
}
