# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The templates of analyzers: checked when they are read, compiled when they are first used.

They come from files of the user or of this collection. Facts come from pods, are hostile, and are data only: nothing in them is
ever compiled.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import quantity
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.sockets import address
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import holding
from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2.nodes import Filter, Node, Test
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


def sandbox() -> ImmutableSandboxedEnvironment:
    """Return what compiles them."""
    # no HTML is made here, and escaping twice would show in the report
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters |= {"address": address, "quantity": quantity, "holding": holding}
    return environment


def expression(environment: ImmutableSandboxedEnvironment, text: str) -> Callable[..., Any]:
    """Return what evaluates an expression. Raises TemplateSyntaxError."""
    parser = Parser(environment, text, state="variable")
    _check_names(environment, parser.parse_expression())
    if not parser.stream.eos:
        raise TemplateSyntaxError("chunk after expression", parser.stream.current.lineno)
    return _at_first_use(partial(environment.compile_expression, text, undefined_to_none=False))


def rendering(environment: ImmutableSandboxedEnvironment, text: str) -> Callable[..., str]:
    """Return what renders a template. Most are none. Raises TemplateSyntaxError."""
    if "{" in text or "\r" in text:
        _check_names(environment, environment.parse(text))
        return _at_first_use(lambda: environment.from_string(text).render)
    # as Jinja does
    plain = text.removesuffix("\n")
    return lambda **_facts: plain


def _at_first_use(make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Return what make makes, made when it is called: to compile a template takes milliseconds, and most of what analyzers could say
    they do not."""
    made = cache(make)

    def use(**facts: Any) -> Any:
        return made()(**facts)

    return use


def _check_names(environment: ImmutableSandboxedEnvironment, tree: Node) -> None:
    """Raise TemplateSyntaxError for a filter or a test that is not there, which else would be told when it is used."""
    for kind, known in ((Filter, environment.filters), (Test, environment.tests)):
        # of a tree without its root
        for node in (tree, *tree.find_all(kind)):
            if isinstance(node, kind) and node.name not in known:
                raise TemplateSyntaxError(f"No {kind.__name__.lower()} named {node.name!r}.", node.lineno)
