//! `shard-node lane`: two owners agree on a lane, stop and resume it.

use crate::api::refusal;
use crate::operator::Operator;
use crate::relay::Process;
use serde_json::{Value, json};
use shard_node::api::types::NewMessage;
use shard_node::client::ClientError;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_agree_on_a_lane_by_the_very_terms_and_each_stops_its_own_side() {
    let operator = Operator::start().await;
    operator.init("alpha").await;
    operator.init("beta").await;
    let of_alpha = ["beta", "--shard", "alpha"];
    let of_beta = ["alpha", "--shard", "beta"];
    let lane = |verb: &'static str, end: &[&'static str], more: &[&'static str]| [&["lane", verb], end, more].concat();

    let propose = lane("propose", &of_alpha, &["--message-bytes-max", "65536", "--deadline", "10m"]);
    let proposed = operator.on_bridge(&propose).await.json();
    assert_eq!((&proposed["status"], &proposed["terms"]), (&json!("proposed"), &Value::Null));
    assert_eq!(proposed["proposed"]["deadline_ms"], 600_000);
    let listed = operator.ask(&["lane", "list", "alpha"]).await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");

    // Nobody accepts what they haven't seen, nor what was changed after they saw it.
    let blind = operator.on_bridge(&lane("accept", &of_beta, &[])).await;
    assert!(blind.refusal().contains("65536 bytes") && blind.refusal().contains("--offer"), "{blind:?}");
    let offer = operator.ask(&lane("show", &of_beta, &["--offer"])).await;
    assert_eq!(offer.json(), proposed["proposed"]);
    std::fs::write(operator.path("terms.json"), &offer.stdout).unwrap();
    let worse = lane("propose", &of_alpha, &["--message-bytes-max", "4096", "--result-bytes-max", "2048"]);
    let worse = operator.on_bridge(&worse).await.json();
    let accept = lane("accept", &of_beta, &["--terms", "terms.json"]);
    let swapped = operator.on_bridge(&accept).await;
    assert!(swapped.refusal().contains("offers other terms") && swapped.refusal().contains("4096"), "{swapped:?}");

    std::fs::write(operator.path("terms.json"), worse["proposed"].to_string()).unwrap();
    let open = operator.on_bridge(&accept).await.json();
    assert_eq!((&open["status"], &open["terms"]), (&json!("open"), &worse["proposed"]));
    assert_eq!(open["terms"]["deadline_ms"], 600_000, "what the second offer did not name stayed");

    let stopped = operator.on_bridge(&lane("stop", &of_alpha, &["--inbound"])).await.json();
    assert_eq!(stopped["stops"], json!({ "inbound": true, "outbound": false }));
    let seen = operator.ask(&lane("show", &of_beta, &[])).await.json();
    assert_eq!(seen["peer_stops"], stopped["stops"]);
    let resumed = operator.on_bridge(&lane("resume", &of_alpha, &[])).await.json();
    assert_eq!(resumed["stops"], json!({ "inbound": false, "outbound": false }));
    operator.network.stop().await;
}

/// Alpha offers beta these terms, and beta accepts.
async fn agree(operator: &Operator, terms: &[&str]) -> Value {
    operator.on_bridge(&[&["lane", "propose", "beta", "--shard", "alpha"], terms].concat()).await.json();
    let offer = operator.ask(&["lane", "show", "alpha", "--shard", "beta", "--offer"]).await;
    std::fs::write(operator.path("terms.json"), &offer.stdout).unwrap();
    let accepted = operator.on_bridge(&["lane", "accept", "alpha", "--shard", "beta", "--terms", "terms.json"]).await;
    accepted.json()["terms"].clone()
}

/// Sends until the node answers like this; any other refusal than by the contract's record fails.
async fn until_sending_gives(node: &Process, expected: Option<&str>) {
    tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let code = match node.send("beta", "hello").await {
                Ok(()) => None,
                Err(ClientError::Refused(body)) => Some(body.code),
                Err(error) => panic!("{error}"),
            };
            if code.as_deref() == expected {
                return;
            }
            assert!(matches!(code.as_deref(), None | Some("lane_stopped")), "{code:?}");
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the node never answered {expected:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_no_requests_for_a_lane_that_either_owner_has_stopped() {
    let operator = Operator::start().await;
    operator.init("beta").await;
    let alpha = Process::start(&operator.network, &operator.path("alpha"), "alpha").await;
    agree(&operator, &[]).await;

    for (who, peer, side) in [("alpha", "beta", "--outbound"), ("beta", "alpha", "--inbound")] {
        until_sending_gives(&alpha, None).await;
        operator.on_bridge(&["lane", "stop", peer, "--shard", who, side]).await.json();
        until_sending_gives(&alpha, Some("lane_stopped")).await;
        operator.on_bridge(&["lane", "resume", peer, "--shard", who]).await.json();
    }
    until_sending_gives(&alpha, None).await;
    alpha.stop().await;
    operator.network.stop().await;
}

/// Waits until the node says that these terms count for its lane to beta.
async fn until_read(node: &Process, terms: &Value) {
    let reading = async {
        loop {
            let lanes = node.client.status().await.expect("a status").engine.outbound;
            if serde_json::to_value(&lanes[0].terms).expect("JSON") == *terms {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the node reads the contract");
}

#[tokio::test(flavor = "multi_thread")]
async fn smaller_terms_that_both_owners_agree_on_bind_a_running_node_and_one_that_starts_again() {
    let operator = Operator::start().await;
    let beta = Process::start(&operator.network, &operator.path("beta"), "beta").await;
    let alpha = Process::start(&operator.network, &operator.path("alpha"), "alpha").await;
    until_read(&alpha, &agree(&operator, &[]).await).await;
    let long = "x".repeat(3_000);
    alpha.send("beta", &long).await.expect("accepted");

    std::fs::write(operator.path("permissions"), "alpha ann.beta\n*.beta *.alpha\n").unwrap();
    let smaller = ["--message-bytes-max", "2048", "--result-bytes-max", "2048", "--deadline", "1h"];
    let terms = agree(&operator, &[&smaller[..], &["--permissions", "permissions"]].concat()).await;
    until_read(&alpha, &terms).await;
    let (code, message, _) = refusal(alpha.send("beta", &long).await.unwrap_err());
    assert_eq!(code, "too_large");
    assert!(
        message.contains("2048") && message.contains("terms with beta") && message.contains("propose"),
        "{message}"
    );
    alpha.send("beta", "short").await.expect("accepted");
    let by_eve =
        NewMessage { from: Some("eve.alpha".parse().unwrap()), ..NewMessage::new("ann.beta".parse().unwrap(), vec![]) };
    let (code, message, _) = refusal(alpha.client.send(by_eve).await.unwrap_err());
    assert_eq!(
        (code.as_str(), message.contains("eve.alpha may not send to ann.beta")),
        ("not_permitted", true),
        "{message}"
    );

    let by_hand = operator.run(&["send", "--home", "alpha", "--to", "ann.beta", &long]).await;
    assert!(by_hand.refusal().contains("2048"), "{by_hand:?}");
    assert_eq!(operator.run(&["status", "--home", "alpha"]).await.json()["outbound"][0]["terms"], terms);

    alpha.stop().await;
    let alpha = Process::start(&operator.network, &operator.path("alpha"), "alpha").await;
    assert_eq!(refusal(alpha.send("beta", &long).await.unwrap_err()).0, "too_large", "after a restart");
    let delivered = async { while beta.client.status().await.expect("a status").engine.inbound[0].delivered < 2 {} };
    tokio::time::timeout(Duration::from_secs(60), delivered).await.expect("what was accepted arrives, however long");
    alpha.stop().await;
    beta.stop().await;
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_permissions_by_which_nobody_could_send() {
    let operator = Operator::start().await;
    operator.init("alpha").await;
    operator.init("beta").await;
    std::fs::write(operator.path("permissions"), "ann.alpha bob.beta\nann.alpha may call bob.beta\n").unwrap();
    let propose = ["lane", "propose", "beta", "--shard", "alpha", "--permissions", "permissions"];
    let refused = operator.on_bridge(&propose).await;
    assert!(refused.refusal().contains("line 2") && refused.refusal().contains("nothing was signed"), "{refused:?}");
    assert_eq!(operator.ask(&["lane", "list", "alpha"]).await.json(), json!([]));
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_a_lane_is_taken_back_and_leaves_nothing() {
    let operator = Operator::start().await;
    operator.init("alpha").await;
    operator.init("beta").await;
    operator.on_bridge(&["lane", "propose", "beta", "--shard", "alpha"]).await.json();
    let withdrawn = operator.on_bridge(&["lane", "withdraw", "beta", "--shard", "alpha"]).await.json();
    assert_eq!(withdrawn, Value::Null);
    let none = operator.ask(&["lane", "show", "beta", "--shard", "alpha"]).await;
    assert!(none.refusal().contains("no lane"), "{none:?}");
    assert_eq!(operator.ask(&["lane", "list", "alpha"]).await.json(), json!([]));
    operator.network.stop().await;
}
