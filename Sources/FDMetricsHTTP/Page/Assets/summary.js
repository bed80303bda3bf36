// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { byId, element, setAttribute, setText } from "./dom.js";
import { count, exact, human, moment, span } from "./format.js";

/** The tiles: the store's own figures. Each gives a number, a line below it, and whether something is wrong. */
const TILES = {
    Processes: ({ processes }) => ({
        text: `${processes.live}`, unit: "live", more: processes.dead > 0 ? `${processes.dead} dead` : "none dead",
        state: processes.live === 0 ? "warning" : "good",
    }),
    Series: ({ store }) => ({
        text: human(store.series), unit: "", title: exact(store.series),
        more: `${count(store.families, "family", "families")}`
            + (store.removed_series > 0 ? `, ${exact(store.removed_series)} removed` : ""),
    }),
    Store: ({ store }) => ({
        text: human(store.reserved_bytes, "bytes"), unit: "",
        more: `${count(store.segments, "segment", "segments")}, ${count(store.lanes, "lane", "lanes")}`,
    }),
    Refused: ({ store }) => {
        const refused = store.dropped_no_space + store.dropped_series_limit + store.conflicts;
        const reasons = [
            [store.dropped_no_space, "no space"], [store.dropped_series_limit, "series limit"],
            [store.conflicts, "conflicting"],
        ].filter(([number]) => number > 0).map(([number, reason]) => `${exact(number)} ${reason}`);
        return {
            text: human(refused), unit: "", title: exact(refused), more: refused > 0 ? reasons.join(", ") : "registrations",
            state: refused > 0 ? "bad" : "good",
        };
    },
    Damaged: ({ store }) => ({
        text: human(store.damaged_records), unit: "", title: exact(store.damaged_records), more: "records",
        state: store.damaged_records > 0 ? "bad" : "good",
    }),
    Age: ({ store, now }) => ({
        text: span(now - store.created), unit: "", more: `read in ${human(store.sample_seconds, "seconds")}`,
        title: `made ${moment(store.created)}`,
    }),
};

/** The store's own figures at the top of the page. */
export class Summary {
    constructor() {
        this.tiles = new Map(Object.keys(TILES).map((name) => {
            const number = element("span", { class: "tile-number" });
            const unit = element("span", { class: "tile-unit" });
            const more = element("span", { class: "tile-more" });
            const node = element(
                "div", { class: "tile", "data-tile": name.toLowerCase() },
                element("dt", { text: name }), element("dd", {}, number, " ", unit, more));
            byId("tiles").append(node);
            return [name, { node, number, unit, more }];
        }));
    }

    /** Shows an answer. */
    update(answer) {
        for (const [name, tile] of this.tiles) {
            const { text, unit, more, state, title } = TILES[name](answer);
            setText(tile.number, text);
            setText(tile.unit, unit);
            setText(tile.more, more);
            setAttribute(tile.node, "data-state", state ?? null);
            setAttribute(tile.node, "title", title ?? null);
        }
        setText(byId("directory"), answer.directory);
        setText(byId("version"), `fdmetrics ${answer.version}`);
        document.title = `${answer.directory.split("/").at(-1)} \u00b7 fdmetrics`;
    }
}
