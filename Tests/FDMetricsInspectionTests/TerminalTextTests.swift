// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import Testing

@Suite("Texts on a terminal")
struct TerminalTextTests {
    @Test(
        "Each character takes the columns that a terminal gives it",
        arguments: [
            ("", 0), ("requests{path=\"/\"}", 18), ("é", 1), ("e\u{301}", 1), ("\u{301}", 0), ("a\u{AD}b", 3),
            // East Asian: ideographs, kana, Hangul whole and in parts, full and half width, and a mark on kana.
            ("日本語", 6), ("カタカナ", 8), ("ｶﾀｶﾅ", 4), ("ＡＢ", 4), ("한글", 4), ("\u{1112}\u{1161}\u{11AB}", 2),
            ("か\u{3099}", 2), ("𠀀", 2), ("　", 2), ("。", 2), ("、「", 4),
            // Pictures: one scalar, of an older block, asked for as a picture or as text, a sequence, a skin tone, a flag, a key.
            ("🚀", 2), ("⌚", 2), ("⭐", 2), ("❤", 1), ("❤\u{FE0F}", 2), ("👩\u{200D}💻", 2),
            ("👨\u{200D}👩\u{200D}👧\u{200D}👦", 2), ("👍🏽", 2), ("🇯🇵", 2), ("1\u{FE0F}\u{20E3}", 2), ("🫠", 2), ("🛝", 2),
            // What is no picture, though its neighbours are.
            ("☺", 1), ("→", 1), ("…", 1), ("█", 1), ("Ω", 1), ("й", 1),
            // Marks and signs that take no column of their own, and those that do.
            ("ก\u{E34}", 1), ("שׁ", 1), ("a\u{200B}b", 2), ("a\u{200D}b", 2), ("\u{0600}", 1), ("a\u{20DD}", 1),
        ])
    func widths(text: String, expected: Int) {
        #expect(columns(text) == expected)
    }

    @Test("A text fills exactly the columns that it has, whatever is cut", arguments: 0..<12)
    func fit(width: Int) {
        for text in ["", "abc", "日本語", "a日本語", "e\u{301}e\u{301}e\u{301}", "👩\u{200D}💻🇯🇵👍🏽", "1234567890123"] {
            for alignedRight in [false, true] {
                let line = fitted(text, width, alignedRight: alignedRight)
                #expect(columns(line) == width, "\(text) in \(width)")
                #expect(columns(text) > width || line.contains(text))
            }
        }
    }

    @Test("What is cut ends with a whole character and a mark")
    func cut() {
        #expect(fitted("abcdef", 4) == "abc…")
        #expect(fitted("日本語", 5) == "日本…")
        #expect(fitted("日本語", 4) == "日… ")
        #expect(fitted("👩\u{200D}💻👩\u{200D}💻", 3) == "👩\u{200D}💻…")
        #expect(fitted("e\u{301}e\u{301}e\u{301}", 2) == "e\u{301}…")
        #expect(fitted("ab", 4, alignedRight: true) == "  ab")
    }

    @Test("The end of a long text begins with a mark")
    func shift() {
        #expect(shifted("abcdef", by: 2, width: 4) == "…def")
        #expect(shifted("日本語です", by: 2, width: 4) == "…語です")
        #expect(shifted("abcdef", by: 2, width: 6) == "abcdef")
        #expect(shifted("abcdef", by: 90, width: 4) == "…")
    }

    @Test("Nothing that a terminal obeys is left")
    func obeyed() {
        #expect(sanitized("plain") == "plain" && sanitized("日本語") == "日本語")
        #expect(sanitized("\u{1B}[2J\n\t\u{7F}\u{9B}2J") == "\\u{1B}[2J\\u{A}\\u{9}\\u{7F}\\u{9B}2J")
        #expect(
            sanitized("\u{202E}a\u{2066}\u{200F}\u{2028}\u{61C}") == "\\u{202E}a\\u{2066}\\u{200F}\\u{2028}\\u{61C}")
        // Emoji and Indic letters are joined by it.
        #expect(sanitized("👩\u{200D}💻") == "👩\u{200D}💻")
    }

    @Test("A program's output has no control characters either, and is the same text")
    func json() {
        #expect(JSONText.string("\u{1B}\u{9B}\u{7F}é").compactText == "\"\\u001b\\u009b\\u007fé\"")
    }
}
