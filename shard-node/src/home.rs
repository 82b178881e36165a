//! A node's home on disk: where each file is, who may read it, and that one process uses it.
//!
//! ```text
//! config.json   what the node is and does              (config.rs)
//! keys.json     its secrets                            (keys.rs)
//! api.token     what a client of the local API shows
//! store/        what it has accepted and decided       (store.rs)
//! recovery.json which incarnation is to begin          (recovery.rs)
//! lock          held while a process uses the home
//! ```
//! Folders are 0700 and files 0600: the home holds secrets and other people's messages.

use crate::config::Config;
use crate::keys::Keys;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Format of a home; raised when a file's meaning changes.
pub const HOME_FORMAT: u32 = 1;

/// Largest file that is read from a home at once, in bytes: a configuration with 1,000 peers has a
/// third of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of randomness in the local API's token.
const TOKEN_BYTES: usize = 32;

/// Why a home can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file or folder can't be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// The node's keys aren't there.
    #[error("there are no keys at {0}: put the file of the node that this home belongs to there; a backup has none")]
    NoKeys(PathBuf),
    /// There is no home.
    #[error("no home at {0}: make one with `shard-node init --home {0}`")]
    Missing(PathBuf),
    /// Another process uses the home.
    #[error("home in use: another process holds {0}; stop it, or use another --home")]
    InUse(PathBuf),
    /// Written by another version of the software.
    #[error(
        "home from another version: {path} has format {found}, this software knows {HOME_FORMAT}; run the version that wrote it"
    )]
    OtherFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A file that doesn't parse, or is too long.
    #[error("{path}: {reason}; mend it, or restore it from a copy")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// A node's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// The right to use a home, until dropped.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl Home {
    /// The home in the folder `root`, whether it exists or not.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Home { root: root.into() }
    }

    /// The home's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store's folder.
    pub fn store_path(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The file of [`Config`].
    pub fn config_path(&self) -> PathBuf {
        self.root.join("config.json")
    }

    /// The file of [`Keys`].
    pub fn keys_path(&self) -> PathBuf {
        self.root.join("keys.json")
    }

    /// The file with the local API's token.
    pub fn token_path(&self) -> PathBuf {
        self.root.join("api.token")
    }

    /// Makes the home's folder, if need be.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn create(&self) -> Result<(), HomeError> {
        create_folder(&self.root)
    }

    /// Takes the home for this process.
    ///
    /// # Errors
    /// [`HomeError::InUse`] if another process has it, [`HomeError::Missing`] without a folder.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HomeError::Missing(self.root.clone()),
            _ => at(&path, error),
        })?;
        match file.try_lock() {
            Ok(()) => Ok(HomeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HomeError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(at(&path, error)),
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn read_config(&self) -> Result<Config, HomeError> {
        read_json(&self.config_path()).map_err(|error| self.missing(error))
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn write_config(&self, config: &Config) -> Result<(), HomeError> {
        write_json(&self.config_path(), config)
    }

    /// Reads the secrets.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn read_keys(&self) -> Result<Keys, HomeError> {
        read_json(&self.keys_path()).map_err(|error| match error {
            HomeError::Io { path, error } if error.kind() == io::ErrorKind::NotFound => HomeError::NoKeys(path),
            error => error,
        })
    }

    /// Writes the secrets.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn write_keys(&self, keys: &Keys) -> Result<(), HomeError> {
        write_json(&self.keys_path(), keys)
    }

    /// Reads the local API's token.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn read_token(&self) -> Result<String, HomeError> {
        Ok(read_bounded(&self.token_path())?.trim().to_owned())
    }

    /// Draws a token for the local API and writes it.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn write_token(&self) -> Result<(), HomeError> {
        let mut token = [0; TOKEN_BYTES];
        getrandom::fill(&mut token).map_err(HomeError::Randomness)?;
        write_private(&self.token_path(), hex::encode(token).as_bytes())
    }

    /// A folder without a configuration is no home.
    fn missing(&self, error: HomeError) -> HomeError {
        match error {
            HomeError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                HomeError::Missing(self.root.clone())
            }
            error => error,
        }
    }
}

/// Reads a JSON file whose field `format` must be [`HOME_FORMAT`].
///
/// # Errors
/// [`HomeError`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, HomeError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let text = read_bounded(path)?;
    let malformed =
        |error: serde_json::Error| HomeError::Malformed { path: path.to_owned(), reason: error.to_string() };
    let Format { format } = serde_json::from_str(&text).map_err(malformed)?;
    if format != HOME_FORMAT {
        return Err(HomeError::OtherFormat { path: path.to_owned(), found: format });
    }
    serde_json::from_str(&text).map_err(malformed)
}

/// Reads a whole file of bounded length as text.
///
/// # Errors
/// [`HomeError::Io`], or [`HomeError::Malformed`] if it is too long.
pub fn read_bounded(path: &Path) -> Result<String, HomeError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| at(path, error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| at(path, error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("the file is longer than {FILE_BYTES_MAX} bytes");
        return Err(HomeError::Malformed { path: path.to_owned(), reason });
    }
    Ok(text)
}

/// Writes `value` as JSON that people can edit; otherwise as [`write_private`].
///
/// # Errors
/// [`HomeError::Io`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), HomeError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| at(path, error.into()))?;
    text.push(b'\n');
    write_private(path, &text)
}

/// Replaces a file at once and durably: after a crash it is the old one or the new one. Only its
/// owner may read it.
///
/// # Errors
/// [`HomeError::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| at(path, error))
}

/// Makes a folder and those above it, durably: a home whose keys are registered must not vanish.
fn create_folder(path: &Path) -> Result<(), HomeError> {
    let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<&Path> = missing.collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| at(path, error))?;
    for folder in missing.into_iter().map(folder_of) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| at(folder, error))?;
    }
    Ok(())
}

/// The folder that a path is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn at(path: &Path, error: io::Error) -> HomeError {
    HomeError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_home_serves_one_process_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().join("home"));
        assert!(matches!(home.lock(), Err(HomeError::Missing(_))));
        home.create().expect("created");
        let first = home.lock().expect("free");
        assert!(matches!(home.lock(), Err(HomeError::InUse(_))));
        drop(first);
        home.lock().expect("free again");
    }

    #[test]
    fn secrets_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().join("home"));
        home.create().expect("created");
        home.write_token().expect("written");
        home.write_keys(&Keys::generate().expect("randomness")).expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(home.root()), 0o700);
        assert_eq!(mode(&home.token_path()), 0o600);
        assert_eq!(mode(&home.keys_path()), 0o600);
        assert_eq!(home.read_token().expect("a token").len(), 2 * TOKEN_BYTES);
    }

    #[test]
    fn a_home_from_another_version_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        write_private(&home.config_path(), br#"{"format": 7, "unknown": true}"#).expect("written");
        let refused = home.read_config().expect_err("format 7 is unknown").to_string();
        assert!(refused.contains("format 7") && refused.contains("knows 1"), "{refused}");
    }
}
