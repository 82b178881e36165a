//! Having many shards' checkpoints signed at once.

use super::{args, ask, emit, registered, takes_no_deposit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{Refusal, RoundRefusal};
use crate::host::Host;
use crate::pending::Tip;
use crate::registry::ShardRecord;
use crate::rounds::{Rounds, SignedRound};
use crate::rules::{self, AttestRequest, Submission};
use crate::signer::{Answer, SIGN_DEPOSIT_YOCTO};
use crate::storage;
use near_plugins::pause;
use near_sdk::{Gas, PromiseOrValue, env, near};
use queue::attestation::{Attestation, AttestationKind, round_path};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    AttestResult, Endorsements, Event, RoundArgs, RoundFailed, RoundPosition, RoundSigned, RoundsView, ShardArgs,
    SubmitResult, method,
};
use queue::ids::ShardId;
use queue::log::prove_inclusion;
use queue::trust::Curve;
use std::convert::Infallible;

/// Gas for the callback: it reads one record, recovers a key, writes two records and logs. The
/// contract's tests print what it burns.
const ON_ROUND_SIGNATURE_GAS: Gas = Gas::from_tgas(8);

/// What `close` takes itself, callback included, in Tgas.
const CLOSE_TGAS: u64 = 16;

#[near]
impl Bridge {
    /// Records a checkpoint as its shard's tip, by the rules of `attest`, and puts it into the open
    /// round of its key epoch's curve. Anyone may call it; the shard's balance pays for one request
    /// to the signer. Submitting the tip again is always safe: it stands where it stands.
    #[pause]
    #[handle_result]
    pub fn submit(
        &self,
        #[serializer(borsh)] checkpoint: Checkpoint,
        #[serializer(borsh)] endorsements: Endorsements,
    ) -> Result<SubmitResult, Refusal> {
        takes_no_deposit(method::SUBMIT)?;
        let shard = checkpoint.shard.clone();
        let record = registered(&shard)?;
        let epoch = storage::read_epoch(&shard, &record, checkpoint.key_epoch);
        let curve = epoch.map_or(record.epoch.curve, |epoch| epoch.curve);
        let rounds = storage::read_rounds(curve);
        let request = AttestRequest {
            domain: &self.domain,
            record: &record,
            tip: storage::read_tip(&shard),
            checkpoint,
            endorsements: &endorsements,
            block_ns: env::block_timestamp(),
        };
        let position = match rules::judge_submission::<Host>(request, curve, &rounds)? {
            Submission::Signed(signature) => return Ok(SubmitResult::Attested { signature }),
            Submission::Stands(position) => position,
            Submission::Refill(position) => {
                pay(&shard, record, curve, rounds);
                position
            }
            Submission::Append(tip) => append(&shard, record, *tip, curve, rounds),
        };
        Ok(SubmitResult::Submitted { position })
    }

    /// Has the oldest round without a signature signed: closes the open one unless one is closed
    /// already. Anyone may call it, again and again; submissions have paid for it. What was closed
    /// never changes, and one request at a time is under way.
    #[handle_result]
    pub fn close(&self) -> Result<PromiseOrValue<AttestResult>, Refusal> {
        let RoundArgs { curve } = args();
        takes_no_deposit(method::CLOSE)?;
        let (found_tgas, expected_tgas) = (env::prepaid_gas().as_tgas(), CLOSE_TGAS + self.sign_tgas);
        if found_tgas < expected_tgas {
            return Err(Refusal::GasTooLow { method: method::CLOSE, found_tgas, expected_tgas });
        }
        let mut rounds = storage::read_rounds(curve);
        if rounds.closing.is_none() {
            // What is closed may be asked for whatever is paused: shards wait for it.
            self.not_paused(method::CLOSE)?;
        }
        let root = rules::judge_close::<Host>(&mut rounds, curve, env::block_timestamp())?;
        storage::write_rounds(curve, &rounds);

        let path = round_path(&self.domain, curve);
        let digest = rules::round_digest::<Host>(&self.domain, &root, curve);
        let callback = Bridge::ext(env::current_account_id())
            .with_static_gas(ON_ROUND_SIGNATURE_GAS)
            .with_unused_gas_weight(0)
            .on_round_signature(curve, rounds.first_unsigned());
        Ok(ask::sign(self.signer.clone(), &path, &digest, curve, self.sign_tgas).then(callback).into())
    }

    #[private]
    pub fn on_round_signature(
        &self,
        #[serializer(borsh)] curve: Curve,
        #[serializer(borsh)] round: u64,
    ) -> AttestResult {
        let mut rounds = storage::read_rounds(curve);
        let answer = ask::signature_answer();
        let Some(judged) = rules::judge_round_answer::<Host>(&mut rounds, round, answer, &self.domain, curve) else {
            // A request that was sent twice is answered twice.
            return match storage::read_signed_round(curve, round) {
                Some(SignedRound { signature, .. }) => AttestResult::Attested { signature },
                None => AttestResult::Failed,
            };
        };
        storage::write_rounds(curve, &rounds);
        match judged {
            Ok(signed) => {
                storage::write_signed_round(curve, &signed);
                let SignedRound { size, root, signature, .. } = signed;
                emit(&Event::RoundSigned([RoundSigned { curve, round, size, root, signature: signature.clone() }]));
                AttestResult::Attested { signature }
            }
            Err(reason) => {
                emit(&Event::RoundFailed([RoundFailed { curve, round, reason }]));
                AttestResult::Failed
            }
        }
    }

    #[private]
    pub fn on_round_key(&self, #[serializer(borsh)] curve: Curve) {
        let mut rounds = storage::read_rounds(curve);
        if let (None, Answer::Given(key)) = (&rounds.key, ask::key_answer(curve)) {
            rounds.key = Some(key);
            storage::write_rounds(curve, &rounds);
        }
    }

    /// Where the rounds of a curve stand.
    pub fn rounds(&self) -> RoundsView {
        let RoundArgs { curve } = args();
        let rounds = storage::read_rounds(curve);
        RoundsView {
            open: rounds.open,
            size: rounds.range.size(),
            closing: rounds.closing.is_some().then(|| rounds.first_unsigned()),
            closable_at_ns: rounds.closable_at_ns(),
            pot_yocto: rounds.pot_yocto,
            public_key: rounds.key,
        }
    }

    /// The attestation of a shard's tip by the round where it stands; null while the round has no
    /// signature, and if the tip stands in none.
    #[handle_result]
    pub fn round_proof(&self) -> Result<Option<Attestation>, Refusal> {
        let ShardArgs { shard } = args();
        let Some(tip) = storage::read_tip(&shard) else { return Ok(None) };
        let Some(position) = tip.round else { return Ok(None) };
        let RoundPosition { curve, round, index } = position;
        let rounds = storage::read_rounds(curve);
        if round >= rounds.first_unsigned() {
            return Ok(None);
        }
        let signed = storage::read_signed_round(curve, round).filter(|_| rounds.keeps(round));
        let SignedRound { size, signature, .. } = signed.ok_or(RoundRefusal::NotKept(position))?;
        let Ok(path) =
            prove_inclusion::<Host, Infallible>(index, size, |node| Ok(storage::read_round_node(curve, round, node)));
        let kind = AttestationKind::Round;
        Ok(Some(Attestation { kind, checkpoint: tip.checkpoint, index, size, path, signature }))
    }
}

/// Puts a checkpoint at the end of the open round, and makes it the tip.
fn append(shard: &ShardId, record: ShardRecord, mut tip: Tip, curve: Curve, mut rounds: Rounds) -> RoundPosition {
    let round = rounds.open;
    let index = rounds.append::<Host>(tip.hash, |node, hash| storage::write_round_node(curve, round, node, &hash));
    let position = RoundPosition { curve, round, index };
    tip.round = Some(position);
    *tip.round_from(curve) = round + 1;
    pay(shard, record, curve, rounds);
    storage::write_tip(shard, &tip);
    position
}

/// Moves what one request to the signer takes from a shard's balance into the rounds' pot.
fn pay(shard: &ShardId, mut record: ShardRecord, curve: Curve, mut rounds: Rounds) {
    record.balance_yocto -= SIGN_DEPOSIT_YOCTO;
    rounds.pot_yocto += SIGN_DEPOSIT_YOCTO;
    storage::write_shard(shard, &record);
    storage::write_rounds(curve, &rounds);
}
