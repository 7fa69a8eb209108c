// The frame around every view, and which view an address shows.

import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { base, call, inside, visitor } from "./api.js";
import { mayLeave } from "./leave.js";
import { language, t } from "./words.js";
import { Overview } from "./overview.js";
import { Details } from "./details.js";
import { Configuration, Editor } from "./editor.js";
import { Login } from "./login.js";

function App() {
  const [path, setPath] = useState(inside(location));
  const [who, setWho] = useState(null);
  const now = useRef(path);
  const show = (to) => { now.current = to; setPath(to); };
  useEffect(() => {
    const follow = () => {
      if (mayLeave()) show(inside(location));
      else history.pushState(null, "", base + now.current);
    };
    addEventListener("popstate", follow);
    visitor().then(setWho);
    return () => removeEventListener("popstate", follow);
  }, []);
  const go = (to) => {
    if (!mayLeave()) return;
    history.pushState(null, "", base + to);
    show(to);
    document.getElementById("main")?.focus();
  };
  const link = (event) => {
    const anchor = event.target.closest("a[data-go]");
    if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(inside(anchor));
  };
  return html`<div class="app" onClick=${link}>
    <a class="skip" href="#main">${t("skip")}</a>
    <header class="bar">
      <a class="brand" href="${base}/" data-go>Rowmill</a>
      ${who?.name && html`<span class="who">${who.name} (${who.role})
        <button type="button" onClick=${() => call("POST", "logout").then(() => location.assign(`${base}/login`))}>${t("signOut")}</button></span>`}
    </header>
    <main id="main" tabindex="-1">${who === null ? html`<p role="status">${t("loading")}</p>` : html`<${View} path=${path} who=${who} go=${go} />`}</main>
  </div>`;
}

function View({ path, who, go }) {
  const admin = who.role === "admin";
  if (path === "/login" || who.role === null) return html`<${Login} />`;
  const [, section, name, page] = path.split("/");
  if (section === "projects" && name && page === "edit" && !admin) return html`<${Configuration} key=${name} name=${name} />`;
  if (section === "projects" && name && page === "edit") return html`<${Editor} key=${name} name=${name} admin=${admin} go=${go} />`;
  if (section === "projects" && name) return html`<${Details} key=${name} name=${name} admin=${admin} go=${go} />`;
  return html`<${Overview} admin=${admin} go=${go} />`;
}

document.documentElement.lang = language;
render(html`<${App} />`, document.body);
