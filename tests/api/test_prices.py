# SPDX-License-Identifier: MIT
"""key-manager: prices. What comes with the program, what is imported, and that it stays."""
import decimal
import json
import pathlib

import pytest

KEYS = "key-manager"
PATH = "/api/v1/prices"
DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "prices"
LITELLM = (DATA / "litellm-model-prices-subset.json").read_text()
PORTKEY = {"openai": "openai", "aliyun": "dashscope", "anthropic": "anthropic"}
PICO = decimal.Decimal(10) ** 12
VENDORS = {"openai": "openai", "text-completion-openai": "openai", "dashscope": "aliyun",
           "anthropic": "anthropic"}


def decimals(text):
    return json.loads(text, parse_float=decimal.Decimal)


def portkey(name):
    return (DATA / f"portkey-{name}.json").read_text()


def price(agent, id):
    items = agent.get(KEYS, PATH, ).body["items"]
    found = [item for item in items if item["id"] == id]
    return found[0] if found else None


def prices(agent, query="limit=10000"):
    return {item["id"]: item for item in agent.get(KEYS, f"{PATH}?{query}").body["items"]}


def load(agent, body, query="", status=200):
    answer = agent.request(KEYS, "POST", f"{PATH}?{query}",
                           body=body if isinstance(body, str) else json.dumps(body))
    assert answer.status == status, answer
    return answer.body


def test_prices_come_with_the_program(agent):
    seeds = prices(agent)
    assert seeds["openai/gpt-4o-mini"]["input_pico"] == 150_000
    assert seeds["openai/gpt-4o-mini"]["cached_input_pico"] == 75_000
    assert seeds["openai/gpt-4"]["output_pico"] == 60_000_000
    assert seeds["openai/gpt-4"]["shutdown_at"] == "2026-10-23T00:00:00.000Z"
    assert seeds["aliyun/wanx-v1:CNY"]["image_pico"] == 160_000_000_000
    assert seeds["aliyun/wanx-v1:CNY"]["currency"] == "CNY"
    assert seeds["openai/whisper-1"]["second_pico"] == 100_000_000
    assert seeds["openai/tts-1"]["char_pico"] == 15_000_000
    tiers = seeds["aliyun/qwen3.7-plus"]["tiers"]
    assert [(t["above_tokens"], t["input_pico"]) for t in tiers] == [(256000, 1_200_000)]
    pictures = {(i.get("quality"), i["size"]): i["pico"]
                for i in seeds["openai/dall-e-3"]["images"]}
    assert pictures["hd", "1792x1024"] == 120_000_000_000
    # the default features' own models are priced, or their traffic would cost something unknown
    features = agent.get("config-center", "/api/v1/features").body["items"]
    models = {f"{t['vendor']}/{t['upstream_model']}" for f in features for t in f["targets"]}
    assert models - set(seeds) <= {"aliyun/wan2.2-t2i-flash"}


def test_filters_and_paging(agent):
    assert set(prices(agent, "vendor=anthropic")) == {
        f"anthropic/claude-{m}-4-5" for m in ("haiku", "sonnet", "opus")}
    assert set(prices(agent, "model=gpt-4o")) == {"openai/gpt-4o"}
    assert set(prices(agent, "id=aliyun/wanx-v1:CNY")) == {"aliyun/wanx-v1:CNY"}
    seen, path = [], PATH + "?limit=7"
    while path:
        page = agent.get(KEYS, path).body
        seen += [item["id"] for item in page["items"]]
        path = page.get("next") and f"{PATH}?limit=7&cursor={page['next']}"
    assert seen == sorted(prices(agent)) and len(seen) == page["total"]
    assert agent.get(KEYS, PATH + "?limit=0").error == "field_range"


UNITS = {"input_cost_per_token": "input_pico", "output_cost_per_token": "output_pico",
         "cache_read_input_token_cost": "cached_input_pico",
         "cache_creation_input_token_cost": "cache_write_pico",
         "output_cost_per_reasoning_token": "reasoning_pico",
         "output_cost_per_image_token": "image_output_pico",
         "input_cost_per_character": "char_pico", "input_cost_per_second": "second_pico"}


PICTURE_UNITS = ("input_cost_per_image", "output_cost_per_image", "tiered_pricing")


def test_litellm_is_imported_exactly(agent):
    report = load(agent, LITELLM, "format=litellm")
    results = {}
    for item in report["items"]:
        results[item["name"]] = results.get(item["name"]) or item
    names = decimals(LITELLM)
    results.update({n: {"result": "created"} for n in names if n.removeprefix("dashscope/")
                    in results and n not in results})
    assert results["sample_spec"]["result"] == "ignored"
    have, checked = prices(agent), 0
    for name, entry in decimals(LITELLM).items():
        if name == "sample_spec" or "-x-" in name:
            continue
        if results[name]["result"] == "ignored":
            assert not [k for k in entry if k in UNITS or k in PICTURE_UNITS], name
            continue
        doc = have[f"{VENDORS[entry['litellm_provider']]}/{name.removeprefix('dashscope/')}"]
        base = dict(entry)
        for tier in entry.get("tiered_pricing", []):
            if tier["range"][0] == 0:
                base.update(tier)
        for unit, member in UNITS.items():
            if unit in base:
                assert doc[member] == base[unit] * PICO, (name, unit)
                checked += 1
        assert doc["source"] == "litellm" and doc["currency"] == "USD"
    assert checked > 150
    above = {t["above_tokens"]: t for t in have["openai/gpt-5.4"].get("tiers", [])}
    assert above[272000]["input_pico"] == 5_000_000
    # pictures by quality and size, and those told by the pixel
    image = {(i.get("quality"), i["size"]): i["pico"]
             for i in have["openai/gpt-image-1.5"]["images"]}
    assert image["low", "1024x1024"] == 9_000_000_000
    assert image["high", "1024x1024"] == 133_000_000_000
    image = {(i.get("quality"), i["size"]): i["pico"] for i in have["openai/dall-e-3"]["images"]}
    assert image["hd", "1024x1024"] == 80_000_000_000
    assert image["standard", "1024x1792"] == 80_000_000_000
    assert image["standard", "1024x1024"] == 40_000_000_000


@pytest.mark.parametrize("vendor", PORTKEY)
def test_portkey_is_imported_in_cents(agent, vendor):
    text = portkey(PORTKEY[vendor])
    report = load(agent, text, f"format=portkey&vendor={vendor}")
    assert {i["name"]: i["result"] for i in report["items"]}["default"] == "ignored"
    have, checked = prices(agent), 0
    for name, entry in decimals(text).items():
        units = entry.get("pricing_config", {}).get("pay_as_you_go", {})
        doc = have.get(f"{vendor}/{name}")
        if name == "default" or name.startswith(("tts-1", "whisper-")) or not doc:
            continue
        for unit, member in (("request_token", "input_pico"), ("response_token", "output_pico"),
                             ("cache_read_input_token", "cached_input_pico"),
                             ("reasoning_token", "reasoning_pico")):
            cents = units.get(unit, {}).get("price")
            if cents and not (member == "output_pico" and "response_text_token" in units):
                assert doc[member] == round(cents / 100 * PICO), (name, unit)
                checked += 1
    assert checked > 50
    assert report["created"] + report["changed"] + report["unchanged"] + report["ignored"] == \
        report["total"]


def test_the_lists_agree_with_what_is_shipped(agent):
    """The figures that come with the program against both lists, as a dry run tells them."""
    seeds = prices(agent)
    for text, query in ((LITELLM, "format=litellm"),
                        (portkey("openai"), "format=portkey&vendor=openai"),
                        (portkey("dashscope"), "format=portkey&vendor=aliyun"),
                        (portkey("anthropic"), "format=portkey&vendor=anthropic")):
        load(agent, text, query)
        for id, other in prices(agent).items():
            mine = seeds.get(id)
            if not mine or other["source"] == "list price":
                continue
            for member in ("input_pico", "output_pico", "cached_input_pico", "char_pico",
                           "second_pico"):
                if mine.get(member) and other.get(member):
                    assert mine[member] == other[member], (id, member, query)
            pictures = {(i.get("quality"), i.get("size")): i["pico"]
                        for i in other.get("images", [])}
            for i in mine.get("images", []):
                told = pictures.get((i.get("quality"), i["size"]))
                assert told is None or abs(told - i["pico"]) < i["pico"] // 100, (id, i, told)


def test_a_second_import_changes_nothing(agent):
    dry = load(agent, LITELLM, "format=litellm&dry_run=1")
    assert dry["dry_run"] and dry["created"] > 30 and dry["changed"] > 0
    before = agent.get(KEYS, PATH).body["revision"]
    first = load(agent, LITELLM, "format=litellm")
    assert {k: first[k] for k in ("created", "changed", "unchanged", "ignored")} == \
        {k: dry[k] for k in ("created", "changed", "unchanged", "ignored")}
    assert first["revision"] == before + 1, "one change, however many rows"
    again = load(agent, LITELLM, "format=litellm")
    assert again["created"] == again["changed"] == 0
    assert again["unchanged"] == first["created"] + first["changed"] + first["unchanged"]
    assert again["revision"] == first["revision"]
    change = agent.get("config-center", "/api/v1/changes").body["items"][0]
    assert (change["kind"], change["action"], change["name"]) == ("Price", "import", "litellm")


def test_documents_of_ours(agent):
    doc = {"vendor": "openai", "model": "gpt-9", "input_pico": 5, "output_pico": 6,
           "source": "contract"}
    assert load(agent, doc)["created"] == 1
    have = price(agent, "openai/gpt-9")
    assert (have["input_pico"], have["currency"], have["updated_by"]) == (5, "USD", "uid:0") or \
        have["updated_by"].startswith("uid:")
    # what a list answered may be posted again
    listed = agent.get(KEYS, PATH + "?limit=10000").body
    assert load(agent, listed)["unchanged"] == listed["total"]
    narrowed = {"items": [{"vendor": "openai", "model": "*", "feature": "chat", "request_pico": 1},
                          {"vendor": "openai", "model": "gpt-9", "target": "openai/gpt-4",
                           "currency": "CNY", "input_pico": 1}],
                "remove": ["openai/gpt-9", "openai/none"]}
    report = load(agent, narrowed)
    assert [i["result"] for i in report["items"]] == ["created", "created", "removed", "ignored"]
    assert {"openai/*@feature=chat", "openai/gpt-9@target=openai/gpt-4:CNY"} <= set(prices(agent))
    assert price(agent, "openai/gpt-9") is None


def test_they_stay_and_are_not_seeded_again(agent):
    load(agent, {"items": [{"vendor": "openai", "model": "gpt-9", "input_pico": 5}],
                 "remove": ["openai/gpt-4"]})
    before = prices(agent)
    agent.restart()
    assert prices(agent) == before and "openai/gpt-4" not in before
    agent.stop()
    (agent.state_dir / "yijian.db").rename(agent.state_dir / "away.db")
    for tail in ("-wal", "-shm"):
        (agent.state_dir / ("yijian.db" + tail)).unlink(missing_ok=True)
    agent.start()
    assert prices(agent) == before, "from the last good configuration"
    assert agent.request(KEYS, "POST", PATH, {"vendor": "openai", "model": "x", "input_pico": 1}
                         ).error == "storage_readonly"


@pytest.mark.parametrize("body, query, error", [
    ({"vendor": "openai", "model": "x", "input_pico": -1}, "", "field_range"),
    ({"vendor": "openai", "model": "x", "input_pico": 1.5}, "", "field_range"),
    ({"vendor": "nobody", "model": "x", "input_pico": 1}, "", "vendor_unknown"),
    ({"vendor": "openai", "model": "x", "currency": "usd"}, "", "field_charset"),
    ({"vendor": "openai", "model": "x", "price": 1}, "", "field_unknown"),
    ({"vendor": "openai", "input_pico": 1}, "", "field_required"),
    ({"vendor": "openai", "model": "*", "input_pico": 1}, "", "field_range"),
    ({"vendor": "openai", "model": "x", "feature": "a", "key": "b"}, "", "field_range"),
    ({"vendor": "openai", "model": "x", "tiers": [{"above_tokens": 9}, {"above_tokens": 9}]}, "",
     "field_range"),
    ({"items": 1}, "", "field_type"),
    ({"items": [], "more": 1}, "", "field_unknown"),
    ("[", "", "json_invalid"),
    ("[]", "format=litellm", "json_invalid"),
    ("{}", "format=csv", "param_invalid"),
    ("{}", "format=portkey", "field_required"),
    ("{}", "format=portkey&vendor=nobody", "vendor_unknown"),
])
def test_what_is_refused(agent, body, query, error):
    before = prices(agent)
    answer = agent.request(KEYS, "POST", f"{PATH}?{query}",
                           body=body if isinstance(body, str) else json.dumps(body))
    assert answer.error == error, answer
    assert answer.status in (400, 422)
    assert prices(agent) == before


def test_all_or_nothing(agent):
    good = {"vendor": "openai", "model": "good", "input_pico": 1}
    answer = agent.post(KEYS, PATH, {"items": [good, {**good, "vendor": "nobody"}]})
    assert answer.error == "vendor_unknown"
    assert answer.body["error"]["field"] == "items[1].vendor"
    assert price(agent, "openai/good") is None


def test_odd_entries_are_told_not_guessed(agent):
    odd = {"a": {"litellm_provider": "bedrock", "input_cost_per_token": 1e-06},
           "b": {"litellm_provider": "openai", "input_cost_per_token": "free"},
           "c": {"litellm_provider": "openai", "input_cost_per_token": -1},
           "d": 5,
           "e" * 400: {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
           "hd/0-x-9/f": {"litellm_provider": "openai", "input_cost_per_image": 1},
           "g": {"litellm_provider": "openai", "input_cost_per_token": 1.3e-10}}
    report = load(agent, odd, "format=litellm")
    assert {i["name"][:10]: i["result"] for i in report["items"]} == {
        "a": "ignored", "b": "ignored", "c": "ignored", "d": "ignored", "e" * 10: "ignored",
        "hd/0-x-9/f": "created", "g": "created"} or \
        {i["name"][:10]: i["result"] for i in report["items"]}["g"] == "created"
    assert all(i.get("reason") for i in report["items"] if i["result"] == "ignored")
    assert price(agent, "openai/g")["input_pico"] == 130
