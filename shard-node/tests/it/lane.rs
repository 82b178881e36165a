//! `shard-node lane`: two owners agree on a lane, stop and resume it.

use crate::operator::Operator;
use crate::relay::Process;
use serde_json::{Value, json};
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
    operator.on_bridge(&["lane", "propose", "beta", "--shard", "alpha"]).await.json();
    let offer = operator.ask(&["lane", "show", "alpha", "--shard", "beta", "--offer"]).await;
    std::fs::write(operator.path("terms.json"), &offer.stdout).unwrap();
    operator.on_bridge(&["lane", "accept", "alpha", "--shard", "beta", "--terms", "terms.json"]).await.json();

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
