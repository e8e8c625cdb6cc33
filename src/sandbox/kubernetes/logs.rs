//! What containers print: `GET …/pods/NAME/log`, whole or followed, as a kubelet answers it.
//!
//! The log of a pod that runs here is kept as container runtimes keep it: `TIME TAG TEXT` a line, where the tag says whether
//! the text is a whole line (`F`) or a part of one (`P`): lines are cut where they grow too long, and the last one may lack
//! its end.

use super::{
    host::Cluster,
    kubelet,
    objects::{self, filed, id},
    paths::Objects,
    reply::respond_with,
    script::Script,
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
    /// How many bytes are said at the most.
    pub(super) limit: Option<usize>,
}

/// One line of a log as it is kept; `whole` unless more of it follows, or never does.
pub(super) fn kept(at: Timestamp, whole: bool, text: &[u8]) -> Vec<u8> {
    let mut line = format!("{at:.9} {} ", if whole { 'F' } else { 'P' }).into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
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
    /// What was said last lacks its end.
    midway: bool,
    /// Tells when the pod may have changed; none before the first look.
    changes: Option<watch::Receiver<u64>>,
    /// Nothing more will be printed.
    over: bool,
}

/// Reads the request; the pod must have started. None where no node has the pod yet: that is no content, not a refusal.
pub(super) fn open(
    tx: &Tx<'_>,
    cluster: &Cluster,
    at: &Objects,
    param: impl Fn(&str) -> Option<String>,
) -> Result<Option<Logs>, Refusal> {
    let pod = objects::get(tx, cluster, at, 0)?;
    let name = at.name.as_deref().unwrap_or_default();
    if !kubelet::is_finite(&pod["spec"]) {
        return Err(Refusal::not_simulated("logs of pods that run for ever"));
    }
    let own = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    if let Some(other) = param("container").filter(|asked| !asked.is_empty() && asked != own) {
        return Err(Refusal::bad_request(format!("container {other} is not valid for pod {name}")));
    }
    let wanted = wanted(tx.now(), &param)?;
    if pod["spec"]["nodeName"].is_null() {
        return Ok(None);
    }
    if param("previous").is_some_and(|text| yes(&text)) {
        let said = format!("previous terminated container \"{own}\" in pod \"{name}\" not found");
        return Err(Refusal::bad_request(said));
    }
    if let Some(why) = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str() {
        let why = match why {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            other => other,
        };
        let said = format!("container \"{own}\" in pod \"{name}\" is waiting to start: {why}");
        return Err(Refusal::bad_request(said));
    }
    let key = id(cluster, at.namespace.as_deref(), name);
    Ok(Some(Logs::new((cluster.scope.clone(), key), pod, wanted)))
}

fn yes(text: &str) -> bool {
    matches!(text, "true" | "1")
}

/// Reads what is asked for.
fn wanted(now: Timestamp, param: &impl Fn(&str) -> Option<String>) -> Result<Wanted, Refusal> {
    if param("stream").is_some_and(|stream| stream != "All") {
        return Err(Refusal::not_simulated("logs of one stream alone"));
    }
    let number = |key: &str| -> Result<Option<u64>, Refusal> {
        let read =
            |text: String| text.parse().map_err(|_| Refusal::bad_request(format!("{key}: `{text}` is no number")));
        param(key).map(read).transpose()
    };
    let since = match (param("sinceTime"), number("sinceSeconds")?) {
        (Some(text), None) => {
            let at: Timestamp = text.parse().map_err(|_| {
                Refusal::bad_request(format!("unable to decode query: parsing time \"{text}\": cannot parse"))
            })?;
            // API servers ask kubelets in whole seconds: who continues a log meets some lines again.
            Some(Timestamp::from_second(at.as_second()).unwrap_or(at))
        }
        (None, Some(seconds)) => now.checked_sub(Duration::from_secs(seconds)).ok(),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid(
                "PodLogOptions is invalid: at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned(),
            ));
        }
    };
    let limit = number("limitBytes")?;
    if limit == Some(0) {
        return Err(Refusal::invalid(
            "PodLogOptions is invalid: limitBytes: Invalid value: 0: must be greater than 0".to_owned(),
        ));
    }
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let asked = |key: &str| param(key).is_some_and(|text| yes(&text));
    let (follow, timestamps) = (asked("follow"), asked("timestamps"));
    Ok(Wanted { follow, timestamps, since, tail: number("tailLines")?.map(size), limit: limit.map(size) })
}

impl Logs {
    fn new(at: (Scope, String), pod: Value, wanted: Wanted) -> Self {
        let (file, changes, pending) = (None, None, Vec::new());
        Self { at, pod, wanted, file, offset: 0, pending, told: 0, midway: false, changes, over: false }
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
        let (mut starts, mut at) = (VecDeque::new(), 0_u64);
        loop {
            let (from, bytes) = file.read(at, CHUNK);
            if at == 0 {
                starts.push_back(from);
            }
            if bytes.is_empty() {
                break;
            }
            for (n, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                starts.push_back(from + n as u64 + 1);
                if starts.len() > tail.saturating_add(1) {
                    starts.pop_front();
                }
            }
            at = from + bytes.len() as u64;
        }
        // Every line that is kept has its end: after the last one nothing stands.
        starts.pop_back();
        let first = starts.len().saturating_sub(tail);
        self.offset = starts.get(first).copied().unwrap_or(at);
    }

    /// One kept line as it was asked for.
    fn shown(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (Some(stamp), Some(tag), Some(text)) = (parts.next(), parts.next(), parts.next()) else { return };
        let at = std::str::from_utf8(stamp).ok().and_then(|text| text.parse::<Timestamp>().ok());
        let early = self.wanted.since.is_some_and(|since| at.is_some_and(|at| at < since));
        if !early {
            if self.wanted.timestamps && !self.midway {
                out.extend_from_slice(stamp);
                out.push(b' ');
            }
            out.extend_from_slice(if tag == b"P" { text.strip_suffix(b"\n").unwrap_or(text) } else { text });
        }
        self.midway = tag == b"P";
    }

    /// What came since; nothing at the end of what there is.
    fn more(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let Some(file) = &mut self.file else {
            let printed = Script::of(&self.pod).printed(&self.pod, now);
            for (at, line) in printed.iter().skip(self.told) {
                self.shown(&kept(*at, true, line.as_bytes()), &mut out);
            }
            let any = printed.len() > self.told;
            self.told = self.told.max(printed.len());
            return any.then_some(out);
        };
        let (from, bytes) = file.read(self.offset, CHUNK);
        if bytes.is_empty() {
            return None;
        }
        if from != self.offset {
            // What lies between is not kept any more.
            self.pending.clear();
        }
        self.offset = from + bytes.len() as u64;
        let mut text = std::mem::take(&mut self.pending);
        text.extend_from_slice(&bytes);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.shown(line, &mut out);
        }
        self.pending = text[whole..].to_vec();
        Some(out)
    }

    /// As [`Self::more`], as far as the limit goes.
    fn more_within(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        if self.wanted.limit == Some(0) {
            self.over = true;
            return None;
        }
        let mut bytes = self.more(now)?;
        if let Some(left) = &mut self.wanted.limit {
            bytes.truncate(*left);
            *left -= bytes.len();
        }
        Some(bytes)
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
            while let Some(bytes) = self.more_within(hub.now()) {
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

    const ONE: &[u8] = b"2026-11-20T12:00:00.000000001Z F one\n2026-11-20T12:00:01.000000000Z F \n";
    const TWO: &[u8] = b"2026-11-20T12:00:02.000000000Z P th\n2026-11-20T12:00:02.500000000Z F ree\n2026-11-20T12:00:03.000000000Z P o";

    fn read(wanted: Wanted) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let mut file = GrowingFile::create(&path, 1 << 20).expect("made");
        file.add(ONE).expect("written");
        file.add(TWO).expect("written");
        let at = (Scope::global("account"), "a".to_owned());
        let mut logs = Logs::new(at, json!({}), wanted).kept_in(Some(GrowingReader::new(path)));
        file.add(b"p\n").expect("written");
        logs.skip_to_tail(Timestamp::UNIX_EPOCH);
        let mut out = Vec::new();
        while let Some(bytes) = logs.more_within(Timestamp::UNIX_EPOCH) {
            out.extend_from_slice(&bytes);
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_are_shown_as_asked() {
        assert_eq!(read(Wanted::default()), "one\n\nthree\nop");
        let stamped = read(Wanted { timestamps: true, ..Wanted::default() });
        assert_eq!(
            stamped,
            "2026-11-20T12:00:00.000000001Z one\n2026-11-20T12:00:01.000000000Z \n2026-11-20T12:00:02.000000000Z three\n2026-11-20T12:00:03.000000000Z op"
        );
        let since = "2026-11-20T12:00:01Z".parse().ok();
        assert_eq!(read(Wanted { since, ..Wanted::default() }), "\nthree\nop");
        // As kubelets count: every kept line, whole or not.
        for (tail, shown) in [(0, ""), (1, "op"), (2, "ree\nop"), (3, "three\nop"), (9, "one\n\nthree\nop")] {
            assert_eq!(read(Wanted { tail: Some(tail), ..Wanted::default() }), shown, "{tail}");
        }
        assert_eq!(read(Wanted { limit: Some(7), ..Wanted::default() }), "one\n\nth");
    }

    #[test]
    fn what_is_asked_is_read() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        let read = |asked: &[(&str, &str)]| {
            let param = |name: &str| asked.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            wanted(now, &param)
        };
        let since = read(&[("sinceTime", "2026-11-20T11:59:58.9Z")]).expect("read").since;
        assert_eq!(since, "2026-11-20T11:59:58Z".parse().ok(), "in whole seconds");
        let since = read(&[("sinceSeconds", "60")]).expect("read").since;
        assert_eq!(since, "2026-11-20T11:59:00Z".parse().ok());
        for refused in [
            &[("sinceTime", "now")][..],
            &[("sinceTime", "2026-11-20T11:59:58Z"), ("sinceSeconds", "1")],
            &[("tailLines", "-1")],
            &[("limitBytes", "0")],
            &[("stream", "Stderr")],
        ] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
    }
}
