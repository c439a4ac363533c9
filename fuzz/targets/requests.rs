//! What clients send to the xDS server: broken frames, broken messages, and requests that make
//! sense in an order that doesn't, while resources change and deadlines pass.
//!
//! The service is called in memory, on one thread and a clock that jumps to the next timer, so an
//! input always does the same. Two clients at a time; whatever they do, in the end no stream, no
//! subscription and no permit is left.

#![no_main]

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use pushlane::adapters::xds::proto::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
    Status,
};
use pushlane::adapters::xds::{Ads, Limits, Resource, TypeUrl};
use tonic::body::Body;
use tonic::codegen::Service;

const PATHS: [&str; 3] = [
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    "/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts",
];
const TYPES: [&str; 8] = [
    TypeUrl::CLUSTER,
    TypeUrl::ENDPOINTS,
    TypeUrl::LISTENER,
    TypeUrl::ROUTES,
    TypeUrl::SECRET,
    TypeUrl::VIRTUAL_HOST,
    "type.googleapis.com/acme.Thing",
    "",
];
const NAMES: [&str; 8] = ["a", "b", "c/d", "*", "", "e", "f", "a name of more bytes than allowed"];
const PAUSES: [u64; 8] = [0, 1, 50, 1_000, 2_100, 5_100, 31_000, 61_000];
/// Longer than every deadline.
const LONG: Duration = Duration::from_secs(300);

/// What is left of the input.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        Some(from[usize::from(self.byte()?) % from.len()])
    }

    fn some(&mut self) -> Option<Bytes> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(Bytes::copy_from_slice(some))
    }

    /// The names of the bits that are set.
    fn names(&mut self) -> Option<Vec<String>> {
        let bits = self.byte()?;
        let chosen = NAMES.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        Some(chosen.map(|(_, name)| (*name).to_owned()).collect())
    }
}

/// One stream, from the client's end.
struct Client {
    delta: bool,
    requests: Sender<Bytes, Infallible>,
    responses: Body,
    /// What has been read and is no whole frame yet.
    read: Vec<u8>,
    /// The last nonces, by type.
    nonces: Vec<(String, String)>,
}

impl Client {
    async fn open(ads: &Ads, path: usize) -> Client {
        let (requests, body) = Channel::new(64);
        let request = http::Request::post(PATHS[path % PATHS.len()])
            .header("content-type", "application/grpc")
            .body(body)
            .expect("a valid request");
        let Ok(response) = ads.service().call(request).await;
        let delta = path % PATHS.len() != 0;
        let responses = response.into_body();
        Client { delta, requests, responses, read: Vec::new(), nonces: Vec::new() }
    }

    /// A full buffer, or a stream that has ended, takes nothing more.
    fn send(&mut self, bytes: Bytes) {
        let _ = self.requests.try_send(http_body::Frame::data(bytes));
    }

    fn send_message(&mut self, message: &[u8]) {
        let length = u32::try_from(message.len()).expect("short");
        self.send([&[0][..], &length.to_be_bytes(), message].concat().into());
    }

    /// A request that could be right: its nonce may be the last one, an older one, or made up.
    fn request(&mut self, input: &mut Input<'_>) -> Option<()> {
        let type_url = input.pick(&TYPES)?;
        let mut of_type = self.nonces.iter().rev().filter(|(of, _)| of == type_url);
        let how = input.byte()?;
        let response_nonce = match how % 4 {
            0 => String::new(),
            1 => of_type.next().map(|(_, nonce)| nonce.clone()).unwrap_or_default(),
            2 => of_type.nth(1).map(|(_, nonce)| nonce.clone()).unwrap_or_default(),
            _ => "made up".to_owned(),
        };
        let rejected = how & 8 != 0;
        let error_detail = rejected.then(|| Status { code: 3, message: "a is wrong".into() });
        let node = (how & 16 == 0).then(|| Node { id: "fuzz".into(), ..Node::default() });
        let type_url = type_url.to_owned();
        let names = input.names()?;
        let message = if self.delta {
            let unsubscribe = if how & 32 != 0 { input.names()? } else { Vec::new() };
            let held = if how & 64 != 0 { input.names()? } else { Vec::new() };
            DeltaDiscoveryRequest {
                node,
                type_url,
                resource_names_subscribe: names,
                resource_names_unsubscribe: unsubscribe,
                initial_resource_versions: held.into_iter().map(|it| (it, "1".into())).collect(),
                response_nonce,
                error_detail,
            }
            .encode_to_vec()
        } else {
            DiscoveryRequest {
                version_info: String::new(),
                node,
                resource_names: names,
                type_url,
                response_nonce,
                error_detail,
            }
            .encode_to_vec()
        };
        self.send_message(&message);
        Some(())
    }

    /// Reads what has come, and requires that it is what a client can read.
    async fn read(&mut self) {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.responses.frame() => frame,
                () = std::future::ready(()) => break,
            };
            let Some(Ok(frame)) = frame else { break };
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
        while let Some((head, rest)) = self.read.split_at_checked(5) {
            let length = (&head[1..]).get_u32() as usize;
            let Some(message) = rest.get(..length) else { break };
            assert_eq!(head[0], 0, "nothing is compressed");
            let answer = if self.delta {
                let response = DeltaDiscoveryResponse::decode(message).expect("a response");
                (response.type_url, response.nonce)
            } else {
                let response = DiscoveryResponse::decode(message).expect("a response");
                (response.type_url, response.nonce)
            };
            assert!(!answer.1.is_empty(), "each response has a nonce");
            self.nonces.push(answer);
            self.read.drain(..5 + length);
        }
    }
}

async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn change(ads: &Ads, input: &mut Input<'_>) -> Option<()> {
    let (type_url, name, what) =
        (input.pick(&TYPES[..7])?, input.pick(&NAMES[..3])?, input.byte()?);
    let changed = ads.update("default", |edit| match what % 4 {
        0 => edit.remove(type_url, name),
        version => {
            // Field 1 is the name, field 3 of a cluster is what its endpoints are named by.
            let body = [&[10, name.len() as u8][..], name.as_bytes()].concat();
            edit.put(Resource::new(type_url, name, version.to_string(), body));
        }
    });
    changed.expect("it is not being drained");
    Some(())
}

async fn play(ads: &Ads, input: &mut Input<'_>) -> Option<()> {
    let first = usize::from(input.byte()?);
    let mut clients = [Client::open(ads, first).await, Client::open(ads, first >> 4).await];
    loop {
        let op = input.byte()?;
        let client = &mut clients[usize::from(op >> 7)];
        match op & 0x7f {
            0..16 => {
                let bytes = input.some()?;
                client.send(bytes);
            }
            16..32 => {
                let message = input.some()?;
                client.send_message(&message);
            }
            32..80 => client.request(input)?,
            80..96 => change(ads, input)?,
            96..112 => client.read().await,
            112..120 => tokio::time::sleep(Duration::from_millis(input.pick(&PAUSES)?)).await,
            120..126 => settle().await,
            // The old one goes without a word.
            _ => *client = Client::open(ads, usize::from(input.byte()?)).await,
        }
        if op & 3 == 0 {
            settle().await;
            clients[usize::from(op >> 7)].read().await;
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut limits = Limits::default();
        limits.streams = 4;
        limits.types = 4;
        limits.subscriptions = 5;
        limits.name_bytes = 31;
        limits.request_bytes = 4_096;
        limits.response_bytes = 64;
        limits.permits = 1;
        let ads = Ads::builder().limits(limits).start();
        let _ = play(&ads, &mut Input(bytes)).await;
        // Streams of clients that are gone end by themselves.
        tokio::time::sleep(LONG).await;
        let metrics = ads.metrics();
        let left =
            (metrics.streams, metrics.queue_clients, metrics.queue_depth, metrics.permits_held);
        assert_eq!(left, (0, 0, 0, 0), "streams, subscriptions, waiting ones, permits");
    });
});
