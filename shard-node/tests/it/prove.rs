//! What became of a message, proved by the node that sent it and verified by a process that has a
//! file and a pinned trust root.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time, until_there_is};
use crate::operator::Ran;
use queue::ids::ShardId;
use serde_json::Value;
use shard_node::api::types::{NewMessage, WaitQuery};
use shard_node::driver::Milestone;

/// Over before the destination, which is away, can have started.
const DEADLINE_MS: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_proves_to_a_stranger_which_message_was_delivered_and_which_never_ran() {
    let mut bridge = Bridge::start().await;
    in_time(prove_both(&mut bridge)).await;
    bridge.stop().await;
}

async fn prove_both(bridge: &mut Bridge) {
    let delivered = bridge.send_to_bob("in time").await;
    bridge.wait_until_acknowledged(delivered).await;

    bridge.fleet.kill(BETA).await.unwrap();
    bridge.configure(ALPHA, |config| config.deadline_default_ms = Some(DEADLINE_MS));
    bridge.restart(ALPHA).await;
    let expired = bridge.send_to_bob("too late").await;
    assert_eq!((delivered, expired), (0, 1));
    refuses(&bridge.prove("delivery", "beta/1").await, "try again");
    refuses(&bridge.prove("expiry", "beta/1").await, "nonce 1");
    bridge.fleet.start_node(BETA).await.unwrap();
    let proof = bridge.expiry_of("beta/1").await;

    refuses(&bridge.prove("delivery", "beta/1").await, "it is expired; that can be proved with `prove expiry`");
    refuses(&bridge.prove("expiry", "beta/0").await, "nonce 0 has not expired");
    refuses(&bridge.prove("expiry", "beta/2").await, "nonce 2 of the lane to beta is not accepted yet");
    refuses(&bridge.prove("delivery", "gamma/0").await, "no lane to gamma");
    assert_eq!(bridge.prove("delivery", "beta").await.code, Some(2));

    let said = bridge.prove("delivery", "beta/0").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    bridge.is_convincing("d.json", &said.stdout, "delivered, as beta attested").await;
    bridge.is_convincing("x.json", &proof, "never ran and never will (expired)").await;
}

#[track_caller]
fn refuses(ran: &Ran, reason: &str) {
    assert!(ran.refusal().contains(reason), "{reason:?} expected: {ran:?}");
}

impl Bridge {
    /// Sends from alpha to beta as soon as alpha's node takes it, and gives the nonce.
    async fn send_to_bob(&self, text: &str) -> u64 {
        let message = NewMessage::new("bob.beta".parse().unwrap(), text.as_bytes().to_vec());
        self.accepted(ALPHA, message).await.nonce
    }

    async fn wait_until_acknowledged(&self, nonce: u64) {
        let beta: ShardId = BETA.parse().unwrap();
        let query = WaitQuery { nonce, state: Milestone::Acknowledged, wait_ms: 1_000 };
        while !self.client(ALPHA).wait(&beta, &query).await.unwrap().reached {}
    }

    /// What a command prints on alpha's home.
    async fn prove(&self, claim: &str, message: &str) -> Ran {
        self.run(&["prove", claim, message, "--home", ALPHA]).await
    }

    /// The proof that a message expired, as soon as there is one.
    async fn expiry_of(&self, message: &str) -> Vec<u8> {
        until_there_is("a proof of expiry", async || {
            let ran = self.prove("expiry", message).await;
            if ran.code == Some(0) {
                return Some(ran.stdout);
            }
            refuses(&ran, "nonce 1");
            None
        })
        .await
    }

    /// Whether a stranger believes a file, under the pinned trust root only, and only as it was
    /// written.
    async fn is_convincing(&self, name: &str, proof: &[u8], verdict: &str) {
        let pinned = ["verify", name, "--trust", TRUST];
        std::fs::write(self.path(name), proof).unwrap();
        let ran = self.run(&pinned).await;
        let text = ran.text();
        assert!(
            ran.code == Some(0) && text.contains(verdict) && text.contains("under the pinned trust root"),
            "{ran:?}"
        );
        let unpinned = self.run(&["verify", name]).await;
        assert!(unpinned.code == Some(3) && unpinned.text().contains("NOT authenticated"), "{unpinned:?}");

        // Mallory claims the same of another message.
        let mut changed: Value = serde_json::from_slice(proof).unwrap();
        changed["nonce"] = (1 - changed["nonce"].as_u64().unwrap()).into();
        std::fs::write(self.path(name), changed.to_string()).unwrap();
        refuses(&self.run(&pinned).await, "proves nothing");
    }
}
