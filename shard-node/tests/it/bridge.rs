//! `shard-node bridge`, and the keys that it signs with.

use crate::operator::{Operator, ROOT};
use queue::trust::TrustRoot;
use serde_json::{Value, json};
use shard_node::near::NearError;

const SECOND: &str = "second.test.near";

/// The first release's code, whose state has another layout.
const FIRST_RELEASE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../bridge-contract/tests/fixtures/bridge_contract_v1.wasm");

/// A bridge of the first release, with a key to its account, and a shard.
const OLD: &str = "old.test.near";

fn warnings(status: &Value) -> Vec<&str> {
    status["warnings"].as_array().expect("a list").iter().map(|text| text.as_str().expect("text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_is_deployed_and_initialised_in_one_transaction_that_leaves_nobody_a_key_to_it() {
    let operator = Operator::start().await;
    let rpc = operator.network.rpc.clone();
    let keys = operator.credentials();
    let of_second = ["--near", &rpc, "--bridge", SECOND];
    let sign = ["--account", ROOT, "--credentials-dir", keys.to_str().unwrap()];
    let deploy = [&["bridge", "deploy", "--admin", ROOT], &of_second[..], &sign[..]].concat();

    let shown = operator.run(&[&deploy[..], &["--dry-run"]].concat()).await.json();
    let [creation, deployment] = shown.as_array().unwrap().as_slice() else { panic!("two transactions: {shown}") };
    assert_eq!(
        (&creation["signed"], &creation["signer"], &creation["receiver"]),
        (&json!(false), &json!(ROOT), &json!(SECOND))
    );
    let code_hash = deployment["actions"][0]["deploy"]["code_hash"].clone();
    assert_eq!(deployment["actions"][1]["call"], "init");
    assert_eq!(deployment["actions"][3]["delete_key"], creation["actions"][2]["add_key"]);
    let ran = operator.run(&deploy).await;
    assert!(ran.refusal().contains("nothing was signed") && ran.refusal().contains("--yes"), "{ran:?}");
    let missing = operator.run(&[&["bridge", "status"], &of_second[..]].concat()).await;
    assert!(missing.refusal().contains("does not exist"), "{missing:?}");

    let deployed = operator.run(&[&deploy[..], &["--yes"]].concat()).await.json();
    assert_eq!(deployed["code_hash"], code_hash);
    let trust: TrustRoot = serde_json::from_value(deployed["trust"].clone()).unwrap();
    assert!(trust.secp256k1.is_some() && trust.ed25519.is_some());
    let again = operator.run(&[&deploy[..], &["--yes"]].concat()).await;
    assert!(again.refusal().contains("has a contract already") && again.refusal().contains("--replace"), "{again:?}");

    let status = operator.run(&[&["bridge", "status"], &of_second[..]].concat()).await.json();
    assert_eq!((&status["code_hash"], &status["release_code_hash"]), (&code_hash, &code_hash));
    assert_eq!((&status["full_access_keys"], warnings(&status)), (&json!([]), vec![]));
    let printed = operator.run(&[&["bridge", "trust"], &of_second[..]].concat()).await;
    assert_eq!(serde_json::from_value::<TrustRoot>(printed.json()).unwrap(), trust);
    assert!(printed.stderr.contains("trusts that server"), "{printed:?}");
    let initialised = operator.run(&[&["bridge", "init"], &of_second[..]].concat()).await;
    assert_eq!(serde_json::from_value::<TrustRoot>(initialised.json()).unwrap(), trust);
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_warns_of_a_full_access_key_that_is_left_and_delete_keys_leaves_none() {
    let operator = Operator::start().await;
    let rpc = operator.network.rpc.clone();
    for (name, more, left) in [("kept.test.near", &[][..], 1), ("gone.test.near", &["--delete-keys"][..], 0)] {
        let key = operator.make_account(name).await;
        // As near-cli's newer version keeps it: a folder per account, without the account's name.
        let path = operator.path(&format!(".near-credentials/localnet/{name}/ed25519_key.json"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = json!({ "public_key": key.public_key, "private_key": key.private_key.to_string() });
        std::fs::write(&path, file.to_string()).unwrap();

        let of_bridge = ["--near", &rpc, "--bridge", name];
        operator.run(&[&["bridge", "deploy", "--admin", ROOT, "--yes"], &of_bridge[..], more].concat()).await.json();
        let status = operator.run(&[&["bridge", "status"], &of_bridge[..]].concat()).await.json();
        assert_eq!(status["full_access_keys"].as_array().unwrap().len(), left, "{status}");
        let warned = warnings(&status).iter().any(|text| text.contains(&key.public_key.to_string()));
        assert_eq!(warned, left == 1, "{status}");
    }
    operator.network.stop().await;
}

/// Deploys the first release, and has it register a shard; gives what `shard show` tells of that.
async fn first_release(operator: &Operator, of_old: &[&str]) -> Value {
    let key = operator.make_account(OLD).await;
    std::fs::write(operator.path("old.json"), serde_json::to_vec(&key).unwrap()).unwrap();
    let deploy = ["bridge", "deploy", "--admin", ROOT, "--wasm", FIRST_RELEASE, "--key-file", "old.json", "--yes"];
    operator.run(&[&deploy[..], of_old].concat()).await.json();
    let (member, keys) = (key.public_key.to_string(), operator.credentials());
    let sign = ["--account", ROOT, "--credentials-dir", keys.to_str().unwrap()];
    let reserve = ["shard", "reserve", "gamma", "--member", &member, "--curve", "ed25519"];
    operator.run(&[&reserve[..], of_old, &sign].concat()).await.json();
    let active = operator.run(&[&["shard", "activate", "gamma"], of_old, &sign[..]].concat()).await.json();
    assert_eq!(active["status"], "active", "{active}");
    operator.run(&[&["shard", "show", "gamma"], of_old].concat()).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_replaced_only_where_that_is_said_and_the_shards_are_still_there() {
    let operator = Operator::start().await;
    let rpc = operator.network.rpc.clone();
    let of_old = ["--near", &rpc, "--bridge", OLD];
    let status = || async { operator.run(&[&["bridge", "status"], &of_old[..]].concat()).await.json() };
    let trust = || async { operator.run(&[&["bridge", "trust"], &of_old[..]].concat()).await.json() };
    let before = first_release(&operator, &of_old).await;
    let (old, pin) = (status().await, trust().await);
    let old_hash = old["code_hash"].as_str().unwrap();
    assert_ne!(old["code_hash"], old["release_code_hash"]);
    assert!(warnings(&old).iter().any(|text| text.contains("not that of this release")), "{old}");

    let deploy = [&["bridge", "deploy", "--key-file", "old.json"], &of_old[..]].concat();
    let unasked = operator.run(&[&deploy[..], &["--yes"]].concat()).await;
    for part in [OLD, "has a contract already", old_hash, "--replace"] {
        assert!(unasked.refusal().contains(part), "{part}: {unasked:?}");
    }
    let replace = [&deploy[..], &["--replace"]].concat();
    let unsure = operator.run(&replace).await;
    assert!(unsure.refusal().contains("nothing was signed") && unsure.refusal().contains(old_hash), "{unsure:?}");
    assert_eq!(status().await, old, "a refusal changes nothing");

    let release_hash = old["release_code_hash"].clone();
    for turn in ["from the first release", "once more by itself"] {
        let replaced = operator.run(&[&replace[..], &["--yes"]].concat()).await.json();
        assert_eq!((&replaced["code_hash"], &replaced["trust"]), (&release_hash, &pin), "{turn}");
        let status = status().await;
        assert_eq!((&status["code_hash"], &status["shards"]), (&release_hash, &json!(1)), "{turn}: {status}");
        assert!(!warnings(&status).iter().any(|text| text.contains("release")), "{turn}: {status}");
        let after = operator.run(&[&["shard", "show", "gamma"], &of_old[..]].concat()).await.json();
        assert_eq!(after, before, "{turn}");
    }
    let nothing = [&["bridge", "deploy", "--replace", "--yes", "--near", &rpc], &["--bridge", ROOT][..]].concat();
    let nothing = operator.run(&nothing).await;
    assert!(nothing.refusal().contains("test.near has no contract to replace"), "{nothing:?}");
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_is_not_the_accounts_is_refused_with_where_was_looked() {
    let operator = Operator::start().await;
    operator.init("alpha").await;
    let pause = ["shard", "pause", "--home", "alpha"];

    let missing = operator.run(&pause).await;
    for part in ["no key of alpha.test.near", ".near-credentials/localnet/alpha.test.near.json", "--key-file"] {
        assert!(missing.refusal().contains(part), "{missing:?}");
    }
    let mallory = operator.make_account("mallory.test.near").await;
    std::fs::write(operator.path("mallory.json"), serde_json::to_vec(&mallory).unwrap()).unwrap();
    let foreign = operator.run(&[&pause[..], &["--key-file", "mallory.json"]].concat()).await;
    for part in ["no full-access key of alpha.test.near", &mallory.public_key.to_string(), "mallory.json"] {
        assert!(foreign.refusal().contains(part), "{foreign:?}");
    }
    assert!(!foreign.stderr.contains(&mallory.private_key.to_string()), "secrets stay secret");
    let stranger = operator
        .on_bridge(&["shard", "pause", "alpha", "--account", "mallory.test.near", "--key-file", "mallory.json"])
        .await;
    assert!(stranger.refusal().contains("mallory.test.near"), "{stranger:?}");
    let nobody = operator
        .on_bridge(&["shard", "pause", "alpha", "--account", "nobody.near", "--key-file", "mallory.json"])
        .await;
    assert!(nobody.refusal().contains("nobody.near does not exist on localnet"), "{nobody:?}");

    let owned = operator.on_bridge(&["shard", "pause", "alpha"]).await.json();
    assert_eq!(owned["status"], "paused", "init has left the owner's key where it is found");
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_network_or_bridge_than_asked_for_is_refused() {
    let operator = Operator::start().await;
    let other = Operator::start().await;
    let trust = operator.network.trust.to_str().unwrap().to_owned();
    let misled = operator.run(&["bridge", "trust", "--near", &other.network.rpc, "--trust", &trust]).await;
    assert!(misled.refusal().contains("wrong trust root") && misled.refusal().contains("instance"), "{misled:?}");
    let misnamed = operator.ask(&["bridge", "status", "--bridge", SECOND]).await;
    assert!(misnamed.refusal().contains(SECOND), "{misnamed:?}");
    let nowhere = operator.run(&["bridge", "status", "--near", &operator.network.rpc]).await;
    assert!(nowhere.refusal().contains("--bridge"), "{nowhere:?}");

    let text = std::fs::read_to_string(&trust).unwrap().replace("localnet", "testnet");
    std::fs::write(operator.path("testnet.json"), text).unwrap();
    let rpc = operator.network.rpc.clone();
    let wrong = operator.run(&["shard", "list", "--near", &rpc, "--trust", "testnet.json"]).await;
    assert!(wrong.refusal().contains("is a server of localnet, expected testnet"), "{wrong:?}");
    let client = operator.network.client();
    let missing = client.view::<Value>("no_such_view", &json!({})).await;
    assert!(matches!(missing, Err(NearError::NoView { .. })), "{missing:?}");
    operator.network.stop().await;
    other.network.stop().await;
}
