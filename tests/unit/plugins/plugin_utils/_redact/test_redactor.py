# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is secret or names somebody is replaced, what is not stays, and no text can make that slow."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from hypothesis import given, settings
from hypothesis import strategies as st

PARTS = Path(__file__).parents[5] / "roles" / "triage" / "files" / "report"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabcd+/==\n-----END RSA PRIVATE KEY-----"


def redacted(text: str) -> str:
    return Redactor(b"salt").text(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        (f"Authorization: Bearer {JWT}", JWT, "token"),
        (f"got {JWT}.", JWT, "token"),
        ("header: Bearer abcdefgh12345678", "abcdefgh12345678", "token"),
        ("AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE", "token"),
        ("push with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "token"),
        (f"loaded\n{PEM}\nready", "MIIEowIBAAKCAQEA", "key"),
        (f"loaded {json.dumps(PEM)}", "MIIEowIBAAKCAQEA", "key"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\ncut", "MIIEowIBAAKCAQEA", "key"),
        ("password=hunter2", "hunter2", "secret"),
        ("DB_PASSWORD: hunter2 next", "hunter2", "secret"),
        ('{"api_key": "a b, c"}', "a b, c", "secret"),
        ('{"passwd":"with \\" quote"}', "quote", "secret"),
        ('log: {\\"client_secret\\":\\"hunter2\\"}', "hunter2", "secret"),
        ("secret = 'it is long'", "it is long", "secret"),
        ("--token=abc123", "abc123", "secret"),
        ("postgres://app:hunter2@db/shop", "hunter2", "secret"),
        ("mail from jane.doe+x@shop.example.com today", "jane.doe+x@shop.example.com", "email"),
        ("connect to 10.12.13.14:5432", "10.12.13.14", "ip"),
        ("connect to [2001:db8::17]:5432", "2001:db8::17", "ip"),
        ("from fe80::1ff:fe23:4567:890a on", "fe80::1ff:fe23:4567:890a", "ip"),
        ("   1: 0E0D0C0A:1F90 00000000:0000 0A", "0E0D0C0A", "ip"),
        ("eth0\t0E0D0C0A\t00000000\t0001", "0E0D0C0A", "ip"),
        ("20010db8000000000000000000000017 02 40 00 80     eth0", "20010db8000000000000000000000017", "ip"),
    ],
)
def test_it_is_replaced_by_a_marker_of_its_kind(text: str, secret: str, kind: str) -> None:
    shown = redacted(text)
    assert secret not in shown
    assert re.search(rf"\[{kind}-[0-9a-f]{{12}}\]", shown), shown


def stamped(text: str) -> str:
    return "".join(f"2026-11-25T02:00:00.000000000Z {line}\n" for line in text.split("\n"))


TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    "text",
    [
        # names
        "DB_PASS=hunter2-zz",
        "dbPass: hunter2-zz",
        '{"auth": {"user": "bob", "pass": "hunter2-zz"}',
        "Pwd=hunter2-zz;Server=x",
        "MYSQL_PWD=hunter2-zz",
        "conn: AccountName=a;AccountKey=hunter2-zz==;",
        "client-key-data: hunter2-zz",
        '"auths": {"r": {"auth": "Hunter2-zz"}}',
        "X-Auth-Token: hunter2-zz",
        # lines below a name, and names without a value
        "password:\napi_token: hunter2-zz\n",
        "credentials:\n  password: hunter2-zz\n",
        'DB_PASSWORD=\nAPI_TOKEN="hunter2-zz"\n',
        "password: |\n  hunter2-zz\n",
        "password: >-\n  one\n\n  hunter2-zz\nnext: 1\n",
        "tokens:\n  - hunter2-zz\n",
        "tokens:\n- hunter2-zz\n",
        "passwords:\n  alice: hunter2-zz\n",
        "- name: DB_PASSWORD\n  value: hunter2-zz\n",
        # headers
        "> Authorization: Token hunter2-zz",
        "Authorization: Splunk hunter2-zz",
        "Authorization:Bearer\thunter2",
        "authorization: bearer hunter2",
        "authorization=Bearer%20hunter2-zz",
        "curl -H 'Authorization: Token hunter2-zz' https://x",
        'Authorization: Digest username="bob", response="hunter2-zz"',
        "map[Authorization:[Token hunter2-zz] Accept:[*/*]]",
        "Cookie: theme=dark; sessionid=hunter2-zz; x=y",
        "Set-Cookie: sid=hunter2-zz; Path=/",
        # URLs and forms
        "GET /cb?next=%2Fa%3Faccess_token%3Dhunter2-zz%26x",
        "user[password]=hunter2-zz",
        "user%5Bpassword%5D=hunter2-zz&x=1",
        "redis://:hunter2-zz@redis:6379/0",
        "postgres://u:p@hunter2-zz@db/x",
        "postgres://u:hunter/2-hunter2-zz@db/x",
        "user:hunter2-zz@tcp(db:3306)/x",
        "jdbc:oracle:thin:scott/hunter2-zz@//db:1521/x",
        "https://hunter2-zz@github.com/x",
        "https://x.blob.example.com/a?sv=1&sig=hunter2-zz%3D",
        "https://hooks.slack.com/services/T0/B0/hunter2-zz",
        # values with signs in them
        "DB_PASSWORD=ab,hunter2-zz",
        "DB_PASSWORD=ab;hunter2-zz",
        "DB_PASSWORD=ab&hunter2-zz",
        "DB_PASSWORD=&hunter2-zz",
        "DB_PASSWORD=(hunter2-zz",
        'DB_PASSWORD=ab"hunter2-zz',
        "DB_PASSWORD=correct horse hunter2-zz",
        "spring.datasource.password=correct horse hunter2-zz",
        "with DB_PASSWORD=ab,hunter2-zz X=1",
        "password: 'it''s hunter2-zz'",
        "password = b'hunter2-zz'",
        "SecretStr: password=SecretStr('hunter2-zz')",
        "{Name:DB_PASSWORD Value:hunter2-zz}",
        # command lines and markup
        "mysql --password hunter2-zz",
        'mysql --password "one hunter2-zz"',
        "mysql\0--password\0one hunter2-zz\0-v",
        "app\0--password=one hunter2-zz\0-v",
        "mysql -u root -phunter2-zz",
        "redis-cli -p 6379 -a hunter2-zz",
        "sshpass -p hunter2-zz ssh x",
        "curl -u bob:hunter2-zz https://x",
        "curl\0-u\0bob:hunter2-zz",
        'exec ["mysql", "--password", "hunter2-zz"',
        "<password>hunter2-zz</password>",
        "<db:password type='x'>\nhunter2-zz</db:password>",
        "<property name='db.password'>hunter2-zz</property>",
        "'password' => 'hunter2-zz'",
        '"password"=>"hunter2-zz"',
        "&quot;password&quot;:&quot;hunter2-zz&quot;",
        "ALTER USER a IDENTIFIED BY 'hunter2-zz'",
        "ALTER USER a WITH PASSWORD 'hunter2-zz'",
        "requirepass hunter2-zz",
        "ENV API_TOKEN hunter2-zz",
        "apiVersion: v1\ndata:\n  db: hunter2-zz\nkind: Secret\nmetadata:\n  name: x\n",
        "---\nkind: Secret\nstringData:\n  db: |\n    hunter2-zz\n---\nkind: Pod\n",
        "machine x login bob password hunter2-zz",
        # JSON within JSON that is cut off
        '{"log":"{\\"password\\":\\"a\\\\\\"hunter2-zz\\"',
        '{"log":"at \\"password\\": \\"hunter2-zz',
    ],
)
def test_a_secret_in_a_common_format_is_replaced(text: str) -> None:
    shown = redacted(text)
    assert "unter2" not in shown
    # the kubelet's time stands before each line
    assert "unter2" not in redacted(stamped(text))
    assert redacted(shown) == shown


@pytest.mark.parametrize("before", ["\\n", "\\t", "\\u003c", "%3D", "\x1b[31m", "\x1b[1;31m", "=", "keys:\\n"])
@pytest.mark.parametrize(
    "secret",
    [JWT, TOKEN, "AKIAIOSFODNN7EXAMPLE", "2001:db8::1", "10.1.2.3", "alice@example.com", "alice%40example.com"],
)
def test_a_word_begins_after_an_escape_too_which_stays_whole(before: str, secret: str) -> None:
    assert re.fullmatch(rf"{re.escape(before)}\[[a-z]+-[0-9a-f]{{12}}\]", redacted(before + secret))


@pytest.mark.parametrize(
    "token",
    [
        "sk_" + "live_51HabcdefABCDEFGHIJ",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "hvs.CAESIJabcdefghijklmnopqrstu",
        "sha256~abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "glrt-abcdefghijklmnopqrst",
        "abcdef.0123456789abcdef",
        "dckr_pat_abcdefghijklmnopqrstuvwxyz",
        "xapp-1-A0-1234567890",
        base64.b64encode(PEM.encode()).decode(),
        base64.b64encode(b'{"auths":{"r.io":{"auth":"x"}}}').decode(),
    ],
)
def test_a_token_is_known_by_its_form(token: str) -> None:
    assert re.fullmatch(r"got \[(?:token|key)-[0-9a-f]{12}\] here", redacted(f"got {token} here"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("connect 2001:db8::1: refused", "2001:db8::1"),
        ("addr:2001:db8::1", "2001:db8::1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("IP6 2001:db8::1.443 > x", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("node ip-10-0-0-1.ec2.internal", "10.0.0.1"),
        ("10-0-0-1.shop.pod.cluster.local", "10.0.0.1"),
    ],
)
def test_an_address_has_one_marker_however_it_is_written(text: str, address: str) -> None:
    assert redacted(address) in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        stamped(PEM),
        # a log begins or ends within a key
        PEM.partition("\n")[2],
        stamped(PEM.partition("\n")[2]),
        stamped(PEM.rpartition("\n")[0]),
        stamped("a line\n" + PEM.partition("\n")[2]),
        '{"log":"' + PEM.partition("\n")[2].replace("\n", "\\n"),
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA",
    ],
)
def test_a_key_is_replaced_also_where_it_was_cut(text: str) -> None:
    shown = redacted(f"{text}\nready, to serve\n")
    assert not re.search("MIIEow|abcd", shown), shown
    assert shown.endswith("ready, to serve\n")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T02:00:00.123Z started",
        "at 02:00:00 with aa:bb:cc:dd:ee:ff",
        "listening on 127.0.0.1:8080, 0.0.0.0 and [::1]:80, ::",
        "version 1.2.3 of std::vector<int>",
        f"sha256 {'0f' * 32}",
        "adbb573b-5696-4e52-9b04-2193e8e215e4",
        "/app wait --port 8080",
        '{"secret": false, "token": null}',
        "7f00-8000 r-xp 00000000 08:01 1234  /app",
        "   0: 00000000:1F90 00000000:0000 0A",
        "TOKEN",
        "invalid password for user bob",
        "app::token::refresh: started",
        "core::add::Face",
        "token_controller.go:123] synced",
        "--- PASS: TestServe (0.01s)",
        "basic authentication failed",
        "level=info token_count=17 tokens=4096",
        "PWD=/app",
        "docker-pullable://nginx:1.25@sha256:0f",
        '{"level":"info","token_count":17}',
        '{"q":"enter your password: ","user":"bob"}',
        '"q":"enter your password: ","user":"bob"}',
        '{"volumes": [{"secret": {"secretName": "db", "defaultMode": 420}}]}',
        '{"valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}',
        '{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}',
        '{"resources": ["secrets", "pods"]}',
        "kind: ConfigMap\ndata:\n  db: on\n---\nkind: Pod\n",
        "imagePullSecrets:\n- name: db\n",
        "secret:\n  secretName: db\n  optional: false\n",
        '{"a": 1.10,  "b": [ ]}',
    ],
)
def test_what_tells_nobody_anything_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_report_s_own_script_and_style_stay() -> None:
    for name in ("report.js", "report.css"):
        text = (PARTS / name).read_text(encoding="utf-8")
        assert redacted(text) == text


def test_the_same_value_has_the_same_marker_and_another_salt_another_one() -> None:
    first, second, third = re.findall(r"\[.*?\]", redacted("10.1.1.1 and 10.1.1.1, 10.1.1.2"))
    assert first == second != third
    # as the kernel writes it, too
    assert first in redacted("0: 0101010A:1F90 00000000:0000")
    assert Redactor(b"other").text(b"10.1.1.1").decode() != first


def test_command_lines_that_travel_as_digits_are_replaced_too() -> None:
    line = b"/app\0--password=hunter2\0--host\x00db".hex()
    shown = redacted(f"43 _{line} _00")
    digits = re.fullmatch(r"43 _([0-9a-f]+) _00", shown)
    assert digits
    words = bytes.fromhex(digits[1]).split(b"\0")
    assert (words[0], words[2:]) == (b"/app", [b"--host", b"db"])
    assert re.fullmatch(rb"--password=\[secret-[0-9a-f]{12}\]", words[1])
    assert redacted(shown) == shown


def test_json_stays_json_and_a_key_makes_its_value_a_secret() -> None:
    given = {"password": "a\nb", "n": 5, "token": True, "list": ["10.0.0.7"], "secretName": "db", "me@x.org": ["k"]}
    data = Redactor(b"salt").document(json.dumps(given).encode())
    assert data is not None
    found = json.loads(data)
    assert found["password"].startswith("[secret-")
    assert (found["n"], found["token"], found["secretName"]) == (5, True, "db")
    assert found["list"][0].startswith("[ip-")
    assert "me@x.org" not in found
    name = base64.b64encode(b"\xff me@x.org").decode()
    assert b"me@x.org" not in base64.b64decode(Redactor(b"salt").value({"src_b64": name})["src_b64"])
    assert Redactor(b"salt").document(b'{"a": 1}\n{"password": "x"}\n') is not None
    assert Redactor(b"salt").document(b"no json") is None


@pytest.mark.parametrize(
    "given",
    [
        {"password": 12345678},
        {"secret": {"value": "hunter2"}},
        {"passwords": {"alice": ["hunter2"]}},
        {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]},
        {"argv": ["mysql", "--password", "hunter2"]},
        {"argv": ["curl", "-u", "bob:hunter2"]},
        {"Cookie": ["a=b; sid=hunter2"]},
        {"kind": "Secret", "data": {"db": "hunter2"}},
        {"headers": [["Authorization", "Token hunter2"], ["Accept", "*/*"]]},
        {"log": json.dumps({"password": 12345678}) + "\n"},
        {"auths": {"r.io": {"auth": "Hunter2zz"}}},
        {"Env": ["DB_PASSWORD=one hunter2"]},
    ],
)
def test_the_structure_of_json_tells_what_is_secret(given: dict[str, Any]) -> None:
    for data in (json.dumps(given), json.dumps(given, separators=(",", ":"))):
        document = Redactor(b"salt").document(data.encode())
        assert document is not None
        line = redacted(f"2026-11-25T02:00:00Z {data} end\n")
        for shown in (document.decode(), line):
            assert not re.search("unter2|12345678", shown)
        assert json.loads(line[21:-5]) == json.loads(document)


def test_a_secret_that_goes_over_words_of_a_command_line_leaves_none_of_the_others() -> None:
    pem = ["-----BEGIN PRIVATE KEY-----", "MIIhunter2hunter2", "-----END PRIVATE KEY-----"]
    shown = str(Redactor(b"salt").value({"command": ["app", "--api-token", "hunter2-zz", "-p", "80", *pem, "--last"]}))
    assert "hunter2" not in shown
    assert "'app', '--api-token', '[secret-" in shown
    assert "'-p', '80'" in shown
    assert "--last" in shown


def test_two_keys_that_become_one_marker_both_keep_their_values() -> None:
    document = Redactor(b"salt").document(b'{"a@b.com": 1, "A@b.com": 2}')
    assert document is not None
    assert sorted(json.loads(document).values()) == [1, 2]


def test_json_that_names_a_value_twice_loses_none_and_hides_none() -> None:
    shown = redacted('{"m":"mail a@b.com","m":"x"}')
    assert "a@b.com" not in shown
    assert shown.count('"m"') == 2


FRAGMENTS = st.sampled_from(
    [
        *"\n\t=:\"'\\&;,{}[]()<>|/@%#.-",
        " ",
        ": ",
        "=>",
        "%3D",
        '\\"',
        "\\n",
        "&quot;",
        "password",
        "token",
        "DB_PASSWORD",
    ]
    + [
        "pass",
        "auth",
        "hunter2",
        "name",
        "value",
        "--",
        "-u ",
        "Bearer ",
        "Authorization",
        "Cookie",
        "true",
        "17",
        "\0",
    ]
    + ["://", "https", "-----BEGIN A KEY-----", "-----END A KEY-----", "MIIEowIBAAKCAQEA", "\u00fc", "\n  ", "\n- "]
    + [f" {word} " for word in ("a@b.cc", "10.1.2.3", "2001:db8::1", JWT, TOKEN, "mysql -p", "6162636465666768")]
)
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(given=st.dictionaries(TEXTS, VALUES, max_size=4), is_ascii=st.booleans())
def test_a_line_of_json_is_json_afterwards_with_as_many_values(given: dict[str, Any], is_ascii: bool) -> None:
    shown = redacted(f"2026-11-25T02:00:00Z {json.dumps(given, ensure_ascii=is_ascii)}\n")
    found = json.loads(shown.removeprefix("2026-11-25T02:00:00Z "))
    assert len(found) == len(given)
    assert redacted(shown) == shown


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_what_was_replaced_is_not_replaced_again_whatever_stands_around(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once
    assert redacted(text) == once


@settings(max_examples=50)
@given(text=st.text("abyz@.:=/- 0123456789[]passwordtoken\n\"'\\", max_size=200))
def test_what_was_replaced_is_not_replaced_again(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once


@given(
    words=st.lists(st.sampled_from(["password=x1", "a@b.cc", "10.1.2.3", JWT, " ", "\n", '"', "x", PEM]), max_size=12)
)
def test_nothing_of_it_is_left_whatever_stands_around(words: list[str]) -> None:
    shown = redacted(" ".join(words))
    assert not any(secret in shown for secret in ("a@b.cc", "10.1.2.3", JWT, "MIIEow"))


HOSTILE = [
    b"eyJ",
    b"eyJaaaaaa.",
    b"a@",
    b"a.",
    b"1.",
    b"1:",
    b"f",
    b"::",
    b":a",
    b"a:g",
    b"-----BEGIN A-----",
    b"-----END A-----",
    b"A\n-----END A-----",
    b"-----BEGIN A-----\nAAAA\n",
    b"MIIE\n",
    b"password=",
    b"password",
    b"pass",
    b"password ",
    b"password: ",
    b"password:\n",
    b"password:\n ",
    b"password: |\n ",
    b"- ",
    b"token_",
    b'token:\\"',
    b'"token":',
    b"secret='",
    b'secret="',
    b"://a:",
    b"://a:b@",
    b"x://a:1/",
    b"ab://a:c/",
    b"https://",
    b"Bearer ",
    b"Authorization: ",
    b'Authorization: "',
    b"Authorization: [",
    b"Cookie:\\",
    b"0f",
    b"6162",
    b"\t0A0A0A0A",
    b"[ip-",
    b"\\n",
    b'"\\',
    b'{"',
    b'{"a":1}',
    b'[["',
    b'{"a":',
    b"[[",
    b'["a",',
    b"mysql ",
    b"mysql -",
    b"mysql -p ",
    b"redis-cli ",
    b"-u ",
    b"-u a:",
    b"--password ",
    b"--password\x00",
    b"--token-",
    b"a-",
    b"<token>",
    b"<token ",
    b"<a",
    b"<tokentoken",
    b"login a ",
    b"login a password b ",
    b"\x00",
    b"%40",
    b"%25",
    b"a%40",
    b"token%3D",
    b"token&quot;:&quot;",
    b"&quot;",
    b"identified by '",
    b"name: token\n value: ",
    b"data:\nkind: Secret\n",
    b"---\nkind: Secret\n",
    b"<a name='token",
    b"name: token\n",
    b"ENV TOKEN",
    b"\x1b[0m",
    b"\\u0041",
    b"ip-1-",
    b"1-1-1-1.",
    b"auth=",
    b"auth=a",
    b"oracle:thin:a",
    b"a:a@tcp",
    b"?sig=",
    b"hooks.slack.com/services/",
    b"LS0tLS1CRUdJTi",
    b"2026-11-25T02:00:00Z ",
    b"\n2026-11-25T02:00:00Z password:",
    b"ssword\\",
    b"\xff",
    b"\xff@",
    b"pass:a,",
    b"pass=a&",
    b"pass=a,b",
    b"pass={",
    b"secret:[",
    b"PASS=x ",
    b"\npass.a=x ",
    b'\\\\\\"token\\\\\\":\\\\\\"',
    b"token\\",
    b"user a on >x ",
    b"define('pass', '",
    b'{pass, "',
    b"$6$a$",
    b"kind: Secret\ndata: {",
    b"{kind: Secret, data: {a: ",
    b'{"kty":"x","d":"',
    b"Private-Lines: 1\nAAAA\n",
    b":1:2:3:4:",
    b"*:*:*:*:",
    b'password: "x\n',
    b"password: x\n  y\n",
    b"--fernet-key ",
    b"Authorization: x\n y",
    b"pgpass a:1:a:a:",
    b" a:1234:a:a:a",
    b"a:b chpasswd ",
    b"app:x | chpasswd",
    b"chpasswd <<E\na:b\n",
    b"echo a | sudo -",
    b"echo 'a' | -stdi",
    b"htpasswd -b a ",
    b"openssl passwd -a ",
    b"useradd -",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_longer_than_any_other(piece: bytes) -> None:
    data = piece * ((1 << 16) // len(piece))
    started = time.process_time()
    Redactor(b"salt").text(data)
    # a pattern that tries all would take 64 Ki squared steps, which is minutes
    assert time.process_time() - started < 10.0
