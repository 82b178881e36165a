//! What two shards agreed upon, at the API of a node that reads it while requests come in.

use crate::api::{Node, message, refusal, shard};
use crate::mallory::log_lines;
use queue::contract::{LaneStatus, LaneStops, LaneTerms, LaneView, Permissions};
use queue::digest::Hash;
use queue::stream::Stream;
use shard_node::api::types::{NewMessage, SendResult, StreamProgress, StreamQuery};
use shard_node::near::NearEvent;

/// Alpha's lane with a peer, open on terms for messages of so many bytes.
fn lane(peer: &str, message_bytes_max: u32, permissions: Permissions) -> LaneView {
    let terms = LaneTerms {
        message_bytes_max,
        result_bytes_max: 2_048,
        call_window: 8,
        call_gas_max: 0,
        deadline_ms: None,
        permissions,
    };
    LaneView {
        shard: shard("alpha"),
        peer: shard(peer),
        status: LaneStatus::Open,
        terms: Some(terms),
        proposed: None,
        proposed_by_peer: None,
        stops: LaneStops::default(),
        peer_stops: LaneStops::default(),
        frozen_height: None,
        peer_frozen_height: None,
    }
}

/// Tells the node, and waits until it knows.
async fn read(node: &Node, lane: LaneView) {
    node.near.send(NearEvent::Lanes(vec![lane.clone()])).await.unwrap();
    while node.client.status().await.unwrap().engine.outbound[0].terms != lane.terms {}
}

fn orders(at: u64) -> StreamQuery {
    let (to, feed) = (Some("bob.beta".parse().unwrap()), Some("orders".parse().unwrap()));
    StreamQuery { to, feed, at: Some(at), ..StreamQuery::default() }
}

/// Sends a message of so many bytes on a feed's stream from position `at` on; the stream's last line.
async fn last_line(node: &Node, at: u64, lengths: &[usize]) -> StreamProgress {
    let (sender, mut answers) = node.client.open_stream(&orders(at)).await.unwrap();
    assert!(sender.send(Stream::of(lengths.iter().map(|length| vec![7; *length]))).await);
    drop(sender);
    loop {
        let progress = answers.next().await.unwrap().expect("a last line");
        if progress.done || progress.error.is_some() {
            return progress;
        }
    }
}

#[tokio::test]
async fn a_stream_ends_before_the_first_message_beyond_the_terms_and_goes_on_by_others() {
    let node = Node::alpha().await;
    read(&node, lane("beta", 65_536, Permissions::Everybody)).await;
    assert_eq!(last_line(&node, 0, &[3_000, 3_000]).await.durable, 2);
    read(&node, lane("beta", 2_048, Permissions::Everybody)).await;
    let ended = last_line(&node, 2, &[1_000, 3_000, 1_000]).await;
    let error = ended.error.expect("an error");
    assert_eq!((ended.durable, error.code.as_str(), error.retry_ms), (3, "too_large", None));
    assert!(error.message.contains("more than the 2048 of the lane's terms with beta"), "{}", error.message);
    read(&node, lane("beta", 65_536, Permissions::Everybody)).await;
    let whole = last_line(&node, 3, &[3_000, 1_000]).await;
    assert_eq!((whole.durable, whole.done), (5, true));
}

#[tokio::test]
async fn of_many_messages_those_beyond_the_terms_are_refused_and_the_others_taken() {
    let node = Node::alpha().await;
    let list = "ann.alpha *\nalpha pay.beta\n";
    read(&node, lane("beta", 2_048, Permissions::Public(list.to_owned()))).await;
    let by_ann = NewMessage { from: Some("ann.alpha".parse().unwrap()), ..message("bob.beta", b"listed") };
    let messages =
        [message("pay.beta", b"listed"), message("bob.beta", b"not"), message("pay.beta", &[7; 3_000]), by_ann];
    let results = node.client.send_many(messages.to_vec()).await.unwrap().results;
    let codes = results.iter().map(|result| match result {
        SendResult::Sent(sent) => Ok(sent.nonce),
        SendResult::Refused { error } => Err(error.code.as_str()),
    });
    assert_eq!(codes.collect::<Vec<_>>(), [Ok(0), Err("not_permitted"), Err("too_large"), Ok(1)]);
    let refused = refusal(node.client.open_stream(&orders(0)).await.map(drop).unwrap_err());
    assert_eq!(refused.0, "not_permitted", "before the stream's first message");
    read(&node, lane("beta", 2_048, Permissions::Public("anybody".to_owned()))).await;
    assert_eq!(refusal(node.client.send(message("pay.beta", b"")).await.unwrap_err()).0, "permissions_unreadable");
}

#[tokio::test]
async fn a_node_says_that_it_does_not_know_the_list_of_hidden_permissions_and_lets_everybody_send() {
    log_lines::capture();
    let node = Node::alpha().await;
    let hash = Hash([0xc4; 32]);
    read(&node, lane("beta", 2_048, Permissions::Private(hash))).await;
    node.client.send(message("bob.beta", b"by anybody")).await.unwrap();
    let told = log_lines::until(|event| event["fields"]["hash"] == hash.to_string()).await;
    assert_eq!((told["level"].as_str(), told["fields"]["peer"].as_str()), (Some("WARN"), Some("beta")), "{told}");
}
