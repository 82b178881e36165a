//! Having a checkpoint attested in a round, together with those of other shards.

use super::attestor::{Attempt, Attestor, SIGNER_DEPOSIT_YOCTO, Spent, unavailable};
use super::{NearClient, NearError};
use queue::attestation::Attestation;
use queue::checkpoint::Checkpoint;
use queue::contract::{RoundArgs, RoundsView, ShardArgs, SubmitResult, method};
use queue::digest::Native;
use queue::engine::AttestFailure;
use queue::ids::ShardId;
use queue::trust::Curve;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Gas attached to `submit`, in Tgas: some 3 with one endorsement, 64 take half a Tgas each.
const SUBMIT_TGAS: u64 = 50;

/// Gas attached to `close`, in Tgas, as generous towards the signer as that for `attest`.
const CLOSE_TGAS: u64 = 100;

/// Longest time that a node leaves closing to others once it may: whoever is first spares the rest
/// a call. A sixth of what a signature takes.
const CLOSE_JITTER_MS_MAX: u64 = 1_000;

/// How long a checkpoint waits for its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundPatience {
    /// How often the contract is asked whether the round is signed.
    pub poll: Duration,
    /// After this time the checkpoint is attested by itself.
    pub wait: Duration,
}

/// Where a wait for a round ended.
enum Ended {
    Attested(Box<Attestation>),
    /// The round has no signature in time, or no proof any more.
    Late(String),
}

impl NearClient {
    /// A shard's tip as its round attests it at `final`; `None` while the round has no signature.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn round_proof(&self, shard: &ShardId) -> Result<Option<Attestation>, NearError> {
        self.view(method::ROUND_PROOF, &ShardArgs { shard: shard.clone() }).await
    }

    /// The rounds of a curve at `final`.
    ///
    /// # Errors
    /// [`NearError`].
    pub async fn rounds(&self, curve: Curve) -> Result<RoundsView, NearError> {
        self.view(method::ROUNDS, &RoundArgs { curve }).await
    }
}

impl Attestor {
    /// Submits `checkpoint` to the open round, closes rounds when it is time, and brings the proof.
    /// If that takes too long, the same checkpoint is attested by itself: both are safe at once.
    pub(super) async fn attest_in_round(&self, checkpoint: Checkpoint, patience: RoundPatience) -> Attempt {
        let mut spent = Spent::default();
        let result = match self.wait_for_round(&checkpoint, patience, &mut spent).await {
            Ok(Ended::Attested(attestation)) => Ok(*attestation),
            Ok(Ended::Late(reason)) => {
                tracing::info!(height = checkpoint.height, %reason, "a checkpoint is attested without its round");
                let alone = self.attest_alone(checkpoint).await;
                spent.add(alone.spent.gas, alone.spent.deposit_yocto);
                alone.result
            }
            Err(failure) => Err(failure),
        };
        Attempt { result, spent }
    }

    async fn wait_for_round(
        &self,
        checkpoint: &Checkpoint,
        patience: RoundPatience,
        spent: &mut Spent,
    ) -> Result<Ended, AttestFailure> {
        let curve = match self.submit(checkpoint, spent).await? {
            SubmitResult::Attested { signature } => {
                return Ok(Ended::Attested(Box::new(Attestation::of_shard(checkpoint.clone(), signature))));
            }
            SubmitResult::Submitted { position } => position.curve,
        };
        let late_at = Instant::now() + patience.wait;
        let mut closing = ClosingTime::default();
        loop {
            match self.client().round_proof(self.shard()).await {
                Ok(Some(attestation)) if attestation.checkpoint == *checkpoint => {
                    return Ok(Ended::Attested(Box::new(attestation)));
                }
                Ok(_) => {}
                Err(NearError::View { reason, .. }) => return Ok(Ended::Late(reason)),
                Err(error) => return Err(unavailable(error)),
            }
            if Instant::now() >= late_at {
                return Ok(Ended::Late(format!("its round has no signature after {} s", patience.wait.as_secs())));
            }
            let rounds = self.client().rounds(curve).await.map_err(unavailable)?;
            if rounds.closing.is_some() || rounds.size > 0 {
                let block = self.client().final_block().await.map_err(unavailable)?;
                if closing.has_come(rounds.closable_at_ns, block.time_ns, jitter(checkpoint, spent)) {
                    self.close(checkpoint, &rounds, curve, spent).await?;
                    closing = ClosingTime::default();
                    continue;
                }
            }
            sleep(patience.poll).await;
        }
    }

    async fn submit(&self, checkpoint: &Checkpoint, spent: &mut Spent) -> Result<SubmitResult, AttestFailure> {
        let outcome = self.call(method::SUBMIT, self.attest_args(checkpoint).await?, SUBMIT_TGAS).await?;
        spent.add(self.gas(&outcome), SIGNER_DEPOSIT_YOCTO);
        let bytes = outcome.result.map_err(AttestFailure::Rejected)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| AttestFailure::Rejected(format!("the result of submit is unknown: {error}")))
    }

    /// Closes; whether a signature came is read from the proof. A refusal means that somebody else
    /// was faster.
    async fn close(
        &self,
        checkpoint: &Checkpoint,
        rounds: &RoundsView,
        curve: Curve,
        spent: &mut Spent,
    ) -> Result<(), AttestFailure> {
        if rounds.pot_yocto == 0 {
            self.submit(checkpoint, spent).await?;
        }
        let args = serde_json::to_vec(&RoundArgs { curve });
        let args = args.map_err(|error| AttestFailure::Rejected(error.to_string()))?;
        let outcome = self.call(method::CLOSE, args, CLOSE_TGAS).await?;
        spent.add(self.gas(&outcome), 0);
        if let Err(reason) = &outcome.result {
            tracing::debug!(%reason, "a round was not closed");
        }
        Ok(())
    }
}

/// When closing is worth a call.
#[derive(Default)]
struct ClosingTime {
    /// What the contract said, and when that will have come by this machine's stopwatch: a chain
    /// may make no blocks while it has nothing to do, and no two clocks agree.
    seen: Option<(u64, Instant)>,
}

impl ClosingTime {
    /// Whether the time has come that the contract names, and `leave` more.
    fn has_come(&mut self, closable_at_ns: u64, block_ns: u64, leave: Duration) -> bool {
        let now = Instant::now();
        let due = match self.seen {
            Some((seen_ns, due)) if seen_ns == closable_at_ns => due,
            _ => now + Duration::from_nanos(closable_at_ns.saturating_sub(block_ns)) + leave,
        };
        self.seen = Some((closable_at_ns, due));
        now >= due
    }
}

/// Differs from node to node and from attempt to attempt, without a source of randomness.
fn jitter(checkpoint: &Checkpoint, spent: &Spent) -> Duration {
    let hash = checkpoint.hash::<Native>();
    let drawn = hash.0.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Duration::from_millis(drawn.wrapping_add(spent.gas.contract) % CLOSE_JITTER_MS_MAX)
}
