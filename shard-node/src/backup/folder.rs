//! A folder of parts. A part's name tells all that a follower must know to go on: it can't read
//! what it wrote.

use super::{BackupError, at};
use crate::store::Cursor;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A part that is being written.
const UNFINISHED: &str = "new.part";

/// Longest encoded cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 64;

/// What the name of a part's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartName {
    /// Generations are counted from 1; each begins with all of the log.
    pub generation: u64,
    /// Counts the generation's parts from 0.
    pub part: u64,
    /// Where in the log the part ends.
    pub cursor: Cursor,
}

impl PartName {
    fn parse(name: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(".age")?.split('-');
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (generation, part) = (number()?, number()?);
        let cursor = hex::decode(fields.next()?).ok()?;
        let cursor = queue::codec::decode("cursor", &cursor, CURSOR_BYTES_MAX).ok()?;
        fields.next().is_none().then_some(PartName { generation, part, cursor })
    }

    fn file(&self) -> String {
        let cursor = hex::encode(queue::codec::encode(&self.cursor));
        format!("{:08x}-{:08x}-{cursor}.age", self.generation, self.part)
    }
}

/// A folder of parts.
#[derive(Debug)]
pub struct BackupFolder {
    path: PathBuf,
    /// Held while a process writes to the folder.
    _lock: Option<File>,
}

impl BackupFolder {
    /// The folder at `path`, for this process alone to write to; made if need be.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(BackupFolder { path: path.to_owned(), _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(BackupError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(at(lock_path)(error)),
        }
    }

    /// The folder at `path`, to read from.
    pub fn existing(path: &Path) -> Self {
        BackupFolder { path: path.to_owned(), _lock: None }
    }

    /// Where a part is written before it counts.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }

    /// The parts of the newest generation, in order.
    ///
    /// # Errors
    /// [`BackupError`]; a part that is missing between others is [`BackupError::Malformed`].
    pub fn newest(&self) -> Result<Vec<(PartName, PathBuf)>, BackupError> {
        let mut parts = self.parts()?;
        let Some(newest) = parts.iter().map(|(name, _)| name.generation).max() else { return Ok(Vec::new()) };
        parts.retain(|(name, _)| name.generation == newest);
        parts.sort_by_key(|(name, _)| name.part);
        for ((name, path), expected) in parts.iter().zip(0..) {
            if name.part != expected {
                let reason = format!("it is part {} of generation {newest}, part {expected} is missing", name.part);
                return Err(BackupError::Malformed { path: path.clone(), reason });
            }
        }
        Ok(parts)
    }

    /// Lets what was written to [`BackupFolder::unfinished`] count, durably.
    pub(super) fn publish(&self, name: &PartName) -> Result<PathBuf, BackupError> {
        let path = self.path.join(name.file());
        fs::rename(self.unfinished(), &path).map_err(at(&path))?;
        self.sync()?;
        Ok(path)
    }

    /// Removes the generations before `generation`.
    pub(super) fn remove_before(&self, generation: u64) -> Result<(), BackupError> {
        for (_, path) in self.parts()?.iter().filter(|(name, _)| name.generation < generation) {
            fs::remove_file(path).map_err(at(path))?;
        }
        self.sync()
    }

    fn parts(&self) -> Result<Vec<(PartName, PathBuf)>, BackupError> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(at(&self.path))? {
            let entry = entry.map_err(at(&self.path))?;
            let name = entry.file_name();
            parts.extend(name.to_str().and_then(PartName::parse).map(|name| (name, entry.path())));
        }
        Ok(parts)
    }

    fn sync(&self) -> Result<(), BackupError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(at(&self.path))
    }
}
