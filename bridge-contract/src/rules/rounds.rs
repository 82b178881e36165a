//! What is decided about rounds: which checkpoint goes in, and when the signer is asked.

use super::attest::{AttestRequest, Verdict, judge_answer, judge_checkpoint};
use crate::errors::{Refusal, RoundRefusal};
use crate::pending::Tip;
use crate::rounds::{Closing, Rounds, SignedRound};
use crate::signer::{Answer, SIGN_DEPOSIT_YOCTO};
use queue::attestation::{AttestationKind, ChainSignature, attestation_digest};
use queue::contract::{AttestationFailure, RoundPosition};
use queue::digest::{Crypto, Hash};
use queue::ids::BridgeDomain;
use queue::trust::Curve;

/// What to do about a checkpoint that is submitted to a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// Record it as the tip, at the end of the open round. Its shard pays for a request.
    Append(Box<Tip>),
    /// It is the tip, and waits in a round that can't pay for a request: its shard does.
    Refill(RoundPosition),
    /// It is the tip, and stands in a round.
    Stands(RoundPosition),
    /// It is the tip, and has a signature of its own.
    Signed(ChainSignature),
}

/// Judges a checkpoint for the open round of its key epoch's curve, by the rules of `attest`. A
/// round holds at most one checkpoint of a shard.
///
/// # Errors
/// The first thing that speaks against it.
pub fn judge_submission<C: Crypto>(
    request: AttestRequest<'_>,
    curve: Curve,
    rounds: &Rounds,
) -> Result<Submission, Refusal> {
    if rounds.key.is_none() {
        return Err(RoundRefusal::NoKey(curve).into());
    }
    let mut tip = match judge_checkpoint::<C>(request)? {
        Verdict::Signed(signature) => return Ok(Submission::Signed(signature)),
        Verdict::Record(tip) | Verdict::AskAgain(tip) => tip,
    };
    if let Some(position) = tip.round {
        let can_pay = tip.is_in_signed_round || rounds.pot_yocto >= SIGN_DEPOSIT_YOCTO;
        return Ok(if can_pay { Submission::Stands(position) } else { Submission::Refill(position) });
    }
    if rounds.open < *tip.round_from(curve) {
        let shard = tip.checkpoint.shard;
        return Err(RoundRefusal::Twice { shard, curve, round: rounds.open }.into());
    }
    Ok(Submission::Append(Box::new(tip)))
}

/// Closes the open round unless one is closed already, and has the signer asked for the closed one,
/// whose root is the answer.
///
/// # Errors
/// Why the signer isn't asked.
pub fn judge_close<C: Crypto>(rounds: &mut Rounds, curve: Curve, block_ns: u64) -> Result<Hash, RoundRefusal> {
    let round = rounds.first_unsigned();
    if rounds.closing.is_none() && rounds.range.size() == 0 {
        return Err(RoundRefusal::Empty { curve, round });
    }
    let closable_at_ns = rounds.closable_at_ns();
    if block_ns < closable_at_ns {
        return Err(RoundRefusal::TooSoon { curve, round, closable_at_ns, block_ns });
    }
    rounds.pot_yocto =
        rounds.pot_yocto.checked_sub(SIGN_DEPOSIT_YOCTO).ok_or(RoundRefusal::PotEmpty { curve, round })?;
    rounds.asked_ns = block_ns;
    let closing = match rounds.closing.take() {
        Some(closing) => Closing { attempts: closing.attempts.saturating_add(1), in_flight: true, ..closing },
        None => {
            let closed = std::mem::take(&mut rounds.range);
            rounds.open += 1;
            Closing { size: closed.size(), root: closed.root::<C>(), attempts: 1, in_flight: true }
        }
    };
    Ok(rounds.closing.insert(closing).root)
}

/// What the signer's answer makes of a closed round; `None` if it came before, or the round waits
/// for none.
///
/// # Errors
/// The answer is no signature: the signer may be asked again.
pub fn judge_round_answer<C: Crypto>(
    rounds: &mut Rounds,
    round: u64,
    answer: Answer<ChainSignature>,
    domain: &BridgeDomain,
    curve: Curve,
) -> Option<Result<SignedRound, AttestationFailure>> {
    let is_closing = rounds.first_unsigned() == round;
    let closing = rounds.closing.as_mut().filter(|_| is_closing)?;
    let key = rounds.key.as_ref().expect("the key was known before the first checkpoint was submitted");
    let digest = round_digest::<C>(domain, &closing.root, curve);
    Some(match judge_answer::<C>(answer, &digest, key) {
        Ok(signature) => {
            let signed = SignedRound { number: round, size: closing.size, root: closing.root, signature };
            rounds.closing = None;
            Ok(signed)
        }
        Err(reason) => {
            closing.in_flight = false;
            Err(reason)
        }
    })
}

/// The 32 bytes that the signer is asked to sign for a round with this root.
pub fn round_digest<C: Crypto>(domain: &BridgeDomain, root: &Hash, curve: Curve) -> Hash {
    attestation_digest::<C>(AttestationKind::Round, domain, root, curve)
}
