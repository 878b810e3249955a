#!/usr/bin/env python3
"""docker-compose.yml and Dockerfile as they are, in a real engine: built, connected as the documentation says, taught,
restarted, stopped. `scripts/compose-for-tests.sh with target/debug/weathervane tests/compose/compose.py` runs it."""

import base64
import json
import os
import re
import struct
import subprocess
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path

ROOT = Path(os.environ["WEATHERVANE_TEST_COMPOSE"])
ENV_FILE = os.environ["WEATHERVANE_TEST_COMPOSE_ENV"]

# Seconds; Label Studio starts in 20 on an idle machine.
PATIENCE = 240

LABEL_CONFIG = """<View><Image name="image" value="$image"/><Choices name="colour" toName="image">
<Choice value="red"/><Choice value="blue"/></Choices></View>"""

FORMER_TOKEN = "0123456789abcdef0123456789abcdef01234567"


def settings():
    lines = Path(ENV_FILE).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def run(*command, env=(), fails=False):
    """Stdout and stderr of a command."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1", **dict(env)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode != 0) == fails, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def compose(*arguments, env_file=ENV_FILE, **more):
    return run("docker-compose", "--env-file", env_file, *arguments, **more)


def ask(method, url, authorization, body=None):
    """The JSON that a server answers; no proxy of the environment is asked."""
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def until(what, look):
    started = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() - started < PATIENCE, f"waited {PATIENCE} s for {what}"
        time.sleep(0.5)


def state(service):
    return json.loads(run("docker", "inspect", compose("ps", "-q", "-a", service).strip()))[0]["State"]


def healthy(service):
    return until(f"{service} to be healthy", lambda: state(service)["Health"]["Status"] == "healthy")


def documented_url():
    """The address to paste into Label Studio, as operations prints it; README and compose file print no other."""
    texts = {name: (ROOT / name).read_text() for name in ["docs/OPERATIONS.md", "README.md", "docker-compose.yml"]}
    printed = re.search(r"^\| `docker compose up` \|.*`(http://[^`]*)`", texts["docs/OPERATIONS.md"], re.MULTILINE)[1]
    for name, text in texts.items():
        others = set(re.findall(r"http://weathervane[\w.]*:9090", text)) - {printed.removesuffix("/SECRET")}
        assert not others, f"{name} prints {others}"
    assert printed in texts["docker-compose.yml"], printed
    return printed


def png(red, green, blue):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([red, green, blue]) * 64 for _ in range(64))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refuses_what_is_not_safe(known):
    with tempfile.NamedTemporaryFile() as empty:
        said = compose("config", env_file=empty.name, fails=True)
    assert "scripts/compose-env.sh" in said, said
    opened = {"BIND_ADDRESS": "0.0.0.0", "LABEL_STUDIO_TOKEN": FORMER_TOKEN}
    said = compose("run", "--rm", "--no-deps", "label-studio", env=opened, fails=True)
    assert "everybody knows" in said and FORMER_TOKEN not in said, said
    assert len({known[name] for name in known if re.search("PASS|TOKEN|SECRET", name)}) == 5, "secrets that are none"


def main():
    known = settings()
    label_studio, server = (f"http://127.0.0.1:{known[name]}" for name in ["LABEL_STUDIO_PORT", "WEATHERVANE_PORT"])
    token = f"Token {known['LABEL_STUDIO_TOKEN']}"
    login = f"{known['BASIC_AUTH_USER']}:{known['BASIC_AUTH_PASS']}"
    operator = f"Basic {base64.b64encode(login.encode()).decode()}"
    refuses_what_is_not_safe(known)

    compose("up", "--detach", "--build")
    for service in ["postgres", "label-studio", "weathervane"]:
        healthy(service)
    assert "uid=10001(weathervane) gid=10001(weathervane)" in compose("exec", "-T", "weathervane", "id")
    print("up and healthy", flush=True)

    backend = documented_url().replace("SECRET", known["SECRET_PATH"])
    made = ask("POST", f"{label_studio}/api/projects", token, {"title": "compose", "label_config": LABEL_CONFIG})
    project = made["id"]
    connected = ask("POST", f"{label_studio}/api/ml", token, {"url": backend, "project": project})
    assert connected["readable_state"] == "Connected", connected
    hooks = ask("GET", f"{label_studio}/api/webhooks/?project={project}", token)
    assert [hook["url"] for hook in hooks] == [f"{backend}/webhook"], hooks
    print("connected with a webhook", flush=True)

    files = Path(os.environ["IMAGES_DIR"])
    for shade in range(8):
        (files / f"red{shade}.png").write_bytes(png(200 + shade * 5, 10, 20))
        (files / f"blue{shade}.png").write_bytes(png(10, 20, 200 + shade * 5))
    tasks = [{"image": f"/data/local-files/?d={file.name}"} for file in sorted(files.iterdir())]
    ask("POST", f"{label_studio}/api/projects/{project}/import", token, tasks)
    listed = ask("GET", f"{label_studio}/api/tasks?project={project}&page_size=100&fields=all", token)["tasks"]
    for task in listed[:3] + listed[-3:]:
        colour = "red" if "red" in task["data"]["image"] else "blue"
        result = [{"from_name": "colour", "to_name": "image", "type": "choices", "value": {"choices": [colour]}}]
        ask("POST", f"{label_studio}/api/tasks/{task['id']}/annotations", token, {"result": result})

    def shown():
        return ask("GET", f"{server}/api/projects/{project}", operator)

    def learnt():
        version = shown()["version"]
        return version if re.match(r"v\d+-[0-9a-f]+", version) else None

    version = until("a version", lambda: shown()["versions"] and shown()["versions"][0]["labels"] == 6 and learnt())
    until("Label Studio's queue", lambda: shown()["queue"]["version"] == version)
    print(f"learnt {version}", flush=True)

    compose("restart", "weathervane")
    healthy("weathervane")
    assert learnt() == version, shown()
    said = compose("exec", "-T", "weathervane", "weathervane", "doctor", "--project", str(project))
    assert f"project {project}: a webhook arrived" in said, said
    said = compose("exec", "-T", "weathervane", "weathervane", "connect", "--create", "never made", "--backend-url",
                   "http://weathervane:9090", fails=True)
    assert "host `weathervane`, which has no dot" in said and "alias" in said, said
    assert ask("GET", f"{label_studio}/api/projects", token)["count"] == 1, "something was made all the same"
    print(f"serves {version} after a restart; doctor is content", flush=True)

    started = time.monotonic()
    compose("stop", "weathervane")
    took = time.monotonic() - started
    assert state("weathervane")["ExitCode"] == 0 and took < 30, (state("weathervane"), took)
    print(f"stopped within {took:.1f} s", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # The containers' users read it.
        os.chmod(folder, 0o755)
        os.environ["IMAGES_DIR"] = folder
        main()
