"""The table of calls and verdicts, from what the clients wrote: printed, and compared with the one that a page has.

    python3 table.py NODE.json PYTHON.json DATED.json PAGE [--write]

Exit 0: every check is right everywhere and the page has this very table.
"""

import json
import sys

BEGIN, END = "<!-- tests/clients/run.sh ENGINE --write -->\n", "<!-- end -->\n"

*sources, page = sys.argv[1:5]
write = "--write" in sys.argv
verdicts = [json.load(open(source, encoding="utf-8")) for source in sources]


def verdict(of, row):
    if not any(one["row"] == row for one in of):
        return "none"
    wrong = [one for one in of if one["row"] == row and one.get("wrong")]
    return f"{len(wrong)} wrong" if wrong else "✓"


rows = list(dict.fromkeys(one["row"] for one in verdicts[0]))
lines = ["| calls | checks | Node | Python | Node, dated paths |", "|---|---|---|---|---|"]
for row in rows:
    checks = sum(one["row"] == row for one in verdicts[0])
    lines.append(f"| {row} | {checks} | {' | '.join(verdict(of, row) for of in verdicts)} |")
table = "\n".join(lines) + "\n"
print(table)

failed = False
for language, of in zip(["Node", "Python", "Node, dated paths"], verdicts):
    wrong = sum(bool(one.get("wrong")) for one in of)
    print(f"{language}: {len(of)} checks, {len(of) - wrong} right, {wrong} wrong")
    failed |= wrong > 0
if [(one["row"], one["check"]) for one in verdicts[0]] != [(one["row"], one["check"]) for one in verdicts[1]]:
    print("the clients did not carry out the same checks")
    failed = True

with open(page, encoding="utf-8") as file:
    text = file.read()
before, rest = text.split(BEGIN)
held, after = rest.split(END)
if write:
    with open(page, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + table + END + after)
elif held != table:
    print(f"{page} has another table; `tests/clients/run.sh ENGINE --write` writes this one")
    failed = True
sys.exit(failed)
