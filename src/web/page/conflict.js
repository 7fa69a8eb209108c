// The dialog for a file that somebody else has changed meanwhile: the difference, and what to do.

import { html, useEffect, useRef } from "./vendor/preact.js";
import { t } from "./words.js";

export function Conflict({ theirs, mine, keepMine, takeTheirs, close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} id="conflict" class="card" aria-labelledby="conflict-head" onClose=${close}>
    <h2 id="conflict-head">${t("conflict")}</h2><p>${t("conflictHelp")}</p>
    <pre tabindex="0" aria-label=${t("difference")}>${difference(theirs, mine).map(([sign, line]) => html`<div class=${sign === "+" ? "added" : sign === "-" ? "removed" : ""}>${sign} ${line}</div>`)}</pre>
    <div class="buttons"><button type="button" onClick=${keepMine}>${t("keepMine")}</button>
      <button type="button" onClick=${takeTheirs}>${t("takeTheirs")}</button>
      <button type="button" class="first" onClick=${close}>${t("goOnEditing")}</button></div></dialog>`;
}

// The lines of both texts: "-" only in the first, "+" only in the second. By their longest common subsequence.
export function difference(before, after) {
  const [from, to] = [before.split("\n"), after.split("\n")];
  const length = Array.from({ length: from.length + 1 }, () => new Uint32Array(to.length + 1));
  for (let i = from.length - 1; i >= 0; i--) {
    for (let j = to.length - 1; j >= 0; j--) length[i][j] = from[i] === to[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    if (i < from.length && j < to.length && from[i] === to[j]) { lines.push([" ", from[i++]]); j++; }
    else if (j === to.length || (i < from.length && length[i + 1][j] >= length[i][j + 1])) lines.push(["-", from[i++]]);
    else lines.push(["+", to[j++]]);
  }
  return lines;
}
