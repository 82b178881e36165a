//! The files that the log and its snapshots are made of.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A flat folder of files. Creating, renaming and removing survive a crash only after
/// [`Files::sync_names`].
pub(super) trait Files: Send + Sync {
    /// The names of all files, in no order.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>>;
    /// Makes an empty file, in the place of one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn OpenFile>>;
    /// Renames a file, replacing one of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Waits until names are durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file. What is written survives a crash only after [`OpenFile::sync`].
pub(super) trait OpenFile: Send + Sync {
    /// Length, in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` on; fails if the file ends before.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file at `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Says that what was synced needn't be kept in memory in this range: reading and writing by way of
    /// memory that the system has yet to find costs more than all else that a message costs.
    fn forget(&self, range: Range<u64>) -> io::Result<()>;
    /// Waits until what was written is durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, made if need be.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Folder::at(path))
    }

    /// The folder at `path`, which is left as it is: if there is none, its first use fails.
    pub(super) fn at(path: &Path) -> Self {
        Folder { path: path.to_owned() }
    }
}

impl Files for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(File::options().read(true).write(true).open(self.path.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn OpenFile>> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(options.open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl OpenFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn forget(&self, range: Range<u64>) -> io::Result<()> {
        let Some(length) = NonZeroU64::new(range.end.saturating_sub(range.start)) else { return Ok(()) };
        Ok(rustix::fs::fadvise(self, range.start, Some(length), rustix::fs::Advice::DontNeed)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
