// Calls of the API. Every failure is an Error with the server's words and, if there is one, the problem.

let csrf = null;

export async function call(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf) headers["X-CSRF-Token"] = csrf;
  const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && path !== "login") location.assign(`/login?to=${encodeURIComponent(location.pathname)}`);
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204) return null;
  const kind = answer.headers.get("Content-Type") ?? "";
  return kind.startsWith("application/json") ? answer.json() : answer.text();
}

async function refusal(answer) {
  const told = await answer.json().catch(() => ({ detail: `${answer.status} ${answer.statusText}` }));
  return Object.assign(new Error(told.detail), { problem: told.problem });
}

export async function visitor() {
  const told = await call("GET", "session");
  csrf = told.csrf;
  return told;
}

// Calls `tell` with every event of a stream, and `lost` when the connection goes and comes back.
// A browser has few connections to one server: a tab that nobody sees gives its own back. `now` is what the stream tells
// first, asked for at once: a proxy may hold a stream's beginning back.
export function listen(path, now, tell, lost) {
  let source = null, closed = false;
  const open = () => {
    source = new EventSource(`/api/v1/${path}`);
    source.onmessage = (event) => { lost(false); tell(JSON.parse(event.data)); };
    source.onerror = () => lost(true);
    call("GET", now).then((told) => !closed && tell(told)).catch(() => {});
  };
  const turn = () => {
    if (document.hidden) { source?.close(); source = null; } else if (!source) open();
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => { closed = true; document.removeEventListener("visibilitychange", turn); source?.close(); };
}
