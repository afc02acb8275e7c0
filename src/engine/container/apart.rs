//! Formats whose readers may run apart, in a process of their own: what such a reader is asked and tells. What it tells is bounded
//! like all that comes of a container, whoever it is.

use super::Told;
use super::meter::Meter;
pub use super::meter::{Fault, Limits, Used};
use super::unpack::Unpacker;
use crate::engine::structure::Declared;

/// What a reader is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Order<'b> {
    /// To read more of its file.
    Push(&'b [u8]),
    /// To read its end.
    Finish,
}

/// What a reader tells of its file.
#[derive(Clone, Copy)]
pub enum Said<'t> {
    /// Another text begins.
    Begin(Declared),
    /// More of it.
    Text(&'t [u8]),
}

/// Where a reader stands after an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// All that was read was told.
    pub is_drained: bool,
    /// How many bytes more it is drained behind, where that is known.
    pub wanted: Option<u32>,
    /// What was used of the body's limits by then.
    pub used: Used,
}

/// Who is told.
pub type Hears<'h> = &'h mut dyn FnMut(Said<'_>) -> Result<(), Fault>;

/// Lends readers that run apart.
pub trait Apart: Send + Sync {
    /// A reader for the file at this level, with these limits.
    ///
    /// # Errors
    /// When none is to be had.
    fn open(&self, level: u32, limits: Limits) -> Result<Box<dyn Session>, Fault>;
}

/// A reader of one file. It waits for its answer, for at most as long as it has been given.
pub trait Session: Send {
    /// Carries out an order. The limits are those of the whole body, of which this much was `used` before.
    ///
    /// # Errors
    /// When the file cannot be read further, or the reader is gone.
    fn ask(&mut self, order: Order<'_>, used: Used, hears: Hears<'_>) -> Result<Standing, Fault>;
}

/// The other side of a session: reads the file, in whatever process this is.
pub struct Reading {
    unpacker: Unpacker,
    meter: Meter,
}

impl Reading {
    /// Of a file at this level.
    pub fn new(level: u32, limits: Limits) -> Self {
        Self {
            unpacker: Unpacker::new(level),
            meter: Meter::new(limits),
        }
    }

    /// Carries out an order, behind what was `used` of the body's limits before.
    ///
    /// # Errors
    /// When the file cannot be read further, or `hears` takes no more.
    pub fn answer(&mut self, order: Order<'_>, used: Used, hears: Hears<'_>) -> Result<Standing, Fault> {
        self.meter.goes_on(used);
        let mut mouth = Mouth {
            hears,
            meter: &mut self.meter,
            fault: None,
        };
        let mut told = Told { texts: &mut mouth };
        let read = match order {
            Order::Push(bytes) => self.unpacker.push(bytes, &mut told),
            Order::Finish => self.unpacker.finish(&mut told),
        };
        mouth.fault.map_or(read, Err)?;
        Ok(Standing {
            is_drained: self.unpacker.is_drained(),
            wanted: self.unpacker.wanted().and_then(|wanted| u32::try_from(wanted).ok()),
            used: self.meter.used(),
        })
    }
}

/// Passes on what is told.
struct Mouth<'m> {
    hears: Hears<'m>,
    meter: &'m mut Meter,
    /// Nobody hears any more.
    fault: Option<Fault>,
}

impl Mouth<'_> {
    fn say(&mut self, said: Said<'_>) {
        if self.fault.is_none() {
            self.fault = (self.hears)(said).err();
        }
    }
}

impl super::Texts for Mouth<'_> {
    fn begin(&mut self, declared: Declared) {
        self.say(Said::Begin(declared));
    }

    fn text(&mut self, text: &[u8]) {
        self.say(Said::Text(text));
    }

    fn meter(&mut self) -> &mut Meter {
        self.meter
    }
}

/// A file that is read by a session.
pub(super) struct Foreign {
    /// None once it has ended: whoever waits for more of the body keeps no process from others.
    session: Option<Box<dyn Session>>,
    standing: Standing,
}

impl Foreign {
    pub(super) fn new(session: Box<dyn Session>) -> Self {
        let standing = Standing {
            is_drained: true,
            ..Standing::default()
        };
        Self {
            session: Some(session),
            standing,
        }
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.standing.is_drained
    }

    pub(super) fn wanted(&self) -> Option<usize> {
        self.standing.wanted.map(|wanted| wanted as usize)
    }

    pub(super) fn ask(&mut self, order: Order<'_>, told: &mut Told<'_>) -> Result<(), Fault> {
        let used = told.meter().used();
        let mut hears = |said: Said<'_>| match said {
            Said::Begin(declared) => {
                told.begin(declared);
                Ok(())
            }
            Said::Text(text) => told.text(text),
        };
        let session = self.session.as_mut().ok_or(Fault::Isolation)?;
        let answer = session.ask(order, used, &mut hears);
        if answer.is_err() || matches!(order, Order::Finish) {
            self.session = None;
        }
        self.standing = answer?;
        // Not all that came of the file was told; what was read of the body is known here, whatever the reader says.
        told.meter().goes_on(Used {
            read: used.read,
            ..self.standing.used
        });
        Ok(())
    }
}
