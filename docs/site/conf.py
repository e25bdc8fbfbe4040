# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for the documentation site: `make site` builds it, from the pages that antsibull-docs writes."""

from __future__ import annotations

project = "incident.distroless"
# Sphinx has this name
copyright = "2026, incident.distroless maintainers"  # noqa: A001
title = html_short_title = "incident.distroless"
extensions = ["sphinx_antsibull_ext"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_theme_options = {"documentation_home_url": ""}
html_show_sphinx = False
html_use_index = False
html_copy_source = False
html_use_smartypants = False
default_role = "any"
nitpicky = True
# what leads to Ansible's own documentation is text here: its inventories would have to be fetched
nitpick_ignore_regex = [
    (r"(std|ansible):.*", r"ansible_collections\.(?!incident\.distroless\.).*"),
    (r"std:ref", r"action_plugins|common_return_values|ansible_configuration_settings"),
    (r"std:envvar", r"ANSIBLE_\w+"),
]
