//! Lanes by files: batches out and in, evidence, and taking back a freeze.

use super::Driver;
use super::command::{Command, DriverHandle, Ended, answer};
use queue::batch::{BatchHeader, BatchPart, BatchVerifier, VerifiedPart};
use queue::engine::{Direction, Export, ExportError, ImportError, Imported, ResumeError};
use queue::evidence::Evidence;
use queue::ids::ShardId;
use queue::store::{Store, StoreError, TurnId};
use std::ops::Range;
use tokio::sync::oneshot;

/// A lane of the node, by the peer that it leads to or comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerLane {
    /// To the peer (`Outbound`) or from it (`Inbound`).
    pub direction: Direction,
    /// The peer.
    pub peer: ShardId,
}

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// What is asked of the driver about files.
#[derive(Debug)]
pub(super) enum FilesCommand {
    Export { lane: PeerLane, range: Option<Range<u64>>, reply: Reply<(Box<BatchHeader>, Export), ExportError> },
    ExportPart { export: Export, reply: Reply<(Option<BatchPart>, Export), ExportError> },
    CheckBatch { header: Box<BatchHeader>, reply: Reply<BatchVerifier, ImportError> },
    ImportPart { part: VerifiedPart, reply: Reply<Imported, ImportError> },
    Evidence { reply: Reply<Vec<Evidence>, StoreError> },
    Resume { lane: PeerLane, reply: Reply<(), ResumeError> },
}

/// Answers that wait for their turn to be durable.
#[derive(Debug, Default)]
pub(super) struct FileReplies {
    imported: Vec<(TurnId, Imported, Reply<Imported, ImportError>)>,
    resumed: Vec<(TurnId, Reply<(), ResumeError>)>,
}

impl FileReplies {
    /// Answers all whose turn is durable.
    pub(super) fn answer(&mut self, durable: TurnId) {
        for (_, imported, reply) in self.imported.extract_if(.., |(turn, ..)| *turn <= durable) {
            answer(reply, Ok(imported));
        }
        for (_, reply) in self.resumed.extract_if(.., |(turn, _)| *turn <= durable) {
            answer(reply, Ok(()));
        }
    }
}

impl<S: Store> Driver<S> {
    pub(super) fn handle_files(&mut self, command: FilesCommand) {
        // Files are read from what is committed. A failure comes again when the turn is closed.
        let now = self.clock.now();
        let _ = self.engine.commit(now);
        match command {
            FilesCommand::Export { lane: PeerLane { direction, peer }, range, reply } => {
                let export = self.engine.export(direction, &peer, range);
                answer(reply, export.map(|(header, export)| (Box::new(header), export)));
            }
            FilesCommand::ExportPart { mut export, reply } => {
                let part = self.engine.export_part(&mut export);
                answer(reply, part.map(|part| (part, export)));
            }
            FilesCommand::CheckBatch { header, reply } => answer(reply, self.engine.check_batch(*header)),
            FilesCommand::ImportPart { part, reply } => match self.engine.handle_batch_part(&part, now) {
                Ok(imported) => {
                    if imported.taken > 0 {
                        self.begin_stream_anew(
                            &imported.peer,
                            "messages came by a file: the stream begins behind them",
                        );
                    }
                    self.file_replies.imported.push((imported.turn, imported, reply));
                }
                Err(error) => answer(reply, Err(error)),
            },
            FilesCommand::Evidence { reply } => answer(reply, self.engine.evidence()),
            FilesCommand::Resume { lane: PeerLane { direction, peer }, reply } => {
                match self.engine.handle_resume(direction, &peer) {
                    Ok(turn) => {
                        self.begin_stream_anew(&peer, "an operator resumed the lane: the stream begins anew");
                        self.file_replies.resumed.push((turn, reply));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
        }
    }

    /// Drops the connection to a peer, if there is one: it connects again.
    pub(super) fn begin_stream_anew(&mut self, peer: &ShardId, reason: &str) {
        if let Some((_, link)) = self.sessions.remove(peer) {
            link.restart(reason);
            self.engine.handle_disconnected(peer);
        }
    }
}

impl DriverHandle {
    /// Begins a batch file.
    ///
    /// # Errors
    /// [`Ended`], or [`ExportError`].
    pub async fn export(
        &self,
        lane: PeerLane,
        range: Option<Range<u64>>,
    ) -> Result<Result<(Box<BatchHeader>, Export), ExportError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::Export { lane, range, reply })).await
    }

    /// The next part of a batch file; `None` at its end.
    ///
    /// # Errors
    /// [`Ended`], or [`ExportError`].
    pub async fn export_part(&self, export: Export) -> Result<Result<(Option<BatchPart>, Export), ExportError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::ExportPart { export, reply })).await
    }

    /// Checks the header of a batch file.
    ///
    /// # Errors
    /// [`Ended`], or [`ImportError`].
    pub async fn check_batch(&self, header: Box<BatchHeader>) -> Result<Result<BatchVerifier, ImportError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::CheckBatch { header, reply })).await
    }

    /// Takes a part of a batch file. Answers once what it brought is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`ImportError`].
    pub async fn import_part(&self, part: VerifiedPart) -> Result<Result<Imported, ImportError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::ImportPart { part, reply })).await
    }

    /// What froze lanes since the node began.
    ///
    /// # Errors
    /// [`Ended`], or [`StoreError`].
    pub async fn evidence(&self) -> Result<Result<Vec<Evidence>, StoreError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::Evidence { reply })).await
    }

    /// Takes back a lane's freeze. Answers once that is durable.
    ///
    /// # Errors
    /// [`Ended`], or [`ResumeError`].
    pub async fn resume(&self, lane: PeerLane) -> Result<Result<(), ResumeError>, Ended> {
        self.ask(|reply| Command::Files(FilesCommand::Resume { lane, reply })).await
    }
}
