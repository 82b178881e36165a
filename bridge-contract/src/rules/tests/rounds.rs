use super::*;
use crate::errors::RoundRefusal;
use crate::rounds::{Rounds, SignedRound};
use crate::signer::SIGN_DEPOSIT_YOCTO;
use queue::contract::RoundPosition;
use queue::digest::node;
use queue::limits::{CLOSE_INTERVAL_NS, ROUND_ANSWER_NS_MAX};

const CURVE: Curve = Curve::Ed25519;

/// Rounds are signed by `member(201)`.
fn rounds() -> Rounds {
    Rounds { key: Some(public(&member(201))), ..Rounds::default() }
}

fn submit(
    record: &ShardRecord,
    tip: Option<&Tip>,
    checkpoint: &Checkpoint,
    rounds: &Rounds,
) -> Result<Submission, Refusal> {
    let request = AttestRequest {
        domain: &domain(),
        record,
        tip: tip.cloned(),
        checkpoint: checkpoint.clone(),
        endorsements: &vec![endorse(0, &member(1), &scope(record), checkpoint)].try_into().expect("ordered"),
        block_ns: BLOCK_NS,
    };
    judge_submission::<Native>(request, CURVE, rounds)
}

fn sign_round(root: &Hash) -> ChainSignature {
    let digest = round_digest::<Native>(&domain(), root, CURVE);
    ChainSignature::Ed25519 { signature: member(201).sign(&digest.0).to_bytes() }
}

fn answer(
    rounds: &mut Rounds,
    round: u64,
    answer: Answer<ChainSignature>,
) -> Option<Result<SignedRound, AttestationFailure>> {
    judge_round_answer::<Native>(rounds, round, answer, &domain(), CURVE)
}

/// The checkpoint stands in `round`, as the contract's `submit` leaves it.
fn standing(tip: Tip, round: u64) -> Tip {
    let position = RoundPosition { curve: CURVE, round, index: 0 };
    let mut tip = Tip { round: Some(position), ..tip };
    *tip.round_from(CURVE) = round + 1;
    tip
}

#[test]
fn a_submitted_checkpoint_is_judged_as_an_attested_one() {
    let (record, rounds) = (one_member(), rounds());
    let tip = tip_of(first_checkpoint());
    assert_eq!(submit(&record, None, &tip.checkpoint, &rounds), Ok(Submission::Append(Box::new(tip.clone()))));

    let paused = ShardRecord { paused: true, ..one_member() };
    let poor = ShardRecord { balance_yocto: 0, ..one_member() };
    let skipping = Checkpoint { height: 1, previous: tip.hash, ..first_checkpoint() };
    for (record, checkpoint) in [(&paused, &tip.checkpoint), (&poor, &tip.checkpoint), (&record, &skipping)] {
        let attested = judge_endorsed(record, None, checkpoint).expect_err("refused");
        assert_eq!(submit(record, None, checkpoint, &rounds), Err(attested));
    }
}

#[test]
fn nothing_is_submitted_before_the_key_of_rounds_is_known() {
    let refused = submit(&one_member(), None, &first_checkpoint(), &Rounds::default());
    assert_eq!(refused, Err(RoundRefusal::NoKey(CURVE).into()));
}

#[test]
fn a_checkpoint_submitted_twice_stands_where_it_stands() {
    let tip = standing(tip_of(first_checkpoint()), 0);
    let position = tip.round.expect("it stands in a round");
    let rich = Rounds { pot_yocto: SIGN_DEPOSIT_YOCTO, ..rounds() };
    assert_eq!(submit(&one_member(), Some(&tip), &tip.checkpoint, &rich), Ok(Submission::Stands(position)));
    assert_eq!(submit(&one_member(), Some(&tip), &tip.checkpoint, &rounds()), Ok(Submission::Refill(position)));
    let signed_by_round = Tip { is_in_signed_round: true, ..tip.clone() };
    let again = submit(&one_member(), Some(&signed_by_round), &tip.checkpoint, &rounds());
    assert_eq!(again, Ok(Submission::Stands(position)));
    assert_eq!(
        submit(&one_member(), Some(&signed(tip)), &first_checkpoint(), &rich),
        Ok(Submission::Signed(signature()))
    );
}

#[test]
fn a_checkpoint_that_waits_for_its_own_signature_may_be_submitted_too() {
    let tip = tip_of(first_checkpoint());
    let submitted = submit(&one_member(), Some(&tip), &tip.checkpoint, &rounds());
    assert_eq!(submitted, Ok(Submission::Append(Box::new(tip))));
}

#[test]
fn a_checkpoint_is_followed_once_it_or_its_round_is_signed_and_not_before() {
    let tip = standing(tip_of(first_checkpoint()), 0);
    let next = successor(&tip);
    let later = Rounds { open: 1, ..rounds() };
    let pending = CheckpointRefusal::PreviousPending { shard: alpha(), height: 0 };
    assert_eq!(submit(&one_member(), Some(&tip), &next, &later), Err(pending.into()));

    let recorded = Tip { rounds_from: tip.rounds_from, ..tip_of(next.clone()) };
    for tip in [Tip { is_in_signed_round: true, ..tip.clone() }, signed(tip)] {
        assert_eq!(judge_endorsed(&one_member(), Some(&tip), &next), Ok(Verdict::Record(recorded.clone())));
        assert_eq!(
            submit(&one_member(), Some(&tip), &next, &later),
            Ok(Submission::Append(Box::new(recorded.clone())))
        );
    }
}

#[test]
fn a_round_takes_no_second_checkpoint_of_a_shard_whatever_was_attested_between() {
    let twice = RoundRefusal::Twice { shard: alpha(), curve: CURVE, round: 0 };
    let mut tip = signed(standing(tip_of(first_checkpoint()), 0));
    for _ in 0..3 {
        let next = successor(&tip);
        assert_eq!(submit(&one_member(), Some(&tip), &next, &rounds()), Err(twice.clone().into()));
        let Ok(Verdict::Record(recorded)) = judge_endorsed(&one_member(), Some(&tip), &next) else {
            panic!("the next checkpoint is attested by itself")
        };
        tip = signed(recorded);
    }
    let (next, later) = (successor(&tip), Rounds { open: 1, ..rounds() });
    assert!(matches!(submit(&one_member(), Some(&tip), &next, &later), Ok(Submission::Append(_))));
}

#[test]
fn nobody_retires_a_shard_over_a_checkpoint_whose_round_is_not_signed() {
    let tip = standing(tip_of(first_checkpoint()), 0);
    let pending = ShardRefusal::RetireWhilePending { shard: alpha(), height: 0 };
    assert_eq!(judge_retirement(&alpha(), &one_member(), Some(&tip)), Err(pending));
    let signed = Tip { is_in_signed_round: true, ..tip };
    assert_eq!(judge_retirement(&alpha(), &one_member(), Some(&signed)), Ok(()));
}

#[test]
fn only_a_signature_of_the_rounds_key_over_the_closed_root_ends_a_round() {
    let mut closing = Rounds { pot_yocto: 1, ..rounds() };
    closing.append::<Native>(Hash([3; 32]), |_, _| ());
    let root = judge_close::<Native>(&mut closing, CURVE, BLOCK_NS).expect("closable");
    let digest = round_digest::<Native>(&domain(), &root, CURVE);
    let by_a_shard = ChainSignature::Ed25519 { signature: member(200).sign(&digest.0).to_bytes() };
    // What the signer signs for a shard is no round, even if the root is the same.
    let as_a_shard = shard_digest::<Native>(&domain(), &root, CURVE);
    let of_a_shard = ChainSignature::Ed25519 { signature: member(201).sign(&as_a_shard.0).to_bytes() };
    for wrong in [by_a_shard, of_a_shard, sign_round(&Hash([4; 32]))] {
        let judged = answer(&mut closing, 0, Answer::Given(wrong));
        assert_eq!(judged, Some(Err(AttestationFailure::WrongSignature)));
    }
    assert_eq!(answer(&mut closing, 0, Answer::None), Some(Err(AttestationFailure::SignerFailed)));
    assert_eq!(answer(&mut closing, 0, Answer::Unreadable), Some(Err(AttestationFailure::UnknownAnswer)));
    assert_eq!(answer(&mut closing, 1, Answer::Given(sign_round(&root))), None);
    assert_eq!((closing.first_unsigned(), closing.open), (0, 1));

    let signed = SignedRound { number: 0, size: 1, root, signature: sign_round(&root) };
    assert_eq!(answer(&mut closing, 0, Answer::Given(sign_round(&root))), Some(Ok(signed)));
    assert_eq!(answer(&mut closing, 0, Answer::Given(sign_round(&root))), None);
    assert_eq!(closing.first_unsigned(), 1);
}

/// What the rounds must be, kept as plainly as possible.
#[derive(Clone, PartialEq, Default)]
struct Model {
    /// The checkpoints of each round; the last is open.
    rounds: Vec<Vec<Hash>>,
    signed: usize,
    requests_ns: Vec<u64>,
    submitted: u8,
    now_ns: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Submit,
    Close,
    Sign,
    Fail,
    SignAgain,
    WaitForTheInterval,
    WaitForTheAnswer,
}

const STEPS: [Step; 7] = [
    Step::Submit,
    Step::Close,
    Step::Sign,
    Step::Fail,
    Step::SignAgain,
    Step::WaitForTheInterval,
    Step::WaitForTheAnswer,
];

/// Longest sequence of steps: long enough for a round to close, fail, close again, be signed, and
/// the next to be signed as well. Each further step takes some four times as long.
const DEPTH: usize = 7;

#[test]
fn in_every_order_of_steps_rounds_are_signed_in_order_with_the_root_that_they_closed_with() {
    let mut longest = 0;
    let model = Model { rounds: vec![Vec::new()], now_ns: BLOCK_NS, ..Model::default() };
    explore(&rounds(), &model, DEPTH, &mut Vec::new(), &mut longest);
    assert!(longest >= 2, "no sequence of {DEPTH} steps signed two rounds");
}

fn explore(rounds: &Rounds, model: &Model, depth: usize, taken: &mut Vec<Step>, longest: &mut usize) {
    check(rounds, model, taken);
    *longest = model.signed.max(*longest);
    if depth == 0 {
        return;
    }
    for step in STEPS {
        let (mut next_rounds, mut next_model) = (rounds.clone(), model.clone());
        taken.push(step);
        take(step, &mut next_rounds, &mut next_model, taken);
        // What changed nothing leads nowhere else than what follows it does without it.
        if (&next_rounds, &next_model) != (rounds, model) {
            explore(&next_rounds, &next_model, depth - 1, taken, longest);
        }
        taken.pop();
    }
}

fn take(step: Step, rounds: &mut Rounds, model: &mut Model, taken: &[Step]) {
    let closing = model.rounds.get(model.signed).filter(|_| model.signed + 1 < model.rounds.len()).cloned();
    match step {
        Step::Submit => {
            model.submitted += 1;
            let hash = Hash([model.submitted; 32]);
            rounds.append::<Native>(hash, |_, _| ());
            rounds.pot_yocto += SIGN_DEPOSIT_YOCTO;
            model.rounds.last_mut().expect("one is open").push(hash);
        }
        Step::Close => {
            let expected = closing.clone().or_else(|| model.rounds.last().cloned()).expect("one is open");
            if let Ok(root) = judge_close::<Native>(rounds, CURVE, model.now_ns) {
                assert_eq!(root, slow_root(&expected), "{taken:?}");
                model.requests_ns.push(model.now_ns);
                if closing.is_none() {
                    model.rounds.push(Vec::new());
                }
            }
        }
        Step::Sign | Step::SignAgain => {
            let round = if matches!(step, Step::Sign) { model.signed } else { model.signed.saturating_sub(1) };
            let root = slow_root(&model.rounds[round]);
            let number = u64::try_from(round).expect("few rounds");
            let judged = answer(rounds, number, Answer::Given(sign_round(&root)));
            let is_news = round == model.signed && closing.is_some();
            assert_eq!(matches!(judged, Some(Ok(_))), is_news, "{taken:?}");
            model.signed += usize::from(is_news);
        }
        Step::Fail => {
            let number = u64::try_from(model.signed).expect("few rounds");
            assert_eq!(answer(rounds, number, Answer::None).is_some(), closing.is_some(), "{taken:?}");
        }
        Step::WaitForTheInterval => model.now_ns += CLOSE_INTERVAL_NS,
        Step::WaitForTheAnswer => model.now_ns += ROUND_ANSWER_NS_MAX,
    }
}

fn check(rounds: &Rounds, model: &Model, taken: &[Step]) {
    let open = model.rounds.len() - 1;
    assert_eq!(usize::try_from(rounds.open), Ok(open), "{taken:?}");
    assert_eq!(usize::try_from(rounds.first_unsigned()), Ok(model.signed), "{taken:?}");
    assert!(open - model.signed <= 1, "more than one round is closing: {taken:?}");
    assert_eq!(rounds.range.root::<Native>(), slow_root(&model.rounds[open]), "{taken:?}");
    let paid = u128::from(model.submitted) * SIGN_DEPOSIT_YOCTO;
    let spent = u128::try_from(model.requests_ns.len()).expect("few") * SIGN_DEPOSIT_YOCTO;
    assert_eq!(rounds.pot_yocto + spent, paid, "{taken:?}");
    for pair in model.requests_ns.windows(2) {
        assert!(pair[1] - pair[0] >= CLOSE_INTERVAL_NS, "{taken:?}");
    }
}

/// RFC 6962 §2.1, as it is written there.
fn slow_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => queue::digest::empty_root::<Native>(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node::<Native>(&slow_root(left), &slow_root(right))
        }
    }
}
