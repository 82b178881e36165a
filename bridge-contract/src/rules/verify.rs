//! What the contract checks of proofs beyond what a stranger checks offline: that a checkpoint's
//! height lies in its key epoch, by the epochs that the contract keeps.

use crate::errors::ProofRefusal;
use crate::registry::Epoch;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestedHead, Proven, ShardStatus, Shows};
use queue::ids::Lane;
use queue::proof::{DeliveryVerdict, VerifiedDelivery, VerifiedExpiry, VerifiedHead, VerifiedMessage};
use queue::trust::PublicKey;

/// Longest message that one call verifies, in bytes. The contract's tests show that it fits 300 Tgas.
pub const VERIFY_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The key of a checkpoint's key epoch, if its height is one of that epoch.
///
/// # Errors
/// There is no such epoch with a known key, or it holds other heights.
pub fn judge_epoch_of(checkpoint: &Checkpoint, epoch: Option<Epoch>) -> Result<PublicKey, ProofRefusal> {
    let Checkpoint { shard, key_epoch, epoch_first_height, height, .. } = checkpoint;
    let no_epoch = || ProofRefusal::NoEpoch { shard: shard.clone(), key_epoch: *key_epoch };
    let Epoch { first_height, end_height, key, .. } = epoch.ok_or_else(no_epoch)?;
    let is_in = *height >= first_height && end_height.is_none_or(|end| *height < end);
    if !is_in || *epoch_first_height != first_height {
        let (shard, key_epoch, height) = (shard.clone(), *key_epoch, *height);
        return Err(ProofRefusal::OutsideEpoch { shard, key_epoch, height, first_height, end_height });
    }
    key.ok_or_else(no_epoch)
}

/// Whether a message is short enough for one call.
///
/// # Errors
/// It isn't.
pub fn judge_length(message: &[u8]) -> Result<(), ProofRefusal> {
    let (found, limit) = (message.len(), VERIFY_MESSAGE_BYTES_MAX);
    if found > limit { Err(ProofRefusal::MessageTooLong { found, limit }) } else { Ok(()) }
}

/// What a message proof shows, as long as `status` says where shards stand.
pub fn message_shown(message: &VerifiedMessage, status: impl Fn(&VerifiedHead) -> ShardStatus) -> Proven {
    let head = &message.head;
    let attested = vec![attested(head, head.head().sent_size, &status)];
    Proven { verified: true, shows: Shows::Sent, reason: None, lane: lane_sent(head), nonce: message.nonce, attested }
}

/// What a delivery proof shows.
pub fn delivery_shown(delivery: VerifiedDelivery, status: impl Fn(&VerifiedHead) -> ShardStatus) -> Proven {
    let head = &delivery.head;
    let (shows, reason) = match delivery.verdict {
        DeliveryVerdict::Delivered(_) => (Shows::Delivered, None),
        DeliveryVerdict::Decided(reason) => (Shows::Decided, Some(reason)),
    };
    let attested = vec![attested(head, head.head().received_size, &status)];
    Proven { verified: true, shows, reason, lane: lane_received(head), nonce: delivery.nonce, attested }
}

/// What an expiry proof shows.
pub fn expiry_shown(expiry: &VerifiedExpiry, status: impl Fn(&VerifiedHead) -> ShardStatus) -> Proven {
    let VerifiedExpiry { sent, received, nonce, reason, .. } = expiry;
    let attested = vec![
        attested(sent, sent.head().sent_size, &status),
        attested(received, received.head().received_size, &status),
    ];
    let reason = Some(reason.to_string());
    Proven { verified: true, shows: Shows::NeverRuns, reason, lane: lane_sent(sent), nonce: *nonce, attested }
}

fn attested(head: &VerifiedHead, size: u64, status: &impl Fn(&VerifiedHead) -> ShardStatus) -> AttestedHead {
    let Checkpoint { shard, height, time_ns, .. } = head.checkpoint().checkpoint();
    AttestedHead { shard: shard.clone(), height: *height, time_ns: *time_ns, size, status: status(head) }
}

/// The lane from the shard whose head it is.
fn lane_sent(head: &VerifiedHead) -> Lane {
    Lane {
        source: head.checkpoint().checkpoint().shard.clone(),
        destination: head.head().peer.clone(),
        source_incarnation: head.head().own_incarnation,
        destination_incarnation: head.head().peer_incarnation,
    }
}

/// The lane to the shard whose head it is.
fn lane_received(head: &VerifiedHead) -> Lane {
    Lane {
        source: head.head().peer.clone(),
        destination: head.checkpoint().checkpoint().shard.clone(),
        source_incarnation: head.head().peer_incarnation,
        destination_incarnation: head.head().own_incarnation,
    }
}
