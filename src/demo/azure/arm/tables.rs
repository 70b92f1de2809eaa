//! Custom tables of a workspace: every change is a long-running operation, and the table is locked while one runs.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Request, method_not_allowed, operations, shown, table_checks};
use crate::demo::azure::{
    answer::Answer,
    world::{Effect, Record, World, set_property},
};

const KIND: &str = "Microsoft.OperationalInsights/workspaces/tables";

/// Answers a request for a table, or for the list of them, of the workspace with this key.
pub(super) fn answer(world: &mut World, request: &Request<'_>, workspace: &str, all: bool) -> Result<Answer, Answer> {
    let place = usable(world, workspace)?;
    match request.call.method {
        Method::GET if all => Ok(Answer::list(shown(world, workspace, &KIND.to_lowercase()))),
        Method::GET => {
            let body = world.resources.get(&request.key).map(|record| record.body.clone());
            world.touch(&request.key);
            body.map(Answer::ok).ok_or_else(|| Answer::resource_not_found(&request.id))
        }
        Method::PUT => {
            let sent = request.call.object()?;
            put(world, request, &place, &sent)
        }
        Method::PATCH => patch(world, request, &place),
        Method::DELETE => Ok(delete(world, request, &place)),
        _ => Err(method_not_allowed(request)),
    }
}

/// The location of a workspace that is there and active.
fn usable(world: &mut World, workspace: &str) -> Result<String, Answer> {
    let record = world.resources.get_mut(workspace).ok_or_else(|| Answer::resource_not_found(workspace))?;
    if record.operation.is_some() || record.is_late() {
        let message = format!(
            "Workspace not active, WorkspaceId={}. Operation Id: '{}'",
            record.property("customerId").as_str().unwrap_or_default(),
            uuid::Uuid::new_v4().simple()
        );
        return Err(Answer::error(StatusCode::NOT_FOUND, "ResourceNotFound", message));
    }
    Ok(record.body["location"].as_str().unwrap_or_default().to_owned())
}

fn put(world: &mut World, request: &Request<'_>, place: &str, sent: &Value) -> Result<Answer, Answer> {
    let before = world.resources.get(&request.key).cloned();
    if before.as_ref().is_some_and(|record| record.operation.is_some()) {
        let message = format!("Table {} is being updated; try again when that has ended.", request.call.name());
        return Err(Answer::error(StatusCode::CONFLICT, "Conflict", message));
    }
    let columns = before.as_ref().and_then(|record| record.body["properties"]["schema"]["columns"].as_array().cloned());
    table_checks::check(request.call.name(), sent, &columns.unwrap_or_default())?;
    let failure = table_checks::fatal(sent);
    // A table becomes visible to rules some time after its operation; an old one stays visible.
    let lag = if before.is_some() { 0 } else { world.lags.table_invisible };
    let body = new_body(request, sent);
    world.resources.insert(request.key.clone(), Record { lag, ..Record::new(body) });
    let effect = match &failure {
        None => Effect::Settle(request.key.clone()),
        Some(_) => Effect::Revert(request.key.clone(), before.map(Box::new)),
    };
    let operation = world.start(world.lags.table_polls, effect, failure);
    Ok(operations::announce(Answer::empty(StatusCode::ACCEPTED), request, place, &operation))
}

fn new_body(request: &Request<'_>, sent: &Value) -> Value {
    let properties = &sent["properties"];
    let days = |name: &str, default: i64| {
        let given = properties[name].as_i64().filter(|days| *days > 0);
        (given.unwrap_or(default), given.is_none())
    };
    let (retention, retention_is_default) = days("retentionInDays", 30);
    let (total, total_is_default) = days("totalRetentionInDays", retention);
    let mut schema = properties["schema"].clone();
    for column in schema.get_mut("columns").and_then(Value::as_array_mut).into_iter().flatten() {
        // Types are taken in any case and answered in one.
        if column["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("datetime")) {
            column["type"] = json!("dateTime");
        }
    }
    if let Some(members) = schema.as_object_mut() {
        for (name, value) in [
            ("name", json!(request.call.name())),
            ("tableType", json!("CustomLog")),
            ("tableSubType", json!("DataCollectionRuleBased")),
            (
                "standardColumns",
                json!([{"name": "TenantId", "type": "guid", "isDefaultDisplay": false, "isHidden": false}]),
            ),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    json!({
        "id": request.id,
        "name": request.call.name(),
        "type": KIND,
        "properties": {
            "plan": properties["plan"].as_str().unwrap_or("Analytics"),
            "retentionInDays": retention,
            "retentionInDaysAsDefault": retention_is_default,
            "totalRetentionInDays": total,
            "totalRetentionInDaysAsDefault": total_is_default,
            "provisioningState": "InProgress",
            "schema": schema,
        },
    })
}

fn patch(world: &mut World, request: &Request<'_>, place: &str) -> Result<Answer, Answer> {
    let sent = request.call.object()?;
    let record = world.resources.get(&request.key).ok_or_else(|| Answer::resource_not_found(&request.id))?;
    let mut merged = record.body.clone();
    if let Some(schema) = merged.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        schema.remove("standardColumns");
    }
    for name in ["retentionInDays", "totalRetentionInDays"] {
        // What is not sent stays what it is: a default stays one, and what the plan fixes is not set.
        let fixed = merged["properties"]["plan"] != "Analytics" && name == "retentionInDays";
        if fixed || merged["properties"][format!("{name}AsDefault")] == true {
            set_property(&mut merged, name, Value::Null);
        }
    }
    for (name, value) in sent["properties"].as_object().into_iter().flatten() {
        set_property(&mut merged, name, value.clone());
    }
    put(world, request, place, &merged)
}

/// Turns a classic table into one that takes rows from rules.
pub(super) fn migrate(world: &mut World, request: &Request<'_>) -> Result<Answer, Answer> {
    if request.call.method != Method::POST {
        return Err(method_not_allowed(request));
    }
    let key = request.key.trim_end_matches("/migrate");
    let record = world.resources.get_mut(key).ok_or_else(|| Answer::resource_not_found(key))?;
    if let Some(schema) = record.body.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        schema.insert("tableSubType".to_owned(), json!("DataCollectionRuleBased"));
    }
    Ok(Answer::empty(StatusCode::OK))
}

fn delete(world: &mut World, request: &Request<'_>, place: &str) -> Answer {
    let Some(record) = world.resources.get_mut(&request.key) else {
        return Answer::empty(StatusCode::NO_CONTENT);
    };
    set_property(&mut record.body, "provisioningState", json!("Deleting"));
    let operation = world.start(world.lags.table_polls, Effect::Remove(request.key.clone()), None);
    let answer = operations::announce(Answer::empty(StatusCode::ACCEPTED), request, place, &operation);
    operations::announce_result(answer, request, &operation)
}
