//! Shards of both curves on one bridge, by commands and with real processes.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time};
use serde_json::{Value, json};

const ED25519: [&str; 2] = ["--curve", "ed25519"];

/// A bridge whose alpha signs with secp256k1, and whose beta is registered for ed25519.
async fn start() -> Bridge {
    let mut bridge = Bridge::new();
    let rpc = bridge.fleet.start_near().await.expect("a network");
    for (shard, curve) in [(ALPHA, &[][..]), (BETA, &ED25519)] {
        let init = ["init", "--home", shard, "--shard", shard, "--near", &rpc, "--trust", TRUST];
        bridge.done(&[&init[..], curve].concat()).await;
        bridge.fleet.start_node(shard).await.expect("a running node");
    }
    bridge
}

async fn show(bridge: &Bridge, shard: &str) -> Value {
    bridge.done(&["shard", "show", "--home", shard]).await
}

/// Checks of a proof that a stranger who has the pinned trust root believes it, and on which curve.
async fn is_signed_on(bridge: &Bridge, file: &str, curve: &str) {
    let proof: Value = serde_json::from_slice(&std::fs::read(bridge.path(file)).expect("read")).expect("JSON");
    let signature = proof["head"]["attestation"]["signature"].to_string();
    assert!(signature.contains(curve), "{file}: {signature}");
    let told = bridge.done(&["verify", file, "--trust", TRUST]).await;
    assert_eq!((&told["valid"], &told["authenticated"]), (&json!(true), &json!(true)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_of_ed25519_exchanges_messages_and_acknowledgements_with_one_of_secp256k1_across_a_restart() {
    in_time(async {
        let mut bridge = start().await;
        for round in 0..2 {
            // A node that runs on acknowledges at once only the first time.
            for (from, until) in [(ALPHA, "settled"), (BETA, if round == 0 { "settled" } else { "delivered" })] {
                let told = bridge.send(from, &format!("round {round}"), Some(until)).await;
                assert_eq!(told["nonce"], json!(round), "{told}");
            }
            let status = bridge.client(BETA).status().await.expect("a status").engine;
            assert_eq!(status.inbound[0].delivered, round + 1);
            assert!(status.outbound[0].acknowledged > 0, "{status:?}");
            bridge.restart(BETA).await;
            bridge.until(BETA, "resumes", |status| status.engine.resumed).await;
        }

        let (alpha, beta) = (show(&bridge, ALPHA).await, show(&bridge, BETA).await);
        assert_eq!((&alpha["curve"], &beta["curve"]), (&json!("secp256k1"), &json!("ed25519")));
        assert_eq!((&beta["key_epoch"], &beta["epoch_first_height"]), (&json!(0), &json!(0)), "from registration on");
        assert!(beta["public_key"].as_str().is_some_and(|key| key.starts_with("ed25519:")), "{beta}");

        bridge.keep("sent.json", &["export", "--home", ALPHA, "--lane", BETA, "--nonce", "1"]).await;
        bridge.keep("delivered.json", &["prove", "delivery", "--home", ALPHA, "beta/0"]).await;
        bridge.keep("alphas.json", &["prove", "delivery", "--home", BETA, "alpha/0"]).await;
        for (file, curve) in [("sent.json", "ed25519"), ("delivered.json", "ed25519"), ("alphas.json", "secp256k1")] {
            is_signed_on(&bridge, file, curve).await;
        }
        bridge.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_is_repeated_on_the_curve_that_the_shard_has_and_refused_on_another() {
    in_time(async {
        let mut bridge = Bridge::new();
        let rpc = bridge.fleet.start_near().await.expect("a network");
        let init = ["init", "--home", BETA, "--shard", BETA, "--near", &rpc, "--trust", TRUST];
        let unknown = bridge.run(&[&init[..], &["--curve", "ed448"]].concat()).await;
        assert!(unknown.code == Some(2) && unknown.stderr.contains("expected secp256k1 or ed25519"), "{unknown:?}");
        let made = bridge.done(&[&init[..], &ED25519].concat()).await;
        assert_eq!(bridge.done(&init).await, made, "the curve is the registered one");
        assert_eq!(bridge.done(&[&init[..], &ED25519].concat()).await, made);
        let other = bridge.refused(&[&init[..], &["--curve", "secp256k1"]].concat()).await;
        assert!(other.contains("beta is registered on ed25519, not secp256k1") && other.contains("rekey"), "{other}");
        bridge.stop().await;
    })
    .await;
}
