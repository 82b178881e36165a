//! Backups: all of a home but its keys, encrypted as a whole. Specified in `specs/backup.md`.

pub mod age;
mod folder;
mod follow;
mod part;
mod restore;

pub use folder::{BackupFolder, PartName};
pub use follow::{Follower, Written, back_up_once};
pub use restore::{Restored, restore};

use crate::fsck::FsckError;
use crate::home::HomeError;
use crate::store::ShipError;
use queue::store::StoreError;
use std::io;
use std::path::PathBuf;

/// Format of backups; raised when it changes.
pub const BACKUP_FORMAT: u32 = 1;

/// Why a backup isn't made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The home can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The log can't be read.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// A record of the engine doesn't decode.
    #[error(transparent)]
    Engine(#[from] StoreError),
    /// Keys, or what is encrypted with them.
    #[error("{path}: {error}")]
    Age {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: age::AgeError,
    },
    /// A file or folder can't be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// Something stands where the backup or the restored home should.
    #[error("{path} {reason}: name another place, nothing is overwritten")]
    Occupied {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// Another process backs up to the same folder.
    #[error("{0} is in use: another process backs up to it")]
    InUse(PathBuf),
    /// Not a backup, or changed.
    #[error("{path} is no sound backup: {reason}")]
    Malformed {
        /// The part.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Made by another version of the software.
    #[error(
        "{path} has backup format {found}, this software knows {BACKUP_FORMAT}: restore it with the version that made it"
    )]
    OtherFormat {
        /// The part.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The backup's configuration pins another trust root than the operator expects.
    #[error("the backup is of bridge {found}, expected {expected}: whoever made it, it isn't of your shard")]
    OtherTrust {
        /// That of the backup.
        found: String,
        /// That of the operator.
        expected: String,
    },
    /// What was restored can't be checked.
    #[error(transparent)]
    Fsck(#[from] FsckError),
    /// What was restored doesn't add up.
    #[error("what was restored is damaged, and was removed again: {0}")]
    Damaged(String),
}

fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.into();
    |error| BackupError::Io { path, error }
}
