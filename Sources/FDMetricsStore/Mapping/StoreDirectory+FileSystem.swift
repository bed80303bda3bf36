// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

// File systems that another kernel may write to at the same time: locks, which say who is alive, may not reach it.

extension StoreDirectory {
    /// Magic numbers of statfs(2), from linux/magic.h and the file systems' own headers. virtiofs has that of FUSE.
    private static let networkFileSystems: [Int64: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x0102_1997: "9P", 0x00C3_6400: "Ceph",
        0x6573_5546: "FUSE", 0x5346_414F: "AFS", 0x0BD0_0BD0: "Lustre", 0x7375_7245: "Coda", 0x564C: "NCP",
    ]
    private static let overlay: Int64 = 0x794C_7630

    /// The kind of network file system that a directory is on; nil: a local one, or not to be known.
    package static func networkFileSystem(of directory: String) -> String? {
        let descriptor = CFDMetricsLinux_open_directory(directory, 0)
        if descriptor < 0 { return nil }
        defer { CFDMetricsLinux_close(descriptor) }
        return networkFileSystem(descriptor)
    }

    /// The kind of network file system that a file is on, or that an overlay puts its changes on.
    static func networkFileSystem(_ descriptor: Int32) -> String? {
        let type = CFDMetricsLinux_file_system_type(descriptor)
        if type == overlay { return overlaidFileSystem(descriptor) }
        return networkFileSystems[type]
    }

    /// What an overlay's upper directory is on; nil: a local one, or one that this process cannot see, as in a container
    /// whose layers are on the host's disk.
    private static func overlaidFileSystem(_ descriptor: Int32) -> String? {
        var info = CFDMetricsLinux_file()
        guard CFDMetricsLinux_fstat(descriptor, &info) == 0 else { return nil }
        // proc(5): the third field is major:minor, the super options are the last.
        let device = " \(info.device_major):\(info.device_minor) "
        guard let option = CFDMetricsLinux_value_in_line("/proc/self/mountinfo", device, "upperdir=") else {
            return nil
        }
        defer { CFDMetricsLinux_free(option) }
        var end = 0
        while option[end] != 0, option[end] != CChar(UInt8(ascii: ",")) { end += 1 }
        option[end] = 0
        let upper = CFDMetricsLinux_open_directory(option, 0)
        if upper < 0 { return nil }
        defer { CFDMetricsLinux_close(upper) }
        return networkFileSystems[CFDMetricsLinux_file_system_type(upper)]
    }

    static func checkFileSystem(_ descriptor: Int32, _ directory: String) throws(StoreError) {
        guard let name = networkFileSystem(descriptor), environment(networkVariable) != "1" else { return }
        throw StoreError(
            .directory,
            "\(directory) is on a network file system (\(name)), where processes of several hosts could write to one store: "
                + "set \(variable) to a local directory such as /dev/shm/NAME, or \(networkVariable)=1 if this host alone uses it",
            errno: EREMOTE)
    }
}
