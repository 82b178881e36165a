//! Endorses a checkpoint as a member of the shard, and has the bridge contract attest it.

use super::registration::ACTIVATE_TGAS;
use super::rounds::RoundPatience;
use super::{Actor, NearClient, NearError, Outcome, TransactError};
use ed25519_dalek::{Signer as _, SigningKey};
use near_primitives::types::Balance;
use queue::attestation::{Attestation, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::codec;
use queue::contract::{AttestArgs, AttestResult, Endorsement, Endorsements, ShardArgs, ShardView, method};
use queue::digest::Native;
use queue::engine::{AttestCost, AttestFailure};
use queue::ids::ShardId;
use queue::statement::{Statement, StatementScope};
use queue::trust::PublicKey;
use serde::{Deserialize, Serialize};

/// Gas attached to `attest`, in Tgas. The contract takes at least 35 and passes the rest on to the
/// signer, whose requirement of 15 can be raised by vote: this leaves room for 80. Unused gas
/// comes back.
const ATTEST_TGAS: u64 = 100;

/// Gas that attesting burnt, in gas units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttestGas {
    /// By the bridge contract itself: call and callback.
    pub contract: u64,
    /// By the signer.
    pub signer: u64,
}

/// Yocto that the contract attaches to a request to the signer, out of the shard's balance.
pub(super) const SIGNER_DEPOSIT_YOCTO: u128 = 1;

/// What an attempt took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Burnt gas.
    pub gas: AttestGas,
    /// Taken from the shard's balance for the signer, at most, in yoctoNEAR.
    pub deposit_yocto: u128,
}

impl Spent {
    /// Adds what a call took.
    pub(super) fn add(&mut self, gas: AttestGas, deposit_yocto: u128) {
        self.gas.contract = self.gas.contract.saturating_add(gas.contract);
        self.gas.signer = self.gas.signer.saturating_add(gas.signer);
        self.deposit_yocto = self.deposit_yocto.saturating_add(deposit_yocto);
    }

    /// As the engine's budget counts it.
    pub fn cost(self) -> AttestCost {
        let gas = self.gas.contract.saturating_add(self.gas.signer);
        AttestCost { gas, deposit_yocto: self.deposit_yocto }
    }
}

/// An attempt to have a checkpoint attested.
#[derive(Debug)]
pub struct Attempt {
    /// The attestation; or why there is none.
    pub result: Result<Attestation, AttestFailure>,
    /// What it took; nothing if it never was executed, or nobody knows.
    pub spent: Spent,
}

/// How a node has its checkpoints attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestMode {
    /// Each by a signature of its own.
    Shard,
    /// In rounds with other shards.
    Round(RoundPatience),
}

/// One member of a shard, and the account that pays for its transactions.
#[derive(Debug)]
pub struct Attestor {
    actor: Actor,
    member: SigningKey,
    shard: ShardId,
    mode: AttestMode,
}

impl Attestor {
    /// The member of `shard` with the key `member`.
    pub fn new(actor: Actor, member: SigningKey, shard: ShardId, mode: AttestMode) -> Self {
        Attestor { actor, member, shard, mode }
    }

    /// Endorses `checkpoint` and has it attested. May be repeated at any time, with the same
    /// checkpoint.
    pub async fn attest(&self, checkpoint: Checkpoint) -> Attempt {
        match self.mode {
            AttestMode::Shard => self.attest_alone(checkpoint).await,
            AttestMode::Round(patience) => self.attest_in_round(checkpoint, patience).await,
        }
    }

    /// Has `checkpoint` attested by a signature of its own.
    pub(super) async fn attest_alone(&self, checkpoint: Checkpoint) -> Attempt {
        let mut spent = Spent::default();
        let result = match self.execute(&checkpoint).await {
            Ok(outcome) => {
                let gas = self.gas(&outcome);
                tracing::debug!(?gas, "attest was executed");
                spent.add(gas, if gas.signer > 0 { SIGNER_DEPOSIT_YOCTO } else { 0 });
                signature(outcome).map(|signature| Attestation::of_shard(checkpoint, signature))
            }
            Err(failure) => Err(failure),
        };
        Attempt { result, spent }
    }

    pub(super) fn client(&self) -> &NearClient {
        self.actor.client()
    }

    pub(super) fn shard(&self) -> &ShardId {
        &self.shard
    }

    async fn execute(&self, checkpoint: &Checkpoint) -> Result<Outcome, AttestFailure> {
        self.call(method::ATTEST, self.attest_args(checkpoint).await?, ATTEST_TGAS).await
    }

    /// The arguments of `attest` and `submit`, with this member's endorsement.
    pub(super) async fn attest_args(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, AttestFailure> {
        let registered = self.actor.client().shard(&self.shard).await.map_err(unavailable)?;
        let registered = registered.ok_or_else(|| {
            AttestFailure::Rejected(format!("shard {} is not registered with the bridge", self.shard))
        })?;
        if registered.public_key.is_none() {
            self.activate().await?;
        }
        let endorsements = self.endorse(checkpoint, &registered)?;
        Ok(codec::encode(&AttestArgs { checkpoint: checkpoint.clone(), endorsements }))
    }

    /// Calls a method of the bridge, without deposit.
    pub(super) async fn call(&self, method: &'static str, args: Vec<u8>, tgas: u64) -> Result<Outcome, AttestFailure> {
        let outcome = self.actor.call_bridge(method, args, tgas, Balance::ZERO).await;
        outcome.map_err(|error| match error {
            TransactError::Near(_) | TransactError::NoOutcome { .. } => AttestFailure::Unavailable(error.to_string()),
            TransactError::NoKey { .. } | TransactError::Refused { .. } => AttestFailure::Rejected(error.to_string()),
        })
    }

    /// Has the contract fetch the derived key of a key epoch that has begun: nothing is recorded in it
    /// before.
    async fn activate(&self) -> Result<(), AttestFailure> {
        let args = serde_json::to_vec(&ShardArgs { shard: self.shard.clone() });
        let args = args.map_err(|error| AttestFailure::Rejected(error.to_string()))?;
        let outcome = self.actor.call_bridge(method::ACTIVATE, args, ACTIVATE_TGAS, Balance::ZERO).await;
        let outcome = outcome.map_err(|error| AttestFailure::Unavailable(error.to_string()))?;
        match outcome.result.as_deref() {
            Ok(b"null") => {
                Err(AttestFailure::Unavailable("the signer has not given the new key epoch's key".to_owned()))
            }
            Ok(_) => Ok(()),
            Err(reason) => Err(AttestFailure::Rejected(format!("activating the key epoch: {reason}"))),
        }
    }

    /// What ran on the bridge's account, and what on neither its nor the caller's.
    pub(super) fn gas(&self, outcome: &Outcome) -> AttestGas {
        let (bridge, caller) = (self.actor.client().bridge(), self.actor.account());
        let mut gas = AttestGas::default();
        for (account, burnt) in outcome.gas_burnt.iter().filter(|(account, _)| *account != caller) {
            *(if account == bridge { &mut gas.contract } else { &mut gas.signer }) += burnt;
        }
        gas
    }

    fn endorse(&self, checkpoint: &Checkpoint, registered: &ShardView) -> Result<Endorsements, AttestFailure> {
        let own = PublicKey::Ed25519(self.member.verifying_key().to_bytes());
        let index = registered.members.iter().position(|member| *member == own);
        let member = index.and_then(|index| u16::try_from(index).ok()).ok_or_else(|| {
            AttestFailure::Rejected(format!(
                "the member key {own} of this home is not a member of shard {}",
                self.shard
            ))
        })?;
        let scope = StatementScope {
            domain: checkpoint.domain.clone(),
            shard: self.shard.clone(),
            members_version: registered.members_version,
        };
        let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
        let signature = self.member.sign(&statement.signed_bytes(&scope)).to_bytes();
        Endorsements::try_from(vec![Endorsement { member, signature }])
            .map_err(|error| AttestFailure::Rejected(error.to_string()))
    }
}

fn signature(outcome: Outcome) -> Result<ChainSignature, AttestFailure> {
    let bytes = outcome.result.map_err(AttestFailure::Rejected)?;
    match serde_json::from_slice(&bytes) {
        Ok(AttestResult::Attested { signature }) => Ok(signature),
        Ok(AttestResult::Failed) => Err(AttestFailure::Unavailable(signer_reason(&outcome.failures))),
        Err(error) => Err(AttestFailure::Rejected(format!("the result of attest is unknown: {error}"))),
    }
}

pub(super) fn unavailable(error: NearError) -> AttestFailure {
    AttestFailure::Unavailable(error.to_string())
}

/// The contract's callback never learns why the signer failed; the receipt says it.
fn signer_reason(failures: &[String]) -> String {
    failures.first().cloned().unwrap_or_else(|| "its answer was no valid signature of the shard's key".to_owned())
}
