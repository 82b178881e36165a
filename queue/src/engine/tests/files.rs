//! Lanes by files: what frames may not do, files may not either.

use super::super::*;
use super::world::{S, World, name, sign, trust};
use crate::batch::{BATCH_MAGIC, BatchError, BatchHeader, BatchParser, BatchPart, BatchPiece};
use crate::codec;
use crate::derivation::derive_public_key;
use crate::frame::SenderFrame;
use crate::heads::{HeadTrie, SidePosition};
use crate::ids::Lane;
use crate::log::CompactRange;
use crate::proof::HeadProof;
use crate::store::CrashPlan;
use std::ops::Range;

/// Alpha has had `count` messages for beta attested, and there is no connection.
fn apart(count: u64) -> World {
    let mut world = World::new(CrashPlan::Prompt);
    for number in 0..count {
        world.send("alpha", "beta", &number.to_string());
    }
    world.run();
    world
}

fn pieces(
    world: &World,
    by: &str,
    direction: Direction,
    peer: &str,
    range: Option<Range<u64>>,
) -> Result<(BatchHeader, Vec<BatchPart>), ExportError> {
    let engine = world.engine(by);
    let (header, mut export) = engine.export(direction, &name(peer), range)?;
    let mut parts = Vec::new();
    while let Some(part) = engine.export_part(&mut export)? {
        parts.push(part);
    }
    Ok((header, parts))
}

fn file((header, parts): &(BatchHeader, Vec<BatchPart>)) -> Vec<u8> {
    parts.iter().fold(header.encode(), |file, part| [file, part.encode()].concat())
}

/// The file that a node writes of a lane.
pub(super) fn file_of(world: &World, by: &str, direction: Direction, peer: &str, range: Option<Range<u64>>) -> Vec<u8> {
    file(&pieces(world, by, direction, peer, range).unwrap())
}

/// The file that alpha writes for beta.
fn exported(world: &World, range: Option<Range<u64>>) -> Vec<u8> {
    file_of(world, "alpha", Direction::Outbound, "beta", range)
}

/// A node takes a file; gives the number of messages that it brought.
pub(super) fn import(world: &mut World, into: &str, file: &[u8]) -> Result<u64, ImportError> {
    let taken = take(world, into, file);
    world.run();
    taken
}

/// The same without anything else happening, as the local API does it.
fn take(world: &mut World, into: &str, file: &[u8]) -> Result<u64, ImportError> {
    let now = world.now();
    let engine = world.engine_mut(into);
    let (mut parser, mut verifier, mut taken) = (BatchParser::default(), None, 0);
    parser.push(file);
    while let Some(piece) = parser.next_piece()? {
        match piece {
            BatchPiece::Header(header) => verifier = Some(engine.check_batch(*header)?),
            BatchPiece::Part(part) => {
                let part = verifier.as_mut().expect("a header comes first").verify_part::<Native>(part)?;
                taken += engine.handle_batch_part(&part, now)?.taken;
                engine.commit(now).unwrap();
            }
        }
    }
    verifier.ok_or(BatchError::Format)?.finish()?;
    if !parser.is_empty() {
        return Err(BatchError::AfterEnd.into());
    }
    Ok(taken)
}

fn texts(range: Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn refused_whole(file: &[u8]) {
    let mut world = apart(0);
    let refused = import(&mut world, "beta", file);
    assert!(refused.is_err(), "taken: {refused:?}");
    assert_eq!(world.engine("beta").status().inbound_frozen(), None);
}

impl Status {
    fn inbound_frozen(&self) -> Option<&str> {
        self.inbound[0].frozen.as_deref()
    }
}

#[test]
fn two_shards_that_were_never_connected_exchange_messages_and_acknowledgements_by_files() {
    let mut world = apart(1_000);
    for number in 0..1_000 {
        world.send("beta", "alpha", &number.to_string());
    }
    world.run();
    let file = exported(&world, None);
    assert_eq!(import(&mut world, "beta", &file), Ok(1_000));
    assert_eq!(world.inbox("beta"), texts(0..1_000));
    world.advance(31 * S);
    world.run();
    let back = file_back(&world, None);
    assert_eq!(import(&mut world, "alpha", &back), Ok(1_000));
    assert_eq!(world.inbox("alpha"), texts(0..1_000));
    let status = world.engine("alpha").status();
    assert_eq!((status.outbound[0].acknowledged, status.outbound[0].backlog_bytes), (1_000, 0));
    let error = pieces(&world, "alpha", Direction::Outbound, "beta", Some(0..10)).unwrap_err();
    assert!(matches!(error, ExportError::Range { kept: 960, .. }), "what is acknowledged is pruned: {error}");

    world.advance(31 * S);
    world.run();
    let acknowledgement = exported(&world, None);
    assert!(acknowledgement.len() < 2_000, "no message is in it: {} bytes", acknowledgement.len());
    assert_eq!(import(&mut world, "beta", &acknowledgement), Ok(0));
    assert_eq!(world.engine("beta").status().outbound[0].acknowledged, 1_000);
}

/// The file that beta writes for alpha.
fn file_back(world: &World, range: Option<Range<u64>>) -> Vec<u8> {
    file(&pieces(world, "beta", Direction::Outbound, "alpha", range).unwrap())
}

#[test]
fn an_acknowledgement_needs_no_message_the_other_way() {
    let mut world = apart(3);
    let file = exported(&world, None);
    import(&mut world, "beta", &file).unwrap();
    let back = file_back(&world, None);
    assert_eq!(import(&mut world, "alpha", &back), Ok(0));
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 3);
}

#[test]
fn a_received_lane_is_exported_with_the_same_bytes_and_verifies_alone() {
    let mut world = apart(100);
    let original = exported(&world, Some(0..100));
    import(&mut world, "beta", &original).unwrap();
    let again = file(&pieces(&world, "beta", Direction::Inbound, "alpha", None).unwrap());
    assert_eq!(again, original);
    let (header, parts) = pieces(&world, "beta", Direction::Inbound, "alpha", Some(37..71)).unwrap();
    let mut verifier = header.verify::<Native>(&trust(), derive_public_key).unwrap();
    for part in parts {
        verifier.verify_part::<Native>(part).unwrap();
    }
    let verified = verifier.finish().unwrap();
    assert_eq!((verified.begin, verified.end, verified.head.head().sent_size), (37, 71, 100));
}

#[test]
fn a_long_lane_is_taken_part_by_part_under_one_signature() {
    let mut world = World::new(CrashPlan::Prompt);
    let text = "x".repeat(100_000);
    for _ in 0..50 {
        world.send("alpha", "beta", &text);
    }
    world.run();
    let (header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", None).unwrap();
    assert_eq!(parts.len(), 5);
    let whole = file(&(header.clone(), parts.clone()));
    let cut = file(&(header, parts[..2].to_vec()));
    let error = import(&mut world, "beta", &cut).unwrap_err();
    assert!(matches!(error, ImportError::Batch(BatchError::CutShort { found: 20, expected: 50 })), "{error}");
    assert_eq!(world.inbox("beta").len(), 20, "what was proved before the cut is there");
    assert_eq!(import(&mut world, "beta", &whole), Ok(30));
    assert_eq!(world.inbox("beta").len(), 50);
}

#[test]
fn an_overlapping_or_replayed_file_brings_only_what_is_missing() {
    let mut world = apart(100);
    let (first, second, all) =
        (exported(&world, Some(0..60)), exported(&world, Some(40..100)), exported(&world, Some(0..100)));
    assert_eq!(import(&mut world, "beta", &first), Ok(60));
    assert_eq!(import(&mut world, "beta", &first), Ok(0));
    assert_eq!(import(&mut world, "beta", &second), Ok(40));
    for replayed in [&first, &second, &all] {
        assert_eq!(import(&mut world, "beta", replayed), Ok(0));
    }
    assert_eq!(world.inbox("beta"), texts(0..100));
}

#[test]
fn a_replayed_file_of_an_older_head_brings_nothing_and_harms_nothing() {
    let mut world = apart(10);
    let old = exported(&world, None);
    world.send("alpha", "beta", "10");
    world.run();
    let new = exported(&world, None);
    assert_eq!(import(&mut world, "beta", &new), Ok(11));
    assert_eq!(import(&mut world, "beta", &old), Ok(0));
    assert_eq!(world.inbox("beta"), texts(0..11));
    assert_eq!(world.engine("beta").status().inbound_frozen(), None);
}

#[test]
fn a_gap_or_reordered_files_are_refused_with_the_nonce_to_export_from() {
    let mut world = apart(100);
    let (first, second) = (exported(&world, Some(0..50)), exported(&world, Some(50..100)));
    let error = import(&mut world, "beta", &second).unwrap_err();
    assert!(error.to_string().contains("--range 0..50"), "{error}");
    assert_eq!(world.inbox("beta").len(), 0);
    assert_eq!(import(&mut world, "beta", &first), Ok(50));
    assert_eq!(import(&mut world, "beta", &second), Ok(50));
    assert_eq!(world.inbox("beta"), texts(0..100));
}

#[test]
fn a_file_cut_anywhere_is_refused_and_what_it_brought_was_proved() {
    let whole = exported(&apart(3), None);
    for length in 0..whole.len() {
        refused_whole(&whole[..length]);
    }
    refused_whole(&[&whole[..], &[0]].concat());
    refused_whole(&[&whole[..], &whole[..]].concat());
}

#[test]
fn a_flipped_bit_anywhere_in_a_file_is_refused() {
    let whole = exported(&apart(3), None);
    for bit in (0..whole.len() * 8).step_by(5) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused_whole(&flipped);
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_anything_of_that_length_is_held() {
    let world = apart(3);
    let (header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", None).unwrap();
    let mut huge_header = exported(&world, None);
    huge_header[BATCH_MAGIC.len()..BATCH_MAGIC.len() + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    refused_whole(&huge_header);
    let mut huge_part = header.encode();
    huge_part.extend(u32::MAX.to_le_bytes());
    refused_whole(&huge_part);
    let mut huge_message = parts;
    huge_message[0].stream[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    refused_whole(&file(&(header, huge_message)));
}

#[test]
fn a_file_of_another_bridge_instance_is_refused() {
    let world = apart(3);
    let (mut header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", None).unwrap();
    header.trust.domain.instance = Hash([8; 32]);
    refused_whole(&file(&(header.clone(), parts.clone())));
    let mut checkpoint = header.head.attestation.checkpoint.clone();
    checkpoint.domain.instance = Hash([8; 32]);
    header.head.attestation.signature = sign(&checkpoint);
    header.head.attestation.checkpoint = checkpoint;
    refused_whole(&file(&(header.clone(), parts.clone())));
    header.trust = trust();
    refused_whole(&file(&(header, parts)));
}

#[test]
fn a_file_of_another_lane_or_for_a_third_shard_is_refused() {
    let mut world = apart(3);
    let whole = exported(&world, None);
    let error = import(&mut world, "alpha", &whole).unwrap_err();
    assert!(matches!(error, ImportError::NotMine { .. }) && error.to_string().contains("beta"), "{error}");
    let gamma = world.open("gamma", crate::store::MemoryStore::new(CrashPlan::Prompt));
    let (header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", None).unwrap();
    assert!(matches!(gamma.check_batch(header.clone()), Err(ImportError::NotMine { .. })));
    for change in [
        |lane: &mut Lane| lane.source = name("gamma"),
        |lane: &mut Lane| lane.source_incarnation = 1,
        |lane: &mut Lane| lane.destination_incarnation = 1,
    ] {
        let mut renamed = header.clone();
        change(&mut renamed.lane);
        refused_whole(&file(&(renamed, parts.clone())));
    }
}

/// The same file under another head, which the source's members had attested.
fn attested(header: &BatchHeader, change: impl FnOnce(&mut Checkpoint, &mut Head)) -> BatchHeader {
    let HeadProof { mut head, attestation, .. } = header.head.clone();
    let mut checkpoint = attestation.checkpoint;
    change(&mut checkpoint, &mut head);
    checkpoint.previous = if checkpoint.height == 0 { Hash::ZERO } else { Hash([3; 32]) };
    let trie = HeadTrie::new::<Native>(std::slice::from_ref(&head)).unwrap();
    checkpoint.heads_root = trie.root::<Native>(&|_: SidePosition| Hash::ZERO);
    let attestation = Attestation::of_shard(checkpoint.clone(), sign(&checkpoint));
    BatchHeader { head: HeadProof { head, path: Vec::new(), attestation }, ..header.clone() }
}

#[test]
fn a_forged_head_is_refused_and_freezes_nothing() {
    let world = apart(3);
    let (header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", None).unwrap();
    let forgeries: [fn(&mut BatchHeader); 4] = [
        |header| header.head.head.sent_size += 1,
        |header| header.head.attestation.checkpoint.time_ns += 1,
        |header| header.head.path.push(Hash::ZERO),
        |header| header.begin = CompactRange::from_parts(1, vec![Hash::ZERO]).unwrap(),
    ];
    for forge in forgeries {
        let mut forged = header.clone();
        forge(&mut forged);
        refused_whole(&file(&(forged, parts.clone())));
    }
    let other_parts = pieces(&apart(2), "alpha", Direction::Outbound, "beta", None).unwrap().1;
    refused_whole(&file(&(header, other_parts)));
}

/// Another life of alpha, with other messages, attested by the same signer: what a shard that tells
/// two histories would have.
fn other_history(count: u64, range: Option<Range<u64>>) -> (BatchHeader, Vec<BatchPart>) {
    let mut world = World::new(CrashPlan::Prompt);
    for number in 0..count {
        world.send("alpha", "beta", &format!("other {number}"));
    }
    world.run();
    let (header, parts) = pieces(&world, "alpha", Direction::Outbound, "beta", range).unwrap();
    (attested(&header, |checkpoint, _| checkpoint.height = 100), parts)
}

fn proves_two_histories(world: &World, expected: &str) {
    let evidence = world.engine("beta").evidence().unwrap().pop().expect("there is evidence");
    let json = serde_json::to_string(&evidence).unwrap();
    let read: crate::evidence::Evidence = serde_json::from_str(&json).unwrap();
    let verified = read.verify::<Native>(&trust(), derive_public_key).unwrap();
    let proven = verified.proven.expect("a stranger need not believe beta");
    assert!(proven.contains(expected), "{proven}");
}

#[test]
fn a_file_that_contradicts_what_is_verified_freezes_the_lane_with_evidence_that_anybody_can_check() {
    for (here, there) in [(10, 15), (10, 10), (1, 64), (13, 13)] {
        let mut world = apart(here);
        let honest = exported(&world, None);
        import(&mut world, "beta", &honest).unwrap();
        let error = import(&mut world, "beta", &file(&other_history(there, None))).unwrap_err();
        assert!(matches!(error, ImportError::Frozen { .. }), "{here} {there}: {error}");
        assert_eq!(world.inbox("beta"), texts(0..here));
        assert!(world.engine("beta").status().inbound_frozen().is_some());
        proves_two_histories(&world, "two different sequences");
        assert!(matches!(import(&mut world, "beta", &honest), Err(ImportError::Frozen { .. })));
    }
}

#[test]
fn a_file_with_fewer_messages_of_another_history_freezes_the_lane_too() {
    let mut world = apart(10);
    let honest = exported(&world, None);
    import(&mut world, "beta", &honest).unwrap();
    let part = file(&other_history(12, Some(0..7)));
    assert!(matches!(import(&mut world, "beta", &part), Err(ImportError::Frozen { .. })));
    proves_two_histories(&world, "two different sequences of 7 messages");
}

#[test]
fn an_operator_resumes_a_frozen_lane_and_the_evidence_stays() {
    let mut world = apart(10);
    let honest = exported(&world, None);
    import(&mut world, "beta", &honest).unwrap();
    import(&mut world, "beta", &file(&other_history(12, None))).unwrap_err();
    let engine = world.engine_mut("beta");
    assert_eq!(engine.handle_resume(Direction::Outbound, &name("alpha")), Err(ResumeError::NotFrozen));
    engine.handle_resume(Direction::Inbound, &name("alpha")).unwrap();
    world.run();
    world.crash("beta");
    assert_eq!(world.engine("beta").status().inbound_frozen(), None);
    assert_eq!(world.engine("beta").evidence().unwrap().len(), 1);
    world.send("alpha", "beta", "10");
    world.connect();
    world.run();
    assert_eq!(world.inbox("beta"), texts(0..11));
    import(&mut world, "beta", &file(&other_history(12, None))).unwrap_err();
    assert_eq!(world.engine("beta").evidence().unwrap().len(), 2);
}

#[test]
fn a_frozen_lane_holds_back_no_acknowledgement_of_the_other() {
    let mut world = apart(10);
    world.connect();
    world.run();
    import(&mut world, "beta", &file(&other_history(12, None))).unwrap_err();
    world.connect();
    world.send("beta", "alpha", "b0");
    world.send("alpha", "beta", "10");
    world.run();
    world.advance(31 * S);
    world.run();
    assert_eq!(world.inbox("alpha"), ["b0"]);
    let status = world.engine("beta").status();
    assert!(status.inbound[0].frozen.is_some() && status.inbound[0].delivered == 10);
    assert_eq!(status.outbound[0].acknowledged, 1, "the lane to alpha is not the frozen one");
}

#[test]
fn a_file_while_a_connection_is_up_is_taken_and_the_stream_begins_anew() {
    let mut world = apart(0);
    world.send("alpha", "beta", "0");
    world.run();
    let file = exported(&world, None);
    world.connect();
    assert_eq!(take(&mut world, "beta", &file), Ok(1));
    let now = world.now();
    let data = codec::encode(&SenderFrame::Data(vec![0; 8]));
    let refused = world.engine_mut("beta").handle_sender_frame(&name("alpha"), &data, now);
    assert!(refused.is_err(), "the stream goes on behind messages that are here");
    world.connect();
    world.send("alpha", "beta", "1");
    world.run();
    assert_eq!(world.inbox("beta"), ["0", "1"]);
}

#[test]
fn a_file_takes_the_place_of_what_a_connection_has_staged() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.signer_is_down = true;
    for number in 0..70 {
        world.send("alpha", "beta", &number.to_string());
    }
    world.run();
    assert_eq!(world.engine("beta").status().inbound[0].staged, 70);
    for (shard, other) in [("alpha", "beta"), ("beta", "alpha")] {
        world.engine_mut(shard).handle_disconnected(&name(other));
    }
    world.signer_is_down = false;
    world.advance(60 * S);
    world.run();
    let (whole, some) = (exported(&world, None), exported(&world, Some(0..66)));
    assert_eq!(import(&mut world, "beta", &some), Ok(66));
    assert_eq!(world.engine("beta").status().inbound[0].staged_bytes, 0);
    world.crash("beta");
    world.run();
    assert_eq!(import(&mut world, "beta", &whole), Ok(4));
    assert_eq!(world.inbox("beta"), texts(0..70));
    let proof = world.engine("beta").prove(&name("alpha"), None, 69).unwrap();
    assert!(proof.verify::<Native>(&trust(), derive_public_key).is_ok());
}

#[test]
fn an_attested_receipt_of_another_history_is_proved_with_this_shards_own_head() {
    let mut world = apart(10);
    let honest = exported(&world, None);
    import(&mut world, "beta", &honest).unwrap();
    let header = pieces(&world, "beta", Direction::Outbound, "alpha", None).unwrap().0;
    let lie = attested(&header, |checkpoint, head| {
        checkpoint.height += 1;
        (head.received_size, head.received_root) = (5, Hash([5; 32]));
    });
    let part = BatchPart { end: 0, consistency: vec![], stream: vec![] };
    import(&mut world, "alpha", &file(&(lie, vec![part]))).unwrap();
    let evidence = world.engine("alpha").evidence().unwrap().pop().unwrap();
    assert!(world.engine("alpha").status().outbound[0].frozen.is_some());
    let verified = evidence.clone().verify::<Native>(&trust(), derive_public_key).unwrap();
    assert!(verified.proven.unwrap().contains("never to have sent"));
    assert_eq!(super::audit::audited(&world, "alpha", &world.copy("alpha")).findings, []);
    let mut forged = evidence;
    let crate::evidence::Contradiction::Received { log, .. } = &mut forged.contradiction else { panic!("{forged:?}") };
    log.root = Hash([6; 32]);
    assert!(forged.verify::<Native>(&trust(), derive_public_key).is_err());
}

/// Alpha takes a head that beta's members had attested, whatever it says, from a file.
fn alpha_hears(world: &mut World, change: impl FnOnce(&mut Checkpoint, &mut Head)) -> Result<u64, ImportError> {
    let header = pieces(world, "beta", Direction::Outbound, "alpha", None).unwrap().0;
    let part = BatchPart { end: header.begin.size(), consistency: vec![], stream: vec![] };
    take(world, "alpha", &file(&(attested(&header, change), vec![part])))
}

#[test]
fn an_acknowledgement_ahead_of_the_open_stream_takes_nothing_that_the_stream_still_needs() {
    let settling = Settling { retention_bytes_max: 0, ..Settling::default() };
    let mut world = World::with(CrashPlan::Manual, u64::MAX, settling, None);
    world.connect();
    let released = |world: &World| world.engine("alpha").outbound[&name("beta")].released().unwrap();
    let pruned = |world: &World| world.engine("alpha").outbound[&name("beta")].settlement.record.pruned;
    for _ in 0..70 {
        world.send("alpha", "beta", "small");
    }
    world.run();
    world.advance(31 * S);
    world.run();
    // More than one flight: the stream waits for beta.
    for _ in 0..600 {
        world.send("alpha", "beta", &"x".repeat(100_000));
    }
    world.run_syncing_only("alpha");
    assert!((70..670).contains(&released(&world)), "the stream has released {}", released(&world));
    let root = world.engine("alpha").outbound[&name("beta")].record.log.root::<Native>();
    let said = alpha_hears(&mut world, |checkpoint, head| {
        checkpoint.height += 1;
        (head.received_size, head.received_root) = (670, root);
    });
    assert_eq!(said, Ok(0));
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 670);
    assert!(pruned(&world) <= released(&world), "{} messages went, {} are released", pruned(&world), released(&world));
    world.run();
    assert_eq!(world.inbox("beta").len(), 670);
}

#[test]
fn a_lane_whose_messages_go_while_the_other_is_frozen_hears_on_and_catches_a_liar_after_it_is_resumed() {
    let settling = Settling { retention_bytes_max: 0, ..Settling::default() };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    let round = |world: &mut World| {
        world.connect();
        for _ in 0..100 {
            world.send_within("alpha", "beta", "soon", 1_000 * S);
        }
        world.run();
        world.advance(31 * S);
        world.run();
    };
    round(&mut world);
    alpha_hears(&mut world, |checkpoint, _| checkpoint.time_ns += 1).unwrap_err();
    for count in 2..5 {
        round(&mut world);
        let status = world.engine("alpha").status();
        assert!(status.inbound[0].frozen.is_some(), "two checkpoints at one height");
        assert_eq!(status.outbound[0].acknowledged, 100 * count);
    }
    world.engine_mut("alpha").handle_resume(Direction::Inbound, &name("beta")).unwrap();
    alpha_hears(&mut world, |checkpoint, head| {
        checkpoint.height += 1;
        head.received_size = 150;
    })
    .unwrap();
    let frozen = world.engine("alpha").status().outbound[0].frozen.clone().unwrap_or_default();
    assert!(frozen.contains("to have received 400 messages, and later only 150"), "{frozen}");
    assert_eq!(world.engine("alpha").evidence().unwrap().len(), 2);
    world.settle("alpha");
    assert_eq!(super::audit::audited(&world, "alpha", &world.copy("alpha")).findings, []);
}
