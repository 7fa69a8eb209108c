// What would be lost by leaving the page, and the question before it.

import { t } from "./words.js";

const unsaved = new Set();

// Says whether `what` would be lost.
export const hold = (what, dirty) => (dirty ? unsaved.add(what) : unsaved.delete(what));

// Whether the page may be left; asks if anything would be lost.
export function mayLeave() {
  if (unsaved.size > 0 && !confirm(t("reallyLeave"))) return false;
  unsaved.clear();
  return true;
}

addEventListener("beforeunload", (event) => { if (unsaved.size > 0) event.preventDefault(); });
