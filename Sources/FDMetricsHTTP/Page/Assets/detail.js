// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { drawChart } from "./chart.js";
import { element, setText } from "./dom.js";
import { exact, human, stretchText, unitOf } from "./format.js";
import { describeCell, drawHeatmap } from "./heatmap.js";
import { histogramQuantile, sum } from "./quantile.js";
import { heightOf, heightText } from "./rows.js";

/**
 * The details of a row: a large picture and exact numbers. A heat map tells what is in a cell, to the pointer and to the
 * arrow keys.
 */
export class Detail {
    constructor(key) {
        this.key = key;
        this.isVisible = false;
        this.canvas = element("canvas", { class: "chart" });
        this.caption = element("figcaption");
        this.readout = element("p", { class: "readout", "aria-live": "polite" });
        this.figure = element("figure", {}, this.caption, this.canvas, this.readout);
        this.facts = element("dl", { class: "facts" });
        this.help = element("p", { class: "detail-help" });
        this.node = element(
            "tr", { role: "row", class: "detail" },
            element(
                "td", { role: "cell", colspan: 8 },
                this.help, element("div", { class: "detail-body" }, this.figure, this.facts)));
        this.node.row = this;
        /** What the pointer or the keys are on: how many columns before the last one, and the bucket. */
        this.cursor = null;
        this.canvas.addEventListener("pointermove", (event) => this.#point(event));
        this.canvas.addEventListener("pointerleave", () => this.#moveTo(null));
        this.canvas.addEventListener("keydown", (event) => this.#step(event));
    }

    /** @param {import("./history.js").Track[]} tracks one of the row, or those of a family's series */
    update(family, labels, values, tracks) {
        this.family = family;
        this.values = values;
        this.tracks = tracks.filter((track) => track !== undefined);
        setText(this.help, family.help);
        this.figure.hidden = family.type === "info" || family.type === "stateset";
        this.canvas.setAttribute("role", family.type === "histogram" ? "application" : "img");
        if (family.type === "histogram") this.canvas.tabIndex = 0;
        this.canvas.setAttribute("aria-label", family.type === "histogram"
            ? `Heat map of ${family.name}; arrow keys tell what is in a cell` : `Line chart of ${family.name}`);
        const facts = factsOf(family, values, this.tracks.length === 1 ? this.tracks[0].points : []);
        const text = JSON.stringify(facts);
        if (text === this.shownFacts) return;
        this.shownFacts = text;
        this.facts.replaceChildren(...facts.flatMap(([name, value, kind]) => [
            element("dt", { text: name, class: kind }), element("dd", { text: value })]));
    }

    /** Draws the picture; nothing while it is out of sight. */
    draw(window) {
        if (!this.isVisible || !this.family || this.figure.hidden) return;
        this.window = window;
        const { family } = this;
        if (family.type === "histogram") {
            const points = this.tracks[0]?.points ?? [];
            this.drawn = drawHeatmap(
                this.canvas, points, family.bounds, window, (value) => human(value, unitOf(family)));
            if (this.caption.childElementCount === 0) this.caption.append(...legend());
            this.#tell();
        } else {
            const lines = this.tracks.map((track) => track.points.map(
                (point) => ({ time: point.time, y: heightOf(family, point) })));
            drawChart(this.canvas, lines, window, (value) => heightText(family, value));
            setText(this.caption, family.type === "gauge" ? "Value" : "Rate");
        }
    }

    #point(event) {
        if (!this.drawn || this.drawn.points.length === 0) return;
        const { box, points, first, last } = this.drawn;
        const time = this.window.start + ((event.offsetX - box.left) / box.width) * this.window.seconds;
        const column = points.findIndex((point) => time > point.time - point.seconds && time <= point.time);
        const bucket = last - Math.floor(((event.offsetY - box.top) / box.height) * (last - first + 1));
        this.#moveTo(column < 0 || bucket < first || bucket > last ? null : { back: points.length - 1 - column, bucket });
    }

    #step(event) {
        const move = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        if (!move || !this.drawn || this.drawn.points.length === 0) return;
        event.preventDefault();
        const { points, first, last } = this.drawn;
        const from = this.cursor ?? { back: -move[0], bucket: first - Math.min(0, move[1]) };
        this.#moveTo({
            back: Math.min(Math.max(0, from.back + move[0]), points.length - 1),
            bucket: Math.min(Math.max(first, from.bucket + move[1]), last),
        });
    }

    #moveTo(cursor) {
        this.cursor = cursor;
        this.#tell();
    }

    #tell() {
        const point = this.cursor && this.drawn ? this.drawn.points.at(-1 - this.cursor.back) : null;
        if (!point) return setText(this.readout, "");
        const { family } = this;
        const passed = this.window.end - point.time;
        const when = passed < 0.05 ? "now" : `${stretchText(passed)} ago`;
        setText(this.readout, `${when}, ${describeCell(point, this.cursor.bucket, family.bounds,
            (value) => human(value, unitOf(family)))} observations in ${human(point.seconds, "seconds")}`);
    }
}

/** What the colours and lines of a heat map mean. */
function legend() {
    return [
        element("span", { class: "legend" }, "few", element("span", { class: "ramp", "aria-hidden": "true" }), "many"),
        ...["p50", "p90", "p99"].map((name) => element("span", { class: `legend key-${name}`, text: name })),
    ];
}

/** Names and texts, and a class for the name. */
function factsOf(family, values, points) {
    const unit = unitOf(family);
    const heights = points.map((point) => heightOf(family, point)).filter(Number.isFinite);
    const facts = [];
    if (values !== null && family.type !== "info" && family.type !== "stateset") {
        if (family.type === "counter") facts.push(["Total", exact(values[0])]);
        if (family.type === "gauge") facts.push(["Value", exact(values[0])]);
        if (family.type === "summary" || family.type === "histogram") {
            const observed = family.type === "summary" ? values[0] : sum(values.slice(0, -1));
            facts.push(["Observations", exact(observed)], ["Sum", human(values.at(-1), unit)]);
            facts.push(["Mean of all", observed > 0 ? human(values.at(-1) / observed, unit) : "\u2013"]);
        }
    }
    if (family.type === "histogram" && points.length > 0) {
        const counts = points.reduce(
            (total, point) => total.map((one, bucket) => one + point.counts[bucket]),
            Array(family.bounds.length + 1).fill(0));
        for (const percent of [50, 90, 95, 99]) {
            const value = histogramQuantile(percent / 100, counts, family.bounds);
            facts.push([`p${percent} in view`, human(value, unit), `key-p${percent}`]);
        }
    }
    if (heights.length > 0) {
        const name = family.type === "gauge" ? "value" : "rate";
        facts.push([`Least ${name}`, heightText(family, Math.min(...heights))]);
        facts.push([`Greatest ${name}`, heightText(family, Math.max(...heights))]);
    }
    if (family.mode) facts.push(["Mode", family.mode]);
    if (family.states) facts.push(["States", family.states.join(", ")]);
    if (family.unit) facts.push(["Unit", family.unit]);
    return facts;
}
