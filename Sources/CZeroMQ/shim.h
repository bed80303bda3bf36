// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#include <sys/epoll.h>    // This and the next one are missing in Swift's Glibc module: the thread that waits for the
#include <sys/eventfd.h>  // descriptors of sockets needs them.
#include <zmq.h>
