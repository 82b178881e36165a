//! Messages that travel ahead of their attestation.

use super::super::*;
use super::world::{S, World, name};
use crate::codec;
use crate::digest::empty_root;
use crate::frame::{ReceiverFrame, SenderFrame};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::Tombstone;
use crate::store::{CrashPlan, Store};

/// A world in which beta has staged three messages that no signature releases.
fn staged() -> World {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.signer_is_down = true;
    for text in ["0", "1", "2"] {
        world.send("alpha", "beta", text);
    }
    world.run();
    world
}

fn inbound(world: &World) -> InboundStatus {
    world.engine("beta").status().inbound[0].clone()
}

/// The signer works again, and is asked again.
fn signer_returns(world: &mut World) {
    world.signer_is_down = false;
    for _ in 0..3 {
        world.advance(40 * S);
        world.run();
    }
}

fn sender_frame(world: &mut World, frame: &SenderFrame) -> Result<(), PeerError> {
    let now = world.now();
    world.engine_mut("beta").handle_sender_frame(&name("alpha"), &codec::encode(frame), now)
}

#[test]
fn a_message_is_durable_at_its_destination_before_its_signature_and_delivered_with_it() {
    let mut world = staged();
    assert_eq!((inbound(&world).staged, inbound(&world).delivered), (3, 0));
    assert_eq!(world.inbox("beta"), [""; 0], "a staged message was shown");
    assert_eq!(world.engine("alpha").status().outbound[0].delivered, 0);
    signer_returns(&mut world);
    assert_eq!(world.inbox("beta"), ["0", "1", "2"]);
    assert_eq!(world.data_frames("alpha"), 1, "what was staged was sent again");
}

/// A world in which beta has three messages by a signature that alpha has lost in a crash.
fn ahead_of_its_source() -> World {
    let mut world = World::new(CrashPlan::Manual);
    world.connect();
    world.signer_is_down = true;
    for text in ["0", "1", "2"] {
        world.send("alpha", "beta", text);
    }
    world.run();
    world.signer_is_down = false;
    world.advance(40 * S);
    world.run_syncing_only("beta");
    assert_eq!(world.inbox("beta"), ["0", "1", "2"], "the release waited for the signature to be durable");
    world.signer_is_down = true;
    world.crash("alpha");
    let lane = &world.engine("alpha").status().outbound[0];
    assert_eq!((lane.sealed, lane.attested), (3, 0), "the signature was durable");
    world.connect();
    world.run();
    world
}

#[test]
fn a_source_that_lost_the_signature_by_which_it_released_goes_on_with_an_honest_destination() {
    let mut world = ahead_of_its_source();
    let status = world.engine("alpha").status();
    let lane = &status.outbound[0];
    assert_eq!((lane.delivered, lane.acknowledged, lane.attested, &lane.frozen), (3, 3, 0, &None));
    let store = world.copy("alpha");
    assert_eq!(super::audit::audited(&world, "alpha", &store).findings, []);
    world.send("alpha", "beta", "3");
    world.send("beta", "alpha", "b0");
    world.run();
    signer_returns(&mut world);
    assert_eq!((world.inbox("beta"), world.inbox("alpha")), (vec_of(["0", "1", "2", "3"]), vec_of(["b0"])));
    let lane = &world.engine("alpha").status().outbound[0];
    assert_eq!((lane.attested, lane.acknowledged, &lane.frozen), (4, 4, &None));
}

#[test]
fn a_source_that_lost_a_signature_exports_nothing_under_an_older_one_until_it_is_back() {
    let mut world = ahead_of_its_source();
    let error = world.engine("alpha").export(Direction::Outbound, &name("beta"), None).unwrap_err();
    assert!(error.to_string().contains("is attested yet"), "{error}");
    signer_returns(&mut world);
    assert!(world.engine("alpha").export(Direction::Outbound, &name("beta"), None).is_ok());
}

fn vec_of<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[test]
fn what_is_staged_survives_a_crash_of_either_side_and_is_not_sent_again() {
    for victim in ["alpha", "beta"] {
        let mut world = staged();
        world.crash(victim);
        assert_eq!(inbound(&world).staged, 3, "after a crash of {victim}");
        world.connect();
        world.run();
        world.send("alpha", "beta", "3");
        world.run();
        signer_returns(&mut world);
        assert_eq!(world.inbox("beta"), ["0", "1", "2", "3"], "after a crash of {victim}");
        assert_eq!(world.data_frames("alpha"), 2, "after a crash of {victim}");
    }
}

#[test]
fn messages_sent_after_a_seal_wait_for_the_next_one_although_they_are_there() {
    let mut world = staged();
    world.send("alpha", "beta", "late");
    world.run();
    assert_eq!(inbound(&world).staged, 4);
    world.signer_answers_once();
    world.advance(40 * S);
    world.run();
    assert_eq!(inbound(&world).delivered, 3, "the first checkpoint was sealed before the last message");
    signer_returns(&mut world);
    assert_eq!(world.inbox("beta"), ["0", "1", "2", "late"]);
}

#[test]
fn what_is_staged_and_not_attested_is_forgotten_and_the_lane_goes_on() {
    let mut world = staged();
    // Mallory holds alpha's transport key, and slips a message in.
    let slipped = [&5_u32.to_le_bytes()[..], b"wrong"].concat();
    sender_frame(&mut world, &SenderFrame::Data(slipped)).unwrap();
    world.settle("beta");
    assert_eq!(inbound(&world).staged, 4);
    world.connect();
    world.run();
    assert_eq!(inbound(&world).staged, 3, "alpha went on after what is verified");
    signer_returns(&mut world);
    assert_eq!(world.inbox("beta"), ["0", "1", "2"]);
    assert_eq!(inbound(&world).frozen, None);
}

#[test]
fn staged_bytes_in_place_of_the_attested_ones_are_dropped_at_the_release() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.run();
    let slipped = [&5_u32.to_le_bytes()[..], b"wrong"].concat();
    sender_frame(&mut world, &SenderFrame::Data(slipped)).unwrap();
    sender_frame(&mut world, &SenderFrame::Mark { size: 1 }).unwrap();
    world.settle("beta");
    assert_eq!(inbound(&world).staged, 1);
    let release = world.forged_release("alpha", |head| (head.sent_size, head.sent_root) = (1, Hash([1; 32])));
    let error = sender_frame(&mut world, &release).unwrap_err();
    assert!(error.reason.contains("does not cover"), "{error}");
    world.settle("beta");
    assert_eq!((inbound(&world).staged, inbound(&world).delivered), (0, 0));
    world.connect();
    world.send("alpha", "beta", "right");
    world.run();
    assert_eq!(world.inbox("beta"), ["right"]);
}

#[test]
fn a_source_that_begins_elsewhere_or_twice_is_dropped() {
    let mut world = staged();
    let error = sender_frame(&mut world, &SenderFrame::Begin { size: 3 }).unwrap_err();
    assert!(error.reason.contains("twice"), "{error}");
    for size in [1, 2, 4, u64::MAX] {
        let beta = world.engine_mut("beta");
        beta.handle_disconnected(&name("alpha"));
        beta.handle_connected(&name("alpha"));
        let error = sender_frame(&mut world, &SenderFrame::Begin { size }).unwrap_err();
        assert!(error.reason.contains("3 staged"), "{error}");
    }
    assert_eq!(inbound(&world).staged, 3, "a wrong begin cost what is staged");
}

#[test]
fn data_a_mark_or_a_release_before_the_lane_has_begun_is_refused() {
    let mut world = staged();
    let beta = world.engine_mut("beta");
    beta.handle_disconnected(&name("alpha"));
    beta.handle_connected(&name("alpha"));
    for frame in [SenderFrame::Data(vec![0; 4]), SenderFrame::Mark { size: 3 }] {
        let error = sender_frame(&mut world, &frame).unwrap_err();
        assert!(error.reason.contains("has not begun"), "{error}");
    }
}

#[test]
fn a_mark_of_another_size_than_has_arrived_is_refused_and_so_are_too_many() {
    let mut world = staged();
    for size in [0, 2, 4, u64::MAX] {
        let error = sender_frame(&mut world, &SenderFrame::Mark { size }).unwrap_err();
        assert!(error.reason.contains("3 whole messages"), "{error}");
    }
    let error = (4..100)
        .find_map(|size| {
            sender_frame(&mut world, &SenderFrame::Data(vec![0; 4])).unwrap();
            sender_frame(&mut world, &SenderFrame::Mark { size }).err()
        })
        .expect("marks have a bound");
    assert!(error.reason.contains("marked more than"), "{error}");
}

#[test]
fn staging_has_a_bound_at_which_the_source_waits_and_loses_nothing() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.signer_is_down = true;
    let large = "x".repeat(300_000);
    for _ in 0..200 {
        world.send("alpha", "beta", &large);
    }
    world.run();
    let staged = inbound(&world).staged_bytes;
    assert!((1_000_000..48_000_000).contains(&staged), "{staged} bytes are staged of a limit of 1 MiB");
    signer_returns(&mut world);
    assert_eq!(world.inbox("beta"), vec![large; 200]);
}

#[test]
fn malformed_messages_are_staged_only_up_to_a_bound_because_they_are_remembered_in_memory() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.run();
    let empty = SenderFrame::Data(vec![0; 60_000]);
    let refused = (0..1_000).find_map(|_| sender_frame(&mut world, &empty).err()).expect("there is a bound");
    assert!(refused.reason.contains("nobody can take"), "{refused}");
}

#[test]
fn an_attested_message_above_the_limit_is_hashed_as_it_streams_and_becomes_a_tombstone() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.run();
    let huge = vec![7; MESSAGE_BYTES_MAX + 1];
    let stream = [&u32::try_from(huge.len()).unwrap().to_le_bytes()[..], &huge].concat();
    for part in stream.chunks(60_001) {
        sender_frame(&mut world, &SenderFrame::Data(part.to_vec())).unwrap();
    }
    world.settle("beta");
    assert_eq!((inbound(&world).staged, inbound(&world).staged_bytes), (1, 4));
    // Mallory's members had it attested.
    let mut log = crate::log::CompactRange::default();
    log.append::<Native>(&huge, |_, _| {});
    let release = world.forged_release("alpha", |head| (head.sent_size, head.sent_root) = (1, log.root::<Native>()));
    sender_frame(&mut world, &release).unwrap();
    world.settle("beta");
    let entries = world.engine("beta").inbox(0, usize::MAX).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].content, Err(Tombstone::Malformed));
    let root = tree::LaneTree { store: &world.engine("beta").store, lane: &world.inbound_lane("beta") }.root_at(1);
    assert_eq!(root, Ok(log.root::<Native>()), "the root of the lane can be made again");
}

#[test]
fn a_staged_message_expires_by_the_time_of_its_release_not_of_its_arrival() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.run();
    let deadline_ns = world.now().unix_ns + 60 * S;
    let message = |deadline_ns| Message {
        version: MESSAGE_VERSION,
        salt: Hash::ZERO,
        sender: "ann.alpha".parse().unwrap(),
        receiver: "bob.beta".parse().unwrap(),
        deadline_ns,
        body: Body::Data(vec![1]),
    };
    let messages = [message(None).encode(), message(Some(deadline_ns)).encode()];
    let stream = crate::stream::Stream::of(&messages);
    sender_frame(&mut world, &SenderFrame::Data(stream.bytes().to_vec())).unwrap();
    world.settle("beta");
    world.advance(60 * S);
    let mut log = crate::log::CompactRange::default();
    messages.iter().for_each(|message| log.append::<Native>(message, |_, _| {}));
    let release = world.forged_release("alpha", |head| (head.sent_size, head.sent_root) = (2, log.root::<Native>()));
    sender_frame(&mut world, &release).unwrap();
    world.settle("beta");
    let entries = world.engine("beta").inbox(0, usize::MAX).unwrap();
    let decided: Vec<_> = entries.iter().map(|entry| entry.content.clone().err()).collect();
    assert_eq!(decided, [None, Some(Tombstone::Expired)]);
}

#[test]
fn a_receiver_that_claims_to_have_staged_what_is_not_ours_is_sent_it_from_what_it_has_verified() {
    let mut world = staged();
    let lane = world.engine("alpha").outbound[&name("beta")].record.lane.clone();
    let root = empty_root::<Native>();
    for (staged_size, staged_root) in [(2, Hash([1; 32])), (9, root), (u64::MAX, root)] {
        let alpha = world.engine_mut("alpha");
        alpha.handle_disconnected(&name("beta"));
        alpha.handle_connected(&name("beta"));
        let open = ReceiverFrame::Open { lane: lane.clone(), size: 0, root, staged_size, staged_root };
        alpha.handle_receiver_frame(&name("beta"), &codec::encode(&open)).unwrap();
        let begin = world.next_frame("alpha");
        assert_eq!(begin, Some(SenderFrame::Begin { size: 0 }), "for a claim of {staged_size}");
    }
}

#[test]
fn staged_messages_are_in_no_turn_that_is_not_durable_when_they_are_acknowledged() {
    let mut world = World::new(CrashPlan::Manual);
    world.connect();
    world.run();
    world.signer_is_down = true;
    world.send("alpha", "beta", "0");
    world.run();
    let mut store = world.copy("beta").crash();
    assert!(store.poll_durable().unwrap() > 0);
    let lane = world.inbound_lane("beta");
    assert_eq!(store.read(&lane, 0..2, 100).unwrap().count(), 1, "acknowledged as staged, and lost in a crash");
}

#[test]
fn an_acknowledgement_that_an_attested_head_has_overtaken_on_the_other_stream_is_no_offence() {
    let mut world = World::new(CrashPlan::Prompt);
    for text in ["one", "two"] {
        world.send("alpha", "beta", text);
    }
    world.run();
    let (now, beta) = (world.now(), name("beta"));
    let root = world.engine("alpha").outbound[&beta].record.log.root::<Native>();
    let SenderFrame::Release(head) = world.forged_release("beta", |head| {
        (head.received_size, head.received_root) = (2, root);
    }) else {
        unreachable!("a release was made")
    };
    let receive = |world: &mut World, frame: ReceiverFrame| {
        world.engine_mut("alpha").handle_receiver_frame(&beta, &codec::encode(&frame))
    };
    let lane = world.engine("alpha").outbound[&beta].record.lane.clone();
    let root = empty_root::<Native>();
    world.engine_mut("alpha").handle_connected(&beta);
    receive(&mut world, ReceiverFrame::Open { lane, size: 0, root, staged_size: 0, staged_root: root }).unwrap();
    world.settle("alpha");
    for frame in [SenderFrame::Begin { size: 0 }, SenderFrame::Release(head)] {
        world.engine_mut("alpha").handle_sender_frame(&beta, &codec::encode(&frame), now).unwrap();
    }
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 2);
    for size in [1, 2] {
        receive(&mut world, ReceiverFrame::Ack { size }).expect("an honest acknowledgement, only late");
    }
    let refused = receive(&mut world, ReceiverFrame::Ack { size: 1 }).expect_err("it falls on its own stream");
    assert!(refused.reason.contains("acknowledged size 1 after 2"), "{refused}");
}
