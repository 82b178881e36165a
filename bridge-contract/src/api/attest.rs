//! Having a checkpoint signed.

use super::{ask, emit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::host::Host;
use crate::pending::Tip;
use crate::registry::ShardRecord;
use crate::rules::{self, AttestRequest, Verdict};
use crate::signer::SIGN_DEPOSIT_YOCTO;
use crate::storage;
use near_sdk::{Gas, PromiseOrValue, env, near};
use queue::attestation::shard_path;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestResult, AttestationFailed, Attested, Endorsement, Event};
use queue::digest::Hash;
use queue::ids::ShardId;

/// Gas for the callback: it reads two records, recovers a key, writes one record and logs.
/// The contract's tests print what it burns.
const ON_SIGNATURE_GAS: Gas = Gas::from_tgas(8);

/// Least gas of a call to `attest`: what it burns itself with one endorsement, the signer's and the
/// callback's. Refusing below it names the reason; otherwise the VM would only say that gas ran out.
const ATTEST_GAS_MIN: Gas = Gas::from_tgas(35);

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
        #[serializer(borsh)] endorsements: Vec<Endorsement>,
    ) -> Result<PromiseOrValue<AttestResult>, Refusal> {
        let prepaid = env::prepaid_gas();
        if prepaid < ATTEST_GAS_MIN {
            return Err(Refusal::GasTooLow { found_tgas: prepaid.as_tgas(), expected_tgas: ATTEST_GAS_MIN.as_tgas() });
        }
        let record =
            storage::read_shard(&checkpoint.shard).ok_or_else(|| Refusal::UnknownShard(checkpoint.shard.clone()))?;
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
            Verdict::Record(tip) | Verdict::AskAgain(tip) => self.ask_signer(record, tip),
        })
    }

    #[private]
    pub fn on_signature(&self, shard: ShardId, hash: Hash) -> AttestResult {
        let record = storage::read_shard(&shard).expect("a shard is never removed");
        let mut tip = storage::read_tip(&shard).expect("the tip was recorded before the signer was asked");
        let answer = ask::signature_answer();
        // A request that was sent twice is answered twice, and by then the lane may have moved on.
        if tip.hash != hash {
            return AttestResult::Failed;
        }
        if let Some(signature) = tip.signature {
            return AttestResult::Attested { signature };
        }
        let height = tip.checkpoint.height;
        let key = record.key.expect("only active shards ask for signatures, and no key is ever removed");
        let digest = rules::shard_digest::<Host>(&self.domain, &hash, record.curve);
        match rules::judge_answer::<Host>(answer, &digest, &key) {
            Ok(signature) => {
                tip.signature = Some(signature.clone());
                storage::write_tip(&shard, &tip);
                let attested = Attested { shard, height, hash, signature: signature.clone() };
                emit(&Event::Attested([attested]));
                AttestResult::Attested { signature }
            }
            Err(reason) => {
                emit(&Event::AttestationFailed([AttestationFailed { shard, height, hash, reason }]));
                AttestResult::Failed
            }
        }
    }
}

impl Bridge {
    fn ask_signer(&self, mut record: ShardRecord, mut tip: Tip) -> PromiseOrValue<AttestResult> {
        let shard = tip.checkpoint.shard.clone();
        record.balance_yocto -= SIGN_DEPOSIT_YOCTO;
        tip.attempts = tip.attempts.saturating_add(1);
        storage::write_shard(&shard, &record);
        storage::write_tip(&shard, &tip);

        let path = shard_path(&self.domain, &shard, tip.checkpoint.key_epoch);
        let digest = rules::shard_digest::<Host>(&self.domain, &tip.hash, record.curve);
        let callback = Bridge::ext(env::current_account_id())
            .with_static_gas(ON_SIGNATURE_GAS)
            .with_unused_gas_weight(0)
            .on_signature(shard, tip.hash);
        ask::sign(self.signer.clone(), &path, &digest, record.curve).then(callback).into()
    }
}
