//! Making backups: all of a home at once, and then what its log grows by.

use super::age::Recipient;
use super::folder::{BackupFolder, PartName};
use super::part::{CONFIG, Content, LOG, Opening, PartWriter};
use super::{BackupError, at};
use crate::home::{Home, read_bounded};
use crate::store::{PIECE_BYTES_MAX, ShipError, Shipped, ship_all, ship_since};
use queue::engine::heights;
use queue::ids::ShardId;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Bytes of parts that a generation may have beyond its first before a new one begins, whatever the
/// first one's length: below that, shipping everything again isn't worth it.
const GROWTH_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// A generation may grow by so many times its first part's length.
const GROWTH_TIMES: u64 = 2;
/// Most parts of a generation: a folder of more is slow to list, and to restore.
const PARTS_MAX: u64 = 10_000;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The shard.
    pub shard: ShardId,
    /// The file.
    pub file: PathBuf,
    /// Its length, in bytes.
    pub file_bytes: u64,
    /// Whether it holds all of the home, or only what the log grew by.
    pub whole: bool,
    /// What the backup holds with it.
    #[serde(flatten)]
    pub content: Content,
}

/// Writes a whole backup of `home` to the file `to`, which must not exist.
///
/// # Errors
/// [`BackupError`].
pub fn back_up_once(home: &Home, recipients: &[Recipient], to: &Path) -> Result<Written, BackupError> {
    if to.exists() {
        return Err(BackupError::Occupied { path: to.to_owned(), reason: "exists" });
    }
    let mut draft = to.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let shard = home.read_config()?.shard;
    let opening = Opening { shard: shard.clone(), generation: 1, part: 0 };
    let (_, content, file_bytes) = write_whole(home, recipients, &draft, opening)?;
    fs::rename(&draft, to).map_err(at(to))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
    Ok(Written { shard, file: to.to_owned(), file_bytes, whole: true, content })
}

/// Keeps a folder up with a home's log.
pub struct Follower {
    home: Home,
    shard: ShardId,
    recipients: Vec<Recipient>,
    folder: BackupFolder,
    /// The newest part; `None` as long as the folder is empty.
    newest: Option<PartName>,
    whole_bytes: u64,
    growth_bytes: u64,
    content: Content,
}

impl Follower {
    /// Goes on in the folder `to`, or begins there.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn open(home: Home, recipients: Vec<Recipient>, to: &Path) -> Result<Self, BackupError> {
        let shard = home.read_config()?.shard;
        let folder = BackupFolder::open(to)?;
        let parts = folder.newest()?;
        let mut lengths = Vec::new();
        for (_, path) in &parts {
            lengths.push(fs::metadata(path).map_err(at(path))?.len());
        }
        let newest = parts.last().map(|(name, _)| *name);
        let whole_bytes = lengths.first().copied().unwrap_or(0);
        let growth_bytes = lengths.iter().skip(1).sum();
        let nothing = Content { turn: 0, attested_height: None, pending_height: None };
        // What earlier parts hold can't be read here; the log knows.
        let content = match newest {
            Some(_) => content(&ship_all(&home.store_path(), &mut |_, _, _| Ok(()))?, nothing)?,
            None => nothing,
        };
        Ok(Follower { home, shard, recipients, folder, newest, whole_bytes, growth_bytes, content })
    }

    /// Ships what the log has grown by; `None` if it hasn't. Begins a new generation, with all of
    /// the home, if the log doesn't go on where the last part ends, or the generation got long. What
    /// this returns is durable.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn step(&mut self) -> Result<Option<Written>, BackupError> {
        let Some(newest) = self.newest else { return self.begin(1).map(Some) };
        let growth_max = (GROWTH_TIMES * self.whole_bytes).max(GROWTH_BYTES_MIN);
        if self.growth_bytes > growth_max || newest.part >= PARTS_MAX {
            return self.begin(newest.generation + 1).map(Some);
        }
        match self.grow(&newest) {
            // Segments may be gone that the log has left behind; a damaged log is told by what follows.
            Err(BackupError::Ship(ShipError::Gone | ShipError::Log(_))) => self.begin(newest.generation + 1).map(Some),
            result => result,
        }
    }

    fn grow(&mut self, newest: &PartName) -> Result<Option<Written>, BackupError> {
        let (generation, part) = (newest.generation, newest.part + 1);
        let path = self.folder.unfinished();
        let mut writer = None;
        let opening = Opening { shard: self.shard.clone(), generation, part };
        let mut failure = None;
        let shipped = ship_since(&self.home.store_path(), &newest.cursor, &mut |file, offset, bytes| {
            let writer = match &mut writer {
                Some(writer) => writer,
                None => match PartWriter::begin(&path, &self.recipients, opening.clone()) {
                    Ok(begun) => writer.insert(begun),
                    Err(error) => {
                        failure = Some(error);
                        return Err(std::io::ErrorKind::Other.into());
                    }
                },
            };
            writer.piece(&format!("{LOG}{file}"), offset, bytes)
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let (Some(shipped), Some(writer)) = (shipped?, writer) else { return Ok(None) };
        self.content = content(&shipped, self.content)?;
        let file_bytes = writer.finish(self.content)?;
        self.growth_bytes += file_bytes;
        self.publish(PartName { generation, part, cursor: shipped.cursor }, file_bytes).map(Some)
    }

    fn begin(&mut self, generation: u64) -> Result<Written, BackupError> {
        let opening = Opening { shard: self.shard.clone(), generation, part: 0 };
        let (shipped, content, file_bytes) =
            write_whole(&self.home, &self.recipients, &self.folder.unfinished(), opening)?;
        (self.content, self.whole_bytes, self.growth_bytes) = (content, file_bytes, 0);
        let written = self.publish(PartName { generation, part: 0, cursor: shipped.cursor }, file_bytes)?;
        self.folder.remove_before(generation)?;
        Ok(written)
    }

    fn publish(&mut self, name: PartName, file_bytes: u64) -> Result<Written, BackupError> {
        let file = self.folder.publish(&name)?;
        self.newest = Some(name);
        Ok(Written { shard: self.shard.clone(), file, file_bytes, whole: name.part == 0, content: self.content })
    }
}

/// Writes all of a home but its keys.
fn write_whole(
    home: &Home,
    recipients: &[Recipient],
    path: &Path,
    opening: Opening,
) -> Result<(Shipped, Content, u64), BackupError> {
    let config = read_bounded(&home.config_path())?;
    let mut writer = PartWriter::begin(path, recipients, opening)?;
    let mut offset = 0;
    for bytes in config.as_bytes().chunks(PIECE_BYTES_MAX) {
        writer.piece(CONFIG, offset, bytes).map_err(at(path))?;
        offset += bytes.len() as u64;
    }
    let shipped =
        ship_all(&home.store_path(), &mut |file, offset, bytes| writer.piece(&format!("{LOG}{file}"), offset, bytes))?;
    let content = content(&shipped, Content { turn: 0, attested_height: None, pending_height: None })?;
    let file_bytes = writer.finish(content)?;
    Ok((shipped, content, file_bytes))
}

fn content(shipped: &Shipped, before: Content) -> Result<Content, BackupError> {
    let (attested_height, pending_height) = match &shipped.attestor {
        Some(record) => heights(record)?,
        None => (before.attested_height, before.pending_height),
    };
    Ok(Content { turn: shipped.turn, attested_height, pending_height })
}
