//! A node whose shard has nothing left for the signer's deposits.

use crate::mallory::log_lines;
use crate::mallory::stage::{Node, inbound, outbound};
use crate::operator::Operator;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_that_its_shards_balance_is_empty_and_goes_on_after_a_top_up_without_a_restart() {
    log_lines::capture();
    let operator = Operator::start().await;
    let pia = Node::start(&operator.network, operator.path("pia"), "pia").await;
    let quin = Node::start(&operator.network, operator.path("quin"), "quin").await;
    pia.send(&quin.shard, "paid").await;
    // Acknowledged both ways: nothing is left to be sealed.
    pia.until(|status| outbound(status, &quin.shard).is_some_and(|lane| lane.acknowledged == 1)).await;

    let emptied = operator.on_bridge(&["shard", "withdraw", "pia"]).await.json();
    assert_eq!(emptied["balance_yocto"], "0", "{emptied}");
    pia.send(&quin.shard, "unpaid").await;
    let status = pia.until(|status| status.engine.attesting.as_ref().is_some_and(|it| it.contains("balance"))).await;
    let reason = "shard pia has no balance left for the signer's deposit of 1 yoctoNEAR: call top_up";
    let attesting = status.engine.attesting.expect("there is one");
    assert!(attesting.contains("failed attempts") && attesting.contains(reason), "{attesting}");
    let lane = status.engine.outbound.first().expect("the lane to quin");
    assert!(lane.waiting_for.as_ref().is_some_and(|it| it.contains(reason)), "{lane:?}");
    let shown = operator.run(&["status", "--home", "pia"]).await.json();
    assert!(shown["attesting"].as_str().is_some_and(|it| it.contains(reason)), "{shown}");
    let logged =
        log_lines::until(|event| event["fields"]["failure"].as_str().is_some_and(|failure| failure.contains(reason)));
    assert_eq!(logged.await["level"], "WARN");
    let told = operator.ask(&["shard", "show", "pia"]).await.json();
    assert_eq!(told["balance_yocto"], "0", "{told}");

    // The others' messages are taken meanwhile, and its own are accepted.
    quin.send(&pia.shard, "arrives all the same").await;
    pia.until(|status| inbound(status, &quin.shard).is_some_and(|lane| lane.delivered == 1)).await;
    pia.send(&quin.shard, "queued").await;

    let paid = operator.on_bridge(&["shard", "top-up", "pia", "--amount", "0.000001"]).await.json();
    assert_eq!(paid["balance_yocto"], json!(10_u128.pow(18).to_string()), "{paid}");
    quin.until(|status| inbound(status, &pia.shard).is_some_and(|lane| lane.delivered == 3)).await;
    pia.until(|status| status.engine.attesting.is_none()).await;
    for node in [pia, quin] {
        node.stop().await;
    }
    operator.network.stop().await;
}
