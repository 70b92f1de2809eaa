//! Provisioning, uploading and cleaning up through random schedules of faults, each repeated until it ends: no row is lost,
//! none unaccounted for, and the resources are as planned. `FORENSYS_FAULT_SEED` repeats a run.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use forensys::{
    azure::{Arm, Pace, Sleeper},
    demo::azure::Lags,
    evidence::service_accounts::ServiceAccountRow,
    provision::{self, Action, cleanup, deployment::Deployment},
    table::Row,
};
use serde_json::{Value, json};

use super::faults::{ROWS, Stage, TABLE};
use crate::azure_simulator::provision::wanted;

const SCHEDULES: u64 = 200;
const THREADS: u64 = 4;
/// How often a verb is repeated until it has to succeed; a schedule has fewer faults.
const PATIENCE: usize = 8;

struct NoWait;

#[async_trait]
impl Sleeper for NoWait {
    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn of<'a>(&mut self, choices: &'a [Value]) -> &'a Value {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

fn fault(chance: &mut Chance, path: &str, choices: &[Value], span: u64) -> Value {
    let mut fault = chance.of(choices).clone();
    let members = fault.as_object_mut().unwrap();
    members.entry("path").or_insert(json!(path));
    members.insert("after".to_owned(), json!(chance.below(span)));
    members.insert("times".to_owned(), json!(1 + chance.below(2)));
    fault
}

fn schedule(chance: &mut Chance) -> Value {
    let answer = |status: u16, code: &str| json!({"answer": {"status": status, "code": code, "message": "on purpose"}});
    let arm = [
        json!({"answer": {"status": 429, "retry_after": 1}}),
        answer(500, "InternalServerError"),
        answer(503, "ServiceUnavailable"),
        json!({"cut": "before"}),
        json!({"cut": "after"}),
        json!({"expire_token": true}),
        json!({"method": "DELETE", "expire_token": true}),
        json!({"method": "GET", "alter": "byte_order_mark"}),
        json!({"method": "PUT", "path": "*/datacollectionrules/*", "alter": "empty_body"}),
        json!({"method": "PUT", "alter": "id_case"}),
        json!({"path": "*/operationstatuses/*", "alter": "failed_operation"}),
    ];
    let streams = [
        answer(400, "InvalidStream"),
        answer(400, "InvalidContent"),
        answer(401, "ExpiredToken"),
        answer(403, "OperationFailed"),
        answer(404, "NotFound"),
        answer(408, ""),
        answer(413, "ContentLengthLimitExceeded"),
        json!({"answer": {"status": 429, "retry_after": 2}}),
        answer(500, ""),
        answer(503, ""),
        json!({"cut": "before"}),
        json!({"cut": "after"}),
        json!({"expire_token": true}),
    ];
    let sign_in = [
        json!({"answer": {"status": 429, "retry_after": 1}}),
        json!({"answer": {"status": 500}}),
        answer(503, "temporarily_unavailable"),
        json!({"cut": "before"}),
        json!({"cut": "after"}),
        json!({"answer": {"status": 401, "body": refused_secret()}}),
    ];
    let mut faults: Vec<Value> = (0..chance.below(4)).map(|_| fault(chance, "/subscriptions/*", &arm, 40)).collect();
    faults.extend((0..chance.below(5)).map(|_| fault(chance, "*/streams/*", &streams, 8)));
    faults.extend((0..chance.below(3)).map(|_| fault(chance, TOKENS, &sign_in, 5)));
    Value::Array(faults)
}

/// The path of the token service.
pub(super) const TOKENS: &str = "*/oauth2/v2.0/token";

/// Entra ID's words for a secret that is over.
pub(super) fn refused_secret() -> Value {
    let words = "AADSTS7000222: The provided client secret keys for app 'a' are expired.\r\nTrace ID: 1";
    json!({"error": "invalid_client", "error_description": words, "error_codes": [7_000_222]})
}

fn lags(chance: &mut Chance) -> Lags {
    let mut few = |most: u64| u32::try_from(chance.below(most + 1)).unwrap();
    Lags {
        workspace_polls: few(2),
        table_polls: few(2),
        registration_polls: few(1),
        workspace_inactive: few(2),
        table_invisible: few(2),
        principal_unknown: few(2),
        role_propagation: few(4),
        rule_unknown: few(2),
        stream_unknown: few(2),
    }
}

async fn prepare(stage: &Stage, arm: &Arm) -> anyhow::Result<provision::Prepared> {
    provision::prepare(arm, wanted(&stage.azure), &[ServiceAccountRow::TABLE], &stage.file()).await
}

pub(super) async fn provision_once(stage: &Stage, arm: &Arm) -> anyhow::Result<()> {
    let prepared = prepare(stage, arm).await?;
    provision::carry_out(arm, &prepared, stage.cloud.to_str().unwrap(), &stage.file(), &|_| {}).await?;
    Ok(())
}

/// An error when anything could not be removed.
pub(super) async fn cleanup_once(stage: &Stage, arm: &Arm) -> anyhow::Result<()> {
    let recorded = Deployment::read(&stage.file())?;
    let manner = cleanup::Manner { purge: true, ..cleanup::Manner::default() };
    let removed = cleanup::remove(arm, &stage.file(), recorded, manner, &|_, _| {}).await?;
    let kept: Vec<_> = removed.iter().filter(|(_, end)| *end != cleanup::Removal::Removed).collect();
    anyhow::ensure!(kept.is_empty(), "{kept:?}");
    Ok(())
}

/// A client of Resource Manager for which no time passes.
pub(super) fn manager(stage: &Stage) -> Arm {
    Arm::new(stage.session.clone()).with_waiting(Arc::new(NoWait), Pace::default())
}

/// Repeats a verb until it succeeds, as a person would.
async fn repeat<T>(what: &str, mut attempt: impl AsyncFnMut() -> anyhow::Result<T>) -> T {
    let mut errors = Vec::new();
    while errors.len() < PATIENCE {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    panic!("{what}: {errors:#?}")
}

async fn play(seed: u64) {
    let mut chance = Chance(seed);
    let faults = schedule(&mut chance);
    through(&format!("seed {seed}, faults {faults}"), lags(&mut chance), &faults).await;
}

/// Provisions, uploads and cleans up, each repeated until it succeeds.
pub(super) async fn through(what: &str, lags: Lags, faults: &Value) {
    let stage = Stage::new(lags, faults).await;
    let arm = manager(&stage);

    repeat(what, async || provision_once(&stage, &arm).await).await;
    let again = repeat(what, async || prepare(&stage, &arm).await).await;
    let changes: Vec<_> =
        again.plan.steps.iter().filter(|step| step.action != Action::Unchanged).map(|step| step.line()).collect();
    assert!(changes.is_empty(), "{what}: {changes:?}");

    let summary = repeat(what, async || stage.upload(None).await).await;
    let spooled = stage.account(what);
    let table = summary.tables[TABLE];
    assert_eq!(table.acknowledged + table.spooled, ROWS as u64, "{what}");
    assert_eq!(spooled as u64, table.spooled, "{what}");

    repeat(what, async || cleanup_once(&stage, &arm).await).await;
    let group = wanted(&stage.azure).resource_group_id();
    let left = repeat(what, async || Ok(arm.get(&group, "2025-04-01").await?)).await;
    assert_eq!(left, None, "{what}");
}

#[test]
fn random_faults_lose_nothing() {
    let given = std::env::var("FORENSYS_FAULT_SEED").ok();
    let seed = given.map_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0, |text| text.parse().unwrap());
    println!("FORENSYS_FAULT_SEED={seed}");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                for number in (0..SCHEDULES).filter(|number| number % THREADS == thread) {
                    runtime.block_on(play(seed.wrapping_add(number)));
                }
            });
        }
    });
}
