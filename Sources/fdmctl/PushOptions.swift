// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsExposition
import FDMetricsPush
import Glibc

/// Where metrics go, and what the receiver has to know.
struct PushReceiverOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Push by Prometheus remote write 1.0 to this address.", valueName: "url"))
    var remoteWrite: String?

    @Option(
        help: ArgumentHelp(
            "Push by OTLP/HTTP to this address; /v1/metrics is added if it is missing.", valueName: "url"))
    var otlp: String?

    @Option(help: ArgumentHelp("Push to this Pushgateway, into the group of --job and --label.", valueName: "url"))
    var pushgateway: String?

    @Flag(help: "Pushgateway: replace only metrics of the same names (POST), not the whole group (PUT).")
    var add = false

    @Flag(help: "Pushgateway: delete the group, push nothing, and end.")
    var delete = false

    @Flag(help: "Pushgateway: delete the group when pushing ends.")
    var deleteAtEnd = false

    @Option(
        help: ArgumentHelp("A file with a bearer token; read for each request.", valueName: "file"), completion: .file()
    )
    var bearerTokenFile: String?

    @Option(help: ArgumentHelp("The user's name for basic authentication.", valueName: "name"))
    var user: String?

    @Option(
        help: ArgumentHelp("A file with the password of --user; read for each request.", valueName: "file"),
        completion: .file())
    var passwordFile: String?

    @Option(
        help: ArgumentHelp(
            "A file with the certificates (PEM) of the authorities to trust, in place of the system's.",
            valueName: "file"),
        completion: .file())
    var caFile: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A header for each request, such as 'X-Scope-OrgID: 7'; may be repeated.", valueName: "header"))
    var header: [String] = []

    @Option(help: ArgumentHelp("Seconds that a request may take.", valueName: "seconds"))
    var timeout = 30.0

    var `protocol`: PushProtocol {
        if otlp != nil { return .otlp }
        return pushgateway != nil ? .pushgateway : .remoteWrite
    }

    func validate() throws {
        let given = [remoteWrite, otlp, pushgateway].compactMap { $0 }
        if given.count != 1 {
            throw ValidationError(
                "\(given.isEmpty ? "no receiver is" : "several receivers are") given: name one with --remote-write, --otlp or --pushgateway"
            )
        }
        if pushgateway == nil, add || delete || deleteAtEnd {
            throw ValidationError("--add, --delete and --delete-at-end are for --pushgateway")
        }
        if (user == nil) != (passwordFile == nil) {
            throw ValidationError("--user and --password-file belong together")
        }
        if user != nil && bearerTokenFile != nil {
            throw ValidationError("give either --user or --bearer-token-file")
        }
        try checkSeconds(timeout, "--timeout", 0.1...3600)
        for header in header { _ = try parsed(header) }
    }

    /// The whole address.
    func address(_ content: PushContentOptions) throws -> String {
        do throws(PushAddressError) {
            if let remoteWrite { return try PushAddress.remoteWrite(remoteWrite) }
            if let otlp { return try PushAddress.otlp(otlp) }
            return try PushAddress.pushgateway(
                pushgateway ?? "", job: content.job ?? "", labels: content.labels)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Where and how requests are made.
    func endpoint(_ content: PushContentOptions, _ encoder: PushEncoder) throws -> PushEndpoint {
        var endpoint = PushEndpoint(
            url: try address(content), method: encoder.method, headers: encoder.headers)
        for header in header {
            let (name, value) = try parsed(header)
            endpoint.setHeader(name, value)
        }
        if let bearerTokenFile { endpoint.credentials = .bearerToken(file: bearerTokenFile) }
        if let user, let passwordFile { endpoint.credentials = .basic(user: user, passwordFile: passwordFile) }
        endpoint.authorities = caFile
        endpoint.timeout = .seconds(timeout)
        endpoint.connectTimeout = .seconds(min(timeout, 10))
        return endpoint
    }

    private func parsed(_ header: String) throws -> (name: String, value: String) {
        let parts = header.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0]), value = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
        let isToken = !name.isEmpty && name.utf8.allSatisfy { $0 > 32 && $0 < 127 }
        guard parts.count == 2, isToken, value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            throw ValidationError("--header '\(header)' is not like 'Name: value'")
        }
        return (name, value)
    }
}

/// Which metrics are sent, and as whose.
struct PushContentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The label job; OTLP: the attribute service.name; Pushgateway: the group's job.", valueName: "name"))
    var job: String?

    @Option(
        help: ArgumentHelp(
            "The label instance; OTLP: the attribute service.instance.id (default: this host's name).",
            valueName: "name"))
    var instance: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A label for all series; Pushgateway: one of the group; may be repeated.", valueName: "name=value"))
    var label: [PushAssignment] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("OTLP: an attribute of the resource; may be repeated.", valueName: "name=value"))
    var resource: [PushAssignment] = []

    @Option(help: "Metrics of the processes: none, total, or worker, one sample for each process.")
    var processMetrics = PushProcessMetrics.total

    @Flag(inversion: .prefixedNo, help: "Whether to send what the store says of itself: fdmetrics_series and so on.")
    var selfMetrics = true

    func validate(for protocol: PushProtocol) throws {
        if `protocol` == .pushgateway && (job ?? "").isEmpty {
            throw ValidationError("a Pushgateway groups by job: give --job")
        }
        if `protocol` != .otlp && !resource.isEmpty {
            throw ValidationError("--resource is for --otlp; --label adds a label to all series")
        }
        if `protocol` == .otlp && !label.isEmpty {
            throw ValidationError("--label is not for --otlp: --resource adds an attribute to the resource")
        }
        for label in label where !label.isLabelName {
            throw ValidationError(
                "--label \(label.name)=...: a label's name has letters, digits and underscores, and begins with no digit and "
                    + "not with two underscores")
        }
        for (option, given) in [("--label", label), ("--resource", resource)] {
            var names: Set<String> = []
            for one in given where !names.insert(one.name).inserted {
                throw ValidationError("\(option) \(one.name)=... is given twice")
            }
        }
        if `protocol` == .pushgateway, label.contains(where: { $0.name == "job" }) {
            throw ValidationError("--label job=...: give --job")
        }
    }

    var renderOptions: RenderOptions {
        var options: RenderOptions = selfMetrics ? [.selfMetrics] : []
        switch processMetrics {
        case .none: break
        case .total: options.insert(.processMetrics)
        case .worker: options.insert(.processMetricsByWorker)
        }
        return options
    }

    /// Of the Pushgateway's group.
    var labels: [PushLabel] {
        let labels = label.map { PushLabel($0.name, $0.value) }
        return instance.map { [PushLabel("instance", $0)] + labels.filter { $0.name != "instance" } } ?? labels
    }

    /// Of all series of remote write.
    var seriesLabels: [PushLabel] {
        combined([("instance", instance ?? hostName), ("job", job)], label)
    }

    /// By OpenTelemetry's names (https://opentelemetry.io/docs/specs/semconv/resource/).
    var resourceAttributes: [PushLabel] {
        combined(
            [
                ("host.name", hostName), ("service.instance.id", instance ?? hostName),
                ("service.name", job ?? "unknown_service"),
            ], resource)
    }

    private func combined(_ defaults: [(String, String?)], _ given: [PushAssignment]) -> [PushLabel] {
        var values: [String: String] = [:]
        for (name, value) in defaults { values[name] = value }
        for assignment in given { values[assignment.name] = assignment.value }
        return values.sorted { $0.key < $1.key }.map { PushLabel($0.key, $0.value) }
    }

    private var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return name.withUnsafeBytes { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// When metrics are read, and how long requests are kept.
struct PushDeliveryOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("Seconds from one reading to the next.", valueName: "seconds"))
    var interval = 15.0

    @Flag(help: "Read and push once, and end.")
    var once = false

    @Option(help: ArgumentHelp("Seconds that what waits is tried at the end, and with --once.", valueName: "seconds"))
    var flushTimeout = 10.0

    @Option(
        help: ArgumentHelp("The most memory for requests that wait: bytes, or such as 512K, 32M.", valueName: "size"))
    var queueLimit = PushByteCount(bytes: 32 << 20)

    @Option(help: ArgumentHelp("The most samples of one request.", valueName: "count"))
    var batchSamples = 2000

    @Option(help: ArgumentHelp("The longest wait before a request is tried again.", valueName: "seconds"))
    var maxBackoff = 30.0

    @Option(
        help: ArgumentHelp(
            "When the connection is lost: send again what was acknowledged in so many seconds before.",
            valueName: "seconds"))
    var replay = 0.0

    @Flag(inversion: .prefixedNo, help: "Whether to tell the receiver at the end that all series have ended.")
    var endMarkers = true

    func validate(for protocol: PushProtocol) throws {
        try checkSeconds(interval, "--interval", 0.1...86_400)
        try checkSeconds(flushTimeout, "--flush-timeout", 0...86_400)
        try checkSeconds(maxBackoff, "--max-backoff", 0.1...86_400)
        try checkSeconds(replay, "--replay", 0...3600)
        if replay > 0 && `protocol` == .pushgateway {
            throw ValidationError("--replay is not for --pushgateway, which is sent everything each time")
        }
        if batchSamples < 1 || batchSamples > 1_000_000 {
            throw ValidationError("--batch-samples is \(batchSamples); expected 1 to 1000000")
        }
    }

    func configuration(for receiver: String) -> PushConfiguration {
        var configuration = PushConfiguration(receiver: receiver)
        configuration.interval = .seconds(interval)
        configuration.isOnce = once
        configuration.flushTimeout = .seconds(flushTimeout)
        configuration.queueLimit = queueLimit.bytes
        configuration.backoff.maximum = .seconds(maxBackoff)
        configuration.replay = .seconds(replay)
        configuration.marksEnd = endMarkers
        return configuration
    }
}

private func checkSeconds(_ value: Double, _ option: String, _ range: ClosedRange<Double>) throws {
    // Also keeps NaN out.
    if !range.contains(value) {
        throw ValidationError("\(option) is \(value); expected \(range.lowerBound) to \(range.upperBound) seconds")
    }
}
#endif
