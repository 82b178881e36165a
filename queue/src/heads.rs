//! Heads, and the keyed trie that commits to them. Specified in `specs/heads.md`.
//!
//! A peer's place follows from its *name*, so that a checkpoint holds at most one head per peer,
//! whoever looks.

use crate::codec;
use crate::digest::{Crypto, Hash, Tag, head_leaf, head_node, tagged};
use crate::ids::ShardId;
use crate::limits::HEAD_PATH_LEN_MAX;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// One shard's view of the two lanes that it shares with one peer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// The other shard.
    pub peer: ShardId,
    /// Incarnation of the shard whose head this is.
    pub own_incarnation: u32,
    /// Incarnation of the peer.
    pub peer_incarnation: u32,
    /// How many messages the lane to the peer has.
    pub sent_size: u64,
    /// Root of that lane's log.
    pub sent_root: Hash,
    /// How many messages of the lane from the peer are verified and decided, durably.
    pub received_size: u64,
    /// Root of that lane's log at this size.
    pub received_root: Hash,
    /// Fresh in every checkpoint, so that an unchanged head can't be told from a changed one.
    pub salt: Hash,
}

/// Bit `depth` of the hash of a peer's name, most significant first: false is left.
fn goes_right(name: &Hash, depth: usize) -> bool {
    name.0[depth / 8] & (0x80 >> (depth % 8)) != 0
}

fn place<C: Crypto>(peer: &ShardId) -> Hash {
    tagged::<C>(Tag::Peer, peer.as_str().as_bytes())
}

fn leaf<C: Crypto>(head: &Head) -> Hash {
    head_leaf::<C>(&codec::encode(head))
}

/// The trie over a checkpoint's heads.
///
/// Invariant: sorted by place, one entry per peer.
#[derive(Debug, Clone)]
pub struct HeadTrie {
    entries: Vec<(Hash, Hash, ShardId)>,
}

/// Two heads for one peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two heads for peer {0}")]
pub struct DuplicateHead(pub ShardId);

/// Where an empty side of the trie stands: its depth, and the directions that lead to it as the
/// first `depth` bits of a place (the rest zeros).
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub struct SidePosition {
    /// 0 for the root.
    pub depth: u16,
    /// Directions from the root, most significant bit first.
    pub prefix: Hash,
}

impl HeadTrie {
    /// The trie over `heads`.
    ///
    /// # Errors
    /// [`DuplicateHead`] if a peer has more than one.
    pub fn new<C: Crypto>(heads: &[Head]) -> Result<Self, DuplicateHead> {
        let mut entries: Vec<(Hash, Hash, ShardId)> =
            heads.iter().map(|head| (place::<C>(&head.peer), leaf::<C>(head), head.peer.clone())).collect();
        entries.sort();
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(DuplicateHead(pair[0].2.clone()));
        }
        Ok(HeadTrie { entries })
    }

    /// The root that a checkpoint carries. `empty_side` gives the 32 unpredictable bytes of an
    /// empty side.
    pub fn root<C: Crypto>(&self, empty_side: &impl Fn(SidePosition) -> Hash) -> Hash {
        self.root_and_paths::<C>(empty_side).0
    }

    /// The siblings on the way from the root to `peer`'s head, topmost first; `None` if it has none.
    pub fn path<C: Crypto>(&self, peer: &ShardId, empty_side: &impl Fn(SidePosition) -> Hash) -> Option<Vec<Hash>> {
        self.paths::<C>(empty_side).remove(peer)
    }

    /// The paths of all peers' heads, each as [`HeadTrie::path`], for little more than what one costs.
    pub fn paths<C: Crypto>(&self, empty_side: &impl Fn(SidePosition) -> Hash) -> BTreeMap<&ShardId, Vec<Hash>> {
        let peers = self.entries.iter().map(|(_, _, peer)| peer);
        peers.zip(self.root_and_paths::<C>(empty_side).1).collect()
    }

    fn root_and_paths<C: Crypto>(&self, empty_side: &impl Fn(SidePosition) -> Hash) -> (Hash, Vec<Vec<Hash>>) {
        let mut paths = vec![Vec::new(); self.entries.len()];
        let start = SidePosition { depth: 0, prefix: Hash::ZERO };
        let root = subtrie::<C>(&self.entries, start, empty_side, &mut paths);
        paths.iter_mut().for_each(|path| path.reverse());
        (root, paths)
    }
}

impl SidePosition {
    fn child(self, right: bool) -> SidePosition {
        let mut prefix = self.prefix;
        let depth = usize::from(self.depth);
        if right {
            prefix.0[depth / 8] |= 0x80 >> (depth % 8);
        }
        SidePosition { depth: self.depth + 1, prefix }
    }
}

/// The hash of the part of a trie that holds `entries`; adds to the path of each its sibling at every depth,
/// undermost first.
fn subtrie<C: Crypto>(
    entries: &[(Hash, Hash, ShardId)],
    at: SidePosition,
    empty_side: &impl Fn(SidePosition) -> Hash,
    paths: &mut [Vec<Hash>],
) -> Hash {
    match entries {
        [] => empty_side(at),
        [(_, leaf, _)] => *leaf,
        _ => {
            let depth = usize::from(at.depth);
            let middle = entries.partition_point(|entry| !goes_right(&entry.0, depth));
            let ((left, right), (left_paths, right_paths)) = (entries.split_at(middle), paths.split_at_mut(middle));
            let left = subtrie::<C>(left, at.child(false), empty_side, left_paths);
            let right = subtrie::<C>(right, at.child(true), empty_side, right_paths);
            left_paths.iter_mut().for_each(|path| path.push(right));
            right_paths.iter_mut().for_each(|path| path.push(left));
            head_node::<C>(&left, &right)
        }
    }
}

/// The root of the trie in which `head` stands at the end of `path` (topmost sibling first), the
/// directions taken from the peer's name. `None` if the path is longer than any can be.
///
/// The caller compares the root with a checkpoint's: that is the check.
pub fn root_from_path<C: Crypto>(head: &Head, path: &[Hash]) -> Option<Hash> {
    if path.len() > HEAD_PATH_LEN_MAX {
        return None;
    }
    let place = place::<C>(&head.peer);
    let join = |below: Hash, (depth, sibling): (usize, &Hash)| {
        if goes_right(&place, depth) { head_node::<C>(sibling, &below) } else { head_node::<C>(&below, sibling) }
    };
    Some(path.iter().enumerate().rev().fold(leaf::<C>(head), join))
}
