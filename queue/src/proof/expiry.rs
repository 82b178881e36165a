//! The file that proves to a stranger that a message never ran and never will.

use super::{HeadProof, ProofError, VerifiedHead, check_inclusion, check_origin};
use crate::codec;
use crate::digest::{Crypto, Hash};
use crate::heads::Head;
use crate::message::{Body, Message, Outcome, Tombstone};
use crate::trust::{PublicKey, TrustRoot};
use serde::{Deserialize, Serialize};

/// First field of an expiry-proof file: names format and version.
pub const EXPIRY_PROOF_FORMAT: &str = "private-shard-bridge expiry proof v1";

/// A file that proves that message `nonce` of a lane was settled without having run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryProof {
    /// [`EXPIRY_PROOF_FORMAT`].
    pub format: String,
    /// The trust root under which it was made. Proves nothing: whoever verifies pins their own.
    pub trust: TrustRoot,
    /// The message's index in the lane.
    pub nonce: u64,
    /// The encoded message.
    #[serde(with = "codec::base64_bytes")]
    pub message: Vec<u8>,
    /// Inclusion proof in what `sent` says to have been sent, nearest sibling first.
    pub inclusion: Vec<Hash>,
    /// The source's head for the destination: it says which message has this nonce.
    pub sent: HeadProof,
    /// What the destination attested.
    pub ground: ExpiryGround,
}

/// What shows that a message never ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryGround {
    /// A head of the destination that doesn't cover the message, in a checkpoint whose time has
    /// reached its deadline.
    Checkpoint(HeadProof),
    /// A tombstone that the destination sent on the reverse lane.
    Result(ResultProof),
}

/// A result, as a message of the reverse lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultProof {
    /// Its index in the reverse lane.
    pub nonce: u64,
    /// The encoded result.
    #[serde(with = "codec::base64_bytes")]
    pub message: Vec<u8>,
    /// Inclusion proof in what `head` says to have been sent, nearest sibling first.
    pub inclusion: Vec<Hash>,
    /// The destination's head for the source.
    pub head: HeadProof,
}

/// What an expiry proof proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedExpiry {
    /// The source's attested head, which covers the message.
    pub sent: VerifiedHead,
    /// The destination's attested head, by which it was settled.
    pub received: VerifiedHead,
    /// The message's index in the lane.
    pub nonce: u64,
    /// The encoded message. Only a message settled by its deadline is sure to decode.
    pub message: Vec<u8>,
    /// Why it never runs.
    pub reason: Tombstone,
    /// The tombstone's index in the reverse lane, if that is what shows it.
    pub result_nonce: Option<u64>,
}

impl ExpiryProof {
    /// Checks the whole file against `trust`, as [`super::MessageProof::verify`] does.
    ///
    /// # Errors
    /// [`ProofError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl Fn(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedExpiry, ProofError> {
        let ExpiryProof { format, trust: theirs, nonce, message, inclusion, sent, ground } = self;
        check_origin(&format, EXPIRY_PROOF_FORMAT, &theirs, trust)?;
        let sent = sent.verify::<C>(trust, &derive)?;
        check_inclusion::<C>(&message, nonce, &inclusion, (sent.head().sent_size, sent.head().sent_root))?;
        let (received, reason, result_nonce) = match ground {
            ExpiryGround::Checkpoint(head) => {
                let received = head.verify::<C>(trust, &derive)?;
                check_ends(&sent, &received)?;
                check_deadline(&message, nonce, &received)?;
                (received, Tombstone::Expired, None)
            }
            ExpiryGround::Result(result) => {
                let received = result.head.verify::<C>(trust, &derive)?;
                check_ends(&sent, &received)?;
                let Head { sent_size, sent_root, .. } = received.head();
                check_inclusion::<C>(&result.message, result.nonce, &result.inclusion, (*sent_size, *sent_root))?;
                let reason = tombstone(&result.message, nonce, &received)?;
                (received, reason, Some(result.nonce))
            }
        };
        Ok(VerifiedExpiry { sent, received, nonce, message, reason, result_nonce })
    }
}

/// Whether the two heads are of the two ends of one pair of lanes.
fn check_ends(sent: &VerifiedHead, received: &VerifiedHead) -> Result<(), ProofError> {
    let end = |head: &VerifiedHead| {
        let Head { peer, own_incarnation, peer_incarnation, .. } = head.head().clone();
        (head.checkpoint().checkpoint().shard.clone(), own_incarnation, peer, peer_incarnation)
    };
    let (source, source_incarnation, destination, destination_incarnation) = end(sent);
    let found = end(received);
    if found != (destination.clone(), destination_incarnation, source.clone(), source_incarnation) {
        let (shard, _, peer, _) = found;
        return Err(ProofError::OtherLane(format!(
            "the message is of the lane {source}→{destination}, what settles it of {shard} about {peer}, \
             or of another incarnation"
        )));
    }
    Ok(())
}

fn check_deadline(message: &[u8], nonce: u64, received: &VerifiedHead) -> Result<(), ProofError> {
    let not_settled = |reason: String| Err(ProofError::NotSettled(reason));
    let time_ns = received.checkpoint().checkpoint().time_ns;
    let message = Message::decode(message)?;
    let Some(deadline_ns) = message.request_deadline_ns() else {
        return not_settled(format!("a {} without a deadline never expires", message.body.kind()));
    };
    if time_ns < deadline_ns {
        return not_settled(format!("the checkpoint's time {time_ns} is before the deadline {deadline_ns}"));
    }
    let size = received.head().received_size;
    if nonce < size {
        return not_settled(format!("by then the destination had decided {size} messages, this one among them"));
    }
    Ok(())
}

fn tombstone(result: &[u8], nonce: u64, received: &VerifiedHead) -> Result<Tombstone, ProofError> {
    let not_settled = |reason: String| Err(ProofError::NotSettled(reason));
    let message = Message::decode(result)?;
    let shard = &received.checkpoint().checkpoint().shard;
    if !shard.owns(&message.sender) {
        return Err(ProofError::Sender { sender: message.sender.to_string(), shard: shard.clone() });
    }
    match message.body {
        Body::Result(result) if result.request_nonce != nonce => {
            not_settled(format!("the result is for request {}, not for {nonce}", result.request_nonce))
        }
        Body::Result(result) => match result.outcome {
            Outcome::Tombstone(reason) => Ok(reason),
            Outcome::Success(_) | Outcome::Failure(_) => not_settled("the result says that it was tried".to_owned()),
        },
        body => not_settled(format!("a {} is no result", body.kind())),
    }
}
