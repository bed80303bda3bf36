// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Headers Accept as they are really sent, and what each of them gets.
struct AcceptHeader: CustomStringConvertible, Sendable {
    /// Who sends it, and where that stands.
    let sender: String
    let header: String?
    let contentType: String

    init(_ sender: String, _ header: String?, _ contentType: String) {
        self.sender = sender
        self.header = header
        self.contentType = contentType
    }

    var description: String { sender }

    private static let text = "text/plain; version=0.0.4; charset=utf-8"
    private static let openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    private static let protobuf =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    private static let askedProtobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

    static let all = prometheus + otherScrapers + programs + odd

    /// scrape/scrape.go and config/config.go of https://github.com/prometheus/prometheus, by version.
    static let prometheus = [
        AcceptHeader(
            "Prometheus 1.8", "\(askedProtobuf);q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Prometheus 1.0, with the JSON of the time",
            "\(askedProtobuf);q=0.7,text/plain;version=0.0.4;q=0.3,application/json;schema=\"prometheus/telemetry\";version=0.0.2;q=0.2,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        AcceptHeader("Prometheus 2.0 to 2.4", "text/plain;version=0.0.4;q=1,*/*;q=0.1", text),
        AcceptHeader(
            "Prometheus 2.5 to 2.33, with a space",
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=0.0.1; charset=utf-8"),
        AcceptHeader(
            "Prometheus 2.34 to 2.48",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "\(openMetrics); escaping=underscores"),
        AcceptHeader(
            "Prometheus 2.40 to 2.48 with native histograms",
            "\(askedProtobuf),application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Prometheus 2.49 to 2.55",
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=underscores"),
        AcceptHeader(
            "Prometheus 2.49 to 2.55 with native histograms",
            "\(askedProtobuf);q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,application/openmetrics-text;version=0.0.1;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Prometheus 2.49 and newer, scrape_protocols: [PrometheusText0.0.4]",
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.4", text),
        AcceptHeader(
            "Prometheus 3.3, from a request that was recorded",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=allow-utf-8"),
        AcceptHeader(
            "Prometheus 3 with protobuf, from Envoy's tests",
            "\(askedProtobuf);q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Prometheus 3.4 and newer",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=allow-utf-8"),
        AcceptHeader(
            "Prometheus 3.4 and newer, metric_name_escaping_scheme: underscores",
            "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=underscores"),
        AcceptHeader(
            "Prometheus 3.4 and newer, metric_name_escaping_scheme: dots",
            "application/openmetrics-text;version=1.0.0;escaping=dots;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=dots;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=dots"),
        AcceptHeader(
            "Prometheus 3.4 and newer, metric_name_escaping_scheme: values",
            "application/openmetrics-text;version=1.0.0;escaping=values;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=values;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "\(openMetrics); escaping=values"),
        AcceptHeader(
            "Prometheus 3.4 and newer with scrape_native_histograms",
            "\(askedProtobuf);q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Prometheus 3, scrape_protocols: [PrometheusText1.0.0, PrometheusText0.0.4, OpenMetricsText1.0.0]",
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3",
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        AcceptHeader(
            "Prometheus 3, scrape_protocols: [OpenMetricsText0.0.1]",
            "application/openmetrics-text;version=0.0.1;q=0.6,*/*;q=0.5",
            "application/openmetrics-text; version=0.0.1; charset=utf-8"),
        AcceptHeader(
            "the example of Prometheus's specification, which spells allow-utf-8 otherwise",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
            "\(openMetrics); escaping=underscores"),
    ]

    static let otherScrapers = [
        // lib/promscrape/client.go of https://github.com/VictoriaMetrics/VictoriaMetrics.
        AcceptHeader("vmagent and VictoriaMetrics", "text/plain;version=0.0.4;q=1,*/*;q=0.1", text),
        // plugins/inputs/prometheus/prometheus.go of https://github.com/influxdata/telegraf, and the same in prom2json.
        AcceptHeader(
            "Telegraf until 1.9 and prom2json", "\(askedProtobuf);q=0.7,text/plain;version=0.0.4;q=0.3",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "Telegraf", "\(askedProtobuf);q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "\(protobuf); escaping=underscores"),
        // Both scrape with Prometheus's own package.
        AcceptHeader(
            "Grafana Agent 0.3x, OpenTelemetry Collector of 2022 and 2023",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "\(openMetrics); escaping=underscores"),
        AcceptHeader(
            "Grafana Alloy, OpenTelemetry Collector with Prometheus 3's package",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "\(openMetrics); escaping=allow-utf-8"),
        // datadog_checks_base/.../openmetrics/v2/scraper/base_scraper.py of https://github.com/DataDog/integrations-core.
        AcceptHeader("Datadog Agent", "text/plain", text),
        AcceptHeader(
            "Datadog Agent with use_latest_spec",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1",
            "\(openMetrics); escaping=underscores"),
        // pkg/prometheus of https://github.com/netdata/netdata.
        AcceptHeader("Netdata", "text/plain;version=0.0.4;q=1,*/*;q=0.1", text),
        // What client_java and Micrometer document for their endpoints.
        AcceptHeader("Spring Boot's tests", "application/openmetrics-text", openMetrics),
    ]

    /// As these programs send it when nobody sets it.
    static let programs = [
        AcceptHeader("curl, python-requests, HTTPie", "*/*", text),
        AcceptHeader("Go's and Swift's HTTP clients: none", nil, text),
        AcceptHeader("Java's HttpURLConnection", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", text),
        AcceptHeader("axios", "application/json, text/plain, */*", text),
        AcceptHeader(
            "Chrome",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            text),
        AcceptHeader("Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", text),
        AcceptHeader(
            "Firefox since 132 for a page, and Safari",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", text),
        AcceptHeader("Internet Explorer", "text/html, application/xhtml+xml, image/jxr, */*", text),
        AcceptHeader("Lynx", "text/html, text/plain, text/sgml, text/css, */*;q=0.01", text),
    ]

    /// Such as nobody should send, and somebody does.
    static let odd = [
        AcceptHeader("nothing", "", text),
        AcceptHeader("commas and semicolons alone", ", ;,;;,,=", text),
        AcceptHeader("types that are not offered", "application/json", text),
        AcceptHeader("a version that is not offered", "application/openmetrics-text;version=2.0.0", text),
        AcceptHeader(
            "a version that is not offered, then one that is",
            "application/openmetrics-text;version=2.0.0,text/plain;version=1.0.0;q=0.1",
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        AcceptHeader("protobuf of no kind", "application/vnd.google.protobuf", text),
        AcceptHeader(
            "protobuf as text", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            text),
        AcceptHeader(
            "protobuf in quotes and capitals",
            "APPLICATION/VND.Google.Protobuf; Proto=\"io.prometheus.client.MetricFamily\" ; ENCODING = delimited",
            "\(protobuf); escaping=underscores"),
        AcceptHeader(
            "protobuf with UTF-8 names", "\(askedProtobuf);escaping=allow-utf-8",
            "\(protobuf); escaping=allow-utf-8"),
        AcceptHeader("all forbidden", "*/*;q=0", text),
        AcceptHeader("all but OpenMetrics forbidden", "application/openmetrics-text, */*;q=0", openMetrics),
        AcceptHeader("text forbidden", "text/*;q=0, */*", openMetrics),
        AcceptHeader(
            "OpenMetrics forbidden", "application/openmetrics-text;q=0.000, application/*;q=0.5, text/plain;q=0",
            "\(protobuf); escaping=underscores"),
        AcceptHeader("a kind of types", "application/*", openMetrics),
        AcceptHeader("the least first", "text/plain;q=0.1, application/openmetrics-text;q=0.2", openMetrics),
        AcceptHeader(
            "alike, the first counts", "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0", text),
        AcceptHeader("a q that is no number", "application/openmetrics-text;q=high, text/plain;q=0.1", text),
        AcceptHeader("only a q that is no number", "application/openmetrics-text;q=", openMetrics),
        AcceptHeader("a q above 1 and one below 0", "text/plain;q=-1, application/openmetrics-text;q=17", openMetrics),
        AcceptHeader("a q of many digits", "text/plain;q=0.00000001, image/png", text),
        AcceptHeader(
            "a comma in quotes", "text/html;a=\"b,application/openmetrics-text\", text/plain;version=0.0.4", text),
        AcceptHeader("a quotation mark without an end", "text/html;a=\"b, application/openmetrics-text", text),
        AcceptHeader(
            "an escaping that nobody knows", "text/plain;version=1.0.0;escaping=backwards",
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        AcceptHeader(
            "a parameter twice", "application/openmetrics-text;version=0.0.1;version=1.0.0",
            "application/openmetrics-text; version=0.0.1; charset=utf-8"),
    ]
}
