//! Restoring: parts become a home again, which is checked before it gets its name.

use super::age::Identity;
use super::folder::BackupFolder;
use super::part::{CONFIG, Content, LOG, Next, PartReader};
use super::{BackupError, at};
use crate::fsck::{Progress, Verdict, fsck};
use crate::home::Home;
use crate::store::is_log_file;
use queue::trust::TrustRoot;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says that it holds.
    pub content: Content,
    /// What was found in it: sound, and of the same turn.
    pub verdict: Verdict,
    /// The trust root that its configuration pins.
    pub trust: TrustRoot,
}

/// Makes a home at `to`, which must not exist or be an empty folder, of the backup in the file or
/// folder `from`. All of it is checked as by `fsck`, and `pinned`, if given, must be the trust root in
/// its configuration: an encrypted backup may come from anybody who knows the recipient. The home
/// gets a new API token; its keys have to be put in place by the operator.
///
/// # Errors
/// [`BackupError`]; `to` is as it was then.
pub fn restore(
    from: &Path,
    identities: &[Identity],
    to: &Path,
    pinned: Option<&TrustRoot>,
    progress: impl FnMut(Progress),
) -> Result<Restored, BackupError> {
    let is_empty = || fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
    if to.exists() && !is_empty() {
        return Err(BackupError::Occupied { path: to.to_owned(), reason: "is not empty" });
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
    let draft = tempfile::Builder::new().prefix(".restoring.").tempdir_in(parent).map_err(at(parent))?;
    let content = read_parts(from, identities, draft.path())?;
    let home = Home::at(draft.path());
    let trust = home.read_config()?.trust;
    if let Some(pinned) = pinned.filter(|pinned| **pinned != trust) {
        let show = |trust: &TrustRoot| {
            let domain = &trust.domain;
            format!("{} on {} (instance {}) with its keys", domain.bridge, domain.network, domain.instance)
        };
        return Err(BackupError::OtherTrust { found: show(&trust), expected: show(pinned) });
    }
    home.write_token()?;
    let verdict = fsck(&home, progress)?;
    if let Some(finding) = verdict.findings().next() {
        return Err(BackupError::Damaged(format!("{}: {}", finding.place, finding.reason)));
    }
    if verdict.store.turn != content.turn {
        let (found, expected) = (verdict.store.turn, content.turn);
        return Err(BackupError::Damaged(format!("it ends at turn {found}, the backup says {expected}")));
    }
    let draft = draft.keep();
    fs::rename(&draft, to).map_err(at(to))?;
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(at(parent))?;
    Ok(Restored { content, verdict, trust })
}

/// Writes what the parts hold to the folder `home`.
fn read_parts(from: &Path, identities: &[Identity], home: &Path) -> Result<Content, BackupError> {
    let store = home.join("store");
    for folder in [&store, &store.join("log")] {
        DirBuilder::new().mode(0o700).create(folder).map_err(at(folder))?;
    }
    let mut files = Files { home: home.to_owned(), lengths: BTreeMap::new() };
    let mut content = None;
    if fs::metadata(from).map_err(at(from))?.is_dir() {
        let mut first = None;
        for (name, path) in BackupFolder::existing(from).newest()? {
            let mut reader = PartReader::open(&path, identities)?;
            let opening = &reader.opening;
            let shard = first.get_or_insert_with(|| opening.shard.clone());
            if opening.shard != *shard || (opening.generation, opening.part) != (name.generation, name.part) {
                return Err(reader.malformed("its name is another part's"));
            }
            content = Some(files.take(&mut reader)?);
        }
    } else {
        content = Some(files.take(&mut PartReader::open(from, identities)?)?);
    }
    files.sync()?;
    let none = || BackupError::Malformed { path: from.to_owned(), reason: "there are no parts in it".to_owned() };
    content.ok_or_else(none)
}

struct Files {
    home: PathBuf,
    /// How much of each file there is.
    lengths: BTreeMap<PathBuf, u64>,
}

impl Files {
    fn take(&mut self, reader: &mut PartReader) -> Result<Content, BackupError> {
        loop {
            match reader.next()? {
                Next::End(content) => return Ok(content),
                Next::Piece { file, offset, bytes } => {
                    let Some(path) = self.path(&file) else {
                        return Err(reader.malformed(&format!("it has a file {file:?}")));
                    };
                    if self.lengths.get(&path).copied().unwrap_or(0) != offset {
                        return Err(reader.malformed(&format!("a piece of {file} doesn't follow the one before")));
                    }
                    append(&path, &bytes).map_err(at(&path))?;
                    self.lengths.insert(path, offset + bytes.len() as u64);
                }
            }
        }
    }

    /// Only names that a backup can have: nothing is written anywhere else.
    fn path(&self, file: &str) -> Option<PathBuf> {
        if file == CONFIG {
            return Some(self.home.join(CONFIG));
        }
        let name = file.strip_prefix(LOG).filter(|name| is_log_file(name))?;
        Some(self.home.join("store").join("log").join(name))
    }

    fn sync(&self) -> Result<(), BackupError> {
        let log = self.home.join("store").join("log");
        let folders = [log.clone(), self.home.join("store"), self.home.clone()];
        for path in self.lengths.keys().chain(&folders) {
            File::open(path).and_then(|file| file.sync_all()).map_err(at(path))?;
        }
        Ok(())
    }
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(bytes)
}
