"""Your own application: one table of members behind the interface of connectors/docs/APP.md, with Python alone.

python3 members.py PORT URL-OF-THE-ENGINE'S-WEBHOOK
"""
import hashlib, hmac, json, queue, sqlite3, sys, threading, time, urllib.request, uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

TOKEN, SECRET = "the-token", b"the-secret"
PORT, WEBHOOK = int(sys.argv[1]), sys.argv[2]
db = sqlite3.connect(":memory:", check_same_thread=False)  # a file keeps it
db.executescript("create table members (id text primary key, email text unique, name text, updatedAt text);"
                 "create table answered (key text primary key, answer text)")
lock, messages, latest = threading.Lock(), queue.Queue(), [0]


def now():
    """A time that rises with every call, to the millisecond."""
    latest[0] = max(int(time.time() * 1000), latest[0] + 1)
    return datetime.fromtimestamp(latest[0] / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rows(where, *values):
    found = db.execute(f"select id, email, name, updatedAt from members where {where}", values)
    return [dict(zip(("id", "email", "name", "updatedAt"), row)) for row in found]


def tell(what, data):  # a real application keeps these in a table until they were taken
    messages.put({"id": str(uuid.uuid4()), "type": what, "occurredAt": now(), "data": data})


def one(operation, by, given):
    """The result of one input of a batch; a key that was answered before is answered as then."""
    key, values = given["key"], {k: v for k, v in given.get("values", {}).items() if k in ("email", "name")}
    if operation == "read":
        found = rows(f"{by if by == 'email' else 'id'} = ?", given["id"])
        return {"key": key, "status": 200, "record": found[0]} if found else {"key": key, "status": 404, "error": "no such member"}
    if before := db.execute("select answer from answered where key = ?", (key,)).fetchone():
        return json.loads(before[0])
    if taken := [m["id"] for m in rows("email = ?", values.get("email")) if m["id"] != given.get("id")]:
        return {"key": key, "status": 409, "error": "the e-mail is taken", "existingId": taken[0]}
    old = rows("id = ?", given.get("id"))
    if operation == "update" and not old:
        return {"key": key, "status": 404, "error": "no such member"}
    member = {"email": None, "name": None, **(old[0] if old else {"id": str(uuid.uuid4())}), **values, "updatedAt": now()}
    db.execute("insert or replace into members values (:id, :email, :name, :updatedAt)", member)
    answer = {"key": key, "status": 200 if old else 201, "record": member}
    db.execute("insert into answered values (?, ?)", (key, json.dumps(answer)))
    tell("member.updated" if old else "member.created", member)
    return answer


class App(BaseHTTPRequestHandler):
    def answer(self, status, body=None):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if body is not None else b"")

    def handle_request(self):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "who are you?"})
        url, query = urlparse(self.path), parse_qs(urlparse(self.path).query)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        with lock, db:
            if (self.command, url.path) == ("POST", "/members/batch"):
                results = [one(body["operation"], body.get("by"), given) for given in body["inputs"]]
                return self.answer(200, {"results": results})
            if (self.command, url.path) == ("GET", "/members"):  # a page is what follows a time and an id
                since, after = (query.get("after") or [query.get("updatedSince", [""])[0] + "|"])[0].split("|")
                found = rows("(updatedAt, id) > (?, ?) order by updatedAt, id limit 101", since, after)
                page, more = found[:100], found[100:]
                return self.answer(200, {"records": page, "next": f"{page[-1]['updatedAt']}|{page[-1]['id']}" if more else None})
            if self.command == "DELETE" and rows("id = ?", id := url.path.rsplit("/", 1)[1]):
                db.execute("delete from members where id = ?", (id,))
                tell("member.deleted", {"id": id})
                return self.answer(204)
        self.answer(404, {"error": "there is no such thing"})

    do_GET = do_POST = do_DELETE = handle_request

    def log_message(self, *_):
        """Nothing for each request."""


def deliver():
    while True:
        body, stamp = json.dumps(messages.get()).encode(), str(int(time.time() * 1000))
        signed = hmac.new(SECRET, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(WEBHOOK, body, {"X-App-Signature": f"t={stamp},v1={signed}"})
        try:
            urllib.request.urlopen(request, timeout=10)
        except OSError as error:  # what is not taken is found by the next sweep
            print(f"not delivered: {error}", file=sys.stderr)


threading.Thread(target=deliver, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", PORT), App).serve_forever()
