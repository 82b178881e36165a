//! Which key signs for an account: the first of its key files that the network calls one of its
//! full-access keys.

use super::{KeyFile, NearClient, NearError, keys_of, places};
use crate::home::HomeError;
use near_crypto::PublicKeyHandle;
use queue::ids::AccountId;
use std::path::PathBuf;

/// Where keys are looked for.
#[derive(Debug, Clone, Default)]
pub struct Keychain {
    /// The one file, if it is named.
    pub file: Option<PathBuf>,
    /// Otherwise folders as near-cli's, each with a folder per network.
    pub folders: Vec<PathBuf>,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    /// A file can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// NEAR can't be asked.
    #[error(transparent)]
    Near(#[from] NearError),
    /// No file in any of near-cli's places.
    #[error(
        "no key of {account} was found: looked for {looked}; name its file with --key-file, or the folder with \
         --credentials-dir (keys in the system's keychain are not read: near-cli exports them into files)",
        looked = list(.looked.iter().map(|path| path.display()))
    )]
    NotFound {
        /// The account.
        account: AccountId,
        /// Files and folders that aren't there, or are empty.
        looked: Vec<PathBuf>,
    },
    /// The network knows no such account.
    #[error("account {account} does not exist on {network}: make it with near-cli, or check --account and --near")]
    NoAccount {
        /// The account.
        account: AccountId,
        /// The network.
        network: String,
    },
    /// Keys, but not to this account.
    #[error(
        "no full-access key of {account} on {network} was found; there is {found}",
        found = list(.found.iter().map(|file| format!("{} in {}", file.key.public_key(), file.path.display())))
    )]
    NoFullAccess {
        /// The account.
        account: AccountId,
        /// The network.
        network: String,
        /// What was found.
        found: Vec<KeyFile>,
    },
}

impl Keychain {
    /// A full-access key of `account` on `network`.
    ///
    /// # Errors
    /// [`KeychainError`] says where was looked.
    pub async fn full_access(
        &self,
        client: &NearClient,
        network: &str,
        account: &AccountId,
    ) -> Result<KeyFile, KeychainError> {
        self.full_access_among(client, network, account, account).await
    }

    /// A full-access key of `account` on `network`, among the keys that are kept for `holder`: an
    /// account that another one has made often has the same key.
    ///
    /// # Errors
    /// [`KeychainError`] says where was looked.
    pub async fn full_access_among(
        &self,
        client: &NearClient,
        network: &str,
        account: &AccountId,
        holder: &AccountId,
    ) -> Result<KeyFile, KeychainError> {
        let found = self.candidates(network, holder)?;
        if client.account(account).await?.is_none() {
            return Err(KeychainError::NoAccount { account: account.clone(), network: network.to_owned() });
        }
        let keys = client.access_keys(account).await?;
        let is_full_access = |file: &&KeyFile| {
            let public_key = PublicKeyHandle::from(file.key.public_key());
            keys.iter().any(|key| key.full_access && key.public_key == public_key)
        };
        match found.iter().find(is_full_access) {
            Some(file) => Ok(file.clone()),
            None => Err(KeychainError::NoFullAccess { account: account.clone(), network: network.to_owned(), found }),
        }
    }

    /// The account that the named key file is for, if it says so.
    ///
    /// # Errors
    /// [`HomeError`] of the file.
    pub fn named_account(&self) -> Result<Option<AccountId>, HomeError> {
        Ok(self.file.as_deref().map(KeyFile::read).transpose()?.and_then(|file| file.account))
    }

    fn candidates(&self, network: &str, account: &AccountId) -> Result<Vec<KeyFile>, KeychainError> {
        if let Some(path) = &self.file {
            return Ok(vec![KeyFile::read(path)?]);
        }
        let mut found = Vec::new();
        for folder in &self.folders {
            found.extend(keys_of(folder, network, account)?);
        }
        if found.is_empty() {
            let looked = self.folders.iter().flat_map(|folder| places(folder, network, account)).collect();
            return Err(KeychainError::NotFound { account: account.clone(), looked });
        }
        Ok(found)
    }
}

fn list(parts: impl Iterator<Item = impl std::fmt::Display>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}
