use super::{Hex, parse};
use queue::digest::Hash;
use queue::ids::AccountId;
use queue::message::{Action, Body, Call, Message, MessageError, Outcome, PromiseResult, RequestResult, Tombstone};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    messages: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    message: MessageJson,
    bytes: Hex,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    error: String,
    bytes: Hex,
}

#[derive(Deserialize)]
struct MessageJson {
    version: u8,
    salt: Hash,
    sender: AccountId,
    receiver: AccountId,
    deadline_ns: Option<String>,
    body: BodyJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum BodyJson {
    Data(Hex),
    Call { refund_to: AccountId, actions: Vec<ActionJson>, promise_results: Vec<PromiseResultJson> },
    Result { request_nonce: String, outcome: OutcomeJson },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionJson {
    FunctionCall { method: String, args: Hex, gas: String, deposit_yocto: String },
    Transfer { deposit_yocto: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PromiseResultJson {
    Successful(Hex),
    Failed,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeJson {
    Success(Hex),
    Failure(String),
    Tombstone(Tombstone),
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a decimal number")
}

impl From<MessageJson> for Message {
    fn from(json: MessageJson) -> Self {
        Message {
            version: json.version,
            salt: json.salt,
            sender: json.sender,
            receiver: json.receiver,
            deadline_ns: json.deadline_ns.as_deref().map(number),
            body: json.body.into(),
        }
    }
}

impl From<BodyJson> for Body {
    fn from(json: BodyJson) -> Self {
        match json {
            BodyJson::Data(content) => Body::Data(content.0),
            BodyJson::Call { refund_to, actions, promise_results } => Body::Call(Call {
                refund_to,
                actions: actions.into_iter().map(Action::from).collect(),
                promise_results: promise_results.into_iter().map(PromiseResult::from).collect(),
            }),
            BodyJson::Result { request_nonce, outcome } => {
                Body::Result(RequestResult { request_nonce: number(&request_nonce), outcome: outcome.into() })
            }
        }
    }
}

impl From<ActionJson> for Action {
    fn from(json: ActionJson) -> Self {
        match json {
            ActionJson::FunctionCall { method, args, gas, deposit_yocto } => {
                Action::FunctionCall { method, args: args.0, gas: number(&gas), deposit_yocto: number(&deposit_yocto) }
            }
            ActionJson::Transfer { deposit_yocto } => Action::Transfer { deposit_yocto: number(&deposit_yocto) },
        }
    }
}

impl From<PromiseResultJson> for PromiseResult {
    fn from(json: PromiseResultJson) -> Self {
        match json {
            PromiseResultJson::Successful(content) => PromiseResult::Successful(content.0),
            PromiseResultJson::Failed => PromiseResult::Failed,
        }
    }
}

impl From<OutcomeJson> for Outcome {
    fn from(json: OutcomeJson) -> Self {
        match json {
            OutcomeJson::Success(content) => Outcome::Success(content.0),
            OutcomeJson::Failure(reason) => Outcome::Failure(reason),
            OutcomeJson::Tombstone(reason) => Outcome::Tombstone(reason),
        }
    }
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/messages.json"))
}

#[test]
fn every_kind_of_message_encodes_and_decodes_as_in_the_vectors() {
    for case in file().messages {
        let message = Message::from(case.message);
        assert_eq!(hex::encode(message.encode()), hex::encode(&case.bytes.0), "{}", case.name);
        assert_eq!(Message::decode(&case.bytes.0), Ok(message), "{}", case.name);
    }
}

#[test]
fn refused_bytes_of_the_vectors_are_no_messages() {
    for case in file().refused {
        let found = match Message::decode(&case.bytes.0).expect_err(&case.name) {
            MessageError::UnknownVersion(_) => "unknown_version",
            MessageError::Decode(_) => "malformed",
            MessageError::Rule(_) => "rule",
        };
        assert_eq!(found, case.error, "{}", case.name);
    }
}

#[test]
fn no_message_is_the_beginning_of_another() {
    for case in file().messages {
        for length in 0..case.bytes.0.len() {
            let cut = Message::decode(&case.bytes.0[..length]);
            assert!(matches!(cut, Err(MessageError::Decode(_))), "{} cut to {length} bytes", case.name);
        }
    }
}
