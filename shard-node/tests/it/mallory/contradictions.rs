//! Signed contradictions: they freeze the lane that they are about, and nothing else.

use super::frames::{begin, release};
use super::lanes::Log;
use super::props::Props;
use super::stage::{Stage, inbound, outbound};
use super::wire::write;
use queue::digest::Hash;
use queue::heads::Head;
use shard_node::api::types::NewMessage;
use shard_node::client::ClientError;

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_mallorys_lane_that_cannot_both_be_true_freeze_it_and_no_other() {
    let stage = Stage::start("valentin", "albert").await;
    let (falls, forks): (Change, Change) = (
        |head, sent| (head.sent_size, head.sent_root) = (2, sent.root_at(2)),
        |head, _| head.sent_root = Hash([1; 32]),
    );
    for (name, reason, change) in [
        ("mallory1", "the lane falls from 6 to 2 messages", falls),
        ("mallory2", "two attested roots at size 6", forks),
    ] {
        let mut props = Props::of(&stage, name).await;
        contradict(&mut props, change).await;
        let shard = &props.mallory.shard;
        let status =
            stage.target.until(|status| inbound(status, shard).is_some_and(|lane| lane.frozen.is_some())).await;
        let frozen = inbound(&status, shard).and_then(|lane| lane.frozen.clone()).unwrap_or_default();
        assert!(frozen.contains(reason), "{name}: {frozen}");
        assert_eq!(outbound(&status, shard).and_then(|lane| lane.frozen.clone()), None, "{name}");
        assert_eq!(inbound(&status, shard).map(|lane| lane.delivered), Some(3), "{name}");
        stage.target.send(shard, "goes on").await;
    }
    stage.third_is_served().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_by_mallory_that_cannot_be_true_freeze_the_lane_to_her_and_no_other() {
    let stage = Stage::start("valerie", "albertine").await;
    let (more, less, other): (Change, Change, Change) = (
        |head, _| head.received_size = 9,
        |head, _| head.received_size = 1,
        |head, _| (head.received_size, head.received_root) = (3, Hash([1; 32])),
    );
    for (name, reason, change) in [
        ("mallory1", "attested to have received 9 messages, of 3 sealed", more),
        ("mallory2", "attested to have received 2 messages, and later only 1", less),
        ("mallory3", "the lane's is", other),
    ] {
        let mut props = Props::of(&stage, name).await;
        contradict(&mut props, change).await;
        let shard = &props.mallory.shard;
        let status =
            stage.target.until(|status| outbound(status, shard).is_some_and(|lane| lane.frozen.is_some())).await;
        let frozen = outbound(&status, shard).and_then(|lane| lane.frozen.clone()).unwrap_or_default();
        assert!(frozen.contains(reason), "{name}: {frozen}");
        assert_eq!(inbound(&status, shard).and_then(|lane| lane.frozen.clone()), None, "{name}");
        let to = format!("bob.{shard}").parse().expect("an account");
        let refused = stage.target.client.send(NewMessage::new(to, vec![1])).await;
        assert!(
            matches!(&refused, Err(ClientError::Refused(error)) if error.code == "lane_frozen"),
            "{name}: {refused:?}"
        );
    }
    stage.third_is_served().await;
    stage.end().await;
}

type Change = fn(&mut Head, &Log);

/// Has her members attest a head that contradicts an earlier one, and shows it to the target.
async fn contradict(props: &mut Props, change: Change) {
    let (mallory, sent) = (&mut props.mallory, &props.sent);
    let mut head = mallory.head(&mallory.target, (sent, 6), (&props.received, 2));
    change(&mut head, sent);
    let proof = mallory.attest(&[head]).await.remove(0);
    let mut session = mallory.connect().await;
    write(&mut session.as_sender.0, &[begin(3), release(3, &proof, sent.consistency(3, 6))].concat()).await;
    // Only a connection that ends by itself shows that the node has read what was written.
    session.as_sender.0.finish().ok();
    super::wire::closed(&session.connection).await.expect("the node closes the connection");
}
