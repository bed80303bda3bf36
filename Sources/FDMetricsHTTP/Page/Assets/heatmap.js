// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { colours, drawHeight, drawTimes, frame, prepare, xOf } from "./plot.js";
import { histogramQuantile, sum } from "./quantile.js";

/** A histogram over time: a column for each interval, a row for each bucket, the darker the more came into it. */

export const QUANTILES = [0.5, 0.9, 0.99];

/**
 * The buckets that are drawn: those that anything came into, and one more on each side. Of bucket `index` the upper
 * bound is `bounds[index]`.
 *
 * @param {import("./history.js").Point[]} points
 * @returns {{first: number, last: number}}
 */
export function shownBuckets(points, bucketCount) {
    const used = [];
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
        if (points.some((point) => point.counts[bucket] > 0)) used.push(bucket);
    }
    if (used.length === 0) return { first: 0, last: bucketCount - 1 };
    return { first: Math.max(0, used[0] - 1), last: Math.min(bucketCount - 1, used.at(-1) + 1) };
}

/** A bucket's lower and upper bound; the lowest begins at 0 unless its bound is below that. */
export function boundsOf(bucket, bounds) {
    const lower = bucket > 0 ? bounds[bucket - 1] : bounds.length > 0 && bounds[0] <= 0 ? -Infinity : 0;
    return { lower, upper: bucket < bounds.length ? bounds[bucket] : Infinity };
}

/** How strong a colour is, from 0 to 1: the square root shows few observations beside many. */
function strength(count, seconds, most) {
    return most > 0 ? Math.sqrt(count / seconds / most) : 0;
}

/** The most observations in a second that came into any bucket. */
function mostOf(points) {
    return Math.max(0, ...points.map((point) => Math.max(...point.counts) / point.seconds));
}

/** A mix of the theme's steps of heat. */
function ramp(steps) {
    const parsed = steps.map((text) => [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16)));
    return (share) => {
        const place = Math.min(share, 1) * (parsed.length - 1);
        const below = Math.min(Math.floor(place), parsed.length - 2);
        const mixed = parsed[below].map((from, at) => from + (parsed[below + 1][at] - from) * (place - below));
        return `rgb(${mixed.map(Math.round).join(" ")})`;
    };
}

/**
 * Draws the cells, and a line for each quantile.
 *
 * @returns {{cells: number}} how many cells are not empty
 */
function drawCells(context, box, points, bounds, window, palette, withLines) {
    const { first, last } = shownBuckets(points, bounds.length + 1);
    const rows = last - first + 1;
    const height = box.height / rows;
    const most = mostOf(points);
    const colour = ramp(palette.heat);
    let cells = 0;
    for (const point of points) {
        const left = Math.max(box.left, xOf(point.time - point.seconds, box, window));
        const right = xOf(point.time, box, window);
        for (let bucket = first; bucket <= last; bucket += 1) {
            if (!(point.counts[bucket] > 0)) continue;
            cells += 1;
            context.fillStyle = colour(strength(point.counts[bucket], point.seconds, most));
            const top = box.top + (last - bucket) * height;
            context.fillRect(left, top, Math.max(1, right - left - 0.5), Math.max(1, height - 0.5));
        }
    }
    const yOf = (value) => {
        let bucket = first;
        while (bucket < last && value > boundsOf(bucket, bounds).upper) bucket += 1;
        const { lower, upper } = boundsOf(bucket, bounds);
        const share = Number.isFinite(upper - lower) ? (value - lower) / (upper - lower) : 0;
        return box.top + (last - bucket + 1 - Math.min(Math.max(share, 0), 1)) * height;
    };
    if (withLines) {
        QUANTILES.forEach((quantile, index) => {
            context.strokeStyle = palette.quantiles[index];
            context.lineWidth = 1.75;
            context.lineJoin = "round";
            context.beginPath();
            let isDrawing = false;
            for (const point of points) {
                const value = histogramQuantile(quantile, point.counts, bounds);
                if (value === null) {
                    isDrawing = false;
                    continue;
                }
                const x = xOf(point.time - point.seconds / 2, box, window);
                if (isDrawing) context.lineTo(x, yOf(value));
                else context.moveTo(x, yOf(value));
                isDrawing = true;
            }
            context.stroke();
        });
    }
    return { cells, first, last, height };
}

/** The small picture in a row: cells alone. */
export function drawSmallHeatmap(canvas, points, bounds, window) {
    const area = prepare(canvas);
    if (area === null) return;
    const box = { left: 0, top: 0, width: area.width, height: area.height };
    drawCells(area.context, box, inside(points, window), bounds, window, colours(), false);
}

/**
 * The large one, with axes and quantiles.
 *
 * @param {(value: number) => string} label the text of a bound
 * @returns {?{box: object, points: object[], first: number, last: number}} where what is; null: it is not shown
 */
export function drawHeatmap(canvas, points, bounds, window, label) {
    const area = prepare(canvas);
    if (area === null) return null;
    const palette = colours();
    const box = frame(area);
    const shown = inside(points, window);
    const drawn = drawCells(area.context, box, shown, bounds, window, palette, true);
    const every = Math.max(1, Math.ceil(16 / drawn.height));
    for (let bucket = drawn.first; bucket <= drawn.last; bucket += 1) {
        if ((drawn.last - bucket) % every !== 0) continue;
        const top = box.top + (drawn.last - bucket) * drawn.height;
        const text = bucket < bounds.length ? label(bounds[bucket]) : "+Inf";
        drawHeight(area.context, box, Math.max(top, 6), text, palette, false);
    }
    drawTimes(area.context, box, window, palette);
    return { box, points: shown, first: drawn.first, last: drawn.last };
}

/** Of a histogram's points those that begin in the window. */
function inside(points, window) {
    return points.filter((point) => point.time > window.start && point.counts);
}

/**
 * What an interval saw, as a text.
 *
 * @param {import("./history.js").Point} point
 * @param {number} bucket
 */
export function describeCell(point, bucket, bounds, label) {
    const { lower, upper } = boundsOf(bucket, bounds);
    const range = upper === Infinity ? `above ${label(lower)}` : `${label(lower)} to ${label(upper)}`;
    const count = point.counts[bucket];
    return `${range}: ${count.toLocaleString("en-US")} of ${sum(point.counts).toLocaleString("en-US")}`;
}
