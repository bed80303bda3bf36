// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The terminal in full-screen mode: keys come as they are pressed, and signals between two keys. Whatever ends the
/// program by way of `wait` leaves the terminal as it was.
struct Terminal {
    enum Event {
        case keys([Key])
        case resized
        /// The time was over.
        case timeout
        /// A signal that ends the program, or the terminal is gone.
        case ended(signal: Int32)
    }

    private var saved = termios()
    private var decoder = KeyDecoder()

    /// Whether there is a terminal that can be used like that.
    static var isUsable: Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else { return false }
        return getenv("TERM").map { strcmp($0, "dumb") != 0 && $0.pointee != 0 } ?? false
    }

    /// nil: errno says why.
    init?() {
        guard tcgetattr(STDIN_FILENO, &saved) == 0, Signals.install() else { return nil }
        enter()
    }

    /// Columns and lines.
    var size: (width: Int, height: Int) {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 {
            return (Int(size.ws_col), Int(size.ws_row))
        }
        return (80, 24)
    }

    /// Draws a frame over the last one. It covers the screen, so nothing need be erased; erasing to the end of a line
    /// that is full would take its last letter.
    ///
    /// Terminals disagree about how wide some pictures are. So behind other letters than ASCII the next column is gone to by
    /// its number, and what may be left between is erased.
    func draw(_ frame: TopFrame) {
        var text = "\u{1B}[H"
        for (index, line) in frame.lines.enumerated() {
            var content = ""
            var isCertain = true
            for cell in line.cells {
                if !isCertain { content += "\u{1B}[K\u{1B}[\(cell.column + 1)G" }
                content += cell.text
                isCertain = cell.text.utf8.allSatisfy { $0 < 0x80 }
            }
            switch line.style {
            case .plain: text += content
            case .reverse: text += "\u{1B}[7m\(content)\u{1B}[0m"
            case .dim: text += "\u{1B}[2m\(content)\u{1B}[0m"
            }
            if index < frame.lines.count - 1 { text += "\r\n" }
        }
        writeOut(text)
    }

    /// Until something happens, or so many milliseconds.
    mutating func wait(milliseconds: Int) -> Event {
        var inputs = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: Signals.readEnd, events: Int16(POLLIN), revents: 0),
        ]
        // A lone escape is a key only when nothing follows it soon.
        let limit = decoder.isWaiting ? min(milliseconds, 50) : milliseconds
        let count = poll(&inputs, nfds_t(inputs.count), Int32(clamping: limit))
        if count == 0 { return decoder.isWaiting ? .keys(decoder.flush()) : .timeout }
        if inputs[1].revents != 0 {
            var number: UInt8 = 0
            if read(Signals.readEnd, &number, 1) == 1 { return received(Int32(number)) }
        }
        if inputs[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 256)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count > 0 { return .keys(decoder.keys(bytes[..<count])) }
            if count == 0 || errno != EINTR { return .ended(signal: SIGHUP) }
        }
        return .keys([])
    }

    private func received(_ number: Int32) -> Event {
        switch number {
        case SIGWINCH:
            writeOut("\u{1B}[2J")
            return .resized
        case SIGTSTP:
            leave()
            raise(SIGSTOP)
            // Goes on here when the shell brings it back.
            enter()
            return .resized
        default: return .ended(signal: number)
        }
    }

    private func enter() {
        var raw = saved
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        withUnsafeMutableBytes(of: &raw.c_cc) { bytes in
            bytes[Int(VMIN)] = 1
            bytes[Int(VTIME)] = 0
        }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        // The other screen, no cursor, no wrapping.
        writeOut("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J")
    }

    /// Puts the terminal back as it was.
    func leave() {
        writeOut("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
        var original = saved
        tcsetattr(STDIN_FILENO, TCSADRAIN, &original)
    }
}

/// Signals as bytes in a pipe: the one thing that a handler may do at any moment is write(2).
private enum Signals {
    static let handled = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP]
    // Written once before any handler is installed.
    nonisolated(unsafe) static var readEnd: Int32 = -1
    nonisolated(unsafe) static var writeEnd: Int32 = -1

    static func install() -> Bool {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        // A full pipe holds signals enough; a handler must not wait.
        for end in ends where fcntl(end, F_SETFL, O_NONBLOCK) != 0 { return false }
        (readEnd, writeEnd) = (ends[0], ends[1])
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(Signals.writeEnd, &byte, 1)
            errno = saved
        }
        action.sa_flags = SA_RESTART
        return handled.allSatisfy { sigaction($0, &action, nil) == 0 }
    }
}

/// Turns the bytes of a terminal into keys.
struct KeyDecoder {
    private var pending: [UInt8] = []

    /// Whether an escape has come that may be a key by itself or begin one.
    var isWaiting: Bool { !pending.isEmpty }

    mutating func keys(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        while let (key, count) = next() {
            if let key { keys.append(key) }
            pending.removeFirst(count)
        }
        return keys
    }

    /// Nothing more comes.
    mutating func flush() -> [Key] {
        defer { pending = [] }
        return pending.first == 0x1B ? [.escape] : []
    }

    /// The first key of what is pending, nil for one without a meaning, and its bytes. nil: more must come.
    private func next() -> (Key?, Int)? {
        guard let first = pending.first else { return nil }
        switch first {
        case 0x1B: return sequence()
        case 10, 13: return (.enter, 1)
        case 8, 0x7F: return (.backspace, 1)
        case 0..<0x20: return (nil, 1)
        default: break
        }
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        if pending.count < length { return nil }
        let scalar = String(decoding: pending[..<length], as: UTF8.self).unicodeScalars.first
        return (scalar.map { .character($0) }, length)
    }

    /// ESC [ parameters letter, or ESC O letter.
    private func sequence() -> (Key?, Int)? {
        guard pending.count > 1 else { return nil }
        guard pending[1] == UInt8(ascii: "[") || pending[1] == UInt8(ascii: "O") else { return (.escape, 1) }
        guard let end = pending[2...].firstIndex(where: { (0x40...0x7E).contains($0) }) else { return nil }
        let text = String(decoding: pending[2...end], as: UTF8.self)
        let keys: [String: Key] = [
            "A": .up, "B": .down, "C": .right, "D": .left, "H": .home, "F": .end, "1~": .home, "4~": .end,
            "5~": .pageUp, "6~": .pageDown,
        ]
        return (keys[text], end + 1)
    }
}
