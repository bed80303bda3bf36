// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What the page has seen of each family and series: points, made of two successive answers each. The server keeps no
 * history; it begins when the page is opened.
 */

/** How many points are kept, and how many of them are drawn. */
export const POINTS = 120;

/**
 * One series, or one family as a whole. A point has `time` (seconds of the server's monotonic clock), `seconds` (since
 * the answer before), and by type:
 *   counter      rate
 *   gauge        value
 *   histogram    rate, counts (what came into each bucket)
 *   summary      rate, mean
 *
 * @typedef {{time: number, seconds: number, rate?: number, value?: number, mean?: ?number, counts?: number[]}} Point
 * @typedef {{points: Point[], values: number[], touched: number}} Track
 */

/** How many of a type's values are counts; the others are sums. 0: it counts nothing. */
export function countWidth(family) {
    switch (family.type) {
        case "counter":
        case "summary": return 1;
        case "histogram": return family.bounds.length + 1;
        default: return 0;
    }
}

/**
 * What came between two readings of a series' values. A count that fell is of a series that was removed and made again,
 * or of a store that began anew: then it counted from 0. So did a series that was not there before.
 *
 * @param {number[]} now
 * @param {?number[]} before null: it was not there
 * @param {number} width how many of the values are counts
 * @returns {number[]} not a number where a total is infinite
 */
export function gained(now, before, width) {
    const fell = before !== null && now.slice(0, width).some((value, place) => value < before[place]);
    return now.map((value, place) => value - (before === null || fell ? 0 : before[place]));
}

/** The histories of all that is shown. */
export class History {
    constructor() {
        this.clear();
    }

    /** Forgets everything: it was of another store. */
    clear() {
        /** @type {Map<string, Track>} */
        this.tracks = new Map();
        /** Families of which the last answer had every series. */
        this.complete = new Set();
        this.epoch = null;
        this.time = null;
    }

    /** The latest values and the points of a family as a whole. */
    family(name) {
        return this.tracks.get(name);
    }

    /** Those of a series. */
    series(name, labels) {
        return this.tracks.get(`${name}\n${labels}`);
    }

    /** Takes an answer in. One of the same sample as the last one brings nothing but what that one did not have. */
    take(answer) {
        if (answer.epoch !== this.epoch) {
            this.clear();
            this.epoch = answer.epoch;
        }
        const isSame = answer.time === this.time;
        const seconds = this.time === null || isSame ? null : answer.time - this.time;
        const complete = new Set();
        for (const family of answer.families) {
            const isNew = !isSame && this.complete.has(family.name);
            if (family.flow) this.#add(family.name, family, family.flow, answer.time, seconds, false);
            for (const one of family.series) {
                this.#add(`${family.name}\n${one.labels}`, family, one.values, answer.time, seconds, isNew);
            }
            if (family.series.length === family.series_count) complete.add(family.name);
        }
        this.complete = complete;
        this.time = answer.time;
        this.#forget(answer.time, seconds);
    }

    /** @param {boolean} isNew whether a series without a track was not there at the last answer */
    #add(key, family, values, time, seconds, isNew) {
        let track = this.tracks.get(key);
        if (track && track.touched === time) return;
        const before = track && track.touched === this.time ? track.values : null;
        if (!track) {
            track = { points: [], values: [], touched: 0 };
            this.tracks.set(key, track);
        }
        const isKnown = before !== null || (isNew && track.points.length === 0);
        const point = pointOf(family, values, before, isKnown ? seconds : null);
        if (point !== null) {
            point.time = time;
            track.points.push(point);
            if (track.points.length > POINTS) track.points.shift();
        }
        track.values = values;
        track.touched = time;
    }

    /** What has not been shown for as long as a history is. */
    #forget(time, seconds) {
        const oldest = time - POINTS * Math.max(seconds ?? 1, 1);
        for (const [key, track] of this.tracks) if (track.touched < oldest) this.tracks.delete(key);
    }
}

/**
 * @param {?number} seconds since the values before; null: they are not known
 * @returns {?Point} without its time
 */
function pointOf(family, values, before, seconds) {
    if (family.type === "gauge") return { seconds, value: values[0] };
    const width = countWidth(family);
    if (width === 0 || seconds === null || seconds <= 0) return null;
    const gain = gained(values, before, width);
    const counts = gain.slice(0, width);
    const all = counts.reduce((total, count) => total + count, 0);
    const rate = all / seconds;
    switch (family.type) {
        case "counter": return { seconds, rate };
        case "summary": return { seconds, rate, mean: all > 0 ? gain[1] / all : null };
        default: return { seconds, rate, counts };
    }
}
