//! A lane's messages and their Merkle log, kept whole and slow.

use super::frames;
use queue::digest::{Hash, Native, leaf, node};
use queue::ids::{AccountId, ShardId};
use queue::log::{CompactRange, NodeId, prove_consistency};
use queue::message::{Body, MESSAGE_VERSION, Message};
use std::convert::Infallible;

/// A lane's messages from the first.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub messages: Vec<Vec<u8>>,
}

impl Log {
    pub fn size(&self) -> u64 {
        u64::try_from(self.messages.len()).expect("a length fits 64 bits")
    }

    pub fn root_at(&self, size: u64) -> Hash {
        let mut range = CompactRange::default();
        for message in self.between(0, size) {
            range.append::<Native>(message, |_, _| {});
        }
        range.root::<Native>()
    }

    pub fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency::<Native, Infallible>(old, new, |id| Ok(self.subtree(id))).expect("reading cannot fail")
    }

    /// The stream of the messages `begin..end`.
    pub fn stream(&self, begin: u64, end: u64) -> Vec<u8> {
        frames::stream(self.between(begin, end))
    }

    fn between(&self, begin: u64, end: u64) -> &[Vec<u8>] {
        let at = |nonce: u64| usize::try_from(nonce).expect("a small test");
        &self.messages[at(begin)..at(end)]
    }

    fn subtree(&self, id: NodeId) -> Hash {
        match id.level.checked_sub(1) {
            None => leaf::<Native>(&self.messages[usize::try_from(id.index).expect("a small test")]),
            Some(level) => {
                let child = |index| self.subtree(NodeId { level, index });
                node::<Native>(&child(2 * id.index), &child(2 * id.index + 1))
            }
        }
    }
}

/// A well-formed data message.
pub fn message(sender: &str, receiver: &str, text: &str) -> Vec<u8> {
    let account = |text: &str| text.parse::<AccountId>().expect("an account");
    let body = Body::Data(text.as_bytes().to_vec());
    let (sender, receiver) = (account(sender), account(receiver));
    Message { version: MESSAGE_VERSION, salt: Hash([4; 32]), sender, receiver, deadline_ns: None, body }.encode()
}

/// A data message from one shard's user to another's.
pub fn honest_message(from: &ShardId, to: &ShardId, text: &str) -> Vec<u8> {
    message(&format!("ann.{from}"), &format!("bob.{to}"), text)
}
