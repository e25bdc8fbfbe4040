# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/redaction.rst from the rules of redaction: python3 tests/tool.py redaction"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
RULES = CHECKOUT / "plugins" / "plugin_utils" / "_redact" / "rules"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "redaction.rst"
FILES = {
    "names": "Names whose values are secrets",
    "tokens": "Known by their form",
    "places": "Known by where they stand",
    "hashes": "What passwords were made into, and keys that are in no PEM",
}

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.redaction:

What is redacted, and by which rules
====================================

What the roles print, register, hand to ``set_stats`` and write into ``summary.md`` and ``report.html``, and a copy for sharing
(``evidence_redact``, ``evidence_bundle_redact``), has a marker such as ``[secret-3fa9c1d20b7e]`` where a secret was, and in the copy also
where an e-mail or an IP address was. ``findings.json`` and the evidence in the case folder stay as they are. The same value is the same
marker wherever it stands; without the salt it tells nothing.

The rules below are data, whose examples are run by
``tests/unit/plugins/plugin_utils/_redact/test_ruleset.py::test_a_rule_replaces_of_its_examples_what_they_say_and_nothing_else``. Beside them,
code reads what no pattern can: keys in PEM, also those that were cut off; the headers ``Authorization`` and ``Cookie`` to their end; how
far the value of a name reaches, in several lines too; the ``data`` of a Secret of Kubernetes and of a list of them, in JSON and YAML; pairs
of name and value; e-mail and IP addresses, but those that are the same everywhere (loopback, netmasks, ``10.0.0.0/8``, versions such as
``1.2.3.4-r0``).

Files that are not understood come along as they are. ``redaction.json`` lists them as ``binary`` or ``unknown_encoding``, never as
``unchanged``. UTF-8, UTF-16 and UTF-32 are understood, also without a mark of the order of bytes, and encodings with a byte a sign in which
most is ASCII.

Rules of your own
-----------------

``<role>_redact_rules`` of each role, and the option ``rules`` of ``evidence_redact``, take folders with YAML files of rules:

.. code-block:: yaml

   - name: voucher
     kind: token
     pattern: 'SHOP-[A-Z0-9]{8}'
     source: our shop
     match: ['paid with [[SHOP-ABCD1234]]']
     no_match: ['SHOP-1']

``kind`` is ``key``, ``secret`` or ``token``, the word of the marker. ``pattern`` is a regular expression of Python for bytes (or a list
of its parts), which is the secret as a whole, unless it has groups named ``value``, ``value2`` or ``value3``: then those are. Of
``match``, what stands in ``[[ ]]`` must be replaced and nothing else; of ``no_match`` nothing may be. ``source`` says who says so.
``where: name`` makes it a rule for names, whose values then are secrets. ``keywords`` are words in small letters of which one stands in
each line that can match; other lines are not read, which is fast, and a rule for names needs them. ``word: true`` lets it begin at a word
only. ``several_lines: true`` lets it go on over the end of a line.

A rule whose examples do not come true is refused, by its file and name, before anything is injected or copied. So is a pattern that can be tried in
very many ways at one place, such as ``(a+)+``: bound its repeats (``{1,64}``) or make them possessive (``++``). A rule reads at most 1,024
bytes of a line at a time, in pieces that overlap by half, so that a secret of up to 512 bytes is found wherever it stands.
"""

TABLE = """
.. list-table::
   :header-rows: 1
   :widths: 18 12 40 30

   * - Rule
     - Marker
     - Examples
     - Says who
"""


def page(rules: Mapping[str, list[dict[str, Any]]]) -> str:
    """The page's text: one table for each file, one row for each rule."""
    return HEAD + "".join(
        f"\n{title}\n{'-' * len(title)}\n{TABLE}{''.join(_row(rule) for rule in rules[name])}"
        for name, title in FILES.items()
    )


def _row(rule: Mapping[str, Any]) -> str:
    examples = list(_examples(rule))
    more = "".join(f"\n       | {example}" for example in examples[1:])
    source = re.sub(r"([\\*`|_])", r"\\\1", rule["source"])
    return f"   * - ``{rule['name']}``\n     - ``{rule['kind']}``\n     - | {examples[0]}{more}\n     - {source}\n"


def _examples(rule: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        _literal(re.sub(r"\[\[.*?\]\]", f"[{rule['kind']}-...]", text, flags=re.DOTALL)) for text in rule["match"]
    )
    yield from (f"stays: {_literal(text)}" for text in rule["no_match"])


def _literal(text: str) -> str:
    return f"``{' '.join(text.split())}``"


def load_rules() -> dict[str, list[dict[str, Any]]]:
    """The rules of each file, by its name."""
    return {name: yaml.safe_load((RULES / f"{name}.yml").read_text(encoding="utf-8")) for name in FILES}


if __name__ == "__main__":
    PAGE.write_text(page(load_rules()), encoding="utf-8")
