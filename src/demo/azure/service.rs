//! From request to answer: faults first, then whichever of the services the path belongs to.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;

use super::{
    answer::Answer,
    arm,
    arrivals::Arrivals,
    call::Call,
    credentials::Credentials,
    entra::{self, Issuer},
    faults::{Alter, Cut, Faults},
    ingestion,
    journal::Exchange,
    query,
    settings::Settings,
    token::Signer,
    world::World,
};
use crate::demo::serve::{Abort, Handler};

/// Everything that the services share.
pub(super) struct Service {
    pub(super) base: String,
    pub(super) settings: Settings,
    pub(super) credentials: Credentials,
    pub(super) signer: Signer,
    world: Mutex<World>,
    arrivals: Mutex<Arrivals>,
    faults: Mutex<Faults>,
    exchanges: Mutex<Vec<Exchange>>,
    /// Tokens that a fault made expire.
    expired: Mutex<HashSet<String>>,
}

/// A lock that outlives a panic of another request: what is behind it is changed in whole steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(super) fn new(base: String, settings: Settings) -> anyhow::Result<Self> {
        let credentials = Credentials::generate();
        let world = arm::initial(&settings);
        let faults = Mutex::new(Faults::new(settings.faults.clone()));
        let signer = Signer::generate()?;
        Ok(Self {
            base,
            settings,
            credentials,
            signer,
            world: Mutex::new(world),
            arrivals: Mutex::default(),
            faults,
            exchanges: Mutex::default(),
            expired: Mutex::default(),
        })
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        lock(&self.arrivals)
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).clone()
    }

    /// Unix seconds.
    pub(super) fn now() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Abort> {
        let acting = lock(&self.faults).acting(request.method(), request.uri().path());
        for fault in &acting {
            if let Some(milliseconds) = fault.delay_ms {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
        }
        if acting.iter().any(|fault| fault.cut == Some(Cut::Before)) {
            return Err(Abort);
        }
        let call = match Call::read(request).await {
            Ok(call) => call,
            Err(answer) => return Ok(answer.into_response(false)),
        };
        let has_expired = self.has_expired(&call, acting.iter().any(|fault| fault.expire_token));
        let mut answer = match acting.iter().find_map(|fault| fault.answer.as_ref()) {
            Some(scripted) => scripted.to_answer(),
            None if has_expired => expired(&call),
            None => self.answer(&call),
        };
        let alters: Vec<Alter> = acting.iter().filter_map(|fault| fault.alter).collect();
        alters.iter().for_each(|alter| alter.apply(&mut answer));
        let kept = self.settings.keep_exchanges.then(|| answer.body.clone());
        let response = answer.into_response(alters.contains(&Alter::ByteOrderMark));
        if let Some(body) = kept {
            lock(&self.exchanges).push(Exchange::new(call, &response, body, &acting));
        }
        if acting.iter().any(|fault| fault.cut == Some(Cut::After)) {
            return Err(Abort);
        }
        Ok(response)
    }

    /// Whether a fault has made the call's token expire, now or before.
    fn has_expired(&self, call: &Call, expires_now: bool) -> bool {
        let Some(token) = call.bearer() else { return false };
        let mut expired = lock(&self.expired);
        if expires_now {
            expired.insert(token.to_owned());
        }
        expired.contains(token)
    }

    fn answer(&self, call: &Call) -> Answer {
        let issuer = Issuer {
            credentials: &self.credentials,
            signer: &self.signer,
            base: &self.base,
            seconds: self.settings.token_seconds,
            now: Self::now(),
        };
        let segments: Vec<&str> = call.lower.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["arrived", ..] if call.method == Method::GET => self.arrived(call),
            ["ingest", ..] => ingestion::answer(self, call),
            ["v1", "workspaces", ..] => query::answer(self, call),
            ["subscriptions" | "providers" | "tenants", ..] => arm::answer(self, call),
            _ => entra::answer(&issuer, call).unwrap_or_else(|| Answer::resource_not_found(&call.id())),
        }
    }

    /// The addresses of our own: what arrived. No token is asked for; they hold no more than counts and ids.
    fn arrived(&self, call: &Call) -> Answer {
        let arrivals = self.arrivals();
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [_] => Answer::ok(json!(arrivals.counts())),
            [_, "losses"] => Answer::ok(json!(arrivals.losses())),
            [_, table, "record_ids"] => Answer::ok(json!(arrivals.record_ids(table))),
            [_, table, "rows"] => Answer::ok(json!(arrivals.rows(table))),
            _ => Answer::empty(StatusCode::NOT_FOUND),
        }
    }
}

/// Each service has words of its own for a token that has expired.
fn expired(call: &Call) -> Answer {
    let is_manager = call.lower.first().is_some_and(|first| first == "subscriptions");
    let code = if is_manager { "ExpiredAuthenticationToken" } else { "ExpiredToken" };
    Answer::error(StatusCode::UNAUTHORIZED, code, "The authentication token has expired.")
}

/// The handler of the listener.
pub(super) fn handler(service: Arc<Service>) -> Handler {
    Arc::new(move |request| {
        let service = Arc::clone(&service);
        Box::pin(service.handle(request))
    })
}
