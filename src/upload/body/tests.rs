//! Bodies hold every row once and stay below both limits, whatever the rows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
use proptest::prelude::*;

use super::*;

fn part(number: usize) -> Arc<PartKey> {
    Arc::new(PartKey { path: format!("tables/T/{number}.jsonl"), sha256: String::new() })
}

/// A row that hardly compresses.
fn row(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = b"{\"a\":\"".to_vec();
    for _ in 0..length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(b'#' + u8::try_from(state % 57).unwrap());
    }
    text.extend_from_slice(b"\"}");
    text
}

fn limits(wire: usize, plain: usize) -> Arc<Limits> {
    Arc::new(Limits { wire, plain: AtomicUsize::new(plain), least: wire })
}

/// Builds bodies as a packer does, row by row; returns them and the rows that fit into none.
fn build(limits: &Arc<Limits>, rows: &[Vec<u8>]) -> (Vec<Body>, Vec<u64>) {
    let (mut builder, mut bodies, mut refused) = (Builder::new(Arc::clone(limits)), Vec::new(), Vec::new());
    for (number, row) in (0..).zip(rows) {
        let part = part(usize::from(number >= 3));
        if builder.room(row.len()).unwrap() < row.len() {
            bodies.extend(builder.close().unwrap());
        }
        if builder.room(row.len()).unwrap() >= row.len() {
            builder.push(row, &part, number..number + 1).unwrap();
        } else {
            match builder.alone(row, &part, number).unwrap() {
                Some(body) => bodies.push(body),
                None => refused.push(number),
            }
        }
    }
    bodies.extend(builder.close().unwrap());
    (bodies, refused)
}

fn content(body: &Body) -> Vec<(u64, Vec<u8>)> {
    let mut rows = Vec::new();
    body.each_row(&mut |row| {
        rows.push(row.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(rows.len() as u64, body.rows);
    body.segments.iter().flat_map(|segment| segment.rows.clone()).zip(rows).collect()
}

fn plain(body: &Body) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(&body.gzip[..]).read_to_end(&mut text).unwrap();
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_row_is_sent_once_and_no_body_reaches_a_limit(
        lengths in prop::collection::vec(prop_oneof![0usize..400, 2000usize..6000], 0..60),
        (wire, plain_limit) in prop_oneof![Just((4000, 4000)), Just((4000, 1 << 20)), Just((1 << 20, 3000))],
    ) {
        let rows: Vec<_> = (0..).zip(&lengths).map(|(seed, length)| row(seed, *length)).collect();
        let (bodies, refused) = build(&limits(wire, plain_limit), &rows);
        let mut sent = Vec::new();
        for body in &bodies {
            let text = plain(body);
            prop_assert!(body.gzip.len() < wire && text.len() < plain_limit);
            prop_assert_eq!(text.len(), body.plain_bytes);
            prop_assert!(serde_json::from_slice::<Vec<serde_json::Value>>(&text).is_ok());
            sent.extend(content(body));
        }
        let fitting = (0..).zip(rows.clone()).filter(|(number, _)| !refused.contains(number));
        sent.sort();
        prop_assert_eq!(sent, fitting.collect::<Vec<_>>());
        for number in refused {
            prop_assert!(rows[usize::try_from(number).unwrap()].len() > wire.min(plain_limit) / 2);
        }
    }

    #[test]
    fn halves_hold_the_same_rows(lengths in prop::collection::vec(0usize..200, 1..12)) {
        let rows: Vec<_> = (0..).zip(&lengths).map(|(seed, length)| row(seed, *length)).collect();
        let (bodies, _) = build(&limits(1 << 20, 1 << 20), &rows);
        let whole = &bodies[0];
        match whole.halve().unwrap() {
            Some((first, second)) => {
                prop_assert!(first.rows.abs_diff(second.rows) <= 1);
                prop_assert_eq!([content(&first), content(&second)].concat(), content(whole));
                prop_assert_eq!(plain(&second).len(), second.plain_bytes);
            }
            None => prop_assert_eq!(whole.rows, 1),
        }
    }
}

#[test]
fn bodies_are_filled_by_what_they_take_on_the_wire() {
    let rows: Vec<_> = (0..15_000_u64)
        .map(|number| format!("{{\"message\":\"GET /cart/{number} 200\",\"n\":{number}}}").into_bytes())
        .collect();
    let (bodies, _) = build(&limits(20_000, 32 << 20), &rows);
    let full = &bodies[..bodies.len() - 1];
    assert!(
        full.len() > 1 && full.iter().all(|body| body.gzip.len() > 18_000),
        "{:?}",
        full.iter().map(|body| body.gzip.len()).collect::<Vec<_>>()
    );
    assert_eq!(bodies.iter().map(|body| body.rows).sum::<u64>(), 15_000);
}

#[test]
fn a_refusal_shrinks_bodies_down_to_the_documented_size() {
    let limits = Limits::of(BodyLimit::Wire, BODY_LIMIT);
    assert_eq!(limits.shrink(8_000_000), Some(4_000_000));
    assert_eq!(limits.shrink(8_000_000), None, "known already");
    assert_eq!(limits.shrink(900), Some(BODY_LIMIT));
    assert_eq!(Limits::of(BodyLimit::Documented, BODY_LIMIT).shrink(999_999), None);
}
