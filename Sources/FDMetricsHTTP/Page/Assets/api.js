// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/** Asking the server: what the page wants to see as a query, and the answer with numbers that are numbers. */

/** The server is given up on after so long. */
const PATIENCE = 15_000;

/** How many series of a family are shown at first, and how many more at a time. */
export const SERIES_STEP = 25;
/** How many of each are shown at first when all families are unfolded. */
export const FEW_SERIES = 10;
/** A filter that leaves no more series than this shows all of them. */
export const UNFOLD_LIMIT = 60;
/** How many families are shown at first, and how many more at a time. */
export const FAMILY_STEP = 100;
/** How many processes are shown at first, and how many more at a time. */
export const PROCESS_STEP = 12;

/**
 * The query of a view.
 *
 * @param {{filter: string, type: string, order: string, isReversed: boolean, families: number, processes: number,
 *     unfolds: boolean, opened: Map<string, number>}} view
 */
export function queryOf(view) {
    const query = new URLSearchParams();
    if (view.filter) query.set("filter", view.filter);
    if (view.type) query.set("type", view.type);
    query.set("order", view.order);
    if (view.isReversed) query.set("reverse", "1");
    query.set("families", view.families);
    query.set("processes", view.processes);
    if (view.filter && view.unfolds) query.set("unfold", UNFOLD_LIMIT);
    for (const [name, count] of view.opened) query.append("open", `${count}:${name}`);
    return query.toString();
}

/**
 * One answer of the server.
 *
 * @throws what fetch does; an Error where the server answers with anything else
 */
export async function fetchStore(view) {
    const response = await fetch(`api/store?${queryOf(view)}`, {
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
    });
    if (!response.ok) throw new Error(`the server answers with ${response.status}`);
    return withNumbers(await response.json());
}

/** JSON has no infinities and no NaN: they come as strings, which only stand where numbers do. */
export function withNumbers(answer) {
    for (const family of answer.families ?? []) {
        for (const name of ["totals", "flow", "bounds"]) if (family[name]) family[name] = family[name].map(number);
        for (const name of ["least", "greatest"]) if (name in family) family[name] = number(family[name]);
        for (const series of family.series) series.values = series.values.map(number);
    }
    return answer;
}

/** A number, or one of the strings "+Inf", "-Inf" and "NaN". */
function number(value) {
    if (value === "+Inf") return Infinity;
    if (value === "-Inf") return -Infinity;
    return Number(value);
}
