//! The bridge contract and the signer, by their specification: one checkpoint per shard and
//! height, for ever. Honest nodes never ask for what it would refuse, so that it panics instead.

use k256::ecdsa::SigningKey;
use k256::elliptic_curve::PrimeField;
use k256::{Scalar, SecretKey};
use queue::attestation::{AttestationKind, ChainSignature, attestation_digest, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::TipView;
use queue::derivation::tweak;
use queue::digest::{Hash, Native};
use queue::engine::RegisteredShard;
use queue::ids::{BridgeDomain, ShardId};
use queue::limits::CHECKPOINT_AHEAD_NS_MAX;
use queue::trust::{Curve, PublicKey, TrustRoot};
use std::collections::BTreeMap;

/// The contract's state.
#[derive(Default)]
pub struct Bridge {
    shards: BTreeMap<ShardId, RegisteredShard>,
    tips: BTreeMap<ShardId, TipView>,
    before: BTreeMap<ShardId, TipView>,
}

fn root_secret() -> Scalar {
    *SecretKey::from_slice(&[42; 32]).expect("a scalar").to_nonzero_scalar()
}

fn signing_key(secret: Scalar) -> SigningKey {
    SigningKey::from_bytes(&secret.to_repr()).expect("not zero")
}

/// What every node pins.
pub fn trust() -> TrustRoot {
    let point = signing_key(root_secret()).verifying_key().to_sec1_point(false);
    let key = PublicKey::Secp256k1(point.as_bytes()[1..].try_into().expect("x and y"));
    let domain = BridgeDomain {
        network: "simulation".parse().expect("a valid network"),
        bridge: "bridge.near".parse().expect("a valid account"),
        instance: Hash([4; 32]),
    };
    TrustRoot { domain, secp256k1: Some(key), ed25519: None }
}

/// What becomes of a request to attest a checkpoint.
pub enum Recorded {
    /// It is the tip: the signer may be asked.
    Tip,
    /// It came late: the shard has moved on.
    Late,
    /// Its key epoch is over.
    OtherEpoch,
}

impl Bridge {
    /// A bridge on which these shards are registered.
    pub fn new(names: &[ShardId]) -> Self {
        let registered = |name: &ShardId| RegisteredShard {
            shard: name.clone(),
            incarnation: 0,
            key_epoch: 0,
            epoch_first_height: 0,
        };
        let shards = names.iter().map(|name| (name.clone(), registered(name))).collect();
        Bridge { shards, ..Bridge::default() }
    }

    /// The registered shards.
    pub fn shards(&self) -> Vec<RegisteredShard> {
        self.shards.values().cloned().collect()
    }

    /// Opens a key epoch behind a shard's tip, perhaps with a new incarnation.
    pub fn open_epoch(&mut self, shard: &ShardId, incarnation: bool) -> RegisteredShard {
        let listed = self.shards.get_mut(shard).expect("registered");
        listed.key_epoch += 1;
        listed.incarnation += u32::from(incarnation);
        listed.epoch_first_height = self.tips.get(shard).map_or(0, |tip| tip.checkpoint.height + 1);
        listed.clone()
    }

    /// A shard's tip.
    pub fn tip(&self, shard: &ShardId) -> Option<TipView> {
        self.tips.get(shard).cloned()
    }

    /// The tip before that, as an RPC server shows it that lags behind.
    pub fn tip_before(&self, shard: &ShardId) -> Option<TipView> {
        self.before.get(shard).cloned()
    }

    /// Records a checkpoint as `attest` does, or finds it recorded.
    pub fn record(&mut self, checkpoint: &Checkpoint, block_ns: u64) -> Recorded {
        let hash = checkpoint.hash::<Native>();
        let listed = &self.shards[&checkpoint.shard];
        let is_newest =
            (checkpoint.key_epoch, checkpoint.epoch_first_height) == (listed.key_epoch, listed.epoch_first_height);
        if let Some(tip) = self.tips.get_mut(&checkpoint.shard) {
            if tip.hash == hash {
                tip.attempts += 1;
                return Recorded::Tip;
            }
            let of = &tip.checkpoint;
            if checkpoint.height < of.height {
                return Recorded::Late;
            }
            if !is_newest {
                return Recorded::OtherEpoch;
            }
            assert_eq!(checkpoint.height, of.height + 1, "two checkpoints at one height, or one left out");
            assert_eq!(checkpoint.previous, tip.hash, "a fork");
            let may_follow = tip.signature.is_some() || of.key_epoch < checkpoint.key_epoch;
            assert!(may_follow, "sealed while the one before was pending");
            assert!(checkpoint.time_ns >= of.time_ns, "time fell");
        } else if is_newest {
            assert_eq!(checkpoint.height, 0, "the first checkpoint");
        } else {
            return Recorded::OtherEpoch;
        }
        checkpoint.check().expect("a checkpoint that contradicts itself nowhere");
        assert_eq!(checkpoint.domain, trust().domain);
        assert!(checkpoint.time_ns <= block_ns + CHECKPOINT_AHEAD_NS_MAX, "ahead of NEAR");
        let tip = TipView {
            checkpoint: checkpoint.clone(),
            hash,
            attested: None,
            signature: None,
            attempts: 1,
            last_failure_block: None,
            round: None,
        };
        if let Some(before) = self.tips.insert(checkpoint.shard.clone(), tip) {
            self.before.insert(checkpoint.shard.clone(), before);
        }
        Recorded::Tip
    }

    /// Signs the tip, once recorded, and stores the signature.
    pub fn sign(&mut self, checkpoint: &Checkpoint) -> ChainSignature {
        let domain = &checkpoint.domain;
        let path = shard_path(domain, &checkpoint.shard, checkpoint.key_epoch);
        let tweak = Scalar::from_repr(tweak(domain.bridge.as_str(), &path).into()).expect("a scalar");
        let root = checkpoint.hash::<Native>();
        let digest = attestation_digest::<Native>(AttestationKind::Shard, domain, &root, Curve::Secp256k1);
        let (signature, recovery_id) = signing_key(root_secret() + tweak).sign_prehash_recoverable(&digest.0);
        let rs = <[u8; 64]>::from(signature.to_bytes());
        let signature = ChainSignature::Secp256k1 { rs, recovery_id: recovery_id.to_byte() };
        let tip = self.tips.get_mut(&checkpoint.shard).expect("recorded before it is signed");
        assert_eq!(tip.hash, root, "only the tip is signed");
        tip.signature = Some(signature.clone());
        signature
    }
}
