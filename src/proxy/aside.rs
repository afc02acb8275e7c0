//! Two futures in one task, of which the one aside is polled only when it was woken itself.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// Which of the two ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended<M, A> {
    Main(M),
    Aside(A),
}

/// Runs until `main` or `aside` ends; the first goes first. A connection is woken several times for each exchange, and
/// its timers and tokens, asked as often, would cost more than the framing of a head. Both must stay in one task.
pub(super) async fn first_of<M, A>(mut main: Pin<&mut M>, mut aside: Pin<&mut A>) -> Ended<M::Output, A::Output>
where
    M: Future,
    A: Future,
{
    let woken = Arc::new(Woken {
        is_woken: AtomicBool::new(true),
        task: OnceLock::new(),
    });
    let waker = Waker::from(Arc::clone(&woken));
    poll_fn(|cx| {
        woken.task.get_or_init(|| cx.waker().clone());
        if let Poll::Ready(output) = main.as_mut().poll(cx) {
            return Poll::Ready(Ended::Main(output));
        }
        if !woken.is_woken.swap(false, AcqRel) {
            return Poll::Pending;
        }
        aside.as_mut().poll(&mut Context::from_waker(&waker)).map(Ended::Aside)
    })
    .await
}

/// The waker of the one aside: notes that it was it, and wakes the task.
struct Woken {
    is_woken: AtomicBool,
    task: OnceLock<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Release);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn the_one_aside_is_polled_when_it_is_woken_and_not_oftener() {
        let (told, mut heard) = tokio::sync::oneshot::channel();
        let (mut main_polls, mut aside_polls, mut told) = (0, 0, Some(told));
        let main = poll_fn(|cx| {
            main_polls += 1;
            match told.take_if(|_| main_polls == 100) {
                Some(told) => told.send(()).expect("it is waited for"),
                None => cx.waker().wake_by_ref(),
            }
            Poll::<()>::Pending
        });
        let aside = poll_fn(|cx| {
            aside_polls += 1;
            Pin::new(&mut heard).poll(cx)
        });
        assert_eq!(first_of(pin!(main), pin!(aside)).await, Ended::Aside(Ok(())));
        assert_eq!((main_polls, aside_polls), (100, 2));
    }

    #[tokio::test]
    async fn the_main_one_goes_first() {
        let (main, aside) = (std::future::ready(1), std::future::ready(2));
        assert_eq!(first_of(pin!(main), pin!(aside)).await, Ended::Main(1));
    }
}
