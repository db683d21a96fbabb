//! Owners: each opened store holds an OS lock on a file of its own, so that others see at once when its process has died.
//!
//! The files stand in `<database>-owners/`. The system lets go of a lock when its process ends, however it ends; a file that is free,
//! or missing, means that the jobs which its owner claimed are orphans.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// An opened store, as it stands in the jobs that it claimed.
pub(super) type OwnerId = i64;

const ENDING: &str = "lock";

/// This opened store's place among the owners.
#[derive(Debug)]
pub(super) struct Owner {
    id: OwnerId,
    folder: PathBuf,
    /// Locked from the first claim on.
    held: Option<File>,
}

impl Owner {
    /// A new owner of the database at `path`. Nothing is written yet: who never claims needs no lock.
    pub(super) fn new(path: &Path) -> Self {
        let mut folder = path.as_os_str().to_owned();
        folder.push("-owners");
        // 63 random bits: no two owners ever meet.
        let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            id: (high >> 1).cast_signed(),
            folder: folder.into(),
            held: None,
        }
    }

    /// This owner's id; from now on its lock is held.
    pub(super) fn hold(&mut self) -> Result<OwnerId> {
        if self.held.is_none() {
            let file = self.make_lock().map_err(|error| {
                Error::store_because(
                    format!(
                        "expected to lock a file in {}: give this user the right to write there",
                        self.folder.display()
                    ),
                    error,
                )
            })?;
            self.held = Some(file);
        }
        Ok(self.id)
    }

    /// This owner's id, if its lock is held.
    pub(super) fn held(&self) -> Option<OwnerId> {
        self.held.as_ref().map(|_| self.id)
    }

    fn make_lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path_of(self.id);
        // Locked under another name first, so that nobody ever sees it free while its owner lives.
        let unseen = path.with_extension("new");
        let file = File::create(&unseen)?;
        file.try_lock().map_err(io::Error::from)?;
        fs::rename(&unseen, &path)?;
        Ok(file)
    }

    fn path_of(&self, id: OwnerId) -> PathBuf {
        self.folder.join(format!("{id:016x}.{ENDING}"))
    }

    /// Lets go. The file stays if jobs were left behind, so that others notice that it is free.
    pub(super) fn release(&mut self, leaves_jobs: bool) {
        if let Some(file) = self.held.take() {
            if !leaves_jobs {
                let _ = fs::remove_file(self.path_of(self.id));
            }
            drop(file);
        }
    }

    /// The owners whose lock is free, of all that ever took one.
    pub(super) fn dead(&self) -> Dead {
        let mut dead = Dead::default();
        // No folder: nobody ever claimed.
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let id = stem.and_then(|stem| OwnerId::from_str_radix(stem, 16).ok());
            if let Some(id) = id
                && path.extension().is_some_and(|ending| ending == ENDING)
            {
                self.check(id, &mut dead);
            }
        }
        dead
    }

    /// Takes note of this owner if it is gone.
    pub(super) fn check(&self, id: OwnerId, dead: &mut Dead) {
        if id == self.id || dead.files.contains_key(&id) {
            return;
        }
        let path = self.path_of(id);
        match File::open(&path) {
            Ok(file) => match file.try_lock() {
                Ok(()) => {
                    dead.files.insert(id, Some((path, file)));
                }
                // Somebody holds it: its owner lives, or another process is about to return its jobs.
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(path = %path.display(), %error, "cannot tell whether this owner of jobs lives; its leases will");
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dead.files.insert(id, None);
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot tell whether this owner of jobs lives; its leases will");
            }
        }
    }
}

/// Owners that are gone, with their locks, which keeps other processes from returning the same jobs at the same time.
#[derive(Debug, Default)]
pub(super) struct Dead {
    files: BTreeMap<OwnerId, Option<(PathBuf, File)>>,
}

impl Dead {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn contains(&self, id: OwnerId) -> bool {
        self.files.contains_key(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = OwnerId> {
        self.files.keys().copied()
    }

    /// Removes the files of those that left nothing behind (any more).
    pub(super) fn bury(&mut self, id: OwnerId) {
        if let Some(Some((path, _lock))) = self.files.remove(&id) {
            let _ = fs::remove_file(path);
        }
    }
}
