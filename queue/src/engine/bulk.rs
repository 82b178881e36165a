//! Enqueue in bulk: many payloads between two accounts, for which everything that they have in
//! common is done once.

use super::Engine;
use super::config::deadline_of;
use super::incarnation::waits_for_accept;
use super::io::{EnqueueError, Now};
use super::settlement::{Note, NoteKind};
use super::terms::Terms;
use crate::digest::Hash;
use crate::ids::{AccountId, Route, ShardId, route};
use crate::message::{Body, MESSAGE_VERSION, Message};
use crate::store::{Store, TurnId};
use crate::stream::{Stream, stream_bytes};
use std::ops::Range;

/// Bytes of messages that are hashed together: few enough that they are still in the processor's cache
/// when they are.
const SEALED_BYTES: usize = 64 * 1024;

/// What was taken of a run of payloads: the first ones, up to the first that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenRun {
    /// The destination.
    pub peer: ShardId,
    /// The nonces that they have in the lane, in order.
    pub nonces: Range<u64>,
    /// The turn that has to become durable.
    pub turn: TurnId,
    /// Why the next payload was not taken; none of those behind it was tried.
    pub refused: Option<EnqueueError>,
}

impl<S: Store> Engine<S> {
    /// Takes payloads as data messages into the lane to the receiver's shard, in order, until one is
    /// refused. Without payloads it says whether any could be taken.
    ///
    /// # Errors
    /// [`EnqueueError`], if it holds for whatever is sent between these accounts; nothing was taken.
    pub fn handle_enqueue_payloads<'a>(
        &mut self,
        sender: &AccountId,
        receiver: &AccountId,
        payloads: impl IntoIterator<Item = &'a [u8]>,
        now: Now,
    ) -> Result<TakenRun, EnqueueError> {
        let peer = self.destination(sender, receiver)?;
        let Some(outbound) = self.outbound.get_mut(&peer) else { return Err(EnqueueError::UnknownShard(peer)) };
        // Whatever the room: a frozen lane takes nothing.
        outbound.check_room(0, 0, u64::MAX)?;
        let terms = self.lanes.terms(&peer);
        terms.check_accounts(sender, receiver)?;
        let default_ms = terms.deadline_default_ms(self.config.settling.deadline_default_ms);
        let deadline_ns = deadline_of(None, default_ms, self.clock.time_ns(now))?;
        let note = Note { kind: NoteKind::Data, deadline_ns };
        let salts = self.config.salt_secret.messages(&outbound.record.lane);
        let mut envelope = Envelope::new(sender, receiver, deadline_ns);
        let first_nonce = outbound.record.log.size();
        let mut sealed = Stream::with_capacity(SEALED_BYTES);
        let mut refused = None;
        for (salt, payload) in salts.from(first_nonce).zip(payloads) {
            let checked = envelope.seal(salt, payload, terms).and_then(|message| {
                let sealed_bytes = sealed.bytes().len() as u64;
                outbound.check_room(sealed_bytes, stream_bytes(message), self.config.backlog_bytes_max)?;
                Ok(message)
            });
            match checked {
                Ok(message) => sealed.push(message),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
            if sealed.bytes().len() >= SEALED_BYTES {
                outbound.enqueue_all(&sealed, note, &mut self.journal);
                sealed.clear();
            }
        }
        if !sealed.is_empty() {
            outbound.enqueue_all(&sealed, note, &mut self.journal);
        }
        let nonces = first_nonce..outbound.record.log.size();
        Ok(TakenRun { peer, nonces, turn: self.journal.open_turn(), refused })
    }

    /// The shard to which a message between these accounts goes, if any may be sent there now.
    pub(super) fn destination(&self, sender: &AccountId, receiver: &AccountId) -> Result<ShardId, EnqueueError> {
        let own = &self.config.shard;
        if !own.owns(sender) {
            return Err(EnqueueError::Sender { sender: sender.clone(), shard: own.clone() });
        }
        let peer = match route(own, receiver) {
            Route::Local => return Err(EnqueueError::Local(receiver.clone())),
            Route::Near => return Err(EnqueueError::NearHasNoLane(receiver.clone())),
            Route::Shard(peer) => peer,
        };
        if self.config.closed_lanes.contains(&peer) {
            return Err(EnqueueError::LaneClosed(peer));
        }
        self.lanes.check_open(&peer)?;
        if !self.resumed {
            return Err(EnqueueError::Starting);
        }
        if let Some(successor) = self.successors.get(&peer) {
            return Err(EnqueueError::Over { reason: waits_for_accept(&peer, successor), peer });
        }
        Ok(peer)
    }
}

/// Encodes data messages that differ only in salt and payload.
struct Envelope {
    /// An encoded message.
    message: Vec<u8>,
    /// What it has without a payload, whose length it then ends with.
    empty_bytes: usize,
}

/// Where the salt stands in an encoded message: behind the version.
const SALT: Range<usize> = 1..33;

impl Envelope {
    fn new(sender: &AccountId, receiver: &AccountId, deadline_ns: Option<u64>) -> Self {
        let message = Message {
            version: MESSAGE_VERSION,
            salt: Hash::ZERO,
            sender: sender.clone(),
            receiver: receiver.clone(),
            deadline_ns,
            body: Body::Data(Vec::new()),
        };
        let message = message.encode();
        Envelope { empty_bytes: message.len(), message }
    }

    /// The encoded message. Its length is checked before it is made.
    fn seal(&mut self, salt: Hash, payload: &[u8], terms: Terms<'_>) -> Result<&[u8], EnqueueError> {
        let found = self.empty_bytes + payload.len();
        terms.check_size(found)?;
        let payload_len = u32::try_from(payload.len()).map_err(|_| EnqueueError::TooLarge { found })?;
        self.message[SALT].copy_from_slice(&salt.0);
        self.message.truncate(self.empty_bytes - size_of::<u32>());
        self.message.extend_from_slice(&payload_len.to_le_bytes());
        self.message.extend_from_slice(payload);
        Ok(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::terms::Lanes;
    use crate::limits::MESSAGE_BYTES_MAX;

    fn accounts() -> (AccountId, AccountId) {
        ("ann.alpha".parse().expect("valid"), "bob.beta".parse().expect("valid"))
    }

    fn no_terms() -> (Lanes, ShardId) {
        (Lanes::default(), "beta".parse().expect("valid"))
    }

    #[test]
    fn an_envelope_seals_what_the_message_would_encode_to() {
        let (sender, receiver) = accounts();
        let (lanes, peer) = no_terms();
        let mut envelope = Envelope::new(&sender, &receiver, None);
        for length in [0, 70_000, 1, 255, 256, 0] {
            let (salt, payload) = (Hash([7; 32]), vec![0xab; length]);
            let sealed = envelope.seal(salt, &payload, lanes.terms(&peer)).expect("short enough").to_vec();
            let message = Message {
                version: MESSAGE_VERSION,
                salt,
                sender: sender.clone(),
                receiver: receiver.clone(),
                deadline_ns: None,
                body: Body::Data(payload),
            };
            assert_eq!(sealed, message.encode());
        }
    }

    #[test]
    fn the_longest_payload_makes_a_message_of_exactly_the_limit_and_the_next_one_is_refused() {
        let (sender, receiver) = accounts();
        let (lanes, peer) = no_terms();
        let mut envelope = Envelope::new(&sender, &receiver, None);
        let longest = vec![0; MESSAGE_BYTES_MAX - envelope.empty_bytes];
        let sealed = envelope.seal(Hash::ZERO, &longest, lanes.terms(&peer));
        assert_eq!(sealed.expect("the limit").len(), MESSAGE_BYTES_MAX);
        let refused = envelope.seal(Hash::ZERO, &[longest, vec![0]].concat(), lanes.terms(&peer));
        assert_eq!(refused, Err(EnqueueError::TooLarge { found: MESSAGE_BYTES_MAX + 1 }));
    }
}
