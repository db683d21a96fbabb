//! Hearing of commits of other processes: each one writes to the write-ahead log, and the system tells.

use std::path::Path;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::writer::Nudge;

/// Keeps watching until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches the log of the database at `path`. `None` if the system cannot tell: then the writer's own look once a second has to do.
    ///
    /// The log alone, not its folder: whatever else is written there would wake an idle process for nothing. The file stays the same
    /// one as long as any connection is open.
    pub(super) fn start(path: &Path, nudge: Nudge) -> Option<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let tell = move |event: notify::Result<Event>| {
            let opened = |event: &Event| matches!(event.kind, EventKind::Access(_));
            if !event.as_ref().is_ok_and(opened) {
                nudge.look();
            }
        };
        let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
            watcher.watch(Path::new(&log), RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        watcher
            .map(|watcher| Self { _watcher: watcher })
            .inspect_err(|error| {
                tracing::warn!(%error, "this system does not tell of changes of the SQLite file; those of other processes are heard of within 1 s");
            })
            .ok()
    }
}
