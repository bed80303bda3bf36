// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { FAMILY_STEP, PROCESS_STEP, SERIES_STEP } from "./api.js";

/**
 * What a person has chosen to see. Filter, type and order stand in the page's address, so that a reload keeps them and
 * a link leads to the same view; theme and interval are kept by the browser, for all stores.
 */
export class View {
    constructor() {
        const address = new URLSearchParams(location.hash.slice(1));
        this.filter = address.get("filter") ?? "";
        this.type = address.get("type") ?? "";
        this.order = address.get("order") ?? "name";
        this.isReversed = address.get("reverse") === "1";
        this.families = FAMILY_STEP;
        this.processes = PROCESS_STEP;
        /** @type {Map<string, number>} how many series of each unfolded family are wanted */
        this.opened = new Map();
        /** Families that were folded although a filter unfolds them. */
        this.closed = new Set();
        /** Rows whose details are shown, by key. */
        this.details = new Set();
        this.unfolds = true;
    }

    /** Puts what is to be kept into the address. It makes no new step of the browser's history. */
    remember() {
        const address = new URLSearchParams();
        if (this.filter) address.set("filter", this.filter);
        if (this.type) address.set("type", this.type);
        if (this.order !== "name") address.set("order", this.order);
        if (this.isReversed) address.set("reverse", "1");
        history.replaceState(null, "", address.size > 0 ? `#${address}` : location.pathname + location.search);
    }

    /** Another filter: what was folded by hand may be unfolded by it again. */
    setFilter(filter) {
        this.filter = filter.trim();
        this.closed.clear();
        this.families = FAMILY_STEP;
        this.remember();
    }

    /** A type, or all types where it is that type already. */
    setType(type) {
        this.type = this.type === type ? "" : type;
        this.families = FAMILY_STEP;
        this.remember();
    }

    /** An order; the one that is on is turned round. */
    setOrder(order) {
        this.isReversed = this.order === order ? !this.isReversed : false;
        this.order = order;
        this.remember();
    }

    /** Unfolds these families, or where there are none, folds all. */
    setOpened(names, count) {
        this.opened = new Map(names.map((name) => [name, count]));
        this.closed.clear();
    }

    /** Folds a family, or unfolds it. */
    toggleFamily(name, isOpen) {
        if (isOpen) {
            this.opened.delete(name);
            this.closed.add(name);
        } else {
            this.closed.delete(name);
            this.opened.set(name, SERIES_STEP);
        }
    }

    /** Whether a family's series are to be seen. */
    isOpen(family) {
        if (family.series_count < 2 || this.closed.has(family.name)) return false;
        return this.opened.has(family.name) || (this.filter !== "" && family.series.length > 0);
    }

    /** Shows a row's details, or hides them. */
    toggleDetails(key) {
        if (!this.details.delete(key)) this.details.add(key);
    }
}

/** A setting that the browser keeps, if it is allowed to. */
export function setting(name, otherwise) {
    try {
        return localStorage.getItem(`fdmetrics.${name}`) ?? otherwise;
    } catch {
        return otherwise;
    }
}

/** Keeps a setting. */
export function keep(name, value) {
    try {
        localStorage.setItem(`fdmetrics.${name}`, value);
    } catch {
        // It holds for this page, then.
    }
}

/** Puts a theme on: "light", "dark", or "auto" for the one of the system. */
export function setTheme(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
}
