use super::*;
use crate::errors::{CheckpointRefusal, EndorsementRefusal, MembersRefusal, Refusal, ShardRefusal};
use crate::pending::Tip;
use crate::registry::{Epoch, Rotation, ShardRecord};
use crate::signer::Answer;
use ed25519_dalek::{Signer as _, SigningKey};
use queue::attestation::ChainSignature;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestationFailure, Endorsement, Endorsements, ReserveArgs, ShardStatus};
use queue::digest::{Hash, Native, Tag};
use queue::ids::{BridgeDomain, ShardId};
use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CHECKPOINT_AHEAD_NS_MAX, MEMBERS_MAX, TRANSPORT_KEYS_MAX};
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey};

mod rounds;

const BLOCK_NS: u64 = 1_800_000_000_000_000_000;

fn member(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

fn domain() -> BridgeDomain {
    BridgeDomain {
        network: "localnet".parse().expect("a valid network"),
        bridge: "bridge.near".parse().expect("a valid account"),
        instance: Hash([9; 32]),
    }
}

fn alpha() -> ShardId {
    "alpha".parse().expect("a valid shard")
}

fn reservation(members: &[SigningKey], threshold: u16) -> ReserveArgs {
    ReserveArgs {
        shard: alpha(),
        members: members.iter().map(public).collect(),
        threshold,
        curve: Curve::Ed25519,
        transport_keys: vec![public(&member(100))],
        addresses: vec!["alpha.example:3100".to_owned()],
    }
}

/// An active shard whose chain signatures are made by `member(200)`.
fn active(members: &[SigningKey], threshold: u16) -> ShardRecord {
    let owner = "owner.near".parse().expect("a valid account");
    let (record, _) = judge_reservation(&reservation(members, threshold), owner, 0, BLOCK_NS).expect("a valid shard");
    let epoch = Epoch { key: Some(public(&member(200))), ..record.epoch };
    ShardRecord { epoch, balance_yocto: 1, ..record }
}

fn first_checkpoint() -> Checkpoint {
    Checkpoint {
        version: 1,
        domain: domain(),
        shard: alpha(),
        key_epoch: 0,
        epoch_first_height: 0,
        height: 0,
        previous: Hash::ZERO,
        heads_root: Hash([1; 32]),
        time_ns: BLOCK_NS,
    }
}

fn scope(record: &ShardRecord) -> StatementScope {
    StatementScope { domain: domain(), shard: alpha(), members_version: record.members_version }
}

fn endorse(index: u16, key: &SigningKey, scope: &StatementScope, checkpoint: &Checkpoint) -> Endorsement {
    let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
    Endorsement { member: index, signature: key.sign(&statement.signed_bytes(scope)).to_bytes() }
}

fn judge(
    record: &ShardRecord,
    tip: Option<&Tip>,
    checkpoint: &Checkpoint,
    endorsements: &[Endorsement],
) -> Result<Verdict, Refusal> {
    judge_checkpoint::<Native>(AttestRequest {
        domain: &domain(),
        record,
        tip: tip.cloned(),
        checkpoint: checkpoint.clone(),
        endorsements: &Endorsements::try_from(endorsements.to_vec()).expect("ordered"),
        block_ns: BLOCK_NS,
    })
}

/// Judges a checkpoint of a shard with one member, endorsed by it.
fn judge_endorsed(record: &ShardRecord, tip: Option<&Tip>, checkpoint: &Checkpoint) -> Result<Verdict, Refusal> {
    judge(record, tip, checkpoint, &[endorse(0, &member(1), &scope(record), checkpoint)])
}

fn one_member() -> ShardRecord {
    active(&[member(1)], 1)
}

fn tip_of(checkpoint: Checkpoint) -> Tip {
    let hash = checkpoint.hash::<Native>();
    Tip::new(checkpoint, hash)
}

fn signature() -> ChainSignature {
    ChainSignature::Ed25519 { signature: [7; 64] }
}

fn signed(tip: Tip) -> Tip {
    Tip { signature: Some(signature()), ..tip }
}

fn successor(tip: &Tip) -> Checkpoint {
    Checkpoint {
        height: tip.checkpoint.height + 1,
        previous: tip.hash,
        heads_root: Hash([2; 32]),
        ..tip.checkpoint.clone()
    }
}

#[test]
fn the_first_checkpoint_is_recorded() {
    let checkpoint = first_checkpoint();
    let verdict = judge_endorsed(&one_member(), None, &checkpoint);
    assert_eq!(verdict, Ok(Verdict::Record(tip_of(checkpoint))));
}

#[test]
fn the_successor_of_a_signed_tip_is_recorded() {
    let tip = signed(tip_of(first_checkpoint()));
    let next = successor(&tip);
    assert_eq!(judge_endorsed(&one_member(), Some(&tip), &next), Ok(Verdict::Record(tip_of(next))));
}

#[test]
fn a_pending_tip_is_asked_for_again_without_endorsements() {
    let tip = tip_of(first_checkpoint());
    let verdict = judge(&one_member(), Some(&tip), &tip.checkpoint, &[]);
    assert_eq!(verdict, Ok(Verdict::AskAgain(tip)));
}

#[test]
fn a_signed_tip_is_answered_even_when_the_balance_is_empty() {
    let tip = signed(tip_of(first_checkpoint()));
    let record = ShardRecord { balance_yocto: 0, ..one_member() };
    assert_eq!(judge(&record, Some(&tip), &tip.checkpoint, &[]), Ok(Verdict::Signed(signature())));
}

#[test]
fn an_empty_balance_refuses_new_and_pending_checkpoints() {
    let record = ShardRecord { balance_yocto: 0, ..one_member() };
    let tip = tip_of(first_checkpoint());
    for tip in [None, Some(&tip)] {
        assert_eq!(
            judge_endorsed(&record, tip, &first_checkpoint()),
            Err(Refusal::Checkpoint(CheckpointRefusal::BalanceEmpty(alpha())))
        );
    }
}

#[test]
fn a_member_cannot_get_a_second_checkpoint_at_a_height_signed_or_not() {
    let tip = tip_of(first_checkpoint());
    let other = Checkpoint { heads_root: Hash([66; 32]), ..first_checkpoint() };
    for tip in [tip.clone(), signed(tip)] {
        let refused = judge_endorsed(&one_member(), Some(&tip), &other);
        assert!(
            matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::HeightTaken { height: 0, .. }))),
            "{refused:?}"
        );
    }
}

#[test]
fn heights_neither_skip_nor_go_back() {
    let record = one_member();
    let first = signed(tip_of(first_checkpoint()));
    let second = signed(tip_of(successor(&first)));
    let refused = judge_endorsed(&record, Some(&second), &first.checkpoint);
    assert!(
        matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::Height { found: 0, expected: 2, .. }))),
        "{refused:?}"
    );

    let skipping = Checkpoint { height: 2, ..successor(&first) };
    let refused = judge_endorsed(&record, Some(&first), &skipping);
    assert!(
        matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::Height { found: 2, expected: 1, .. }))),
        "{refused:?}"
    );
    let refused = judge_endorsed(&record, None, &skipping);
    assert!(
        matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::Height { found: 2, expected: 0, .. }))),
        "{refused:?}"
    );
}

#[test]
fn a_fork_of_the_chain_of_checkpoints_is_refused() {
    let tip = signed(tip_of(first_checkpoint()));
    let fork = Checkpoint { previous: Hash([66; 32]), ..successor(&tip) };
    let refused = judge_endorsed(&one_member(), Some(&tip), &fork);
    assert!(matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::Previous { .. }))), "{refused:?}");
}

#[test]
fn nothing_follows_a_pending_tip_within_its_epoch() {
    let tip = tip_of(first_checkpoint());
    let refused = judge_endorsed(&one_member(), Some(&tip), &successor(&tip));
    assert_eq!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::PreviousPending { shard: alpha(), height: 0 })));
}

#[test]
fn a_new_epoch_opens_over_a_pending_tip() {
    let tip = tip_of(first_checkpoint());
    let record = ShardRecord { key_epoch: 1, epoch: Epoch { first_height: 1, ..one_member().epoch }, ..one_member() };
    let opening = Checkpoint { key_epoch: 1, epoch_first_height: 1, ..successor(&tip) };
    assert_eq!(judge_endorsed(&record, Some(&tip), &opening), Ok(Verdict::Record(tip_of(opening))));
}

#[test]
fn a_checkpoint_of_another_epoch_is_refused() {
    let early = Checkpoint { key_epoch: 1, ..first_checkpoint() };
    let refused = judge_endorsed(&one_member(), None, &early);
    assert!(
        matches!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::OtherEpoch { found: 1, expected: 0, .. }))),
        "{refused:?}"
    );
}

#[test]
fn a_clock_that_jumps_is_refused_in_both_directions() {
    let limit = BLOCK_NS + CHECKPOINT_AHEAD_NS_MAX;
    let at = |time_ns| Checkpoint { time_ns, ..first_checkpoint() };
    assert!(judge_endorsed(&one_member(), None, &at(limit)).is_ok());
    let refused = judge_endorsed(&one_member(), None, &at(limit + 1));
    assert_eq!(
        refused,
        Err(Refusal::Checkpoint(CheckpointRefusal::TimeAhead { found_ns: limit + 1, block_ns: BLOCK_NS }))
    );

    let tip = signed(tip_of(at(BLOCK_NS)));
    assert!(judge_endorsed(&one_member(), Some(&tip), &successor(&tip)).is_ok());
    let falling = Checkpoint { time_ns: BLOCK_NS - 1, ..successor(&tip) };
    let refused = judge_endorsed(&one_member(), Some(&tip), &falling);
    assert_eq!(
        refused,
        Err(Refusal::Checkpoint(CheckpointRefusal::TimeFalls { found_ns: BLOCK_NS - 1, tip_ns: BLOCK_NS }))
    );
}

#[test]
fn a_reserved_shard_cannot_attest_before_it_is_active() {
    let record = ShardRecord { epoch: Epoch { key: None, ..one_member().epoch }, ..one_member() };
    let refused = judge_endorsed(&record, None, &first_checkpoint());
    assert_eq!(refused, Err(Refusal::Shard(ShardRefusal::NotActive(alpha()))));
}

#[test]
fn a_checkpoint_of_another_bridge_network_or_instance_is_refused() {
    let foreign = [
        BridgeDomain { network: "mainnet".parse().expect("a valid network"), ..domain() },
        BridgeDomain { bridge: "evil.near".parse().expect("a valid account"), ..domain() },
        BridgeDomain { instance: Hash([8; 32]), ..domain() },
    ];
    for found in foreign {
        let checkpoint = Checkpoint { domain: found.clone(), ..first_checkpoint() };
        let expected = Box::new(domain());
        let refused = judge_endorsed(&one_member(), None, &checkpoint);
        assert_eq!(
            refused,
            Err(Refusal::Checkpoint(CheckpointRefusal::OtherBridge { found: Box::new(found), expected }))
        );
    }
}

#[test]
fn an_unknown_version_is_refused() {
    let checkpoint = Checkpoint { version: 2, ..first_checkpoint() };
    assert!(matches!(
        judge_endorsed(&one_member(), None, &checkpoint),
        Err(Refusal::Checkpoint(CheckpointRefusal::Checkpoint(_)))
    ));
}

#[test]
fn an_endorsement_of_another_checkpoint_bridge_shard_version_or_tag_is_refused() {
    let (record, checkpoint, key) = (one_member(), first_checkpoint(), member(1));
    let own = scope(&record);
    let beta = "beta".parse().expect("a valid shard");
    let elsewhere = BridgeDomain { instance: Hash([8; 32]), ..domain() };
    let other_root = Checkpoint { heads_root: Hash([66; 32]), ..first_checkpoint() };
    let hash = checkpoint.hash::<Native>();
    let other_tag = [Tag::Rotate.as_bytes(), &queue::codec::encode(&own), &queue::codec::encode(&hash)].concat();
    let forged = [
        endorse(0, &member(66), &own, &checkpoint),
        endorse(0, &key, &own, &other_root),
        endorse(0, &key, &StatementScope { domain: elsewhere, ..own.clone() }, &checkpoint),
        endorse(0, &key, &StatementScope { shard: beta, ..own.clone() }, &checkpoint),
        endorse(0, &key, &StatementScope { members_version: 1, ..own.clone() }, &checkpoint),
        Endorsement { member: 0, signature: key.sign(&other_tag).to_bytes() },
        Endorsement { member: 0, signature: key.sign(&hash.0).to_bytes() },
    ];
    for endorsement in forged {
        let refused = judge(&record, None, &checkpoint, &[endorsement]);
        assert_eq!(refused, Err(Refusal::Endorsement(EndorsementRefusal::Signature { shard: alpha(), member: 0 })));
    }
}

#[test]
fn a_threshold_counts_distinct_members_only() {
    let members = [member(1), member(2), member(3)];
    let (record, checkpoint) = (active(&members, 2), first_checkpoint());
    let by = |index: u16| endorse(index, &members[usize::from(index)], &scope(&record), &checkpoint);
    let refused = |endorsements: &[Endorsement]| match judge(&record, None, &checkpoint, endorsements) {
        Err(Refusal::Endorsement(refusal)) => refusal,
        other => panic!("{other:?}"),
    };

    assert!(judge(&record, None, &checkpoint, &[by(0), by(2)]).is_ok());
    let below = EndorsementRefusal::BelowThreshold { shard: alpha(), found: 1, threshold: 2 };
    assert_eq!(refused(&[by(1)]), below);
    let stranger = Endorsement { member: 3, ..by(2) };
    assert_eq!(refused(&[by(0), stranger]), EndorsementRefusal::NoSuchMember { shard: alpha(), member: 3 });
    let as_another = Endorsement { member: 1, ..by(0) };
    assert_eq!(refused(&[by(0), as_another]), EndorsementRefusal::Signature { shard: alpha(), member: 1 });
}

#[test]
fn a_member_that_is_listed_once_and_signs_twice_is_refused() {
    let (record, checkpoint) = (active(&[member(1), member(2), member(3)], 2), first_checkpoint());
    let Endorsement { signature, .. } = endorse(0, &member(1), &scope(&record), &checkpoint);
    let twice = Endorsements { members: 0b001, signatures: vec![signature; 2] };
    let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
    let refused = judge_endorsements::<Native>(&domain(), &alpha(), &record, &statement, &twice);
    assert_eq!(refused, Err(EndorsementRefusal::Count { members: 1, signatures: 2 }));
}

#[test]
fn members_are_distinct_and_a_majority_must_agree() {
    let owner = || "owner.near".parse().expect("a valid account");
    let reserve = |args: &ReserveArgs| judge_reservation(args, owner(), 0, BLOCK_NS).map(|_| ());
    let (one, two) = (member(1), member(2));

    assert_eq!(reserve(&reservation(&[], 0)), Err(MembersRefusal::MemberCount(0)));
    let crowd: Vec<_> = (0..=MEMBERS_MAX).map(|seed| member(u8::try_from(seed).expect("65 fits"))).collect();
    assert_eq!(reserve(&reservation(&crowd, 40)), Err(MembersRefusal::MemberCount(MEMBERS_MAX + 1)));
    let pair = [one.clone(), two.clone()];
    for threshold in [0, 1, 3] {
        assert_eq!(reserve(&reservation(&pair, threshold)), Err(MembersRefusal::Threshold { threshold, members: 2 }));
    }
    assert_eq!(reserve(&reservation(&pair, 2)), Ok(()));
    let twice = reservation(&[one.clone(), two, one.clone()], 2);
    assert_eq!(reserve(&twice), Err(MembersRefusal::KeyTwice(public(&one))));

    let wrong_curve = PublicKey::Secp256k1([5; 64]);
    let args = ReserveArgs { members: vec![wrong_curve], ..reservation(std::slice::from_ref(&one), 1) };
    assert_eq!(reserve(&args), Err(MembersRefusal::KeyCurve(wrong_curve)));
    let args = ReserveArgs { transport_keys: vec![public(&one)], ..reservation(std::slice::from_ref(&one), 1) };
    assert_eq!(reserve(&args), Err(MembersRefusal::KeyTwice(public(&one))));
}

#[test]
fn transport_keys_and_addresses_are_bounded_and_readable() {
    let keys =
        |count: usize| (0..count).map(|seed| public(&member(u8::try_from(seed).expect("small")))).collect::<Vec<_>>();
    assert!(judge_transport(&[], &keys(TRANSPORT_KEYS_MAX), &[]).is_ok());
    let refused = judge_transport(&[], &keys(TRANSPORT_KEYS_MAX + 1), &[]);
    assert_eq!(refused, Err(MembersRefusal::TransportKeyCount(TRANSPORT_KEYS_MAX + 1)));

    let addresses = |count| vec!["[::1]:3100".to_owned(); count];
    assert!(judge_transport(&[], &[], &addresses(ADDRESSES_MAX)).is_ok());
    let refused = judge_transport(&[], &[], &addresses(ADDRESSES_MAX + 1));
    assert_eq!(refused, Err(MembersRefusal::AddressCount(ADDRESSES_MAX + 1)));

    let too_long = format!("{}:3100", "h".repeat(ADDRESS_BYTES_MAX));
    for address in ["", "host", ":3100", "host:", "host:0", "host:65536", "ho st:1", "hö:1", "host:1\n", &too_long] {
        assert!(judge_transport(&[], &[], &[address.to_owned()]).is_err(), "{address:?} was accepted");
    }
}

#[test]
fn only_a_signature_that_verifies_under_the_derived_key_is_kept() {
    let (derived, wrong) = (member(200), member(66));
    let digest = shard_digest::<Native>(&domain(), &Hash([3; 32]), Curve::Ed25519);
    let by = |key: &SigningKey, digest: &Hash| ChainSignature::Ed25519 { signature: key.sign(&digest.0).to_bytes() };
    let judge = |answer| judge_answer::<Native>(answer, &digest, &public(&derived));

    let right = by(&derived, &digest);
    assert_eq!(judge(Answer::Given(right.clone())), Ok(right));
    assert_eq!(judge(Answer::Given(by(&wrong, &digest))), Err(AttestationFailure::WrongSignature));
    assert_eq!(judge(Answer::Given(by(&derived, &Hash([4; 32])))), Err(AttestationFailure::WrongSignature));
    let other_curve = ChainSignature::Secp256k1 { rs: [1; 64], recovery_id: 0 };
    assert_eq!(judge(Answer::Given(other_curve)), Err(AttestationFailure::WrongSignature));
    assert_eq!(judge(Answer::None), Err(AttestationFailure::SignerFailed));
    assert_eq!(judge(Answer::Unreadable), Err(AttestationFailure::UnknownAnswer));
}

#[test]
fn only_an_active_shard_gets_a_new_checkpoint_and_a_pending_one_is_asked_for_again_in_any_case() {
    let stopped = [
        (ShardRecord { paused: true, ..one_member() }, ShardStatus::Paused),
        (ShardRecord { frozen_height: Some(0), paused: true, ..one_member() }, ShardStatus::Frozen),
        (ShardRecord { retired: true, frozen_height: Some(0), ..one_member() }, ShardStatus::Retired),
    ];
    let tip = tip_of(first_checkpoint());
    for (record, status) in stopped {
        let refused = judge_endorsed(&record, None, &first_checkpoint());
        assert_eq!(refused, Err(Refusal::Checkpoint(CheckpointRefusal::Stopped { shard: alpha(), status })));
        assert_eq!(judge(&record, Some(&tip), &tip.checkpoint, &[]), Ok(Verdict::AskAgain(tip.clone())));
    }
}

#[test]
fn a_new_epoch_begins_right_after_the_tip_and_ends_the_one_before_there() {
    let record = one_member();
    let (ended, opened) = judge_new_epoch(&alpha(), &record, None, Curve::Secp256k1).expect("an active shard");
    assert_eq!((ended.end_height, opened.first_height), (Some(0), 0));
    let tip = tip_of(Checkpoint { height: 6, previous: Hash([5; 32]), ..first_checkpoint() });
    let (ended, opened) = judge_new_epoch(&alpha(), &record, Some(&tip), Curve::Secp256k1).expect("an active shard");
    assert_eq!((ended.end_height, ended.key), (Some(7), record.epoch.key));
    assert_eq!((opened.first_height, opened.curve, opened.key), (7, Curve::Secp256k1, None));

    let waiting = ShardRecord { epoch: opened, key_epoch: 1, ..record };
    let refused = judge_new_epoch(&alpha(), &waiting, Some(&tip), Curve::Ed25519);
    assert_eq!(refused, Err(ShardRefusal::NotActive(alpha())));
}

#[test]
fn a_reservation_lapses_by_its_owner_or_by_anybody_after_a_week_and_never_once_it_was_active() {
    let (owner, mallory) = (one_member().owner, "mallory.near".parse().expect("a valid account"));
    let reserved = ShardRecord { epoch: Epoch { key: None, ..one_member().epoch }, ..one_member() };
    assert_eq!(judge_lapse(&alpha(), &reserved, &owner, BLOCK_NS), Ok(0));
    let lapses_at_ns = BLOCK_NS + RESERVATION_NS;
    assert_eq!(judge_lapse(&alpha(), &reserved, &mallory, lapses_at_ns), Ok(0));
    let block_ns = lapses_at_ns - 1;
    let early = ShardRefusal::LapseTooEarly { shard: alpha(), lapses_at_ns, block_ns };
    assert_eq!(judge_lapse(&alpha(), &reserved, &mallory, block_ns), Err(early));

    let rekeyed = ShardRecord { key_epoch: 1, ..reserved };
    for record in [one_member(), rekeyed] {
        assert_eq!(judge_lapse(&alpha(), &record, &owner, BLOCK_NS), Err(ShardRefusal::NoLapse(alpha())));
    }
}

#[test]
fn announced_members_wait_for_everybody_to_see_them_but_on_one_machine() {
    let rotation = Rotation { members: vec![[1; 32]], threshold: 1, ready_at_ns: BLOCK_NS };
    assert_eq!(judge_rotation_time(&alpha(), &rotation, BLOCK_NS), Ok(()));
    let early = ShardRefusal::RotationTooEarly { shard: alpha(), ready_at_ns: BLOCK_NS, block_ns: BLOCK_NS - 1 };
    assert_eq!(judge_rotation_time(&alpha(), &rotation, BLOCK_NS - 1), Err(early));
    assert_eq!(owner_delay_ns(&domain().network), 0);
    assert_eq!(owner_delay_ns(&"testnet".parse().expect("a valid network")), ROTATION_DELAY_NS);
}

#[test]
fn nobody_retires_a_shard_over_a_pending_checkpoint() {
    let tip = tip_of(first_checkpoint());
    let pending = ShardRefusal::RetireWhilePending { shard: alpha(), height: 0 };
    assert_eq!(judge_retirement(&alpha(), &one_member(), Some(&tip)), Err(pending));
    for tip in [None, Some(&signed(tip))] {
        assert_eq!(judge_retirement(&alpha(), &one_member(), tip), Ok(()));
    }
}
