// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { colours, drawHeight, drawTimes, frame, prepare, xOf } from "./plot.js";

/**
 * A line chart of one or several series over time.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{time: number, y: ?number}[][]} lines
 * @param {{start: number, end: number, seconds: number}} window
 * @param {(value: number) => string} label the text of a height
 */
export function drawChart(canvas, lines, window, label) {
    const area = prepare(canvas);
    if (area === null) return;
    const palette = colours();
    const box = frame(area);
    const { context } = area;
    const shown = lines.map((line) => line.filter((point) => point.time >= window.start));
    const scale = scaleOf(shown.flat().map((point) => point.y).filter(Number.isFinite));
    const yOf = (value) => box.top + box.height * (1 - (value - scale.low) / (scale.high - scale.low));
    for (let value = scale.low; value <= scale.high * (1 + 1e-9); value += scale.step) {
        drawHeight(context, box, yOf(value), label(Math.abs(value) < scale.step * 1e-6 ? 0 : value), palette, true);
    }
    drawTimes(context, box, window, palette);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top - 2, box.width, box.height + 4);
    context.clip();
    for (const line of shown) {
        const points = line.filter((point) => Number.isFinite(point.y));
        if (points.length === 0) continue;
        context.strokeStyle = palette.accent;
        context.globalAlpha = shown.length > 1 ? 0.7 : 1;
        context.lineWidth = 1.75;
        context.lineJoin = "round";
        context.beginPath();
        for (const point of points) context.lineTo(xOf(point.time, box, window), yOf(point.y));
        context.stroke();
        if (shown.length === 1) {
            context.lineTo(xOf(points.at(-1).time, box, window), box.top + box.height);
            context.lineTo(xOf(points[0].time, box, window), box.top + box.height);
            context.globalAlpha = 0.12;
            context.fillStyle = palette.accent;
            context.fill();
        }
    }
    context.restore();
}

/**
 * A scale of round steps that has room for all values, and begins at 0 where they are not far from it.
 *
 * @param {number[]} values finite
 */
export function scaleOf(values) {
    let low = values.length > 0 ? Math.min(...values) : 0;
    let high = values.length > 0 ? Math.max(...values) : 1;
    if (low > 0 && low < high * 0.75) low = 0;
    if (low === high) {
        if (low > 0) low = 0;
        else high = low === 0 ? 1 : 0;
    }
    const rough = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
    return { low, high, step };
}
