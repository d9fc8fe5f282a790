// SPDX-License-Identifier: Apache-2.0
// Every size and count that the host, a file or a peer of ours may choose, in one place. A collector that meets more
// stops with WEFT_E_TOO_BIG or cuts as the comment says; it never grows with what it reads.
#ifndef WF_COMMON_BOUNDS_H
#define WF_COMMON_BOUNDS_H

#define WF_HOST_MAX_PROC  (8u * 1024u * 1024u)  // one file below /proc or /sys
#define WF_HOST_MAX_FILE  (64u * 1024u * 1024u) // dpkg's status, passwd, the answer of rpm
#define WF_HOST_MAX_PATH  4096u
#define WF_HOST_MAX_VALUE 4096u // a string in a row; longer ones are cut at a character
#define WF_HOST_MAX_ROW                                                                            \
    (192u * 1024u) // below the mesh's 256 KiB for a record, which is packed tighter
#define WF_HOST_MAX_ROWS    262144u // rows of one sample or snapshot
#define WF_HOST_MAX_OUT     (128u * 1024u * 1024u)
#define WF_HOST_MAX_CPUS    8192u
#define WF_HOST_MAX_MOUNTS  16384u
#define WF_HOST_MAX_LINKS   16384u
#define WF_HOST_MAX_ADDRS   64u      // addresses of one interface or host; more are left out
#define WF_HOST_MAX_GROUPS  256u     // groups of one user; more are left out
#define WF_HOST_MAX_MEMBERS 1048576u // names in the member lists of all groups
#define WF_HOST_MAX_FDS     1048576u // open files looked at to find the owners of sockets
#define WF_HOST_CHILD_MS    60000    // longest run of a helper program (rpm)
#define WF_HOST_NETLINK_MS  5000     // longest wait for one netlink message
#define WF_HOST_LOOK_MS     5000     // longest wait for what a file system says of its size
#define WF_HOST_MAX_STUCK   8u       // children that wait for file systems at the same time
#define WF_HOST_MAX_EVERY_S 86400u

#endif
