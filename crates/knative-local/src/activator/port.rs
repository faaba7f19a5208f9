//! A free port for a process, held until the process has it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use tokio::net::TcpSocket;

use crate::config::FORBIDDEN_PORTS;

/// Below the ports that the kernel gives to outgoing connections: a probe that connects to a port of its own would
/// otherwise take itself for the server. And below 30000 to 32767, Kubernetes' node ports: where a cluster runs on this
/// machine, connections to those it has given away go to the cluster, whatever listens.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that no other program is given while this lives. The socket never listens, and lets a listener with
/// `SO_REUSEADDR` (every server's default) bind beside it.
pub(crate) struct Reservation {
    pub(super) port: u16,
    _socket: TcpSocket,
}

impl Reservation {
    /// Reserves this address, or with port 0 a free port of it, and gives the address that it is. What is left of connections to
    /// who listened there before is no hindrance.
    ///
    /// # Errors
    /// Where something listens there already.
    pub(crate) fn of(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        Self::bind(address, address.port() != 0)
    }

    /// One that is not given is taken only where nothing is bound or left.
    fn bind(address: SocketAddr, is_given: bool) -> io::Result<(Self, SocketAddr)> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(is_given)?;
        socket.bind(address)?;
        // Only now where any port will do: before, one that another process holds in this way would seem free.
        socket.set_reuseaddr(true)?;
        let bound = socket.local_addr()?;
        Ok((Self { port: bound.port(), _socket: socket }, bound))
    }
}

pub(super) fn reserve() -> io::Result<Reservation> {
    // Brokers that run side by side start at different places.
    let offset = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or_default();
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Relaxed).wrapping_add(offset) % COUNT;
        if FORBIDDEN_PORTS.contains(&port) {
            continue;
        }
        if let Ok((reservation, _)) = Reservation::bind((Ipv4Addr::UNSPECIFIED, port).into(), false) {
            return Ok(reservation);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port between 20000 and 29999 is free"))
}

#[cfg(test)]
mod tests {
    use super::reserve;

    #[tokio::test]
    async fn a_server_can_listen_on_a_reserved_port_and_a_second_reservation_cannot_have_it() {
        let reservation = reserve().unwrap();
        assert_ne!(reserve().unwrap().port, reservation.port);
        std::net::TcpListener::bind(("0.0.0.0", reservation.port)).unwrap();
    }
}
