//! Nodes that share signatures with other shards.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time};
use crate::localnet::Network;
use crate::mallory::stage::{Node, inbound, outbound};
use queue::attestation::AttestationKind;
use shard_node::demo::fleet::SHARDS;
use shard_node::home::Home;
use shard_node::init;
use std::path::PathBuf;

/// The embedded NEAR takes a poll as it comes.
const NEAR_POLL_MS: u64 = 50;

/// A node that waits for its rounds for so long.
async fn start(network: &Network, root: PathBuf, shard: &str, round_wait_ms: u64) -> Node {
    init::init(network.init_options(&root, shard), |_| ()).await.expect("registered");
    let home = Home::at(root);
    let mut config = home.read_config().expect("a configuration");
    config.near_poll_ms = NEAR_POLL_MS;
    config.attestation = AttestationKind::Round;
    config.round_wait_ms = Some(round_wait_ms);
    home.write_config(&config).expect("written");
    Node::run(home).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_share_signatures_exchange_messages_and_acknowledgements() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = start(&network, folder.path().join("alpha"), "alpha", 60_000).await;
    let beta = start(&network, folder.path().join("beta"), "beta", 60_000).await;
    for nth in 0..3 {
        alpha.send(&beta.shard, &format!("to beta {nth}")).await;
        beta.send(&alpha.shard, &format!("to alpha {nth}")).await;
        for (node, peer) in [(&alpha, &beta), (&beta, &alpha)] {
            node.until(|status| inbound(status, &peer.shard).is_some_and(|lane| lane.delivered == nth + 1)).await;
        }
    }
    alpha.until(|status| outbound(status, &beta.shard).is_some_and(|lane| lane.acknowledged > 0)).await;
    let client = network.client();
    for node in [&alpha, &beta] {
        let tip = client.tip(&node.shard).await.expect("an answer").expect("a tip");
        assert!(tip.round.is_some(), "{tip:?}");
        assert_eq!(tip.attempts, 0, "{tip:?}");
    }
    alpha.stop().await;
    beta.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_whose_round_takes_too_long_is_attested_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::start(&folder.path().join("near")).await;
    let alpha = start(&network, folder.path().join("alpha"), "alpha", 0).await;
    let beta = start(&network, folder.path().join("beta"), "beta", 0).await;
    alpha.send(&beta.shard, "alone").await;
    beta.until(|status| inbound(status, &alpha.shard).is_some_and(|lane| lane.delivered == 1)).await;
    let tip = network.client().tip(&alpha.shard).await.expect("an answer").expect("a tip");
    assert!(tip.attempts > 0 && tip.attested == Some(AttestationKind::Shard), "{tip:?}");
    alpha.stop().await;
    beta.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_in_rounds_deliver_is_proved_by_rounds_to_strangers_and_to_the_contract() {
    in_time(async {
        let mut bridge = Bridge::new();
        let rpc = bridge.fleet.start_near().await.expect("a network");
        for shard in SHARDS {
            bridge.fleet.init(shard, &rpc).await.expect("registered");
            bridge.configure(shard, |config| {
                config.near_poll_ms = NEAR_POLL_MS;
                config.attestation = AttestationKind::Round;
            });
            bridge.fleet.start_node(shard).await.expect("a running node");
        }
        for (from, to) in [(ALPHA, BETA), (BETA, ALPHA)] {
            bridge.send(from, "in a round", Some("settled")).await;
            let peer = format!("{to}/0");
            bridge.keep("sent.json", &["export", "--home", to, "--lane", from, "--nonce", "0"]).await;
            bridge.keep("delivered.json", &["prove", "delivery", "--home", from, &peer]).await;
            for file in ["sent.json", "delivered.json"] {
                let proof = std::fs::read(bridge.path(file)).expect("read");
                let proof: serde_json::Value = serde_json::from_slice(&proof).expect("JSON");
                assert_eq!(proof["head"]["attestation"]["kind"], "round", "{file} of {from}: {proof}");
                let told = bridge.done(&["verify", file, "--on-chain", "--near", &rpc, "--trust", TRUST]).await;
                assert_eq!(
                    (&told["authenticated"], &told["on_chain"]["verified"]),
                    (&true.into(), &true.into()),
                    "{told}"
                );
            }
            // Never by a signature of its own: the contract counts each time that it asked for one.
            let tip = bridge.done(&["shard", "show", "--home", from]).await["tip"].clone();
            assert_eq!((&tip["attested"], &tip["attempts"]), (&"round".into(), &0.into()), "{tip}");
            let told = bridge.run(&["shard", "show", "--home", from]).await;
            assert!(told.text().contains(&format!("signed with round {}", tip["round"]["round"])), "{told:?}");
        }
        bridge.stop().await;
    })
    .await;
}
