// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// How many columns of a terminal a text takes. East Asian Width (UAX #11) says which characters are wide; emoji that are shown
// as pictures are. What several scalars make together, such as a flag, is one character that is shown in one place.

/// How many columns a sanitized text takes.
package func columns(_ text: String) -> Int {
    var text = text
    let ascii = text.withUTF8 { bytes in bytes.allSatisfy { $0 < 0x80 } ? bytes.count : nil }
    return ascii ?? text.reduce(0) { $0 + columns($1) }
}

/// How many columns a character takes: 0 of a mark that stands on the one before, 2 of a wide one, else 1.
func columns(_ character: Character) -> Int {
    let scalars = character.unicodeScalars
    guard let first = scalars.first else { return 0 }
    let own = columns(first)
    if scalars.count == 1 { return own }
    if first.properties.isEmoji {
        // A sequence is one picture: with a skin tone, joined of several, or asked for as one by U+FE0F.
        let isPicture = scalars.dropFirst().contains { scalar in
            scalar == "\u{FE0F}" || scalar == "\u{200D}" || scalar.properties.isEmojiModifier
        }
        if isPicture { return 2 }
    }
    return scalars.dropFirst().reduce(own) { $0 + columns($1) }
}

private func columns(_ scalar: Unicode.Scalar) -> Int {
    // Nothing below is wide, and nothing combines: a soft hyphen is shown.
    if scalar.value < 0x300 { return 1 }
    if isZero(scalar) { return 0 }
    // Two of the letters that make a flag are one picture of two columns.
    if scalar.properties.isEmojiPresentation { return (0x1F1E6...0x1F1FF).contains(scalar.value) ? 1 : 2 }
    return isWide(scalar.value) ? 2 : 1
}

private func isZero(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Vowels and final consonants of Hangul, which join the letter before.
    case 0x1160...0x11FF, 0xD7B0...0xD7FF: return true
    // Signs of Arabic, Syriac and Kaithi that enclose what follows and are shown, although they are formatting characters.
    case 0x0600...0x0605, 0x06DD, 0x070F, 0x0890...0x0891, 0x08E2, 0x110BD, 0x110CD: return false
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return true
    default: return false
    }
}

/// Whether East Asian Width says W or F, of what is no emoji. Places that Unicode keeps for further ideographs are wide, too.
private func isWide(_ value: UInt32) -> Bool {
    switch value {
    case ..<0x1100: false
    case 0x1100...0x115F, 0x2329...0x232A, 0x2630...0x2637, 0x268A...0x268F, 0x2E80...0x303E, 0x3041...0xA4C6,
        0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6B, 0xFF01...0xFF60,
        0xFFE0...0xFFE6, 0x16FE0...0x16FF6, 0x17000...0x191D2, 0x1AFF0...0x1B2FB, 0x1D300...0x1D356, 0x1D360...0x1D376,
        0x1F200...0x1F265, 0x20000...0x2FFFD, 0x30000...0x3FFFD:
        true
    default: false
    }
}
