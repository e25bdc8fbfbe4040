# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that say what to inject."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of _options.debugger_spec()."""

    DOCUMENTATION = r"""
options:
  image:
    description:
      - The debug image. It needs C(sh) and the usual small tools, such as busybox has.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_IMAGE) is used.
    type: str
    default: busybox:1.37
  image_pull_policy:
    description:
      - When the node pulls the image.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_IMAGE_PULL_POLICY) is used, else Kubernetes' own default.
    type: str
    choices: [Always, IfNotPresent, Never]
  name:
    description:
      - The name of the debugger.
      - The default is derived from the request without its O(ttl), so that asking again finds the one that runs
        or is about to.
      - An entry stays in its pod for ever, so that a name whose debugger has ended, or could not read, is followed by C(<name>-2) and
        so on. Asked for and ended is the one that runs, by O(name) as it was given.
    type: str
    aliases: [debugger]
  profile:
    description:
      - The security settings of the debugger; all but V(auto) are those of C(kubectl debug --profile).
      - V(auto) takes the least that can read this target and that admission allows.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_PROFILE) is used.
    type: str
    choices: [auto, general, baseline, restricted, netadmin, sysadmin]
    default: auto
  identity:
    description:
      - Who the debugger runs as.
      - V(match) is the target's own uid and gid, V(image) the debug image's own user, V(elevated) root with the
        capabilities SYS_PTRACE and DAC_READ_SEARCH and no others.
      - V(auto) matches when the target is not root, and tries once more with what was learned inside. It never elevates
        unless O(allow_elevated=true).
    type: str
    choices: [auto, image, match, elevated]
    default: auto
  allow_elevated:
    description:
      - Whether V(auto) may take V(elevated) when nothing less can read the target.
    type: bool
    default: false
  run_as_user:
    description:
      - The uid to run as; overrides O(identity).
    type: int
  run_as_group:
    description:
      - The gid to run as; overrides O(identity).
    type: int
  env:
    description:
      - Environment variables of the debugger. They stand in the pod, where everyone who can read it reads them.
    type: dict
    default: {}
  custom:
    description:
      - Fields of a container that are merged into the debugger, as C(kubectl debug --custom) does.
      - Fields that the API forbids in ephemeral containers are refused, and unknown ones too.
      - V(null) removes a field. C($patch) with the value V(replace) or V(delete) does in a map, or in an entry of C(env) or
        C(volumeMounts), what it does in a strategic merge patch; other directives are refused.
    type: dict
    default: {}
  patch:
    description:
      - JSON Patch operations on the finished container.
    type: list
    elements: dict
    default: []
  ttl:
    description:
      - After how many seconds the debugger ends by itself.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_TTL) is used.
    type: int
    default: 3600
  wait_timeout:
    description:
      - How many seconds to wait until the debugger runs.
    type: int
    default: 120
"""
