//! One part of a backup: a file in age's format whose content is a sequence of blocks.

use super::age::{Decryptor, Encryptor, Identity, Recipient};
use super::{BACKUP_FORMAT, BackupError, at};
use crate::store::PIECE_BYTES_MAX;
use borsh::{BorshDeserialize, BorshSerialize};
use queue::codec;
use queue::ids::ShardId;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The configuration, as a piece names it.
pub(super) const CONFIG: &str = "config.json";
/// What the names of the log's files begin with.
pub(super) const LOG: &str = "log/";

/// Longest encoded block, in bytes: a piece and its name.
const BLOCK_BYTES_MAX: usize = PIECE_BYTES_MAX + 1024;

/// What a part consists of: one beginning, pieces, one end.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Block {
    Begin { format: u32, opening: Opening },
    Piece { file: String, offset: u64, bytes: Vec<u8> },
    End(Content),
}

/// What a part says of itself at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Opening {
    pub(super) shard: ShardId,
    /// The generation that the part belongs to.
    pub(super) generation: u64,
    /// Counts the generation's parts from 0.
    pub(super) part: u64,
}

/// What a backup holds, with this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct Content {
    /// The newest turn.
    pub turn: u64,
    /// Height of the newest attested checkpoint; `None` before the first.
    pub attested_height: Option<u64>,
    /// Height of a sealed checkpoint that waits for its signature.
    pub pending_height: Option<u64>,
}

/// A part that is being written, under a name that doesn't count.
pub(super) struct PartWriter {
    path: PathBuf,
    encryptor: Encryptor<BufWriter<File>>,
}

impl PartWriter {
    /// Begins a part at `path`, in the place of what stands there.
    pub(super) fn begin(path: &Path, recipients: &[Recipient], opening: Opening) -> Result<Self, BackupError> {
        let begin = || {
            let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
            let encryptor = Encryptor::new(BufWriter::new(file), recipients)?;
            let mut writer = PartWriter { path: path.to_owned(), encryptor };
            writer.block(&Block::Begin { format: BACKUP_FORMAT, opening })?;
            Ok(writer)
        };
        begin().map_err(at(path))
    }

    /// Adds a piece of a file.
    pub(super) fn piece(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.block(&Block::Piece { file: file.to_owned(), offset, bytes: bytes.to_vec() })
    }

    /// Ends the part, and makes its content durable; its length in bytes.
    pub(super) fn finish(mut self, content: Content) -> Result<u64, BackupError> {
        let path = self.path.clone();
        let finish = || {
            self.block(&Block::End(content))?;
            let file = self.encryptor.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file.metadata()?.len())
        };
        finish().map_err(at(path))
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        let content = codec::encode(block);
        let length = u32::try_from(content.len()).expect("a block has one piece at most");
        self.encryptor.write_all(&length.to_le_bytes())?;
        self.encryptor.write_all(&content)
    }
}

/// A part that is being read.
pub(super) struct PartReader {
    path: PathBuf,
    decryptor: Decryptor<BufReader<File>>,
    pub(super) opening: Opening,
}

/// What comes next in a part.
pub(super) enum Next {
    Piece { file: String, offset: u64, bytes: Vec<u8> },
    End(Content),
}

impl PartReader {
    /// Opens the part at `path`.
    pub(super) fn open(path: &Path, identities: &[Identity]) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(at(path))?;
        let decryptor = Decryptor::new(BufReader::new(file), identities)
            .map_err(|error| BackupError::Age { path: path.to_owned(), error })?;
        // What the first block says is read below; until then nothing is known.
        let nobody = "nobody".parse().expect("a shard's name");
        let opening = Opening { shard: nobody, generation: 0, part: 0 };
        let mut reader = PartReader { path: path.to_owned(), decryptor, opening };
        let content = reader.content()?;
        // The format stands first, so that it can be read from a part of any version.
        let format = content.get(1..5).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        if content.first() == Some(&0) && format != BACKUP_FORMAT {
            return Err(BackupError::OtherFormat { path: path.to_owned(), found: format });
        }
        match reader.decode(&content)? {
            Block::Begin { opening, .. } => reader.opening = opening,
            Block::Piece { .. } | Block::End(_) => return Err(reader.malformed("it doesn't begin with a beginning")),
        }
        Ok(reader)
    }

    /// The next piece, or the end.
    pub(super) fn next(&mut self) -> Result<Next, BackupError> {
        let content = self.content()?;
        match self.decode(&content)? {
            Block::Piece { file, offset, bytes } => Ok(Next::Piece { file, offset, bytes }),
            Block::End(content) => {
                let mut rest = [0];
                match self.decryptor.read(&mut rest).map_err(at(&self.path))? {
                    0 => Ok(Next::End(content)),
                    _ => Err(self.malformed("something follows its end")),
                }
            }
            Block::Begin { .. } => Err(self.malformed("it has two beginnings")),
        }
    }

    /// That this part is wrong.
    pub(super) fn malformed(&self, reason: &str) -> BackupError {
        BackupError::Malformed { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn content(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut length = [0; 4];
        self.decryptor.read_exact(&mut length).map_err(at(&self.path))?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > BLOCK_BYTES_MAX {
            return Err(self.malformed(&format!("it has a block of {length} bytes, {BLOCK_BYTES_MAX} are the most")));
        }
        let mut content = vec![0; length];
        self.decryptor.read_exact(&mut content).map_err(at(&self.path))?;
        Ok(content)
    }

    fn decode(&self, content: &[u8]) -> Result<Block, BackupError> {
        codec::decode("block of a backup", content, BLOCK_BYTES_MAX).map_err(|error| self.malformed(&error.to_string()))
    }
}
