// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// runFromMemory goes on as a program that no file system has, as an intruder does, and keeps it open; then it waits.
func runFromMemory([]string) error {
	descriptor, err := unix.MemfdCreate("helper", 0)
	if err != nil {
		return err
	}
	own, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer own.Close()
	if _, err := io.Copy(os.NewFile(uintptr(descriptor), "helper"), own); err != nil {
		return err
	}
	return syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", descriptor), []string{"helper", "wait"}, os.Environ())
}
