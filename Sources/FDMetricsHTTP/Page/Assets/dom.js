// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Making and changing elements. What comes from a store only ever becomes text or the value of an attribute, never
 * markup: names, labels and help are texts of others.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new element. `attributes` are set as they are, but `text` is its text, and null is not set.
 * @param {string} name
 * @param {Object<string, *>} [attributes]
 * @param {...(Node|string)} children
 */
export function element(name, attributes = {}, ...children) {
    return filled(document.createElement(name), attributes, children);
}

/** The same in an SVG image. */
export function svg(name, attributes = {}, ...children) {
    return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined) continue;
        if (name === "text") made.textContent = value;
        else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
}

/** The element of an id in the page. */
export function byId(id) {
    return document.getElementById(id);
}

/** Changes a text, if it is another one: a screen reader, and a person who selects it, notice every change. */
export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/** Changes an attribute, if it is another one; null removes it. */
export function setAttribute(node, name, value) {
    if (value === null) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Makes `parent` hold exactly these children, after the first `kept` ones, and moves no more than is out of place. The
 * focus stays where it is.
 */
export function arrange(parent, children, kept = 0) {
    const focused = document.activeElement;
    const wanted = new Set(children);
    for (const child of Array.from(parent.children).slice(kept)) if (!wanted.has(child)) child.remove();
    let place = parent.children[kept] ?? null;
    for (const child of children) {
        if (child === place) place = place.nextElementSibling;
        else parent.insertBefore(child, place);
    }
    // To move an element takes the focus from it.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}
