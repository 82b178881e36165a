//! Streams cut at every place, and streams that are none.

use super::*;
use crate::api::types::ErrorBody;
use serde_json::json;

fn account(name: &str) -> AccountId {
    name.parse().expect("an account")
}

fn splitter(format: Format) -> Splitter {
    Splitter::new(format, account("alpha"), Some(account("bob.beta")), 0)
}

fn framed(payloads: &[&[u8]]) -> Vec<u8> {
    Stream::of(payloads).into_bytes()
}

fn line(value: &serde_json::Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// Runs as (sender, receiver, payloads).
fn shown(runs: &[Run]) -> Vec<(String, String, Vec<Vec<u8>>)> {
    let payloads = |run: &Run| run.payloads.messages().map(<[u8]>::to_vec).collect();
    runs.iter().map(|run| (run.sender.to_string(), run.receiver.to_string(), payloads(run))).collect()
}

fn code(result: Result<(), Failure>) -> (String, String) {
    let ErrorBody { code, message, .. } = result.expect_err("no stream").body;
    (code, message)
}

#[test]
fn payloads_are_the_same_wherever_chunks_end() {
    let payloads = [&b"one"[..], b"", b"three", &[7; 70], b""];
    let stream = framed(&payloads);
    for size in 1..=stream.len() {
        let mut splitter = splitter(Format::Payloads);
        stream.chunks(size).for_each(|chunk| splitter.push(chunk).expect("payloads"));
        splitter.finish().expect("whole");
        assert_eq!(splitter.bytes(), stream.len());
        let expected = payloads.iter().map(|payload| payload.to_vec()).collect();
        assert_eq!(shown(&splitter.take()), [("alpha".to_owned(), "bob.beta".to_owned(), expected)], "{size}");
        assert_eq!(splitter.bytes(), 0);
    }
}

#[test]
fn lines_are_the_same_wherever_chunks_end_and_keep_their_order_over_accounts() {
    let hello = "aGVsbG8=";
    let lines = [
        line(&json!({ "payload_base64": hello })),
        b"\r\n".to_vec(),
        line(&json!({ "payload_base64": "" })),
        line(&json!({ "to": "eve.gamma", "from": "ann.alpha", "payload_base64": hello })),
        line(&json!({ "to": "bob.beta", "payload_base64": hello })),
    ];
    let mut stream = lines.concat();
    // The last line feed may be missing.
    stream.pop();
    for size in 1..=stream.len() {
        let mut splitter = splitter(Format::Lines);
        stream.chunks(size).for_each(|chunk| splitter.push(chunk).expect("lines"));
        splitter.finish().expect("whole");
        let hello = || b"hello".to_vec();
        let run = |from: &str, to: &str, payloads| (from.to_owned(), to.to_owned(), payloads);
        let expected = [
            run("alpha", "bob.beta", vec![hello(), vec![]]),
            run("ann.alpha", "eve.gamma", vec![hello()]),
            run("alpha", "bob.beta", vec![hello()]),
        ];
        assert_eq!(shown(&splitter.take()), expected, "{size}");
    }
}

#[test]
fn a_stream_that_ends_inside_a_message_is_truncated_and_the_messages_before_are_there() {
    let stream = framed(&[b"one", b"two"]);
    for end in 8..stream.len() {
        let mut splitter = splitter(Format::Payloads);
        splitter.push(&stream[..end]).expect("so far so good");
        let (code, message) = code(splitter.finish());
        assert_eq!(code, "truncated");
        assert!(message.contains("message 1"), "{message}");
        assert_eq!(shown(&splitter.take())[0].2, [b"one"]);
    }
}

#[test]
fn mallory_announcing_four_gigabytes_is_refused_by_the_length_alone() {
    let mut splitter = splitter(Format::Payloads);
    splitter.push(&framed(&[b"one"])).expect("a payload");
    let (code, message) = code(splitter.push(&u32::MAX.to_le_bytes()));
    assert_eq!(code, "too_large");
    assert!(message.contains("message 1") && message.contains("4294967295"), "{message}");
    assert!(splitter.partial.capacity() < 1_000);
    assert_eq!(shown(&splitter.take())[0].2, [b"one"]);
}

#[test]
fn a_payload_one_byte_above_the_limit_is_refused_in_both_formats() {
    let above = MESSAGE_BYTES_MAX + 1;
    let length = u32::try_from(above).expect("32 bits fit").to_le_bytes();
    assert_eq!(code(splitter(Format::Payloads).push(&[&length[..], &vec![0; above]].concat())).0, "too_large");
    let base64 = "A".repeat(above.div_ceil(3) * 4);
    let found = splitter(Format::Lines).push(&line(&json!({ "payload_base64": base64 })));
    assert_eq!(code(found).0, "too_large");
}

#[test]
fn mallorys_line_without_an_end_is_refused_at_the_limit() {
    let mut splitter = splitter(Format::Lines);
    let chunk = vec![b' '; 64 * 1024];
    let refused = (0..1_000).find_map(|_| splitter.push(&chunk).err()).expect("a limit");
    assert_eq!(refused.body.code, "too_large");
    assert!(splitter.partial.len() <= LINE_BYTES_MAX);
}

#[test]
fn a_line_that_is_no_message_is_named_by_its_number() {
    let good = line(&json!({ "payload_base64": "" }));
    let bad = [
        "{".to_owned(),
        "[]".to_owned(),
        json!({ "payload_base64": "?" }).to_string(),
        json!({ "to": "Bob!", "payload_base64": "" }).to_string(),
        json!({ "to": "bob.beta" }).to_string(),
        json!({ "payload_base64": "", "nonce": 5 }).to_string(),
        "\u{0}".to_owned(),
    ];
    for bad in bad {
        let mut splitter = splitter(Format::Lines);
        splitter.push(&good).expect("a line");
        let (code, message) = code(splitter.push(format!("{bad}\n").as_bytes()));
        assert_eq!(code, "bad_request", "{bad}");
        assert!(message.contains("message 1 of the stream"), "{message}");
        assert_eq!(shown(&splitter.take())[0].2.len(), 1, "{bad}");
    }
    let mut nobody = Splitter::new(Format::Lines, account("alpha"), None, 40);
    let (_, message) = code(nobody.push(&good));
    assert!(message.contains("message 40 of the stream: it has no `to`"), "{message}");
}
