// SPDX-License-Identifier: Apache-2.0
#include "domains/common/collectors.h"

#define SHAPE "weft.common.v1."

// One line a collector: name, kind, message, seconds between samples, whether only the kernel can be asked.
static const struct wf_collector table[] = {
    { "cpu", WF_COLLECT_METRIC, SHAPE "Cpu", 10, false, "time spent by every processor",
        wf_collect_cpu, wf_collect_cpu_forget },
    { "memory", WF_COLLECT_METRIC, SHAPE "Memory", 10, false, "use of memory and swap",
        wf_collect_memory, NULL },
    { "load", WF_COLLECT_METRIC, SHAPE "Load", 10, false, "run queue, tasks, context switches",
        wf_collect_load, NULL },
    { "filesystems", WF_COLLECT_METRIC, SHAPE "FilesystemUsage", 60, false,
        "space and inodes of local file systems", wf_collect_filesystems, NULL },
    { "disks", WF_COLLECT_METRIC, SHAPE "Disk", 10, false, "reads and writes of block devices",
        wf_collect_disks, NULL },
    { "interfaces", WF_COLLECT_METRIC, SHAPE "InterfaceCounters", 10, true,
        "traffic of network interfaces", wf_collect_interfaces, NULL },
    { "hosts", WF_COLLECT_INVENTORY, SHAPE "Host", 300, false, "what this machine is",
        wf_collect_hosts, NULL },
    { "mounts", WF_COLLECT_INVENTORY, SHAPE "Filesystem", 300, false, "mounted file systems",
        wf_collect_mounts, NULL },
    { "packages", WF_COLLECT_INVENTORY, SHAPE "Package", 300, false,
        "installed packages (dpkg, rpm)", wf_collect_packages, NULL },
    { "sockets", WF_COLLECT_INVENTORY, SHAPE "Socket", 60, true,
        "TCP and UDP sockets with their processes", wf_collect_sockets, NULL },
    { "listening", WF_COLLECT_INVENTORY, SHAPE "Socket", 60, true,
        "sockets that wait for strangers", wf_collect_listening, NULL },
    { "users", WF_COLLECT_INVENTORY, SHAPE "User", 300, false, "local accounts", wf_collect_users,
        NULL },
};

const struct wf_collector *const wf_collectors = table;
const size_t wf_collector_count = sizeof table / sizeof table[0];
