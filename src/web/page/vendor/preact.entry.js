export { html } from "htm/preact";
export { render } from "preact";
export { useEffect, useMemo, useRef, useState } from "preact/hooks";
