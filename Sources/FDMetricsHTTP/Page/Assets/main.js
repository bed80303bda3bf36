// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import { fetchStore, FEW_SERIES } from "./api.js";
import { byId, setAttribute, setText } from "./dom.js";
import { stretchText } from "./format.js";
import { History, POINTS } from "./history.js";
import { MetricsTable } from "./metrics.js";
import { stretch } from "./plot.js";
import { ProcessTable } from "./processes.js";
import { Summary } from "./summary.js";
import { keep, setTheme, setting, View } from "./view.js";

/** Asks the server again and again, and has each part of the page show the answer. */

const view = new View();
const history = new History();
const summary = new Summary();
const metrics = new MetricsTable(view, history, changed);
const processes = new ProcessTable(view, changed);

let interval = Number(setting("interval", "2"));
let isPaused = false;
let answer = null;
let timer = null;
let isAsking = false;
let mustAskAgain = false;

/** Asks now, unless an answer is on its way: then once more after it. */
async function ask() {
    clearTimeout(timer);
    if (isAsking) {
        mustAskAgain = true;
        return;
    }
    isAsking = true;
    mustAskAgain = false;
    try {
        take(await fetchStore(view));
    } catch (error) {
        lost("unreachable", `The server does not answer (${error.message}). Trying again.`);
    }
    isAsking = false;
    if (mustAskAgain) ask();
    else if (!isPaused && !document.hidden) timer = setTimeout(ask, interval * 1000);
}

function take(next) {
    if (next.error) return lost("gone", `There is no store: ${next.error}. It is shown as soon as it is there.`);
    if (history.epoch !== null && next.epoch !== history.epoch) processes.clear();
    history.take(next);
    answer = next;
    byId("banner").hidden = true;
    setAttribute(byId("content"), "data-stale", null);
    show();
    tell();
}

function show() {
    if (!answer) return;
    const window = stretch(answer.time, interval * POINTS);
    setText(byId("window"), stretchText(window.seconds));
    summary.update(answer);
    metrics.update(answer, window);
    processes.update(answer, window);
    setText(byId("fold"), view.opened.size > 0 ? "Fold all" : "Unfold all");
}

/** What is on the screen stays there, but marked as old. */
function lost(state, text) {
    setText(byId("banner"), text);
    byId("banner").hidden = false;
    setAttribute(byId("content"), "data-stale", "");
    setAttribute(byId("status"), "data-state", state);
    setText(byId("status"), state === "gone" ? "No store" : "No answer");
}

function tell() {
    const { live, open } = answer.processes;
    const [state, text] = isPaused ? ["paused", "Paused"]
        : live > 0 || open ? ["live", "Live"] : ["deserted", "No live process"];
    setAttribute(byId("status"), "data-state", state);
    setText(byId("status"), text);
}

/** @param {boolean} mustAsk whether what is to be seen has to be fetched */
function changed(mustAsk) {
    if (mustAsk) ask();
    else show();
}

function setPaused(paused) {
    isPaused = paused;
    setAttribute(byId("pause"), "aria-pressed", isPaused);
    setText(byId("pause"), isPaused ? "Go on" : "Pause");
    if (byId("banner").hidden && answer) tell();
    if (isPaused) clearTimeout(timer);
    else ask();
}

function start() {
    const filter = byId("filter");
    filter.value = view.filter;
    let typing = null;
    filter.addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(() => {
            view.setFilter(filter.value);
            ask();
        }, 150);
    });
    byId("order").addEventListener("change", (event) => {
        view.setOrder(event.target.value);
        ask();
    });
    byId("fold").addEventListener("click", () => {
        const several = (answer?.families ?? []).filter((family) => family.series_count > 1);
        view.setOpened(view.opened.size > 0 ? [] : several.map((family) => family.name), FEW_SERIES);
        ask();
    });
    byId("pause").addEventListener("click", () => setPaused(!isPaused));
    byId("interval").value = String(interval);
    byId("interval").addEventListener("change", (event) => {
        interval = Number(event.target.value);
        keep("interval", event.target.value);
        if (isPaused) show();
        else ask();
    });
    const theme = setting("theme", "auto");
    byId("theme").value = theme;
    setTheme(theme);
    byId("theme").addEventListener("change", (event) => {
        setTheme(event.target.value);
        keep("theme", event.target.value);
        metrics.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => metrics.draw());
    addEventListener("resize", () => metrics.draw());
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden && !isPaused) ask();
    });
    document.addEventListener("keydown", (event) => {
        const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.key === "Escape" && event.target === filter) {
            filter.value = "";
            view.setFilter("");
            ask();
        } else if (!isTyping && event.key === "/") {
            event.preventDefault();
            filter.focus();
        } else if (!isTyping && event.key === "p") {
            setPaused(!isPaused);
        }
    });
    ask();
}

start();
