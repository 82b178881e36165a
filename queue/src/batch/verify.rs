//! Checks a batch file piece by piece, in constant memory.

use super::{BATCH_MESSAGE_BYTES_MAX, BatchError, BatchHeader, BatchPart};
use crate::digest::{Crypto, Hash, leaf};
use crate::ids::Lane;
use crate::log::{CompactRange, proves_prefix};
use crate::proof::{HeadProof, ProofError, VerifiedHead};
use crate::stream::{LENGTH_BYTES, Stream};
use crate::trust::{PublicKey, TrustRoot};
use std::sync::Arc;

/// What a verified header proves by itself.
#[derive(Debug)]
struct Covered {
    trust: TrustRoot,
    lane: Lane,
    proof: HeadProof,
    head: VerifiedHead,
}

/// Checks the parts of a file whose header holds.
#[derive(Debug)]
pub struct BatchVerifier {
    covered: Arc<Covered>,
    begin: u64,
    end: u64,
    /// The lane's log up to the end of the newest part.
    log: CompactRange,
    bytes: u64,
    parts: u64,
}

/// A part that is proved under a trust root: the type is the proof.
#[derive(Debug)]
pub struct VerifiedPart {
    covered: Arc<Covered>,
    begin: CompactRange,
    end: u64,
    consistency: Vec<Hash>,
    stream: Stream,
}

/// A whole file that is proved under a trust root: the type is the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBatch {
    /// The lane.
    pub lane: Lane,
    /// First message.
    pub begin: u64,
    /// One after the last message.
    pub end: u64,
    /// Bytes of the messages, each with its length.
    pub bytes: u64,
    /// The attested head that covers them.
    pub head: VerifiedHead,
}

impl BatchHeader {
    /// Checks the header against `trust`: the pinned trust root, or the file's own if the caller
    /// has none and says so. `derive` as in [`crate::attestation::Attestation::verify`].
    ///
    /// # Errors
    /// [`BatchError`] says what doesn't hold.
    pub fn verify<C: Crypto>(
        self,
        trust: &TrustRoot,
        derive: impl FnOnce(&PublicKey, &str, &str) -> Option<PublicKey>,
    ) -> Result<BatchVerifier, BatchError> {
        let BatchHeader { trust: named, lane, begin, end, head: proof } = self;
        named.expect_pinned(trust).map_err(ProofError::OtherTrustRoot)?;
        let head = proof.clone().verify::<C>(trust, derive)?;
        if !head.is_of(&lane) {
            let (by, peer) = (head.checkpoint().checkpoint().shard.to_string(), head.head().peer.to_string());
            return Err(BatchError::OtherLane { by, peer, lane });
        }
        let attested = head.head().sent_size;
        if begin.size() > end || end > attested {
            return Err(BatchError::Range { begin: begin.size(), end, attested });
        }
        let covered = Arc::new(Covered { trust: named, lane, proof, head });
        Ok(BatchVerifier { covered, begin: begin.size(), end, log: begin, bytes: 0, parts: 0 })
    }
}

impl BatchVerifier {
    /// The lane.
    pub fn lane(&self) -> &Lane {
        &self.covered.lane
    }

    /// First message of the file.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// One after the last message of the file, as its header says.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Checks the next part.
    ///
    /// # Errors
    /// [`BatchError`] says what doesn't hold; the parts before it still do.
    pub fn verify_part<C: Crypto>(&mut self, part: BatchPart) -> Result<VerifiedPart, BatchError> {
        if self.parts > 0 && self.log.size() == self.end {
            return Err(BatchError::AfterEnd);
        }
        if part.stream.is_empty() && !(self.parts == 0 && self.begin == self.end) {
            return Err(BatchError::EmptyPart(part.end));
        }
        let bytes = self.bytes.saturating_add(u64::try_from(part.stream.len()).unwrap_or(u64::MAX));
        if bytes > BATCH_MESSAGE_BYTES_MAX {
            return Err(BatchError::TooLong);
        }
        let mut log = self.log.clone();
        let refused = BatchError::Messages(part.end);
        let BatchPart { end, consistency, stream } = part;
        let stream = Stream::parse(stream).map_err(|_| refused.clone())?;
        if end > self.end || log.size().checked_add(stream.count()) != Some(end) {
            return Err(refused);
        }
        for message in stream.messages() {
            log.append_leaf::<C>(leaf::<C>(message), |_, _| {});
        }
        let head = self.covered.head.head();
        if !proves_prefix::<C>(end, log.root::<C>(), head.sent_size, head.sent_root, &consistency) {
            return Err(BatchError::NotCovered { end, attested: head.sent_size });
        }
        (self.bytes, self.parts) = (bytes, self.parts + 1);
        let begin = std::mem::replace(&mut self.log, log);
        Ok(VerifiedPart { covered: self.covered.clone(), begin, end, consistency, stream })
    }

    /// The file has ended.
    ///
    /// # Errors
    /// [`BatchError::CutShort`].
    pub fn finish(self) -> Result<VerifiedBatch, BatchError> {
        if self.parts == 0 || self.log.size() != self.end {
            return Err(BatchError::CutShort { found: self.log.size(), expected: self.end });
        }
        let (lane, head) = (self.covered.lane.clone(), self.covered.head.clone());
        Ok(VerifiedBatch { lane, begin: self.begin, end: self.end, bytes: self.bytes, head })
    }
}

impl VerifiedPart {
    /// The trust root under which the part holds.
    pub fn trust(&self) -> &TrustRoot {
        &self.covered.trust
    }

    /// The lane.
    pub fn lane(&self) -> &Lane {
        &self.covered.lane
    }

    /// The lane's log before the part's messages.
    pub fn begin(&self) -> &CompactRange {
        &self.begin
    }

    /// Number of messages of the lane up to the part's end.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Consistency proof from the part's end to the head's sent size.
    pub fn consistency(&self) -> &[Hash] {
        &self.consistency
    }

    /// The attested head that covers the part.
    pub fn head(&self) -> &VerifiedHead {
        &self.covered.head
    }

    /// That head with what proves it.
    pub fn proof(&self) -> &HeadProof {
        &self.covered.proof
    }

    /// The part's messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.stream.messages()
    }

    /// The lane's stream from message `from` on, which must not be below the part's first.
    pub fn stream_from(&self, from: u64) -> &[u8] {
        let skipped = self.messages().zip(self.begin.size()..from).map(|(message, _)| LENGTH_BYTES + message.len());
        &self.stream.bytes()[skipped.sum()..]
    }
}
