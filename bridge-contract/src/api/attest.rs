//! Having a checkpoint signed.

use super::{ask, emit, registered, takes_no_deposit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::host::Host;
use crate::pending::Tip;
use crate::registry::{Epoch, ShardRecord};
use crate::rules::{self, AttestRequest, Verdict};
use crate::signer::SIGN_DEPOSIT_YOCTO;
use crate::storage;
use near_sdk::{Gas, PromiseOrValue, env, near};
use queue::attestation::shard_path;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestResult, AttestationFailed, Attested, Endorsements, Event, method};
use queue::digest::Hash;
use queue::ids::ShardId;

/// Gas for the callback: it reads two records, recovers a key, writes one record and logs.
/// The contract's tests print what it burns.
const ON_SIGNATURE_GAS: Gas = Gas::from_tgas(8);

/// What `attest` takes itself, callback included, in Tgas, beside what endorsements take. Refusing below it names the reason; otherwise the
/// VM would only say that gas ran out.
const ATTEST_TGAS: u64 = 20;

/// How many endorsements one Tgas checks.
const ENDORSEMENTS_PER_TGAS: u64 = 2;

#[near]
impl Bridge {
    /// Records a checkpoint as its shard's tip and has it signed. Anyone may call it; the shard's
    /// balance pays the signer's deposit. Asking again for the tip is always safe: while it is
    /// pending, the signer is asked again; once it is signed, its signature is the answer.
    ///
    /// A failed request costs its deposit too: the callback can't see whether the signer kept it.
    #[handle_result]
    pub fn attest(
        &self,
        #[serializer(borsh)] checkpoint: Checkpoint,
        #[serializer(borsh)] endorsements: Endorsements,
    ) -> Result<PromiseOrValue<AttestResult>, Refusal> {
        takes_no_deposit(method::ATTEST)?;
        let own_tgas = ATTEST_TGAS + u64::from(endorsements.members.count_ones()) / ENDORSEMENTS_PER_TGAS;
        let (found_tgas, expected_tgas) = (env::prepaid_gas().as_tgas(), own_tgas + self.sign_tgas);
        if found_tgas < expected_tgas {
            return Err(Refusal::GasTooLow { method: method::ATTEST, found_tgas, expected_tgas });
        }
        let record = registered(&checkpoint.shard)?;
        let verdict = rules::judge_checkpoint::<Host>(AttestRequest {
            domain: &self.domain,
            record: &record,
            tip: storage::read_tip(&checkpoint.shard),
            checkpoint,
            endorsements: &endorsements,
            block_ns: env::block_timestamp(),
        })?;
        Ok(match verdict {
            Verdict::Signed(signature) => PromiseOrValue::Value(AttestResult::Attested { signature }),
            Verdict::AskAgain(tip) => self.ask_signer(record, tip),
            Verdict::Record(tip) => {
                // What is recorded may be asked for whatever is paused: its height is taken, and the
                // signature may already be public.
                self.not_paused(method::ATTEST)?;
                self.ask_signer(record, tip)
            }
        })
    }

    #[private]
    pub fn on_signature(&self, #[serializer(borsh)] shard: ShardId, #[serializer(borsh)] hash: Hash) -> AttestResult {
        let record = storage::read_shard(&shard).expect("a shard that was active is never removed");
        let mut tip = storage::read_tip(&shard).expect("the tip was recorded before the signer was asked");
        let answer = ask::signature_answer();
        // A request that was sent twice is answered twice, and by then the shard may have moved on.
        if tip.hash != hash {
            return AttestResult::Failed;
        }
        if let Some(signature) = tip.signature {
            return AttestResult::Attested { signature };
        }
        let height = tip.checkpoint.height;
        let epoch = epoch_of(&tip, &record);
        let key = epoch.key.expect("only epochs with a key ask for signatures, and no key is ever removed");
        let digest = rules::shard_digest::<Host>(&self.domain, &hash, epoch.curve);
        let (result, event) = match rules::judge_answer::<Host>(answer, &digest, &key) {
            Ok(signature) => {
                tip.signature = Some(signature.clone());
                let attested = Attested { shard: shard.clone(), height, hash, signature: signature.clone() };
                (AttestResult::Attested { signature }, Event::Attested([attested]))
            }
            Err(reason) => {
                tip.last_failure_block = Some(env::block_height());
                let failed = AttestationFailed { shard: shard.clone(), height, hash, reason };
                (AttestResult::Failed, Event::AttestationFailed([failed]))
            }
        };
        storage::write_tip(&shard, &tip);
        emit(&event);
        result
    }
}

impl Bridge {
    fn ask_signer(&self, mut record: ShardRecord, mut tip: Tip) -> PromiseOrValue<AttestResult> {
        let shard = tip.checkpoint.shard.clone();
        let curve = epoch_of(&tip, &record).curve;
        record.balance_yocto -= SIGN_DEPOSIT_YOCTO;
        tip.attempts = tip.attempts.saturating_add(1);
        storage::write_shard(&shard, &record);
        storage::write_tip(&shard, &tip);

        let path = shard_path(&self.domain, &shard, tip.checkpoint.key_epoch);
        let digest = rules::shard_digest::<Host>(&self.domain, &tip.hash, curve);
        let callback = Bridge::ext(env::current_account_id())
            .with_static_gas(ON_SIGNATURE_GAS)
            .with_unused_gas_weight(0)
            .on_signature(shard, tip.hash);
        ask::sign(self.signer.clone(), &path, &digest, curve, self.sign_tgas).then(callback).into()
    }
}

/// The tip's own key epoch: a pending tip is signed with its key, even when a newer one has begun.
fn epoch_of(tip: &Tip, record: &ShardRecord) -> Epoch {
    let checkpoint = &tip.checkpoint;
    storage::read_epoch(&checkpoint.shard, record, checkpoint.key_epoch).expect("no key epoch is ever removed")
}
