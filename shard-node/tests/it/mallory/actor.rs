//! Mallory: a registered shard with real keys, whose checkpoints the contract attests, and who
//! says to her peer whatever she likes.

use super::lanes::Log;
use super::stage::{Stage, TIME_LIMIT, inbound};
use super::wire::{self, Session};
use queue::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use queue::digest::{Hash, Native};
use queue::heads::{Head, HeadTrie, SidePosition};
use queue::ids::{Lane, ShardId};
use queue::proof::HeadProof;
use queue::trust::TrustRoot;
use quinn::Endpoint;
use shard_node::home::Home;
use shard_node::init;
use shard_node::near::{Actor, AttestMode, Attestor};
use std::net::SocketAddr;

/// Who dials: it follows from the names, and both have to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    MalloryDials,
    MalloryIsDialed,
}

pub struct Mallory {
    pub shard: ShardId,
    pub target: ShardId,
    trust: TrustRoot,
    attestor: Attestor,
    tip: Option<Checkpoint>,
    endpoint: Endpoint,
    target_address: SocketAddr,
    way: Way,
}

impl Mallory {
    /// Registers her shard, and waits until the target has lanes with it.
    pub async fn register(stage: &Stage, name: &str) -> Self {
        let home = stage.folder().join(name);
        let made = init::init(stage.network.init_options(&home, name), |_| ()).await.expect("registered");
        let keys = Home::at(&home).read_keys().expect("keys");
        let target = stage.target.shard.clone();
        stage.target.until(|status| inbound(status, &made.shard).is_some()).await;
        let actor = Actor::new(stage.network.client(), &made.owner, keys.near.clone());
        Mallory {
            attestor: Attestor::new(actor, keys.member.clone(), made.shard.clone(), AttestMode::Shard),
            trust: init::read_trust(&stage.network.trust).expect("a trust root"),
            tip: None,
            endpoint: wire::endpoint(made.p2p_addr, &keys.transport),
            target_address: stage.target.p2p,
            way: if made.shard < target { Way::MalloryDials } else { Way::MalloryIsDialed },
            shard: made.shard,
            target,
        }
    }

    /// A connection with the target, whoever dials.
    pub async fn connect(&self) -> Session {
        let connecting = async {
            match self.way {
                Way::MalloryDials => {
                    let dialed = self.endpoint.connect(self.target_address, "peer.invalid").expect("dials");
                    dialed.await.expect("her key is listed")
                }
                Way::MalloryIsDialed => loop {
                    let incoming = self.endpoint.accept().await.expect("the endpoint is open");
                    // One that came long ago, while she looked away, has been given up.
                    if let Ok(connection) = incoming.await {
                        break connection;
                    }
                },
            }
        };
        let connection = tokio::time::timeout(TIME_LIMIT, connecting).await.expect("the target connects");
        Session::begin(connection).await
    }

    /// The lane from her shard to the target.
    pub fn lane(&self) -> Lane {
        let (source, destination) = (self.shard.clone(), self.target.clone());
        Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 }
    }

    /// The lane from the target to her shard.
    pub fn reverse_lane(&self) -> Lane {
        let lane = self.lane();
        Lane { source: lane.destination, destination: lane.source, ..lane }
    }

    /// A head of hers: what she says to have sent and received, each as a log and a size in it.
    pub fn head(&self, peer: &ShardId, sent: (&Log, u64), received: (&Log, u64)) -> Head {
        Head {
            peer: peer.clone(),
            own_incarnation: 0,
            peer_incarnation: 0,
            sent_size: sent.1,
            sent_root: sent.0.root_at(sent.1),
            received_size: received.1,
            received_root: received.0.root_at(received.1),
            salt: Hash([5; 32]),
        }
    }

    /// Has a checkpoint over these heads attested by the contract and its signer.
    pub async fn attest(&mut self, heads: &[Head]) -> Vec<HeadProof> {
        let trie = HeadTrie::new::<Native>(heads).expect("one head per peer");
        let empty_side = |_: SidePosition| Hash([6; 32]);
        let height = self.tip.as_ref().map_or(0, |tip| tip.height + 1);
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            domain: self.trust.domain.clone(),
            shard: self.shard.clone(),
            key_epoch: 0,
            epoch_first_height: 0,
            height,
            previous: self.tip.as_ref().map_or(Hash::ZERO, Checkpoint::hash::<Native>),
            heads_root: trie.root::<Native>(&empty_side),
            time_ns: height,
        };
        let attempt = self.attestor.attest(checkpoint.clone()).await;
        let attestation = attempt.result.expect("her own members may attest anything");
        self.tip = Some(checkpoint);
        let proof = |head: &Head| HeadProof {
            head: head.clone(),
            path: trie.path::<Native>(&head.peer, &empty_side).expect("the head is in the trie"),
            attestation: attestation.clone(),
        };
        heads.iter().map(proof).collect()
    }
}
