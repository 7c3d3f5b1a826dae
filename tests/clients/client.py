"""HubSpot's official client for Python against the HubSpot twin: carries out calls.txt and writes a verdict for each check.

    ENGINE=target/release/engine python client.py CALLS VERDICTS

client.mjs does the same in Node; what a step means stands in README.md.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from hubspot import HubSpot
from hubspot.utils.signature import Signature
from urllib3.util.retry import Retry

calls_file, verdicts_file = sys.argv[1:]
engine = os.environ["ENGINE"]
SECRET = "client-secret"

deliveries = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        deliveries.append((dict(self.headers.items()), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
target = f"http://127.0.0.1:{receiver.server_port}/hubspot"

twin = subprocess.Popen(
    [engine, "sandbox", "hubspot", "--listen", "127.0.0.1:0", "--webhook", target, "--limit", "100000"],
    stdout=subprocess.PIPE,
    text=True,
)
base = re.search(r"listens at (http:\S+)", twin.stdout.readline()).group(1)


def client_of(as_):
    as_ = as_ or {}
    settings = {"host": base, "base_url": base}
    if "developer" in as_:
        settings["api_key"] = as_["developer"]
    else:
        settings["access_token"] = as_.get("token", "hubspot-token")
    if "retries" in as_:
        settings["retry"] = Retry(
            total=as_["retries"], status_forcelist=(429, 502), backoff_factor=0.1, allowed_methods=None
        )
    return HubSpot(**settings)


kept = {}


def filled(value):
    """`$name` is what was kept under the name, `#name` the same as a number, `${name}` the same inside a text."""
    if isinstance(value, str):
        if re.fullmatch(r"\$\w+", value):
            return kept[value[1:]]
        if re.fullmatch(r"#\w+", value):
            return int(kept[value[1:]])
        return re.sub(r"\$\{(\w+)\}", lambda found: str(kept[found[1]]), value)
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, dict):
        return {name: filled(member) for name, member in value.items()}
    return value


def differs(found, wanted, at="the answer"):
    """What is wrong with `found`, or nothing."""

    def unless(fine, what):
        return None if fine else f"{at} is {json.dumps(found)[:600]}, not {what}"

    if wanted is None:
        return unless(found is None, "absent")
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return unless(False, f"a list of {len(wanted)}")
        return first(differs(found[k], each, f"{at}[{k}]") for k, each in enumerate(wanted))
    if not isinstance(wanted, dict):
        return unless(type(found) is type(wanted) and found == wanted, json.dumps(wanted))
    rule, of = next(iter(wanted.items()), (None, None))
    if rule == "$given":
        return unless(found not in (None, ""), "there")
    if rule == "$not":
        return unless(differs(found, of, at), "anything else")
    if rule == "$like":
        return unless(isinstance(found, str) and re.search(of, found, re.S), f"like {of}")
    if rule == "$time":
        try:
            return unless(datetime.fromisoformat(found), "a time")
        except (TypeError, ValueError):
            return unless(False, "a time")
    if rule == "$size":
        return unless(found is not None and len(found) == of, f"of size {of}")
    if rule == "$keys":
        return differs(sorted(found or {}), sorted(of), f"the names in {at}")
    if rule == "$each":
        return unless(found, "filled") or first(differs(each, of, f"{at}[{k}]") for k, each in enumerate(found))
    if rule == "$some":
        has = lambda one: any(not differs(each, one) for each in found or [])
        return first(unless(has(one), f"with {json.dumps(one)}") for one in of)
    if rule == "$same":
        return unless(len(found or []) == len(of), f"a list of {len(of)}") or differs(found, {"$some": of}, at)
    if not isinstance(found, dict):
        return unless(False, "an object")
    return first(differs(found.get(name), member, f"{at}.{name}") for name, member in wanted.items())


def first(problems):
    return next((problem for problem in problems if problem), None)


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


last_search = 0.0


def call(path, named, as_):
    """Calls a method of the client by its name and the names of its parameters: status, headers and body of the answer."""
    global last_search
    *names, method = path.split(".")
    owner = client_of(as_)
    for name in names:
        owner = getattr(owner, snake(name))
    if method == "doSearch":
        # Five in a second, however unevenly they arrive; after a burst the second has to pass first.
        burst = "retries" in (as_ or {})
        if not burst:
            time.sleep(max(0.0, last_search + 0.3 - time.monotonic()))
        last_search = time.monotonic() + (1.0 if burst else 0.0)
    whole = hasattr(owner, snake(method) + "_with_http_info") and not (as_ or {}).get("retries")
    send = getattr(owner, snake(method) + ("_with_http_info" if whole else ""))
    module = sys.modules[type(owner).__module__.split(".api.")[0]]
    arguments = {snake(name): modelled(owner, module, name, value) for name, value in named.items()}
    try:
        answer = send(**arguments)
    except Exception as error:
        status = getattr(error, "status", None)
        if not isinstance(status, int):
            raise
        try:
            body = json.loads(error.body)
        except ValueError:
            body = error.body
        return {"failed": status, "status": status, "headers": lower(error.headers), "body": body}
    if whole:
        data, status, headers = answer
        return {"status": status, "headers": lower(headers), "body": plain(owner, data)}
    return {"body": plain(owner, answer)}


def modelled(owner, module, name, value):
    """A body as the client's own model, as people write it; its constructor checks it."""
    model = name[0].upper() + name[1:]
    if not isinstance(value, (dict, list)) or not hasattr(module, model):
        return value
    kind = f"list[{model}]" if isinstance(value, list) else model
    return owner.api_client.deserialize(SimpleNamespace(data=json.dumps(value)), kind)


def plain(owner, value):
    if hasattr(owner, "api_client"):
        return owner.api_client.sanitize_for_serialization(value)
    if isinstance(value, list):
        return [plain(owner, each) for each in value]
    return json.loads(json.dumps(value.to_dict(serialize=True), default=str))


def lower(headers):
    return {name.lower(): value for name, value in (headers or {}).items()}


def request(options, as_):
    response = client_of(as_).api_request(options)
    body = response.json() if response.content else None
    return {"status": response.status_code, "headers": lower(response.headers), "body": body}


def control(path, body):
    sent = urllib.request.Request(base + path, json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(sent) as response:
            return {"status": response.status, "body": json.load(response)}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": json.load(error)}


def delivered(wanted):
    """Waits for an event that fits."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        events = [event for _, body in list(deliveries) for event in json.loads(body)]
        found = next((event for event in events if not differs(event, wanted)), None)
        if found:
            return {"body": found}
        time.sleep(0.05)
    raise LookupError(f"no event like {json.dumps(wanted)} came")


def signed(version):
    """Whether the client's own helper takes every delivery so far for HubSpot's."""

    def one(headers, body):
        headers = lower(headers)
        return Signature.is_valid(
            signature=headers["x-hubspot-signature-v3" if version == "v3" else "x-hubspot-signature"],
            client_secret=SECRET,
            request_body=body,
            http_uri=target,
            http_method="POST",
            signature_version=version,
            timestamp=headers["x-hubspot-request-timestamp"],
        )

    valid = [one(*delivery) for delivery in list(deliveries)]
    return {"body": {"deliveries": len(valid), "valid": all(valid), "none": not any(valid)}}


def accepted(of):
    """Whether the engine accepts what the client's own helper signs."""
    version, body, uri = of["version"], of["body"], of["uri"]
    timestamp = str(int(time.time() * 1_000) - of.get("age", 0))
    signature = Signature.get_signature(SECRET, body, version, http_uri=uri, http_method="POST", timestamp=timestamp)
    if version == "v3":
        headers = [f"X-HubSpot-Signature-v3: {signature}", f"X-HubSpot-Request-Timestamp: {timestamp}"]
    else:
        headers = [f"X-HubSpot-Signature: {signature}", f"X-HubSpot-Signature-Version: {version}"]
    command = [engine, "webhook", "verify", "--secret-env", "SECRET", "--uri", uri, "--body", "-", "--json"]
    command += [part for header in headers for part in ("--header", header)]
    ran = subprocess.run(
        command,
        input=(body + (" " if of.get("spoilt") else "")).encode(),
        env={**os.environ, "SECRET": SECRET},
        stdout=subprocess.PIPE,
    )
    return {"status": ran.returncode, "body": json.loads(ran.stdout)}


def carry_out(step):
    if "call" in step:
        return call(step["call"], step.get("with", {}), step.get("as"))
    if "request" in step:
        return request(step["request"], step.get("as"))
    if "twin" in step:
        return control(step["twin"], step.get("with", {}))
    if "delivered" in step:
        return delivered(step["delivered"])
    if "signed" in step:
        return signed(step["signed"])
    if "accepted" in step:
        return accepted(step["accepted"])
    raise ValueError("a step without anything to do")


def member(value, name):
    if isinstance(value, list):
        return value[int(name)]
    return (value or {}).get(name)


def problem(raw):
    step = filled({name: part for name, part in raw.items() if name != "keep"})
    for _ in range(step.get("times", 1)):
        answer = carry_out(step)
    if answer.get("failed") != step.get("fails"):
        if "failed" in answer:
            return f"it failed with {answer['failed']}: {json.dumps(answer['body'])}"
        return "it did not fail"
    wrong = first(
        differs(answer.get(part), step[name], what)
        for name, part, what in [
            ("status", "status", "the status"),
            ("is", "body", "the answer"),
            ("headers", "headers", "the headers"),
        ]
        if name in step
    )
    if wrong:
        return wrong
    for name, path in raw.get("keep", {}).items():
        value = answer["body"]
        for part in path.split("."):
            value = member(value, part)
        if value is None:
            return f"there is no {path} in {json.dumps(answer['body'])}"
        kept[name] = value
    return None


verdicts = []
row = None
try:
    with open(calls_file, encoding="utf-8") as file:
        # Lines that begin with a blank continue the line before.
        lines = re.sub(r"\n[ \t]+", " ", file.read()).split("\n")
    for line in lines:
        if line.startswith("# "):
            row = line[2:]
        if not line.startswith("{"):
            continue
        step = json.loads(line)
        try:
            wrong = problem(step)
        except Exception as error:  # Whatever a client does is a verdict.
            wrong = f"{type(error).__name__}: {error}"[:1_500]
        if "check" in step or wrong:
            verdicts.append({"row": row, "check": step.get("check", "a preparation"), "wrong": wrong})
        if wrong:
            print(f"Python: {row}: {step.get('check', json.dumps(step))}: {wrong}", flush=True)
finally:
    twin.terminate()
    receiver.shutdown()
with open(verdicts_file, "w", encoding="utf-8") as file:
    json.dump(verdicts, file)
