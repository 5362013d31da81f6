//! Reading what nobody is to see: from a pipe, or typed without an echo.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use anyhow::Context;
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

use crate::failure::{Failure, Kind};

/// More than any secret may have, and little enough to be read whole.
const MOST_BYTES: u64 = 64 << 10;

const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACES: [u8; 2] = [8, 127];
const KILL_LINE: u8 = 21;

/// The whole of stdin without the newline at its end, or a line that is asked for.
pub fn read(question: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let bytes = if stdin.is_terminal() {
        ask(question)?
    } else {
        let mut bytes = Vec::new();
        let read = stdin.lock().take(MOST_BYTES + 1).read_to_end(&mut bytes);
        read.context("cannot read stdin")?;
        bytes
    };
    text(bytes)
}

/// The bytes as a value. What they are is never part of an error.
fn text(mut bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() as u64 > MOST_BYTES {
        let error = anyhow::anyhow!("a secret cannot be longer than {MOST_BYTES} bytes");
        return Err(Failure::new(Kind::Refused, error));
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Failure::mistake("the secret is empty"));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::mistake("the secret is not text").hint("encode it first, for example by base64")
    })
}

/// The terminal as it was before, which is restored whatever happens.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn begin() -> Result<Self, Failure> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(stdin.as_fd()).context("cannot look at the terminal")?;
        let mut quiet = before.clone();
        // Ctrl-C comes as a letter, too: by a signal the terminal would stay silent.
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        quiet.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        quiet.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        termios::tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &quiet)
            .context("cannot silence the terminal")?;
        Ok(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.before);
    }
}

fn ask(question: &str) -> Result<Vec<u8>, Failure> {
    // Silent before it asks: what is typed at once is not to be lost or seen.
    let quiet = Quiet::begin()?;
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question}: ").and_then(|()| stderr.flush());
    let line = line(io::stdin().lock());
    drop(quiet);
    let _ = writeln!(stderr);
    line
}

/// One line of keys as they are pressed.
fn line(keys: impl BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    for key in keys.bytes() {
        match key.context("cannot read the terminal")? {
            b'\r' | b'\n' | END => break,
            INTERRUPT => {
                let error = anyhow::anyhow!("interrupted");
                return Err(Failure::new(Kind::Interrupted, error));
            }
            KILL_LINE => line.clear(),
            key if BACKSPACES.contains(&key) => {
                // A letter may have several bytes.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key if line.len() as u64 <= MOST_BYTES => line.push(key),
            _ => {}
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_a_line() {
        for (keys, expected) in [
            ("abc\nd", "abc"),
            ("ab\u{7f}c\r", "ac"),
            ("\u{e9}\u{8}x\n", "x"),
            ("\u{8}abc\u{15}d", "d"),
            ("ab\u{4}c", "ab"),
        ] {
            assert_eq!(line(keys.as_bytes()).unwrap(), expected.as_bytes());
        }
        let stopped = line(&b"ab\x03"[..]).unwrap_err();
        assert_eq!(stopped.kind, Kind::Interrupted);
    }

    #[test]
    fn one_newline_at_the_end_is_not_part_of_a_secret() {
        for (bytes, expected) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a ", " a "),
        ] {
            assert_eq!(text(bytes.into()).unwrap(), expected);
        }
        for bytes in [vec![], b"\n".to_vec(), vec![0xff], vec![b'x'; 70_000]] {
            let said = text(bytes).unwrap_err().to_string();
            assert!(!said.contains("xx"), "{said}");
        }
    }
}
