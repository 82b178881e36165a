//! What the bridge contract itself says of a file, by a view at a final block.

use super::{Kind, parse, read};
use crate::cli::access::Bridge;
use crate::cli::output::printable;
use anyhow::{Context as _, bail};
use queue::proof::{DELIVERY_PROOF_FORMAT, EXPIRY_PROOF_FORMAT, MESSAGE_PROOF_FORMAT};
use serde_json::{Value, json};
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
        MESSAGE_PROOF_FORMAT => "verify_message",
        DELIVERY_PROOF_FORMAT => "verify_delivery",
        EXPIRY_PROOF_FORMAT => "verify_expiry",
        _ => bail!("the contract has no view for a file of format {format:?}: leave --on-chain out"),
    };
    let proof: Value = parse(&bytes, "no proof")?;
    let json: Value = bridge.client.view(view, &json!({ "proof": proof })).await?;
    let verified = json["verified"].as_bool().context("the contract's answer doesn't say whether it is verified")?;
    let (account, url) = (&bridge.account, bridge.client.url());
    let text = |value: &Value| printable(value.as_str().unwrap_or_default().as_bytes());
    let human = if verified {
        let heads = json["attested"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shards = heads.iter().map(|head| format!("{} is {}", text(&head["shard"]), text(&head["status"])));
        let shards = shards.collect::<Vec<_>>().join(", ");
        format!("verified also by {account}, as {url} tells: {}; shard {shards}", text(&json["shows"]))
    } else {
        format!("REFUSED by {account}, as {url} tells: {}", text(&json["reason"]))
    };
    Ok(Answer { verified, human, json })
}
