// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/** Numbers as a person reads them: 12,345, 1.23 M, 4.50 ms, 61.2 MiB. A narrow space stands before the unit. */

const SPACE = "\u202f";
const NOTHING = "\u2013";
const THOUSANDS = ["", "k", "M", "G", "T", "P", "E"];

/** What a family's numbers measure, by the unit that it declares, or its name ends with. */
export function unitOf(family) {
    const name = family.name;
    if (/_(timestamp|start_time|created)(_seconds)?$/.test(name)) return "time";
    if (family.unit === "seconds" || name.endsWith("_seconds")) return "seconds";
    if (family.unit === "bytes" || /[_:]bytes(_|$)/.test(name)) return "bytes";
    if (family.unit === "ratio" || name.endsWith("_ratio")) return "ratio";
    return "none";
}

/** A number of a unit; null: a dash. */
export function human(value, unit = "none") {
    if (value === null || value === undefined) return NOTHING;
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "\u2212Inf";
    if (value === 0) return "0";
    if (value < 0) return "\u2212" + human(-value, unit);
    switch (unit) {
        case "seconds": return seconds(value);
        case "bytes": return scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 1024);
        case "ratio": return digits(value * 100) + SPACE + "%";
        case "time": return ago(value);
        default: return scaled(value, 1000, THOUSANDS, 1e6);
    }
}

/** How much of a unit comes in a second. Seconds in a second are a share of one. */
export function humanRate(value, unit = "none") {
    if (value === null || value === undefined) return NOTHING;
    if (value > 1e4 && unit !== "bytes") return scaled(value, 1000, THOUSANDS, 1000) + "/s";
    return human(value, unit === "bytes" ? "bytes" : "none") + "/s";
}

/** All digits of a number, in groups. */
export function exact(value) {
    if (value === null || value === undefined) return NOTHING;
    if (!Number.isFinite(value)) return human(value);
    if (Math.abs(value) >= 1e-6 || value === 0) return value.toLocaleString("en-US", { maximumSignificantDigits: 17 });
    return String(value);
}

/** A time span in two units: 45 s, 12 m 03 s, 5 h 07 m, 3 d 04 h. */
export function span(value) {
    if (value === null || value === undefined || !(value >= 0)) return NOTHING;
    const whole = Math.floor(value);
    const pair = (large, name, small, other) =>
        `${large}${SPACE}${name} ${String(small).padStart(2, "0")}${SPACE}${other}`;
    if (whole < 60) return `${whole}${SPACE}s`;
    if (whole < 3600) return pair(Math.floor(whole / 60), "m", whole % 60, "s");
    if (whole < 86400) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "m");
    return pair(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

/** A stretch of time that is a round number most often: 60 s, 4 min, 1.5 h. */
export function stretchText(value) {
    if (value <= 90) return `${Number(value.toFixed(value < 10 ? 1 : 0))}${SPACE}s`;
    if (value < 5400) return `${Number((value / 60).toFixed(1))}${SPACE}min`;
    return `${Number((value / 3600).toFixed(1))}${SPACE}h`;
}

/** A point in time, in seconds since the epoch, by how long ago it was. */
export function ago(value) {
    const passed = Date.now() / 1000 - value;
    return passed >= 0 ? span(passed) + " ago" : "in " + span(-passed);
}

/** A point in time, in seconds since the epoch, in this browser's time zone. */
export function moment(value) {
    return new Date(value * 1000).toLocaleString();
}

/** A word for so many things: 1 family, 2 families. */
export function count(number, one, many) {
    return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

function scaled(value, step, names, exactBelow) {
    if (!Number.isFinite(value)) return human(value);
    if (value < exactBelow) return digits(value) + (names[0] ? SPACE + names[0] : "");
    let index = 0;
    // 999.95 would be written as 1000.
    while (value >= step * 0.9995 && index < names.length - 1) {
        value /= step;
        index += 1;
    }
    return digits(value) + SPACE + names[index];
}

function seconds(value) {
    if (value < 0.9995e-6) return digits(value * 1e9) + SPACE + "ns";
    if (value < 0.9995e-3) return digits(value * 1e6) + SPACE + "\u00b5s";
    if (value < 0.9995) return digits(value * 1e3) + SPACE + "ms";
    return value < 100 ? digits(value) + SPACE + "s" : span(value);
}

/** Whole numbers as they are, in groups; others with three digits that count. */
function digits(value) {
    if (Number.isInteger(value) && value < 1e6) return value.toLocaleString("en-US");
    if (value < 0.001 || value >= 1e6) return value.toExponential(1).replace("e+", "e");
    if (value >= 99.95) return Math.round(value).toLocaleString("en-US");
    return value.toFixed(value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3);
}
