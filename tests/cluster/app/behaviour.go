// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// behaviour is what one run of the app is asked for.
type behaviour struct {
	dropTo      string
	become      string
	work        bool
	blob        string
	blobSize    int64
	seed        uint64
	log         string
	logEvery    time.Duration
	openDeleted string
	fork        int
	exitAfter   time.Duration
	exitCode    int
	ignoreTerm  bool
}

func behave(arguments []string) (behaviour, error) {
	var b behaviour
	flags := flag.NewFlagSet("app", flag.ContinueOnError)
	flags.StringVar(&b.dropTo, "drop-to", "", "UID:GID to exec again as, without supplementary groups, as gosu does")
	flags.StringVar(&b.become, "become", "", "UID:GID to go on as in the same program, as a server that opened its port does; the kernel then keeps others out of its process")
	flags.BoolVar(&b.work, "work", false, "hash without end, and print how many rounds each second had")
	flags.StringVar(&b.blob, "blob", "/data/blob.bin", "write pseudo-random bytes there at the start, where that can be written; empty: none")
	flags.Int64Var(&b.blobSize, "blob-size", 4<<20, "how many bytes")
	flags.Uint64Var(&b.seed, "seed", 1, "the same seed makes the same bytes")
	flags.StringVar(&b.log, "log", "", "append a line there again and again")
	flags.DurationVar(&b.logEvery, "log-every", time.Second, "how often")
	flags.StringVar(&b.openDeleted, "open-deleted", "", "write 64 KiB there, delete the file, hold it open")
	flags.IntVar(&b.fork, "fork", 0, "start so many children that wait")
	flags.DurationVar(&b.exitAfter, "exit-after", 0, "exit by itself; 0: never")
	flags.IntVar(&b.exitCode, "exit-code", 0, "with which code then")
	flags.BoolVar(&b.ignoreTerm, "ignore-term", false, "go on after SIGTERM")
	err := flags.Parse(arguments)
	return b, err
}

func run(arguments []string) error {
	b, err := behave(arguments)
	if err != nil {
		return err
	}
	if b.dropTo != "" {
		return execAs(b.dropTo, arguments)
	}
	if b.become != "" {
		if err := become(b.become); err != nil {
			return err
		}
	}
	if err := writeBlob(b); err != nil {
		// A read-only root is a wanted case, not an error.
		fmt.Println("app: no blob:", err)
	}
	held, err := holdDeleted(b)
	if err != nil {
		return err
	}
	defer held.Close()
	for range b.fork {
		if err := exec.Command("/proc/self/exe", "wait").Start(); err != nil {
			return err
		}
	}
	if b.work {
		go work()
	}
	fmt.Printf("app: ready as %d:%d\n", os.Getuid(), os.Getgid())
	return serve(b)
}

// serve does the app's daily work until it is told to stop or has run for long enough.
func serve(b behaviour) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	var ticks, end <-chan time.Time
	if b.log != "" {
		ticks = time.Tick(b.logEvery)
	}
	if b.exitAfter > 0 {
		end = time.After(b.exitAfter)
	}
	for line := 1; ; {
		select {
		case <-ticks:
			if err := appendLine(b.log, line); err != nil {
				return err
			}
			line++
		case <-end:
			os.Exit(b.exitCode)
		case <-signals:
			if !b.ignoreTerm {
				return nil
			}
		}
	}
}

func wait([]string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	return nil
}

// execAs becomes another user in the same process: the API goes on showing the user of the start.
func execAs(who string, arguments []string) error {
	if err := become(who); err != nil {
		return err
	}
	// The flag given last wins, so that this one ends the recursion.
	again := append([]string{os.Args[0], "run"}, append(arguments, "--drop-to=")...)
	return syscall.Exec("/proc/self/exe", again, os.Environ())
}

func become(who string) error {
	user, group, _ := strings.Cut(who, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("%s is no UID:GID: %w", who, err)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		return fmt.Errorf("%s is no UID:GID: %w", who, err)
	}
	for _, step := range []func() error{
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setgid(gid) },
		func() error { return syscall.Setuid(uid) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("cannot become %s: %w", who, err)
		}
	}
	return nil
}

// work is a target's own business, whose speed shows what others take from it.
func work() {
	block := make([]byte, 16<<10)
	for {
		rounds, since := 0, time.Now()
		for time.Since(since) < time.Second {
			sha256.Sum256(block)
			rounds++
		}
		fmt.Printf("app: %d rounds in %d ms\n", rounds, time.Since(since).Milliseconds())
	}
}

func writeBlob(b behaviour) error {
	if b.blob == "" {
		return nil
	}
	file, err := os.OpenFile(b.blob, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	var seed [32]byte
	copy(seed[:], strconv.FormatUint(b.seed, 10))
	_, err = io.CopyN(file, rand.NewChaCha8(seed), b.blobSize)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// holdDeleted returns an open file without a name; nil, whose Close only answers an error, when none is wanted.
func holdDeleted(b behaviour) (*os.File, error) {
	if b.openDeleted == "" {
		return nil, nil
	}
	file, err := os.OpenFile(b.openDeleted, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := file.WriteString(strings.Repeat("deleted, but still open\n", 64<<10/24)); err != nil {
		return nil, err
	}
	return file, os.Remove(b.openDeleted)
}

func appendLine(path string, number int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "%s line %d\n", time.Now().UTC().Format(time.RFC3339Nano), number)
	return err
}
