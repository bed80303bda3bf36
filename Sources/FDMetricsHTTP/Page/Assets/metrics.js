// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { FAMILY_STEP, SERIES_STEP } from "./api.js";
import { Detail } from "./detail.js";
import { arrange, byId, element, setAttribute, setText } from "./dom.js";
import { count } from "./format.js";
import { MetricRow, TYPES } from "./rows.js";

/** How many lines a chart has that shows several series. */
const CHART_LINES = 20;

/**
 * The table of families and series. Rows are kept from one answer to the next, by key; those out of sight draw nothing.
 */
export class MetricsTable {
    /**
     * @param {import("./view.js").View} view
     * @param {import("./history.js").History} history
     * @param {function(boolean)} onChange called when something else is to be seen; true: the server must be asked
     */
    constructor(view, history, onChange) {
        this.view = view;
        this.history = history;
        this.onChange = onChange;
        this.table = byId("metrics");
        this.rows = new Map();
        this.bodies = new Map();
        this.window = null;
        this.seen = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "200px" });
        this.actions = { onName: (row) => this.#press(row), onTrend: (row) => this.#toggleDetails(row.key) };
        this.more = byId("more-families");
        this.more.addEventListener("click", () => {
            view.families += FAMILY_STEP;
            onChange(true);
        });
        this.types = this.#makeTypes();
        this.heads = this.#makeHeads();
    }

    /** Shows an answer. */
    update(answer, window) {
        this.window = window;
        this.used = new Set();
        const bodies = answer.families.map((family) => this.#body(family));
        arrange(this.table, bodies, 1);
        for (const [key, row] of this.rows) {
            if (this.used.has(key)) continue;
            this.seen.unobserve(row.node);
            this.rows.delete(key);
        }
        for (const [name, body] of this.bodies) if (!body.isConnected) this.bodies.delete(name);
        const { families, series } = answer.matched;
        setText(byId("matched"), `${count(families, "family", "families")}, ${count(series, "series", "series")}`);
        byId("no-match").hidden = families > 0;
        this.more.hidden = families <= answer.families.length;
        setText(this.more, `Show more families (${(families - answer.families.length).toLocaleString("en-US")} are not shown)`);
        for (const [type, button] of this.types) {
            setText(button.lastChild, String(answer.types[type]));
            setAttribute(button, "aria-pressed", this.view.type === type);
            button.hidden = answer.types[type] === 0 && this.view.type !== type;
        }
        this.showOrder();
        this.draw();
    }

    /** Draws the pictures again: in other colours, or another size. */
    draw() {
        if (this.window) for (const row of this.rows.values()) row.draw(this.window);
    }

    /** Marks the column that the table is ordered by. */
    showOrder() {
        for (const head of this.heads) {
            const isOn = head.dataset.order === this.view.order;
            const isAscending = (this.view.order === "name") !== this.view.isReversed;
            setAttribute(head, "aria-sort", isOn ? (isAscending ? "ascending" : "descending") : null);
        }
        byId("order").value = this.view.order;
    }

    /** The rows of a family. */
    #body(family) {
        const isOpen = this.view.isOpen(family);
        // A single series stands for its family.
        const stands = family.series_count === 1 ? family.series[0] : undefined;
        const rows = [];
        const track = stands ? this.history.series(family.name, stands.labels) : this.history.family(family.name);
        const values = stands ? stands.values : family.totals ?? null;
        const row = this.#row(family.name, () => new MetricRow(family.name, true, this.actions));
        const hasDetails = this.view.details.has(family.name);
        row.update(family, stands ? stands.labels : null, values, track, family.series_count > 1 ? isOpen : hasDetails, hasDetails);
        setAttribute(row.node, "data-many", family.series_count > 1 ? "" : null);
        rows.push(row.node);
        if (hasDetails) {
            const tracks = track ? [track] : family.series.slice(0, CHART_LINES).map(
                (one) => this.history.series(family.name, one.labels));
            rows.push(this.#detail(family.name, family, stands ? stands.labels : null, values, tracks));
        }
        if (isOpen) for (const one of family.series) rows.push(...this.#seriesRows(family, one));
        if (isOpen && family.series.length < family.matched_count) rows.push(this.#moreRow(family));
        let body = this.bodies.get(family.name);
        if (!body) {
            body = element("tbody", { role: "rowgroup" });
            this.bodies.set(family.name, body);
        }
        arrange(body, rows);
        return body;
    }

    #seriesRows(family, one) {
        const key = `${family.name}\n${one.labels}`;
        const track = this.history.series(family.name, one.labels);
        const row = this.#row(key, () => new MetricRow(key, false, this.actions));
        const hasDetails = this.view.details.has(key);
        row.update(family, one.labels, one.values, track, hasDetails, hasDetails);
        return hasDetails ? [row.node, this.#detail(key, family, one.labels, one.values, [track])] : [row.node];
    }

    #detail(key, family, labels, values, tracks) {
        const detail = this.#row(`${key}\ndetail`, () => new Detail(key));
        detail.update(family, labels, values, tracks);
        return detail.node;
    }

    #moreRow(family) {
        const key = `${family.name}\nmore`;
        const row = this.#row(key, () => {
            const button = element("button", { type: "button", class: "quiet" });
            button.addEventListener("click", () => {
                this.view.opened.set(family.name, button.shown + 4 * SERIES_STEP);
                this.onChange(true);
            });
            const cell = element("td", { role: "cell", colspan: 8 }, button);
            return { node: element("tr", { role: "row", class: "more-row" }, cell), button, draw() {} };
        });
        row.button.shown = family.series.length;
        const left = family.matched_count - family.series.length;
        setText(row.button, `Show more of ${family.name} (${left.toLocaleString("en-US")} series are not shown)`);
        return row.node;
    }

    #row(key, make) {
        let row = this.rows.get(key);
        if (!row) {
            row = make();
            row.node.row = row;
            this.rows.set(key, row);
            this.seen.observe(row.node);
        }
        this.used.add(key);
        return row;
    }

    #see(entries) {
        for (const entry of entries) {
            const { row } = entry.target;
            row.isVisible = entry.isIntersecting;
            if (this.window) row.draw(this.window);
        }
    }

    /** A family's name shows its series; that of a single one its details. */
    #press(row) {
        if (!row.isFamily || row.family.series_count < 2) return this.#toggleDetails(row.key);
        this.view.toggleFamily(row.key, this.view.isOpen(row.family));
        this.onChange(true);
    }

    #toggleDetails(key) {
        this.view.toggleDetails(key);
        this.onChange(false);
    }

    #makeTypes() {
        return Object.entries(TYPES).map(([type, name]) => {
            const button = element(
                "button", { type: "button", class: "chip", "data-type": type, "aria-pressed": "false" }, `${name} `,
                element("span", { class: "chip-count" }));
            button.addEventListener("click", () => {
                this.view.setType(type);
                this.onChange(true);
            });
            byId("types").append(button);
            return [type, button];
        });
    }

    #makeHeads() {
        const heads = Array.from(this.table.querySelectorAll("th[data-order]"));
        for (const head of heads) {
            const button = element("button", { type: "button", class: "sort", text: head.textContent });
            button.addEventListener("click", () => {
                this.view.setOrder(head.dataset.order);
                this.onChange(true);
            });
            head.replaceChildren(button);
        }
        return heads;
    }
}
