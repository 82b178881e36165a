//! Plain messages, by far the most: what can be told of them without copying anything.

use super::MESSAGE_VERSION;
use crate::ids::{ShardId, is_implicit};
use crate::limits::MESSAGE_BYTES_MAX;
use near_account_id::AccountIdRef;

const SALT_BYTES: usize = 32;
const KIND_DATA: u8 = 0;

/// Looks at the messages of a lane one after the other. Most are from and to the accounts of the one
/// before, and then these aren't looked at again.
#[derive(Debug)]
pub struct PlainMessages<'a> {
    source: &'a ShardId,
    destination: &'a ShardId,
    /// The accounts of the newest plain message, as they are encoded.
    accounts: &'a [u8],
}

impl<'a> PlainMessages<'a> {
    /// Of the lane between two shards.
    pub fn new(source: &'a ShardId, destination: &'a ShardId) -> Self {
        PlainMessages { source, destination, accounts: &[] }
    }

    /// The deadline of a data message that [`super::decide`] delivers in any block before it. `None`
    /// says nothing about the message.
    pub fn deadline_ns(&mut self, message: &'a [u8]) -> Option<Option<u64>> {
        let (&version, rest) = message.split_first().filter(|_| message.len() <= MESSAGE_BYTES_MAX)?;
        let rest = self.split_allowed_accounts(rest.get(SALT_BYTES..)?)?;
        let (deadline_ns, rest) = match rest.split_first()? {
            (0, rest) => (None, rest),
            (1, rest) => rest.split_first_chunk().map(|(bytes, rest)| (Some(u64::from_le_bytes(*bytes)), rest))?,
            _ => return None,
        };
        let (&kind, rest) = rest.split_first()?;
        let (_, behind) = split_bytes(rest)?;
        let is_plain = version == MESSAGE_VERSION && kind == KIND_DATA && behind.is_empty();
        is_plain.then_some(deadline_ns)
    }

    /// What stands behind a sender of the source and a receiver of the destination.
    fn split_allowed_accounts(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        // Each account begins with its length: the same bytes are the same accounts.
        if let Some(behind) = bytes.strip_prefix(self.accounts).filter(|_| !self.accounts.is_empty()) {
            return Some(behind);
        }
        let (sender, rest) = split_account(bytes)?;
        let (receiver, behind) = split_account(rest)?;
        let is_allowed = |shard: &ShardId, account| shard.owns(account) && !is_implicit(account);
        if !(is_allowed(self.source, sender) && is_allowed(self.destination, receiver)) {
            return None;
        }
        self.accounts = &bytes[..bytes.len() - behind.len()];
        Some(behind)
    }
}

/// [`PlainMessages::deadline_ns`] of one message alone.
pub fn plain_deadline_ns(message: &[u8], source: &ShardId, destination: &ShardId) -> Option<Option<u64>> {
    PlainMessages::new(source, destination).deadline_ns(message)
}

fn split_account(bytes: &[u8]) -> Option<(&AccountIdRef, &[u8])> {
    let (account, rest) = split_bytes(bytes)?;
    Some((AccountIdRef::new(std::str::from_utf8(account).ok()?).ok()?, rest))
}

fn split_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hash;
    use crate::message::{Body, Decision, Message, decide};
    use proptest::prelude::*;

    fn shard(name: &str) -> ShardId {
        name.parse().expect("a valid name")
    }

    fn account() -> impl Strategy<Value = &'static str> {
        prop_oneof![
            4 => Just("ann.alpha"),
            4 => Just("bob.beta"),
            1 => Just("alpha"),
            1 => Just("evilalpha"),
            1 => Just("0x06012c8cf97bead5deae237070f9587f8e7a266d"),
        ]
    }

    proptest! {
        /// Whatever it says at a glance, a decision says too, also of bytes that were meddled with, and
        /// behind a message from and to other accounts.
        #[test]
        fn a_plain_message_is_one_that_a_decision_delivers(
            (sender, receiver) in (account(), account()),
            deadline_ns in proptest::option::of(1..u64::MAX),
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            meddle in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
            cut in 0usize..3,
            (sender_before, receiver_before) in (account(), account()),
        ) {
            let message = |sender: &str, receiver: &str, payload| Message {
                version: MESSAGE_VERSION,
                salt: Hash([7; 32]),
                sender: sender.parse().expect("valid"),
                receiver: receiver.parse().expect("valid"),
                deadline_ns,
                body: Body::Data(payload),
            };
            let before = message(sender_before, receiver_before, vec![]).encode();
            let mut bytes = message(sender, receiver, payload).encode();
            bytes.truncate(bytes.len() - cut.saturating_sub(1));
            if let Some((at, value)) = meddle {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let (alpha, beta) = (shard("alpha"), shard("beta"));
            let delivered = match decide(&bytes, &alpha, &beta, 0) {
                Ok(Decision::Deliver(Message { deadline_ns, body: Body::Data(_), .. })) => Some(deadline_ns),
                _ => None,
            };
            let is_expired = deadline_of(&bytes) == Some(0);
            let mut plain = PlainMessages::new(&alpha, &beta);
            plain.deadline_ns(&before);
            prop_assert!(plain.deadline_ns(&bytes) == delivered || is_expired);
        }
    }

    fn deadline_of(bytes: &[u8]) -> Option<u64> {
        Message::decode(bytes).ok().and_then(|message| message.deadline_ns)
    }
}
