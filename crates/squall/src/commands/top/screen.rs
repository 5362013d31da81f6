//! The terminal while it shows frames: another screen, no cursor, keys without an echo.
//! However it ends, it is left as it was found.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use anyhow::Context;
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::output;

/// Another screen, without its cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// What lies between is shown at once, by terminals that know it; others skip it.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";
/// Where a terminal does not say how large it is.
const USUAL: (usize, usize) = (80, 24);

const INTERRUPT: u8 = 3;
/// Ctrl-D.
const CLOSE: u8 = 4;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Enough,
    /// Another size of the screen, or a key that means nothing.
    Other,
}

pub struct Screen {
    _left: Left,
    keys: mpsc::Receiver<u8>,
    resized: Signal,
    ends: [Signal; 3],
}

/// Leaves the terminal as it was, also when the program breaks.
struct Left {
    before: Option<Termios>,
}

impl Drop for Left {
    fn drop(&mut self) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(LEAVE.as_bytes());
        let _ = stdout.flush();
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, before);
        }
    }
}

impl Screen {
    pub fn open() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let ends = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ];
        let resized = listen(SignalKind::window_change())?;
        let before = if io::stdin().is_terminal() {
            Some(silence()?)
        } else {
            None
        };
        let has_keys = before.is_some();
        let left = Left { before };
        output::bytes(ENTER.as_bytes())?;
        Ok(Self {
            keys: keys(has_keys),
            _left: left,
            resized,
            ends,
        })
    }

    /// What happens next at the terminal.
    pub async fn next(&mut self) -> Seen {
        let [interrupt, terminate, hangup] = &mut self.ends;
        tokio::select! {
            Some(key) = self.keys.recv() => match key {
                b'q' | b'Q' | INTERRUPT | CLOSE => Seen::Enough,
                _ => Seen::Other,
            },
            _ = self.resized.recv() => Seen::Other,
            _ = interrupt.recv() => Seen::Enough,
            _ = terminate.recv() => Seen::Enough,
            _ = hangup.recv() => Seen::Enough,
        }
    }
}

/// Width and height.
pub fn size() -> (usize, usize) {
    match console::Term::stdout().size_checked() {
        Some((height, width)) if height > 0 && width > 0 => (width.into(), height.into()),
        _ => USUAL,
    }
}

/// Shows a frame in the place of the one before, without emptying the screen between.
pub fn draw(frame: &str) -> Result<(), Failure> {
    let mut text = String::with_capacity(frame.len() + 256);
    text.push_str(BEGIN);
    let frame = frame.strip_suffix('\n').unwrap_or(frame);
    for (number, line) in frame.split('\n').enumerate() {
        if number > 0 {
            text.push_str("\r\n");
        }
        text.push_str(line);
        text.push_str("\x1b[K");
    }
    text.push_str(END);
    Ok(output::bytes(text.as_bytes())?)
}

/// Keys come one by one and are not shown, nor do they stop the program where it stands.
fn silence() -> Result<Termios, Failure> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(stdin.as_fd()).context("cannot look at the terminal")?;
    let mut quiet = before.clone();
    quiet
        .local_flags
        .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    quiet.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    quiet.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    termios::tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &quiet)
        .context("cannot silence the terminal")?;
    Ok(before)
}

/// The keys that are pressed. The thread waits for the next one when all is over, and ends
/// with the program.
fn keys(has_keys: bool) -> mpsc::Receiver<u8> {
    let (sender, receiver) = mpsc::channel(16);
    if has_keys {
        std::thread::spawn(move || {
            for byte in io::stdin().lock().bytes() {
                let Ok(byte) = byte else {
                    return;
                };
                if sender.blocking_send(byte).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
