//! A client of etcd: four calls and a watch, each with a deadline.

use super::access::{Access, chain};
use super::flags::EtcdFlags;
use super::proto::{
    KeyValue, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    RangeRequest, RangeResponse, TxnRequest, TxnResponse, WatchCreate, WatchRequest, WatchResponse,
};
use prost::Message;
use std::error::Error;
use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// Keys that are read at once. All pages of a snapshot are of one revision.
const PAGE: i64 = 500;

/// A handle, cheap to clone.
///
/// When a call has failed, the next one connects anew, to another endpoint if there is one. The
/// files of certificates and passwords are read again then. If they hold something else, it is used
/// from then on. Files that can't be used change nothing.
#[derive(Clone)]
pub(crate) struct Client {
    flags: Arc<EtcdFlags>,
    access: Arc<Mutex<Arc<Access>>>,
}

/// A prefix's keys at one revision.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) kvs: Vec<KeyValue>,
    pub(crate) revision: i64,
}

/// One request, and then nothing more: the stream stays open.
struct Once<T>(Option<T>);

impl<T: Unpin> Stream for Once<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.take().map_or(Poll::Pending, |one| Poll::Ready(Some(one)))
    }
}

impl Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("flags", &self.flags).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the certificates; connects when it is first used.
    pub(crate) fn new(flags: &EtcdFlags) -> Result<Self, String> {
        let access = Arc::new(Access::new(flags)?);
        Ok(Self { flags: Arc::new(flags.clone()), access: Arc::new(Mutex::new(access)) })
    }

    fn locked(&self) -> MutexGuard<'_, Arc<Access>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.locked())
    }

    /// After a failure. Whether the files hold something else than what has been in use.
    fn read_again(&self) -> Result<bool, String> {
        let Some(newer) = self.access().read_again(&self.flags)? else { return Ok(false) };
        *self.locked() = Arc::new(newer);
        Ok(true)
    }

    /// `etcd http://127.0.0.1:2379: what: why`.
    fn error(&self, what: &str, why: &str) -> String {
        // With TLS 1.3 a client that is refused sees no more than that.
        let ends = ["connection closed", "broken pipe", "reset"];
        let closed = ends.iter().any(|end| why.contains(end));
        let endpoints = self.flags.etcd.join(",");
        let hint = match closed && endpoints.starts_with("https:") {
            true => "; is the client certificate one that etcd accepts?",
            false => "",
        };
        format!("etcd {endpoints}: {what}: {why}{hint}")
    }

    /// As `error`, for a call that has failed.
    fn failure(&self, what: &str, why: &str) -> String {
        self.access().disconnect();
        let told = self.error(what, why);
        match self.read_again() {
            Ok(false) => told,
            Ok(true) => format!("{told}; the files of secrets have changed and are used now"),
            Err(bad) => format!("{told}; {bad}"),
        }
    }

    async fn within<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, String> {
        match tokio::time::timeout(CALL, call).await {
            Ok(done) => done.map_err(|status| {
                self.access().login().iter().for_each(|login| login.failed(&status));
                self.failure(what, &why(&status))
            }),
            Err(_) => Err(self.failure(what, &format!("no answer within {CALL:?}"))),
        }
    }

    async fn unary<Q, A>(&self, what: &str, path: &'static str, request: Q) -> Result<A, String>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let call = async { self.call(path, self.signed(request).await?).await };
        self.within(what, call).await
    }

    /// Without a deadline.
    pub(super) async fn call<Q, A>(
        &self,
        path: &'static str,
        request: Request<Q>,
    ) -> Result<A, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<Q, A>::default();
        Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
    }

    /// With a token, if etcd asks for users.
    async fn signed<Q>(&self, request: Q) -> Result<Request<Q>, Status> {
        let mut request = Request::new(request);
        if let Some(login) = self.access().login() {
            login.sign(self, &mut request).await?;
        }
        Ok(request)
    }

    async fn streaming<Q, A>(
        &self,
        what: &str,
        path: &'static str,
        request: Q,
    ) -> Result<Streaming<A>, String>
    where
        Q: Message + Default + Debug + Unpin + 'static,
        A: Message + Default + 'static,
    {
        let call = async {
            let mut grpc = self.grpc().await?;
            let codec = ProstCodec::<Q, A>::default();
            let path = PathAndQuery::from_static(path);
            let request = self.signed(Once(Some(request))).await?;
            Ok(grpc.streaming(request, path, codec).await?.into_inner())
        };
        self.within(what, call).await
    }

    async fn grpc(&self) -> Result<tonic::client::Grpc<Channel>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.access().channel().await?);
        // What etcd stores it can send: a page or a burst of events is larger than tonic's default.
        grpc = grpc.max_decoding_message_size(usize::MAX);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(chain(error.to_string(), error.source())))?;
        Ok(grpc)
    }

    /// All keys from `begin` to before `end`, at one revision, as new as anything that was answered
    /// before the call.
    pub(crate) async fn range(&self, (begin, end): (&[u8], &[u8])) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot { kvs: Vec::new(), revision: 0 };
        let mut key = begin.to_vec();
        loop {
            let (range_end, revision) = (end.to_vec(), snapshot.revision);
            let request = RangeRequest { key, range_end, limit: PAGE, revision, keys_only: false };
            let what = format!("reading {}", String::from_utf8_lossy(begin));
            let page: RangeResponse = self.unary(&what, "/etcdserverpb.KV/Range", request).await?;
            if snapshot.revision == 0 {
                snapshot.revision = page.header.unwrap_or_default().revision;
            }
            snapshot.kvs.extend(page.kvs);
            match snapshot.kvs.last() {
                // The next key is the least that is greater.
                Some(last) if page.more => key = [&*last.key, &[0]].concat(),
                _ => return Ok(snapshot),
            }
        }
    }

    /// The store's revision now.
    pub(crate) async fn revision(&self, key: &[u8]) -> Result<i64, String> {
        let key = key.to_vec();
        let request = RangeRequest { key, limit: 1, keys_only: true, ..RangeRequest::default() };
        let answer: RangeResponse =
            self.unary("asking for the revision", "/etcdserverpb.KV/Range", request).await?;
        Ok(answer.header.unwrap_or_default().revision)
    }

    /// `Ok(None)`: a comparison failed. Otherwise the revision of the transaction.
    pub(crate) async fn transact(&self, request: TxnRequest) -> Result<Option<i64>, String> {
        let answer: TxnResponse = self.unary("writing", "/etcdserverpb.KV/Txn", request).await?;
        Ok(answer.succeeded.then(|| answer.header.unwrap_or_default().revision))
    }

    pub(crate) async fn watch(
        &self,
        (begin, end): (&[u8], &[u8]),
        start_revision: i64,
    ) -> Result<Watching, String> {
        let (key, range_end) = (begin.to_vec(), end.to_vec());
        let create = WatchCreate { key, range_end, start_revision, progress_notify: true };
        let request = WatchRequest { create: Some(create) };
        let stream = self.streaming("watching", "/etcdserverpb.Watch/Watch", request).await?;
        Ok(Watching { stream, client: self.clone() })
    }

    /// The lease's number, and until when it is valid at least: counted from before it was asked
    /// for.
    pub(crate) async fn grant(&self, ttl: Duration) -> Result<(i64, Instant), String> {
        let begin = Instant::now();
        let request = LeaseGrantRequest { ttl: ttl.as_secs().max(1) as i64 };
        let answer: LeaseGrantResponse =
            self.unary("asking for a lease", "/etcdserverpb.Lease/LeaseGrant", request).await?;
        Ok((answer.id, begin + Duration::from_secs(answer.ttl.max(0) as u64)))
    }

    /// Until when the lease is valid at least. `None`: it has expired.
    pub(crate) async fn keep_alive(&self, id: i64) -> Result<Option<Instant>, String> {
        let begin = Instant::now();
        let (what, path) = ("keeping the lease", "/etcdserverpb.Lease/LeaseKeepAlive");
        let mut answers: Streaming<LeaseKeepAliveResponse> =
            self.streaming(what, path, LeaseKeepAliveRequest { id }).await?;
        let answer = self.within(what, answers.message()).await?;
        let ttl = answer.map_or(0, |answer| answer.ttl);
        Ok((ttl > 0).then(|| begin + Duration::from_secs(ttl as u64)))
    }
}

/// A watch that has begun.
#[derive(Debug)]
pub(crate) struct Watching {
    stream: Streaming<WatchResponse>,
    client: Client,
}

impl Watching {
    /// Waits for what is said next. A connection that has died silently is noticed by HTTP/2's
    /// pings.
    pub(crate) async fn next(&mut self) -> Result<WatchResponse, String> {
        match self.stream.message().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(self.client.error("watching", "the stream has ended")),
            Err(status) => Err(self.client.error("watching", &why(&status))),
        }
    }
}

fn why(status: &Status) -> String {
    chain(status.message().to_owned(), status.source())
}
