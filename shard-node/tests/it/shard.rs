//! `shard-node shard`: a shard's whole life, by the commands of its owner and members.

use crate::operator::{Operator, ROOT};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_lives_from_its_registration_to_its_end_by_commands() {
    let operator = Operator::start().await;
    let member = text(&operator.init("alpha").await["member_key"]);
    let show = |answer: &Value, field: &str| answer[field].clone();

    let shown = operator.run(&["shard", "show", "--home", "alpha"]).await.json();
    assert_eq!((show(&shown, "status"), show(&shown, "owner")), (json!("active"), json!("alpha.test.near")));
    assert_eq!((show(&shown, "members"), show(&shown, "tip")), (json!([member]), Value::Null));
    assert_eq!(operator.ask(&["shard", "list"]).await.json()[0]["shard"], "alpha");

    let paused = operator.on_bridge(&["shard", "pause", "alpha"]).await.json();
    assert_eq!(paused["status"], "paused");
    let resumed = operator.on_bridge(&["shard", "resume", "alpha"]).await.json();
    assert_eq!(resumed["status"], "active");

    let richer = operator.on_bridge(&["shard", "top-up", "alpha", "--amount", "0.5"]).await.json();
    let balance = |view: &Value| text(&view["balance_yocto"]).parse::<u128>().expect("a number");
    assert!(balance(&richer) > 5 * 10_u128.pow(23), "{richer}");
    let poorer = operator.on_bridge(&["shard", "withdraw", "alpha", "--amount", "0.5"]).await.json();
    assert_eq!(balance(&poorer), balance(&shown));

    let key = text(&operator.make_account("any.test.near").await.public_key.to_string().into());
    let moved = ["shard", "set-transport", "alpha", "--transport-key", &key, "--address", "alpha.example.com:4001"];
    let moved = operator.on_bridge(&moved).await.json();
    assert_eq!((&moved["transport_keys"], &moved["addresses"]), (&json!([key]), &json!(["alpha.example.com:4001"])));

    let unsure = operator.on_bridge(&["shard", "retire", "alpha"]).await;
    assert!(unsure.refusal().contains("nothing was signed"), "{unsure:?}");
    let dry = operator.on_bridge(&["shard", "retire", "alpha", "--dry-run"]).await.json();
    assert!(text(&dry["near_cli"]).contains("bridge.test.near retire json-args"), "{dry}");
    assert_eq!(operator.ask(&["shard", "show", "alpha"]).await.json()["status"], "active");
    let retired = operator.on_bridge(&["shard", "retire", "alpha", "--yes"]).await.json();
    assert_eq!(retired["status"], "retired");
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_agree_by_files_on_other_members_and_on_a_key_epoch() {
    let operator = Operator::start().await;
    let [own, other] =
        [operator.init("alpha").await, operator.init("beta").await].map(|made| text(&made["member_key"]));
    let to_both = ["shard", "rotate", "alpha", "--member", &own, "--member", &other, "--threshold", "2"];
    let by_alpha = [&to_both[..], &["--home", "alpha"]].concat();
    let keys = operator.credentials();
    let keys = ["--credentials-dir", keys.to_str().unwrap()];

    let unsure = operator.run(&[&by_alpha[..], &keys[..]].concat()).await;
    assert!(unsure.refusal().contains("nothing was signed"), "{unsure:?}");
    let rotated = operator.run(&[&by_alpha[..], &keys[..], &["--yes"]].concat()).await.json();
    assert_eq!((&rotated["threshold"], &rotated["members_version"]), (&json!(2), &json!(1)));
    assert_eq!(rotated["members"], json!([own, other]));

    // One of two is not enough for the next; a signature under something else is none.
    let rekey = ["shard", "rekey", "alpha", "--curve", "ed25519"];
    let by_alpha = [&rekey[..], &["--home", "alpha", "--yes"], &keys[..]].concat();
    let alone = operator.run(&by_alpha).await;
    assert!(alone.refusal().contains("1 of the members agree, 2 must"), "{alone:?}");
    let wrong = operator.run(&["shard", "rekey", "alpha", "--home", "beta", "--sign-only"]).await;
    std::fs::write(operator.path("wrong.json"), &wrong.stdout).unwrap();
    let refused = operator.run(&[&by_alpha[..], &["--signature", "wrong.json"]].concat()).await;
    assert!(refused.refusal().contains("not under this statement"), "{refused:?}");

    let signed = operator.run(&[&rekey[..], &["--home", "beta", "--sign-only"]].concat()).await;
    assert_eq!(signed.json()["member"], json!(other));
    std::fs::write(operator.path("beta.json"), &signed.stdout).unwrap();
    let rekeyed = operator.run(&[&by_alpha[..], &["--signature", "beta.json"]].concat()).await.json();
    assert_eq!(
        (&rekeyed["key_epoch"], &rekeyed["curve"], &rekeyed["public_key"]),
        (&json!(1), &json!("ed25519"), &Value::Null)
    );
    let active = operator.run(&["shard", "activate", "--home", "alpha"]).await.json();
    assert_eq!(active["status"], "active");
    assert!(text(&active["public_key"]).starts_with("ed25519:"), "{active}");
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_replaces_lost_members_by_an_announcement_that_can_be_taken_back() {
    let operator = Operator::start().await;
    let lost = text(&operator.init("alpha").await["member_key"]);
    let found = text(&operator.init("beta").await["member_key"]);
    let announce = ["shard", "rotate", "alpha", "--member", &found, "--announce", "--yes"];
    let announced = operator.on_bridge(&announce).await.json();
    assert_eq!((&announced["members"], &announced["rotation"]["members"]), (&json!([lost]), &json!([found])));
    let cancelled = operator.on_bridge(&["shard", "rotate", "alpha", "--cancel"]).await.json();
    assert_eq!(cancelled["rotation"], Value::Null);
    let nothing = operator.on_bridge(&["shard", "rotate", "alpha", "--apply"]).await;
    assert!(nothing.refusal().contains("alpha"), "{nothing:?}");

    operator.on_bridge(&announce).await.json();
    let applied = operator.on_bridge(&["shard", "rotate", "alpha", "--apply"]).await.json();
    assert_eq!((&applied["members"], &applied["rotation"]), (&json!([found]), &Value::Null));
    operator.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_reserved_for_keys_that_are_elsewhere_and_given_up_before_it_is_active() {
    let operator = Operator::start().await;
    let members = ["one.test.near", "two.test.near", "three.test.near"];
    let mut args = vec!["shard".to_owned(), "reserve".to_owned(), "gamma".to_owned()];
    for name in members {
        args.extend(["--member".to_owned(), operator.make_account(name).await.public_key.to_string()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let unsigned = operator.on_bridge(&args).await;
    assert!(unsigned.refusal().contains("--account"), "{unsigned:?}");

    let sign = ["--account", ROOT];
    let reserved = operator.on_bridge(&[&args[..], &sign[..]].concat()).await.json();
    assert_eq!((&reserved["status"], &reserved["owner"]), (&json!("reserved"), &json!(ROOT)));
    assert_eq!((&reserved["threshold"], &reserved["curve"]), (&json!(2), &json!("secp256k1")));
    let taken = operator.on_bridge(&[&args[..], &sign[..]].concat()).await;
    assert!(taken.refusal().contains("gamma is taken by test.near"), "{taken:?}");

    let unsure = operator.on_bridge(&["shard", "lapse", "gamma"]).await;
    assert!(unsure.refusal().contains("nothing was signed"), "{unsure:?}");
    let lapsed = operator.on_bridge(&["shard", "lapse", "gamma", "--yes"]).await.json();
    assert_eq!(lapsed["shard"], "gamma");
    let gone = operator.ask(&["shard", "show", "gamma"]).await;
    assert!(gone.refusal().contains("gamma is not registered"), "{gone:?}");

    operator.on_bridge(&[&args[..], &sign[..]].concat()).await.json();
    let active = operator.on_bridge(&["shard", "activate", "gamma", "--account", ROOT]).await.json();
    assert_eq!(active["status"], "active");
    operator.network.stop().await;
}
