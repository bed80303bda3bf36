// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The labels of a series, as the text formats spell them: {a="x",b="y"}.
 *
 * @param {string} text with the escapes \\, \" and \n
 * @returns {[string, string][]} names and values, unescaped; what is damaged ends the list
 */
export function parseLabels(text) {
    const labels = [];
    let place = 1;
    while (place < text.length && text[place] !== "}") {
        const equals = text.indexOf('="', place);
        if (equals < 0) return labels;
        const name = text.slice(place, equals).replace(/^"(.*)"$/, "$1");
        let value = "";
        place = equals + 2;
        while (place < text.length && text[place] !== '"') {
            if (text[place] === "\\" && place + 1 < text.length) {
                place += 1;
                value += text[place] === "n" ? "\n" : text[place];
            } else {
                value += text[place];
            }
            place += 1;
        }
        labels.push([name, value]);
        place += text[place + 1] === "," ? 2 : 1;
    }
    return labels;
}
