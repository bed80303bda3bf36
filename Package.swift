// swift-tools-version: 6.2
// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Layers, lowest first; a target depends on targets above it in this list only:
//   CFDMetrics, CFDMetricsLinux, CZeroMQ   C: the ABI's header, what Swift cannot import of Linux, libzmq
//   FDMetricsStore                         the shared memory: bytes, records, cells, processes
//   FDMetrics                              the instruments: what a counter, a gauge, a histogram means
//   FDMetricsExposition                    store -> families -> text
//   FDMetricsZMQRecording                  what is recorded of a ZeroMQ link; needs no libzmq
//   FDMetricsZMQ                           a socket over libzmq that records itself
//   FDMetricsC                             libfdmetrics.so
//   fdmctl                                 the command line tool
let package = Package(
    name: "fdmetrics",
    products: [
        .library(name: "FDMetrics", targets: ["FDMetrics", "FDMetricsExposition"]),
        .library(name: "FDMetricsZMQ", targets: ["FDMetricsZMQ"]),
        .library(name: "fdmetrics", type: .dynamic, targets: ["FDMetricsC"]),
        .executable(name: "fdmctl", targets: ["fdmctl"]),
    ],
    traits: [
        .default(enabledTraits: ["ZeroMQ"]),
        .trait(name: "ZeroMQ", description: "Sockets over libzmq that record themselves; needs libzmq3-dev."),
        .trait(name: "CommandLineTool", description: "The fdmctl tool; needs swift-argument-parser."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
    ],
    targets: [
        .target(
            name: "CFDMetrics",
            path: ".",
            sources: ["Sources/CFDMetrics"],
            publicHeadersPath: "Include"
        ),
        .target(name: "CFDMetricsLinux"),
        .systemLibrary(name: "CZeroMQ"),
        .target(name: "FDMetricsStore", dependencies: ["CFDMetricsLinux"]),
        .target(name: "FDMetrics", dependencies: ["FDMetricsStore", "CFDMetricsLinux"]),
        .target(name: "FDMetricsExposition", dependencies: ["FDMetrics", "FDMetricsStore"]),
        .target(name: "FDMetricsZMQRecording", dependencies: ["FDMetrics", "CFDMetricsLinux"]),
        .target(
            name: "FDMetricsZMQ",
            dependencies: [
                "FDMetricsZMQRecording", "FDMetrics",
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
        .executableTarget(
            name: "fdmctl",
            dependencies: [
                "FDMetricsStore", "FDMetrics", "FDMetricsExposition",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser",
                    condition: .when(traits: ["CommandLineTool"])),
            ]
        ),
        .executableTarget(
            name: "demo-engine",
            dependencies: ["FDMetrics", "FDMetricsZMQ"],
            path: "examples/demo/engine"
        ),
        .executableTarget(
            name: "zmq-example", dependencies: ["FDMetrics", "FDMetricsZMQ"], path: "examples/zmq/swift"),
        .executableTarget(name: "zmq-peer", dependencies: ["FDMetricsZMQ"], path: "Tests/zmq/peer-swift"),
        .executableTarget(
            name: "zmq-bench",
            dependencies: [
                "FDMetricsZMQ", "FDMetricsZMQRecording", "FDMetrics",
                .target(name: "CZeroMQ", condition: .when(traits: ["ZeroMQ"])),
            ],
            path: "Benchmarks/zmq-swift"
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
            dependencies: ["FDMetricsExposition", "FDMetrics", "FDMetricsStore", "FDMetricsTestSupport"]),
        .testTarget(
            name: "FDMetricsZMQTests",
            dependencies: [
                "FDMetricsZMQ", "FDMetricsZMQRecording", "FDMetrics", "FDMetricsExposition", "FDMetricsTestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets
where [.regular, .test, .executable].contains(target.type) && !target.name.hasPrefix("C") {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
}
