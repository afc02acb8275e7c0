//! The terminal of `top`: keys as they are pressed, and a screen of its own that is given back whatever ends it.

use std::io::{self, IsTerminal as _, Read as _, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

/// A screen of its own, without a cursor, on which long lines are cut; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// From the top left, over what is there; the rest of a line, and of the screen, is cleared.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\r\n";
const CLEAR_REST: &str = "\x1b[J";
/// Keys that wait to be looked at.
const KEYS_MAX: usize = 8;
/// Rows where the terminal does not say.
const ROWS_UNKNOWN: u16 = 24;

/// A terminal that is ours until it is dropped.
pub(super) struct Terminal {
    before: Termios,
    keys: mpsc::Receiver<u8>,
}

impl Terminal {
    /// Takes the terminal over; `None` where standard input or output is none.
    ///
    /// # Errors
    /// A terminal that cannot be set.
    pub(super) fn open() -> io::Result<Option<Self>> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut set = before.clone();
        // Keys come one by one and unseen; ^C stays a signal.
        set.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &set)?;
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        let terminal = Self { before, keys };
        // A read cannot be ended: the thread ends with the process.
        std::thread::Builder::new().name("keys".into()).spawn(move || {
            let bytes = io::stdin().lock().bytes();
            bytes.map_while(Result::ok).all(|key| sender.blocking_send(key).is_ok())
        })?;
        io::stdout().write_all(ENTER.as_bytes())?;
        Ok(Some(terminal))
    }

    /// The next key; `None` when there are no more.
    pub(super) async fn key(&mut self) -> Option<u8> {
        self.keys.recv().await
    }

    /// How many lines it shows.
    pub(super) fn rows() -> u16 {
        let size = tcgetwinsize(io::stdout()).ok().map(|size| size.ws_row);
        size.filter(|rows| *rows > 0).unwrap_or(ROWS_UNKNOWN)
    }

    /// Shows these lines, and nothing else.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn draw(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
        let shown = lines.get(..lines.len().min(usize::from(Self::rows()).saturating_sub(1)));
        let mut screen = HOME.to_owned();
        for line in shown.unwrap_or_default() {
            screen.extend([line.as_str(), CLEAR_LINE]);
        }
        screen.push_str(CLEAR_REST);
        out.write_all(screen.as_bytes())?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        drop(io::stdout().write_all(LEAVE.as_bytes()));
        drop(io::stdout().flush());
        tcsetattr(io::stdin(), OptionalActions::Now, &self.before).ok();
    }
}
