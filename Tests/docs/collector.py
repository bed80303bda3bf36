# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Stands for an OpenTelemetry collector: takes OTLP at port 4318, and writes what came to the file `received`."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


class Handler(BaseHTTPRequestHandler):
    """Takes each request, and notes its path, the attributes of the resource and the names of the metrics."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportMetricsServiceRequest()
        request.ParseFromString(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        with open("received", "a") as file:
            for resource in request.resource_metrics:
                attributes = [f"{each.key}={each.value.string_value}" for each in resource.resource.attributes]
                names = [metric.name for scope in resource.scope_metrics for metric in scope.metrics]
                print(self.path, *attributes, *names, file=file)
        self.send_response(200)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 4318), Handler).serve_forever()
