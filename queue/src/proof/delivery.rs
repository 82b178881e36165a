//! The file that proves to a stranger what the destination attested about one message: that it was
//! delivered, or at least decided.

use super::{HeadProof, ProofError, VerifiedHead, check_inclusion, check_origin};
use crate::codec;
use crate::digest::{Crypto, Hash};
use crate::message::{Body, Decision, Message, decide};
use crate::trust::{PublicKey, TrustRoot};
use serde::{Deserialize, Serialize};

/// First field of a delivery-proof file: names format and version.
pub const DELIVERY_PROOF_FORMAT: &str = "private-shard-bridge delivery proof v1";

/// A file that proves that the destination has decided message `nonce` of its lane from
/// `head.peer`, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryProof {
    /// [`DELIVERY_PROOF_FORMAT`].
    pub format: String,
    /// The trust root under which it was made. Proves nothing: whoever verifies pins their own.
    pub trust: TrustRoot,
    /// The message's index in the lane.
    pub nonce: u64,
    /// The encoded message.
    #[serde(with = "codec::base64_bytes")]
    pub message: Vec<u8>,
    /// Inclusion proof in what the head says to have received, nearest sibling first.
    pub inclusion: Vec<Hash>,
    /// The destination's head for the source, under its attestation.
    pub head: HeadProof,
}

/// What an attested head of the destination says about a message that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryVerdict {
    /// An honest destination has delivered it: nothing speaks against it, and the checkpoint's time
    /// is before its deadline.
    Delivered(Message),
    /// It was decided, one way or the other; the reason why no more is known.
    Decided(String),
}

/// What a delivery proof proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDelivery {
    /// The destination's attested head that covers the message; its `peer` is the source.
    pub head: VerifiedHead,
    /// The message's index in the lane.
    pub nonce: u64,
    /// The encoded message.
    pub message: Vec<u8>,
    /// What follows.
    pub verdict: DeliveryVerdict,
}

impl DeliveryProof {
    /// Checks the whole file against `trust`, as [`super::MessageProof::verify`] does.
    ///
    /// # Errors
    /// [`ProofError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl FnOnce(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<VerifiedDelivery, ProofError> {
        check_origin(&self.format, DELIVERY_PROOF_FORMAT, &self.trust, trust)?;
        let head = self.head.verify::<C>(trust, derive)?;
        let received = (head.head().received_size, head.head().received_root);
        check_inclusion::<C>(&self.message, self.nonce, &self.inclusion, received)?;
        let verdict = verdict(&self.message, &head);
        Ok(VerifiedDelivery { head, nonce: self.nonce, message: self.message, verdict })
    }
}

/// Decides the message again as of the checkpoint's time. All blocks that the checkpoint covers were
/// no later, so that what isn't expired by then was not expired when it was decided.
fn verdict(bytes: &[u8], head: &VerifiedHead) -> DeliveryVerdict {
    let checkpoint = head.checkpoint().checkpoint();
    match decide(bytes, &head.head().peer, &checkpoint.shard, checkpoint.time_ns) {
        Ok(Decision::Deliver(message)) => match &message.body {
            Body::Data(_) => DeliveryVerdict::Delivered(message),
            Body::Call(_) | Body::Result(_) => {
                let kind = message.body.kind();
                DeliveryVerdict::Decided(format!("what becomes of a {kind} depends on the destination's own state"))
            }
        },
        Ok(Decision::Bury(reason)) => DeliveryVerdict::Decided(format!("by the checkpoint's time it is {reason}")),
        Err(error) => DeliveryVerdict::Decided(error.to_string()),
    }
}
