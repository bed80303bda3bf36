// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { element, setAttribute, setText } from "./dom.js";
import { count, exact, human, humanRate, moment, unitOf } from "./format.js";
import { drawSmallHeatmap, QUANTILES } from "./heatmap.js";
import { countWidth } from "./history.js";
import { parseLabels } from "./labels.js";
import { histogramQuantile, sum } from "./quantile.js";
import { Sparkline } from "./sparkline.js";

/** The letters of the types, in front of a family's name. */
export const TYPES = {
    counter: "counter", gauge: "gauge", histogram: "histogram", summary: "summary", info: "info", stateset: "state set",
};

/**
 * The number that a line of a family's points shows.
 *
 * @param {import("./history.js").Point} point
 */
export function heightOf(family, point) {
    return family.type === "gauge" ? point.value : point.rate;
}

/** The text of such a number. */
export function heightText(family, value) {
    if (family.type === "gauge") return human(value, unitOf(family));
    return humanRate(value, family.type === "counter" ? unitOf(family) : "none");
}

/**
 * The texts of a row.
 *
 * @param {?number[]} values of a series, or a family's totals; null: there is no one value
 * @param {?import("./history.js").Point} point the latest
 */
export function readingOf(family, values, point) {
    const unit = unitOf(family);
    const reading = { value: "", title: "", rate: "", quantiles: ["", "", ""], isOld: false };
    if (values === null) {
        if (family.type === "gauge" && "least" in family) {
            reading.value = family.least === family.greatest
                ? human(family.least, unit) : `${human(family.least, unit)} \u2026 ${human(family.greatest, unit)}`;
            reading.title = "least and greatest of the series";
        }
        return reading;
    }
    if (countWidth(family) > 0) reading.rate = humanRate(point?.rate ?? null, family.type === "counter" ? unit : "none");
    switch (family.type) {
        case "counter":
        case "gauge":
            reading.value = human(values[0], unit);
            reading.title = unit === "time" ? moment(values[0]) : exact(values[0]);
            break;
        case "stateset":
            reading.value = family.states[values[0]] ?? "?";
            break;
        case "summary": {
            const mean = point?.mean ?? (values[0] > 0 ? values[1] / values[0] : null);
            reading.value = human(values[0]);
            reading.title = `${exact(values[0])} observations`;
            reading.quantiles[0] = mean === null ? "" : `mean ${human(mean, unit)}`;
            reading.isOld = !(point && point.mean !== null);
            break;
        }
        case "histogram": {
            const all = values.slice(0, -1);
            const isNew = point !== null && point !== undefined && sum(point.counts) > 0;
            const counts = isNew ? point.counts : all;
            reading.value = human(sum(all));
            reading.title = `${exact(sum(all))} observations`;
            reading.quantiles = QUANTILES.map((quantile) => {
                const value = histogramQuantile(quantile, counts, family.bounds);
                return value === null ? "" : human(value, unit);
            });
            reading.isOld = !isNew;
            break;
        }
        default: break;
    }
    return reading;
}

/** A row of the table of metrics: a family as a whole, or one of its series. */
export class MetricRow {
    /**
     * @param {string} key
     * @param {boolean} isFamily
     * @param {{onName: function(MetricRow), onTrend: function(MetricRow)}} actions
     */
    constructor(key, isFamily, actions) {
        this.key = key;
        this.isFamily = isFamily;
        this.isVisible = false;
        this.texts = {};
        this.mark = element("span", { class: "mark", "aria-hidden": "true" });
        this.label = element("span", { class: "label" });
        this.button = element("button", { type: "button", class: "disclose" }, this.mark, this.label);
        this.badge = isFamily ? element("span", { class: "badge" }) : null;
        this.help = isFamily ? element("div", { class: "help" }) : null;
        this.pairs = element("span", { class: "pairs" });
        const head = element("div", { class: "name-line" }, this.button, ...(this.badge ? [this.badge, this.pairs] : []));
        this.node = element(
            "tr", { role: "row", class: isFamily ? "family" : "one" },
            element("th", { role: "rowheader", scope: "row", class: "name" }, head, ...(this.help ? [this.help] : [])));
        for (const name of ["series", "value", "rate", "p50", "p90", "p99"]) {
            this.texts[name] = element("td", { role: "cell", class: `number ${name}` });
            this.node.append(this.texts[name]);
        }
        this.trend = element("button", { type: "button", class: "trend-button", title: "Details" });
        this.node.append(element("td", { role: "cell", class: "trend" }, this.trend));
        this.button.addEventListener("click", () => actions.onName(this));
        this.trend.addEventListener("click", () => actions.onTrend(this));
        this.node.row = this;
    }

    /**
     * @param {?string} labels of the series that the row shows; null: of a family with several
     * @param {?number[]} values
     * @param {?import("./history.js").Track} track
     * @param {boolean} isExpanded what the name's button opens
     * @param {boolean} hasDetails
     */
    update(family, labels, values, track, isExpanded, hasDetails) {
        this.family = family;
        this.labels = labels;
        this.values = values;
        this.track = track;
        if (this.isFamily) this.#nameFamily(family, labels);
        else if (this.shownLabels !== labels) this.label.replaceChildren(...labelNodes(labels));
        this.shownLabels = labels;
        setAttribute(this.button, "aria-expanded", isExpanded);
        setAttribute(this.trend, "aria-expanded", hasDetails);
        setAttribute(this.trend, "aria-label", `Details of ${family.name}${labels ?? ""}`);
        const reading = readingOf(family, values, track?.points.at(-1) ?? null);
        setText(this.texts.value, reading.value);
        setAttribute(this.texts.value, "title", reading.title || null);
        setText(this.texts.rate, reading.rate);
        ["p50", "p90", "p99"].forEach((name, index) => setText(this.texts[name], reading.quantiles[index]));
        setAttribute(this.node, "data-old", reading.isOld ? "" : null);
        setAttribute(this.node, "data-type", family.type);
    }

    #nameFamily(family, labels) {
        if (this.shownName !== family.name || this.shownLabels !== labels) {
            setText(this.label, family.name);
            this.pairs.replaceChildren(...labelNodes(labels ?? ""));
            this.shownName = family.name;
        }
        setText(this.badge, TYPES[family.type]);
        setText(this.help, family.help);
        setAttribute(this.help, "title", family.help);
        const isPart = family.matched_count < family.series_count;
        setText(
            this.texts.series,
            `${isPart ? `${family.matched_count.toLocaleString("en-US")} of ` : ""}${family.series_count.toLocaleString("en-US")}`);
        setAttribute(this.texts.series, "title", isPart ? "match the filter" : count(family.series_count, "series", "series"));
    }

    /** Draws the trend; nothing while the row is out of sight. */
    draw(window) {
        if (!this.isVisible || !this.family) return;
        const points = this.track?.points ?? [];
        if (this.family.type === "histogram") {
            if (!this.canvas) {
                this.canvas = element("canvas", { class: "spark", role: "img", "aria-label": "heat map" });
                this.trend.replaceChildren(this.canvas);
            }
            drawSmallHeatmap(this.canvas, points, this.family.bounds, window);
        } else if (points.length > 0) {
            if (!this.spark) {
                this.spark = new Sparkline();
                this.trend.replaceChildren(this.spark.node);
            }
            const line = points.map((point) => ({ time: point.time, y: heightOf(this.family, point) }));
            this.spark.update(line, window, (value) => heightText(this.family, value));
        }
    }
}

/** Labels as nodes: name, equals sign, value. */
export function labelNodes(labels) {
    return parseLabels(labels).map(([name, value]) => element(
        "span", { class: "pair" },
        element("span", { class: "pair-name", text: name }),
        element("span", { class: "pair-value", text: value === "" ? "\u2205" : value })));
}
