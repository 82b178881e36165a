//! Keys as near-cli keeps them: files below one folder per network.
//!
//! ```text
//! ~/.near-credentials/testnet/alice.testnet.json               one key of alice.testnet
//! ~/.near-credentials/testnet/alice.testnet/ed25519_….json     further ones
//! ```
//! Which of them may sign is for the network to say.

use crate::home::{self, HomeError};
use near_crypto::{PublicKey, SecretKey};
use queue::ids::AccountId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most key files that are read for one account: more than any person keeps.
const KEY_FILES_MAX: usize = 100;

/// A key file as near-cli and near-api-js write it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The account.
    pub account_id: near_primitives::types::AccountId,
    /// One of its keys.
    pub public_key: PublicKey,
    /// The key's secret half.
    #[serde(alias = "secret_key")]
    pub private_key: SecretKey,
}

impl Credentials {
    /// Where a localnet keeps an account's key below its `folder`.
    pub fn path(folder: &Path, network: &str, account: &str) -> PathBuf {
        folder.join("credentials").join(network).join(format!("{account}.json"))
    }
}

/// A key read from a file.
#[derive(Clone)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// The account that the file names, if it names one: near-cli's newer files don't.
    pub account: Option<AccountId>,
    /// The key.
    pub key: SecretKey,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key.public_key().to_string();
        f.debug_struct("KeyFile").field("path", &self.path).field("account", &self.account).field("key", &key).finish()
    }
}

/// Both generations of near-cli; what else stands in the file is left alone.
#[derive(Deserialize)]
struct Content {
    account_id: Option<String>,
    public_key: Option<PublicKey>,
    #[serde(alias = "secret_key")]
    private_key: SecretKey,
}

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`HomeError::Io`] without the file, [`HomeError::Malformed`] if it isn't one of near-cli.
    pub fn read(path: &Path) -> Result<Self, HomeError> {
        let malformed = |reason: String| HomeError::Malformed {
            path: path.to_owned(),
            reason: format!("this is no key file of near-cli: {reason}"),
        };
        let content: Content =
            serde_json::from_str(&home::read_bounded(path)?).map_err(|error| malformed(error.to_string()))?;
        let Content { account_id, public_key, private_key: key } = content;
        let own = key.public_key();
        if let Some(named) = public_key.filter(|named| *named != own) {
            return Err(malformed(format!("its public key is {named}, that of its private key {own}")));
        }
        let account = account_id.map(|text| text.parse().map_err(|_| malformed(format!("{text:?} is no account id"))));
        Ok(KeyFile { path: path.to_owned(), account: account.transpose()?, key })
    }
}

/// All keys of an account that stand in near-cli's places below `folder`, the account's own file
/// first; none if there is no such file.
///
/// # Errors
/// [`HomeError`] of a file or folder that can't be read.
pub fn keys_of(folder: &Path, network: &str, account: &AccountId) -> Result<Vec<KeyFile>, HomeError> {
    let [single, several] = places(folder, network, account);
    let mut paths = Vec::new();
    if single.exists() {
        paths.push(single);
    }
    paths.extend(files_in(&several)?);
    paths.iter().map(|path| KeyFile::read(path)).collect()
}

/// Where near-cli keeps an account's keys: a file, and a folder of files.
pub fn places(folder: &Path, network: &str, account: &AccountId) -> [PathBuf; 2] {
    let network = folder.join(network);
    [network.join(format!("{account}.json")), network.join(account.as_str())]
}

/// near-cli's own folder, if this user has a home.
pub fn default_folder() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".near-credentials"))
}

/// The key files of a folder, by name; none without the folder.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, HomeError> {
    let at = |error: io::Error| HomeError::Io { path: folder.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
        if paths.len() > KEY_FILES_MAX {
            let reason = format!("the folder has more than {KEY_FILES_MAX} key files; name one with --key-file");
            return Err(HomeError::Malformed { path: folder.to_owned(), reason });
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate_near_key;
    use serde_json::json;

    fn alice() -> AccountId {
        "alice.testnet".parse().expect("an account id")
    }

    fn key() -> SecretKey {
        generate_near_key().expect("randomness")
    }

    fn write(path: &Path, content: &serde_json::Value) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content.to_string()).expect("written");
    }

    #[test]
    fn keys_of_both_generations_of_near_cli_are_found_the_accounts_own_file_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let [old, new, another] = [key(), key(), key()];
        let [single, several] = places(folder.path(), "testnet", &alice());
        write(
            &single,
            &json!({ "account_id": "alice.testnet", "public_key": old.public_key(), "private_key": old.to_string() }),
        );
        write(
            &several.join("ed25519_a.json"),
            &json!({
                "master_seed_phrase": "twelve words", "seed_phrase_hd_path": "m/44'/397'/0'",
                "implicit_account_id": "00", "public_key": new.public_key(), "private_key": new.to_string(),
            }),
        );
        write(&several.join("ed25519_b.json"), &json!({ "secret_key": another.to_string() }));
        write(&several.join("notes.txt"), &json!("not a key"));

        let found = keys_of(folder.path(), "testnet", &alice()).expect("readable");
        let keys: Vec<_> = found.iter().map(|file| file.key.public_key()).collect();
        assert_eq!(keys, [old.public_key(), new.public_key(), another.public_key()]);
        assert_eq!(found.iter().map(|file| &file.account).collect::<Vec<_>>(), [&Some(alice()), &None, &None]);
    }

    #[test]
    fn keys_of_another_network_or_account_are_not_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let [single, _] = places(folder.path(), "mainnet", &alice());
        write(&single, &json!({ "private_key": key().to_string() }));
        assert_eq!(keys_of(folder.path(), "testnet", &alice()).expect("readable").len(), 0);
        let bob = "bob.testnet".parse().expect("an account id");
        assert_eq!(keys_of(folder.path(), "mainnet", &bob).expect("readable").len(), 0);
    }

    #[test]
    fn a_file_that_is_no_key_or_whose_halves_differ_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("k.json");
        let [one, other] = [key(), key()];
        for content in [
            json!({}),
            json!({ "private_key": "ed25519:short" }),
            json!({ "public_key": other.public_key(), "private_key": one.to_string() }),
            json!({ "account_id": "Alice!", "private_key": one.to_string() }),
        ] {
            write(&path, &content);
            let refused = KeyFile::read(&path).expect_err("no key file").to_string();
            assert!(refused.contains("k.json") && refused.contains("no key file"), "{refused}");
            assert!(!refused.contains(&one.to_string()), "secrets stay secret: {refused}");
        }
        fs::remove_file(&path).expect("removed");
        assert!(matches!(KeyFile::read(&path), Err(HomeError::Io { .. })));
    }

    #[test]
    fn a_key_file_does_not_show_its_secret() {
        let key = key();
        let file = KeyFile { path: "k.json".into(), account: None, key: key.clone() };
        assert!(!format!("{file:?}").contains(&key.to_string()));
    }
}
