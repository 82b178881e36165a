//! Who may send to whom on a lane: the list that its terms may carry in plain text. Specified in
//! `specs/contract-lanes.md`.

use crate::ids::AccountId;
use near_account_id::AccountIdRef;
use std::str::FromStr;

/// Characters of a refused line that are shown: it may be of any length.
const SHOWN_CHARS_MAX: usize = 64;

/// Pairs of senders and receivers; whoever matches none may not send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionList(Vec<[Accounts; 2]>);

/// Which accounts a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Accounts {
    All,
    Below(AccountId),
    One(AccountId),
}

/// Not a list of who may send to whom.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} is {found:?}, expected a sender and a receiver, each an account id, `*.` and one for all below it, \
     or `*` for everybody"
)]
pub struct PermissionListError {
    /// The first such line, from 1.
    pub line: usize,
    /// What it says, cut short.
    pub found: String,
}

impl FromStr for PermissionList {
    type Err = PermissionListError;

    fn from_str(text: &str) -> Result<Self, PermissionListError> {
        let lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        let pairs = lines.map(|(at, line)| {
            let refused = || PermissionListError { line: at + 1, found: line.chars().take(SHOWN_CHARS_MAX).collect() };
            pair(line).ok_or_else(refused)
        });
        pairs.collect::<Result<_, _>>().map(PermissionList)
    }
}

impl PermissionList {
    /// Whether a message may go from `sender` to `receiver`.
    pub fn permits(&self, sender: &AccountIdRef, receiver: &AccountIdRef) -> bool {
        self.0.iter().any(|[senders, receivers]| senders.include(sender) && receivers.include(receiver))
    }
}

impl Accounts {
    fn parse(word: &str) -> Option<Self> {
        match (word, word.strip_prefix("*.")) {
            ("*", _) => Some(Accounts::All),
            (_, Some(parent)) => parent.parse().ok().map(Accounts::Below),
            (_, None) => word.parse().ok().map(Accounts::One),
        }
    }

    fn include(&self, account: &AccountIdRef) -> bool {
        match self {
            Accounts::All => true,
            Accounts::Below(parent) => {
                account.as_str().strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            Accounts::One(one) => account == one,
        }
    }
}

fn pair(line: &str) -> Option<[Accounts; 2]> {
    let mut words = line.split_ascii_whitespace();
    let pair = [Accounts::parse(words.next()?)?, Accounts::parse(words.next()?)?];
    words.next().is_none().then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &str, sender: &str, receiver: &str) -> bool {
        let list: PermissionList = list.parse().expect("a list");
        list.permits(&sender.parse::<AccountId>().expect("valid"), &receiver.parse::<AccountId>().expect("valid"))
    }

    #[test]
    fn a_pair_permits_its_own_direction_and_nothing_beside_it() {
        let list = "ann.alpha pay.beta\n\n  *.desk.alpha\t*  \n";
        assert!(permits(list, "ann.alpha", "pay.beta"));
        assert!(permits(list, "joe.desk.alpha", "bob.beta") && permits(list, "a.b.desk.alpha", "beta"));
        for (sender, receiver) in [
            ("ann.alpha", "bob.beta"),
            ("pay.beta", "ann.alpha"),
            ("desk.alpha", "pay.beta"),
            ("eve.alpha", "pay.beta"),
        ] {
            assert!(!permits(list, sender, receiver), "{sender} {receiver}");
        }
    }

    #[test]
    fn eve_cannot_pass_for_an_account_that_hers_ends_or_begins_with() {
        for eve in ["eve-ann.alpha", "xann.alpha", "ann.alpha.eve", "eve.ann.alpha"] {
            assert!(!permits("ann.alpha *", eve, "bob.beta"), "{eve}");
        }
        for eve in ["eve-desk.alpha", "joe.xdesk.alpha", "desk.alpha.eve", "alpha"] {
            assert!(!permits("*.desk.alpha *", eve, "bob.beta"), "{eve}");
        }
        assert!(!permits("a.b *", "axb", "bob.beta"), "a dot is a dot");
    }

    #[test]
    fn an_empty_list_permits_nobody() {
        for list in ["", "\n \n"] {
            assert!(!permits(list, "ann.alpha", "bob.beta"));
        }
    }

    #[test]
    fn what_is_no_list_is_refused_by_its_line() {
        for bad in ["ann.alpha", "ann.alpha → pay", "a*.alpha *", "*alpha *", "*.* *", "** *", "Ann.alpha *", "*. *"]
        {
            let error = format!("* *\n{bad}").parse::<PermissionList>().expect_err("no list");
            assert_eq!((error.line, error.found.as_str()), (2, bad));
        }
        let long = "x".repeat(100_000).parse::<PermissionList>().expect_err("one word");
        assert_eq!(long.found.len(), SHOWN_CHARS_MAX);
        assert!("\x1b[2J".parse::<PermissionList>().expect_err("no list").to_string().contains("\\u{1b}"));
    }
}
