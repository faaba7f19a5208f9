//! A service for the tests: ends with its first request, whose connection a child of it still holds.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("0.0.0.0", port.unwrap_or(0)))?;
    for connection in listener.incoming() {
        let connection = connection?;
        // The readiness probe says nothing.
        if connection.peek(&mut [0])? > 0 {
            // It ends when the other side closes the connection.
            Command::new("cat").stdin(OwnedFd::from(connection)).stdout(Stdio::null()).spawn()?;
            return Ok(());
        }
    }
    Ok(())
}
