// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
package import FDMetricsStore

/// Renders the store in a directory again and again, of live or dead processes, with read access alone: what a scrape
/// learns of the store is kept for the next.
///
/// A service that starts anew may put another store in the place of the one that is mapped. So each render looks at which
/// file stands there; a store that has gone is unmapped, and whichever is there then is opened. Not thread-safe: one
/// render at a time.
package final class DirectoryRenderer {
    /// The directory as it was given.
    package let directory: String
    private var opened: (reader: StoreReader, scraper: Scraper)?

    /// Opens the store.
    /// - Throws: `notFound`, `foreign`, `damaged`, `system`.
    package init(directory: String) throws(StoreError) {
        self.directory = directory
        try open()
    }

    /// Opens nothing yet: the store may come later.
    package init(expecting directory: String) { self.directory = directory }

    /// Renders the store that is there now.
    /// - Parameters:
    ///   - names: If not empty: only the families that have one of these names, or a sample of such a name.
    ///   - added: What is shown besides the store's own families.
    /// - Throws: `notFound` without a store; `foreign`, `damaged`, `noSpace`, `system`. The next call tries again.
    package func render(
        as format: ExpositionFormat, options: RenderOptions, names: [String] = [], adding added: [AddedCounter] = []
    ) throws(StoreError) -> Renderer.Text {
        try currentScraper().render(format, options, names, added)
    }

    /// The store that is there now, mapped read-only.
    /// - Throws: `notFound` without a store; `foreign`, `damaged`, `system`.
    package func reader() throws(StoreError) -> StoreReader {
        _ = try currentScraper()
        return opened.unsafelyUnwrapped.reader
    }

    func currentScraper() throws(StoreError) -> Scraper {
        if let opened, isInPlace(opened.reader) { return opened.scraper }
        // The old one goes first, so that two are never mapped at once.
        opened = nil
        return try open()
    }

    @discardableResult
    private func open() throws(StoreError) -> Scraper {
        let reader = try StoreReader(directory: directory)
        let scraper = Scraper(reader)
        opened = (reader, scraper)
        return scraper
    }

    /// Whether the file that is mapped still has its name. No other can have its number while it is mapped.
    private func isInPlace(_ reader: StoreReader) -> Bool {
        guard let first = try? reader.segment(0) else { return false }
        var info = CFDMetricsLinux_file()
        guard CFDMetricsLinux_stat("\(reader.directory)/\(StoreFormat.fileName(segment: 0))", &info) == 0 else {
            return false
        }
        return info.device == first.pointee.device && info.inode == first.pointee.inode
    }
}
