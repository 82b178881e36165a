//! What Mallory starts from: lanes with some messages each way, honestly exchanged, and real
//! attestations of her own to misuse.

use super::actor::Mallory;
use super::frames;
use super::lanes::{Log, honest_message};
use super::stage::{Stage, inbound, outbound};
use super::wire::write;
use queue::proof::HeadProof;
use shard_node::client::ClientError;

/// Mallory after honest beginnings.
pub struct Props {
    pub mallory: Mallory,
    /// Her lane to the target: 6 messages, all attested.
    pub sent: Log,
    /// How many of them the target holds: 3.
    pub delivered: u64,
    /// The lane to her: 3 messages, of which she has acknowledged 2 under attestation.
    pub received: Log,
    /// Her first head for the target, of 2 messages.
    pub old: HeadProof,
    /// Her newest head for the target, of 6 messages.
    pub new: HeadProof,
    /// Her head for the third shard in the same checkpoint as [`Props::new`].
    pub new_for_third: HeadProof,
    /// The third shard's own head for the target.
    pub of_third: HeadProof,
}

impl Props {
    pub async fn of(stage: &Stage, name: &str) -> Self {
        let mut mallory = Mallory::register(stage, name).await;
        let (own, target) = (mallory.shard.clone(), mallory.target.clone());
        for text in ["t0", "t1", "t2"] {
            stage.target.send(&own, text).await;
        }
        stage.target.until(|status| outbound(status, &own).is_some_and(|lane| lane.attested == 3)).await;
        let sent = Log { messages: (0..6).map(|n| honest_message(&own, &target, &format!("m{n}"))).collect() };
        let mut session = mallory.connect().await;
        let empty = (0, Log::default().root_at(0));
        assert_eq!(session.held, empty);
        let received = Log { messages: session.receive(&mallory.reverse_lane(), empty, 3).await };

        let head = mallory.head(&target, (&sent, 2), (&received, 2));
        let old = mallory.attest(&[head]).await.remove(0);
        let batch = [frames::begin(0), frames::data(&sent.stream(0, 2)), frames::release(2, &old, Vec::new())].concat();
        write(&mut session.as_sender.0, &batch).await;
        session.until_acknowledged(2).await;

        let for_target = mallory.head(&target, (&sent, 6), (&received, 2));
        let for_third = mallory.head(stage.third(), (&sent, 6), (&received, 0));
        let mut proofs = mallory.attest(&[for_target, for_third]).await;
        let (new_for_third, new) = (proofs.remove(1), proofs.remove(0));
        let batch = [frames::data(&sent.stream(2, 3)), frames::release(3, &new, sent.consistency(3, 6))].concat();
        write(&mut session.as_sender.0, &batch).await;
        session.until_acknowledged(3).await;
        session.connection.close(0u32.into(), b"done");
        stage.target.until(|status| inbound(status, &own).is_some_and(|lane| !lane.connected)).await;
        Props { mallory, sent, delivered: 3, received, old, new, new_for_third, of_third: of_third(stage).await }
    }

    /// Mallory behaves: her lane goes on where it was, and so does the one to her.
    pub async fn she_may_behave(self, stage: &Stage) {
        let Props { mallory, sent, delivered, received, new, .. } = self;
        let mut session = mallory.connect().await;
        assert_eq!(session.held, (delivered, sent.root_at(delivered)));
        let data = frames::data(&sent.stream(delivered, 6));
        let batch = [frames::begin(delivered), data, frames::mark(6), frames::release(6, &new, Vec::new())].concat();
        write(&mut session.as_sender.0, &batch).await;
        session.until_acknowledged(6).await;
        let texts: Vec<_> = stage.target.inbox_from(&mallory.shard).await;
        let texts = texts.into_iter().map(|entry| entry.message.expect("no tombstone").payload);
        assert_eq!(
            texts.collect::<Vec<_>>(),
            ["m0", "m1", "m2", "m3", "m4", "m5"].map(|text| text.as_bytes().to_vec())
        );

        stage.target.send(&mallory.shard, "t3").await;
        let more = session.receive(&mallory.reverse_lane(), (3, received.root_at(3)), 4).await;
        assert_eq!(more.len(), 1);
        stage.third_is_served().await;
    }
}

/// The third shard's newest head for the target, from a proof that the target makes for strangers.
async fn of_third(stage: &Stage) -> HeadProof {
    loop {
        match stage.target.client.prove(stage.third(), None, 0).await {
            Ok(proof) => return proof.head,
            // Between a head and the messages that it covers.
            Err(ClientError::Refused(error)) if error.code == "catching_up" => {}
            Err(error) => panic!("{error}"),
        }
    }
}
