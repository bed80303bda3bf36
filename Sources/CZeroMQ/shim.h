// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#include <sys/epoll.h>    // This and the next one are missing in Swift's Glibc module: the thread that waits for the
#include <sys/eventfd.h>  // descriptors of sockets needs them.
#include <sys/prctl.h>
#include <zmq.h>

// Names the calling thread, by at most 15 characters. Swift imports no function with variable arguments.
static inline void CZeroMQ_nameThread(const char *name) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
}
