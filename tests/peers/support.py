"""What the peers share: the binary under test, a home of its own, servers on loopback, a recording proxy."""

import collections
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
DEADLINE = 240

Exchange = collections.namedtuple("Exchange", "method path headers body status reply_headers reply")


class Failed(Exception):
    """A check that did not hold."""


class Skipped(Exception):
    """A check whose tool cannot be had here."""


def check(holds, what):
    if not holds:
        raise Failed(what)


def build():
    subprocess.run(["cargo", "build", "--locked", "--quiet"], cwd=ROOT, check=True)
    data = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True)
    return str(pathlib.Path(json.loads(data.stdout)["target_directory"]) / "debug" / "kubewright")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Home:
    """A private HOME with its own state directory; runs the binary in it."""

    def __init__(self, binary):
        self.binary = binary
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="kubewright-peers-"))
        self.extra = {}

    def environment(self):
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TERM", "RUST_BACKTRACE") if key in os.environ}
        return {**kept, "HOME": str(self.path), "KUBEWRIGHT_HOME": str(self.path / "kw"), **self.extra}

    def start(self, *words):
        return subprocess.Popen(
            [self.binary, *words],
            env=self.environment(), cwd=self.path, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )

    def run(self, *words, code=0):
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed(f"`kubewright {' '.join(words)}` did not end in {DEADLINE} s")
        check(process.returncode == code, f"`kubewright {' '.join(words)}` ended with {process.returncode}, not {code}:\n{err.decode()}{out.decode()}")
        return out.decode()

    def json(self, *words, code=0):
        return json.loads(self.run(*words, "-o", "json", code=code))

    def forget_journals(self):
        for stacks in (self.path / "kw").rglob("stacks"):
            shutil.rmtree(stacks)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """A child process that serves until the end of the with block."""

    def __init__(self, command, log, ready, **options):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **options)
        end = time.monotonic() + 60
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise Failed(f"{command[0]} did not come up:\n{pathlib.Path(log).read_text()[-2000:]}")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def answers(port):
    def ready():
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return True
        except OSError:
            return False

    return ready


def sandbox(home, *words, speed="max"):
    """`sandbox serve` for this home; its environment for other clients ends up in `home.extra`. Under `max` time passes
    only for those who tell the pretend clock that they wait: other clients want a speed."""
    ready, env_out = home.path / "ready", home.path / "sandbox.env"
    ready.unlink(missing_ok=True)
    command = [home.binary, "sandbox", "serve", "--speed", speed, "--ready-file", str(ready), "--env-out", str(env_out), *words]
    server = Server(command, home.path / "serve.log", ready.exists, env=home.environment(), cwd=home.path)
    for line in env_out.read_text().splitlines():
        line = line.removeprefix("export ").strip()
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            home.extra[key] = value.strip("'\"")
    # Our own waits follow the pretend clock, as they do under --sandbox.
    home.extra["KUBEWRIGHT_SANDBOX_CLOCK"] = home.extra["AWS_ENDPOINT_URL"] + "/_sandbox/clock"
    return server


def pass_time(home, seconds):
    """Lets the pretend clouds' time go by."""
    body = json.dumps({"ms": seconds * 1000}).encode()
    request = urllib.request.Request(f"{home.extra['KUBEWRIGHT_SANDBOX_CLOCK']}/sleep", data=body, method="POST")
    urllib.request.urlopen(request, timeout=DEADLINE).close()


def recorded(directory):
    """[(cloud, exchange)] of everything that sandboxes with KUBEWRIGHT_SANDBOX_RECORD kept there; each server's in order."""
    found = []
    for file in sorted(pathlib.Path(directory).glob("*.jsonl")):
        # A server that was killed may leave half a line.
        for line in file.read_text(errors="replace").split("\n")[:-1]:
            it = json.loads(line)
            raw = [None if it[name] is None else it[name].encode() for name in ("body", "reply")]
            found.append((it["cloud"], Exchange(it["method"], it["path"], it["headers"], raw[0], it["status"], it["replyHeaders"], raw[1])))
    return found


class Recorder:
    """A proxy that keeps every exchange. Signed requests pass unchanged: the Host header is the client's own."""

    def __init__(self, upstream):
        host, _, port = upstream.removeprefix("http://").rstrip("/").partition(":")
        self.exchanges = exchanges = []
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                link = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
                try:
                    link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for key, value in self.headers.items():
                        link.putheader(key, value)
                    link.endheaders(body)
                    reply = link.getresponse()
                    data = reply.read()
                except (OSError, http.client.HTTPException):
                    self.close_connection = True
                    return
                finally:
                    link.close()
                with lock:
                    headers = {key.lower(): value for key, value in self.headers.items()}
                    replied = {key.lower(): value for key, value in reply.getheaders()}
                    exchanges.append(Exchange(self.command, self.path, headers, body, reply.status, replied, data))
                try:
                    self.send_response_only(reply.status)
                    for key, value in reply.getheaders():
                        if key.lower() not in ("transfer-encoding", "content-length", "connection"):
                            self.send_header(key, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
