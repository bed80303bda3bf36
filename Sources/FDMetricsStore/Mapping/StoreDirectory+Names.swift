// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// The names that directories of stores have. Which of them has the store, StoreDirectory+Preparation.swift says.

extension StoreDirectory {
    private static let prefix = "fdmetrics-"
    private static let layoutPrefix = "fdmetrics-layout-"

    /// The name of a user's directory within one that others may write to.
    package static func privateName(_ user: UInt32) -> String { "\(prefix)\(user)" }

    /// Whose directory has such a name; nil: it is another name.
    package static func user(ofPrivateName name: some StringProtocol) -> UInt32? {
        name.hasPrefix(prefix) ? UInt32(name.dropFirst(prefix.count)) : nil
    }

    /// The name of this layout's directory where the store of another layout, with processes that are alive, has the place.
    static let layoutName = "\(layoutPrefix)\(StoreFormat.version)"

    /// Whether a name is that of a layout's directory within a store's directory.
    package static func isLayoutName(_ name: some StringProtocol) -> Bool { name.hasPrefix(layoutPrefix) }

    /// The name of the directory that has the store which was set aside last.
    package static let asideName = "fdmetrics-set-aside"

    /// Whether a name is one that this library gives an automatic directory: fdmetrics- and a UUID.
    package static func isAutomaticName(_ name: some StringProtocol) -> Bool {
        guard name.hasPrefix(prefix) else { return false }
        let groups = name.utf8.dropFirst(prefix.utf8.count).split(
            separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return groups.map { $0.count } == [8, 4, 4, 4, 12]
            && groups.joined().allSatisfy { Int(String(UnicodeScalar($0)), radix: 16) != nil }
    }
}
