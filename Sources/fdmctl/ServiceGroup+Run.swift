// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import Logging
import ServiceLifecycle
import UnixSignals

extension ServiceGroup {
    /// Runs one service until it is done, or SIGTERM or SIGINT ask it to stop.
    static func run(_ service: any Service, _ logger: Logger) async throws {
        // What the group itself has to say is of no interest to who runs one service.
        var quiet = logger
        quiet.logLevel = .critical
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
    }
}
#endif
