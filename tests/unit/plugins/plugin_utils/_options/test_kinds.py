# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each kind of option takes, and what it refuses in words."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import KINDS
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Number, Place, Refused


def taken(kind: str, value: object, *arguments: Any) -> tuple[Any, list[str]]:
    place = Place("role_option")
    return KINDS[kind](*arguments).take(value, place), place.notes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (-3, "-3"),
        (1.5, "1.5"),
        (1e30, "1" + "0" * 30),
        (45000, "45000"),
        (True, "true"),
        (False, "false"),
        (dt.date(2026, 11, 29), "2026-11-29"),
        (dt.datetime(2026, 11, 29, 12, 30), "2026-11-29T12:30:00"),  # noqa: DTZ001
    ],
)
def test_what_yaml_made_of_a_text_is_taken_with_a_warning(value: object, text: str) -> None:
    assert taken("text", value)[0] == text
    (note,) = taken("text", value)[1]
    assert note.startswith("role_option takes ")
    assert f'"{text}"' in note


@pytest.mark.parametrize("text", ["api-0", "{{ 7 * 7 }}", "[1]", '{"a": 1}', "two\nlines", "ünï"])
def test_text_stays_as_it_is(text: str) -> None:
    assert taken("text", text) == (text, [])


@pytest.mark.parametrize(
    "value",
    [["a"], {"a": 1}, float("nan"), float("inf"), 10**5000, b"bytes", "nul\0"],
    ids=lambda value: str(type(value)),
)
def test_what_is_no_text_is_refused_by_the_options_name(value: object) -> None:
    with pytest.raises(Refused, match=r"^role_option: expected "):
        taken("text", value)


@pytest.mark.parametrize("value", ["../etc", "a/b", "..", ".", "x" * 201])
def test_a_case_id_is_one_folder(value: str) -> None:
    with pytest.raises(Refused, match="the name of one folder"):
        taken("folder_name", value)
    assert taken("folder_name", "..a b-1") == ("..a b-1", [])


def test_a_name_that_was_pasted_loses_its_blanks() -> None:
    assert taken("name", " api-0\n") == ("api-0", [])


@pytest.mark.parametrize("value", [10, "10", " 10 ", 10.0, "+10"])
def test_a_whole_number_in_each_form(value: object) -> None:
    assert taken("number", value, 1) == (10, [])


@pytest.mark.parametrize(
    "value",
    ["ten", "1e1", "10s", 10.5, True, [10], "", "１０", float("nan"), float("inf"), 0, "9" * 30, -(10**5000)],
    ids=lambda value: str(value)[:9] if not isinstance(value, int) else "number",
)
def test_what_is_no_whole_number_of_one_or_more_is_refused(value: object) -> None:
    with pytest.raises(Refused, match=r"^role_option: expected a whole number of 1 or more, got "):
        taken("number", value, 1)


def test_a_date_is_called_so_in_a_refusal_whatever_its_class() -> None:
    class Tagged(dt.date):
        pass

    with pytest.raises(Refused, match=r"got the date 2026-11-29\.$"):
        taken("number", Tagged(2026, 11, 29), 1)
    with pytest.raises(Refused, match=r"got the time 2026-11-29T12:30:00\.$"):
        taken("number", dt.datetime(2026, 11, 29, 12, 30), 1)  # noqa: DTZ001


def test_a_number_has_bounds() -> None:
    assert Number(1, 30).words == "A whole number from 1 to 30."
    with pytest.raises(Refused, match=r"from 1 to 30, got the number 31\.$"):
        taken("number", 31, 1, 30)


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        ("Yes", True),
        ("on", True),
        ("1", True),
        (1, True),
        (False, False),
        ("no", False),
        ("false ", False),
        (0, False),
    ],
)
def test_a_flag_in_each_form(value: object, flag: bool) -> None:
    assert taken("flag", value)[0] is flag


@pytest.mark.parametrize("value", ["maybe", 2, -1, [], {}, "truee"])
def test_what_is_neither_true_nor_false_is_refused(value: object) -> None:
    with pytest.raises(Refused, match="expected true or false"):
        taken("flag", value)


@pytest.mark.parametrize("value", ["100Mi", "2G", "0", "1.5 MB"])
def test_a_size_stays_as_it_was_written(value: str) -> None:
    assert taken("size", value) == (value, [])
    assert taken("size", 1048576) == ("1048576", [])


@pytest.mark.parametrize("value", ["big", True, [1], 1.5, -1, 10**5000], ids=lambda value: str(type(value)))
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(Refused, match="expected a size"):
        taken("size", value)


def test_a_choice_is_one_of_its_words() -> None:
    assert taken("choice", " warn ", "never", "warn") == ("warn", [])
    for value in ("Warn", True, 1, ["warn"]):
        with pytest.raises(Refused, match="expected one of never, warn, got"):
            taken("choice", value, "never", "warn")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("orders", ["orders"]),
        ("orders, users", ["orders", "users"]),
        ("orders\nusers\n\n", ["orders", "users"]),
        ('["orders", "users"]', ["orders", "users"]),
        (["orders"], ["orders"]),
        ([], []),
        ("app in (a, b),tier notin (c,d)", ["app in (a, b)", "tier notin (c,d)"]),
        ("app", ["app"]),
    ],
)
def test_names_are_a_list_json_lines_or_separated_by_commas(value: object, names: list[str]) -> None:
    assert taken("names", value) == (names, [])


@pytest.mark.parametrize("value", ["a,,b", "a,", ["a", ""], [None], '["a", " "]', ","])
def test_a_blank_entry_never_matches_everything(value: object) -> None:
    with pytest.raises(Refused, match=r"entry \d is blank"):
        taken("names", value)


def test_a_path_is_never_split_at_commas() -> None:
    assert taken("lines", "/data/a, b.log\n/x") == (["/data/a, b.log", "/x"], [])
    assert taken("lines", "[a-z]*") == (["[a-z]*"], [])


@pytest.mark.parametrize("value", [8443, "8443", [8443], "[8443]", ["8443"]])
def test_a_port_is_a_port_and_no_digits(value: object) -> None:
    assert taken("ports", value) == ([8443], [])
    assert taken("ports", "443, 8443")[0] == [443, 8443]


@pytest.mark.parametrize("value", [70000, 0, "https", [True], "84 43", {"a": 1}])
def test_what_is_no_port_is_refused(value: object) -> None:
    with pytest.raises(Refused, match=r"^role_option"):
        taken("ports", value)


def test_peers_are_host_and_port() -> None:
    assert taken("peers", "db:5432,tls://[::1]:443")[0] == ["db:5432", "tls://[::1]:443"]
    with pytest.raises(
        Refused, match=r'^role_option\[1\]: expected host:port or tls://host:port, got the text "-x \$\(id\)"\.$'
    ):
        taken("peers", ["db:1", "-x $(id)"])


def test_probes_are_five_at_most() -> None:
    with pytest.raises(Refused, match="expected at most 5 entries, got 6"):
        taken("probes", ["a:1"] * 6)


@pytest.mark.parametrize(
    "value",
    [
        {"names": ["xmrig"]},
        '{"names": ["xmrig"]}',
        '{"names":["xmrig"]}',
        "names: xmrig",
        "names: [xmrig]",
        {"names": "xmrig", "sha256": None, "paths": ""},
        '{"names": "[\\"xmrig\\"]"}',
    ],
)
def test_indicators_are_lists_whatever_they_were_written_as(value: object) -> None:
    assert taken("indicators", value) == ({"names": ["xmrig"]}, [])


@pytest.mark.parametrize(
    "value", ["xmrig", ["xmrig"], 5, "[1]", "{", "a: &x 1\nb: *x", "a: !!python/name:os.system ''"]
)
def test_what_is_no_mapping_is_refused(value: object) -> None:
    with pytest.raises(Refused, match=r"^role_option: expected a (JSON or YAML )?mapping, got "):
        taken("indicators", value)


def test_a_key_that_is_not_known_is_refused_by_its_name() -> None:
    with pytest.raises(
        Refused, match=r"^role_option has no key name; expected any of names, paths, sha256, addresses\.$"
    ):
        taken("indicators", {"name": ["xmrig"]})


def test_a_debugger_is_typed_in_each_of_its_fields() -> None:
    value = '{"image": "busybox:1.37", "allow_elevated": "yes", "run_as_user": "0", "ttl": 60, "patch": "[{\\"op\\": \\"remove\\"}]"}'
    assert taken("debug", value)[0] == {
        "image": "busybox:1.37",
        "allow_elevated": True,
        "run_as_user": 0,
        "ttl": 60,
        "patch": [{"op": "remove"}],
    }
    with pytest.raises(
        Refused, match=r"^role_option\.run_as_user: expected a whole number of 0 or more, got the text \"root\"\.$"
    ):
        taken("debug", {"run_as_user": "root"})


@pytest.mark.parametrize(
    "value", [{"env": {"TOKEN": ["hunter2"]}}, {"env": "hunter2"}, {"custom": "hunter2"}, {"patch": ["hunter2"]}]
)
def test_no_message_tells_what_a_debugger_was_told(value: object) -> None:
    with pytest.raises(Refused) as refused:
        taken("debug", value)
    assert "hunter2" not in str(refused.value)


def test_no_note_tells_what_a_debugger_was_told() -> None:
    options, notes = taken("debug", {"env": {"PIN": 4711}})
    assert options == {"env": {"PIN": "4711"}}
    assert notes
    assert "4711" not in "".join(notes)


def test_a_long_value_is_cut_in_messages() -> None:
    with pytest.raises(Refused) as refused:
        taken("flag", "x" * 100_000)
    assert len(str(refused.value)) < 300


def pem(tmp_path: Path) -> str:
    """A certificate that openssl made."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=ca",
    ]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return (tmp_path / "ca.pem").read_text(encoding="utf-8")


def test_certificates_are_whole(tmp_path: Path) -> None:
    whole = pem(tmp_path)
    assert taken("certificates", f"\n{whole}")[0] == whole
    assert taken("certificates", whole + pem(tmp_path))[0].count("BEGIN") == 2
    key = (tmp_path / "key.pem").read_text(encoding="utf-8")
    for broken in (
        "-----BEGIN",
        whole[:-30],
        whole + "-----BEGIN CERTIFICATE-----\nMIIB",
        whole + key,
        key,
        "ca.pem",
        5,
        [whole],
    ):
        with pytest.raises(Refused, match="expected whole certificates in PEM, and no keys"):
            taken("certificates", broken)
