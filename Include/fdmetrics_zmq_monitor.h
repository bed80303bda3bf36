// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics_zmq_monitor.h: a socket's connections, which libzmq tells of if it is asked to. The conventions are in
// fdmetrics_zmq.h.
//
//     fdm_zmq_monitor monitor;
//     fdm_zmq_monitor_open(&monitor, context, &socket);      in the socket's thread
//     fdm_zmq_monitor_run(&monitor);                         in a thread of its own; returns when the socket is closed
//
// connected_total counts a connection that this socket made, once its handshake succeeded; accepted_total one that a
// peer made to it; disconnected_total the end of either, each once: the peer went away, the socket gave it up
// (fdm_zmq_disconnect, fdm_zmq_unbind), or was closed. inproc:// has no connections.
#ifndef FDMETRICS_ZMQ_MONITOR_H
#define FDMETRICS_ZMQ_MONITOR_H

#include <stdio.h>

#include "fdmetrics_zmq_socket.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is known of a connection, or of all of an endpoint.
enum {
  FDM_ZMQ_REACHED_ = 0,  // its handshake is still to come
  FDM_ZMQ_LIVE_ = 1,     // it is counted
  // With several I/O threads a handshake may be heard of before its connection: so many of the endpoint's were.
  FDM_ZMQ_EARLY_ = 2,
  FDM_ZMQ_ACCEPTS_ = 3  // the endpoint accepts connections, whose handshakes say nothing new
};
typedef struct fdm_zmq_connection_ {
  int state;
  int descriptor;  // of FDM_ZMQ_EARLY_: how many
  char endpoint[256];
} fdm_zmq_connection_;

// The monitor of a socket.
typedef struct fdm_zmq_monitor {
  void *events;        // PAIR: where libzmq's events come from
  void *given_up;      // PAIR: the endpoints that the socket gave up, of which libzmq tells nothing
  fdm_zmq_link *link;  // where they are counted
  int has_handshakes;
  fdm_zmq_connection_ *connections;
  size_t count, capacity;
} fdm_zmq_monitor;

// A PAIR socket over inproc without a limit: at one libzmq's I/O threads would wait for the monitor.
static inline void *fdm_zmq_pair_(void *context, const char *endpoint, int binds) {
  const int limit = 0;
  void *pair = zmq_socket(context, ZMQ_PAIR);
  if (pair == NULL) {
    return NULL;
  }
  if (zmq_setsockopt(pair, ZMQ_SNDHWM, &limit, sizeof limit) != 0 ||
      zmq_setsockopt(pair, ZMQ_RCVHWM, &limit, sizeof limit) != 0 ||
      (binds ? zmq_bind(pair, endpoint) : zmq_connect(pair, endpoint)) != 0) {
    const int code = errno;
    zmq_close(pair);
    errno = code;
    return NULL;
  }
  return pair;
}

// Begins to monitor a socket that has a link. context is the socket's. The link must be there already: name it, or bind
// or connect first; connections that were made before are not counted. What happens meanwhile waits for
// fdm_zmq_monitor_run, which must be called once; without a thread for it call it after fdm_zmq_close, and nothing but
// the end is late. Errors: EINVAL (no link, or its series cannot be made: fdm_last_error says why), EALREADY (there is
// a monitor), EMFILE, ETERM, ENOTSOCK.
static inline int fdm_zmq_monitor_open(fdm_zmq_monitor *monitor, void *context, fdm_zmq_socket *socket) {
  int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
               ZMQ_EVENT_MONITOR_STOPPED;
  char endpoint[96];
  // An endpoint's name is taken until libzmq's reaper has been there, which may be after the address of the socket is
  // another one's.
  const unsigned long long now = (unsigned long long)(fdm_zmq_now() * 1e9);
  int code;
  memset(monitor, 0, sizeof *monitor);
  if (socket->monitor != NULL) {
    errno = EALREADY;
    return -1;
  }
  if (fdm_zmq_link_watch(socket->link) != FDM_OK) {
    errno = EINVAL;
    return -1;
  }
  monitor->link = socket->link;
#ifdef ZMQ_EVENT_HANDSHAKE_SUCCEEDED
  events |= ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  // Raw TCP has none.
  monitor->has_handshakes = socket->type != ZMQ_STREAM;
#endif
  snprintf(endpoint, sizeof endpoint, "inproc://fdmetrics-monitor-%p-%llu", socket->handle, now);
  if (zmq_socket_monitor(socket->handle, endpoint, events) != 0) {
    return -1;
  }
  monitor->events = fdm_zmq_pair_(context, endpoint, 0);
  snprintf(endpoint, sizeof endpoint, "inproc://fdmetrics-given-up-%p-%llu", socket->handle, now);
  if (monitor->events != NULL && (monitor->given_up = fdm_zmq_pair_(context, endpoint, 1)) != NULL &&
      (socket->monitor = fdm_zmq_pair_(context, endpoint, 0)) != NULL) {
    return 0;
  }
  code = errno;
  zmq_socket_monitor(socket->handle, NULL, 0);
  if (monitor->events != NULL) {
    zmq_close(monitor->events);
  }
  if (monitor->given_up != NULL) {
    zmq_close(monitor->given_up);
  }
  memset(monitor, 0, sizeof *monitor);
  errno = code;
  return -1;
}

static inline void fdm_zmq_gave_up_(fdm_zmq_socket *socket, const char *endpoint) {
  if (socket->monitor != NULL) {
    while (zmq_send(socket->monitor, endpoint, strlen(endpoint), ZMQ_DONTWAIT) < 0 && errno == EINTR) {
    }
  }
}

// As zmq_disconnect, and the monitor, if there is one, counts the connections that end with it, of which libzmq says
// nothing. Errors: as zmq_disconnect.
static inline int fdm_zmq_disconnect(fdm_zmq_socket *socket, const char *endpoint) {
  if (zmq_disconnect(socket->handle, endpoint) != 0) {
    return -1;
  }
  fdm_zmq_gave_up_(socket, endpoint);
  return 0;
}

// As zmq_unbind, which ends the connections that were accepted there, and the monitor, if there is one, counts them.
// endpoint is what fdm_zmq_last_endpoint said after zmq_bind. Errors: as zmq_unbind.
static inline int fdm_zmq_unbind(fdm_zmq_socket *socket, const char *endpoint) {
  if (zmq_unbind(socket->handle, endpoint) != 0) {
    return -1;
  }
  fdm_zmq_unsettle_(socket);
  fdm_zmq_gave_up_(socket, endpoint);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// The thread's part. A connection is counted as made once and as ended once. Connections are told apart by their file
// descriptors, which a handshake's event does not say: any one at its endpoint will do, since they are only counted.

static inline int fdm_zmq_is_of_(const fdm_zmq_connection_ *connection, int state, const char *endpoint) {
  return connection->state == state &&
         strncmp(connection->endpoint, endpoint, sizeof connection->endpoint - 1) == 0;
}

// The first connection in a state at an endpoint, or NULL.
static inline fdm_zmq_connection_ *fdm_zmq_find_(fdm_zmq_monitor *monitor, int state, const char *endpoint) {
  size_t i;
  for (i = 0; i < monitor->count; i++) {
    if (fdm_zmq_is_of_(&monitor->connections[i], state, endpoint)) {
      return &monitor->connections[i];
    }
  }
  return NULL;
}

// Adds one; 0 if there is no memory for it, and then it is not counted either.
static inline int fdm_zmq_add_(fdm_zmq_monitor *monitor, int state, int descriptor, const char *endpoint) {
  fdm_zmq_connection_ *connection;
  if (monitor->count == monitor->capacity) {
    const size_t capacity = monitor->capacity * 2 + 8;
    void *larger = realloc(monitor->connections, capacity * sizeof *monitor->connections);
    if (larger == NULL) {
      return 0;
    }
    monitor->connections = (fdm_zmq_connection_ *)larger;
    monitor->capacity = capacity;
  }
  connection = &monitor->connections[monitor->count++];
  connection->state = state;
  connection->descriptor = descriptor;
  snprintf(connection->endpoint, sizeof connection->endpoint, "%s", endpoint);
  return 1;
}

// Takes one off; it has ended if it was counted.
static inline void fdm_zmq_end_(fdm_zmq_monitor *monitor, fdm_zmq_connection_ *connection) {
  if (connection->state == FDM_ZMQ_LIVE_) {
    fdm_zmq_connection_event(monitor->link, FDM_ZMQ_DISCONNECTED);
  }
  *connection = monitor->connections[--monitor->count];
}

// The end of the connection with this descriptor. One that is in use again is that of one that ended unheard.
static inline void fdm_zmq_end_descriptor_(fdm_zmq_monitor *monitor, int descriptor) {
  size_t i;
  for (i = 0; i < monitor->count; i++) {
    fdm_zmq_connection_ *connection = &monitor->connections[i];
    if (connection->state <= FDM_ZMQ_LIVE_ && connection->descriptor == descriptor) {
      fdm_zmq_end_(monitor, connection);
      return;
    }
  }
}

// The end of all connections at an endpoint that the socket gave up.
static inline void fdm_zmq_end_endpoint_(fdm_zmq_monitor *monitor, const char *endpoint) {
  size_t i = monitor->count;
  while (i-- > 0) {
    fdm_zmq_connection_ *connection = &monitor->connections[i];
    if (fdm_zmq_is_of_(connection, connection->state, endpoint)) {
      fdm_zmq_end_(monitor, connection);
    }
  }
}

// A connection begins that counts from now on.
static inline void fdm_zmq_begin_(fdm_zmq_monitor *monitor, int descriptor, const char *endpoint, uint32_t event) {
  if (fdm_zmq_add_(monitor, FDM_ZMQ_LIVE_, descriptor, endpoint)) {
    fdm_zmq_connection_event(monitor->link, event);
  }
}

static inline void fdm_zmq_accepted_(fdm_zmq_monitor *monitor, int descriptor, const char *endpoint) {
  if (fdm_zmq_find_(monitor, FDM_ZMQ_ACCEPTS_, endpoint) == NULL) {
    fdm_zmq_connection_ *early = fdm_zmq_find_(monitor, FDM_ZMQ_EARLY_, endpoint);
    if (early != NULL) {
      early->state = FDM_ZMQ_ACCEPTS_;
    } else {
      fdm_zmq_add_(monitor, FDM_ZMQ_ACCEPTS_, 0, endpoint);
    }
  }
  fdm_zmq_begin_(monitor, descriptor, endpoint, FDM_ZMQ_ACCEPTED);
}

static inline void fdm_zmq_connected_(fdm_zmq_monitor *monitor, int descriptor, const char *endpoint) {
  fdm_zmq_connection_ *early = fdm_zmq_find_(monitor, FDM_ZMQ_EARLY_, endpoint);
  if (early == NULL && monitor->has_handshakes) {
    fdm_zmq_add_(monitor, FDM_ZMQ_REACHED_, descriptor, endpoint);
    return;
  }
  if (early != NULL && --early->descriptor == 0) {
    fdm_zmq_end_(monitor, early);
  }
  fdm_zmq_begin_(monitor, descriptor, endpoint, FDM_ZMQ_CONNECTED);
}

static inline void fdm_zmq_shook_hands_(fdm_zmq_monitor *monitor, const char *endpoint) {
  fdm_zmq_connection_ *found = fdm_zmq_find_(monitor, FDM_ZMQ_REACHED_, endpoint);
  if (found != NULL) {
    found->state = FDM_ZMQ_LIVE_;
    fdm_zmq_connection_event(monitor->link, FDM_ZMQ_CONNECTED);
  } else if (fdm_zmq_find_(monitor, FDM_ZMQ_ACCEPTS_, endpoint) == NULL) {
    found = fdm_zmq_find_(monitor, FDM_ZMQ_EARLY_, endpoint);
    if (found != NULL) {
      found->descriptor++;
    } else {
      fdm_zmq_add_(monitor, FDM_ZMQ_EARLY_, 1, endpoint);
    }
  }
}

// Counts one event. value is a file descriptor where the event has one.
static inline void fdm_zmq_monitor_count_(fdm_zmq_monitor *monitor, int event, int value, const char *endpoint) {
  switch (event) {
    case ZMQ_EVENT_ACCEPTED:
      fdm_zmq_end_descriptor_(monitor, value);
      fdm_zmq_accepted_(monitor, value, endpoint);
      break;
    case ZMQ_EVENT_CONNECTED:
      fdm_zmq_end_descriptor_(monitor, value);
      fdm_zmq_connected_(monitor, value, endpoint);
      break;
#ifdef ZMQ_EVENT_HANDSHAKE_SUCCEEDED
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      fdm_zmq_shook_hands_(monitor, endpoint);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_HANDSHAKE_FAILED);
      break;
#endif
    case ZMQ_EVENT_CONNECT_RETRIED:
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_CONNECT_RETRIED);
      break;
    case ZMQ_EVENT_DISCONNECTED:
      fdm_zmq_end_descriptor_(monitor, value);
      break;
    default:
      break;
  }
}

// Receives a frame of text that is there, cut off where it does not fit. Its length, or -1.
static inline int fdm_zmq_take_text_(void *pair, char *text, int size) {
  int length;
  do {
    length = zmq_recv(pair, text, (size_t)size - 1, ZMQ_DONTWAIT);
  } while (length < 0 && errno == EINTR);
  if (length >= 0) {
    text[length < size ? length : size - 1] = '\0';
  }
  return length;
}

// Takes an event that is there, and counts it: 0, or -1 if there is none, and there will be none with another errno
// than EAGAIN.
static inline int fdm_zmq_monitor_take_(fdm_zmq_monitor *monitor) {
  // Two frames: the event's number (16 bits) and value (32 bits), then the endpoint.
  char head[7];
  char endpoint[256];
  uint16_t event;
  int32_t value;
  const int length = fdm_zmq_take_text_(monitor->events, head, sizeof head);
  if (length < 0 || fdm_zmq_take_text_(monitor->events, endpoint, sizeof endpoint) < 0) {
    return -1;
  }
  memcpy(&event, head, sizeof event);
  memcpy(&value, head + 2, sizeof value);
  if (length != 6 || event == ZMQ_EVENT_MONITOR_STOPPED) {
    errno = ETERM;
    return -1;
  }
  fdm_zmq_monitor_count_(monitor, event, value, endpoint);
  return 0;
}

// Counts the socket's events until the socket is closed or the context terminated; then what was still connected counts
// as disconnected, and the monitor is gone. Run it in one thread, which may be another one than the socket's. Returns
// 0.
static inline int fdm_zmq_monitor_run(fdm_zmq_monitor *monitor) {
  for (;;) {
    zmq_pollitem_t items[2] = {{monitor->events, 0, ZMQ_POLLIN, 0}, {monitor->given_up, 0, ZMQ_POLLIN, 0}};
    char endpoint[256];
    if (zmq_poll(items, 2, -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      break;
    }
    // First what libzmq told before the socket gave up an endpoint.
    while (fdm_zmq_monitor_take_(monitor) == 0) {
    }
    if (errno != EAGAIN) {
      break;
    }
    if ((items[1].revents & ZMQ_POLLIN) && fdm_zmq_take_text_(monitor->given_up, endpoint, sizeof endpoint) >= 0) {
      fdm_zmq_end_endpoint_(monitor, endpoint);
    }
  }
  while (monitor->count > 0) {
    fdm_zmq_end_(monitor, &monitor->connections[monitor->count - 1]);
  }
  free(monitor->connections);
  zmq_close(monitor->events);
  zmq_close(monitor->given_up);
  memset(monitor, 0, sizeof *monitor);
  return 0;
}

#ifdef __cplusplus
}
#endif
#endif
