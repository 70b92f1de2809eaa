//! What to do about an answer: the documented statuses of the Logs Ingestion API as one pure function.
//!
//! | answer | decision |
//! |---|---|
//! | 204 | acknowledged |
//! | 400 `InvalidStream`, 403, 404 | wait while the rule and its role may still be taking effect, then fail |
//! | 400 or 413 that speak of size | halve the body |
//! | any other 400 | search for the rows at fault by halves, spool these: the service will never take them |
//! | 401 | get a new token once, then fail |
//! | 408, 429, 500, 502, 503, 504, connection lost | `Retry-After`, else exponential backoff with jitter, then fail |
//! | anything else | fail: this is not the API speaking |
//!
//! Sources: <https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview#logs-ingestion-api-limits> and
//! the troubleshooting guides of Microsoft's client libraries (a new role takes up to 30 minutes).

use std::time::Duration;

use super::answer::{Answer, Reply};

/// The first pause of the exponential backoff; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of the backoff.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is honoured in full.
const LONGEST_REQUESTED: Duration = Duration::from_secs(15 * 60);
/// How often a body is sent again after failures (5xx, 408, connections lost).
const FAILURES: u32 = 9;
/// How often a body is sent again after being throttled; the limits of a rule are per minute.
const THROTTLED: u32 = 60;

/// What has been tried with a body so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Attempt {
    /// How often it was sent before this answer's request.
    pub(super) repeats: u32,
    /// How long it has waited between requests.
    pub(super) waited: Duration,
    /// Whether a new token was fetched for it already.
    pub(super) has_new_token: bool,
    /// A random number from 0 up to 1.
    pub(super) jitter: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The service has the rows.
    Acknowledged,
    /// Send the body again after this long.
    Wait(Duration),
    /// Get a new token and send the body again.
    RefreshToken,
    /// Send the body as two; a single row is spooled.
    Halve,
    /// The service will not take the body for what is in it: find the rows, and keep them aside with the service's words.
    Spool,
    /// Stop the upload.
    Fail,
}

/// Decides. `warm_up` is how long a rule and its role may take to work after they were made.
pub(super) fn decide(reply: &Reply, attempt: Attempt, warm_up: Duration) -> Decision {
    let Reply::Answered(answer) = reply else { return repeat(None, attempt, FAILURES) };
    match answer.status {
        204 => Decision::Acknowledged,
        400 | 413 if answer.speaks_of_size() => Decision::Halve,
        _ if is_warming_up(reply) => wait_for_warm_up(answer, attempt, warm_up),
        400 => Decision::Spool,
        401 if attempt.has_new_token => Decision::Fail,
        401 => Decision::RefreshToken,
        429 => repeat(answer.retry_after(), attempt, THROTTLED),
        408 | 500 | 502..=504 => repeat(answer.retry_after(), attempt, FAILURES),
        _ => Decision::Fail,
    }
}

/// Whether the reply is one that a rule or role gives before it takes effect.
pub(super) fn is_warming_up(reply: &Reply) -> bool {
    let Reply::Answered(answer) = reply else { return false };
    matches!(answer.status, 403 | 404) || answer.status == 400 && answer.has_code("InvalidStream")
}

fn wait_for_warm_up(answer: &Answer, attempt: Attempt, warm_up: Duration) -> Decision {
    match repeat(answer.retry_after(), attempt, u32::MAX) {
        Decision::Wait(pause) if attempt.waited + pause <= warm_up => Decision::Wait(pause),
        _ => Decision::Fail,
    }
}

fn repeat(requested: Option<Duration>, attempt: Attempt, limit: u32) -> Decision {
    if attempt.repeats >= limit {
        return Decision::Fail;
    }
    let backoff = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempt.repeats)).min(LONGEST_PAUSE);
    Decision::Wait(match requested {
        // Bodies that were refused together must not come back together.
        Some(pause) => pause.min(LONGEST_REQUESTED).mul_f64(1.0 + attempt.jitter / 10.0),
        None => backoff.mul_f64(0.5 + attempt.jitter / 2.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM_UP: Duration = Duration::from_secs(600);

    fn answer(status: u16, code: &str) -> Reply {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"words"}}}}"#);
        Reply::Answered(Answer { status, headers: http::HeaderMap::new(), body: body.into_bytes() })
    }

    fn decided(reply: &Reply, attempt: Attempt) -> Decision {
        decide(reply, attempt, WARM_UP)
    }

    #[test]
    fn the_status_table() {
        let first = Attempt::default();
        let pause = Decision::Wait(FIRST_PAUSE / 2);
        for (status, code, expected) in [
            (204, "", Decision::Acknowledged),
            (200, "", Decision::Fail),
            (302, "", Decision::Fail),
            (400, "InvalidRequest", Decision::Spool),
            (400, "InvalidStream", pause),
            (400, "PayloadSizeLimitExceeded", Decision::Halve),
            (401, "InvalidAudience", Decision::RefreshToken),
            (403, "OperationFailed", pause),
            (404, "NotFound", pause),
            (408, "", pause),
            (413, "ContentLengthLimitExceeded", Decision::Halve),
            (413, "", Decision::Halve),
            (415, "", Decision::Fail),
            (429, "", pause),
            (500, "", pause),
            (501, "", Decision::Fail),
            (503, "", pause),
        ] {
            assert_eq!(decided(&answer(status, code), first), expected, "{status} {code}");
        }
        assert_eq!(decided(&Reply::Lost("reset".into()), first), pause);
    }

    #[test]
    fn nothing_is_tried_for_ever() {
        let late = |repeats, seconds| Attempt { repeats, waited: Duration::from_secs(seconds), ..Attempt::default() };
        for reply in [answer(500, ""), answer(408, ""), Reply::Lost("reset".into())] {
            assert_ne!(decided(&reply, late(FAILURES - 1, 0)), Decision::Fail);
            assert_eq!(decided(&reply, late(FAILURES, 0)), Decision::Fail);
        }
        assert_ne!(decided(&answer(429, ""), late(THROTTLED - 1, 0)), Decision::Fail);
        assert_eq!(decided(&answer(429, ""), late(THROTTLED, 0)), Decision::Fail);
        for reply in [answer(403, ""), answer(404, ""), answer(400, "InvalidStream")] {
            assert_ne!(decided(&reply, late(20, 500)), Decision::Fail);
            assert_eq!(decided(&reply, late(20, 600)), Decision::Fail);
        }
        let renewed = Attempt { has_new_token: true, ..Attempt::default() };
        assert_eq!(decided(&answer(401, ""), renewed), Decision::Fail);
    }

    #[test]
    fn pauses_grow_and_are_spread() {
        let pause = |repeats, jitter| match decided(
            &Reply::Lost(String::new()),
            Attempt { repeats, jitter, ..Attempt::default() },
        ) {
            Decision::Wait(pause) => pause.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!([pause(0, 0.0), pause(1, 0.0), pause(3, 0.0), pause(8, 0.0)], [500, 1000, 4000, 30_000]);
        assert_eq!(pause(3, 0.5), 6000);
    }

    #[test]
    fn what_the_service_asks_for_comes_first() {
        let Reply::Answered(mut throttled) = answer(429, "") else { panic!("an answer") };
        throttled.headers.insert("retry-after", http::HeaderValue::from_static("7"));
        let reply = Reply::Answered(throttled);
        let attempt = Attempt { repeats: 5, ..Attempt::default() };
        assert_eq!(decided(&reply, attempt), Decision::Wait(Duration::from_secs(7)));
    }
}
