//! Peers that lie: what is unsigned costs them their connection, what is signed freezes one lane.

use super::super::*;
use super::world::{S, World, name, sign, trust};
use crate::checkpoint::Checkpoint;
use crate::codec;
use crate::derivation::derive_public_key;
use crate::frame::{FRAME_HEADER_BYTES, ReceiverFrame, Release, SenderFrame, decode_frame};
use crate::heads::{HeadTrie, SidePosition};
use crate::proof::HeadProof;
use crate::store::CrashPlan;

/// A world in which beta holds three messages of alpha.
fn settled() -> World {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for text in ["0", "1", "2"] {
        world.send("alpha", "beta", text);
    }
    world.run();
    world
}

fn receiver_frame(frame: &ReceiverFrame) -> Vec<u8> {
    codec::encode(frame)
}

fn open_frame(world: &World, size: u64, root: Hash) -> Vec<u8> {
    let lane = world.engine("alpha").outbound[&name("beta")].record.lane.clone();
    receiver_frame(&ReceiverFrame::Open { lane, size, root, staged_size: size, staged_root: root })
}

/// Beta connects again, and somebody with its transport key sends this as the first frame.
fn reopened(world: &mut World, frame: &[u8]) -> Result<(), PeerError> {
    let alpha = world.engine_mut("alpha");
    alpha.handle_disconnected(&name("beta"));
    alpha.handle_connected(&name("beta"));
    alpha.handle_receiver_frame(&name("beta"), frame)
}

fn carries_on(mut world: World) {
    world.connect();
    world.send("alpha", "beta", "3");
    world.run();
    assert_eq!(world.inbox("beta"), ["0", "1", "2", "3"], "an honest connection was harmed");
    assert_eq!(world.engine("alpha").status().outbound[0].frozen, None);
    assert_eq!(world.engine("beta").status().inbound[0].frozen, None);
}

#[test]
fn a_wrong_cursor_drops_the_connection_and_nothing_else() {
    let mut world = settled();
    let before = world.engine("alpha").outbound[&name("beta")].record.clone();
    let root = before.log.root::<Native>();
    for (size, root) in [(0, empty()), (2, root), (3, Hash([1; 32])), (4, root), (u64::MAX, root)] {
        let frame = open_frame(&world, size, root);
        let error = reopened(&mut world, &frame).unwrap_err();
        assert!(error.reason.contains("claims"), "{error}");
        assert_eq!(world.engine("alpha").outbound[&name("beta")].record, before);
    }
    carries_on(world);
}

fn empty() -> Hash {
    crate::digest::empty_root::<Native>()
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_drops_the_connection_and_nothing_else() {
    let mut world = settled();
    for size in [0, 2, 4, u64::MAX] {
        for frame in [ReceiverFrame::Ack { size }, ReceiverFrame::Staged { size }] {
            let ack = receiver_frame(&frame);
            let error = world.engine_mut("alpha").handle_receiver_frame(&name("beta"), &ack).unwrap_err();
            assert!(error.reason.contains("acknowledged size"), "{error}");
        }
    }
    carries_on(world);
}

#[test]
fn a_lane_opened_twice_or_for_somebody_else_drops_the_connection() {
    let mut world = settled();
    let root = world.engine("alpha").outbound[&name("beta")].record.log.root::<Native>();
    let frame = open_frame(&world, 3, root);
    assert!(reopened(&mut world, &frame).is_ok());
    assert!(world.engine_mut("alpha").handle_receiver_frame(&name("beta"), &frame).is_err());
    let mut lane = world.engine("alpha").outbound[&name("beta")].record.lane.clone();
    lane.destination_incarnation = 1;
    let frame = ReceiverFrame::Open { lane, size: 3, root, staged_size: 3, staged_root: root };
    let frame = receiver_frame(&frame);
    assert!(reopened(&mut world, &frame).is_err());
    carries_on(world);
}

#[test]
fn frames_that_do_not_decode_drop_the_connection() {
    let mut world = settled();
    let now = world.now();
    for body in [&[][..], &[0x00], &[0x01, 1], &[0x11], &[0xff; 40], &[0x10, 0xff, 0xff, 0xff, 0xff]] {
        assert!(world.engine_mut("alpha").handle_receiver_frame(&name("beta"), body).is_err(), "{body:?}");
        assert!(world.engine_mut("beta").handle_sender_frame(&name("alpha"), body, now).is_err(), "{body:?}");
    }
    carries_on(world);
}

#[test]
fn an_announced_message_of_four_gigabytes_is_neither_kept_nor_allocated() {
    let mut world = settled();
    let now = world.now();
    let mut data = u32::MAX.to_le_bytes().to_vec();
    data.resize(60_000, 7);
    let data = codec::encode(&SenderFrame::Data(data));
    for _ in 0..100 {
        world.engine_mut("beta").handle_sender_frame(&name("alpha"), &data, now).unwrap();
    }
    assert_eq!(world.engine("beta").status().inbound[0].staged_bytes, 0);
    carries_on(world);
}

#[test]
fn data_without_a_release_is_staged_only_up_to_a_bound() {
    let mut world = settled();
    let now = world.now();
    let mut message = 1_000_u32.to_le_bytes().to_vec();
    message.resize(1_004, 0);
    let data = codec::encode(&SenderFrame::Data(message.repeat(60)));
    let error = (0..1_000)
        .find_map(|_| world.engine_mut("beta").handle_sender_frame(&name("alpha"), &data, now).err())
        .expect("staging has a bound");
    assert!(error.reason.contains("without a release"), "{error}");
    carries_on(world);
}

/// The frames that alpha would send next, for mallory to meddle with.
fn intercepted(world: &mut World) -> Vec<SenderFrame> {
    world.send("alpha", "beta", "3");
    let now = world.now();
    let alpha = world.engine_mut("alpha");
    let mut frames = Vec::new();
    loop {
        alpha.commit(now).unwrap();
        alpha.poll_durable().unwrap();
        match alpha.poll_output() {
            None => return frames,
            Some(Output::Attest(checkpoint)) => {
                let hash = checkpoint.hash::<Native>();
                let attestation = Attestation::of_shard(checkpoint.clone(), sign(&checkpoint));
                alpha.handle_attest_result(hash, Ok(attestation), AttestCost::default(), now);
            }
            Some(Output::Frame { frame, .. }) => {
                frames.push(decode_frame(&frame.to_vec()[FRAME_HEADER_BYTES..]).unwrap());
            }
            Some(Output::FetchTip) => {}
        }
    }
}

fn beta_refuses(mut world: World, frames: &[SenderFrame]) {
    let before = world.engine("beta").inbound[&name("alpha")].record.clone();
    let now = world.now();
    let refused = frames
        .iter()
        .any(|frame| world.engine_mut("beta").handle_sender_frame(&name("alpha"), &codec::encode(frame), now).is_err());
    assert!(refused, "beta took {frames:?}");
    assert_eq!(world.engine("beta").inbound[&name("alpha")].record, before);
    assert_eq!(world.inbox("beta"), ["0", "1", "2"]);
}

fn release_of(frames: &mut [SenderFrame]) -> &mut Release {
    match frames.last_mut() {
        Some(SenderFrame::Release(release)) => release,
        other => panic!("expected a release, found {other:?}"),
    }
}

#[test]
fn staged_bytes_that_the_attested_head_does_not_cover_are_never_delivered() {
    let mut world = settled();
    let mut frames = intercepted(&mut world);
    let SenderFrame::Data(bytes) = &mut frames[0] else { panic!("expected data") };
    *bytes.last_mut().unwrap() ^= 1;
    beta_refuses(world, &frames);
}

#[test]
fn a_batch_with_a_gap_or_a_replay_is_never_delivered() {
    let mut world = settled();
    let frames = intercepted(&mut world);
    let data = frames[0].clone();
    beta_refuses(world, &[data.clone(), data, frames[1].clone()]);
    let mut world = settled();
    let frames = intercepted(&mut world);
    beta_refuses(world, &frames[1..]);
}

#[test]
fn a_release_with_a_forged_signature_is_refused() {
    let mut world = settled();
    let mut frames = intercepted(&mut world);
    release_of(&mut frames).head.attestation.checkpoint.time_ns += 1;
    beta_refuses(world, &frames);
}

#[test]
fn a_release_with_another_shards_head_is_refused() {
    let mut world = settled();
    let mut frames = intercepted(&mut world);
    world.connect();
    world.send("beta", "alpha", "x");
    world.run();
    let of_beta = world.engine("alpha").inbound[&name("beta")].record.head.clone().unwrap();
    release_of(&mut frames).head = of_beta;
    let now = world.now();
    world.engine_mut("beta").handle_disconnected(&name("alpha"));
    world.engine_mut("beta").handle_connected(&name("alpha"));
    let refused = frames
        .iter()
        .any(|frame| world.engine_mut("beta").handle_sender_frame(&name("alpha"), &codec::encode(frame), now).is_err());
    assert!(refused);
}

/// A head that the shard's members had attested, whatever it says.
fn attested(world: &World, change: impl FnOnce(&mut Checkpoint, &mut Head)) -> Vec<u8> {
    let known = world.engine("beta").inbound[&name("alpha")].record.head.clone().unwrap();
    let (mut checkpoint, mut head) = (known.attestation.checkpoint, known.head);
    change(&mut checkpoint, &mut head);
    checkpoint.previous = if checkpoint.height == 0 { Hash::ZERO } else { Hash([3; 32]) };
    let trie = HeadTrie::new::<Native>(std::slice::from_ref(&head)).unwrap();
    checkpoint.heads_root = trie.root::<Native>(&|_: SidePosition| Hash::ZERO);
    let signature = sign(&checkpoint);
    let attestation = Attestation::of_shard(checkpoint, signature);
    let head = HeadProof { head, path: Vec::new(), attestation };
    let release = Release { end: 3, head, consistency: Vec::new() };
    codec::encode(&SenderFrame::Release(Box::new(release)))
}

#[test]
fn two_attested_heads_that_contradict_each_other_freeze_the_lane() {
    type Change = fn(&mut Checkpoint, &mut Head);
    let changes: [(&str, Change); 4] = [
        ("two attested checkpoints", |checkpoint, _| checkpoint.time_ns += 1),
        ("time fall", |checkpoint, _| {
            checkpoint.height += 1;
            checkpoint.time_ns -= 1;
        }),
        ("falls from 3 to 2", |checkpoint, head| {
            checkpoint.height += 1;
            head.sent_size = 2;
        }),
        ("two attested roots", |checkpoint, head| {
            checkpoint.height += 1;
            head.sent_root = Hash([5; 32]);
        }),
    ];
    for (expected, change) in changes {
        let mut world = settled();
        let (frame, now) = (attested(&world, change), world.now());
        world.engine_mut("beta").handle_sender_frame(&name("alpha"), &frame, now).unwrap();
        let frozen = world.engine("beta").status().inbound[0].frozen.clone().unwrap_or_default();
        assert!(frozen.contains(expected), "{expected}: {frozen}");
        world.run();
        world.crash("beta");
        assert!(world.engine("beta").status().inbound[0].frozen.is_some(), "a freeze survives a restart");
        let evidence = world.engine("beta").evidence().unwrap().pop().unwrap();
        let verified = evidence.verify::<Native>(&trust(), derive_public_key).unwrap();
        assert!(verified.proven.is_some(), "{expected}: a stranger has to believe the node");
    }
}

#[test]
fn an_attested_acknowledgement_of_another_history_freezes_only_the_lane_that_it_is_about() {
    let changes: [fn(&mut Head); 2] = [|head| head.received_size = 9, |head| head.received_root = Hash([5; 32])];
    for change in changes {
        let mut world = settled();
        world.send("beta", "alpha", "b0");
        world.run();
        world.advance(31 * S);
        world.run();
        let now = world.now();
        let frame = attested(&world, |checkpoint, head| {
            checkpoint.height += 1;
            change(head);
        });
        world.engine_mut("beta").handle_sender_frame(&name("alpha"), &frame, now).unwrap();
        let status = world.engine("beta").status();
        assert!(status.outbound[0].frozen.is_some());
        assert_eq!(status.inbound[0].frozen, None);
        assert!(matches!(world.try_send("beta", "alpha", "b1"), Err(EnqueueError::Frozen { .. })));
    }
}

#[test]
fn an_older_head_drops_the_connection_but_freezes_nothing() {
    let mut world = settled();
    let old = attested(&world, |_, _| {});
    let old = match decode_frame::<SenderFrame>(&old).unwrap() {
        SenderFrame::Release(mut release) => {
            release.head = world.engine("beta").inbound[&name("alpha")].record.head.clone().unwrap();
            codec::encode(&SenderFrame::Release(release))
        }
        other => panic!("expected a release, found {other:?}"),
    };
    world.send("alpha", "beta", "3");
    world.run();
    let now = world.now();
    assert!(world.engine_mut("beta").handle_sender_frame(&name("alpha"), &old, now).is_err());
    assert_eq!(world.engine("beta").status().inbound[0].frozen, None);
}
