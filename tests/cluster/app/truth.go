// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// printHashes writes lines as `sha256sum` does: a name with a newline or a backslash is escaped and the line marked by a backslash.
func printHashes(paths []string) error {
	var failed error
	for _, path := range paths {
		sum, err := hashOf(path)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		mark := ""
		if strings.ContainsAny(path, "\n\\") {
			mark, path = `\`, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(path)
		}
		fmt.Printf("%s%s  %s\n", mark, sum, path)
	}
	return failed
}

func hashOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}

// facts is what lstat says; Path is base64 in JSON, since a path is bytes.
type facts struct {
	Path    []byte `json:"path_b64"`
	Mode    string `json:"mode"` // octal with the type bits, as `stat -c %f` would be in hexadecimal
	UID     uint32 `json:"uid"`
	GID     uint32 `json:"gid"`
	Size    int64  `json:"size"`
	Links   uint64 `json:"nlink"`
	Device  uint64 `json:"dev"`
	Inode   uint64 `json:"ino"`
	Blocks  int64  `json:"blocks"`
	ATimeNS int64  `json:"atime_ns,string"`
	MTimeNS int64  `json:"mtime_ns,string"`
	CTimeNS int64  `json:"ctime_ns,string"`
	Link    []byte `json:"link_b64,omitempty"`
}

func printStats(paths []string) error {
	var failed error
	out := json.NewEncoder(os.Stdout)
	for _, path := range paths {
		var stat syscall.Stat_t
		if err := syscall.Lstat(path, &stat); err != nil {
			failed = errors.Join(failed, fmt.Errorf("lstat %s: %w", path, err))
			continue
		}
		found := facts{
			Path: []byte(path), Mode: fmt.Sprintf("%o", stat.Mode), UID: stat.Uid, GID: stat.Gid, Size: stat.Size,
			Links: uint64(stat.Nlink), Device: uint64(stat.Dev), Inode: stat.Ino, Blocks: stat.Blocks,
			ATimeNS: stat.Atim.Nano(), MTimeNS: stat.Mtim.Nano(), CTimeNS: stat.Ctim.Nano(),
		}
		if stat.Mode&syscall.S_IFMT == syscall.S_IFLNK {
			link, err := os.Readlink(path)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			found.Link = []byte(link)
		}
		if err := out.Encode(found); err != nil {
			return err
		}
	}
	return failed
}
