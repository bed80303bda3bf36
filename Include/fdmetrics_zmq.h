// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics_zmq.h: libzmq's sending and receiving calls for C and C++ programs, which record what goes through them.
//
//     fdm_zmq_socket push;
//     fdm_zmq_socket_init(&push, zmq_socket(context, ZMQ_PUSH), FDM_ZMQ_CARRIER_TRAILER);
//     zmq_connect(push.handle, "ipc:///run/jobs.ipc");
//     fdm_zmq_socket_record(&push, store, NULL, NULL);
//     fdm_zmq_send(&push, "job", 3, 0);
//     fdm_zmq_close(&push);
//
// Everything is inline: link the program with libfdmetrics and with libzmq (4.2 or newer); libfdmetrics itself needs no
// libzmq. docs/zmq.md says what is counted, and what a peer without instrumentation receives.
//
// Conventions of every function of the headers below, unless it says otherwise:
//   Results    as libzmq's own: bytes or 0, and -1 with errno (zmq_errno()) set. Recording never fails a message:
//              through a socket without a link everything works and nothing is counted.
//   Threads    as libzmq's sockets: one thread at a time.
//   Fork       as libzmq's sockets: not carried over. Make a new context and new sockets in the child.
//   Pointers   are borrowed for the call only.
// Names that end with an underscore are not for callers.
#ifndef FDMETRICS_ZMQ_H
#define FDMETRICS_ZMQ_H

#include "fdmetrics_zmq_socket.h"    // sockets, and messages of bytes
#include "fdmetrics_zmq_envelope.h"  // messages of JSON, whose envelope may say when they were sent
#include "fdmetrics_zmq_monitor.h"   // connections: made, accepted, ended, retried, refused

#endif
