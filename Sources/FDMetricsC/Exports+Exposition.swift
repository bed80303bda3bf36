// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import CFDMetricsLinux
import FDMetrics
import FDMetricsExposition
import FDMetricsStore

/// Renders the whole store.
@_cdecl("fdm_render") @implementation
public func fdm_render(
    _ store: OpaquePointer!, _ format: UInt32, _ options: UInt32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    give(format, options, text, length) { format, options throws(StoreError) in
        try render(store, format, options, [], "fdm_render")
    }
}

/// Renders the store in a directory.
@_cdecl("fdm_render_directory") @implementation
public func fdm_render_directory(
    _ directory: UnsafePointer<CChar>!, _ format: UInt32, _ options: UInt32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    give(format, options, text, length) { format, options throws(StoreError) in
        try render(directory, format, options, [], "fdm_render_directory")
    }
}

/// Renders what a scraper asks for.
@_cdecl("fdm_render_scrape") @implementation
public func fdm_render_scrape(
    _ store: OpaquePointer!, _ scrape: UnsafePointer<fdm_scrape>!,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    guard let asked = valid(scrape) else { return invalidScrape("fdm_render_scrape") }
    return give(asked.format, asked.options, text, length) { format, options throws(StoreError) in
        try render(store, format, options, try names(asked), "fdm_render_scrape")
    }
}

/// Renders what a scraper asks for of the store in a directory.
@_cdecl("fdm_render_directory_scrape") @implementation
public func fdm_render_directory_scrape(
    _ directory: UnsafePointer<CChar>!, _ scrape: UnsafePointer<fdm_scrape>!,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    guard let asked = valid(scrape) else { return invalidScrape("fdm_render_directory_scrape") }
    return give(asked.format, asked.options, text, length) { format, options throws(StoreError) in
        try render(directory, format, options, try names(asked), "fdm_render_directory_scrape")
    }
}

/// Chooses what suits a scraper's headers best.
@_cdecl("fdm_negotiate") @implementation
public func fdm_negotiate(
    _ accept: UnsafePointer<CChar>!, _ acceptEncoding: UnsafePointer<CChar>!,
    _ scrape: UnsafeMutablePointer<fdm_scrape>!
) -> fdm_status {
    guard valid(scrape) != nil else { return invalidScrape("fdm_negotiate") }
    let content = ContentNegotiation.contentType(accept: accept.map { String(cString: $0) } ?? "")
    var options = RenderOptions(rawValue: scrape.pointee.options)
    options.escaping = content.escaping
    scrape.pointee.format = content.format.rawValue
    scrape.pointee.options = options.rawValue
    scrape.pointee.content_type = ConstantText.of(content.text)
    let isGzipped = ContentNegotiation.acceptsGzip(acceptEncoding.map { String(cString: $0) } ?? "")
    scrape.pointee.is_gzipped = isGzipped ? 1 : 0
    return 0
}

// MARK: - The parts of these

private func render(
    _ store: OpaquePointer?, _ format: ExpositionFormat, _ options: RenderOptions, _ names: [String], _ function: String
) throws(StoreError) -> Renderer.Text {
    guard let store = Store.of(store) else {
        throw StoreError(.invalidArgument, "\(function): store is NULL or closed")
    }
    return try Renderer.render(store, as: format, options: options, names: names)
}

private func render(
    _ directory: UnsafePointer<CChar>?, _ format: ExpositionFormat, _ options: RenderOptions, _ names: [String],
    _ function: String
) throws(StoreError) -> Renderer.Text {
    guard let directory else { throw StoreError(.invalidArgument, "\(function): directory is NULL") }
    return try Renderer.render(directory: String(cString: directory), as: format, options: options, names: names)
}

private func give(
    _ format: UInt32, _ options: UInt32, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
    _ length: UnsafeMutablePointer<Int>?,
    _ render: (ExpositionFormat, RenderOptions) throws(StoreError) -> Renderer.Text
) -> fdm_status {
    give(text, length) { () throws(StoreError) in
        guard let chosen = ExpositionFormat(rawValue: format), options & ~RenderOptions.all.rawValue == 0 else {
            throw StoreError(
                .invalidArgument,
                "format \(format) with options \(options): use FDM_FORMAT_* and FDM_RENDER_*")
        }
        return try render(chosen, RenderOptions(rawValue: options))
    }
}

/// Hands a text that a body makes to the caller, who frees it; NULL and 0 where it fails.
func give(
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ length: UnsafeMutablePointer<Int>?,
    _ make: () throws(StoreError) -> Renderer.Text
) -> fdm_status {
    guard let text, let length else { return invalidArgument("text or length is NULL: give addresses for both") }
    text.pointee = nil
    length.pointee = 0
    return status { () throws(StoreError) in
        let made = try make()
        text.pointee = made.start
        length.pointee = made.count
    }
}

private func valid(_ scrape: UnsafePointer<fdm_scrape>?) -> fdm_scrape? {
    guard let scrape, isSize(scrape.pointee.struct_size, of: fdm_scrape.self) else { return nil }
    return scrape.pointee
}

private func invalidScrape(_ function: String) -> fdm_status {
    invalidArgument("\(function): scrape is NULL or its struct_size is not set to sizeof(fdm_scrape)")
}

/// The most names of a scrape: more than fit into a URL.
private let maxNames = 65_536

/// The names of a scrape. Each comes from outside.
private func names(_ scrape: fdm_scrape) throws(StoreError) -> [String] {
    if scrape.name_count > UInt32(maxNames) {
        throw StoreError(.invalidArgument, "name_count is \(scrape.name_count): give at most \(maxNames) names")
    }
    var names: [String] = []
    for index in 0..<Int(scrape.name_count) {
        guard let name = scrape.names?[index] else {
            throw StoreError(.invalidArgument, "names is NULL, or number \(index) of its \(scrape.name_count) is")
        }
        names.append(String(cString: name))
    }
    return names
}

/// Releases a rendered text.
@_cdecl("fdm_free") @implementation
public func fdm_free(_ pointer: UnsafeMutableRawPointer!) { CFDMetricsLinux_free(pointer) }

/// The HTTP content type of a format.
@_cdecl("fdm_content_type") @implementation
public func fdm_content_type(_ format: UInt32) -> UnsafePointer<CChar>! {
    ConstantText.of((ExpositionFormat(rawValue: format) ?? .text).contentTypeText)
}

/// Whether this process may register names of any UTF-8.
@_cdecl("fdm_allow_utf8_names") @implementation
public func fdm_allow_utf8_names(_ allowed: UInt32) { UTF8Names.areAllowed = allowed != 0 }
