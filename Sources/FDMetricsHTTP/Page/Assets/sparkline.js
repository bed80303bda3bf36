// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { setAttribute, svg } from "./dom.js";

const WIDTH = 160;
const HEIGHT = 28;

/** A small line of numbers over time, as an image in a row. */
export class Sparkline {
    constructor() {
        this.area = svg("path", { class: "spark-area" });
        this.line = svg("path", { class: "spark-line" });
        this.dot = svg("circle", { class: "spark-dot", r: 2, visibility: "hidden" });
        this.node = svg(
            "svg",
            { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
            this.area, this.line, this.dot);
    }

    /**
     * @param {{time: number, y: ?number}[]} points
     * @param {{start: number, end: number, seconds: number}} window
     * @param {(value: number) => string} label what a value is called
     */
    update(points, window, label) {
        const shown = points.filter((point) => point.time >= window.start && Number.isFinite(point.y));
        setAttribute(this.dot, "visibility", shown.length > 0 ? "visible" : "hidden");
        if (shown.length === 0) {
            setAttribute(this.line, "d", "");
            setAttribute(this.area, "d", "");
            setAttribute(this.node, "aria-label", "no points yet");
            return;
        }
        const values = shown.map((point) => point.y);
        const most = Math.max(...values);
        const least = Math.min(...values);
        // In parts of the greatest, or the differences of the greatest numbers that there are would be infinite.
        const unit = Math.max(Math.abs(most), Math.abs(least)) || 1;
        const { low, high } = range(least / unit, most / unit);
        const places = shown.map((point) => {
            const x = ((point.time - window.start) / window.seconds) * (WIDTH - 4);
            const y = HEIGHT - 3 - ((point.y / unit - low) / (high - low)) * (HEIGHT - 6);
            return `${x.toFixed(1)} ${y.toFixed(1)}`;
        });
        const [lastX, lastY] = places.at(-1).split(" ");
        const firstX = places[0].split(" ")[0];
        setAttribute(this.line, "d", `M${places.join("L")}`);
        setAttribute(this.area, "d", `M${firstX} ${HEIGHT}L${places.join("L")}L${lastX} ${HEIGHT}Z`);
        setAttribute(this.dot, "cx", lastX);
        setAttribute(this.dot, "cy", lastY);
        setAttribute(
            this.node, "aria-label", `now ${label(values.at(-1))}, between ${label(least)} and ${label(most)}`);
    }
}

/** From 0 to the greatest; where all lie close together, around them; a line that does not change stands low. */
function range(least, most) {
    if (least === most) return least === 0 ? { low: 0, high: 1 } : { low: Math.min(0, least * 2), high: Math.max(0, least * 2) };
    if (least >= 0 && least < most * 0.75) return { low: 0, high: most };
    return { low: least - (most - least) * 0.15, high: most };
}
