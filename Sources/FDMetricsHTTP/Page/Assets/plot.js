// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { stretchText } from "./format.js";

/** What the line chart and the heat map share: a canvas in the pixels of the screen, the colours of the theme, axes. */

const MARGIN = { left: 64, right: 10, top: 8, bottom: 22 };

/** The colours of the theme that is on, by the names of the custom properties in base.css without their dashes. */
export function colours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
        text: colour("muted"),
        line: colour("border"),
        accent: colour("accent"),
        quantiles: [colour("p50"), colour("p90"), colour("p99")],
        heat: [0, 1, 2, 3, 4].map((step) => colour(`heat-${step}`)),
    };
}

/**
 * Makes a canvas fit its place and the screen, and empties it.
 *
 * @returns {?{context: CanvasRenderingContext2D, width: number, height: number}} in CSS pixels; null: it is not shown
 */
export function prepare(canvas) {
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (width === 0 || height === 0) return null;
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
}

/** Where in a canvas of a size the numbers are drawn. */
export function frame({ width, height }) {
    return {
        left: MARGIN.left,
        top: MARGIN.top,
        width: Math.max(1, width - MARGIN.left - MARGIN.right),
        height: Math.max(1, height - MARGIN.top - MARGIN.bottom),
    };
}

/**
 * The stretch of time that is drawn, in seconds of the server's clock.
 *
 * @param {number} end when the latest answer was
 * @param {number} seconds how long it is
 */
export function stretch(end, seconds) {
    return { start: end - seconds, end, seconds };
}

/** Where a time stands, in pixels. */
export function xOf(time, box, window) {
    return box.left + ((time - window.start) / window.seconds) * box.width;
}

/** Draws how long ago the times at the lower edge were. */
export function drawTimes(context, box, window, palette) {
    context.fillStyle = palette.text;
    context.font = font();
    context.textBaseline = "top";
    const steps = box.width < 320 ? 2 : 4;
    for (let step = 0; step <= steps; step += 1) {
        const passed = window.seconds * (1 - step / steps);
        context.textAlign = step === 0 ? "left" : step === steps ? "right" : "center";
        const text = passed < 0.5 ? "now" : `\u2212${stretchText(passed)}`;
        context.fillText(text, box.left + (box.width * step) / steps, box.top + box.height + 6);
    }
}

/** Draws what stands for a height, at the left edge, and a line if it is asked for. */
export function drawHeight(context, box, y, text, palette, withLine) {
    if (withLine) {
        context.strokeStyle = palette.line;
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(box.left, Math.round(y) + 0.5);
        context.lineTo(box.left + box.width, Math.round(y) + 0.5);
        context.stroke();
    }
    context.fillStyle = palette.text;
    context.font = font();
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(text, box.left - 8, y);
}

function font() {
    return `11px ${getComputedStyle(document.body).fontFamily}`;
}
