//! Attested garbage: it takes its nonce, and the lane goes on.

use super::actor::Mallory;
use super::frames;
use super::lanes::{Log, honest_message, message};
use super::stage::{Stage, inbound};
use super::wire::write;
use queue::digest::Hash;
use queue::limits::MESSAGE_BYTES_MAX;
use queue::message::{Body, Call, MESSAGE_VERSION, Message, Outcome, RequestResult, Tombstone};

#[tokio::test(flavor = "multi_thread")]
async fn attested_garbage_takes_its_nonces_as_tombstones_and_the_lane_goes_on() {
    let stage = Stage::start("vito", "alex").await;
    let mut mallory = Mallory::register(&stage, "mallory").await;
    let rows = rows(&mallory, stage.third().as_str());
    let sent = Log { messages: rows.iter().map(|row| row.1.clone()).collect() };
    deliver(&mut mallory, &sent, 0).await;

    let entries = stage.target.inbox_from(&mallory.shard).await;
    assert_eq!(entries.len(), rows.len());
    for (nonce, (entry, (name, _, tombstone))) in (0..).zip(entries.iter().zip(&rows)) {
        assert_eq!((entry.nonce, entry.tombstone), (nonce, *tombstone), "{name}");
        assert_eq!(entry.message.is_some(), tombstone.is_none(), "{name}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attested_message_of_an_unknown_version_stops_mallorys_lane_and_no_other() {
    let stage = Stage::start("vitus", "alexa").await;
    let mut mallory = Mallory::register(&stage, "mallory").await;
    let good = honest_message(&mallory.shard, &mallory.target, "good");
    let mut sent = Log { messages: vec![good.clone()] };
    deliver(&mut mallory, &sent, 0).await;
    sent.messages.extend([good, vec![MESSAGE_VERSION + 1; 40]]);

    let head = mallory.head(&mallory.target, (&sent, 3), (&Log::default(), 0));
    let proof = mallory.attest(&[head]).await.remove(0);
    let mut session = mallory.connect().await;
    let batch = [frames::begin(1), frames::data(&sent.stream(1, 3)), frames::release(3, &proof, Vec::new())].concat();
    write(&mut session.as_sender.0, &batch).await;
    let lane = |text: Option<&String>| {
        text.is_some_and(|text| text.contains("message 2 has an unknown version") && text.contains("upgrade"))
    };
    let stopped = |status: &_| inbound(status, &mallory.shard).is_some_and(|from| lane(from.waiting_for.as_ref()));
    let status = stage.target.until(stopped).await;
    assert_eq!(inbound(&status, &mallory.shard).expect("a lane").delivered, 1, "the batch stays out as a whole");

    // The other direction goes on over the same connection.
    stage.target.send(&mallory.shard, "t0").await;
    let received = session.receive(&mallory.reverse_lane(), (0, Log::default().root_at(0)), 1).await;
    assert_eq!(received.len(), 1);
    stage.end().await;
}

/// Has all of a lane attested, and delivers it from message `begin` on.
async fn deliver(mallory: &mut Mallory, sent: &Log, begin: u64) {
    let head = mallory.head(&mallory.target, (sent, sent.size()), (&Log::default(), 0));
    let proof = mallory.attest(&[head]).await.remove(0);
    let mut session = mallory.connect().await;
    assert_eq!(session.held, (begin, sent.root_at(begin)));
    write(&mut session.as_sender.0, &frames::begin(begin)).await;
    for frame in frames::all_data(&sent.stream(begin, sent.size())) {
        write(&mut session.as_sender.0, &frame).await;
    }
    write(&mut session.as_sender.0, &frames::release(sent.size(), &proof, Vec::new())).await;
    session.until_acknowledged(sent.size()).await;
}

type Row = (&'static str, Vec<u8>, Option<Tombstone>);

/// Garbage of every kind, an honest message behind each.
fn rows(mallory: &Mallory, third: &str) -> Vec<Row> {
    let (own, target) = (mallory.shard.as_str(), mallory.target.as_str());
    let honest = honest_message(&mallory.shard, &mallory.target, "honest");
    let (ann, bob) = (format!("ann.{own}"), format!("bob.{target}"));
    let mut longest = vec![0xa5; MESSAGE_BYTES_MAX];
    longest[0] = MESSAGE_VERSION;
    let expired = Message { deadline_ns: Some(1), ..decoded(&honest) };
    let call = Call { refund_to: account(&ann), actions: Vec::new(), promise_results: Vec::new() };
    let transfer = queue::message::Action::Transfer { deposit_yocto: 1 };
    let with_body = |body| Message { body, ..decoded(&honest) }.encode();
    let result = RequestResult { request_nonce: 0, outcome: Outcome::Success(Vec::new()) };
    let garbage: [(&'static str, Vec<u8>, Tombstone); 16] = [
        ("nothing", Vec::new(), Tombstone::Malformed),
        ("a version and nothing else", vec![MESSAGE_VERSION], Tombstone::Malformed),
        ("noise", vec![MESSAGE_VERSION; 100], Tombstone::Malformed),
        ("the longest message, of noise", longest, Tombstone::Malformed),
        ("a message above the limit", vec![MESSAGE_VERSION; MESSAGE_BYTES_MAX + 1], Tombstone::Malformed),
        ("a message cut short", honest[..honest.len() - 1].to_vec(), Tombstone::Malformed),
        ("a message with a byte behind it", [&honest[..], &[0]].concat(), Tombstone::Malformed),
        ("an implicit sender", message(&"ab".repeat(32), &bob, "x"), Tombstone::Malformed),
        ("a call of no actions", with_body(Body::Call(call.clone())), Tombstone::Malformed),
        ("a sender of the third shard", message(&format!("ann.{third}"), &bob, "x"), Tombstone::SenderNotYours),
        ("a sender of the target's own", message(&bob, &bob, "x"), Tombstone::SenderNotYours),
        ("near as the sender", message("near", &bob, "x"), Tombstone::SenderNotYours),
        ("a receiver of the third shard", message(&ann, &format!("bob.{third}"), "x"), Tombstone::ReceiverNotMine),
        ("a deadline long ago", expired.encode(), Tombstone::Expired),
        (
            "a call where no contracts run",
            with_body(Body::Call(Call { actions: vec![transfer], ..call })),
            Tombstone::NoContracts,
        ),
        ("a result that nothing awaits", with_body(Body::Result(result)), Tombstone::UnexpectedResult),
    ];
    let rows = garbage.into_iter();
    rows.flat_map(|(name, bytes, tombstone)| [(name, bytes, Some(tombstone)), ("honest", honest.clone(), None)])
        .collect()
}

fn decoded(bytes: &[u8]) -> Message {
    let message = Message::decode(bytes).expect("an honest message");
    Message { salt: Hash([8; 32]), ..message }
}

fn account(text: &str) -> queue::ids::AccountId {
    text.parse().expect("an account")
}
