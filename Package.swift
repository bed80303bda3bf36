// swift-tools-version: 6.2
// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import PackageDescription

// Layers, lowest first; a target depends on targets above it in this list only:
//   CFDMetrics, CFDMetricsLinux, C...      C: the ABI's header, what Swift cannot import of Linux, system libraries
//   Trait...                               nothing, or the error that says which trait a product needs
//   FDMetricsStore                         the shared memory: bytes, records, cells, processes
//   FDMetrics                              the instruments: what a counter, a gauge, a histogram means
//   FDMetricsExposition                    store -> families -> text, OpenMetrics, protobuf; what a scraper asked for
//   FDMetricsInspection                    store -> what tools and the page show of it, as values and JSON
//   FDMetricsZMQRecording                  what is recorded of a ZeroMQ link; needs no libzmq
//   FDMetricsZMQ                           a socket over libzmq that records itself
//   FDMetricsC                             libfdmetrics.so
//   FDMetricsHTTP                          the server of /metrics and of the page, over SwiftNIO
//   FDMetricsSwiftMetrics                  the backend of swift-metrics
//   FDMetricsProtobuf, FDMetricsPush       messages of other systems; sending a store to them
//   fdmctl                                 the command line tool
let package = Package(
    name: "fdmetrics",
    products: [
        .library(name: "FDMetrics", targets: ["FDMetrics", "FDMetricsExposition"]),
        .library(name: "FDMetricsZMQ", targets: ["FDMetricsZMQ"]),
        .library(name: "FDMetricsHTTP", targets: ["FDMetricsHTTP"]),
        .library(name: "FDMetricsSwiftMetrics", targets: ["FDMetricsSwiftMetrics"]),
        .library(name: "fdmetrics", type: .dynamic, targets: ["FDMetricsC"]),
        .executable(name: "fdmctl", targets: ["fdmctl"]),
    ],
    traits: [
        .default(enabledTraits: ["ZeroMQ"]),
        .trait(name: "ZeroMQ", description: "Sockets over libzmq that record themselves; needs libzmq3-dev."),
        .trait(
            name: "HTTPServer",
            description: "The server of /metrics; needs packages for HTTP, services and logging, and zlib1g-dev."),
        .trait(name: "TLS", description: "TLS of that server; needs swift-nio-ssl."),
        .trait(name: "SwiftMetrics", description: "The backend of swift-metrics; needs swift-metrics."),
        .trait(
            name: "CommandLineTool",
            description: "The fdmctl tool; needs packages for arguments, HTTP and protobuf, and libsnappy-dev.",
            enabledTraits: ["HTTPServer", "TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.36.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.33.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.9.0"),
    ],
    targets: [
        // With its source in the folder of the headers: both must be below one path. Below a path the package manager looks
        // at every file, and below the checkout are all that was built, and the sources of whole Pythons.
        .target(name: "CFDMetrics", path: "Include", publicHeadersPath: "."),
        .target(name: "CFDMetricsLinux"),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CSnappy"),
        .systemLibrary(name: "CZeroMQ"),
        .systemLibrary(name: "CZlib"),
        .target(name: "TraitCommandLineTool", path: "Sources/Traits/CommandLineTool"),
        .target(name: "TraitHTTPServer", path: "Sources/Traits/HTTPServer"),
        .target(name: "TraitSwiftMetrics", path: "Sources/Traits/SwiftMetrics"),
        .target(name: "TraitZeroMQ", path: "Sources/Traits/ZeroMQ"),
        .target(name: "FDMetricsStore", dependencies: ["CFDMetricsLinux"]),
        .target(name: "FDMetrics", dependencies: ["FDMetricsStore", "CFDMetricsLinux"]),
        .target(name: "FDMetricsExposition", dependencies: ["FDMetrics", "FDMetricsStore"]),
        .target(name: "FDMetricsZMQRecording", dependencies: ["FDMetrics", "CFDMetricsLinux"]),
        .target(
            name: "FDMetricsZMQ",
            dependencies: [
                "FDMetricsZMQRecording", "FDMetrics", "TraitZeroMQ",
                .target(name: "CZeroMQ", condition: .when(traits: ["ZeroMQ"])),
            ]
        ),
        .target(
            name: "FDMetricsC",
            dependencies: [
                "CFDMetrics", "CFDMetricsLinux", "FDMetricsStore", "FDMetrics", "FDMetricsExposition",
                "FDMetricsZMQRecording",
            ],
            exclude: ["libfdmetrics.map"],
            linkerSettings: [
                // Only fdm_* leaves the library, under a version node; every Swift symbol stays local.
                .unsafeFlags([
                    "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/FDMetricsC/libfdmetrics.map",
                ])
            ]
        ),
        .target(
            name: "FDMetricsInspection", dependencies: ["FDMetricsExposition", "FDMetrics", "FDMetricsStore"]),
        .target(
            name: "FDMetricsHTTP",
            dependencies: [
                "FDMetricsInspection", "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "CFDMetricsLinux",
                "TraitHTTPServer",
                .target(name: "CZlib", condition: .when(traits: ["HTTPServer"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
            ],
            resources: [.embedInCode("Page/Assets")]
        ),
        .target(
            name: "FDMetricsSwiftMetrics",
            dependencies: [
                "FDMetrics", "FDMetricsStore", "TraitSwiftMetrics",
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["SwiftMetrics"])),
            ]
        ),
        .target(
            name: "FDMetricsProtobuf",
            dependencies: [
                .product(
                    name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["CommandLineTool"]))
            ],
            exclude: ["Protos"]
        ),
        .target(
            name: "FDMetricsPush",
            dependencies: [
                "FDMetricsExposition", "FDMetrics", "FDMetricsStore",
                .target(name: "FDMetricsProtobuf", condition: .when(traits: ["CommandLineTool"])),
                .target(name: "CSnappy", condition: .when(traits: ["CommandLineTool"])),
                .target(name: "CZlib", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "AsyncHTTPClient", package: "async-http-client",
                    condition: .when(traits: ["CommandLineTool"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["CommandLineTool"])),
            ]
        ),
        .executableTarget(
            name: "fdmctl",
            dependencies: [
                "FDMetricsStore", "FDMetrics", "FDMetricsExposition", "FDMetricsInspection", "CFDMetricsLinux",
                "CMalloc", "TraitCommandLineTool",
                .target(name: "FDMetricsHTTP", condition: .when(traits: ["CommandLineTool"])),
                .target(name: "FDMetricsPush", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser",
                    condition: .when(traits: ["CommandLineTool"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "UnixSignals", package: "swift-service-lifecycle",
                    condition: .when(traits: ["CommandLineTool"])),
            ]
        ),
        .executableTarget(
            name: "demo-engine",
            dependencies: [
                "FDMetrics", "FDMetricsZMQ", "FDMetricsHTTP",
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["HTTPServer"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
                .product(
                    name: "UnixSignals", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
            ],
            path: "examples/demo/engine"
        ),
        .executableTarget(
            name: "zmq-example", dependencies: ["FDMetrics", "FDMetricsZMQ"], path: "examples/zmq/swift"),
        .executableTarget(
            name: "swift-server-example",
            dependencies: [
                "FDMetrics", "FDMetricsHTTP", "FDMetricsSwiftMetrics",
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["SwiftMetrics"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["HTTPServer"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
                .product(
                    name: "UnixSignals", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
            ],
            path: "examples/swift-server"
        ),
        .executableTarget(name: "zmq-peer", dependencies: ["FDMetricsZMQ"], path: "Tests/zmq/peer-swift"),
        .executableTarget(
            name: "zmq-bench",
            dependencies: [
                "FDMetricsZMQ", "FDMetricsZMQRecording", "FDMetrics",
                .target(name: "CZeroMQ", condition: .when(traits: ["ZeroMQ"])),
            ],
            path: "Benchmarks/zmq-swift"
        ),
        .executableTarget(
            name: "exposition-bench",
            dependencies: [
                "FDMetricsExposition", "FDMetrics", "FDMetricsStore",
                .target(name: "FDMetricsProtobuf", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["CommandLineTool"])),
            ],
            path: "Benchmarks/exposition-swift"
        ),
        .executableTarget(
            name: "swift-metrics-bench",
            dependencies: [
                "FDMetricsSwiftMetrics", "FDMetrics", "FDMetricsStore",
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["SwiftMetrics"])),
            ],
            path: "Benchmarks/swift-metrics"
        ),
        .target(name: "FDMetricsTestSupport", dependencies: ["FDMetricsStore"], path: "Tests/FDMetricsTestSupport"),
        .testTarget(name: "FDMetricsStoreTests", dependencies: ["FDMetricsStore", "FDMetricsTestSupport"]),
        .testTarget(
            name: "FDMetricsTests",
            dependencies: [
                "FDMetrics", "FDMetricsStore", "FDMetricsExposition", "FDMetricsZMQRecording", "FDMetricsTestSupport",
            ]),
        .testTarget(
            name: "FDMetricsExpositionTests",
            dependencies: [
                "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport",
                .target(name: "FDMetricsProtobuf", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["CommandLineTool"])),
            ]),
        .testTarget(
            name: "FDMetricsInspectionTests",
            dependencies: [
                "FDMetricsInspection", "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport",
            ]),
        .testTarget(
            name: "FDMetricsHTTPTests",
            dependencies: [
                "FDMetricsHTTP", "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport",
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["HTTPServer"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["HTTPServer"])),
            ]),
        .testTarget(
            name: "FDMetricsSwiftMetricsTests",
            dependencies: [
                "FDMetricsSwiftMetrics", "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["SwiftMetrics"])),
                .product(name: "Metrics", package: "swift-metrics", condition: .when(traits: ["SwiftMetrics"])),
            ]),
        .testTarget(
            name: "FDMetricsPushTests",
            dependencies: [
                "FDMetricsPush", "FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport",
                .target(name: "FDMetricsProtobuf", condition: .when(traits: ["CommandLineTool"])),
                .target(name: "CSnappy", condition: .when(traits: ["CommandLineTool"])),
                .target(name: "CZlib", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["CommandLineTool"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["CommandLineTool"])),
                .product(
                    name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["CommandLineTool"])),
            ]),
        .testTarget(
            name: "FDMetricsZMQTests",
            dependencies: [
                "FDMetricsZMQ", "FDMetricsZMQRecording", "FDMetrics", "FDMetricsExposition", "FDMetricsTestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)

/// Whether it is another package that is built: SwiftPM works in its folder, or below.
///
/// `swift build` of this package builds all targets, and those whose trait is off are empty. In another package an empty
/// module would be an error at each use of what it lacks. There a target of one file is compiled first, and is one error.
var isDependency: Bool {
    var folder = URL(fileURLWithPath: FileManager.default.currentDirectoryPath).resolvingSymlinksInPath()
    while !FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
        if folder.path == "/" { return false }
        folder.deleteLastPathComponent()
    }
    return folder.path != URL(fileURLWithPath: Context.packageDirectory).resolvingSymlinksInPath().path
}

for target in package.targets
where [.regular, .test, .executable].contains(target.type) && !target.name.hasPrefix("C") {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
    if isDependency { target.swiftSettings?.append(.define("FDMETRICS_IS_DEPENDENCY")) }
}
