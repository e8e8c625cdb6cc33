//! What containers print: `GET …/pods/NAME/log`, whole or followed.

use super::{
    host::Cluster,
    kubelet::{self, Script},
    objects::{self, filed, id},
    paths::Objects,
    server::respond_with,
    status::Refusal,
};
use crate::{
    sandbox::{
        hub::Hub,
        server::Body,
        world::{Scope, Tx, WorldError},
    },
    store::GrowingReader,
};
use hyper::{Response, body::Bytes};
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Read at once.
const CHUNK: usize = 64 << 10;
/// How often a file is looked at that may have grown.
const PEEK: Duration = Duration::from_millis(20);

/// What a client asks of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) follow: bool,
    pub(super) timestamps: bool,
    pub(super) since: Option<Timestamp>,
    pub(super) tail: Option<usize>,
}

/// A log about to be streamed.
#[derive(Debug)]
pub(super) struct Logs {
    /// Where the pod is filed in the world.
    at: (Scope, String),
    pod: Value,
    wanted: Wanted,
    /// The file, of a pod that runs here; others are simulated.
    file: Option<GrowingReader>,
    /// How far the file was read.
    offset: u64,
    /// A line of the file whose end was not there yet.
    pending: Vec<u8>,
    /// How many lines of a simulated pod were told.
    told: usize,
    /// Tells when the pod may have changed; none before the first look.
    changes: Option<watch::Receiver<u64>>,
    /// Nothing more will be printed.
    over: bool,
}

/// Reads the request; the pod must have started.
pub(super) fn open(
    tx: &Tx<'_>,
    cluster: &Cluster,
    at: &Objects,
    param: impl Fn(&str) -> Option<String>,
) -> Result<Logs, Refusal> {
    let pod = objects::get(tx, cluster, at, 0)?;
    let name = at.name.as_deref().unwrap_or_default();
    let yes = |key: &str| param(key).is_some_and(|text| text == "true" || text == "1");
    if !kubelet::is_finite(&pod["spec"]) {
        return Err(Refusal::not_simulated("logs of pods that run for ever"));
    }
    let own = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
    if let Some(other) = param("container").filter(|asked| !asked.is_empty() && *asked != own) {
        return Err(Refusal::bad_request(format!("container {other} is not valid for pod {name}")));
    }
    if pod["spec"]["nodeName"].is_null() {
        return Err(Refusal::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let state = &pod["status"]["containerStatuses"][0]["state"];
    if let Some(why) = state["waiting"]["reason"].as_str() {
        let said = format!("container \"{own}\" in pod \"{name}\" is waiting to start: {why}");
        return Err(Refusal::bad_request(said));
    }
    if yes("previous") {
        let said = format!("previous terminated container \"{own}\" in pod \"{name}\" not found");
        return Err(Refusal::bad_request(said));
    }
    for other in ["limitBytes", "stream"] {
        if param(other).is_some() {
            return Err(Refusal::not_simulated(&format!("the parameter {other} of logs")));
        }
    }
    let number = |key: &str| -> Result<Option<u64>, Refusal> {
        let read =
            |text: String| text.parse().map_err(|_| Refusal::bad_request(format!("{key}: `{text}` is no number")));
        param(key).map(read).transpose()
    };
    let since = match (param("sinceTime"), number("sinceSeconds")?) {
        (Some(text), None) => Some(text.parse().map_err(|_| {
            Refusal::bad_request(format!("unable to decode query: parsing time \"{text}\": cannot parse"))
        })?),
        (None, Some(seconds)) => Some(tx.now() - Duration::from_secs(seconds)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid(
                "PodLogOptions is invalid: at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned(),
            ));
        }
    };
    let tail = number("tailLines")?.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX));
    let wanted = Wanted { follow: yes("follow"), timestamps: yes("timestamps"), since, tail };
    let key = id(cluster, at.namespace.as_deref(), name);
    Ok(Logs::new((cluster.scope.clone(), key), pod, wanted))
}

impl Logs {
    const fn new(at: (Scope, String), pod: Value, wanted: Wanted) -> Self {
        let (file, changes) = (None, None);
        Self { at, pod, wanted, file, offset: 0, pending: Vec::new(), told: 0, changes, over: false }
    }

    /// Whose it is.
    pub(super) const fn pod(&self) -> &Value {
        &self.pod
    }

    /// Read from this file, of a pod that runs here; else simulated.
    pub(super) fn kept_in(self, file: Option<GrowingReader>) -> Self {
        Self { file, ..self }
    }

    /// Where the last lines begin that were asked for.
    fn skip_to_tail(&mut self, now: Timestamp) {
        let Some(tail) = self.wanted.tail else { return };
        let Some(file) = &mut self.file else {
            self.told = Script::of(&self.pod).printed(&self.pod, now).len().saturating_sub(tail);
            return;
        };
        let (mut starts, mut at) = (VecDeque::from([0_u64]), 0_u64);
        loop {
            let bytes = file.read(at, CHUNK);
            if bytes.is_empty() {
                break;
            }
            for (n, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                starts.push_back(at + n as u64 + 1);
                if starts.len() > tail.saturating_add(1) {
                    starts.pop_front();
                }
            }
            at += bytes.len() as u64;
        }
        // After the last line end nothing stands, unless a line is being written.
        if starts.back() == Some(&at) {
            starts.pop_back();
        }
        let first = starts.len().saturating_sub(tail);
        self.offset = starts.get(first).copied().unwrap_or(at);
    }

    /// One line as it was asked for, with its end where it has one.
    fn shown(&self, line: &[u8], out: &mut Vec<u8>) {
        let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let stamp = std::str::from_utf8(&line[..space]).ok().and_then(|text| text.parse::<Timestamp>().ok());
        if self.wanted.since.is_some_and(|since| stamp.is_some_and(|at| at < since)) {
            return;
        }
        out.extend_from_slice(if self.wanted.timestamps { line } else { line.get(space + 1..).unwrap_or_default() });
    }

    /// What came since; nothing at the end of what there is.
    fn more(&mut self, now: Timestamp, over: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let Some(file) = &mut self.file else {
            let printed = Script::of(&self.pod).printed(&self.pod, now);
            for (at, line) in printed.iter().skip(self.told) {
                self.shown(format!("{at} {line}\n").as_bytes(), &mut out);
            }
            let any = printed.len() > self.told;
            self.told = self.told.max(printed.len());
            return any.then_some(out);
        };
        let bytes = file.read(self.offset, CHUNK);
        self.offset += bytes.len() as u64;
        let mut text = std::mem::take(&mut self.pending);
        text.extend_from_slice(&bytes);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.shown(line, &mut out);
        }
        self.pending = text[whole..].to_vec();
        if bytes.is_empty() {
            if over && !self.pending.is_empty() {
                let last = std::mem::take(&mut self.pending);
                self.shown(&last, &mut out);
                return Some(out);
            }
            return None;
        }
        Some(out)
    }

    /// Looks at the pod.
    fn look(&mut self, hub: &Hub) -> Result<(), WorldError> {
        let (scope, key) = &self.at;
        let same = |pod: &Value| pod["metadata"]["uid"] == self.pod["metadata"]["uid"];
        let pod = hub.transact(|tx| {
            let object = tx.get(scope, filed(kubelet::kind()), key).filter(|object| same(&object.doc));
            Ok::<_, WorldError>(object.map(|object| object.doc.clone()))
        })?;
        self.over = pod.as_ref().is_none_or(kubelet::has_ended) || !self.wanted.follow;
        self.pod = pod.unwrap_or_else(|| self.pod.take());
        Ok(())
    }

    /// The next bytes; none when the stream ends.
    async fn next(&mut self, hub: &Hub) -> Option<Vec<u8>> {
        if self.changes.is_none() {
            self.changes = Some(hub.changes());
            self.look(hub).ok()?;
            self.skip_to_tail(hub.now());
        }
        loop {
            while let Some(bytes) = self.more(hub.now(), self.over) {
                if !bytes.is_empty() {
                    return Some(bytes);
                }
            }
            if self.over {
                return None;
            }
            if let Ok(changed) = timeout(PEEK, self.changes.as_mut()?.changed()).await {
                changed.ok()?;
                // First whether it is over, then what is there: what was printed before the end is not missed.
                self.look(hub).ok()?;
            }
        }
    }

    /// Streams it.
    pub(super) fn respond(self, hub: Arc<Hub>) -> Response<Body> {
        let stream = futures::stream::unfold((self, hub), move |(mut logs, hub)| async move {
            let bytes = logs.next(&hub).await?;
            Some((Bytes::from(bytes), (logs, hub)))
        });
        respond_with("text/plain", stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::GrowingFile;
    use serde_json::json;

    fn logs(dir: &std::path::Path, text: &str, wanted: Wanted) -> Logs {
        let path = dir.join("pod.log");
        GrowingFile::open(&path).expect("opened").add(text.as_bytes()).expect("written");
        let at = (Scope::global("account"), "a".to_owned());
        let mut logs = Logs::new(at, json!({}), wanted).kept_in(Some(GrowingReader::new(path)));
        logs.skip_to_tail(Timestamp::UNIX_EPOCH);
        logs
    }

    fn read(mut logs: Logs, over: bool) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = logs.more(Timestamp::UNIX_EPOCH, over) {
            all.extend(bytes);
        }
        String::from_utf8(all).expect("text")
    }

    const TEXT: &str =
        "2026-11-20T12:00:00.5Z one\n2026-11-20T12:00:01Z \n2026-11-20T12:00:02Z three\n2026-11-20T12:00:03Z op";

    #[test]
    fn lines_come_as_they_were_asked_for() {
        let of = |wanted: Wanted, over: bool| {
            let dir = tempfile::tempdir().expect("a directory");
            read(logs(dir.path(), TEXT, wanted), over)
        };
        assert_eq!(of(Wanted::default(), true), "one\n\nthree\nop");
        // A line that is still being written is not shown while its container runs.
        assert_eq!(of(Wanted::default(), false), "one\n\nthree\n");
        assert_eq!(of(Wanted { timestamps: true, ..Wanted::default() }, true), TEXT);
        let since = "2026-11-20T12:00:01Z".parse().ok();
        assert_eq!(of(Wanted { since, ..Wanted::default() }, true), "\nthree\nop");
        for (tail, shown) in [(0, ""), (1, "op"), (2, "three\nop"), (9, "one\n\nthree\nop")] {
            assert_eq!(of(Wanted { tail: Some(tail), ..Wanted::default() }, true), shown, "{tail}");
        }
    }
}
