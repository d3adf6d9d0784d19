"""What other machines read: Prometheus, and whoever follows the description."""

import json
import re

from harness import check, equal
from test_box import Box
from test_pin import Browser, pin_of

# Debian's own parser of the text format.
from prometheus_client.parser import text_string_to_metric_families


def metrics(text):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for f in text_string_to_metric_families(text) for s in f.samples}


def test_prometheus_understands_the_metrics(t):
    sim = t.sim({"name": 'Ana\'s "best" \\ iPhone'})
    phone = sim.phone()
    box = Box(t, sim)
    st = box.wait_state("safe", phone=phone)
    b = Browser(box)
    code, text = b.send("/metrics")
    equal(code, 200, "/metrics")
    got = metrics(text)
    who = (("phone", f"Ana's \"best\" \\ iPhone ({phone.udid[-4:]})"),)
    good = st["phones"][0]["last_good"]
    equal(got["nightstand_phone_last_good_timestamp_seconds", who],
          good["at"], "last good backup")
    equal(got["nightstand_phone_size_bytes", who], good["bytes"], "bytes")
    equal(got["nightstand_phone_versions", who], 1, "versions")
    equal(got["nightstand_state", (("state", "safe"),)], 1, "state safe")
    equal(sum(v for (name, _), v in got.items()
              if name == "nightstand_state"), 1, "states at once")
    check(got["nightstand_disk_free_bytes", ()] > 0, "room")
    for name in re.findall(r"^([a-z_]+)", text, re.M):
        check(f"# HELP {name} " in text and f"# TYPE {name} gauge" in text,
              f"{name} is not explained")


def test_metrics_of_a_glance_name_nobody(t):
    sim = t.sim({"name": "Ana"})
    box = Box(t, sim, web__open="glance")
    box.wait_state("safe")
    b = Browser(box)
    b.sign_in(pin_of(t, box))
    check("Ana" in b.send("/metrics")[1], "the owner's has no names")
    text = Browser(box).send("/metrics")[1]
    check("Ana" not in text and sim.phone().udid[-4:] not in text, text)
    check('{phone="1"}' in text, text)


def routes_of(description):
    return {(path, method) for path, methods in description["paths"].items()
            for method in methods}


def test_the_description_is_what_is_answered(t):
    sim = t.sim()
    box = Box(t, sim)
    box.wait_state("safe", phone=sim.phone())
    b = Browser(box)
    d = json.loads(b.send("/api/openapi.json")[1])
    for path, method in routes_of(d):
        if method == "get" and path != "/events":
            code, body = b.send(path)
        elif method == "post":
            code, body = b.send(path, "-d", "nothing=1")
        else:
            continue
        known = d["paths"][path][method]["responses"]
        check(str(code) in known, f"{method} {path}: {code} {body[:80]}")
        other = b.send(path, "-X", "DELETE")[0]
        equal(other, 405, f"DELETE {path}")
    # Every state and action that it names is one that there is.
    b.sign_in(pin_of(t, box))
    actions = d["paths"]["/api/do"]["post"]["requestBody"]["content"][
        "application/x-www-form-urlencoded"]["schema"]["properties"][
            "action"]["enum"]
    for action in actions:
        code, body = b.do(action, udid=sim.phone().udid)
        check("can't do that" not in body, f"{action}: {code} {body}")
    equal(b.do("format")[0], 400, "an action that there is not")
    check_schema(json.loads(b.send("/api/status")[1]), d,
                 d["components"]["schemas"]["Status"], "Status")


def check_schema(value, d, schema, where):
    """As much of JSON Schema as the description uses."""
    if "$ref" in schema:
        schema = d["components"]["schemas"][schema["$ref"].split("/")[-1]]
    for part in schema.get("allOf", []):
        check_schema(value, d, part, where)
    if value is None:
        check(schema.get("nullable"), f"{where} is null")
        return
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool,
             "integer": int}
    if "type" in schema:
        check(isinstance(value, kinds[schema["type"]]), f"{where}: {value}")
    if "enum" in schema:
        check(value in schema["enum"], f"{where}: {value}")
    for key in schema.get("required", []):
        check(key in value, f"{where} lacks {key}")
    for key, sub in schema.get("properties", {}).items():
        if key in value:
            check_schema(value[key], d, sub, f"{where}.{key}")
    for i, item in enumerate(value if isinstance(value, list) else []):
        check_schema(item, d, schema.get("items", {}), f"{where}[{i}]")
