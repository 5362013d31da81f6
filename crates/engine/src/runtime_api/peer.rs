//! Who is at the other end of a connection. All functions share the machine's
//! loopback, so a port alone keeps no secret: the connecting socket must belong
//! to a process of the instance.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

/// The kernel's lists of sockets and of children are not snapshots: read while
/// others come and go they can miss an entry. So a stranger is looked at again.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Decides over connections to one instance's Runtime API.
#[derive(Debug, Clone)]
pub(crate) enum PeerCheck {
    /// The listener is inside the instance's own network: nobody else is there.
    OwnNetwork,
    /// Lets in the processes below this one, once it is known.
    Tree(watch::Receiver<Option<i32>>),
}

impl PeerCheck {
    /// To be told the instance's process when it has started.
    pub(crate) fn tree() -> (Self, watch::Sender<Option<i32>>) {
        let (sender, receiver) = watch::channel(None);
        (Self::Tree(receiver), sender)
    }

    /// A program may connect before the engine has heard that it runs.
    pub(crate) async fn admits(mut self, peer: SocketAddr, own: SocketAddr) -> bool {
        let root = match &mut self {
            Self::OwnNetwork => return true,
            Self::Tree(root) => match root.wait_for(Option::is_some).await {
                Ok(root) => *root,
                Err(_) => None,
            },
        };
        let Some(root) = root else {
            return false;
        };
        for _ in 0..LOOKS {
            // Reads `/proc`, once for each connection.
            let known = tokio::task::spawn_blocking(move || belongs_to(root, peer, own));
            if known.await.unwrap_or(false) {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }
}

fn belongs_to(root: i32, peer: SocketAddr, own: SocketAddr) -> bool {
    socket_inode(peer, own).is_some_and(|inode| {
        sandbox::process_tree(root)
            .into_iter()
            .any(|pid| holds(pid, inode))
    })
}

/// The inode of the socket at the other end of a connection: both addresses
/// count, as one port can be in use towards several others.
fn socket_inode(peer: SocketAddr, own: SocketAddr) -> Option<u64> {
    let (peer, own) = (kernel_form(peer)?, kernel_form(own)?);
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let matches = fields.next()? == peer && fields.next()? == own;
        matches.then(|| fields.nth(6)?.parse().ok())?
    })
}

/// An address as `/proc/net/tcp` writes it.
fn kernel_form(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let host = u32::from_le_bytes(address.ip().octets());
    Some(format!("{host:08X}:{:04X}", address.port()))
}

fn holds(pid: i32, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_socket_is_found_with_its_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, address) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        let inode = socket_inode(peer, address).unwrap();
        assert_eq!(socket_inode(peer, peer), None);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(holds(own, inode));
        assert!(!holds(1, inode));
        let (check, root) = PeerCheck::tree();
        root.send(Some(own)).unwrap();
        assert!(check.clone().admits(peer, address).await);
        // A process that is not there holds nothing.
        root.send(Some(i32::MAX)).unwrap();
        assert!(!check.admits(peer, address).await);
    }
}
