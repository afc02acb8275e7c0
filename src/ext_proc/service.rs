//! Answers the one method of `envoy.service.ext_proc.v3.ExternalProcessor`.

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::exchange::Exchange;
use super::grpc::{Messages, Status, Stream, refusal, stream};
use crate::proxy::{ConnState, Exchanges, Handler};

const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/// Answers Envoy through one listener.
pub struct Processor(Exchanges);

impl Processor {
    /// What is answered is decided by `exchanges`.
    pub fn new(exchanges: Exchanges) -> Self {
        Self(exchanges)
    }
}

impl Handler for Processor {
    type Body = Stream;

    async fn handle(&self, request: Request<Incoming>, connection: Arc<ConnState>) -> Response<Stream> {
        if request.method() != Method::POST || request.uri().path() != PROCESS {
            return refusal(Status::Unimplemented);
        }
        let Some(asking) = self.0.asking(connection.peer.ip()) else {
            return refusal(Status::Unavailable);
        };
        if !asking.meant.admits(connection.peer.ip()) {
            return refusal(Status::Denied);
        }
        let (answers, response) = stream();
        let exchange = Exchange::new(self.0.clone(), connection, answers);
        tokio::spawn(exchange.run(Messages::new(request.into_body())));
        response
    }
}
