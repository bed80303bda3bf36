// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics_zmq_socket.h: sockets that record, and their messages of bytes. The conventions are in fdmetrics_zmq.h.
#ifndef FDMETRICS_ZMQ_SOCKET_H
#define FDMETRICS_ZMQ_SOCKET_H

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "fdmetrics.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------------------------
// Sockets

// How a socket's messages say when they were sent. It matters for sending only: every receive takes all of them.
enum {
  FDM_ZMQ_CARRIER_NONE = 0,      // they do not; for peers that are not known
  FDM_ZMQ_CARRIER_ENVELOPE = 1,  // the messages of fdm_zmq_send_json are wrapped; others do not say it
  // One more frame at the end of each message. Sent without one are: the messages of ZMQ_STREAM and of a socket with
  // ZMQ_CONFLATE, which know no frames; an XSUB's subscriptions; a ROUTER's that are a routing id and nothing else.
  FDM_ZMQ_CARRIER_TRAILER = 2
};

// A socket of libzmq, its link, and where it is in the message that it sends and in the one that it receives. It must
// stay at its address: do not copy it. handle, link and carrier may be read and set between messages.
typedef struct fdm_zmq_socket {
  void *handle;        // libzmq's socket: bind, connect, set options and poll through it
  fdm_zmq_link *link;  // where it records; NULL: nowhere
  int carrier;         // FDM_ZMQ_CARRIER_*
  int type;            // ZMQ_PUSH, ...
  int is_multipart;    // whether its messages may be of several frames: then it takes trailers off
  int conflates;       // what ZMQ_CONFLATE said at fdm_zmq_socket_init: then it sends none
  int sending;         // a message has begun, and its last frame was not sent yet
  int trailed;         // the message that is being sent ends with a trailer
  int receiving;       // a message has begun, and its last frame was not handed out yet: what ZMQ_RCVMORE says
  int ahead;           // whether next_frame holds the message's next frame
  const void *trailer;  // in next_frame: that of the message that is handed out whole and not counted yet, or NULL
  void *monitor;        // PAIR: says to the monitor which endpoints were given up; NULL: there is no monitor
  int settled;          // it is known whether the socket is at an endpoint of libzmq's own: see fdm_zmq_settle_
  int made;             // the message that is handed out was made by libzmq: it is not counted
  int is_new_peer;      // of a ROUTER's message: nothing came from this peer before
  uint64_t *peers;      // of a ROUTER: hashes of the routing ids that it has heard of, 0 where a place is free
  size_t peer_count, peer_places;
  uint64_t sent_bytes;
  uint64_t received_bytes;
  uint64_t received_frames;
  unsigned char stamp[FDM_ZMQ_TRAILER_SIZE];
  zmq_msg_t next_frame;
} fdm_zmq_socket;

// The endpoint is to be looked at again: see fdm_zmq_settle_.
static inline void fdm_zmq_unsettle_(fdm_zmq_socket *socket) {
  socket->settled = 0;
  // Not those of ZMQ_STREAM, and of none of the later types.
  socket->is_multipart = socket->type >= ZMQ_PAIR && socket->type <= ZMQ_XSUB;
}

// Begins to use a socket of libzmq, which stays the caller's own until fdm_zmq_close. It records nothing yet. Set the
// option ZMQ_CONFLATE before.
// Errors: EINVAL (no such carrier), and those of zmq_getsockopt: ENOTSOCK (handle is NULL or no socket), ETERM.
static inline int fdm_zmq_socket_init(fdm_zmq_socket *socket, void *handle, int carrier) {
  size_t size = sizeof(int);
  memset(socket, 0, sizeof *socket);
  zmq_msg_init(&socket->next_frame);
  socket->handle = handle;
  socket->carrier = carrier;
  if (carrier < FDM_ZMQ_CARRIER_NONE || carrier > FDM_ZMQ_CARRIER_TRAILER) {
    errno = EINVAL;
    return -1;
  }
  if (zmq_getsockopt(handle, ZMQ_CONFLATE, &socket->conflates, &size) != 0) {
    // An older libzmq takes the option and does not tell it.
    socket->conflates = 0;
  }
  size = sizeof(int);
  if (zmq_getsockopt(handle, ZMQ_TYPE, &socket->type, &size) != 0) {
    return -1;
  }
  fdm_zmq_unsettle_(socket);
  return 0;
}

// Writes the endpoint that a socket of libzmq was last bound or connected to, wildcards resolved, "" before the first.
// Errors: EINVAL (it does not fit), ENOTSOCK, ETERM.
static inline int fdm_zmq_last_endpoint(void *handle, char *endpoint, size_t size) {
  return zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, endpoint, &size);
}

// Where libzmq asks whether a peer may come in. It would take a trailer for a wrong answer, and what goes through is no
// message of the program.
#define FDM_ZMQ_AUTHENTICATION_ "inproc://zeromq.zap.01"

// Finds out, once, whether the socket is at an endpoint of libzmq's own. Then nothing is recorded, added or taken off.
static inline void fdm_zmq_settle_(fdm_zmq_socket *socket) {
  const int code = errno;
  char endpoint[1024];
  endpoint[0] = '\0';
  if (fdm_zmq_last_endpoint(socket->handle, endpoint, sizeof endpoint) != 0 || endpoint[0] != '\0') {
    socket->settled = 1;
  }
  if (strcmp(endpoint, FDM_ZMQ_AUTHENTICATION_) == 0) {
    socket->is_multipart = 0;
    socket->link = NULL;
  }
  errno = code;
}

// Opens the link of a socket. address names it; NULL: the endpoint that the socket was last bound or connected to, so
// call it after the first bind or connect. prefix as for fdm_zmq_link_open. A TCP server that is bound to a wildcard
// has another endpoint than its clients: give both ends one name. Returns a status; on an error nothing is recorded and
// the socket works all the same. A handler of libzmq's authentication (inproc://zeromq.zap.01) has no link, and nothing
// is recorded. Errors: INVALID_ARGUMENT (not bound or connected yet), and as fdm_zmq_link_open.
static inline fdm_status fdm_zmq_socket_record(fdm_zmq_socket *socket, fdm_store *store, const char *prefix,
                                               const char *address) {
  char endpoint[1024];
  socket->link = NULL;
  if (address == NULL) {
    if (fdm_zmq_last_endpoint(socket->handle, endpoint, sizeof endpoint) != 0 || endpoint[0] == '\0') {
      return FDM_ERR_INVALID_ARGUMENT;
    }
    address = endpoint;
  }
  if (fdm_zmq_last_endpoint(socket->handle, endpoint, sizeof endpoint) == 0 &&
      strcmp(endpoint, FDM_ZMQ_AUTHENTICATION_) == 0) {
    fdm_zmq_settle_(socket);
    return FDM_OK;
  }
  return fdm_zmq_link_open(store, prefix, address, &socket->link);
}

// Closes the socket, as zmq_close, and frees the frame that was read ahead. Errors: ENOTSOCK.
static inline int fdm_zmq_close(fdm_zmq_socket *socket) {
  void *handle = socket->handle;
  zmq_msg_close(&socket->next_frame);
  zmq_msg_init(&socket->next_frame);
  free(socket->peers);
  socket->peers = NULL;
  socket->peer_count = socket->peer_places = 0;
  socket->handle = NULL;
  socket->ahead = 0;
  socket->receiving = 0;
  socket->sending = 0;
  if (socket->monitor != NULL) {
    zmq_close(socket->monitor);
    socket->monitor = NULL;
  }
  return zmq_close(handle);
}

// As zmq_getsockopt. Use it for ZMQ_RCVMORE and ZMQ_EVENTS, of which the frame that was read ahead is a part: a message
// of several frames is read one frame ahead, because a trailer is known only when it is there. zmq_poll does not know
// of it, so receive all frames of a message before you poll.
static inline int fdm_zmq_getsockopt(fdm_zmq_socket *socket, int option, void *value, size_t *size) {
  if (zmq_getsockopt(socket->handle, option, value, size) != 0) {
    return -1;
  }
  if (option == ZMQ_RCVMORE && *size >= sizeof(int)) {
    memcpy(value, &socket->receiving, sizeof(int));
  } else if (option == ZMQ_EVENTS && socket->ahead && *size >= sizeof(int)) {
    int events;
    memcpy(&events, value, sizeof events);
    if (socket->type == ZMQ_REQ || socket->type == ZMQ_REP) {
      // These send only once they have received a whole message.
      events &= ~ZMQ_POLLOUT;
    }
    events |= ZMQ_POLLIN;
    memcpy(value, &events, sizeof events);
  }
  return 0;
}

// What libzmq returns for so many bytes.
static inline int fdm_zmq_result_(size_t size) { return size < INT_MAX ? (int)size : INT_MAX; }

// ---------------------------------------------------------------------------------------------------------------------
// Sending. A message is counted when libzmq accepted its last frame. A call that fails counts one failed send, whatever
// the reason, EAGAIN included, and gives up the frames of its message that were sent before; after ENOMEM they are
// still there, and the call may be made again.

// One frame through libzmq: message, or where that is NULL the bytes.
static inline int fdm_zmq_pass_(void *handle, zmq_msg_t *message, const void *bytes, size_t size, int flags) {
  return message != NULL ? zmq_msg_send(message, handle, flags) : zmq_send(handle, bytes, size, flags);
}

// A frame after the first, for which there is room. An interrupted one is tried again: the message would have no end.
static inline int fdm_zmq_pass_later_(void *handle, zmq_msg_t *message, const void *bytes, size_t size, int flags) {
  int result;
  do {
    result = fdm_zmq_pass_(handle, message, bytes, size, flags);
  } while (result < 0 && errno == EINTR);
  return result;
}

// The first frame of a message, the only one that ever waits for room. The clock is read only if it has to.
static inline int fdm_zmq_pass_first_(fdm_zmq_socket *socket, zmq_msg_t *message, const void *bytes, size_t size,
                                      int flags) {
  int result = fdm_zmq_pass_(socket->handle, message, bytes, size, flags | ZMQ_DONTWAIT);
  if (result < 0 && errno == EAGAIN && !(flags & ZMQ_DONTWAIT)) {
    double begin = fdm_zmq_now();
    int code;
    result = fdm_zmq_pass_(socket->handle, message, bytes, size, flags);
    code = errno;
    fdm_zmq_send_blocked(socket->link, fdm_zmq_now() - begin);
    errno = code;
  }
  return result;
}

// The frame that ends a message, and its trailer.
static inline int fdm_zmq_pass_trailed_(fdm_zmq_socket *socket, zmq_msg_t *message, const void *bytes, size_t size,
                                        int flags) {
  const int begins = !socket->sending;
  // Should the peer go away between the two, libzmq has dropped the frame with it. Waiting for another peer would send
  // that one the trailer alone. A REQ's question has begun all the same, and libzmq drops what is left of it.
  const int trailer_flags = socket->type == ZMQ_REQ ? flags : flags | ZMQ_DONTWAIT;
  zmq_msg_t kept;
  int result, code;
  if (message != NULL) {
    // A send that fails leaves the message to the caller, also if it is the trailer that is refused.
    zmq_msg_init(&kept);
    zmq_msg_copy(&kept, message);
  }
  for (;;) {
    result = begins ? fdm_zmq_pass_first_(socket, message, bytes, size, flags | ZMQ_SNDMORE)
                    : fdm_zmq_pass_later_(socket->handle, message, bytes, size, flags | ZMQ_SNDMORE);
    if (result < 0 ||
        fdm_zmq_pass_later_(socket->handle, NULL, socket->stamp, FDM_ZMQ_TRAILER_SIZE, trailer_flags) >= 0) {
      break;
    }
    result = -1;
    code = errno;
    if (message != NULL) {
      zmq_msg_copy(message, &kept);
      errno = code;
    }
    // Who waits for room waits for the next peer; of a message of several frames the others are gone.
    if (code != EAGAIN || !begins || trailer_flags == flags) {
      break;
    }
  }
  if (message != NULL) {
    code = errno;
    zmq_msg_close(&kept);
    errno = code;
  }
  return result;
}

// Whether the message that begins with this frame gets a trailer.
static inline int fdm_zmq_wants_trailer_(const fdm_zmq_socket *socket, const void *bytes, size_t size, int flags) {
  if (socket->carrier != FDM_ZMQ_CARRIER_TRAILER || !socket->is_multipart || socket->conflates) {
    return 0;
  }
  // Subscriptions begin with 1 or 0, and are for the socket at the other end, which takes one frame only.
  if (socket->type == ZMQ_XSUB && size > 0 && *(const unsigned char *)bytes <= 1) {
    return 0;
  }
  return socket->type != ZMQ_ROUTER || (flags & ZMQ_SNDMORE);
}

// Whether a frame that ends a message is for libzmq or the kernel, and no peer receives it as a message: an XSUB's
// subscription or the end of one; a ROUTER's routing id alone, which libzmq drops; a STREAM's empty frame, which closes
// the connection.
static inline int fdm_zmq_is_command_(const fdm_zmq_socket *socket, int begins, const void *bytes, size_t size) {
  switch (socket->type) {
    case ZMQ_XSUB:
      return begins && size > 0 && *(const unsigned char *)bytes <= 1;
    case ZMQ_ROUTER:
      return begins;
    case ZMQ_STREAM:
      return begins || size == 0;
    default:
      return 0;
  }
}

static inline int fdm_zmq_send_frame_(fdm_zmq_socket *socket, zmq_msg_t *message, const void *bytes, size_t size,
                                      int flags) {
  const int begins = !socket->sending;
  const int is_command = !(flags & ZMQ_SNDMORE) && fdm_zmq_is_command_(socket, begins, bytes, size);
  int result;
  if (begins) {
    if (!socket->settled) {
      fdm_zmq_settle_(socket);
    }
    if (socket->ahead && (socket->type == ZMQ_REQ || socket->type == ZMQ_REP)) {
      // libzmq has no more frames to hand out, but the caller has not received all of the message.
      fdm_zmq_send_failed(socket->link);
      errno = EFSM;
      return -1;
    }
    socket->sent_bytes = 0;
    socket->trailed = fdm_zmq_wants_trailer_(socket, bytes, size, flags);
    if (socket->trailed) {
      fdm_zmq_write_trailer(socket->stamp);
    }
  }
  if (socket->trailed && !(flags & ZMQ_SNDMORE)) {
    result = fdm_zmq_pass_trailed_(socket, message, bytes, size, flags);
  } else if (begins) {
    result = fdm_zmq_pass_first_(socket, message, bytes, size, flags);
  } else {
    result = fdm_zmq_pass_later_(socket->handle, message, bytes, size, flags);
  }
  if (result < 0) {
    const int code = errno;
    if (code != ENOMEM) {
      socket->sending = 0;
    }
    fdm_zmq_send_failed(socket->link);
    errno = code;
    return -1;
  }
  socket->sent_bytes += size;
  socket->sending = (flags & ZMQ_SNDMORE) != 0;
  if (!socket->sending && !is_command) {
    fdm_zmq_sent(socket->link, socket->sent_bytes);
  }
  return result;
}

// As zmq_msg_send. After a failure the message is the caller's, as it was.
static inline int fdm_zmq_msg_send(zmq_msg_t *message, fdm_zmq_socket *socket, int flags) {
  return fdm_zmq_send_frame_(socket, message, zmq_msg_data(message), zmq_msg_size(message), flags);
}

// As zmq_send.
static inline int fdm_zmq_send(fdm_zmq_socket *socket, const void *bytes, size_t size, int flags) {
  return fdm_zmq_send_frame_(socket, NULL, bytes, size, flags);
}

// ---------------------------------------------------------------------------------------------------------------------
// Receiving. A message is counted when its last frame is handed out, with the bytes of its frames and without a
// trailer's. A call that fails counts nothing.

// Reads the next frame of a message that has one, to see whether it is the trailer.
static inline void fdm_zmq_look_ahead_(fdm_zmq_socket *socket) {
  int size;
  do {
    size = zmq_msg_recv(&socket->next_frame, socket->handle, ZMQ_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  // All frames of a message are there once the first one is: only a terminated context refuses, to the next call, too.
  if (size < 0) {
    return;
  }
  socket->ahead = 1;
  if (size == FDM_ZMQ_TRAILER_SIZE && !zmq_msg_more(&socket->next_frame)) {
    const void *frame = zmq_msg_data(&socket->next_frame);
    if (fdm_zmq_is_trailer(frame, FDM_ZMQ_TRAILER_SIZE)) {
      socket->trailer = frame;
      socket->ahead = 0;
      socket->receiving = 0;
    }
  }
}

enum { FDM_ZMQ_MOST_PEERS_ = 65536 };

// The place of a hash among so many, a power of two: where it is, or the free one where it belongs.
static inline uint64_t *fdm_zmq_place_(uint64_t *peers, size_t places, uint64_t hash) {
  size_t at = (size_t)hash & (places - 1);
  while (peers[at] != 0 && peers[at] != hash) {
    at = (at + 1) & (places - 1);
  }
  return &peers[at];
}

// Takes up the peer of a ROUTER's message. Whether it is new; not where there is no memory to know. After
// FDM_ZMQ_MOST_PEERS_ it begins anew, so that peers that come and go for ever take no more memory than that.
static inline int fdm_zmq_meet_(fdm_zmq_socket *socket, const unsigned char *id, size_t size) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  uint64_t *place;
  size_t i;
  for (i = 0; i < size; i++) {
    hash = (hash ^ id[i]) * 0x100000001b3u;
  }
  hash += hash == 0;
  if (socket->peer_places > 0) {
    place = fdm_zmq_place_(socket->peers, socket->peer_places, hash);
    if (*place == hash) {
      return 0;
    }
  }
  if (socket->peer_count >= FDM_ZMQ_MOST_PEERS_) {
    memset(socket->peers, 0, socket->peer_places * sizeof *socket->peers);
    socket->peer_count = 0;
  } else if (socket->peer_count * 2 >= socket->peer_places) {
    const size_t places = socket->peer_places > 0 ? socket->peer_places * 2 : 64;
    uint64_t *peers = (uint64_t *)calloc(places, sizeof *peers);
    if (peers == NULL) {
      return 0;
    }
    for (i = 0; i < socket->peer_places; i++) {
      if (socket->peers[i] != 0) {
        *fdm_zmq_place_(peers, places, socket->peers[i]) = socket->peers[i];
      }
    }
    free(socket->peers);
    socket->peers = peers;
    socket->peer_places = places;
  }
  *fdm_zmq_place_(socket->peers, socket->peer_places, hash) = hash;
  socket->peer_count++;
  return 1;
}

// Whether the message that this frame ends was made by libzmq, and by no peer's program: a STREAM receives an empty one
// when a connection is made, and when it ends; an XPUB what a SUB subscribes to. A ROUTER's peer with the option
// ZMQ_PROBE_ROUTER begins with an empty one.
static inline int fdm_zmq_is_made_(fdm_zmq_socket *socket, zmq_msg_t *message, size_t size) {
  switch (socket->type) {
    case ZMQ_ROUTER:
      if (socket->received_frames == 1) {
        socket->is_new_peer = fdm_zmq_meet_(socket, (const unsigned char *)zmq_msg_data(message), size);
      }
      return !socket->receiving && socket->received_frames == 2 && size == 0 && socket->is_new_peer;
    case ZMQ_STREAM:
      return !socket->receiving && socket->received_frames == 2 && size == 0;
    case ZMQ_XPUB:
      return !socket->receiving && socket->received_frames == 1 && size > 0 &&
             *(const unsigned char *)zmq_msg_data(message) <= 1;
    default:
      return 0;
  }
}

// Receives a frame, and looks at the one after it. Leaves it to the caller to count a message that is complete.
static inline int fdm_zmq_take_(zmq_msg_t *message, fdm_zmq_socket *socket, int flags, size_t *size) {
  int result = INT_MAX;
  if (!socket->receiving) {
    socket->received_bytes = 0;
    socket->received_frames = 0;
    if (!socket->settled) {
      fdm_zmq_settle_(socket);
    }
  }
  if (socket->ahead) {
    zmq_msg_move(message, &socket->next_frame);
    socket->ahead = 0;
  } else {
    result = zmq_msg_recv(message, socket->handle, flags);
    if (result < 0) {
      return -1;
    }
  }
  *size = result < INT_MAX ? (size_t)result : zmq_msg_size(message);
  socket->received_bytes += *size;
  socket->received_frames++;
  socket->receiving = zmq_msg_more(message);
  socket->made = fdm_zmq_is_made_(socket, message, *size);
  // A ROUTER's first frame is the routing id: a trailer after it alone is what the peer sent, like a trailer alone. So
  // nothing is read ahead there.
  if (socket->receiving && socket->is_multipart && (socket->type != ZMQ_ROUTER || socket->received_frames > 1)) {
    fdm_zmq_look_ahead_(socket);
  }
  return 0;
}

// Counts the message that is complete. seconds is the stamp of its envelope; NULL: it has none.
static inline void fdm_zmq_count_(fdm_zmq_socket *socket, const double *seconds) {
  if (socket->made) {
    return;
  }
  if (socket->trailer != NULL) {
    fdm_zmq_received_trailer(socket->link, socket->received_bytes, socket->trailer);
    socket->trailer = NULL;
  } else if (seconds != NULL) {
    fdm_zmq_received_stamped(socket->link, socket->received_bytes, *seconds);
  } else {
    fdm_zmq_received(socket->link, socket->received_bytes);
  }
}

static inline void fdm_zmq_free_moved_(void *bytes, void *moved) {
  (void)bytes;
  zmq_msg_close((zmq_msg_t *)moved);
  free(moved);
}

// Makes zmq_msg_more say that this is the last frame. libzmq has no call for that, so the bytes become those of a new
// message: small ones are copied, large ones stay where they are. Without memory for it the message stays as it is, and
// only ZMQ_RCVMORE is right.
static inline void fdm_zmq_end_message_(zmq_msg_t *message, size_t size) {
  zmq_msg_t last;
  if (size <= 2048) {
    if (zmq_msg_init_size(&last, size) != 0) {
      return;
    }
    memcpy(zmq_msg_data(&last), zmq_msg_data(message), size);
  } else {
    zmq_msg_t *moved = (zmq_msg_t *)malloc(sizeof *moved);
    if (moved == NULL) {
      return;
    }
    zmq_msg_init(moved);
    zmq_msg_move(moved, message);
    if (zmq_msg_init_data(&last, zmq_msg_data(moved), size, fdm_zmq_free_moved_, moved) != 0) {
      zmq_msg_move(message, moved);
      free(moved);
      return;
    }
  }
  zmq_msg_move(message, &last);
}

// As zmq_msg_recv: one frame, and zmq_msg_more says whether another one follows, a trailer not being one. A frame that
// a trailer followed has no properties (zmq_msg_gets).
static inline int fdm_zmq_msg_recv(zmq_msg_t *message, fdm_zmq_socket *socket, int flags) {
  size_t size;
  if (fdm_zmq_take_(message, socket, flags, &size) < 0) {
    return -1;
  }
  if (!socket->receiving) {
    if (socket->trailer != NULL) {
      fdm_zmq_end_message_(message, size);
    }
    fdm_zmq_count_(socket, NULL);
  }
  return fdm_zmq_result_(size);
}

// As zmq_recv: a frame that is longer than size is cut off, the result is its whole length. fdm_zmq_getsockopt with
// ZMQ_RCVMORE says whether another frame follows.
static inline int fdm_zmq_recv(fdm_zmq_socket *socket, void *bytes, size_t size, int flags) {
  zmq_msg_t message;
  size_t length;
  zmq_msg_init(&message);
  if (fdm_zmq_take_(&message, socket, flags, &length) < 0) {
    const int code = errno;
    zmq_msg_close(&message);
    errno = code;
    return -1;
  }
  if (length > 0 && size > 0) {
    memcpy(bytes, zmq_msg_data(&message), length < size ? length : size);
  }
  if (!socket->receiving) {
    fdm_zmq_count_(socket, NULL);
  }
  zmq_msg_close(&message);
  return fdm_zmq_result_(length);
}

#ifdef __cplusplus
}
#endif
#endif
