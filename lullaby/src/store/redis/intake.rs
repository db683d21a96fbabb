//! Jobs that many callers enqueue at once go to the server together. A round trip costs as much as the work on a hundred jobs, so while two
//! are under way, who comes waits, and all that wait go in the next one. A lone caller waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Arg, Cmd};
use tokio::sync::oneshot;

use super::Core;
use super::scripts::BATCH;
use crate::error::{Error, Result};
use crate::store::Enqueued;

/// One that is executed and one that is put together meanwhile.
const UNDER_WAY: usize = 2;
/// No more bytes of jobs go together: others wait while the server reads them.
const MOST_BYTES: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub(super) struct Intake(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    jobs: Jobs,
    answer: oneshot::Sender<Result<Vec<Enqueued>>>,
}

/// Jobs of one caller, as `enqueue_job.lua` reads them.
pub(super) struct Jobs {
    pub(super) count: usize,
    pub(super) strings: Vec<Cmd>,
}

impl Jobs {
    fn bytes(&self) -> usize {
        let args = self.strings.iter().flat_map(Cmd::args_iter);
        let lengths = args.map(|arg| match arg {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        });
        lengths.sum()
    }
}

impl Intake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send. Whoever waits when it ends is sent next.
struct Turn(Arc<Core>);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.intake.state();
        if !state.waiting.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(send_waiting(self.0.clone()));
            return;
        }
        state.under_way -= 1;
        // Without a runtime nobody is left to wait.
        state.waiting.clear();
    }
}

impl Core {
    /// Takes jobs of one caller in, at most [`BATCH`], in one step with those of others. Cancel safe: they are taken in, or not.
    pub(super) async fn take_in_together(self: &Arc<Self>, jobs: Jobs) -> Result<Vec<Enqueued>> {
        let waits = {
            let mut state = self.intake.state();
            if state.under_way < UNDER_WAY {
                state.under_way += 1;
                Err(jobs)
            } else {
                let (answer, waits) = oneshot::channel();
                state.waiting.push_back(Waiting { jobs, answer });
                Ok(waits)
            }
        };
        match waits {
            Err(jobs) => {
                let _turn = Turn(self.clone());
                self.send_jobs(&[&jobs]).await
            }
            Ok(answer) => answer
                .await
                .unwrap_or_else(|_| Err(Error::store("the runtime ended before Redis answered"))),
        }
    }
}

/// Holds a turn until nobody waits.
async fn send_waiting(core: Arc<Core>) {
    loop {
        let batch = {
            let mut state = core.intake.state();
            let batch = next_batch(&mut state.waiting);
            if batch.is_empty() {
                state.under_way -= 1;
                return;
            }
            batch
        };
        let jobs: Vec<_> = batch.iter().map(|one| &one.jobs).collect();
        let mut answers = core.send_jobs(&jobs).await;
        for one in batch {
            let own = match &mut answers {
                Ok(answers) => Ok(answers.drain(..one.jobs.count.min(answers.len())).collect()),
                Err(error) => Err(error.clone()),
            };
            // Its caller may have gone.
            let _ = one.answer.send(own);
        }
    }
}

fn next_batch(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    while let Some(next) = waiting.front() {
        count += next.jobs.count;
        bytes += next.jobs.bytes();
        if !batch.is_empty() && (count > BATCH || bytes > MOST_BYTES) {
            break;
        }
        batch.extend(waiting.pop_front());
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(sizes: &[(usize, usize)]) -> VecDeque<Waiting> {
        let one = |(count, bytes): &(usize, usize)| {
            let mut strings = Cmd::new();
            strings.arg(vec![0; *bytes]);
            let jobs = Jobs {
                count: *count,
                strings: vec![strings],
            };
            let answer = oneshot::channel().0;
            Waiting { jobs, answer }
        };
        sizes.iter().map(one).collect()
    }

    fn batches(sizes: &[(usize, usize)]) -> Vec<usize> {
        let mut waiting = waiting(sizes);
        let mut batches = Vec::new();
        while !waiting.is_empty() {
            batches.push(next_batch(&mut waiting).len());
        }
        batches
    }

    #[test]
    fn a_batch_is_bounded_by_jobs_and_by_bytes() {
        assert_eq!(batches(&[(1, 10); 64]), [64]);
        assert_eq!(batches(&[(400, 10); 5]), [2, 2, 1]);
        assert_eq!(batches(&[(1, MOST_BYTES / 2); 3]), [2, 1]);
    }

    #[test]
    fn jobs_that_are_too_many_bytes_by_themselves_go_alone() {
        assert_eq!(batches(&[(1, 10), (1, 2 * MOST_BYTES), (1, 10)]), [1, 1, 1]);
    }
}
