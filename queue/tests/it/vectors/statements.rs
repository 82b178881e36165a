use super::{Hex, parse};
use queue::digest::{Hash, Native};
use queue::ids::{BridgeDomain, ShardId};
use queue::statement::{Statement, StatementScope};
use queue::trust::Curve;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    scope: ScopeJson,
    member: Hash,
    statements: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct ScopeJson {
    domain: BridgeDomain,
    shard: ShardId,
    members_version: u32,
}

#[derive(Deserialize)]
struct Case {
    statement: StatementJson,
    signed_bytes: Hex,
    signature: Hex,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    signature: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatementJson {
    Endorse { checkpoint: Hash },
    Rotate { members: Vec<Hash>, threshold: u16 },
    Rekey { key_epoch: u32, curve: Curve },
    Lift { peer: Option<ShardId>, evidence_floor: u64 },
}

impl From<StatementJson> for Statement {
    fn from(json: StatementJson) -> Self {
        match json {
            StatementJson::Endorse { checkpoint } => Statement::Endorse { checkpoint },
            StatementJson::Rotate { members, threshold } => {
                Statement::Rotate { members: members.into_iter().map(|key| key.0).collect(), threshold }
            }
            StatementJson::Rekey { key_epoch, curve } => Statement::Rekey { key_epoch, curve },
            StatementJson::Lift { peer, evidence_floor } => Statement::Lift { peer, evidence_floor },
        }
    }
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/statements.json"))
}

fn signature(bytes: &Hex) -> [u8; 64] {
    bytes.0.as_slice().try_into().expect("64 bytes")
}

fn scope(json: ScopeJson) -> StatementScope {
    StatementScope { domain: json.domain, shard: json.shard, members_version: json.members_version }
}

#[test]
fn statements_have_the_bytes_and_signatures_of_the_vectors() {
    let file = file();
    let scope = scope(file.scope);
    for case in file.statements {
        let statement = Statement::from(case.statement);
        assert_eq!(hex::encode(statement.signed_bytes(&scope)), hex::encode(&case.signed_bytes.0), "{statement:?}");
        let signature = signature(&case.signature);
        assert!(statement.is_signed_by::<Native>(&scope, &file.member.0, &signature), "{statement:?}");
    }
}

#[test]
fn an_endorsement_means_nothing_under_another_tag_domain_shard_or_set_of_members() {
    let file = file();
    let scope = scope(file.scope);
    let endorsement = file.statements.into_iter().next().expect("the first statement endorses");
    let statement = Statement::from(endorsement.statement);
    assert!(matches!(statement, Statement::Endorse { .. }));
    assert!(!file.refused.is_empty());
    for case in file.refused {
        let signature = signature(&case.signature);
        assert!(!statement.is_signed_by::<Native>(&scope, &file.member.0, &signature), "{}", case.name);
    }
}
