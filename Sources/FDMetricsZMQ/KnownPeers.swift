// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
/// The peers that a ROUTER has heard of, by hashes of their routing ids. So many, then it begins anew: peers that come and
/// go for ever take no more memory than that.
struct KnownPeers {
    static let most = 65_536
    private var hashes: Set<UInt64> = []

    /// Takes up a peer. Whether it is new.
    mutating func meet(_ routingID: UnsafeRawBufferPointer) -> Bool {
        // FNV-1a: libzmq's own ids differ in their last bytes.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in routingID { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        if hashes.contains(hash) { return false }
        if hashes.count >= Self.most { hashes.removeAll() }
        return hashes.insert(hash).inserted
    }
}
#endif
