# SPDX-License-Identifier: MIT
"""What upstreams do wrong once they are connected, in every kind of call, alone and with one healthy
fallback (see tests/lib/matrix.py)."""
import email.utils
import time

import pytest

from matrix import KINDS, Matrix
from waiting import wait_for

FAULTS = {
    "500": {"status": 500}, "502": {"status": 502}, "503": {"status": 503}, "504": {"status": 504},
    "500_html": {"status": 500, "error_shape": "html"},
    "500_empty": {"status": 500, "error_shape": "empty"},
    "401": {"status": 401}, "403": {"status": 403},
    "429": {"status": 429}, "429_seconds": {"status": 429, "retry_after": "30"},
    "429_date": {"status": 429, "retry_after": email.utils.formatdate(time.time() + 9, usegmt=True)},
    "429_negative": {"status": 429, "retry_after": "-3"},
    "429_billion": {"status": 429, "retry_after": "1000000000"},
    "429_garbage": {"status": 429, "retry_after": "soon"},
    "hang": {"hang": True}, "headers_then_hang": {"headers_then_hang": True},
    "drip": {"drip": 1}, "drip_all": {"drip_all": 1},
    "reset": {"reset": True}, "reset_mid": {"reset_mid": 10},
    "close": {"close": True}, "close_mid": {"close_mid": 10},
    "truncated": {"truncated": 100}, "truncated_chunk": {"truncated_chunk": True},
    "cut_stream": {"cut_stream": 2}, "cut_mid_event": {"cut_mid_event": 2},
    "cut_mid_utf8": {"cut_mid_utf8": 2}, "no_finish": {"no_finish": 2}, "no_done": {"no_done": True},
    "empty": {"empty": True}, "garbage": {"garbage": 512}, "html": {"html": True},
    "bad_json": {"bad_json": True}, "duplicate_keys": {"duplicate_keys": True},
    "json_instead_of_sse": {"json_instead_of_sse": True}, "error_in_200": {"error_in_200": True},
    "sse_error": {"sse_error": 2}, "sse_error_first": {"sse_error": 0},
    "sse_error_flat": {"sse_error_flat": 2}, "endless_comments": {"endless_comments": 50},
    "huge": {"huge": 100 << 20}, "huge_event": {"huge_event": 8 << 20},
    "gzip_bomb": {"gzip_bomb": 64 << 20}, "wrong_content_encoding": {"wrong_content_encoding": True},
    "two_content_length": {"two_content_length": True}, "header_huge": {"header_huge": 1 << 20},
    "continue_flood": {"continue_flood": 100000}, "http09": {"http09": True},
    "redirect_metadata": {"redirect": "http://169.254.169.254/latest"},
    "refuse": {"refuse": 700},
}


@pytest.fixture
def platform(make_agent, make_vendord):
    return Matrix(make_agent(), make_vendord()), make_vendord(no_auth=True)


def cleared(vendor):
    try:
        vendor.faults([])
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault(platform, name):
    matrix, bad = platform
    for with_fallback in (False, True):
        for kind in KINDS:
            bad.faults([{"match": {"path": "/v1/*"}, "fault": FAULTS[name]}])
            matrix.trial(kind, with_fallback, bad.url)
            wait_for(lambda: cleared(bad), what="the vendor to listen again")
    assert matrix.agent.get("api-gateway", "/healthz").status == 200
