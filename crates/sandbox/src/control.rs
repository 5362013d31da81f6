//! Messages with file descriptors over Unix sockets: between the engine, the
//! helper and the guests. One packet is one message.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// More than any description of a jail needs.
const MESSAGE_BYTES: usize = 128 * 1024;
const MESSAGE_FDS: usize = 8;
/// What an unprivileged process can make a pipe hold.
const LARGEST_PIPE: usize = 1024 * 1024;

/// The engine's end of a control socket.
#[derive(Debug)]
pub struct Control {
    fd: AsyncFd<OwnedFd>,
}

impl Control {
    /// A connected pair: ours, and the other side's.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        set_nonblocking(&ours)?;
        // SAFETY: the owned descriptor stays open as long as the `AsyncFd` lives.
        let fd = unsafe { AsyncFd::register(ours)? };
        Ok((Self { fd }, theirs))
    }

    pub async fn send(&self, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
        self.fd
            .async_io(Interest::WRITABLE, |fd| send(fd.as_fd(), bytes, fds))
            .await
    }

    /// The next message; an empty one means that the other side is gone.
    pub async fn receive(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        self.fd
            .async_io(Interest::READABLE, |fd| receive(fd.as_fd()))
            .await
    }
}

/// The engine's end of a pipe into which instances write their log.
#[derive(Debug)]
pub struct LogPipe {
    fd: AsyncFd<OwnedFd>,
}

impl LogPipe {
    /// Our end to read and the instance's end to write.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        set_nonblocking(&read)?;
        // SAFETY: the owned descriptor stays open as long as the `AsyncFd` lives.
        let fd = unsafe { AsyncFd::register_with_interest(read, Interest::READABLE)? };
        Ok((Self { fd }, write))
    }

    /// Waits until there is something to read, then reads it. Zero is the end.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fd
            .async_io(Interest::READABLE, |fd| {
                nix::unistd::read(fd, buffer).map_err(io::Error::from)
            })
            .await
    }

    /// Takes what is there now. Bounded by what a pipe can hold: a writer that
    /// goes on must not keep the reader for ever.
    pub fn drain(&self, mut take: impl FnMut(&[u8])) {
        let mut chunk = [0; 4096];
        for _ in 0..LARGEST_PIPE / chunk.len() {
            match self.read_now(&mut chunk) {
                Some(count) => take(&chunk[..count]),
                None => return,
            }
        }
    }

    /// Reads what is there now, without waiting and whatever the runtime's
    /// poller has seen so far: `None` where the pipe is empty or at its end.
    pub fn read_now(&self, buffer: &mut [u8]) -> Option<usize> {
        match nix::unistd::read(self.fd.get_ref(), buffer) {
            Ok(0) | Err(_) => None,
            Ok(count) => Some(count),
        }
    }
}

pub(crate) fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights };
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; MESSAGE_BYTES];
    let mut space = nix::cmsg_space!([RawFd; MESSAGE_FDS]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            for fd in received {
                // SAFETY: the kernel just made this descriptor for us.
                fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    let count = message.bytes;
    bytes.truncate(count);
    Ok((bytes, fds))
}
