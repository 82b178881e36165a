use super::parse;
use queue::engine::PermissionList;
use queue::ids::AccountId;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    permits: Vec<Question>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Question {
    list: String,
    sender: AccountId,
    receiver: AccountId,
    permits: bool,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    list: String,
    line: usize,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/permissions.json"))
}

#[test]
fn lists_of_permissions_permit_whom_the_vectors_say() {
    for Question { list, sender, receiver, permits } in file().permits {
        let found = list.parse::<PermissionList>().expect("a list").permits(&sender, &receiver);
        assert_eq!(found, permits, "{sender} to {receiver} by {list:?}");
    }
}

#[test]
fn texts_that_are_no_lists_of_permissions_are_refused_by_the_line_of_the_vectors() {
    for Refused { name, list, line } in file().refused {
        let refused = list.parse::<PermissionList>().expect_err(&name);
        assert_eq!(refused.line, line, "{name}");
    }
}
