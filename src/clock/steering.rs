//! How the clock is steered: moments of the monotonic and of the system's clock in, a line and what to tell out.
//!
//! Time is a line over the monotonic clock, whose slope is one but for a tenth. It never jumps but forwards by the word of
//! a person, and never goes backwards: who was shown to whom is forgotten by its age, and a hold ends by it.

/// A difference up to this is made up for silently.
const SILENT_MS_MAX: i64 = 5_000;
/// A difference up to this is made up for with an alert; beyond it a person is waited for.
const SLEWED_MS_MAX: i64 = 3_600_000;
/// So many thousandths of a second a second is longer or shorter at most while a difference is made up for.
const SLEW_PERMILLE_MAX: i64 = 100;
/// So near is level: the two clocks are not read at one moment.
const LEVEL_MS_MAX: i64 = 10;
/// Between the moment that a line was made for and the last moment at which a thread reads the one before it.
pub(super) const CHANGE_MS_MAX: u64 = 100;

/// How the gateway's time stands to that of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They agree, or nearly.
    Level,
    /// They do not, and time is slewed by a tenth until they do.
    Slewing,
    /// They are more than an hour apart: time follows the monotonic clock until a person accepts the system's.
    Waiting,
}

impl Standing {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Slewing => "slewing",
            Self::Waiting => "waiting",
        }
    }
}

/// What a look at both clocks said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Milliseconds by which the system's clock is ahead of the gateway's time.
    pub offset_ms: i64,
    /// What that is.
    pub standing: Standing,
    /// Whether it is to be told: the standing is another, or the system's clock jumped once more.
    pub is_news: bool,
}

/// Unix milliseconds over milliseconds of the monotonic clock: `base + elapsed + elapsed * permille / 1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    base_ms: i64,
    permille: i64,
}

impl Line {
    /// The moment at `elapsed_ms`.
    pub(super) const fn at(self, elapsed_ms: u64) -> i64 {
        let elapsed = elapsed_ms.cast_signed();
        self.base_ms + elapsed + slewed(elapsed, self.permille)
    }

    /// Both numbers as one, so that a reader needs no lock: the slope is a byte.
    pub(super) const fn pack(self) -> i64 {
        self.base_ms << 8 | self.permille & 0xff
    }

    /// The line of such a number.
    pub(super) const fn unpack(packed: i64) -> Self {
        Self {
            base_ms: packed >> 8,
            permille: packed as i8 as i64,
        }
    }

    /// The line that goes on from this one with another slope. Whoever still reads this one within [`CHANGE_MS_MAX`] was
    /// told nothing later: so a slower line begins a little above, and roundings are a millisecond.
    const fn turned(self, elapsed_ms: u64, permille: i64) -> Self {
        if permille == self.permille {
            return self;
        }
        let is_slower = permille < self.permille;
        let meets = elapsed_ms + if is_slower { CHANGE_MS_MAX } else { 0 };
        let elapsed = meets.cast_signed();
        Self {
            base_ms: self.at(meets) + 1 - elapsed - slewed(elapsed, permille),
            permille,
        }
    }
}

const fn slewed(elapsed_ms: i64, permille: i64) -> i64 {
    (elapsed_ms * permille).div_euclid(1000)
}

/// The state of steering, between looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steering {
    line: Line,
    standing: Standing,
    /// The system's clock less the monotonic one, at the last look.
    ahead_ms: i64,
    /// A difference backwards that a person accepted: it is slewed although it is more than an hour.
    accepted_ms: i64,
    offset_ms: i64,
}

impl Steering {
    /// Level at the beginning of the monotonic clock.
    pub(super) const fn new(system_ms: u64) -> Self {
        let base_ms = system_ms.cast_signed();
        Self {
            line: Line { base_ms, permille: 0 },
            standing: Standing::Level,
            ahead_ms: base_ms,
            accepted_ms: 0,
            offset_ms: 0,
        }
    }

    pub(super) const fn line(&self) -> Line {
        self.line
    }

    /// What the last look said.
    pub(super) const fn last(&self) -> Look {
        Look {
            offset_ms: self.offset_ms,
            standing: self.standing,
            is_news: false,
        }
    }

    /// A look at both clocks, once a second.
    pub(super) fn look(&mut self, elapsed_ms: u64, system_ms: u64) -> Look {
        let ahead_ms = system_ms.cast_signed() - elapsed_ms.cast_signed();
        let has_jumped = (ahead_ms - self.ahead_ms).abs() > SILENT_MS_MAX;
        self.ahead_ms = ahead_ms;
        self.offset_ms = system_ms.cast_signed() - self.line.at(elapsed_ms);
        let before = self.standing;
        self.standing = self.stands();
        if self.standing != Standing::Slewing {
            self.accepted_ms = 0;
        }
        let permille = match self.standing {
            Standing::Waiting => 0,
            Standing::Level if self.offset_ms.abs() <= LEVEL_MS_MAX => 0,
            // A second is until the next look: what is less than a tenth of it is made up for by then.
            Standing::Level | Standing::Slewing => self.offset_ms.clamp(-SLEW_PERMILLE_MAX, SLEW_PERMILLE_MAX),
        };
        self.line = self.line.turned(elapsed_ms, permille);
        Look {
            is_news: has_jumped || before != self.standing,
            ..self.last()
        }
    }

    const fn stands(&self) -> Standing {
        let apart = self.offset_ms.abs();
        let was_accepted =
            self.accepted_ms.signum() == self.offset_ms.signum() && apart <= self.accepted_ms.abs() + SILENT_MS_MAX;
        if apart <= SILENT_MS_MAX {
            Standing::Level
        } else if apart <= SLEWED_MS_MAX || was_accepted {
            Standing::Slewing
        } else {
            Standing::Waiting
        }
    }

    /// A person says that the system's clock is right. Forwards time jumps there, since it has passed; backwards it is
    /// slewed however long that takes, since time that was told stays told. `None` where nothing waits.
    pub(super) fn accept(&mut self, elapsed_ms: u64, system_ms: u64) -> Option<Look> {
        let before = *self;
        self.look(elapsed_ms, system_ms);
        if self.standing != Standing::Waiting {
            // What this look saw is still to be told by the next.
            *self = before;
            return None;
        }
        if self.offset_ms > 0 {
            self.line.base_ms += self.offset_ms;
        } else {
            self.accepted_ms = self.offset_ms;
        }
        self.look(elapsed_ms, system_ms);
        Some(Look {
            is_news: true,
            ..self.last()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_780_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Both clocks, and the time that was told last.
    struct Machine {
        steering: Steering,
        elapsed: u64,
        system: i64,
        told: i64,
    }

    impl Machine {
        fn new() -> Self {
            Self {
                steering: Steering::new(START),
                elapsed: 0,
                system: START.cast_signed(),
                told: START.cast_signed(),
            }
        }

        /// The gateway's time now, which must not be before what was told.
        fn now(&mut self) -> i64 {
            let now = Line::unpack(self.steering.line().pack()).at(self.elapsed);
            assert!(now >= self.told, "{} back", self.told - now);
            self.told = now;
            now
        }

        /// So many seconds pass, and with each a look; how often something was told, and what came of it.
        fn pass(&mut self, seconds: u64) -> (usize, Look) {
            let mut told = 0;
            for _ in 0..seconds {
                let before = self.now();
                self.elapsed += 1_000;
                self.system += 1_000;
                let passed = self.now() - before;
                assert!((900..=1_111).contains(&passed), "{passed} ms");
                told += usize::from(self.steering.look(self.elapsed, self.system.cast_unsigned()).is_news);
            }
            self.now();
            (told, self.steering.last())
        }

        fn offset(&mut self) -> i64 {
            self.system - self.now()
        }
    }

    #[test]
    fn a_jump_is_slewed_by_a_tenth_told_once_and_waits_beyond_an_hour() {
        // The jump; what it is called, how often that is told, and after how many seconds nothing is left of it.
        let cases = [
            ("nothing", 0, Standing::Level, 0, 1),
            ("a little drift", 40, Standing::Level, 0, 2),
            ("a little drift backwards", -300, Standing::Level, 0, 5),
            ("as much as is silent", 5_000, Standing::Level, 0, 55),
            ("forwards", 60_000, Standing::Slewing, 1, 610),
            ("backwards", -60_000, Standing::Slewing, 1, 610),
            ("an hour", HOUR, Standing::Slewing, 1, 36_100),
            ("more than an hour", HOUR + 10, Standing::Waiting, 1, 0),
            ("a night", 9 * HOUR, Standing::Waiting, 1, 0),
            ("back by a year", -8_760 * HOUR, Standing::Waiting, 1, 0),
        ];
        for (what, jump, standing, times, seconds) in cases {
            let mut machine = Machine::new();
            machine.pass(10);
            machine.system += jump;
            let (told, look) = machine.pass(1);
            assert_eq!((told, look.standing), (times, standing), "{what}");
            assert!((look.offset_ms - jump).abs() < 10, "{what}: {look:?}");
            if seconds == 0 {
                let (told, look) = machine.pass(1_000);
                assert!(told == 0 && (look.offset_ms - jump).abs() < 10, "{what}: {look:?}");
                continue;
            }
            let (told, look) = machine.pass(seconds);
            assert_eq!((told, look.standing), (times, Standing::Level), "{what}: {look:?}");
            let left = machine.offset();
            assert!(left.abs() <= 2 * LEVEL_MS_MAX, "{what}: {left} ms are left");
        }
    }

    #[test]
    fn a_resumed_machine_is_a_jump_forwards() {
        let mut machine = Machine::new();
        machine.pass(5);
        // The monotonic clock stands still while a machine is suspended.
        machine.system += 20 * 60_000;
        let (told, look) = machine.pass(1);
        assert_eq!((told, look.standing), (1, Standing::Slewing));
        // What was shown a second before is not forgotten by a window of a minute.
        let at_once = machine.now();
        assert!(at_once - START.cast_signed() <= 6_111, "{at_once}");
    }

    #[test]
    fn two_jumps_in_a_row_add_up_and_are_told_each() {
        let mut machine = Machine::new();
        machine.system += 40 * 60_000;
        assert_eq!(machine.pass(1).0, 1);
        machine.system += 10 * 60_000;
        let (told, look) = machine.pass(1);
        assert_eq!((told, look.standing), (1, Standing::Slewing));
        machine.system += 30 * 60_000;
        let (told, look) = machine.pass(1);
        assert_eq!(
            (told, look.standing),
            (1, Standing::Waiting),
            "together more than an hour"
        );
        machine.system -= 80 * 60_000;
        let (told, look) = machine.pass(3);
        assert_eq!((told, look.standing), (1, Standing::Level), "it was set right again");
    }

    #[test]
    fn what_is_accepted_jumps_forwards_at_once_and_is_slewed_backwards() {
        let mut machine = Machine::new();
        assert_eq!(machine.steering.accept(0, START), None, "nothing waits");
        machine.system += 9 * HOUR;
        machine.pass(1);
        let accepted = machine.steering.accept(machine.elapsed, machine.system.cast_unsigned());
        let accepted = accepted.expect("it waited");
        assert_eq!(
            (accepted.standing, accepted.offset_ms, accepted.is_news),
            (Standing::Level, 0, true)
        );
        assert!(machine.offset().abs() <= 1);

        let mut machine = Machine::new();
        machine.system -= 2 * HOUR;
        machine.pass(1);
        let accepted = machine.steering.accept(machine.elapsed, machine.system.cast_unsigned());
        assert_eq!(accepted.map(|look| look.standing), Some(Standing::Slewing));
        let (told, look) = machine.pass(3_600);
        assert_eq!((told, look.standing), (0, Standing::Slewing));
        assert!((look.offset_ms + 2 * HOUR - 360_000).abs() < 1_000, "a tenth: {look:?}");
        machine.system -= HOUR;
        let (told, look) = machine.pass(1);
        assert_eq!(
            (told, look.standing),
            (1, Standing::Waiting),
            "another jump was not accepted"
        );
    }

    #[test]
    fn a_line_is_one_number() {
        for (base_ms, permille) in [
            (START.cast_signed(), 0),
            (START.cast_signed(), -100),
            (-5, 100),
            (0, -1),
        ] {
            let line = Line { base_ms, permille };
            assert_eq!(Line::unpack(line.pack()), line);
        }
    }

    proptest! {
        /// Whatever the system's clock does, and however late a thread hears of a new line.
        #[test]
        fn time_never_goes_backwards_and_never_faster_than_by_a_tenth(
            steps in prop::collection::vec((-10_000_000_i64..10_000_000, 1_u64..5_000, 0..CHANGE_MS_MAX), 1..60),
        ) {
            let mut steering = Steering::new(START);
            let (mut elapsed, mut told) = (0, START.cast_signed());
            for (jump, pause, late) in steps {
                let old = steering.line();
                elapsed += pause;
                let system = START.cast_signed() + elapsed.cast_signed() + jump;
                steering.look(elapsed, system.cast_unsigned());
                for (line, at) in [(old, elapsed), (old, elapsed + late), (steering.line(), elapsed + late)] {
                    prop_assert!(line.at(at) >= told, "{} back", told - line.at(at));
                    told = line.at(at);
                }
                elapsed += late;
            }
            // Each of at most 60 changes may add what a slower line begins above.
            let most = START.cast_signed() + elapsed.cast_signed() * 11 / 10 + 60 * 25;
            prop_assert!(told <= most, "{} ahead", told - most);
        }
    }
}
