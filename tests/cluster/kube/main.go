// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The four daemons of Kubernetes as one program, which acts by the name it is called by.
// They share nearly all of their code: one link step and one file instead of four.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // the metrics that each daemon's own main registers
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	daemons := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kubelet":                 func() *cobra.Command { return made(kubelet.NewKubeletCommand) },
	}
	name := filepath.Base(os.Args[0])
	daemon, known := daemons[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: call this program by the name of a Kubernetes daemon\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(daemon()))
}

// made calls what makes the kubelet's command: up to Kubernetes 1.30 it takes no context.
func made(command any) *cobra.Command {
	if old, isOld := command.(func() *cobra.Command); isOld {
		return old()
	}
	return command.(func(context.Context) *cobra.Command)(context.Background())
}
