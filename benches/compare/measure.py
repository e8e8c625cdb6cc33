"""CPU time and memory of whole processes, in turn, in one run: our credential plugin, completion and local answers
against `aws eks get-token`, `gke-gcloud-auth-plugin` and `az account get-access-token`, where these are installed, and
`/bin/true`; the binary's size; a cold build.

The machine may be busy, so CPU time (user and system, the process and its children) is what counts, medians are quoted,
and every figure is also a ratio to another of the same run. Budgets are printed beside what they bound; being over one
is said, never a failure.
"""

import argparse
import collections
import json
import os
import pathlib
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
STACKS = 10
DEADLINE = 120
# The server application of AKS, which its tokens are for.
AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"

Figure = collections.namedtuple("Figure", "cpu_ms wall_ms rss_mb")
# What is measured: a command, its environment, and a file or directory that is taken away before each run.
Task = collections.namedtuple("Task", "command env forgets", defaults=(None,))


def target():
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    return pathlib.Path(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)["target_directory"])


# Started by a program as small as can be had here: a new process is charged with the memory of the one that starts it.
LAUNCHER = """
import posix, sys, time
null = [(posix.POSIX_SPAWN_OPEN, fd, "/dev/null", posix.O_RDWR, 0) for fd in (0, 1, 2)]
began = time.monotonic()
pid = posix.posix_spawn(sys.argv[1], sys.argv[1:], posix.environ, file_actions=null)
_, status, used = posix.wait4(pid, 0)
print(status, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def once(command, env):
    """One run of a command, by the system's own accounts of it."""
    launched = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *command], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=DEADLINE)
    status, wall, cpu, peak = (float(word) for word in launched.stdout.split())
    if status:
        raise SystemExit(f"{shlex.join(command)} ended with status {status:.0f}")
    return Figure(cpu * 1e3, wall * 1e3, peak / 1024)


def forget(path):
    if path and path.is_dir():
        shutil.rmtree(path)
    elif path:
        path.unlink(missing_ok=True)


def measure(tasks, runs):
    """All of them in turn, so that a busy minute of the machine falls on all alike."""
    seen = {name: [] for name in tasks}
    for turn in range(runs + 1):
        for name, task in tasks.items():
            forget(task.forgets)
            figure = once(task.command, task.env)
            if turn:
                seen[name].append(figure)
    return {name: Figure(*(statistics.median(column) for column in zip(*figures))) for name, figures in seen.items()}


class Rehearsal:
    """Clusters in the pretend cloud, and what its environment is for other programs."""

    def __init__(self, binary):
        self.binary = binary
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="kubewright-compare-"))
        self.env = {"HOME": str(self.home), "KUBEWRIGHT_HOME": str(self.home / "kw"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        ready, out = self.home / "ready", self.home / "sandbox.env"
        command = [binary, "sandbox", "serve", "--speed", "max", "--ready-file", str(ready), "--env-out", str(out)]
        # Room for all of them: a new account has five networks, five addresses and few virtual CPUs.
        command += [word for code in ("L-F678F1CE", "L-A4707A72", "L-0263D0A3", "L-1216C47A", "L-FE5A380F") for word in ("--quota", f"{code}=200")]
        self.server = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.build(ready, out)
        except BaseException:
            self.close()
            raise

    def build(self, ready, out):
        end = time.monotonic() + DEADLINE
        while not ready.exists():
            if self.server.poll() is not None or time.monotonic() > end:
                raise SystemExit("sandbox serve did not come up")
            time.sleep(0.02)
        self.clients = dict(self.env)
        for line in out.read_text().splitlines():
            key, found, value = line.removeprefix("export ").partition("=")
            if found:
                self.clients[key] = shlex.split(value)[0]
        for nth in range(STACKS):
            self.provision(f"demo-{nth}", "aws", "us-east-1")
        self.provision("demo-gcp", "gcp", "us-central1")
        self.provision("demo-azure", "azure", "eastus")
        # Where the rehearsal's journals are, as a home of their own: local answers then need no server.
        self.local = {**self.env, "KUBEWRIGHT_HOME": str(self.home / "kw" / "sandbox")}

    def run(self, *words):
        return subprocess.run([self.binary, *words], env=self.env, check=True, capture_output=True, timeout=DEADLINE).stdout

    def provision(self, name, cloud, region):
        self.run("--sandbox", "provision", name, "--provider", cloud, "--region", region, "--yes", "--wait", "cloud")

    def plugin(self, name, home):
        """The command that a kubeconfig of ours names, in a home whose cache of tokens is its own."""
        told = json.loads(self.run("--sandbox", "kubeconfig", name, "-o", "json"))["exec"]
        env = {**self.clients, "KUBEWRIGHT_HOME": str(self.home / home)}
        return [self.binary, *told["args"]], env, self.home / home / "tokens"

    def close(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()
        shutil.rmtree(self.home)


def eks(binary, rehearsal):
    place = ["--cluster", "demo-0", "--provider", "aws", "--region", "us-east-1"]
    keys = rehearsal.clients
    # Keys in a file are no keys of the environment: the token that was kept is handed out again.
    shared = rehearsal.home / "credentials"
    shared.write_text(
        f"[team]\naws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    profile = {name: value for name, value in keys.items() if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    profile["AWS_SHARED_CREDENTIALS_FILE"] = str(shared)
    warm = [binary, "token", *place, "--profile", "team"]
    aws = [sys.executable, str(BIN / "aws"), "eks", "get-token", "--cluster-name", "demo-0", "--region", "us-east-1"]
    return {
        "EKS token, keys in the environment": Task([binary, "token", *place], keys),
        "EKS token, kept": Task(warm, profile),
        "aws eks get-token": Task(aws, keys),
    }


def asked_and_kept(cloud, rehearsal, name):
    """A token that its issuer is asked for, and one that was kept from the call before."""
    command, env, tokens = rehearsal.plugin(name, f"asked-{name}")
    again, same, _ = rehearsal.plugin(name, f"kept-{name}")
    return {f"{cloud} token, asked for": Task(command, env, tokens), f"{cloud} token, kept": Task(again, same)}


def gke(rehearsal):
    tasks = asked_and_kept("GKE", rehearsal, "demo-gcp")
    program = shutil.which("gke-gcloud-auth-plugin")
    if not program:
        print("gke-gcloud-auth-plugin is not installed: GKE tokens have nothing to be held against")
        return tasks
    # It keeps its tokens beside the kubeconfig.
    for what, home in (("asked for", "plugin-asked"), ("kept", "plugin-kept")):
        place = rehearsal.home / home
        place.mkdir()
        env = {**rehearsal.clients, "HOME": str(place), "KUBECONFIG": str(place / "config")}
        kept = place / "gke_gcloud_auth_plugin_cache"
        tasks[f"gke-gcloud-auth-plugin, {what}"] = Task([program, "--use_application_default_credentials"], env, kept if what == "asked for" else None)
    return tasks


def aks(rehearsal):
    tasks = asked_and_kept("AKS", rehearsal, "demo-azure")
    program = shutil.which("az")
    if not program:
        print("az is not installed: AKS tokens have nothing to be held against")
        return tasks
    env = {**rehearsal.clients, "AZURE_CONFIG_DIR": str(rehearsal.home / "az"), "REQUESTS_CA_BUNDLE": rehearsal.clients["SSL_CERT_FILE"], "AZURE_CORE_COLLECT_TELEMETRY": "false"}
    cloud = next((rehearsal.home / "kw").rglob("azure-cloud.json"))
    signed_in = (
        ("cloud", "register", "--name", "KubewrightSandbox", "--cloud-config", f"@{cloud}"),
        ("cloud", "set", "--name", "KubewrightSandbox"),
        ("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"], "-p", env["AZURE_CLIENT_SECRET"], "--tenant", env["AZURE_TENANT_ID"]),
    )
    for words in signed_in:
        subprocess.run([program, *words], env=env, check=True, capture_output=True, timeout=DEADLINE)
    tasks["az account get-access-token, kept"] = Task([program, "account", "get-access-token", "--resource", AKS_SERVER], env)
    return tasks


def tasks(binary, rehearsal):
    tab = {**rehearsal.local, "KUBEWRIGHT_COMPLETE": "bash", "_CLAP_COMPLETE_INDEX": "2"}
    return {
        "/bin/true": Task(["/bin/true"], rehearsal.env),
        "kubewright --version": Task([binary, "--version"], rehearsal.env),
        **eks(binary, rehearsal),
        **gke(rehearsal),
        **aks(rehearsal),
        "one TAB, for the name of a stack": Task([binary, "--", "kubewright", "destroy", ""], tab),
        "status --local": Task([binary, "status", "--local"], rehearsal.local),
    }


BUDGETS = {
    "kubewright --version": ("wall_ms", 8),
    "EKS token, keys in the environment": ("cpu_ms", 5),
    "EKS token, kept": ("cpu_ms", 5),
    "GKE token, kept": ("cpu_ms", 5),
    "AKS token, kept": ("cpu_ms", 5),
    "one TAB, for the name of a stack": ("wall_ms", 20),
    "status --local": ("wall_ms", 15),
}
MEMORY = {name: 12 for name in BUDGETS if "token" in name}
# Ours against what it replaces.
RIVALS = {
    "EKS token, keys in the environment": "aws eks get-token",
    "GKE token, asked for": "gke-gcloud-auth-plugin, asked for",
    "GKE token, kept": "gke-gcloud-auth-plugin, kept",
    "AKS token, kept": "az account get-access-token, kept",
}


def verdict(value, limit):
    return f"budget {limit}, ratio {value / limit:.2f}: {'OK' if value <= limit else 'OVER'}"


def report(figures):
    floor = figures["/bin/true"]
    print(f"{'':<40}{'CPU ms':>9}{'wall ms':>9}{'MB':>7}   CPU against /bin/true")
    for name, it in figures.items():
        print(f"{name:<40}{it.cpu_ms:>9.2f}{it.wall_ms:>9.2f}{it.rss_mb:>7.1f}   {it.cpu_ms / max(floor.cpu_ms, 0.01):8.1f} x")
        if name in BUDGETS:
            what, limit = BUDGETS[name]
            print(f"{'':<40}{what.replace('_', ' ')}: {verdict(getattr(it, what), limit)}")
        if name in MEMORY:
            print(f"{'':<40}memory MB: {verdict(it.rss_mb, MEMORY[name])}")
    print(f"memory is the larger of the program's and its launcher's, which /bin/true shows: {floor.rss_mb:.1f} MB")
    for ours, theirs in RIVALS.items():
        if theirs in figures:
            mine, other = figures[ours], figures[theirs]
            print(f"{ours}: 1/{other.cpu_ms / mine.cpu_ms:.1f} of the CPU time and 1/{other.rss_mb / mine.rss_mb:.1f} of the memory of {theirs}")


def cold_build():
    """A dev build of everything into an empty target directory."""
    with tempfile.TemporaryDirectory(prefix="kubewright-cold-") as empty:
        began = time.monotonic()
        env = {**os.environ, "CARGO_TARGET_DIR": empty, "CARGO_INCREMENTAL": "0"}
        subprocess.run(["cargo", "build", "--locked", "--quiet"], cwd=ROOT, env=env, check=True)
        minutes = (time.monotonic() - began) / 60
    print(f"cold dev build, {os.cpu_count()} cores: {minutes:.1f} minutes; {verdict(minutes, 10)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--no-cold-build", action="store_true")
    options = parser.parse_args()
    binary = str(target() / "release" / "kubewright")
    rehearsal = Rehearsal(binary)
    try:
        report(measure(tasks(binary, rehearsal), options.runs))
    finally:
        rehearsal.close()
    size = os.path.getsize(binary) / 1e6
    print(f"the binary, stripped: {size:.1f} MB; {verdict(size, 40)}")
    if not options.no_cold_build:
        cold_build()


if __name__ == "__main__":
    main()
