# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The responses that an engine sends: to the client that asked for a request's, by step, or by batch."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any, Callable, DefaultDict, Dict, List, Optional, Sequence

import zmq

from . import envs, zmq_packing
from .zmq_channel import Channel
from .zmq_packing import pickled
from .zmq_service import ServiceClosedError, ZmqServiceBase

#: Seconds between two looks for a client that asks for its responses.
POLL_SECONDS = 0.001

#: Where the responses of steps are kept until a client asks for them.
STEPS = "data"

Pack = Callable[[Sequence[Any]], Any]


class Responding(ZmqServiceBase):
    """What a server does beside sending and receiving: it answers requests; see send_response.

    By query (the default) and by step it is a ROUTER: a client asks by sending [b"", request id], which
    recv_result_handle takes, and gets [b"", responses]. By batch it is a PUSH, and sends to whoever pulls. Whatever is
    sent is one message that is counted; what cannot be sent is one failed message, logged and not raised.
    send_response and recv_result_handle may be called from different threads.
    """

    #: Whether the responses of one send are added up to one, by their add(). FD_USE_AGGREGATE_SEND.
    aggregate_send = False
    #: The client that asked for the responses by step.
    response_handle_per_step: Optional[bytes] = None
    #: How many steps were sent.
    batch_id_per_step = 0
    _pack: Pack = staticmethod(pickled)
    _packs_itself = True

    def __init__(self, *, pack: Optional[Pack] = None, **keywords: Any) -> None:
        """pack makes one frame of a list of responses to a query; without it they are pickled, which has to be asked
        for on tcp. The other keywords are those of ZmqServiceBase.
        """
        super().__init__(**keywords)
        if pack is not None:
            self._pack = pack
            self._packs_itself = False
        self.aggregate_send = envs.FD_USE_AGGREGATE_SEND
        #: The identity of the client that asked for a request's responses, or sent a command.
        self.req_dict: Dict[Any, bytes] = {}
        #: The responses that nobody has asked for yet.
        self.cached_results: DefaultDict[str, List[Any]] = collections.defaultdict(list)
        #: Guards these two.
        self.mutex = threading.Lock()
        #: Guards the socket that responses are sent through.
        self.response_token_lock = threading.Lock()

    def send_response(self, req_id: Optional[str], data: Sequence[Any], worker_pid: Optional[int] = None) -> None:
        """Sends responses, in the way that is chosen for the whole service:

        FD_ENABLE_INTERNAL_ADAPTER=1  by step: data is a list of lists of responses, req_id the number of the step
        ZMQ_SEND_BATCH_DATA=1         by batch: data is a list of lists of responses, for the worker of worker_pid. So,
                                      too, where req_id is None
        else                          by query: data is a list of responses to the request req_id. They go to the client
                                      that asked for them, or are kept until one asks. After a response that is
                                      `finished` the request is forgotten

        Errors: RuntimeError without a socket; PickleRefusedError; ImportError where msgpack is needed and missing.
        """
        if envs.FD_ENABLE_INTERNAL_ADAPTER:
            self._send_response_per_step(req_id, data)
        elif req_id is None or envs.ZMQ_SEND_BATCH_DATA:
            self._send_batch_response(data, worker_pid=worker_pid)
        else:
            self._send_response_per_query(req_id, data)

    def _send_response_per_query(self, req_id: str, data: Sequence[Any]) -> None:
        channel = self._response_channel()
        if self._packs_itself:
            self._allow_pickle()
        responses: List[Any] = []
        with self.mutex:
            client = self.req_dict.get(req_id)
            if client is None:
                self.cached_results[req_id].append(data)
            else:
                for kept in self.cached_results.pop(req_id, ()):
                    responses.extend(kept)
        if client is None:
            return
        responses.extend(data)
        self._send_result(channel, client, lambda: self._packed(responses))
        if responses and responses[-1].finished:
            with self.mutex:
                self.req_dict.pop(req_id, None)

    def _send_response_per_step(self, _batch_id: object, data: Sequence[Any]) -> None:
        channel = self._response_channel()
        zmq_packing.msgpack()
        with self.mutex:
            client = self.response_handle_per_step
            kept = self.cached_results.setdefault(STEPS, [])
            if client is None:
                kept.extend(data)
            else:
                self.cached_results[STEPS] = []
        if client is None:
            return
        if self._send_result(channel, client, lambda: zmq_packing.packed([*kept, *data])):
            self.batch_id_per_step += 1

    def _send_batch_response(self, batch_data: Sequence[Any], worker_pid: Optional[int] = None) -> None:
        whole = envs.ENABLE_V1_DATA_PROCESSOR
        if whole:
            self._allow_pickle()
        else:
            zmq_packing.msgpack()
        try:
            channel = self._channel() if worker_pid is None else self._worker_channel(worker_pid)
        except (ServiceClosedError, zmq.ZMQError) as error:
            self._module.llm_logger.error("Send result to zmq client failed: %s", error)
            return
        pack = zmq_packing.pickled_whole if whole else zmq_packing.packed
        self._send_result(channel, None, lambda: pack(batch_data))

    def _worker_channel(self, worker_pid: int) -> Channel:
        raise RuntimeError(f"{self!r} sends through one socket: worker_pid={worker_pid} is for a ZmqIpcServer")

    def pack_aggregated_data(self, data: Sequence[Any]) -> Any:
        """One frame of responses that are added up to the first of them, by its add()."""
        result = data[0]
        for response in data[1:]:
            result.add(response)
        return self._packed_list([result])

    def _packed(self, responses: Sequence[Any]) -> Any:
        return self.pack_aggregated_data(responses) if self.aggregate_send else self._packed_list(responses)

    def _packed_list(self, responses: Sequence[Any]) -> Any:
        if self._packs_itself and envs.ENABLE_V1_DATA_PROCESSOR:
            return zmq_packing.pickled_whole(responses)
        return self._pack(responses)

    def _response_channel(self) -> Channel:
        try:
            return self._channel()
        except ServiceClosedError as error:
            raise RuntimeError("Router socket not created. Call create_router() first.") from error

    def _send_result(self, channel: Channel, client: Optional[bytes], pack: Callable[[], Any]) -> bool:
        """Sends what pack gives to a client, or to whoever pulls; whether that went well."""
        try:
            try:
                result = pack()
            except Exception:
                channel.send_failed()
                raise
            with self.response_token_lock:
                if client is None:
                    channel.send(result)
                else:
                    channel.send_multipart([client, b"", result])
        except Exception as error:
            self._module.llm_logger.error("Send result to zmq client failed: %s", error)
            return False
        return True

    def recv_result_handle(self) -> None:
        """Takes clients that ask for responses, until the service is closed. Meant for a thread of its own."""
        while self.running:
            try:
                if not self.receive_result_handle_once():
                    time.sleep(POLL_SECONDS)
            except (zmq.ZMQError, RuntimeError) as error:
                # Ordinary when the service is closed meanwhile.
                if self.running:
                    self._module.llm_logger.error("recv_result_handle get zmq error: %s", error)
                return
            except Exception as error:
                self._module.llm_logger.error("recv_result_handle get unknown exception: %s", error)
                time.sleep(POLL_SECONDS)

    def receive_result_handle_once(self) -> bool:
        """Takes one client that asks for responses and sends it what is kept for it; False where none is there.

        A message of another shape is counted, logged and dropped. Errors: the socket's, and those of send_response.
        """
        channel = self._response_channel()
        try:
            with self.response_token_lock:
                frames = channel.recv_multipart(self._module.zmq.NOBLOCK)
        except self._module.zmq.Again:
            return False
        try:
            client, _, request = frames
            req_id = request.decode("utf-8")
        except ValueError as error:
            channel.receive_failed()
            self._module.llm_logger.error("fdmetrics: %r was asked for responses by no request id: %s", self, error)
            return True
        by_step = envs.FD_ENABLE_INTERNAL_ADAPTER
        with self.mutex:
            if by_step:
                self.response_handle_per_step = client
            else:
                self.req_dict[req_id] = client
            kept = None if by_step else self.cached_results.get(req_id)
            finished = bool(kept and kept[-1] and kept[-1][-1].finished)
        if finished:
            # Nothing more comes for this request that would send what is kept.
            self.send_response(req_id, [])
        return True
