// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
import Glibc

/// A directory of its own for one test, in shared memory, removed with everything in it when the test lets go of it.
///
/// Stores that were opened by it are attached anew each time, as a further process would: each is closed at the end.
public final class TemporaryStore: @unchecked Sendable {
    /// The directory's absolute path; it exists, has mode 0700 and is empty at first.
    public let directory: String
    private var stores: [Store] = []

    /// Makes the directory.
    public init() {
        var template = Array("/dev/shm/fdmetrics-test-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template) else { fatalError("mkdtemp in /dev/shm: \(errorText(errno))") }
        directory = String(cString: path)
    }

    deinit {
        for store in stores { store.close() }
        removeTree(directory)
    }

    /// Attaches the store in the directory, once more at each call. Not for several threads at once.
    package func open(lanes: Int? = 2, seriesLimit: Int? = nil) throws(StoreError) -> Store {
        let store = try Store(directory: directory, lanes: lanes, seriesLimit: seriesLimit)
        stores.append(store)
        return store
    }

    /// Detaches a store before the end, as its process's end would.
    package func close(_ store: Store) {
        guard let index = stores.firstIndex(where: { $0 === store }) else { return }
        stores.remove(at: index)
        store.close()
    }

    /// Deletes a file of the directory.
    public func remove(_ name: String) { unlink(path(name)) }

    /// The path of a file in the directory.
    public func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// The path of a segment's file.
    public func segment(_ number: Int) -> String { path(StoreFormat.fileName(segment: number)) }

    /// The names of everything in the directory, sorted.
    public var contents: [String] { names(in: directory).sorted() }
}

private func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

private func removeTree(_ path: String) {
    for name in names(in: path) where unlink("\(path)/\(name)") != 0 { removeTree("\(path)/\(name)") }
    rmdir(path)
}
