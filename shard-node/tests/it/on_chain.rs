//! `shard-node verify --on-chain`: what the bridge contract itself says of files that nodes wrote.

use crate::fleet::{ALPHA, BETA, Bridge, TRUST, in_time};
use crate::operator::Ran;
use crate::verify::{proof, trust};
use serde_json::{Value, json};

const BRIDGE_ACCOUNT: &str = "bridge.test.near";

/// A bridge that has delivered one message, and the files that prove it.
struct Proved {
    bridge: Bridge,
    rpc: String,
}

impl Proved {
    async fn start() -> Self {
        let bridge = Bridge::start().await;
        let rpc = bridge.home(ALPHA).read_config().expect("a configuration").near_rpc;
        bridge.send(ALPHA, "pay", Some("settled")).await;
        bridge.keep("sent.json", &["export", "--home", BETA, "--lane", ALPHA, "--nonce", "0"]).await;
        bridge.keep("delivered.json", &["prove", "delivery", "--home", ALPHA, "beta/0"]).await;
        bridge.keep("sent.batch", &["export", "--home", BETA, "--lane", ALPHA]).await;
        Proved { bridge, rpc }
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.bridge.path(name)).expect("read")).expect("JSON")
    }

    fn write(&self, name: &str, proof: &Value) {
        std::fs::write(self.bridge.path(name), proof.to_string()).expect("written");
    }

    /// Has the contract verify a file too, under the pinned trust root.
    async fn verify(&self, name: &str, more: &[&str]) -> Ran {
        let pinned = ["verify", name, "--on-chain", "--near", &self.rpc, "--trust", TRUST];
        self.bridge.run(&[&pinned[..], more].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_verifies_what_nodes_prove_and_tells_where_its_shards_stand() {
    in_time(async {
        let proved = Proved::start().await;
        for (name, shows, shard) in [("sent.json", "sent", ALPHA), ("delivered.json", "delivered", BETA)] {
            let told = proved.verify(name, &["--json"]).await.json();
            assert_eq!((&told["authenticated"], &told["on_chain"]["verified"]), (&json!(true), &json!(true)), "{told}");
            let said = &told["on_chain"];
            assert_eq!((&said["shows"], &said["nonce"]), (&json!(shows), &json!(0)), "{told}");
            assert_eq!((&said["attested"][0]["shard"], &said["attested"][0]["size"]), (&json!(shard), &json!(1)));
            let read = proved.verify(name, &[]).await;
            let expected =
                format!("verified by {BRIDGE_ACCOUNT}, as {}/ tells: {shows}; shard {shard} is active", proved.rpc);
            assert!(read.code == Some(0) && read.text().contains(&expected), "{expected}: {read:?}");
        }
        let keys = ["--credentials-dir", "near/credentials"];
        proved.bridge.done(&[&["shard", "pause", "--home", BETA], &keys[..]].concat()).await;
        let read = proved.verify("delivered.json", &[]).await;
        assert!(read.code == Some(0) && read.text().contains("shard beta is paused"), "{read:?}");

        // What was found offline is told all the same.
        let batch = proved.verify("sent.batch", &[]).await;
        assert!(batch.code == Some(1) && batch.text().contains("0..1"), "{batch:?}");
        assert!(batch.stderr.contains("the contract verifies proofs of one message"), "{batch:?}");
        proved.bridge.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_refuses_mallorys_files_and_says_why() {
    in_time(async {
        let proved = Proved::start().await;
        let refused = format!("REFUSED by {BRIDGE_ACCOUNT}, as {}/ tells: ", proved.rpc);
        for (name, field, lie, why) in [
            ("sent.json", "/nonce", json!(1), "not number 1 of the attested lane of 1 messages"),
            ("delivered.json", "/nonce", json!(1), "1"),
            ("sent.json", "/head/attestation/checkpoint/height", json!(1), "names no previous checkpoint"),
            ("delivered.json", "/head/head/received_size", json!(7), "head"),
        ] {
            let mut changed = proved.read(name);
            *changed.pointer_mut(field).expect("the file has such a field") = lie;
            proved.write("changed.json", &changed);
            let said = proved.verify("changed.json", &[]).await;
            let words = said.refusal();
            let (offline, of_contract) = words.split_once(&refused).unwrap_or_else(|| panic!("{field}: {words}"));
            assert!(of_contract.contains(why), "{field}: {words}");
            let expected = format!("changed.json: proves nothing: {}", of_contract.trim());
            assert!(offline.contains(&expected), "node and contract don't say the same of {field}: {words}");
        }

        // Mallory's own bridge is consistent in itself: nothing but the contract can tell who has no pin.
        let mallorys = serde_json::to_value(proof(&trust(1), "ann.alpha", "pay")).expect("JSON");
        proved.write("mallory.json", &mallorys);
        let unpinned =
            ["--json", "verify", "mallory.json", "--on-chain", "--near", &proved.rpc, "--bridge", BRIDGE_ACCOUNT];
        let said = proved.bridge.run(&unpinned).await;
        let told: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!((said.code, &told["authenticated"]), (Some(1), &json!(false)), "{said:?}");
        assert_eq!(told["on_chain"]["verified"], false);
        assert!(told["on_chain"]["reason"].as_str().is_some_and(|reason| reason.contains("instance")), "{told}");
        proved.bridge.stop().await;
    })
    .await;
}
