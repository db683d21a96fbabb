//! What many callers want at once goes to the server together: jobs, events, or what an application's own script takes. A round trip costs as
//! much as the work on a hundred of them, so while two are under way, who comes waits, and all that wait go in the next one. A lone caller
//! waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Arg, Cmd};
use tokio::sync::oneshot;

use super::answer::texts;
use super::connection::Link;
use super::scripts::{BATCH, Call};
use crate::error::{Error, Result};

/// One that is executed and one that is put together meanwhile.
const UNDER_WAY: usize = 2;
/// No more bytes go together: others wait while the server reads them.
const MOST_BYTES: usize = 1 << 20;

/// See the module.
pub(super) struct Intake {
    link: Arc<Link>,
    /// What a call of the script begins with; it takes how many items follow, and they, and answers one text for each.
    begin: Box<dyn Fn() -> Call + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    items: Items,
    answer: oneshot::Sender<Result<Vec<String>>>,
}

/// Items of one caller, as the script reads them.
pub(super) struct Items {
    pub(super) count: usize,
    pub(super) strings: Vec<Cmd>,
}

impl Items {
    fn bytes(&self) -> usize {
        let args = self.strings.iter().flat_map(Cmd::args_iter);
        let lengths = args.map(|arg| match arg {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        });
        lengths.sum()
    }
}

/// The right to send. Whoever waits when it ends is sent next.
struct Turn(Arc<Intake>);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
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

impl Intake {
    pub(super) fn new(
        link: Arc<Link>,
        begin: impl Fn() -> Call + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            begin: Box::new(begin),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what one caller brings in, at most [`BATCH`] items, in one step with what others bring. Cancel safe: all of it is taken in, or
    /// nothing.
    pub(super) async fn take_in(self: &Arc<Self>, items: Items) -> Result<Vec<String>> {
        let waits = {
            let mut state = self.state();
            if state.under_way < UNDER_WAY {
                state.under_way += 1;
                Err(items)
            } else {
                let (answer, waits) = oneshot::channel();
                state.waiting.push_back(Waiting { items, answer });
                Ok(waits)
            }
        };
        match waits {
            Err(items) => {
                let _turn = Turn(self.clone());
                self.send(&[&items]).await
            }
            Ok(answer) => answer
                .await
                .unwrap_or_else(|_| Err(Error::store("the runtime ended before Redis answered"))),
        }
    }

    /// The call that takes all of them in.
    pub(super) fn call<'a>(&self, items: impl IntoIterator<Item = &'a Items> + Clone) -> Call {
        let count: usize = items.clone().into_iter().map(|one| one.count).sum();
        let strings = items.into_iter().flat_map(|one| &one.strings);
        strings.fold((self.begin)().arg(count), Call::append)
    }

    /// The answers come in the same order.
    async fn send(&self, items: &[&Items]) -> Result<Vec<String>> {
        texts(self.link.call(self.call(items.iter().copied())).await?)
    }
}

/// Holds a turn until nobody waits.
async fn send_waiting(intake: Arc<Intake>) {
    loop {
        let batch = {
            let mut state = intake.state();
            let batch = next_batch(&mut state.waiting);
            if batch.is_empty() {
                state.under_way -= 1;
                return;
            }
            batch
        };
        let items: Vec<_> = batch.iter().map(|one| &one.items).collect();
        let mut answers = intake.send(&items).await;
        for one in batch {
            let own = match &mut answers {
                Ok(answers) => Ok(answers
                    .drain(..one.items.count.min(answers.len()))
                    .collect()),
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
        count += next.items.count;
        bytes += next.items.bytes();
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
            let items = Items {
                count: *count,
                strings: vec![strings],
            };
            let answer = oneshot::channel().0;
            Waiting { items, answer }
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
    fn a_batch_is_bounded_by_items_and_by_bytes() {
        assert_eq!(batches(&[(1, 10); 64]), [64]);
        assert_eq!(batches(&[(400, 10); 5]), [2, 2, 1]);
        assert_eq!(batches(&[(1, MOST_BYTES / 2); 3]), [2, 1]);
    }

    #[test]
    fn what_is_too_many_bytes_by_itself_goes_alone() {
        assert_eq!(batches(&[(1, 10), (1, 2 * MOST_BYTES), (1, 10)]), [1, 1, 1]);
    }
}
