//! A server for one request, which is JSON.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// Answers one request with `status`; gives its own address, and what it was sent once it has answered.
pub(crate) fn one_answer(status: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("the listener is bound"));
    let request = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("the command connects");
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while !text.ends_with(['}', ']']) {
            let count = peer.read(&mut bytes).expect("the command sends");
            assert_ne!(count, 0, "the request ended early: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        write!(peer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .expect("the command listens");
        text
    });
    (url, request)
}
