//! What stands in for other ends of the network: a relay that makes every request wait on its way, as a far or busy Label Studio
//! does, and a server that answers at once and does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Listens until it is dropped.
pub struct SlowWay {
    pub url: String,
    /// Milliseconds before each request.
    delay: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl SlowWay {
    /// To the server at `url`, without any delay yet.
    pub async fn to(url: &str) -> Self {
        let delay = Arc::new(AtomicU64::new(0));
        let before_each = Arc::clone(&delay);
        let target = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, delay) = (target.clone(), Arc::clone(&before_each));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        relay(client, server, &delay).await;
                    }
                });
            }
        });
        Self { url: format!("http://{address}"), delay, listening }
    }

    /// From now on each request waits so long.
    pub fn slow_down(&self, delay: Duration) {
        self.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

/// Takes whatever it is told. Listens until it is dropped.
pub struct Idle {
    pub url: String,
    listening: JoinHandle<()>,
}

impl Idle {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(answer(client));
            }
        });
        Self { url: format!("http://{address}"), listening }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Answers one request when all of it is there.
async fn answer(mut client: TcpStream) {
    let (mut request, mut part) = (Vec::new(), vec![0; 65_536]);
    while !is_whole(&request) {
        match client.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => request.extend_from_slice(&part[..bytes]),
        }
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let _ = client.write_all(answer.as_bytes()).await;
}

/// Whether a request is there with its body, by its `Content-Length`.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}

impl Drop for SlowWay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The first bytes after an answer begin a request.
async fn relay(mut client: TcpStream, mut server: TcpStream, delay: &AtomicU64) {
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    let mut is_answered = true;
    loop {
        let passed = tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(0) | Err(_) => return,
                Ok(bytes) => {
                    if std::mem::take(&mut is_answered) {
                        tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
                    }
                    server.write_all(&up[..bytes]).await
                }
            },
            read = server.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(bytes) => {
                    is_answered = true;
                    client.write_all(&down[..bytes]).await
                }
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
