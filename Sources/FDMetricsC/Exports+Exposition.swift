// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import FDMetricsExposition
import FDMetricsStore
import Glibc

/// Renders the whole store.
@_cdecl("fdm_render") @implementation
public func fdm_render(
    _ store: OpaquePointer!, _ format: UInt32, _ options: UInt32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    give(format, options, text, length) { format, options throws(StoreError) in
        guard let store = Store.of(store) else {
            throw StoreError(.invalidArgument, "fdm_render: store is NULL or closed")
        }
        return try Renderer.render(store, as: format, options: options)
    }
}

/// Renders the store in a directory.
@_cdecl("fdm_render_directory") @implementation
public func fdm_render_directory(
    _ directory: UnsafePointer<CChar>!, _ format: UInt32, _ options: UInt32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    give(format, options, text, length) { format, options throws(StoreError) in
        guard let directory else { throw StoreError(.invalidArgument, "fdm_render_directory: directory is NULL") }
        return try Renderer.render(directory: String(cString: directory), as: format, options: options)
    }
}

private func give(
    _ format: UInt32, _ options: UInt32, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
    _ length: UnsafeMutablePointer<Int>?,
    _ render: (ExpositionFormat, RenderOptions) throws(StoreError) -> Renderer.Text
) -> fdm_status {
    guard let text, let length else { return invalidArgument("text or length is NULL: give addresses for both") }
    text.pointee = nil
    length.pointee = 0
    guard let chosen = ExpositionFormat(rawValue: format), options & ~RenderOptions.all.rawValue == 0 else {
        return invalidArgument("format \(format) with options \(options): use FDM_FORMAT_* and FDM_RENDER_*")
    }
    return status { () throws(StoreError) in
        let rendered = try render(chosen, RenderOptions(rawValue: options))
        text.pointee = rendered.start
        length.pointee = rendered.count
    }
}

/// Releases a rendered text.
@_cdecl("fdm_free") @implementation
public func fdm_free(_ pointer: UnsafeMutableRawPointer!) { free(pointer) }

/// The HTTP content type of a format.
@_cdecl("fdm_content_type") @implementation
public func fdm_content_type(_ format: UInt32) -> UnsafePointer<CChar>! {
    ConstantText.of((ExpositionFormat(rawValue: format) ?? .text).contentTypeText)
}
