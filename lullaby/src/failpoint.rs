//! Places where a crash test kills the process: between the steps of what must survive it.
//!
//! In debug builds `LULLABY_FAILPOINT=name` (or `name:3` for the third time) makes the process SIGKILL itself there; `name=panic` panics each
//! time instead, as a bug would. In release builds nothing of it is left.

/// Dies here if this place is the one named by `LULLABY_FAILPOINT`.
#[inline]
pub fn hit(name: &str) {
    #[cfg(debug_assertions)]
    debug::hit(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        name: String,
        left: AtomicU32,
        panics: bool,
    }

    fn armed() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        ARMED
            .get_or_init(|| {
                let text = std::env::var("LULLABY_FAILPOINT").ok()?;
                let (text, panics) = match text.strip_suffix("=panic") {
                    Some(text) => (text, true),
                    None => (text.as_str(), false),
                };
                let (name, count) = match text.split_once(':') {
                    Some((name, count)) => (name, count.parse().unwrap_or(1)),
                    None => (text, 1),
                };
                Some(Armed {
                    name: name.to_owned(),
                    left: AtomicU32::new(count),
                    panics,
                })
            })
            .as_ref()
    }

    pub(super) fn hit(name: &str) {
        let Some(armed) = armed().filter(|armed| armed.name == name) else {
            return;
        };
        assert!(!armed.panics, "the failpoint {name} panics");
        if armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let myself = rustix::process::getpid();
            // SIGKILL: no destructor runs, as when the power goes.
            let _ = rustix::process::kill_process(myself, rustix::process::Signal::KILL);
        }
    }
}
