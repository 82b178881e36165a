//! Plain messages, by far the most: what can be told of them without copying anything.

use super::MESSAGE_VERSION;
use crate::ids::{ShardId, is_implicit};
use crate::limits::MESSAGE_BYTES_MAX;
use near_account_id::AccountIdRef;

const SALT_BYTES: usize = 32;
const KIND_DATA: u8 = 0;

/// The deadline of a data message that [`super::decide`] delivers in any block before it. `None`
/// says nothing about the message.
pub fn plain_deadline_ns(bytes: &[u8], source: &ShardId, destination: &ShardId) -> Option<Option<u64>> {
    let (&version, rest) = bytes.split_first().filter(|_| bytes.len() <= MESSAGE_BYTES_MAX)?;
    let (sender, rest) = split_account(rest.get(SALT_BYTES..)?)?;
    let (receiver, rest) = split_account(rest)?;
    let (deadline_ns, rest) = match rest.split_first()? {
        (0, rest) => (None, rest),
        (1, rest) => rest.split_first_chunk().map(|(bytes, rest)| (Some(u64::from_le_bytes(*bytes)), rest))?,
        _ => return None,
    };
    let (&kind, rest) = rest.split_first()?;
    let (_, behind) = split_bytes(rest)?;
    let is_plain = version == MESSAGE_VERSION && kind == KIND_DATA && behind.is_empty();
    let is_allowed = |shard: &ShardId, account| shard.owns(account) && !is_implicit(account);
    (is_plain && is_allowed(source, sender) && is_allowed(destination, receiver)).then_some(deadline_ns)
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
        /// Whatever it says at a glance, a decision says too, also of bytes that were meddled with.
        #[test]
        fn a_plain_message_is_one_that_a_decision_delivers(
            (sender, receiver) in (account(), account()),
            deadline_ns in proptest::option::of(1..u64::MAX),
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            meddle in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
            cut in 0usize..3,
        ) {
            let message = Message {
                version: MESSAGE_VERSION,
                salt: Hash([7; 32]),
                sender: sender.parse().expect("valid"),
                receiver: receiver.parse().expect("valid"),
                deadline_ns,
                body: Body::Data(payload),
            };
            let mut bytes = message.encode();
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
            prop_assert!(plain_deadline_ns(&bytes, &alpha, &beta) == delivered || is_expired);
        }
    }

    fn deadline_of(bytes: &[u8]) -> Option<u64> {
        Message::decode(bytes).ok().and_then(|message| message.deadline_ns)
    }
}
