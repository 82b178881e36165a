//! What the checkpoints of the model say about lanes: heads that are drawn from two logs, so that
//! some contradict others.

use crate::attested::{Log, trie};
use fastrand::Rng;
use queue::attestation::Attestation;
use queue::digest::Hash;
use queue::heads::Head;
use queue::proof::HeadProof;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Messages in each of the logs.
const MESSAGES: u64 = 3;

/// So many messages of one of the logs; of none nobody can tell of which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    log: usize,
    pub size: u64,
}

/// A head for one peer, and the trie that it stands in.
pub struct Drawn {
    pub peer: &'static str,
    pub sent: Told,
    pub received: Told,
    pub head: Head,
    path: Vec<Hash>,
}

/// All heads that are ever drawn, by the root of their trie.
pub static HEADS: LazyLock<BTreeMap<Hash, Drawn>> = LazyLock::new(|| {
    let logs = ["message", "other"].map(|name| Log::numbered(name, usize::try_from(MESSAGES).unwrap()));
    let mut tolds = vec![Told { log: 0, size: 0 }];
    for log in 0..logs.len() {
        tolds.extend((1..=MESSAGES).map(|size| Told { log, size }));
    }
    let mut heads = BTreeMap::new();
    for peer in super::NAMES {
        for &sent in &tolds {
            for &received in &tolds {
                let head = Head {
                    received_size: received.size,
                    received_root: logs[received.log].root_at(received.size),
                    ..logs[sent.log].sent(peer, sent.size)
                };
                let (root, path) = trie(&head);
                heads.insert(root, Drawn { peer, sent, received, head, path });
            }
        }
    }
    heads
});

/// The root over the heads of a shard, of which one tells of another shard of the model.
pub fn draw(random: &mut Rng, name: &str) -> Hash {
    let about_others = HEADS.iter().filter(|(_, drawn)| drawn.peer != name);
    *random.choice(about_others.collect::<Vec<_>>()).unwrap().0
}

/// The head in an attested checkpoint, with what proves it.
pub fn proof(attestation: &Attestation) -> Option<HeadProof> {
    let Drawn { head, path, .. } = HEADS.get(&attestation.checkpoint.heads_root)?;
    Some(HeadProof { head: head.clone(), path: path.clone(), attestation: attestation.clone() })
}
