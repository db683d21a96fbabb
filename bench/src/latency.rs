//! A network between: a proxy that holds each direction back by a while, and lets everything else through as it comes.

#![allow(
    clippy::disallowed_methods,
    reason = "half a millisecond is finer than the library's clock of whole ones; threads, because tokio's timer is as coarse"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Listens on a free port and answers with it; lives as long as the program. `one_way` is how long a byte is on its way.
pub(crate) fn proxy_to(port: u16, one_way: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let own = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that cannot be made is closed again: the client sees it.
            let _ = join(client, port, one_way);
        }
    });
    Ok(own)
}

fn join(client: TcpStream, port: u16, one_way: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    carry(client.try_clone()?, server.try_clone()?, one_way);
    carry(server, client, one_way);
    Ok(())
}

/// One direction: a thread reads and notes the time, another one writes when it has come.
fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sent, arriving) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sent
                .send((Instant::now(), buffer[..count].to_vec()))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (at, bytes) in arriving {
            thread::sleep((at + one_way).saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
