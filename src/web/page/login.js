// The login.

import { html, useEffect, useState } from "./vendor/preact.js";
import { base, call, inside } from "./api.js";
import { t } from "./words.js";

export function Login() {
  const [error, setError] = useState("");
  useEffect(() => { document.title = `${t("signIn")} - Rowmill`; }, []);
  const submit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    try {
      await call("POST", "login", { name: given.get("name"), password: given.get("password") });
      const to = new URLSearchParams(location.search).get("to") ?? inside(location);
      location.assign(base + (/^\/(?![\/\\])/.test(to) && to !== "/login" ? to : "/"));
    } catch (refusal) {
      setError(refusal.message);
    }
  };
  return html`<form class="card narrow" onSubmit=${submit}>
    <h1>${t("signIn")}</h1>
    <label>${t("user")}<input name="name" autocomplete="username" required autofocus /></label>
    <label>${t("password")}<input name="password" type="password" autocomplete="current-password" required /></label>
    <p class="error" role="alert">${error}</p>
    <button class="first">${t("signIn")}</button>
  </form>`;
}
