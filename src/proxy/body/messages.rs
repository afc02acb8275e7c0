//! A body of many messages, each read and reported by itself, where an exchange has left HTTP for them.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;

use super::super::connection::BoxError;
use super::super::driver::MakeInspector;
use super::{InspectedBody, Released};

impl<B> InspectedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The exchange carries messages from here on, each read by an inspector that `make` makes.
    pub(in crate::proxy) fn carry_messages(&mut self, make: MakeInspector) {
        self.source = None;
        self.vigil.waive_deadline();
        self.driver.carry_messages(make, self.clock.now());
    }

    /// Whether something in it was refused.
    pub(in crate::proxy) fn is_denied(&self) -> bool {
        self.driver.outcome().denial.is_some()
    }

    /// A piece of the message under way, where the exchange carries messages; [`Self::poll_message`] until it was read.
    pub(in crate::proxy) fn feed(&mut self, piece: Bytes) {
        self.driver.input(piece, self.clock.now());
    }

    /// What leaves of the message under way; with `ended`, to its end.
    pub(in crate::proxy) fn poll_message(&mut self, ended: bool, cx: &mut Context<'_>) -> Poll<Released> {
        self.poll_released(cx, |this, _, now| {
            if this.driver.go_on(now) {
                return Poll::Ready(true);
            }
            if ended {
                this.driver.finish(now);
            }
            Poll::Ready(ended)
        })
    }

    /// The message has left whole, and is reported; the next one is another body.
    pub(in crate::proxy) fn next_message(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.tell_body(&mut self.driver);
        }
        self.driver.next_message(self.clock.now());
    }

    /// Counts who is in what stands beside the messages: false if it is to be left out, `None` if the exchange ends for it.
    /// It leaves once [`Self::poll_leaving`] says so.
    pub(in crate::proxy) fn count_aside(&mut self, text: &[u8]) -> Option<bool> {
        self.driver.hand_over_aside(text, self.clock.now())
    }

    /// The other side of the same exchange was refused, and this ends with it: that side reports it.
    pub(in crate::proxy) fn ends_beside(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.is_beside = true;
        }
    }
}
