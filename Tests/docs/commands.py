# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What comes of each command of the pages, and the blocks that are not run, each with its reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple, Union

from blocks import ROOT, block

#: A block by its page and the beginning of its first line.
Where = tuple[str, str]
#: The store of a service that runs meanwhile, where a process that is told nothing looks for one.
STORE = "/dev/shm/fdmetrics-docs"
LOCAL = "http://127.0.0.1"
METRICS = f"{LOCAL}:9919/metrics"
SAMPLE = 'jobs_total{kind="quick"} 7.0'


class Answers(NamedTuple):
    """The command serves: once it is up, the answer at the address has this."""

    url: str
    wanted: str = SAMPLE
    options: tuple[str, ...] = ()


class Says(NamedTuple):
    """The command ends well, and its output has this."""

    wanted: str = ""


class Meanwhile(NamedTuple):
    """The command goes on; this one is tried until its output has what is wanted."""

    command: str
    wanted: str


Outcome = Union[Answers, Says, Meanwhile]


class Run(NamedTuple):
    """How a block is run."""

    #: One for each command; a single one for the whole block as a script.
    outcomes: tuple[Outcome, ...]
    #: What the reader writes in place of words of the page.
    words: Mapping[str, str] = {}
    store: str = STORE
    #: What prepares the machine.
    first: str = "true"
    #: What is there already, such as a receiver.
    server: str = ""
    is_script: bool = False
    #: The commands go on while the next ones run.
    is_together: bool = False
    environment: Mapping[str, str] = {}


VICTORIA_OPTIONS = "-storageDataPath=victoria -retentionPeriod=1 -search.latencyOffset=1s"
PROMETHEUS = "touch p.yml; exec prometheus --config.file=p.yml --storage.tsdb.path=p --web.enable-remote-write-receiver"
#: Whether a receiver has what the service recorded.
QUERY = "curl -sG {}/api/v1/query --data-urlencode query=jobs_total"
FLASK = block("docs/frameworks/flask.md", "python").text
SERVICE = (
    f"cat > service.py <<'END'\n{FLASK}\nEND\n"
    + """
printf 'from celery import Celery\napp = Celery(broker="memory://")\n' > tasks.py
"""
)
CERTIFICATE = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt 2> /dev/null
cp tls.crt prometheus-ca.crt
printf word > token
"""
#: A mode that is none would be an error.
GAUGES = "echo 'import fdmetrics.fastdeploy as f; f.MetricsManager(); print(\"taken\")' > gauges.py"
SECURE = "https://localhost:9919/metrics"
CA = ("--cacert", "tls.crt")

RUNS: dict[Where, Run] = {
    ("README.md", "fdmctl serve"): Run(
        (
            Answers(METRICS),
            Answers(f"{LOCAL}/metrics", options=("--unix-socket", "/run/metrics.sock")),
            Meanwhile(QUERY.format("tsdb:8428"), '"7"'),
        ),
        server=f"exec victoria-metrics {VICTORIA_OPTIONS}",
    ),
    ("deploy/README.md", "FDMETRICS_FASTDEPLOY_GAUGE_MODES"): Run(
        (Says("taken"),),
        words={"num_requests_waiting=livesum'": "num_requests_waiting=livesum' python gauges.py"},
        first=GAUGES,
    ),
    ("deploy/README.md", "promtool check config"): Run(
        (Says("SUCCESS"), Answers(f"{LOCAL}:9090/-/ready", "Ready")), first=f"cp -r {ROOT}/deploy/prometheus/. ."
    ),
    ("docs/fastdeploy.md", "FDMETRICS_FASTDEPLOY_GAUGE_MODES"): Run(
        (Says("taken"),),
        words={"num_requests_running=livesum'": "num_requests_running=livesum' python gauges.py"},
        first=GAUGES,
    ),
    ("docs/fdmctl.md", "$ fdmctl doctor"): Run(
        (Says("store /dev/shm/service: 1 segments, "),), store="/dev/shm/service"
    ),
    ("docs/fdmctl.md", "$ fdmctl dump"): Run(
        (Says(), Says(), Says("0 added, 0 removed, 0 changed, ")), words={"localhost:8000": "localhost:8001"}
    ),
    ("docs/fdmctl.md", "fdmctl completions"): Run(
        (Says(), Says(), Says()),
        words={"DIR": "$HOME"},
        first="mkdir -p ~/.local/share/bash-completion/completions ~/.config/fish/completions",
    ),
    ("docs/http.md", "fdmctl serve  "): Run(
        (
            Answers(METRICS),
            Answers(METRICS),
            Answers(f"{LOCAL}/metrics", options=("--unix-socket", "/run/app/metrics.sock")),
        ),
        store="/run/app/metrics",
        environment={"FDMETRICS_DIR": "/run/app/metrics"},
    ),
    ("docs/http.md", "fdmctl serve --listen"): Run(
        (
            Answers(SECURE, options=CA),
            Answers(SECURE, options=(*CA, "--cert", "tls.crt", "--key", "tls.key")),
            Answers(SECURE, options=(*CA, "--oauth2-bearer", "word")),
        ),
        words={"...": "--tls-cert tls.crt --tls-key tls.key"},
        first=CERTIFICATE,
    ),
    ("docs/page.md", "fdmctl serve DIR"): Run((Answers(f"{LOCAL}:9919/", "<title>"),)),
    ("docs/prometheus-client.md", "python -m fdmetrics run"): Run(
        (Answers(f"{LOCAL}:8000/metrics", "# TYPE"), Meanwhile("cat log-*", "[queues]"), Says(SAMPLE)),
        store="/dev/shm/service",
        first=SERVICE,
    ),
    ("docs/push.md", "victoria-metrics"): Run(
        (Answers(f"{LOCAL}:8428/health", "OK"), Meanwhile(QUERY.format("victoria-metrics:8428"), '"7"')),
        words={"...": VICTORIA_OPTIONS},
        is_together=True,
    ),
    ("docs/push.md", "fdmctl push --remote-write http://prometheus"): Run(
        (Meanwhile(QUERY.format("prometheus:9090"), '"7"'),), server=PROMETHEUS
    ),
    ("docs/push.md", "fdmctl push --otlp"): Run(
        (Meanwhile("cat received || true", "deployment.environment.name=production"),),
        server=f"exec {sys.executable} {ROOT}/Tests/docs/collector.py",
    ),
    ("docs/push.md", "fdmctl push DIR --once"): Run((Says(), Says()), server="exec prometheus-pushgateway"),
    ("examples/servers/README.md", "for i in"): Run(
        (Says(" 100.0\n"),),
        words={"/sleep/60 &": "/sleep/5 & sleep 1"},
        server=f"cd {ROOT}/examples/servers && exec gunicorn --no-control-socket --workers 4 flask_service:app",
        is_script=True,
    ),
}

#: Blocks that another test runs.
ELSEWHERE: dict[Where, str] = {
    ("docs/frameworks/gunicorn.md", "gunicorn --workers"): "test_dashboards, with the pages of the frameworks",
    ("docs/frameworks/uvicorn.md", "uvicorn --workers"): "test_dashboards, with the pages of the frameworks",
    ("docs/packaging.md", "pip install fdmetrics"): "Tests/wheel installs the wheels with their extras",
    ("docs/packaging.md", "cc app.c"): "Tests/dist links a program in each of these ways",
    ("docs/packaging.md", "find_package"): "Tests/dist has a project with these lines",
    ("deploy/README.md", "FROM python"): "test_containers runs its CMD; making the image needs a registry",
}

#: Blocks that are not run.
NOT_RUN: dict[Where, str] = {
    ("README.md", "make demo"): "these are all of the tests, this one among them, and the demo that follows them",
    ("deploy/README.md", "install -m 644 systemd"): "needs a machine with systemd",
    ("deploy/README.md", "kubectl apply"): "needs a cluster; Tests/deploy reads the manifests and runs their commands",
    ("docs/http.md", "[Unit]"): "needs a machine with systemd",
    ("docs/migration.md", "pip install"): "needs PyPI; Tests/wheel installs the wheel with its extras",
    ("docs/page.md", "location /metrics-of"): "a line of a whole configuration of nginx; Tests/deploy runs one",
    ("docs/push.md", "fdmctl push --remote-write https://prometheus.example.net"): "needs hosted services",
}
