// Calls of the API. Every failure is an Error with the server's words and, if there is one, the problem.

let csrf = null;

// The path under which a proxy shows the page; empty if none does.
export const base = document.documentElement.dataset.base;

// An address of the page, without that path.
export const inside = ({ pathname }) => (base && (pathname + "/").startsWith(`${base}/`) ? pathname.slice(base.length) : pathname) || "/";

// `match`: the version that is to be replaced; `tag` is called with the version that there is then.
export async function call(method, path, body, { match, tag } = {}) {
  const headers = {};
  if (match) headers["If-Match"] = match;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-CSRF-Token"] = csrf;
  const answer = await fetch(`${base}/api/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && path !== "login") location.assign(`${base}/login?to=${encodeURIComponent(inside(location))}`);
  if (!answer.ok) throw await refusal(answer);
  tag?.(answer.headers.get("ETag"));
  if (answer.status === 204) return null;
  const kind = answer.headers.get("Content-Type") ?? "";
  return kind.startsWith("application/json") ? answer.json() : answer.text();
}

async function refusal(answer) {
  const told = await answer.json().catch(() => ({ detail: `${answer.status} ${answer.statusText}` }));
  return Object.assign(new Error(told.detail), { status: answer.status, problem: told.problem, current: told.current, tag: answer.headers.get("ETag") });
}

export async function visitor() {
  const told = await call("GET", "session");
  csrf = told.csrf;
  return told;
}

// Calls `tell` with every event of a stream, and `lost` with a word, or the server's reason, when the connection goes, and
// without one when it comes back. A browser has few connections to one server: a tab that nobody sees gives its own back. `now` is what the
// stream tells first, asked for at once: a proxy may hold a stream's beginning back.
export function listen(path, now, tell, lost) {
  let source = null, closed = false, timer = null;
  const shut = () => { source?.close(); source = null; clearTimeout(timer); };
  const open = () => {
    source = new EventSource(`${base}/api/v1/${path}`);
    source.onmessage = (event) => { lost(""); tell(JSON.parse(event.data)); };
    source.onerror = ask;
    call("GET", now).then((told) => { if (!closed) tell(told); }).catch(() => {});
  };
  // A stream that is lost does not say why: whoever is signed out is sent to sign in by the call.
  const ask = () => {
    call("GET", now).then(() => { if (!closed) lost(source?.readyState === EventSource.OPEN ? "" : "lost"); }, (refusal) => {
      if (closed) return;
      lost(refusal.status === 404 ? "deleted" : refusal.status ? refusal.message : "lost");
      if (refusal.status === 404) shut();
    });
    // A stream that was refused is not tried again by the browser.
    if (source?.readyState === EventSource.CLOSED) { shut(); timer = setTimeout(() => { if (!closed && !document.hidden) open(); }, 3000); }
  };
  const turn = () => { if (document.hidden) shut(); else if (!source) open(); };
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => { closed = true; document.removeEventListener("visibilitychange", turn); shut(); };
}
