// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import Glibc

/// The header Date, made once a second.
struct HTTPDate {
    private var second: time_t = -1
    private var made = ""

    /// As RFC 9110, 5.6.7 has it: "Sun, 06 Nov 1994 08:49:37 GMT".
    var text: String {
        mutating get {
            let now = time(nil)
            if now != second {
                second = now
                made = Self.text(now)
            }
            return made
        }
    }

    static func text(_ time: time_t) -> String {
        var time = time
        var parts = tm()
        gmtime_r(&time, &parts)
        // Not strftime(), which speaks the language of the process.
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}
#endif
