# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What may go wrong: very many series, labels that look like markup, a store or a server that goes away, a proxy."""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from browser import Browser, Page
from service import HANG_SECONDS, Recorder, Server, Service

EVIL = [
    '<img src=x onerror="window.hacked=1">',
    '"><script>window.hacked=1</script>',
    "</td></tr></table><h1 id=evil>owned</h1>",
    "javascript:window.hacked=1",
    "${window.hacked=1}{{constructor.constructor('window.hacked=1')()}}",
    'a\\"b\\\\n\nc',
    "\u202eevil\u2066 \x7f\x1b[31m &lt;b&gt;",
]


def test_twenty_thousand_series(recorder: Recorder, server: Server, browser: Browser) -> None:
    """The answer and the page stay small; every series can be found; more are shown on demand."""
    recorder.tell("many", "items", 20_000)
    page = browser.open(server.url, answers=2)
    assert page.row("items")["series"] == "20,000" and page.row("items")["value"] == "20,000"
    page.button("items").click()
    page.wait(lambda: len(page.all("tr.one")) == 25)
    more = page.all("tr.more-row button")[0]
    assert more.text == "Show more of items (19,975 series are not shown)"
    more.click()
    page.wait(lambda: len(page.texts("tr.one .label")) == 125)
    assert page.texts("tr.one .label")[0] == "item00000shard0"
    page.filter("item=19999")
    page.wait(lambda: page.texts("tr.one .label") == ["item19999shard0"])
    page.filter("shard=3")
    page.wait(lambda: page.row("items")["series"] == "2,857 of 20,000")
    largest = max(len(one["text"]) for one in page.run("return window.answers"))
    assert largest < 60_000, largest
    assert page.run("return document.querySelectorAll('*').length") < 6_000


def test_an_answer_is_bounded(recorder: Recorder, server: Server) -> None:
    """Whatever a query asks for."""
    recorder.tell("many", "items", 20_000)
    families = server.ask("open=1000000:items&families=1000000&unfold=1000000&filter=item&processes=-1")["families"]
    assert [len(one["series"]) for one in families] == [2_000]
    for query in (
        "open=",
        "open=:",
        "open=x:items",
        "families=x",
        "type=none&order=none",
        "%",
        "%zz=%f",
        "&&==&",
        "a" * 5000,
    ):
        assert server.ask(query)["matched"]["series"] == 20_001, query


def test_many_families(recorder: Recorder, server: Server, browser: Browser) -> None:
    """A hundred at a time."""
    recorder.tell("families", "name_", 1_500)
    page = browser.open(server.url, answers=2)
    assert len(page.families) == 100
    more = page.by_id("more-families")
    assert more.text == "Show more families (1,401 are not shown)"
    more.click()
    page.wait(lambda: len(page.families) == 200)
    page.filter("name_1499")
    page.wait(lambda: page.families == ["name_1499"])


def test_hostile_texts(page: Page, recorder: Recorder) -> None:
    """Labels, info pairs and names of processes are shown as they are, and never become markup."""
    for number, text in enumerate(EVIL):
        recorder.tell("counter", "evil", {"text": text}, number)
        recorder.tell("info", f"evil{number}", {"text": text})
        recorder.tell("name", text)
        page.wait(lambda text=text: page.process(recorder.pid)["process"] == text)
    page.filter("evil")
    page.wait(lambda: len(page.all("tr.one")) == len(EVIL))
    assert sorted(page.texts("tr.one .pair-value")) == sorted(EVIL)
    assert sorted(page.texts("tr.family .pair-value")) == sorted(EVIL)
    for button in page.all("tr.one .disclose"):
        button.click()
    page.await_answers(2)
    found = page.run(
        """
        const count = (selector) => document.querySelectorAll(selector).length;
        return [window.hacked, document.getElementById("evil"), count("main img, main script"),
            document.scripts.length, count("[onerror], [onclick], [style]")];"""
    )
    assert found == [None, None, 0, 1, 0]
    for text in EVIL[:4]:
        page.filter(text)
    assert page.run("return window.hacked") is None


def test_the_policy_forbids_scripts_of_others(page: Page) -> None:
    """Even if a text became markup, the browser would run nothing of it and fetch nothing."""
    page.run(
        """
        window.violations = [];
        document.addEventListener(
            "securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
        const script = document.createElement("script");
        script.textContent = "window.hacked = 1";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "http://192.0.2.1/x.png";
        document.body.append(image);"""
    )
    page.wait(lambda: len(page.run("return window.violations")) == 2)
    assert page.run("return [window.hacked, window.violations.sort()]") == [None, ["img-src", "script-src-elem"]]
    messages = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    blocked = [one["params"].get("blockedReason") for one in messages if one["method"] == "Network.loadingFailed"]
    assert blocked == ["csp"], blocked
    # The policy's own words about it.
    page.driver.get_log("browser")


def test_store_removed_and_back(service: Service, browser: Browser) -> None:
    """The page says so, keeps what it showed, and shows the next store as soon as it is there, from its beginning."""
    first = service.recorder()
    first.tell("counter", "jobs", {}, 1_000_000)
    page = browser.open(service.serve().url, answers=3)
    assert page.row("jobs")["rate"] == "0/s"
    first.kill()
    shutil.rmtree(service.directory)
    page.wait(lambda: page.state == "gone")
    banner = page.by_id("banner")
    assert banner.is_displayed() and str(service.directory) in banner.text
    assert page.row("jobs")["value"] == "1 M".replace(" ", "\u202f")
    second = service.recorder()
    second.tell("counter", "jobs", {}, 5)
    page.wait(lambda: page.state == "live" and page.row("jobs")["value"] == "5")
    assert not banner.is_displayed()
    # A million has not been taken away, nor five added: the history began anew.
    page.wait(lambda: page.row("jobs")["rate"] == "0/s")
    assert page.process(first.pid) is None and page.process(second.pid)["state"] == "alive"


def test_store_replaced_at_once(service: Service, browser: Browser) -> None:
    """A service that is started anew in the same directory."""
    first = service.recorder()
    first.tell("counter", "jobs", {}, 70)
    page = browser.open(service.serve().url, answers=2)
    first.kill()
    shutil.rmtree(service.directory)
    service.recorder().tell("counter", "jobs", {}, 8)
    page.wait(lambda: page.row("jobs")["value"] == "8")
    values = [answer["families"][0]["flow"] for answer in page.answers if answer.get("families")]
    assert all(flow[0] >= 0 for flow in values if flow)


def test_no_store_yet(service: Service, browser: Browser) -> None:
    """The server may be there before the service is."""
    page = browser.open(service.serve().url)
    assert page.state == "gone" and page.by_id("banner").is_displayed()
    service.recorder().tell("counter", "jobs", {}, 3)
    page.wait(lambda: page.state == "live" and page.row("jobs")["value"] == "3")


def test_server_gone_and_back(service: Service, browser: Browser) -> None:
    """The page says that nobody answers, and goes on by itself; a new server's counting is not taken for a rate."""
    browser.expected = ["net::ERR_", "Failed to load resource"]
    recorder = service.recorder()
    recorder.tell("counter", "jobs", {}, 50)
    server = service.serve()
    page = browser.open(server.url, answers=2)
    server.end()
    page.wait(lambda: page.state == "unreachable")
    assert "does not answer" in page.by_id("banner").text
    recorder.tell("counter", "jobs", {}, 1)
    service.serve(port=server.port)
    page.wait(lambda: page.state == "live" and page.row("jobs")["value"] == "51")
    page.wait(lambda: page.row("jobs")["rate"] == "0/s")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=HANG_SECONDS)
        self.path = path

    def connect(self) -> None:
        """Connects to the file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def proxy(unix: Path, prefix: str) -> http.server.ThreadingHTTPServer:
    """What an operator's web server does: hands /PREFIX/... to a Unix socket as /..."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            connection = UnixConnection(str(unix))
            connection.request("GET", "/" + self.path.removeprefix(prefix), headers={"Host": "localhost"})
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def log_message(self, *_: Any) -> None:
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def test_below_a_prefix_of_a_proxy(recorder: Recorder, service: Service, browser: Browser) -> None:
    """Every address in the page is relative, so that it works behind a proxy at any path, from a Unix socket."""
    recorder.tell("counter", "jobs", {}, 5)
    unix = service.folder / "serve.sock"
    service.serve(unix=unix)
    server = proxy(unix, quote("/tools/m\u00fcnchen/metrics/"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}" + quote("/tools/m\u00fcnchen/metrics/")
        page = browser.open(url, answers=2)
        assert page.state == "live" and page.row("jobs")["value"] == "5"
        links = page.run("return Array.from(document.links, (one) => one.href)")
        assert url + "metrics" in links and all(link.startswith(url) for link in links)
        page.driver.get("about:blank")
    finally:
        server.shutdown()
        server.server_close()


def test_files_of_the_page(server: Server, recorder: Recorder) -> None:
    """Their types, and what keeps a browser from running anything else; no other path has one."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)

    def get(path: str) -> tuple[int, str, str, bytes]:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, answer.headers["Content-Type"], answer.headers["Content-Security-Policy"] or "", body

    status, kind, policy, body = get("/")
    assert status == 200 and kind == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assets = Path(__file__).resolve().parents[2] / "Sources/FDMetricsHTTP/Page/Assets"
    types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    for asset in sorted(assets.iterdir()):
        status, kind, _, body = get(f"/{asset.name}")
        assert status == 200 and body == asset.read_bytes(), f"{asset.name} is not served as it is here: build again"
        assert kind == types.get(asset.suffix, "text/html; charset=utf-8")
        text = asset.read_text().replace("http://www.w3.org/2000/svg", "")
        outside = [line for line in text.splitlines() if "//" in line and ("src=" in line or "url(" in line)]
        assert not outside and "innerHTML" not in text and "eval(" not in text, asset.name
    for path in ("/main.jsx", "/Assets/main.js", "/../main.js", "/api/", "/api/store/", "//main.js"):
        assert get(path)[0] in (400, 404), path
