// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A distroless app to look into: one static program in an image without a shell. It does what its flags say until it is told to stop.
//
//	app [run] [flags]    be the app (see flags in behave)
//	app sha256 FILE...   print hashes as sha256sum does: the truth that a fetched copy is compared with
//	app stat FILE...     print one JSON object a file, never following a link
package main

import (
	"fmt"
	"os"
)

func main() {
	command, arguments := "run", os.Args[1:]
	if len(arguments) > 0 && arguments[0] != "" && arguments[0][0] != '-' {
		command, arguments = arguments[0], arguments[1:]
	}
	commands := map[string]func([]string) error{"run": run, "sha256": printHashes, "stat": printStats, "wait": wait, "run-from-memory": runFromMemory}
	act, known := commands[command]
	if !known {
		fmt.Fprintf(os.Stderr, "app: no command %q\n", command)
		os.Exit(2)
	}
	if err := act(arguments); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}
