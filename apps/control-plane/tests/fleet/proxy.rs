//! Between a replica and etcd: cuts, delays, breaks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug)]
struct Trouble {
    cut: bool,
    delay: Duration,
    /// How long a connection lives.
    life: Duration,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    trouble: Arc<Mutex<Trouble>>,
    cut: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let none = Trouble { cut: false, delay: Duration::ZERO, life: Duration::MAX };
        let (trouble, (cut, is_cut)) = (Arc::new(Mutex::new(none)), watch::channel(false));
        let known = Arc::clone(&trouble);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let trouble = *known.lock().unwrap();
                if trouble.cut {
                    continue;
                }
                let (mut is_cut, to) = (is_cut.clone(), to.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(to).await else { return };
                    let life = trouble.life.min(Duration::from_secs(86_400));
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    tokio::select! {
                        () = pass(near_in, far_out, trouble.delay) => {}
                        () = pass(far_in, near_out, trouble.delay) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                        () = tokio::time::sleep(life) => {}
                    }
                });
            }
        });
        Self { address, trouble, cut }
    }

    /// Ends all connections and takes no new ones, or takes them again.
    pub(crate) fn cut(&self, cut: bool) {
        self.trouble.lock().unwrap().cut = cut;
        self.cut.send_replace(cut);
    }

    /// From now on connections are slow and end after a time; those that are there end at once.
    pub(crate) fn trouble(&self, delay: Duration, life: Duration) {
        *self.trouble.lock().unwrap() = Trouble { cut: false, delay, life };
        self.cut.send_replace(true);
        self.cut.send_replace(false);
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: Duration,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(delay).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
