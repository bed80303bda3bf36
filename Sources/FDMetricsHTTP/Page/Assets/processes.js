// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { PROCESS_STEP } from "./api.js";
import { arrange, byId, element, setAttribute, setText } from "./dom.js";
import { count, human, moment, span } from "./format.js";
import { POINTS } from "./history.js";
import { Sparkline } from "./sparkline.js";

/** The columns: class, title, whether numbers stand in it, what a process is ordered by, and its text. */
const COLUMNS = [
    { name: "state", title: "State", key: (one) => one.state, text: (one) => one.state },
    { name: "pid", title: "PID", isNumber: true, key: (one) => one.pid, text: (one) => String(one.pid) },
    { name: "slot", title: "Slot", isNumber: true, key: (one) => one.slot, text: (one) => String(one.slot) },
    { name: "process", title: "Name", key: (one) => one.name, text: (one) => one.name || "\u2013" },
    {
        name: "started", title: "Running for", isNumber: true, key: (one) => -one.started,
        text: (one, now) => (one.state === "dead" ? "\u2013" : span(now - one.started)),
    },
    {
        name: "threads", title: "Threads", isNumber: true, key: (one) => one.threads ?? -1,
        text: (one) => human(one.threads),
    },
    {
        name: "memory", title: "Memory", isNumber: true, key: (one) => one.resident_bytes ?? -1,
        text: (one) => human(one.resident_bytes, "bytes"),
    },
    {
        name: "cpu", title: "CPU", isNumber: true, key: (one) => one.cpu ?? -1,
        text: (one) => (one.cpu === null ? "\u2013" : `${one.cpu.toFixed(1)}\u202f%`),
    },
];

/** The kernel counts CPU time in hundredths of a second: over less than this many seconds a share would only flicker. */
const STEADY = 2;

/** The table of processes that hold, or held, a slot of the store. */
export class ProcessTable {
    /**
     * @param {import("./view.js").View} view
     * @param {function(boolean)} onChange called when something else is to be seen; true: the server must be asked
     */
    constructor(view, onChange) {
        this.rows = new Map();
        this.order = "slot";
        this.isReversed = false;
        const head = byId("processes").tHead.rows[0];
        this.heads = COLUMNS.map((column) => this.#head(column));
        head.append(...this.heads, element("th", { role: "columnheader", scope: "col", class: "trend", text: "CPU trend" }));
        this.body = byId("processes").tBodies[0];
        this.more = byId("more-processes");
        this.more.addEventListener("click", () => {
            view.processes += PROCESS_STEP;
            onChange(true);
        });
    }

    /** Forgets what was measured: it was of another store. */
    clear() {
        this.rows.clear();
    }

    /** Shows an answer. */
    update(answer, window) {
        const { live, dead, shown } = answer.processes;
        this.shown = shown.map((one) => ({ ...one, cpu: this.#measure(one, answer.time) }));
        this.now = answer.now;
        this.window = window;
        for (const key of this.rows.keys()) {
            if (!shown.some((one) => keyOf(one) === key)) this.rows.delete(key);
        }
        setText(byId("process-count"), `${live} live, ${dead} dead`);
        this.more.hidden = live + dead <= shown.length;
        setText(this.more, `Show more (${count(live + dead - shown.length, "process is", "processes are")} not shown)`);
        this.#arrange();
    }

    #arrange() {
        const column = COLUMNS.find((one) => one.name === this.order);
        const sign = this.isReversed ? -1 : 1;
        const ordered = this.shown.toSorted((one, other) => {
            // The dead stand below the living in any order.
            if ((one.state === "dead") !== (other.state === "dead")) return one.state === "dead" ? 1 : -1;
            const [a, b] = [column.key(one), column.key(other)];
            return (a < b ? -1 : a > b ? 1 : one.slot - other.slot) * sign;
        });
        for (const head of this.heads) {
            const isOn = head.dataset.order === this.order;
            setAttribute(head, "aria-sort", isOn ? (this.isReversed ? "descending" : "ascending") : null);
        }
        arrange(this.body, ordered.map((one) => this.#row(one)));
    }

    #row(one) {
        const row = this.rows.get(keyOf(one));
        if (!row.node) {
            row.cells = COLUMNS.map((column) => element(
                column.name === "pid" ? "th" : "td",
                { role: column.name === "pid" ? "rowheader" : "cell", class: `${column.isNumber ? "number " : ""}${column.name}` }));
            row.cells[0].append(element("span", { class: "state-dot", "aria-hidden": "true" }), element("span"));
            row.spark = new Sparkline();
            row.node = element(
                "tr", { role: "row", class: "process" }, ...row.cells,
                element("td", { role: "cell", class: "trend" }, row.spark.node));
        }
        setAttribute(row.node, "data-state", one.state);
        COLUMNS.forEach((column, index) => {
            const cell = index === 0 ? row.cells[0].lastChild : row.cells[index];
            setText(cell, column.text(one, this.now));
        });
        setAttribute(row.cells[3], "title", one.command === one.name ? null : one.command);
        setAttribute(row.cells[4], "title", `since ${moment(one.started)}`);
        row.spark.update(row.points, this.window, (value) => `${value.toFixed(1)} %`);
        return row.node;
    }

    /** The share of one processor in the last seconds, in percent; null: not to be known. */
    #measure(one, time) {
        let row = this.rows.get(keyOf(one));
        if (!row) {
            row = { points: [], cpu: null, readings: [] };
            this.rows.set(keyOf(one), row);
        }
        if (one.cpu_seconds === null) {
            row.readings = [];
            row.cpu = null;
        } else if (row.readings.length === 0 || time > row.readings.at(-1).time) {
            row.readings.push({ time, seconds: one.cpu_seconds });
            while (row.readings.length > 2 && row.readings[1].time <= time - STEADY) row.readings.shift();
            const before = row.readings[0];
            if (before.time < time) {
                row.cpu = Math.max(0, (one.cpu_seconds - before.seconds) / (time - before.time)) * 100;
                row.points.push({ time, y: row.cpu });
                if (row.points.length > POINTS) row.points.shift();
            }
        }
        return row.cpu;
    }

    #head(column) {
        const button = element("button", { type: "button", class: "sort", text: column.title });
        button.addEventListener("click", () => {
            const isNumber = column.isNumber && column.name !== "pid" && column.name !== "slot";
            this.isReversed = this.order === column.name ? !this.isReversed : Boolean(isNumber);
            this.order = column.name;
            if (this.shown) this.#arrange();
        });
        return element(
            "th",
            {
                role: "columnheader", scope: "col", "data-order": column.name,
                class: `${column.isNumber ? "number " : ""}${column.name}`,
            }, button);
    }
}

/** A holder of a slot: the next one has another generation. */
function keyOf(one) {
    return `${one.slot}/${one.generation}`;
}
