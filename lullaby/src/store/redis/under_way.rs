//! What this process remembers of the executions that it claimed, until it settles them: the scripts need not look it up again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::serializer::Serializer;
use crate::clock::Timestamp;
use crate::job::{QueueName, Token};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<HashMap<Token, Remembered>>);

/// Of one execution.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    /// What wrote its call: its result is written alike.
    pub(super) serializer: Serializer,
    /// If it was plain when it was claimed, or that but for a subject, what it shares with others.
    pub(super) plain: Option<Arc<Plain>>,
    /// Its subject and its task, of which its end is told.
    pub(super) followed: Option<(String, String)>,
}

/// What plain jobs (see `claim.lua`) of one claim have in common that are of one queue and are kept for the same time.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) queue: QueueName,
    pub(super) worker: String,
    pub(super) started_at: Timestamp,
    pub(super) lease: Duration,
    /// `None` is for ever.
    pub(super) result_ttl: Option<Duration>,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashMap<Token, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember(&self, executions: impl IntoIterator<Item = (Token, Remembered)>) {
        self.lock().extend(executions);
    }

    /// What is known of each; nothing of those that another process claimed.
    pub(super) fn recall(
        &self,
        tokens: impl IntoIterator<Item = Token>,
    ) -> Vec<Option<Remembered>> {
        let known = self.lock();
        let tokens = tokens.into_iter();
        tokens.map(|token| known.get(&token).cloned()).collect()
    }

    pub(super) fn forget(&self, tokens: impl IntoIterator<Item = Token>) {
        let mut known = self.lock();
        for token in tokens {
            known.remove(&token);
        }
    }
}
